import { api, data } from './api/client';
import type { NewTask, Reading, Task } from './api/types';

/** What the server's parser reads in the text, without making anything of it. */
export async function dryRun(text: string, now: string, signal?: AbortSignal): Promise<Reading> {
  const call = api.POST('/api/v1/tasks/quick-add', {
    body: { text, now },
    params: { query: { dry_run: true } },
    ...(signal === undefined ? {} : { signal }),
  });
  return (await data(call)) as Reading;
}

export async function addText(text: string, now: string, key: string): Promise<Task> {
  const call = api.POST('/api/v1/tasks/quick-add', {
    body: { text, now },
    params: { header: { 'Idempotency-Key': key } },
  });
  return (await data(call)) as Task;
}

export type ParsedTask = Reading['task'];

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
          ...((parsed.recurrence_weekdays ?? null) === null
            ? {}
            : { recurrence_weekdays: parsed.recurrence_weekdays }),
        }),
  };
}
