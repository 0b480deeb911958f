import { ApiError, NetworkError } from './api/client';
import { backoffMs } from './cache';
import { newId } from './id';
import * as idb from './idb';
import { type NewOp, type Op, realId } from './ops';
import { reachable } from './reachable';
import { createStore } from './store';

/**
 * The changes that the server does not have yet, in the order they were made. Each is in IndexedDB
 * before its answer comes and is sent with its own Idempotency-Key, so that neither a lost answer
 * nor a reload loses it or does it twice. Changes of one task, and additions, keep their order;
 * others go side by side.
 */
const requestsMax = 4;

export const outbox = createStore<readonly Op[]>([]);

/** Until when the server asked to be left alone; null: it did not. */
export const busyUntil = createStore<number | null>(null);

interface Handlers {
  /** Sends it; answers what came of it, throws what prevented it. */
  perform(op: Op): Promise<unknown>;
  /** It is done for good. */
  done(op: Op, result: unknown): void;
  /** It was refused for good. */
  refused(op: Op, error: Error): void;
}

type Settled = { resolve: (result: unknown) => void; reject: (error: Error) => void };

let handlers: Handlers | null = null;
let userId: string | null = null;
const running = new Set<number>();
const waiting = new Map<number, Settled>();
let lastSeq = 0;
/** Counts the users: an answer that comes after its user has gone concerns nobody. */
let turn = 0;
let failures = 0;
let retryTimer: number | undefined;

export function connectOutbox(to: Handlers): void {
  handlers = to;
  reachable.subscribe(() => pump());
}

const store = (work: Promise<void>) =>
  work.catch(() => {
    // Without IndexedDB (a private window of some browsers) the queue lasts as long as the page.
  });

/** From here on the changes of this user are sent; those of an earlier page come first. */
export async function startOutbox(user: string): Promise<void> {
  if (userId === user) {
    pump();
    return;
  }
  userId = user;
  const left = await idb.readAll<Op>().catch((): Op[] => []);
  const known = new Set(outbox.get().map((op) => op.seq));
  const mine = left.filter((op) => op.userId === user && !known.has(op.seq));
  outbox.set((old) => [...mine, ...old.filter((op) => op.userId === user)]);
  pump();
}

export function stopOutbox(): void {
  userId = null;
  turn += 1;
  running.clear();
  waiting.clear();
  failures = 0;
  window.clearTimeout(retryTimer);
  outbox.set([]);
  busyUntil.set(null);
  void store(idb.removeAll());
}

/** Queues it and sends it as soon as its turn comes; resolves with what `perform` answers. */
export function submit(op: NewOp): Promise<unknown> {
  lastSeq = Math.max(lastSeq + 1, Date.now() * 1000);
  const taskId = realId(op.taskId);
  const queued = { ...op, taskId, seq: lastSeq, key: newId(), userId: userId ?? '' } as Op;
  void store(idb.put(queued));
  outbox.set((old) => [...old, queued]);
  const settled = new Promise<unknown>((resolve, reject) => {
    waiting.set(queued.seq, { resolve, reject });
  });
  // Who does not ask is told by `refused`.
  settled.catch(() => {});
  pump();
  return settled;
}

const inTheWay = (earlier: Op, op: Op) =>
  earlier.taskId === op.taskId || (earlier.kind === 'create' && op.kind === 'create');

export function pump(): void {
  if (handlers === null || userId === null || !reachable.get()) return;
  if ((busyUntil.get() ?? 0) > Date.now()) return;
  const queue = outbox.get();
  for (const [index, op] of queue.entries()) {
    if (running.size >= requestsMax) return;
    if (running.has(op.seq)) continue;
    if (queue.slice(0, index).some((earlier) => inTheWay(earlier, op))) continue;
    running.add(op.seq);
    void run(op);
  }
}

async function run(op: Op): Promise<void> {
  const began = turn;
  try {
    const result = await handlers!.perform(op);
    if (turn !== began) return;
    failures = 0;
    busyUntil.set(null);
    finish(op);
    handlers!.done(op, result);
    waiting.get(op.seq)?.resolve(result);
    waiting.delete(op.seq);
  } catch (error) {
    if (turn !== began) return;
    running.delete(op.seq);
    if (!(error instanceof Error)) throw error;
    if (comesAgain(error)) return;
    finish(op);
    handlers!.refused(op, error);
    waiting.get(op.seq)?.reject(error);
    waiting.delete(op.seq);
  }
  pump();
}

function finish(op: Op): void {
  running.delete(op.seq);
  outbox.set((old) => old.filter((other) => other.seq !== op.seq));
  void store(idb.remove(op.seq));
}

/** Whether the operation stays for later: no answer, not signed in, or a server that is busy. */
function comesAgain(error: Error): boolean {
  if (error instanceof NetworkError) return true;
  if (!(error instanceof ApiError)) return false;
  if (error.status === 401) return true;
  if (!error.passing) return false;
  failures += 1;
  const wait = Math.max(1000, backoffMs(failures, error));
  busyUntil.set(Date.now() + wait);
  window.clearTimeout(retryTimer);
  retryTimer = window.setTimeout(() => {
    busyUntil.set(null);
    pump();
  }, wait);
  return true;
}

/** Changes operations that are not on their way yet, as when a task gets its id or version. */
export function amend(change: (op: Op) => Op): void {
  outbox.set((old) => {
    const next = old.map((op) => (running.has(op.seq) ? op : change(op)));
    for (const [i, op] of next.entries()) if (op !== old[i]) void store(idb.put(op));
    return next.some((op, i) => op !== old[i]) ? next : old;
  });
}

export const pendingFor = (taskId: string) => outbox.get().some((op) => op.taskId === taskId);
