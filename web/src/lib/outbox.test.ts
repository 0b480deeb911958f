import 'fake-indexeddb/auto';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { ApiError, NetworkError } from './api/client';
import type { Task } from './api/types';
import * as idb from './idb';
import type { NewOp, Op } from './ops';
import { amend, connectOutbox, outbox, startOutbox, stopOutbox, submit } from './outbox';
import { noteReachable, reachable } from './reachable';

/** Operations that were sent and wait for the test to answer. */
interface Sent {
  op: Op;
  answer: (result?: unknown) => void;
  fail: (error: Error) => void;
}

let sent: Sent[] = [];
let done: string[] = [];
let refused: string[] = [];

beforeEach(async () => {
  stopOutbox();
  await idb.removeAll();
  sent = [];
  done = [];
  refused = [];
  noteReachable();
  connectOutbox({
    perform: (op) =>
      new Promise((resolve, reject) => {
        sent.push({ op, answer: (result) => resolve(result), fail: reject });
      }),
    done: (op) => done.push(op.title),
    refused: (op) => refused.push(op.title),
  });
  await startOutbox('ann');
});

const complete = (taskId: string, title = taskId): NewOp => ({
  kind: 'complete',
  taskId,
  title,
  task: {} as Task,
});
const create = (title: string): NewOp => ({
  kind: 'create',
  taskId: `new-${title}`,
  title,
  text: title,
  now: '2026-11-26T09:00:00Z',
  body: null,
  defaults: {},
});
const names = () => sent.map(({ op }) => op.title);
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

describe('the outbox', () => {
  test('sends at most four at once', async () => {
    for (let i = 1; i <= 6; i += 1) void submit(complete(`t${i}`));
    expect(names()).toEqual(['t1', 't2', 't3', 't4']);
    sent[1]!.answer();
    await settled();
    expect(names()).toEqual(['t1', 't2', 't3', 't4', 't5']);
    expect(done).toEqual(['t2']);
  });

  test('keeps the order of one task, and of what is added', async () => {
    void submit(complete('a', 'a first'));
    void submit(complete('a', 'a second'));
    void submit(create('one'));
    void submit(create('two'));
    expect(names()).toEqual(['a first', 'one']);
    sent[1]!.answer();
    await settled();
    expect(names()).toEqual(['a first', 'one', 'two']);
    sent[0]!.answer();
    await settled();
    expect(names()).toEqual(['a first', 'one', 'two', 'a second']);
  });

  test('an answer that does not come: the same key again when the server is back', async () => {
    void submit(complete('a'));
    const { key } = sent[0]!.op;
    reachable.set(false);
    sent[0]!.fail(new NetworkError());
    await settled();
    expect(outbox.get().length).toBe(1);
    reachable.set(true);
    expect(sent[1]!.op.key).toBe(key);
    sent[1]!.answer();
    await settled();
    expect(outbox.get()).toEqual([]);
    expect(done).toEqual(['a']);
  });

  test('a busy server is left alone for as long as it asks', async () => {
    vi.useFakeTimers();
    void submit(complete('a'));
    sent[0]!.fail(new ApiError(503, {}, 5_000));
    await vi.advanceTimersByTimeAsync(4_900);
    void submit(complete('b'));
    expect(sent.length).toBe(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(names()).toEqual(['a', 'a', 'b']);
    vi.useRealTimers();
  });

  test('what is refused is said and gone; what comes after it goes on', async () => {
    const answer = submit(complete('a', 'bad'));
    void submit(complete('a', 'good'));
    sent[0]!.fail(new ApiError(422, { detail: 'No' }, null));
    await expect(answer).rejects.toThrow('No');
    expect(refused).toEqual(['bad']);
    expect(names()).toEqual(['bad', 'good']);
  });

  test('a session that has ended keeps it until somebody signs in again', async () => {
    void submit(complete('a'));
    sent[0]!.fail(new ApiError(401, {}, null));
    await settled();
    expect(outbox.get().length).toBe(1);
    await startOutbox('ann');
    expect(names()).toEqual(['a', 'a']);
  });

  test('a new page finds what the one before it did not send, and nobody else’s', async () => {
    reachable.set(false);
    void submit(create('kept'));
    await vi.waitFor(async () => expect((await idb.readAll()).length).toBe(1));
    const [left] = await idb.readAll<Op>();
    stopOutbox();
    await vi.waitFor(async () => expect((await idb.readAll()).length).toBe(0));
    await idb.put(left);
    await startOutbox('eve');
    expect(outbox.get()).toEqual([]);
    await startOutbox('ann');
    expect(outbox.get().map((op) => op.title)).toEqual(['kept']);
    noteReachable();
    expect(sent[0]!.op.key).toBe(left!.key);
  });

  test('what waits can be amended, what is on its way cannot', async () => {
    void submit(complete('new-1', 'sent'));
    void submit(complete('new-1', 'waits'));
    amend((op) => ({ ...op, taskId: 'real' }));
    expect(outbox.get().map((op) => op.taskId)).toEqual(['new-1', 'real']);
    await vi.waitFor(async () => {
      const stored = await idb.readAll<Op>();
      expect(stored.map((op) => op.taskId)).toEqual(['new-1', 'real']);
    });
  });
});
