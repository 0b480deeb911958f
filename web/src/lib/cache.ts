import { type InfiniteData, onlineManager, QueryClient } from '@tanstack/react-query';
import { ApiError, NetworkError } from './api/client';
import type { Task } from './api/types';
import { reachable } from './reachable';
import { belongs, compareTasks, sortOf, type View } from './views';

const retriesMax = 3;
const retryDelayMaxMs = 30_000;

/** Refused for good, or worth another try: 429 and 503 name their time, a lost network waits. */
function retry(failures: number, error: Error): boolean {
  if (error instanceof ApiError) return error.passing && failures < retriesMax;
  return error instanceof NetworkError && failures < retriesMax;
}

export function backoffMs(failures: number, error: Error): number {
  const asked = error instanceof ApiError ? error.retryAfterMs : null;
  return Math.min(asked ?? Math.random() * 1000 * 2 ** failures, retryDelayMaxMs);
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { retry, retryDelay: backoffMs, staleTime: 30_000, gcTime: 5 * 60_000 },
    mutations: { retry: false },
  },
});

// Queries wait while the server is away, and go on when it is back.
onlineManager.setEventListener((setOnline) => {
  setOnline(reachable.get());
  return reachable.subscribe(() => setOnline(reachable.get()));
});

export interface TaskPage {
  tasks: Task[];
  total: number;
  capped: boolean;
  next: string | null;
}
export type TaskList = InfiniteData<TaskPage, string | null>;

export const listsKey = ['tasks', 'list'] as const;
export const listKey = (view: View) => [...listsKey, view] as const;
export const taskKey = (id: string) => ['tasks', 'one', id] as const;
export const categoriesKey = ['categories'] as const;
export const notificationsKey = ['notifications'] as const;
export const preferencesKey = ['preferences'] as const;
export const unreadKey = ['unread'] as const;
export const historyKey = (id: string) => ['history', id] as const;

function without(page: TaskPage, id: string): TaskPage {
  const at = page.tasks.findIndex((task) => task.id === id);
  if (at < 0) return page;
  return { ...page, tasks: page.tasks.toSpliced(at, 1), total: Math.max(0, page.total - 1) };
}

/**
 * The page with the task in its place. `first` and `page.next` say whether the page also takes what
 * sorts before its first and after its last task; null: its place is on another page.
 */
export function insertInto(
  page: TaskPage,
  task: Task,
  view: View,
  first: boolean,
): TaskPage | null {
  const sort = sortOf(view);
  const at = page.tasks.findIndex((other) => compareTasks(sort, task, other) < 0);
  if (at === 0 && !first) return null;
  if (at < 0 && page.next !== null) return null;
  const tasks = page.tasks.toSpliced(at < 0 ? page.tasks.length : at, 0, task);
  return { ...page, tasks, total: page.total + 1 };
}

function put(list: TaskList, view: View, task: Task): TaskList {
  const index = list.pages.findIndex((page) => page.tasks.some((other) => other.id === task.id));
  const shown = belongs(view, task);
  if (index >= 0) {
    const page = list.pages[index]!;
    const at = page.tasks.findIndex((other) => other.id === task.id);
    const old = page.tasks[at]!;
    // In place where its order is the same, so that nothing jumps.
    if (shown && compareTasks(sortOf(view), old, { ...task, created_at: old.created_at }) === 0) {
      return withPage(list, index, { ...page, tasks: page.tasks.with(at, task) });
    }
  }
  let next = index < 0 ? list : withPage(list, index, without(list.pages[index]!, task.id));
  if (!shown) return next;
  for (const [i, page] of next.pages.entries()) {
    const filled = insertInto(page, task, view, i === 0);
    if (filled !== null) {
      next = withPage(next, i, filled);
      break;
    }
  }
  return next;
}

const withPage = (list: TaskList, index: number, page: TaskPage): TaskList => ({
  ...list,
  pages: list.pages.with(index, page),
});

function eachList(change: (list: TaskList, view: View) => TaskList): void {
  for (const query of queryClient.getQueryCache().findAll({ queryKey: listsKey })) {
    const list = query.state.data as TaskList | undefined;
    if (list === undefined) continue;
    const next = change(list, query.queryKey[2] as View);
    if (next !== list) queryClient.setQueryData(query.queryKey, next);
  }
}

/** The newest of the task that any list or panel holds. */
export function cachedTask(id: string): Task | null {
  let found = queryClient.getQueryData<Task>(taskKey(id)) ?? null;
  for (const query of queryClient.getQueryCache().findAll({ queryKey: listsKey })) {
    for (const page of (query.state.data as TaskList | undefined)?.pages ?? []) {
      const task = page.tasks.find((other) => other.id === id);
      if (task && (found === null || task.version > found.version)) found = task;
    }
  }
  return found;
}

/** Puts the task where it belongs in every list that is loaded, and into the panel. */
export function putTask(task: Task): void {
  eachList((list, view) => put(list, view, task));
  if (queryClient.getQueryData(taskKey(task.id)) !== undefined) {
    queryClient.setQueryData(taskKey(task.id), task);
  }
}

/** Takes the task out of every list; a panel that shows it asks the server what became of it. */
export function dropTask(id: string): void {
  eachList((list) => {
    const index = list.pages.findIndex((page) => page.tasks.some((task) => task.id === id));
    return index < 0 ? list : withPage(list, index, without(list.pages[index]!, id));
  });
  queryClient.removeQueries({ queryKey: taskKey(id), type: 'inactive' });
  void queryClient.invalidateQueries({ queryKey: taskKey(id) });
}

/** Asks again for what is on the screen; what is not is asked for when it is. */
export function refreshLists(): void {
  void queryClient.invalidateQueries({ queryKey: listsKey });
}

/** A fetch that began before a change was done may bring the state before it: it begins anew. */
export function restartFetches(): void {
  void queryClient.invalidateQueries({
    queryKey: ['tasks'],
    predicate: (query) => query.state.fetchStatus === 'fetching',
  });
}
