import { type ComponentType, lazy } from 'react';
import { noteUnreachable, reachable } from './reachable';

function serverIsBack(): Promise<void> {
  noteUnreachable();
  return new Promise((resolve) => {
    const stop = reachable.subscribe(() => {
      if (!reachable.get()) return;
      stop();
      resolve();
    });
  });
}

/** Loads a part of the page; without the network it waits for it, and the page stays what it is. */
export async function loadPart<T>(load: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await load();
    } catch {
      await serverIsBack();
    }
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a part may take whatever it likes.
export const lazyPart = <T extends ComponentType<any>>(load: () => Promise<{ default: T }>) =>
  lazy(() => loadPart(load));
