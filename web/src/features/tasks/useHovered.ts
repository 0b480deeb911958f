import { type PointerEvent, useEffect, useRef, useState } from 'react';

const restMs = 150;

/**
 * The row that the mouse is over. Rows that pass below a mouse that stands still, as when the list
 * is scrolled, are told only once they rest there.
 */
export function useHovered() {
  const [hovered, setHovered] = useState<string | null>(null);
  const last = useRef({ x: -1, y: -1, timer: 0 });
  useEffect(() => () => window.clearTimeout(last.current.timer), []);

  function soon(event: PointerEvent, id: string | null) {
    const { x, y, timer } = last.current;
    const moved = event.clientX !== x || event.clientY !== y;
    window.clearTimeout(timer);
    last.current = {
      x: event.clientX,
      y: event.clientY,
      timer: window.setTimeout(() => setHovered(id), moved ? 0 : restMs),
    };
  }
  const handlers = {
    onPointerOver: (event: PointerEvent) => {
      if (event.pointerType === 'touch') return;
      soon(event, (event.target as Element).closest<HTMLElement>('[data-id]')?.dataset.id ?? null);
    },
    onPointerLeave: (event: PointerEvent) => soon(event, null),
  };
  return [hovered, handlers] as const;
}
