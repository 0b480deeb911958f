import { ApiError, api, data, unauthorized } from './api/client';
import type { User } from './api/types';
import { queryClient } from './cache';
import { dropAllDrafts } from './drafts';
import { forgetPages } from './lists';
import { outbox, startOutbox, stopOutbox } from './outbox';
import { createStore } from './store';
import { browserZone, zone } from './time';
import { clearToasts } from './toasts';
import { forgetDone } from './undo';

export interface Session {
  /**
   * `unknown`: the first answer is not here; `out`: nobody is signed in; `in`; `expired`: the page
   * still shows the user's work, and the next thing to do is to sign in again.
   */
  state: 'unknown' | 'out' | 'in' | 'expired';
  user: User | null;
}

export const session = createStore<Session>({ state: 'unknown', user: null });

/** Tells the browser's other tabs that somebody signed in or out. */
const channel = new BroadcastChannel('todo.session');

const zoneKey = 'todo.zone';

function entered(user: User): void {
  const before = session.get().user;
  if (before !== null && before.id !== user.id) {
    // Another account: nothing of the first one may stay in memory.
    forget();
  }
  zone.set(user.timezone);
  localStorage.setItem(zoneKey, user.timezone);
  session.set({ state: 'in', user });
  void startOutbox(user.id);
}

/** Who is signed in? Until the answer comes, the last known zone is as good as any. */
export async function startSession(): Promise<void> {
  zone.set(localStorage.getItem(zoneKey) ?? browserZone());
  unauthorized.subscribe(() => {
    session.set((old) => (old.state === 'in' ? { ...old, state: 'expired' } : old));
  });
  channel.addEventListener('message', ({ data: word }) => {
    if (word === 'out') left();
    if (word === 'in') void whoAmI();
  });
  // On the way in nobody is known yet, and asking would be answered with a refusal.
  const stranger = localStorage.getItem(zoneKey) === null;
  if (stranger && /^\/(login|register)$/.test(location.pathname)) {
    session.set({ state: 'out', user: null });
  } else {
    await whoAmI();
  }
}

let asking: Promise<void> | null = null;

/** Asks who is signed in; however many want to know at once, it is asked once. */
export function whoAmI(): Promise<void> {
  asking ??= ask().finally(() => {
    asking = null;
  });
  return asking;
}

async function ask(): Promise<void> {
  try {
    entered(await data(api.GET('/api/v1/auth/me')));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      if (session.get().user === null) session.set({ state: 'out', user: null });
      return;
    }
    throw error;
  }
}

export async function signIn(email: string, password: string): Promise<void> {
  const answer = await data(
    api.POST('/api/v1/auth/login', { body: { email, password, session: 'cookie' } }),
  );
  const expired = session.get().state === 'expired';
  entered(answer.user);
  channel.postMessage('in');
  // What was refused meanwhile is asked for again.
  if (expired) void queryClient.invalidateQueries();
}

export async function register(email: string, password: string, name: string): Promise<void> {
  const body = {
    email,
    password,
    timezone: browserZone(),
    ...(name.trim() ? { display_name: name.trim() } : {}),
  };
  await data(api.POST('/api/v1/auth/register', { body }));
  await signIn(email, password);
}

export const unsentCount = () => outbox.get().length;

export async function signOut(): Promise<void> {
  try {
    await data(api.POST('/api/v1/auth/logout'));
  } catch (error) {
    // A session that has ended already is what was asked for.
    if (!(error instanceof ApiError && error.status === 401)) throw error;
  }
  channel.postMessage('out');
  left();
}

/** Also after the account is deleted. */
export function left(): void {
  forget();
  localStorage.removeItem(zoneKey);
  session.set({ state: 'out', user: null });
}

function forget(): void {
  stopOutbox();
  queryClient.clear();
  forgetPages();
  dropAllDrafts();
  clearToasts();
  forgetDone();
}
