import { type RefObject, useCallback, useLayoutEffect, useState } from 'react';
import { flushSync } from 'react-dom';

const overscanRows = 4;
/** With fewer rows to spare on either side the list is drawn again. */
const spareRows = 2;

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
  const [range, setRange] = useState({ start: 0, end: 20 });

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
      const first = Math.max(0, Math.floor(top / rowPx));
      const last = Math.ceil((top + frame.clientHeight) / rowPx);
      const most = last - first + 2 * overscanRows;
      // Most steps of a scroll stay within what is drawn: they draw nothing.
      setRange((old) =>
        old.start <= Math.max(0, first - spareRows) &&
        old.end >= last + spareRows &&
        old.end - old.start <= most
          ? old
          : { start: Math.max(0, first - overscanRows), end: last + overscanRows },
      );
    };
    const measure = () => {
      listTop = offset();
      update();
    };
    measure();
    // Before the frame is painted, so that what comes into view costs one frame and not two.
    const scrolled = () => flushSync(update);
    frame.addEventListener('scroll', scrolled, { passive: true });
    // What stands above the list may grow and shrink, and the content with it.
    const observer = new ResizeObserver(measure);
    observer.observe(frame);
    observer.observe(content);
    return () => {
      frame.removeEventListener('scroll', scrolled);
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
