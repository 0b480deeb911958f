import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from 'react';

/** Where the page is: the path and the query, read from the address bar. */
export interface Place {
  path: string;
  params: URLSearchParams;
}

const listeners = new Set<() => void>();
let place: Place = read();

function read(): Place {
  return { path: location.pathname, params: new URLSearchParams(location.search) };
}

function moved(): void {
  place = read();
  for (const listener of [...listeners]) listener();
}

window.addEventListener('popstate', moved);

export function navigate(to: string, options: { replace?: boolean; state?: unknown } = {}): void {
  const { replace = false, state = null } = options;
  if (replace) history.replaceState(state, '', to);
  else history.pushState(state, '', to);
  moved();
}

/** Changes members of the query and keeps the rest; null takes one away. */
export function setParams(
  changes: Record<string, string | null>,
  options: { replace?: boolean; state?: unknown } = {},
): void {
  const params = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === '') params.delete(name);
    else params.set(name, value);
  }
  const query = params.toString();
  navigate(location.pathname + (query ? `?${query}` : ''), options);
}

export const currentPlace = () => place;

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const usePlace = (): Place => useSyncExternalStore(subscribe, () => place);

/** The path alone: what opens a task or filters a list draws nothing that asks only for this. */
export const usePath = (): string => useSyncExternalStore(subscribe, () => place.path);

export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement>) {
  function follow(event: MouseEvent<HTMLAnchorElement>) {
    onClick?.(event);
    const plain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey);
    if (event.defaultPrevented || !plain || event.altKey || href === undefined) return;
    event.preventDefault();
    if (href !== location.pathname + location.search) navigate(href);
  }
  return <a href={href} onClick={follow} {...rest} />;
}

/** Opens the panel; Back closes it again. From one task to the next it stays one step. */
export function openTask(id: string): void {
  const open = place.params.get('task');
  if (open === id) return;
  setParams({ task: id }, { replace: open !== null, state: { panel: open === null } });
}

/** Goes back where the panel was opened from here, so that Forward opens it again. */
export function closeTask(): void {
  if (place.params.get('task') === null) return;
  if ((history.state as { panel?: boolean } | null)?.panel) history.back();
  else setParams({ task: null }, { replace: true });
}
