import { type KeyboardEvent, useLayoutEffect, useRef } from 'react';
import { createPortal } from 'react-dom';
import { dialogs, giveFocusBackSoon } from '@/lib/layers';
import { usePhone } from '@/lib/media';
import { useStore } from '@/lib/store';
import { Dialog } from './Dialog';
import { Icon, type IconName } from './icons';

export interface Choice {
  label: string;
  /** What it comes to, as a date. */
  hint?: string;
  icon?: IconName;
  danger?: boolean;
  chosen?: boolean;
  run: () => void;
}

interface Props {
  label: string;
  choices: readonly Choice[];
  anchor: Element | null;
  /** It was left without a choice. After a choice what follows is up to that. */
  onClose: () => void;
}

/** One of several: a menu beside what it is about, on phones a sheet at the bottom. */
export function ChoiceMenu(props: Props) {
  const phone = usePhone();
  return phone ? <ChoiceSheet {...props} /> : <ChoicePopup {...props} />;
}

function ChoiceSheet({ label, choices, anchor, onClose }: Props) {
  return (
    <Dialog kind="sheet" label={label} onClose={onClose} returnTo={anchor}>
      <h2 className="px-3 pb-2 text-muted text-sm">{label}</h2>
      {choices.map((choice, index) => (
        <button
          key={choice.label}
          type="button"
          className="menu-item"
          data-autofocus={index === 0 || undefined}
          aria-pressed={choice.chosen}
          onClick={choice.run}
        >
          <Content choice={choice} />
        </button>
      ))}
    </Dialog>
  );
}

const gapPx = 4;
const edgePx = 8;

/** Below the anchor, or above it where there is more room; never beyond the edge of the screen. */
function place(menu: HTMLElement, anchor: Element | null): void {
  const at =
    (anchor?.isConnected ? anchor : document.querySelector('main h1'))?.getBoundingClientRect() ??
    new DOMRect(edgePx, edgePx, 0, 0);
  const { width, height } = menu.getBoundingClientRect();
  const below = at.bottom + gapPx;
  const fits = below + height + edgePx <= window.innerHeight;
  const top = fits ? below : Math.max(edgePx, at.top - gapPx - height);
  const left = Math.min(at.left, window.innerWidth - width - edgePx);
  menu.style.top = `${top}px`;
  menu.style.left = `${Math.max(edgePx, left)}px`;
}

function ChoicePopup({ label, choices, anchor, onClose }: Props) {
  const dialog = useStore(dialogs).at(-1);
  const menu = useRef<HTMLDivElement>(null);
  const back = useRef(anchor);
  const close = useRef(onClose);
  close.current = onClose;

  useLayoutEffect(() => {
    const element = menu.current!;
    place(element, back.current);
    const move = () => place(element, back.current);
    const press = (event: PointerEvent) => {
      if (!element.contains(event.target as Node)) close.current();
    };
    element.querySelector<HTMLElement>('[role=menuitem]')?.focus({ preventScroll: true });
    window.addEventListener('resize', move);
    document.addEventListener('pointerdown', press, true);
    return () => {
      window.removeEventListener('resize', move);
      document.removeEventListener('pointerdown', press, true);
      giveFocusBackSoon(back.current);
    };
  }, []);

  function press(event: KeyboardEvent) {
    const items = [...menu.current!.querySelectorAll<HTMLElement>('[role=menuitem]')];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const to = target(event.key, items, at);
    if (event.key === 'Escape' || event.key === 'Tab') onClose();
    else if (to === undefined) return;
    to?.focus();
    event.preventDefault();
    event.stopPropagation();
  }

  return createPortal(
    <div
      ref={menu}
      role="menu"
      aria-label={label}
      tabIndex={-1}
      className="card fixed z-40 max-h-[calc(100dvh-1rem)] min-w-56 overflow-y-auto p-1"
      onKeyDown={press}
    >
      {choices.map((choice) => (
        <button
          key={choice.label}
          type="button"
          role="menuitem"
          tabIndex={-1}
          className="menu-item"
          onClick={choice.run}
          onPointerMove={(event) => event.currentTarget.focus({ preventScroll: true })}
        >
          <Content choice={choice} />
        </button>
      ))}
    </div>,
    dialog ?? document.querySelector('main:not([hidden])') ?? document.body,
  );
}

/** The item that a key leads to: arrows go round, a letter goes to the next that begins with it. */
function target(key: string, items: readonly HTMLElement[], at: number): HTMLElement | undefined {
  const count = items.length;
  if (key === 'ArrowDown') return items[(at + 1) % count];
  if (key === 'ArrowUp') return items[(at - 1 + count) % count];
  if (key === 'Home') return items[0];
  if (key === 'End') return items[count - 1];
  if (key.length !== 1 || key === ' ') return undefined;
  const round = [...items.slice(at + 1), ...items.slice(0, at + 1)];
  return round.find((item) => item.textContent?.toLowerCase().startsWith(key.toLowerCase()));
}

function Content({ choice }: { choice: Choice }) {
  return (
    <>
      {choice.icon !== undefined && (
        <span className={choice.danger ? 'text-red' : 'text-muted'}>
          <Icon name={choice.icon} size={18} />
        </span>
      )}
      <span className={`mr-auto pr-4 ${choice.danger ? 'text-red' : ''}`}>{choice.label}</span>
      {choice.hint !== undefined && <span className="text-muted text-xs">{choice.hint}</span>}
      {choice.chosen && <Icon name="check" size={16} />}
    </>
  );
}
