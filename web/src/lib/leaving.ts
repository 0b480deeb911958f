import { createStore } from './store';

const leaveMs = 150;

/** Rows that are ticked and about to go. */
export const leaving = createStore<ReadonlySet<string>>(new Set());

const after = new Map<string, (() => void)[]>();

/** Lets the row show its tick for a moment; what is to be shown next waits for that. */
export function leave(id: string): void {
  const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  if (still || after.has(id)) return;
  after.set(id, []);
  leaving.set((old) => new Set(old).add(id));
  window.setTimeout(() => {
    const next = after.get(id) ?? [];
    after.delete(id);
    for (const step of next) step();
    leaving.set((old) => {
      const rest = new Set(old);
      rest.delete(id);
      return rest;
    });
  }, leaveMs);
}

export function afterLeave(id: string, step: () => void): void {
  const steps = after.get(id);
  if (steps === undefined) step();
  else steps.push(step);
}
