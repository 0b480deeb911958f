import { type RefObject, useCallback, useLayoutEffect, useState } from 'react';

const overscanRows = 8;

export interface Windowed {
  /** The rows to draw: from `start`, up to and without `end`. */
  start: number;
  end: number;
  scrollTo(index: number, align: 'nearest' | 'start'): void;
}

/**
 * Which rows of a long list are near enough to the screen to be drawn. All rows are of one height,
 * so that this is a division: nothing is measured and nothing is kept for each row.
 */
export function useWindow(
  count: number,
  rowPx: number,
  scroller: RefObject<HTMLElement | null>,
  list: RefObject<HTMLElement | null>,
): Windowed {
  const [range, setRange] = useState({ start: 0, end: 24 });

  /** Where the list begins in what is scrolled. To ask for it may cost a layout. */
  const offset = useCallback(() => {
    if (scroller.current === null || list.current === null) return 0;
    const top = list.current.getBoundingClientRect().top;
    return top - scroller.current.getBoundingClientRect().top + scroller.current.scrollTop;
  }, [scroller, list]);

  useLayoutEffect(() => {
    const frame = scroller.current;
    const content = list.current?.parentElement;
    if (frame === null || content == null) return;
    let listTop = 0;
    const update = () => {
      const top = frame.scrollTop - listTop;
      const start = Math.max(0, Math.floor(top / rowPx) - overscanRows);
      const end = Math.ceil((top + frame.clientHeight) / rowPx) + overscanRows;
      // Half of the spare rows may pass before the list is drawn again.
      setRange((old) => {
        const near = Math.abs(old.start - start) * 2 < overscanRows && old.start <= start;
        const whole = old.end >= end - overscanRows / 2;
        return near && whole && old.end - old.start < end - start + overscanRows
          ? old
          : { start, end };
      });
    };
    const measure = () => {
      listTop = offset();
      update();
    };
    measure();
    frame.addEventListener('scroll', update, { passive: true });
    // What stands above the list may grow and shrink, and the content with it.
    const observer = new ResizeObserver(measure);
    observer.observe(frame);
    observer.observe(content);
    return () => {
      frame.removeEventListener('scroll', update);
      observer.disconnect();
    };
  }, [rowPx, scroller, list, offset]);

  const scrollTo = useCallback(
    (index: number, align: 'nearest' | 'start') => {
      const frame = scroller.current;
      if (frame === null) return;
      const top = offset() + index * rowPx;
      const bottom = top + rowPx;
      if (align === 'start' || top < frame.scrollTop) frame.scrollTop = top - rowPx;
      else if (bottom > frame.scrollTop + frame.clientHeight) {
        frame.scrollTop = bottom + rowPx - frame.clientHeight;
      }
    },
    [rowPx, scroller, offset],
  );

  return { start: Math.min(range.start, count), end: Math.min(range.end, count), scrollTo };
}
