import { api, data } from './api/client';
import type { Notification } from './api/types';
import {
  cachedTask,
  dropTask,
  notificationsKey,
  queryClient,
  refreshLists,
  unreadKey,
} from './cache';
import { pendingFor } from './outbox';
import { reachable } from './reachable';
import { session } from './session';
import { createStore } from './store';
import { fetchTask, noteAnnounced } from './sync';

/**
 * What others do, as it happens: by WebSocket, and by asking every 30 seconds, either of which is
 * enough. One of the browser's tabs asks for all of them.
 */
const pollMs = 30_000;
const reconnectFirstMs = 1_000;
const reconnectMaxMs = 30_000;
const pingMs = 25_000;
/** Changes that come together are looked up one by one up to here; beyond, the lists are. */
const lookUpsMax = 8;
const gatherMs = 40;

/** Whether the socket is open. */
export const connected = createStore(false);

type Message =
  | { type: 'hello'; server_time: string }
  | { type: 'notification'; notification: Notification; unread_count: number }
  | { type: 'task'; action: string; task_id: string; version: number };

type Heard = (notification: Notification) => void;
const listeners = new Set<Heard>();

/** Tells of each notification when it is new. */
export function onNotification(listener: Heard): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

let socket: WebSocket | null = null;
let reconnectMs = reconnectFirstMs;
let reconnectTimer: number | undefined;
let pingTimer: number | undefined;
let running: AbortController | null = null;
const channel = new BroadcastChannel('todo.poll');

export function startLive(): () => void {
  const stop = new AbortController();
  running = stop;
  connect();
  const unwatch = reachable.subscribe(() => {
    if (!reachable.get()) {
      // Whatever the socket believes: a new one is made when the server is back.
      socket?.close();
      return;
    }
    reconnectMs = reconnectFirstMs;
    window.clearTimeout(reconnectTimer);
    connect();
    void ask();
  });
  channel.addEventListener(
    'message',
    ({ data: word }) => {
      if (word === 'changed') refreshAll();
    },
    { signal: stop.signal },
  );
  void pollAlone(stop.signal);
  return () => {
    stop.abort();
    running = null;
    unwatch();
    window.clearTimeout(reconnectTimer);
    socket?.close();
    socket = null;
    connected.set(false);
  };
}

function connect(): void {
  if (running === null || socket !== null || !reachable.get()) return;
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const opened = new WebSocket(`${scheme}://${location.host}/api/v1/ws`);
  socket = opened;
  opened.addEventListener('open', () => {
    reconnectMs = reconnectFirstMs;
    connected.set(true);
    pingTimer = window.setInterval(() => opened.send('{"type":"ping"}'), pingMs);
    // What happened while nobody listened: at the start too, the lists were asked for before.
    refreshLists();
    void ask();
  });
  opened.addEventListener('message', ({ data: text }) => heard(JSON.parse(text as string)));
  opened.addEventListener('close', () => {
    window.clearInterval(pingTimer);
    if (socket !== opened) return;
    socket = null;
    connected.set(false);
    again();
  });
}

function again(): void {
  if (running === null) return;
  const delay = Math.random() * reconnectMs;
  reconnectMs = Math.min(reconnectMs * 2, reconnectMaxMs);
  window.clearTimeout(reconnectTimer);
  reconnectTimer = window.setTimeout(connect, Math.max(200, delay));
}

function heard(message: Message): void {
  switch (message.type) {
    case 'notification':
      queryClient.setQueryData(unreadKey, message.unread_count);
      void queryClient.invalidateQueries({ queryKey: notificationsKey });
      tell([message.notification]);
      break;
    case 'task':
      gather(message.task_id, message.action, message.version);
      break;
    case 'hello':
      break;
  }
}

const gathered = new Map<string, { action: string; version: number }>();
let gatherTimer: number | undefined;

function gather(id: string, action: string, version: number): void {
  if (pendingFor(id)) {
    noteAnnounced(id, version);
    return;
  }
  gathered.set(id, { action, version });
  if (gatherTimer === undefined) gatherTimer = window.setTimeout(lookUp, gatherMs);
}

function lookUp(): void {
  gatherTimer = undefined;
  const news = [...gathered].filter(
    ([id, { version }]) => version > (cachedTask(id)?.version ?? 0),
  );
  gathered.clear();
  void queryClient.invalidateQueries({ queryKey: ['history'] });
  if (news.length > lookUpsMax) {
    refreshLists();
    return;
  }
  for (const [id, { action }] of news) {
    if (action === 'deleted') dropTask(id);
    else void fetchTask(id);
  }
}

function refreshAll(): void {
  refreshLists();
  void queryClient.invalidateQueries({ queryKey: notificationsKey });
  void queryClient.invalidateQueries({ queryKey: unreadKey });
}

/** The tab that holds the lock asks; when it closes, the next one gets the lock. */
async function pollAlone(signal: AbortSignal): Promise<void> {
  const poll = () =>
    new Promise<void>((resolve) => {
      const timer = window.setInterval(() => void ask(), pollMs);
      signal.addEventListener('abort', () => {
        window.clearInterval(timer);
        resolve();
      });
    });
  if (!('locks' in navigator)) return poll();
  await navigator.locks.request('todo.poll', { signal }, poll).catch((error: Error) => {
    if (error.name !== 'AbortError') throw error;
  });
}

async function ask(): Promise<void> {
  if (session.get().state !== 'in' || !reachable.get()) return;
  try {
    const { count } = await data(api.GET('/api/v1/notifications/unread-count'));
    const before = queryClient.getQueryData<number>(unreadKey);
    queryClient.setQueryData(unreadKey, count);
    if (count !== before) {
      void queryClient.invalidateQueries({ queryKey: notificationsKey });
      if (before !== undefined && count > before) await tellNew(count - before);
    }
  } catch {
    // The next turn asks again; what keeps the page from the server is shown by the banner.
    return;
  }
  if (connected.get()) return;
  refreshLists();
  channel.postMessage('changed');
}

async function tellNew(count: number): Promise<void> {
  const page = await data(
    api.GET('/api/v1/notifications', {
      params: { query: { unread_only: true, limit: Math.min(count, 3) } },
    }),
  );
  tell(page.notifications as Notification[]);
}

const toldMax = 200;
const told = new Set<string>();

/** Each once, whichever way it came. */
function tell(notifications: readonly Notification[]): void {
  for (const notification of notifications.toReversed()) {
    if (told.has(notification.id)) continue;
    told.add(notification.id);
    if (told.size > toldMax) told.delete(told.values().next().value as string);
    for (const listener of listeners) listener(notification);
  }
}
