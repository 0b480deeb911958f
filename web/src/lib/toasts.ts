import { createStore } from './store';

export interface ToastAction {
  label: string;
  run: () => void;
}

export interface Toast {
  id: number;
  text: string;
  kind: 'status' | 'alert';
  actions: ToastAction[];
  /** What a click on the text does. */
  open?: () => void;
}

const shownMax = 3;
const waitingMax = 50;
let lastId = 0;

/** All that wait to be read, the oldest first; the first three of them show. */
export const toasts = createStore<readonly Toast[]>([]);

export function toast(
  text: string,
  options: Partial<Pick<Toast, 'kind' | 'actions' | 'open'>> = {},
): number {
  lastId += 1;
  const entry: Toast = { id: lastId, text, kind: 'status', actions: [], ...options };
  toasts.set((old) => [...makeRoom(old, entry).slice(-waitingMax), entry]);
  return entry.id;
}

/** Those that are looked at now. */
export const held = new Set<number>();

/** What tells of the user's own last act, not of a reminder or a failure. */
const ofAnAct = (entry: Toast) => entry.kind === 'status' && entry.open === undefined;

/**
 * What the user has just done is told at once: it takes the place of the oldest of its kind, where
 * nobody looks at that. Reminders and failures wait for their turn and are never pushed out.
 */
function makeRoom(all: readonly Toast[], entry: Toast): readonly Toast[] {
  if (!ofAnAct(entry) || all.length < shownMax) return all;
  const oldest = all.find((other) => ofAnAct(other) && !held.has(other.id));
  return oldest === undefined ? all : all.filter((other) => other !== oldest);
}

export function failure(text: string, actions: ToastAction[] = []): number {
  return toast(text, { kind: 'alert', actions });
}

export function dismiss(id: number): void {
  toasts.set((old) => old.filter((entry) => entry.id !== id));
}

export const shown = (all: readonly Toast[]) => all.slice(0, shownMax);

export function clearToasts(): void {
  toasts.set([]);
}
