import { type PointerEvent, type ReactNode, useEffect, useRef } from 'react';
import { dialogs, giveFocusBackSoon } from '@/lib/layers';
import { Icon } from './icons';

interface DialogProps {
  label: string;
  kind: 'modal' | 'drawer' | 'sheet';
  onClose: () => void;
  children: ReactNode;
  className?: string;
  /** Where the focus goes afterwards, where it is not what had it before. */
  returnTo?: Element | null;
}

const dragMinPx = 80;

/**
 * A modal layer. The focus goes to what is marked with data-autofocus, else to the first field, and
 * afterwards back to what had it. Esc and a press beside it close it.
 */
export function Dialog({ label, kind, onClose, children, className = '', returnTo }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const close = useRef(onClose);
  close.current = onClose;
  const back = useRef(returnTo);
  back.current = returnTo;

  useEffect(() => {
    const dialog = element.current!;
    const opener = document.activeElement;
    dialog.showModal();
    dialogs.set((old) => [...old, dialog]);
    const first =
      dialog.querySelector<HTMLElement>('[data-autofocus]') ??
      dialog.querySelector<HTMLElement>('input, textarea, select') ??
      dialog.querySelector<HTMLElement>('button');
    first?.focus();
    return () => {
      dialogs.set((old) => old.filter((other) => other !== dialog));
      dialog.close();
      giveFocusBackSoon(back.current ?? opener);
    };
  }, []);

  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Esc does what a press beside the dialog does.
    <dialog
      ref={element}
      aria-label={label}
      className={`${kind} ${className}`}
      onCancel={(event) => {
        event.preventDefault();
        if (event.target === element.current) close.current();
      }}
      onClick={(event) => {
        if (event.target === element.current && kind !== 'modal') close.current();
      }}
    >
      {kind === 'sheet' && <Handle sheet={element} onClose={onClose} />}
      {children}
    </dialog>
  );
}

/** Dragging it down closes the sheet; so does pressing it. */
function Handle({
  sheet,
  onClose,
}: {
  sheet: React.RefObject<HTMLDialogElement | null>;
  onClose: () => void;
}) {
  const start = useRef<number | null>(null);
  function move(event: PointerEvent) {
    if (start.current === null || sheet.current === null) return;
    sheet.current.style.translate = `0 ${Math.max(0, event.clientY - start.current)}px`;
  }
  function end(event: PointerEvent) {
    if (start.current === null || sheet.current === null) return;
    const moved = event.clientY - start.current;
    start.current = null;
    sheet.current.style.translate = '';
    if (moved > dragMinPx) onClose();
  }
  return (
    <button
      type="button"
      aria-label="Close"
      className="mx-auto grid h-11 w-24 touch-none place-items-center"
      onPointerDown={(event) => {
        start.current = event.clientY;
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={move}
      onPointerUp={end}
      onPointerCancel={end}
      onClick={onClose}
    >
      <span className="h-1 w-10 rounded-sm bg-edge" />
    </button>
  );
}

/** The head of a drawer: what it is, and the way out. */
export function DrawerHead({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children?: ReactNode;
}) {
  return (
    <div className="sticky top-0 z-10 flex min-h-14 items-center gap-1 border-line border-b bg-page pr-2 pl-4">
      <h2 className="mr-auto min-w-0 truncate text-lg max-md:text-base">{title}</h2>
      {children}
      <button type="button" className="icon-btn" aria-label="Close" onClick={onClose}>
        <Icon name="close" />
      </button>
    </div>
  );
}
