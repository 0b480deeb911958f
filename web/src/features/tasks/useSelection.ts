import { useMemo, useState } from 'react';
import type { Task } from '@/lib/api/types';

const none: ReadonlySet<string> = new Set();

/** Which tasks of the list are chosen; one that leaves the list is chosen no more. */
export function useSelection(tasks: readonly Task[]) {
  const [ids, setIds] = useState(none);
  const chosen = useMemo(
    () => (ids.size === 0 ? [] : tasks.filter((task) => ids.has(task.id))),
    [tasks, ids],
  );
  return {
    chosen,
    has: (id: string) => ids.has(id),
    toggle: (id: string) =>
      setIds((old) => {
        const next = new Set(old);
        if (!next.delete(id)) next.add(id);
        return next;
      }),
    /** Everything from one to the other, both included. */
    extend: (from: string, to: string) => {
      const a = tasks.findIndex((task) => task.id === from);
      const b = tasks.findIndex((task) => task.id === to);
      if (a < 0 || b < 0) return;
      const between = tasks.slice(Math.min(a, b), Math.max(a, b) + 1).map((task) => task.id);
      setIds((old) => new Set([...old, ...between]));
    },
    keep: (kept: Iterable<string>) => setIds(new Set(kept)),
    /** Answers whether there was anything to clear. */
    clear: () => {
      setIds(none);
      return chosen.length > 0;
    },
  };
}
