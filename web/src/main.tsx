import './styles.css';
import { createRoot } from 'react-dom/client';
import { App } from './app/App';
import { viewOf } from './app/pages';
import { prefetchList } from './lib/lists';
import { startPrefs } from './lib/prefs';
import { noteUnreachable, watchNetwork } from './lib/reachable';
import { currentPlace } from './lib/router';
import { startSession } from './lib/session';
import { startSync } from './lib/sync';
import { startClock } from './lib/time';

const reloadedKey = 'todo.reloaded';
const reloadAgainMs = 10_000;

// After a deploy the chunks of the page that is open are gone: the new page has them. Once only, so
// that a chunk that is really missing does not make the page reload for ever. Drafts are kept. Without
// a server there is no new page either: then the part waits (lib/parts.ts).
window.addEventListener('vite:preloadError', () => {
  const last = Number(sessionStorage.getItem(reloadedKey) ?? 0);
  if (Date.now() - last < reloadAgainMs) return;
  void fetch('/healthz', { cache: 'no-store' }).then(
    (answer) => {
      if (!answer.ok) return;
      sessionStorage.setItem(reloadedKey, String(Date.now()));
      location.reload();
    },
    () => noteUnreachable(),
  );
});

async function start(): Promise<void> {
  startPrefs();
  if (!('Temporal' in globalThis)) await import('temporal-polyfill/global');
  startClock();
  watchNetwork();
  startSync();
  const asked = startSession();
  const list = viewOf(currentPlace());
  if (list !== null && localStorage.getItem('todo.zone') !== null) prefetchList(list.view);
  createRoot(document.getElementById('root')!).render(<App />);
  // What keeps the answer away is shown by the page, which asks again.
  await asked.catch(() => {});
}

void start();
