import { createStore, useStore } from './store';

/** How this browser shows things. Nothing in here says anything about a user's tasks. */
export interface LocalPrefs {
  theme: 'system' | 'light' | 'dark';
  compact: boolean;
  singleKeys: boolean;
  systemNotifications: boolean;
}

const key = 'todo.prefs';
const defaults: LocalPrefs = {
  theme: 'system',
  compact: false,
  singleKeys: true,
  systemNotifications: false,
};

function read(): LocalPrefs {
  try {
    return { ...defaults, ...JSON.parse(localStorage.getItem(key) ?? '{}') };
  } catch {
    return defaults;
  }
}

export const prefs = createStore<LocalPrefs>(read());

function apply(): void {
  const { theme, compact } = prefs.get();
  const root = document.documentElement;
  if (theme === 'system') delete root.dataset.theme;
  else root.dataset.theme = theme;
  root.toggleAttribute('data-compact', compact);
}

export function startPrefs(): void {
  apply();
  prefs.subscribe(() => {
    apply();
    localStorage.setItem(key, JSON.stringify(prefs.get()));
  });
  window.addEventListener('storage', (event) => {
    if (event.key === key) prefs.set(read());
  });
}

export function setPref<K extends keyof LocalPrefs>(name: K, value: LocalPrefs[K]): void {
  prefs.set((old) => ({ ...old, [name]: value }));
}

export const usePrefs = () => useStore(prefs);
