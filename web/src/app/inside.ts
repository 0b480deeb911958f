import { startTelling } from '@/features/notifications/tell';
import { startLive } from '@/lib/live';
import { startKeys } from './keys';

/** What goes on while somebody is signed in. Nothing of it is needed to show the first list. */
export function startInside(): () => void {
  const stops = [startLive(), startTelling(), startKeys()];
  return () => {
    for (const stop of stops) stop();
  };
}
