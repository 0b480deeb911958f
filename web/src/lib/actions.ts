import type { NewTask, Task, TaskChange } from './api/types';
import { cachedTask } from './cache';
import { newId } from './id';
import { afterLeave, leave } from './leaving';
import { type NewOp, newTask, type Op, ownVersion } from './ops';
import { outbox, submit } from './outbox';
import { membersOf, type Result } from './perform';
import { reachable } from './reachable';
import { showExpected, why } from './sync';
import { dueMembers, dueOf, momentWords } from './time';
import { toast } from './toasts';
import { remember } from './undo';

/** How long a toast waits for what the server adds to it. */
const toastWaitMs = 600;

const quoted = (task: Pick<Task, 'title'>) => `“${task.title}”`;

function start(op: NewOp): Promise<Result> {
  const answered = submit(op) as Promise<Result>;
  const queued = outbox.get().at(-1) as Op;
  afterLeave(op.taskId, () => {
    // The server may have been faster than the row: then its word stands.
    if (outbox.get().some((one) => one.seq === queued.seq)) showExpected(queued);
  });
  return answered;
}

function plain(kind: 'complete' | 'reopen' | 'delete' | 'restore', task: Task): Promise<Result> {
  return start({ kind, taskId: task.id, title: task.title, task });
}

/** The answer, or null where it does not come soon: what is told must not wait for it. */
async function soon(answered: Promise<Result>): Promise<Result | null> {
  if (!reachable.get()) return null;
  const late = new Promise<null>((resolve) => window.setTimeout(() => resolve(null), toastWaitMs));
  return Promise.race([answered, late]);
}

const dueTold = (task: Task) => {
  const due = dueOf(task);
  return due === null ? '' : momentWords(due.date, due.time);
};

/** The refusal was told where it happened; nothing is left to do here. */
const told = () => null;

export async function complete(task: Task): Promise<void> {
  leave(task.id);
  const answered = plain('complete', task);
  const undo = remember(() => void reopen(cachedTask(task.id) ?? task, true));
  const result = await soon(answered).catch(told);
  if (result === null && reachable.get() && !outbox.get().some((op) => op.taskId === task.id)) {
    return;
  }
  const next = result?.next ? `. Next: ${dueTold(result.next)}` : '';
  toast(`Completed ${quoted(task)}${next}`, { actions: [{ label: 'Undo', run: undo }] });
}

export async function reopen(task: Task, undoing = false): Promise<void> {
  if (!undoing) leave(task.id);
  const recurs = task.recurrence_rule !== 'none';
  const answered = plain('reopen', task);
  if (!undoing) remember(() => void complete(cachedTask(task.id) ?? task));
  const result = await soon(answered).catch(told);
  const stayed = recurs && result !== null && result.removedId === null;
  const also = stayed ? '. Its next occurrence was changed since and stays' : '';
  toast(`Reopened ${quoted(task)}${also}`);
}

export function remove(task: Task): void {
  void plain('delete', task).catch(told);
  const undo = remember(() => restore(task));
  toast(`Deleted ${quoted(task)}`, { actions: [{ label: 'Undo', run: undo }] });
}

export function restore(task: Task): void {
  void plain('restore', task)
    .then(() => toast(`Restored ${quoted(task)}`))
    .catch(told);
}

export interface ChangeOptions {
  /** The task as the user saw it when they began; its version goes with the change. */
  seen?: Task;
  scope?: 'this' | 'series';
}

/** The members that `change` would change, as the task has them. */
export function valuesOf(task: Task, change: TaskChange): Partial<Task> {
  const fields = Object.keys(change) as (keyof TaskChange)[];
  const members = fields.flatMap(membersOf);
  return Object.fromEntries(members.map((member) => [member, task[member]]));
}

/** What puts the members back, in the form that the server takes. */
export function inverse(task: Task, change: TaskChange): TaskChange {
  const back = valuesOf(task, change) as TaskChange & Partial<Task>;
  if ('due_date' in change) back.due_date = task.due_on ?? task.due_date;
  const { due_on: _, ...rest } = back;
  return rest;
}

