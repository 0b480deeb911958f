import type { Task } from './api/types';
import { createStore } from './store';

/** What lies over the page, the topmost last. Esc closes the topmost only. */
export type Layer =
  | { kind: 'reschedule'; tasks: readonly Task[]; anchor: Element | null; reminder?: boolean }
  | { kind: 'priority'; tasks: readonly Task[]; anchor: Element | null }
  | { kind: 'category'; tasks: readonly Task[]; anchor: Element | null }
  | { kind: 'row-menu'; tasks: readonly Task[]; anchor: Element | null }
  | { kind: 'delete'; tasks: readonly Task[]; done?: (failed: ReadonlyMap<string, string>) => void }
  | { kind: 'confirm'; title: string; text: string; verb: string; run: () => void }
  | { kind: 'palette' | 'help' | 'notifications' | 'more' | 'quick-add' };

export const layers = createStore<readonly Layer[]>([]);

/** The modal dialogs that are open, the topmost last: what is outside of it is inert. */
export const dialogs = createStore<readonly HTMLDialogElement[]>([]);

export function openLayer(layer: Layer): void {
  layers.set((old) => [...old, layer]);
}

export function closeLayer(layer: Layer): void {
  layers.set((old) => old.filter((other) => other !== layer));
}

export function closeLayers(): void {
  layers.set([]);
}

export const layerOpen = () => layers.get().length > 0;

/**
 * Where the focus goes when what had it is gone. The list on the screen names its nearest row; the
 * heading of the page is what is left without one.
 */
let fallback: (() => HTMLElement | null) | null = null;

export function setFocusFallback(find: () => HTMLElement | null): () => void {
  fallback = find;
  return () => {
    if (fallback === find) fallback = null;
  };
}

export function focusSomewhere(): void {
  const target = fallback?.() ?? document.querySelector<HTMLElement>('main h1');
  target?.focus();
}

/** Gives the focus back to `opener`, or to what is nearest to where it was. */
export function giveFocusBack(opener: Element | null): void {
  if (opener instanceof HTMLElement && opener.isConnected && opener !== document.body) {
    opener.focus();
    if (document.activeElement === opener) return;
  }
  focusSomewhere();
}

/**
 * The same once the page is drawn without what is leaving now; and only if nothing that came in its
 * place has the focus by then.
 */
export function giveFocusBackSoon(opener: Element | null): void {
  const before = document.activeElement;
  queueMicrotask(() => {
    const now = document.activeElement;
    if (now === null || now === document.body || now === before) giveFocusBack(opener);
  });
}
