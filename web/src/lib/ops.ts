import type { NewTask, Task, TaskChange } from './api/types';
import { dueMembers } from './time';

/** A change the user made, as it waits to be told to the server. */
interface OpBase {
  /** The order in which the changes were made; also the key in IndexedDB. */
  seq: number;
  /** The Idempotency-Key: however often it is sent, it happens once. */
  key: string;
  userId: string;
  taskId: string;
  /** What the task was called, for messages. */
  title: string;
}

export interface CreateOp extends OpBase {
  kind: 'create';
  /** What was shown as parsed; null where the server is yet to read `text`. */
  body: NewTask | null;
  text: string;
  /** The moment of typing, which relative dates count from. */
  now: string;
  /** What the chips add that is not in the text, as the page's own date. */
  defaults: Partial<NewTask>;
}

export interface UpdateOp extends OpBase {
  kind: 'update';
  change: TaskChange;
  /** What the changed members were when the user began. */
  base: Partial<Task>;
  /** The version that was on the screen; null: whatever it is now. */
  version: number | null;
  scope: 'this' | 'series';
}

export interface PlainOp extends OpBase {
  kind: 'complete' | 'reopen' | 'delete' | 'restore';
  /** The whole task, so that a restored one can be shown before the server answers. */
  task: Task;
}

export type Op = CreateOp | UpdateOp | PlainOp;
/** An operation before the outbox gives it its number and key. */
export type NewOp = Op extends infer O
  ? O extends Op
    ? Omit<O, keyof OpBase> & Pick<O, 'taskId' | 'title'>
    : never
  : never;

/** The ids that tasks got from the server, by the ones they had here first. */
const settledIds = new Map<string, string>();

export function settleTaskId(temporaryId: string, id: string): void {
  settledIds.set(temporaryId, id);
}

export const realId = (id: string) => settledIds.get(id) ?? id;

/** Steps from one version of a task to the next that were made here, by nobody else. */
const ownSteps = new Map<string, number>();
const ownStepsMax = 500;

export function noteOwnVersion(id: string, from: number | null, to: number): void {
  if (from === null || to !== from + 1) return;
  ownSteps.set(`${id} ${from}`, to);
  if (ownSteps.size > ownStepsMax) ownSteps.delete(ownSteps.keys().next().value as string);
}

/** The newest version that differs from `version` by changes of our own only. */
export function ownVersion(id: string, version: number): number {
  let current = version;
  for (;;) {
    const next = ownSteps.get(`${id} ${current}`);
    if (next === undefined) return current;
    current = next;
  }
}

export const temporary = (id: string) => id.startsWith('new-');

/** A change as members of a task, the due date in both its forms. */
export function changedMembers(change: TaskChange): Partial<Task> {
  const { due_date, recurrence_rule, recurrence_interval, recurrence_from, title, ...rest } =
    change;
  return {
    ...(rest as Partial<Task>),
    ...(title === undefined ? {} : { title: title.trim() }),
    ...(due_date === undefined ? {} : dueMembers(due_date)),
    ...(recurrence_rule === undefined ? {} : { recurrence_rule: recurrence_rule ?? 'none' }),
    ...(recurrence_interval === undefined ? {} : { recurrence_interval: recurrence_interval ?? 1 }),
    ...(recurrence_from === undefined ? {} : { recurrence_from: recurrence_from ?? 'due' }),
  };
}

/** What is shown of a task that the server has not made yet. */
export function newTask(op: CreateOp): Task {
  const at = new Date(op.now).toISOString();
  const body: NewTask = op.body ?? { title: op.text, ...op.defaults };
  return {
    id: op.taskId,
    user_id: op.userId,
    title: op.text,
    description: null,
    completed: false,
    completed_at: null,
    due_date: null,
    due_on: null,
    priority: null,
    category: null,
    recurrence_rule: 'none',
    recurrence_interval: 1,
    recurrence_weekdays: null,
    recurrence_from: 'due',
    parent_task_id: null,
    series_id: op.taskId,
    occurrence: 1,
    version: 0,
    created_at: at,
    updated_at: at,
    ...changedMembers(body),
  };
}

/** The task as it will be once the operation is done; null: it will be gone. */
export function expected(op: Op, task: Task | null): Task | null {
  switch (op.kind) {
    case 'create':
      return newTask(op);
    case 'update':
      return task && { ...task, ...changedMembers(op.change) };
    case 'complete':
      return task && { ...task, completed: true, completed_at: new Date().toISOString() };
    case 'reopen':
      return task && { ...task, completed: false, completed_at: null };
    case 'restore':
      return task ?? op.task;
    case 'delete':
      return null;
  }
}
