import { useEffect, useState } from 'react';
import { usePrefs } from '@/lib/prefs';

function measure(): number {
  const style = getComputedStyle(document.documentElement);
  return Number.parseFloat(style.fontSize) * Number.parseFloat(style.getPropertyValue('--row'));
}

/** The height of a row in pixels: it follows the browser's text size and the compact setting. */
export function useRowHeight(): number {
  const { compact } = usePrefs();
  const [height, setHeight] = useState(measure);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the setting changes what is measured.
  useEffect(() => {
    const update = () => setHeight(measure());
    update();
    const observer = new ResizeObserver(update);
    observer.observe(document.documentElement);
    return () => observer.disconnect();
  }, [compact]);
  return height;
}
