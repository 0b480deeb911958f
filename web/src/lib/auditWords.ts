import type { AuditEntry, Task } from './api/types';
import { dueOf, ruleWords, shortDate, timeWords, today } from './time';

export const actorWords = (actor: string): string => {
  if (actor === 'web') return 'You';
  if (actor === 'chat' || actor === 'mcp') return 'The assistant';
  if (actor.startsWith('token:')) return `“${actor.slice(6)}”`;
  return 'todo-app';
};

/** What was done, as the rest of a sentence; the name of the task is put where `{task}` stands. */
export function deedWords(entry: AuditEntry): string {
  const { action, metadata } = entry;
  const before = (entry.before_value ?? {}) as Partial<Task>;
  const after = (entry.after_value ?? {}) as Partial<Task>;
  if (action === 'create') {
    return metadata.actor === 'system' ? 'made the next {task}' : 'added {task}';
  }
  if (action === 'delete') return 'deleted {task}';
  if (action === 'complete') return 'completed {task}';
  if (metadata.op === 'reopen') return 'reopened {task}';
  if (metadata.op === 'restore') return 'restored {task}';
  const changes = changeWords(before, after);
  const [first = 'changed {task}', ...rest] = changes;
  return rest.length === 0 ? first : `${first}, and ${rest.join(', ').replaceAll('{task}', 'it')}`;
}

function dueAs(part: Partial<Task>): string {
  // Not null where it is an entry's: what is not there has not changed.
  const due = dueOf({ due_date: part.due_date ?? null, due_on: part.due_on ?? null } as Task);
  if (due === null) return 'no date';
  // Not "tomorrow": what is read later must still be true.
  const date = shortDate(due.date, today().year);
  return due.time === null ? date : `${date} ${timeWords(due.time)}`;
}

const priorityAs = (part: Partial<Task>) => part.priority ?? 'none';
const categoryAs = (part: Partial<Task>) => (part.category ? `#${part.category}` : 'none');

const ruleMembers = [
  'recurrence_rule',
  'recurrence_interval',
  'recurrence_weekdays',
  'recurrence_from',
] as const;

function changeWords(before: Partial<Task>, after: Partial<Task>): string[] {
  const words: string[] = [];
  if ('title' in after) words.push(`renamed “${before.title}” to “${after.title}”`);
  if ('due_date' in after || 'due_on' in after) {
    words.push(`moved {task} from ${dueAs(before)} to ${dueAs(after)}`);
  }
  if ('priority' in after) {
    words.push(`changed the priority of {task} from ${priorityAs(before)} to ${priorityAs(after)}`);
  }
  if ('category' in after) {
    words.push(`changed the category of {task} from ${categoryAs(before)} to ${categoryAs(after)}`);
  }
  if ('description' in after) words.push('changed the description of {task}');
  if (ruleMembers.some((member) => member in after)) words.push(ruleChange(after));
  return words;
}

function ruleChange(after: Partial<Task>): string {
  if (after.recurrence_rule === 'none') return 'made {task} repeat no more';
  if (after.recurrence_rule === undefined) return 'changed how {task} repeats';
  const rule = ruleWords({
    recurrence_rule: after.recurrence_rule,
    recurrence_interval: after.recurrence_interval ?? 1,
    recurrence_weekdays: after.recurrence_weekdays ?? null,
    recurrence_from: after.recurrence_from ?? 'due',
  });
  return `made {task} repeat ${rule}`;
}
