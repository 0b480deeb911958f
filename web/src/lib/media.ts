import { useSyncExternalStore } from 'react';

function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const media = window.matchMedia(query);
      media.addEventListener('change', listener);
      return () => media.removeEventListener('change', listener);
    },
    () => window.matchMedia(query).matches,
  );
}

export const phoneQuery = '(width < 48rem)';

export const usePhone = () => useMedia(phoneQuery);
export const useWide = () => useMedia('(width >= 64rem)');
