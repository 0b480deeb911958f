import { useEffect, useRef, useState } from 'react';
import { createPortal } from 'react-dom';
import { dialogs, giveFocusBack } from '@/lib/layers';
import { useStore } from '@/lib/store';
import { dismiss, held as heldToasts, shown, type Toast, toasts } from '@/lib/toasts';
import { Icon } from './icons';

const toastMs = 5_000;

/** What had the focus before F8 brought it here. */
let before: Element | null = null;

export function focusToasts(): void {
  const first = document.querySelector<HTMLElement>('[data-toast] button');
  if (first === null) return;
  if (!document.activeElement?.closest('[data-toast]')) before = document.activeElement;
  first.focus();
}

/**
 * Both regions are there from the start, so that what comes into them is read; while a modal dialog
 * makes the page inert they are in the dialog. A toast stays for five seconds in which it is neither
 * looked at (hover, focus) nor out of sight (a hidden tab).
 */
export function Toasts() {
  const all = shown(useStore(toasts));
  const dialog = useStore(dialogs).at(-1);
  return createPortal(
    <div className="pointer-events-none fixed inset-x-0 bottom-0 z-50 px-4 md:left-56 pb-[calc(var(--bar)+1rem+env(safe-area-inset-bottom))] md:pb-4">
      <div className="mx-auto flex w-full max-w-md flex-col">
        <div role="status">
          {all.map((toast) => toast.kind === 'status' && <Card key={toast.id} toast={toast} />)}
        </div>
        <div role="alert">
          {all.map((toast) => toast.kind === 'alert' && <Card key={toast.id} toast={toast} />)}
        </div>
      </div>
    </div>,
    dialog ?? document.body,
  );
}

function Card({ toast }: { toast: Toast }) {
  const [held, setHeld] = useState(false);
  const left = useRef(toastMs);
  const card = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (!held) return;
    heldToasts.add(toast.id);
    return () => {
      heldToasts.delete(toast.id);
    };
  }, [held, toast.id]);
  useEffect(() => {
    if (held) return;
    let since = Date.now();
    let timer: number | undefined;
    const run = () => {
      since = Date.now();
      if (document.visibilityState === 'visible') {
        timer = window.setTimeout(() => dismiss(toast.id), left.current);
      }
    };
    const pause = () => {
      if (timer === undefined) return;
      window.clearTimeout(timer);
      timer = undefined;
      left.current = Math.max(500, left.current - (Date.now() - since));
    };
    const turn = () => (document.visibilityState === 'visible' ? run() : pause());
    run();
    document.addEventListener('visibilitychange', turn);
    return () => {
      pause();
      document.removeEventListener('visibilitychange', turn);
    };
  }, [held, toast.id]);

  function close() {
    const focused = card.current?.contains(document.activeElement);
    dismiss(toast.id);
    if (focused) giveFocusBack(before);
  }

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: hover and focus only hold the time.
    <div
      ref={card}
      data-toast
      className="card pointer-events-auto mb-2 flex items-center gap-1 py-1 pr-1 pl-4"
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        close();
      }}
    >
      {toast.kind === 'alert' && (
        <span className="mr-2 text-red">
          <Icon name="warning" />
        </span>
      )}
      <div className="mr-auto line-clamp-3 min-w-0 py-1">
        {toast.open === undefined ? (
          toast.text
        ) : (
          <button
            type="button"
            className="text-start hover:underline"
            onClick={() => {
              toast.open?.();
              close();
            }}
          >
            {toast.text}
          </button>
        )}
      </div>
      {toast.actions.map((action) => (
        <button
          key={action.label}
          type="button"
          className="btn btn-quiet text-accent"
          onClick={() => {
            close();
            action.run();
          }}
        >
          {action.label}
        </button>
      ))}
      <button type="button" className="icon-btn" aria-label="Dismiss" onClick={close}>
        <Icon name="close" size={16} />
      </button>
    </div>
  );
}
