import 'temporal-polyfill/global';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Task, TaskChange } from './api/types';
import type { UpdateOp } from './ops';
import { perform } from './perform';

interface Asked {
  method: string;
  ifMatch: string | null;
  key: string | null;
  body: unknown;
}

/** A server with one task, as far as the test needs one: it keeps If-Match. */
let task: Task;
let asked: Asked[];

const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/json' },
  });

beforeEach(() => {
  asked = [];
  task = {
    id: 'a',
    title: 'old',
    description: null,
    priority: null,
    due_date: null,
    due_on: null,
    version: 1,
  } as Task;
  vi.stubGlobal('fetch', async (request: Request) => {
    const text = await request.text();
    const body = text === '' ? null : JSON.parse(text);
    const ifMatch = request.headers.get('If-Match');
    asked.push({
      method: request.method,
      ifMatch,
      key: request.headers.get('Idempotency-Key'),
      body,
    });
    if (request.method === 'GET') return json(task);
    if (ifMatch !== null && ifMatch !== `"${task.version}"`) {
      return json({ title: 'Precondition Failed', status: 412 }, 412);
    }
    task = { ...task, ...body, version: task.version + 1 };
    return json(task);
  });
});

const op = (change: TaskChange, base: Partial<Task>, version = 1): UpdateOp => ({
  kind: 'update',
  seq: 1,
  key: 'key-1',
  userId: 'ann',
  taskId: 'a',
  title: 'old',
  change,
  base,
  version,
  scope: 'series',
});

describe('a save', () => {
  test('carries the version its field was opened with, and only what changed', async () => {
    const result = await perform(op({ title: 'mine' }, { title: 'old' }));
    expect(asked).toEqual([
      { method: 'PATCH', ifMatch: '"1"', key: 'key-1', body: { title: 'mine' } },
    ]);
    expect(result).toMatchObject({ conflicts: [], replaced: 1, task: { title: 'mine' } });
  });

  test('goes again in silence where others changed something else', async () => {
    task = { ...task, priority: 'high', version: 2 };
    const result = await perform(op({ title: 'mine' }, { title: 'old' }));
    expect(asked.map(({ method, ifMatch }) => [method, ifMatch])).toEqual([
      ['PATCH', '"1"'],
      ['GET', null],
      ['PATCH', '"2"'],
    ]);
    expect(result.conflicts).toEqual([]);
    expect(task).toMatchObject({ title: 'mine', priority: 'high' });
  });

  test('overwrites nothing unseen: the same member is a conflict, the others are saved', async () => {
    task = { ...task, title: 'theirs', version: 2 };
    const result = await perform(
      op({ title: 'mine', priority: 'low' }, { title: 'old', priority: null }),
    );
    expect(result.conflicts).toEqual([
      { field: 'title', mine: 'mine', theirs: 'theirs', version: 2 },
    ]);
    expect(task).toMatchObject({ title: 'theirs', priority: 'low' });
  });

  test('is no conflict where both wrote the same', async () => {
    task = { ...task, title: 'same', version: 2 };
    const result = await perform(op({ title: 'same' }, { title: 'old' }));
    expect(result.conflicts).toEqual([]);
  });

  test('of a date compares the day of what lasts all day', async () => {
    task = { ...task, due_on: '2026-12-02', due_date: '2026-12-02T23:59:59Z', version: 2 };
    const base = { due_on: '2026-12-01', due_date: '2026-12-01T23:59:59Z' };
    const result = await perform(op({ due_date: '2026-12-03' }, base));
    expect(result.conflicts).toEqual([
      { field: 'due_date', mine: '2026-12-03', theirs: '2026-12-02', version: 2 },
    ]);
  });
});