export function change(task: Task, fields: TaskChange, options: ChangeOptions = {}) {
  const seen = options.seen ?? task;
  return start({
    kind: 'update',
    taskId: task.id,
    title: task.title,
    change: fields,
    base: valuesOf(seen, fields),
    version: seen.version === 0 ? null : ownVersion(task.id, seen.version),
    scope: options.scope ?? 'series',
  });
}

/** A change with a toast that can take it back. */
export function changeTold(
  task: Task,
  fields: TaskChange,
  text: string,
  options: ChangeOptions = {},
): void {
  const back = inverse(task, fields);
  void change(task, fields, options).catch(told);
  const undo = remember(() => {
    void change(cachedTask(task.id) ?? task, back, { scope: options.scope ?? 'series' }).catch(
      told,
    );
  });
  toast(text, { actions: [{ label: 'Undo', run: undo }] });
}

export function reschedule(
  task: Task,
  due: string | null,
  scope: 'this' | 'series' = 'series',
): void {
  const members = dueMembers(due);
  const moved = dueOf({ ...task, ...members });
  const words =
    moved === null ? 'has no date now' : `moved to ${momentWords(moved.date, moved.time)}`;
  changeTold(task, { due_date: due }, `${quoted(task)} ${words}`, { scope });
}

export interface Addition {
  text: string;
  now: string;
  body: NewTask | null;
  defaults: Partial<NewTask>;
}

/** Answers the id that the task has for now. */
export function add(addition: Addition): string {
  const taskId = `new-${newId()}`;
  const op = { kind: 'create' as const, taskId, title: addition.text, ...addition };
  const title = addition.body?.title ?? addition.text;
  let made: Task = newTask({ ...op, seq: 0, key: '', userId: '' });
  const undo = remember(() => remove(cachedTask(made.id) ?? made));
  void start(op)
    .then(({ task }) => {
      if (task !== null) made = task;
    })
    .catch(told);
  toast(`Added “${title}”`, { actions: [{ label: 'Undo', run: undo }] });
  return taskId;
}

export interface BulkOutcome {
  failed: Map<string, string>;
}

/** One act on many tasks: one toast, one undo, and what failed is said with its reason. */
export async function bulk(
  tasks: readonly Task[],
  past: string,
  act: (task: Task) => Promise<Result>,
  back: (task: Task) => void,
): Promise<BulkOutcome> {
  const count = (n: number) => (n === 1 ? '1 task' : `${n} tasks`);
  const failed = new Map<string, string>();
  const answers = tasks.map((task) =>
    act(task).catch((error: Error) => {
      failed.set(task.id, why(error));
    }),
  );
  const undo = remember(() => {
    for (const task of tasks) if (!failed.has(task.id)) back(cachedTask(task.id) ?? task);
  });
  if (reachable.get()) await Promise.all(answers);
  const done = tasks.length - failed.size;
  if (done > 0) toast(`${past} ${count(done)}`, { actions: [{ label: 'Undo', run: undo }] });
  return { failed };
}

export const bulkComplete = (tasks: readonly Task[]) =>
  bulk(
    tasks,
    'Completed',
    (task) => {
      leave(task.id);
      return plain('complete', task);
    },
    (task) => void plain('reopen', task).catch(told),
  );

export const bulkDelete = (tasks: readonly Task[]) =>
  bulk(
    tasks,
    'Deleted',
    (task) => plain('delete', task),
    (task) => void plain('restore', task).catch(told),
  );

export function bulkChange(
  tasks: readonly Task[],
  past: string,
  fieldsOf: (task: Task) => TaskChange,
) {
  const before = new Map(tasks.map((task) => [task.id, inverse(task, fieldsOf(task))]));
  return bulk(
    tasks,
    past,
    (task) => change(task, fieldsOf(task)),
    (task) => void change(task, before.get(task.id) ?? {}).catch(told),
  );
}
