import { createStore } from './store';

const probeDelayFirstMs = 1_000;
const probeDelayMaxMs = 30_000;

/** Whether the server answered when it was last asked. */
export const reachable = createStore(true);

let probeDelayMs = probeDelayFirstMs;
let probeTimer: number | undefined;

export function noteReachable(): void {
  probeDelayMs = probeDelayFirstMs;
  window.clearTimeout(probeTimer);
  probeTimer = undefined;
  reachable.set(true);
}

/** From here on the server is asked again, later and later, until it answers. */
export function noteUnreachable(): void {
  reachable.set(false);
  if (probeTimer !== undefined) return;
  const delay = Math.random() * probeDelayMs;
  probeDelayMs = Math.min(probeDelayMs * 2, probeDelayMaxMs);
  probeTimer = window.setTimeout(() => void probe(), Math.max(200, delay));
}

async function probe(): Promise<void> {
  probeTimer = undefined;
  try {
    const response = await fetch('/healthz', { cache: 'no-store' });
    // A proxy whose backend is away answers in its place.
    if ([502, 503, 504].includes(response.status)) noteUnreachable();
    else noteReachable();
  } catch {
    noteUnreachable();
  }
}

export function watchNetwork(): void {
  window.addEventListener('offline', () => noteUnreachable());
  window.addEventListener('online', () => {
    window.clearTimeout(probeTimer);
    void probe();
  });
  if (!navigator.onLine) noteUnreachable();
}
