import type { Priority, Task } from './api/types';
import { dueOf, today, zone } from './time';

export const viewNames = [
  'today',
  'upcoming',
  'overdue',
  'all',
  'completed',
  'category',
  'deleted',
] as const;
export type ViewName = (typeof viewNames)[number];

export const sorts = ['due_date', 'created_at', 'updated_at', 'priority', 'title'] as const;
export type Sort = (typeof sorts)[number];

export const priorities: readonly Priority[] = ['urgent', 'high', 'normal', 'low'];

export interface Filters {
  q: string;
  priority: Priority | null;
  category: string | null;
  sort: Sort | null;
}

/** What a list shows: a page of the app and what its query narrows it to. */
export interface View extends Filters {
  name: ViewName;
  /** The user's date, for what is relative to it; '' elsewhere. */
  day: string;
  /** A page past midnight is another list, and so is one in another zone. */
  timeZone: string;
}

const defaultSorts: Record<ViewName, Sort> = {
  today: 'due_date',
  upcoming: 'due_date',
  overdue: 'due_date',
  all: 'created_at',
  completed: 'updated_at',
  category: 'due_date',
  deleted: 'updated_at',
};

export const defaultSort = (name: ViewName) => defaultSorts[name];

export const noFilters: Filters = { q: '', priority: null, category: null, sort: null };

export function readFilters(params: URLSearchParams): Filters {
  const priority = params.get('priority') as Priority | null;
  const sort = params.get('sort') as Sort | null;
  return {
    q: (params.get('q') ?? '').trim().slice(0, 200),
    priority: priority !== null && priorities.includes(priority) ? priority : null,
    category: params.get('category') || null,
    sort: sort !== null && sorts.includes(sort) ? sort : null,
  };
}

export function makeView(name: ViewName, filters: Filters = noFilters): View {
  const dated = name === 'today' || name === 'upcoming';
  return { name, ...filters, day: dated ? today().toString() : '', timeZone: zone.get() };
}

export const filtered = (view: Filters) =>
  view.q !== '' || view.priority !== null || view.category !== null;

export const sortOf = (view: View): Sort => view.sort ?? defaultSorts[view.name];

const ascending = (sort: Sort) => sort === 'due_date' || sort === 'title';

const dayAfter = (day: string) => Temporal.PlainDate.from(day).add({ days: 1 }).toString();

/** The parameters of `GET /tasks` that ask for the view. */
export function viewQuery(view: View) {
  const sort = sortOf(view);
  return {
    ...(view.name === 'deleted' ? { deleted: true } : { completed: view.name === 'completed' }),
    ...(view.name === 'today' ? { due_before: dayAfter(view.day) } : {}),
    ...(view.name === 'upcoming' ? { due_after: view.day } : {}),
    ...(view.name === 'overdue' ? { overdue: true } : {}),
    ...(view.q ? { q: view.q } : {}),
    ...(view.priority ? { priority: view.priority } : {}),
    ...(view.category ? { category: view.category } : {}),
    sort,
    order: ascending(sort) ? ('asc' as const) : ('desc' as const),
  };
}

/** Without case and accents, as the server compares. */
const folded = (words: string) =>
  words.normalize('NFKD').replace(/\p{M}/gu, '').toLocaleLowerCase('en');

/** Whether the view shows the task, as the server would say. */
export function belongs(view: View, task: Task, at = Date.now()): boolean {
  if (view.name === 'deleted') return false;
  if (task.completed !== (view.name === 'completed')) return false;
  if (view.priority !== null && task.priority !== view.priority) return false;
  if (view.category !== null && task.category !== view.category) return false;
  if (view.q) {
    const words = folded(`${task.title}\n${task.description ?? ''}`);
    if (!words.includes(folded(view.q))) return false;
  }
  const due = dueOf(task, view.timeZone);
  if (view.name === 'today') return due !== null && due.date.toString() <= view.day;
  if (view.name === 'upcoming') return due !== null && due.date.toString() >= view.day;
  if (view.name === 'overdue') return due !== null && due.epochMs < at;
  return true;
}

const rank = (priority: Task['priority']) =>
  priority === null ? priorities.length : priorities.indexOf(priority);

const text = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** The server's order: ties are broken urgent first, then newest, then greatest id. */
export function compareTasks(sort: Sort, a: Task, b: Task): number {
  const ties = () =>
    rank(a.priority) - rank(b.priority) || text(b.created_at, a.created_at) || text(b.id, a.id);
  switch (sort) {
    case 'due_date': {
      if (a.due_date === null || b.due_date === null) {
        return Number(a.due_date === null) - Number(b.due_date === null) || ties();
      }
      return Date.parse(a.due_date) - Date.parse(b.due_date) || ties();
    }
    case 'title':
      return text(a.title.toLocaleLowerCase(), b.title.toLocaleLowerCase()) || ties();
    case 'priority':
      return ties();
    case 'created_at':
      return Date.parse(b.created_at) - Date.parse(a.created_at) || ties();
    case 'updated_at':
      return Date.parse(b.updated_at) - Date.parse(a.updated_at) || ties();
  }
}
