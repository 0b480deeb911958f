import { ApiError, api, data } from './api/client';
import type { Task, TaskChange } from './api/types';
import { type CreateOp, changedMembers, type Op, type UpdateOp } from './ops';
import { addText, dryRun, newTaskOf } from './quickadd';

/** A member that somebody else changed while it was being changed here. */
export interface Conflict {
  field: keyof TaskChange;
  mine: unknown;
  theirs: unknown;
  version: number;
}

export interface Result {
  /** The task as the server has it now; null: it is deleted. */
  task: Task | null;
  next: Task | null;
  removedId: string | null;
  conflicts: Conflict[];
  /** The version that the change stood on; null where that is not known. */
  replaced: number | null;
}

const plain = (task: Task | null): Result => ({
  task,
  next: null,
  removedId: null,
  conflicts: [],
  replaced: null,
});

/** Sends one change. Throws ApiError or NetworkError. */
export async function perform(op: Op): Promise<Result> {
  const params = { path: { id: op.taskId }, header: { 'Idempotency-Key': op.key } };
  switch (op.kind) {
    case 'create':
      return plain(await create(op));
    case 'update':
      return update(op);
    case 'complete': {
      const done = await data(api.POST('/api/v1/tasks/{id}/complete', { params }));
      return { ...plain(done.completed_task as Task), next: done.next_occurrence as Task | null };
    }
    case 'reopen': {
      const done = await data(api.POST('/api/v1/tasks/{id}/reopen', { params }));
      return { ...plain(done.task as Task), removedId: done.removed_occurrence_id };
    }
    case 'restore':
      return plain(await data(api.POST('/api/v1/tasks/{id}/restore', { params })));
    case 'delete':
      await data(api.DELETE('/api/v1/tasks/{id}', { params }));
      return plain(null);
  }
}

async function create(op: CreateOp): Promise<Task> {
  let body = op.body;
  if (body === null) {
    if (Object.keys(op.defaults).length === 0) return addText(op.text, op.now, op.key);
    const { task } = await dryRun(op.text, op.now);
    body = newTaskOf(task, op.defaults);
  }
  return data(
    api.POST('/api/v1/tasks', { body, params: { header: { 'Idempotency-Key': op.key } } }),
  );
}

/** The members of a task that tell whether `field` has changed. */
export function membersOf(field: keyof TaskChange): (keyof Task)[] {
  return field === 'due_date' ? ['due_date', 'due_on'] : [field];
}

const same = (a: unknown, b: unknown) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

export function sameMembers(field: keyof TaskChange, a: Partial<Task>, b: Partial<Task>): boolean {
  // Of a whole day the date is the truth; its instant follows the zone.
  if (field === 'due_date' && (a.due_on || b.due_on)) return same(a.due_on, b.due_on);
  if (field === 'due_date' && a.due_date && b.due_date) {
    return Date.parse(a.due_date) === Date.parse(b.due_date);
  }
  return membersOf(field).every((member) => same(a[member], b[member]));
}

const triesMax = 5;

/**
 * A save carries the version its fields were opened with. When that is no longer the newest: what
 * others changed elsewhere does not matter and it goes again with the new version; what they changed
 * in the same member is answered as a conflict and not overwritten.
 */
async function update(op: UpdateOp): Promise<Result> {
  const conflicts: Conflict[] = [];
  let change = op.change;
  let base = op.base;
  let version = op.version;
  for (let tries = 1; ; tries += 1) {
    try {
      const task = await patch(op, change, version);
      return { ...plain(task), conflicts, replaced: version };
    } catch (error) {
      const refused = error instanceof ApiError && error.status === 412 && tries < triesMax;
      if (!refused) throw error;
    }
    const theirs: Task = await data(
      api.GET('/api/v1/tasks/{id}', { params: { path: { id: op.taskId } } }),
    );
    const kept = Object.entries(change).filter(([name]) => {
      const field = name as keyof TaskChange;
      const untouched = sameMembers(field, theirs, base);
      if (untouched || sameMembers(field, theirs, changedMembers(change))) return true;
      conflicts.push({
        field,
        mine: change[field],
        theirs: field === 'due_date' ? (theirs.due_on ?? theirs.due_date) : theirs[field],
        version: theirs.version,
      });
      return false;
    });
    if (kept.length === 0) return { ...plain(theirs), conflicts };
    change = Object.fromEntries(kept);
    base = theirs;
    version = theirs.version;
  }
}

async function patch(op: UpdateOp, change: TaskChange, version: number | null): Promise<Task> {
  return data(
    api.PATCH('/api/v1/tasks/{id}', {
      body: change,
      params: {
        path: { id: op.taskId },
        query: op.scope === 'this' ? { scope: 'this' } : {},
        header: {
          'Idempotency-Key': op.key,
          ...(version === null || version === 0 ? {} : { 'If-Match': `"${version}"` }),
        },
      },
    }),
  );
}
