import { ApiError, retryAfterMs, send } from './api/client';
import type { NewTask, Problem, Task } from './api/types';

/** One recognised part; offsets in UTF-16 units of the text that was sent. */
export interface Span {
  start: number;
  end: number;
  kind: string;
}

export type ParsedTask = Pick<
  Task,
  | 'title'
  | 'due_date'
  | 'due_on'
  | 'priority'
  | 'category'
  | 'recurrence_rule'
  | 'recurrence_interval'
  | 'recurrence_weekdays'
  | 'recurrence_from'
>;

export interface DryRun {
  task: ParsedTask;
  spans: Span[];
  hints: string[];
}

async function post<T>(
  path: string,
  body: unknown,
  headers: Record<string, string>,
  signal?: AbortSignal,
): Promise<T> {
  const response = await send(
    new Request(new URL(path, location.origin), {
      method: 'POST',
      credentials: 'same-origin',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
      signal: signal ?? null,
    }),
  );
  const json: unknown = await response.json().catch(() => null);
  if (!response.ok) {
    throw new ApiError(response.status, (json ?? {}) as Partial<Problem>, retryAfterMs(response));
  }
  return json as T;
}

const path = '/api/v1/tasks/quick-add';

export const dryRun = (text: string, now: string, signal?: AbortSignal) =>
  post<DryRun>(`${path}?dry_run=true`, { text, now }, {}, signal);

export const addText = (text: string, now: string, key: string) =>
  post<Task>(path, { text, now }, { 'Idempotency-Key': key });

/** A server that does not know the path yet: then the text is a title and nothing more. */
export const parserMissing = (error: unknown) =>
  error instanceof ApiError && [404, 405].includes(error.status);

/** The body of `POST /tasks` that makes exactly what was parsed. */
export function newTaskOf(parsed: ParsedTask, defaults: Partial<NewTask> = {}): NewTask {
  const due = parsed.due_on ?? parsed.due_date;
  return {
    title: parsed.title,
    ...(due === null ? {} : { due_date: due }),
    ...(due === null && defaults.due_date !== undefined ? { due_date: defaults.due_date } : {}),
    ...(parsed.priority === null ? {} : { priority: parsed.priority }),
    ...((parsed.category ?? defaults.category ?? null) === null
      ? {}
      : { category: parsed.category ?? defaults.category ?? null }),
    ...(parsed.recurrence_rule === 'none'
      ? {}
      : {
          recurrence_rule: parsed.recurrence_rule,
          recurrence_interval: parsed.recurrence_interval,
          recurrence_from: parsed.recurrence_from,
          ...(parsed.recurrence_weekdays === null
            ? {}
            : { recurrence_weekdays: parsed.recurrence_weekdays }),
        }),
  };
}
