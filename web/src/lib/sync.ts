import { ApiError, api, data } from './api/client';
import type { Task } from './api/types';
import {
  cachedTask,
  categoriesKey,
  dropTask,
  historyKey,
  putTask,
  queryClient,
  restartFetches,
} from './cache';
import { renameDrafts } from './drafts';
import { afterLeave } from './leaving';
import { changedMembers, expected, newTask, noteOwnVersion, type Op, settleTaskId } from './ops';
import { amend, connectOutbox, outbox } from './outbox';
import { type Conflict, perform, type Result } from './perform';
import { closeTask, currentPlace, openTask, setParams } from './router';
import { createStore } from './store';
import { failure } from './toasts';

/** What was changed here and elsewhere at once, by task, until the user has chosen. */
export const conflicts = createStore<Readonly<Record<string, readonly Conflict[]>>>({});

/** Text that could not be added; the quick add takes it back into its field. */
export const returnedText = createStore<string | null>(null);

/** Versions that were announced while a change of ours was on its way. */
const announced = new Map<string, number>();

export function noteAnnounced(id: string, version: number): void {
  announced.set(id, Math.max(version, announced.get(id) ?? 0));
}

export function startSync(): void {
  connectOutbox({
    perform,
    done: (op, result) => done(op, result as Result),
    refused,
  });
}

/** Shows at once what the operation is going to do. */
export function showExpected(op: Op): void {
  const task = expected(op, cachedTask(op.taskId));
  if (op.kind === 'delete') {
    dropTask(op.taskId);
    if (currentPlace().params.get('task') === op.taskId) closeTask();
  } else if (task !== null) putTask(task);
}

/** What the outbox still has to do to a page that has just come from the server. */
export function withPending(task: Task): Task | null {
  let current: Task | null = task;
  for (const op of outbox.get()) {
    if (op.taskId === task.id && op.kind !== 'create') current = expected(op, current);
  }
  return current;
}

export function pendingNew(): Task[] {
  return outbox
    .get()
    .filter((op) => op.kind === 'create')
    .map((op) => withPending(newTask(op)))
    .filter((task) => task !== null);
}

function done(op: Op, result: Result): void {
  const { task, next, removedId } = result;
  if (op.kind === 'create' && task !== null) settleId(op.taskId, task.id);
  if (task !== null) noteOwnVersion(task.id, result.replaced, task.version);
  amendLater(op, task);
  afterLeave(op.taskId, () => {
    if (task === null) dropTask(op.taskId);
    else showResult(task);
    if (next !== null) putTask(next);
  });
  if (removedId !== null) dropTask(removedId);
  if (result.conflicts.length > 0) tellConflicts(op, result.conflicts);
  const changesCategory = op.kind !== 'update' || op.change.category !== undefined;
  if (changesCategory) void queryClient.invalidateQueries({ queryKey: categoriesKey });
  void queryClient.invalidateQueries({ queryKey: historyKey(task?.id ?? op.taskId) });
  if (outbox.get().length === 0) restartFetches();
}

function showResult(task: Task): void {
  const shown = withPending(task);
  if (shown === null) dropTask(task.id);
  else putTask(shown);
  if ((announced.get(task.id) ?? 0) > task.version) void fetchTask(task.id);
  announced.delete(task.id);
}

/** The server has named the task: so does everything here that knows it by its first name. */
function settleId(temporaryId: string, id: string): void {
  settleTaskId(temporaryId, id);
  renameDrafts(temporaryId, id);
  dropTask(temporaryId);
  amend((op) => (op.taskId === temporaryId ? { ...op, taskId: id } : op));
  if (currentPlace().params.get('task') === temporaryId) {
    setParams({ task: id }, { replace: true, state: history.state });
  }
}

/** Later changes of the task stand on this one: on its version, and on what it wrote. */
function amendLater(op: Op, task: Task | null): void {
  if (task === null) return;
  const written = op.kind === 'update' ? changedMembers(op.change) : {};
  amend((later) =>
    later.taskId === task.id && later.kind === 'update'
      ? { ...later, version: task.version, base: { ...later.base, ...written } }
      : later,
  );
}

function tellConflicts(op: Op, found: readonly Conflict[]): void {
  conflicts.set((old) => ({ ...old, [op.taskId]: found }));
  if (currentPlace().params.get('task') === op.taskId) return;
  failure(`“${op.title}” was changed elsewhere`, [
    { label: 'Look', run: () => openTask(op.taskId) },
  ]);
}

export function settleConflict(taskId: string, field: string): void {
  conflicts.set((old) => {
    const left = (old[taskId] ?? []).filter((conflict) => conflict.field !== field);
    const { [taskId]: _, ...rest } = old;
    return left.length === 0 ? rest : { ...rest, [taskId]: left };
  });
}

const verbs: Record<Op['kind'], string> = {
  create: 'add',
  update: 'change',
  complete: 'complete',
  reopen: 'reopen',
  delete: 'delete',
  restore: 'restore',
};

export function why(error: Error): string {
  if (!(error instanceof ApiError)) return error.message;
  const named = error.problem.errors?.map((one) => one.message).join('; ');
  return named || error.message;
}

function refused(op: Op, error: Error): void {
  const gone = error instanceof ApiError && error.status === 404;
  if (op.kind === 'create') {
    dropTask(op.taskId);
    returnedText.set(op.text);
  } else if (gone) {
    dropTask(op.taskId);
    // Whatever else was to be done to it cannot be either; undoing a deletion twice is no failure.
    if (op.kind === 'delete') return;
  } else {
    void fetchTask(op.taskId);
  }
  const reason = gone ? 'it is no longer there' : why(error);
  failure(`Could not ${verbs[op.kind]} “${op.title}”: ${reason}`);
}

/** Brings the server's word on one task into every list. */
export async function fetchTask(id: string): Promise<Task | null> {
  try {
    const task: Task = await data(api.GET('/api/v1/tasks/{id}', { params: { path: { id } } }));
    const shown = withPending(task);
    if (shown === null) dropTask(id);
    else if (task.version >= (cachedTask(id)?.version ?? 0)) putTask(shown);
    return task;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) dropTask(id);
    return null;
  }
}
