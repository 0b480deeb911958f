import {
  type RefObject,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import { setFocusFallback } from '@/lib/layers';
import type { Item } from './items';
import type { Windowed } from './useWindow';

/**
 * One row of the list is in the tab order; the arrows and j and k move it. When it leaves, the one
 * that takes its place is next (the previous one at the end), and has the focus if it had it.
 */
export function useRoving(items: readonly Item[], list: RefObject<HTMLDivElement | null>) {
  const [activeId, setActiveId] = useState<string | null>(null);
  const scrollTo = useRef<Windowed['scrollTo']>(() => {});
  const wanted = useRef<string | null>(null);
  const focused = useRef(false);
  const lastPosition = useRef(0);

  const tasks = useMemo(() => items.filter((item) => item.kind === 'task'), [items]);
  const at = tasks.findIndex((item) => item.key === activeId);
  const active = tasks[at] ?? tasks[Math.min(lastPosition.current, tasks.length - 1)] ?? null;
  const shownId = active?.key ?? null;

  const element = useCallback(
    (id: string | null) =>
      id === null
        ? null
        : (list.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"]`) ?? null),
    [list],
  );

  const focus = useCallback(
    (id: string) => {
      wanted.current = id;
      setActiveId(id);
      const index = items.findIndex((item) => item.key === id);
      if (index >= 0) scrollTo.current(index, 'nearest');
      const row = element(id);
      if (row !== null) {
        wanted.current = null;
        row.focus({ preventScroll: true });
      }
    },
    [items, element],
  );

  // A row that was scrolled to is there only after the list has drawn itself again.
  useLayoutEffect(() => {
    const row = element(wanted.current);
    if (row === null) return;
    wanted.current = null;
    row.focus({ preventScroll: true });
  });

  useLayoutEffect(() => {
    if (at >= 0) lastPosition.current = at;
    const lost = document.activeElement === document.body || document.activeElement === null;
    if (at >= 0 || !focused.current || !lost) return;
    if (shownId !== null) focus(shownId);
    else document.querySelector<HTMLElement>('main h1')?.focus();
  }, [at, shownId, focus]);

  useEffect(() => setFocusFallback(() => element(shownId)), [element, shownId]);

  const move = useCallback(
    (delta: number) => {
      if (tasks.length === 0) return null;
      const from = tasks.findIndex((item) => item.key === shownId);
      const inside = list.current?.contains(document.activeElement) ?? false;
      const to = inside ? Math.max(0, Math.min(tasks.length - 1, from + delta)) : Math.max(0, from);
      const id = tasks[to]!.key;
      focus(id);
      return id;
    },
    [tasks, shownId, focus, list],
  );

  return {
    activeId: shownId,
    activate: setActiveId,
    scrollTo,
    element,
    move,
    onFocus: (event: React.FocusEvent) => {
      focused.current = true;
      const id = (event.target as HTMLElement).closest<HTMLElement>('[data-id]')?.dataset.id;
      if (id !== undefined) setActiveId(id);
    },
    onBlur: (event: React.FocusEvent) => {
      if (event.relatedTarget !== null && !list.current?.contains(event.relatedTarget)) {
        focused.current = false;
      }
    },
  };
}
