import { type PointerEvent, useRef } from 'react';
import type { Task } from '@/lib/api/types';

const longPressMs = 500;
const slopPx = 10;
const swipePx = 80;

interface Gestures {
  find(target: EventTarget | null): { task: Task; row: HTMLElement } | null;
  select(task: Task): void;
  right(task: Task): void;
  left(task: Task, row: HTMLElement): void;
}

interface Touch {
  x: number;
  y: number;
  task: Task;
  row: HTMLElement;
  content: HTMLElement[];
  swiping: boolean;
  timer: number;
}

/** A long press selects; a swipe to the right completes, to the left reschedules. Touch only. */
export function useTouch(gestures: Gestures) {
  const touch = useRef<Touch | null>(null);
  /** The click that follows a gesture is part of it. */
  const swallow = useRef(false);

  function end(shift: number | null) {
    const current = touch.current;
    if (current === null) return;
    touch.current = null;
    window.clearTimeout(current.timer);
    for (const part of current.content) part.style.translate = '';
    if (shift === null || !current.swiping) return;
    swallow.current = true;
    if (shift > swipePx) gestures.right(current.task);
    if (shift < -swipePx) gestures.left(current.task, current.row);
  }

  return {
    swallowed() {
      const was = swallow.current;
      swallow.current = false;
      return was;
    },
    onPointerDown(event: PointerEvent) {
      swallow.current = false;
      const found = event.pointerType === 'touch' ? gestures.find(event.target) : null;
      if (found === null) return;
      const timer = window.setTimeout(() => {
        swallow.current = true;
        gestures.select(found.task);
        end(null);
      }, longPressMs);
      touch.current = {
        x: event.clientX,
        y: event.clientY,
        ...found,
        content: [...found.row.children] as HTMLElement[],
        swiping: false,
        timer,
      };
    },
    onPointerMove(event: PointerEvent) {
      const current = touch.current;
      if (current === null) return;
      const dx = event.clientX - current.x;
      if (!current.swiping) {
        if (Math.abs(event.clientY - current.y) > slopPx) return end(null);
        if (Math.abs(dx) < slopPx) return;
        current.swiping = true;
        window.clearTimeout(current.timer);
      }
      for (const part of current.content) part.style.translate = `${dx}px`;
    },
    onPointerUp: (event: PointerEvent) => end(event.clientX - (touch.current?.x ?? event.clientX)),
    onPointerCancel: () => end(null),
  };
}
