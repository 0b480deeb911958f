import { useRef } from 'react';
import type { View } from '@/lib/views';

interface Shown {
  view: View;
  title: string;
}

/** The same object for as long as it says the same: a list is drawn again only when it is another. */
export function useStableView(next: Shown | null): Shown | null {
  const kept = useRef(next);
  if (JSON.stringify(kept.current) !== JSON.stringify(next)) kept.current = next;
  return kept.current;
}
