import { useSyncExternalStore } from 'react';

/** One for each query: to make one at every drawing costs more than to ask it. */
function media(query: string): () => boolean {
  const list = window.matchMedia(query);
  const subscribe = (listener: () => void) => {
    list.addEventListener('change', listener);
    return () => list.removeEventListener('change', listener);
  };
  return () => useSyncExternalStore(subscribe, () => list.matches);
}

export const phoneQuery = '(width < 48rem)';

export const usePhone = media(phoneQuery);
export const useWide = media('(width >= 64rem)');
