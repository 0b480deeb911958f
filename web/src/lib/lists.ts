import { type QueryFunctionContext, useInfiniteQuery } from '@tanstack/react-query';
import { answer, api } from './api/client';
import type { Task } from './api/types';
import { insertInto, listKey, queryClient, type TaskPage } from './cache';
import { outbox } from './outbox';
import { pendingNew, withPending } from './sync';
import { belongs, type View, viewQuery } from './views';

const firstPage = 200;
const laterPages = 500;
const knownMax = 200;

/** Pages as the server gave them, by what was asked: a 304 says that they still hold. */
const known = new Map<string, { etag: string; page: TaskPage }>();
/** Lists whose first page held when it was last asked for: then so do the others. */
const holding = new Set<string>();

export function forgetPages(): void {
  known.clear();
  holding.clear();
}

const cursorOf = (link: string | null): string | null => {
  const path = link?.match(/<([^>]+)>;\s*rel="next"/)?.[1];
  return path === undefined ? null : new URL(path, location.origin).searchParams.get('cursor');
};

async function fetchPage(view: View, cursor: string | null, signal: AbortSignal) {
  const list = JSON.stringify(view);
  const asked = `${list} ${cursor ?? ''}`;
  const before = known.get(asked);
  if (cursor !== null && holding.has(list) && before) return before.page;
  const { data, response } = await answer<Task[]>(
    api.GET('/api/v1/tasks', {
      params: {
        query: {
          ...viewQuery(view),
          limit: cursor === null ? firstPage : laterPages,
          ...(cursor === null ? {} : { cursor }),
        },
        header: before ? { 'If-None-Match': before.etag } : {},
      },
      signal,
    }),
  );
  if (response.status === 304 && before) {
    if (cursor === null) holding.add(list);
    return before.page;
  }
  if (cursor === null) holding.delete(list);
  const page: TaskPage = {
    tasks: data,
    total: Number(response.headers.get('X-Total-Count') ?? data.length),
    capped: response.headers.get('X-Total-Count-Capped') === 'true',
    next: cursorOf(response.headers.get('Link')),
  };
  known.delete(asked);
  known.set(asked, { etag: response.headers.get('ETag') ?? '', page });
  if (known.size > knownMax) known.delete(known.keys().next().value as string);
  return page;
}

/** The server's page with what the outbox is still to do to it. */
function settle(page: TaskPage, view: View, first: boolean): TaskPage {
  if (outbox.get().length === 0) return page;
  const tasks = page.tasks.flatMap((task) => {
    const pending = withPending(task);
    if (pending === task) return [task];
    return pending !== null && belongs(view, pending) ? [pending] : [];
  });
  let settled: TaskPage = { ...page, tasks, total: page.total - page.tasks.length + tasks.length };
  for (const task of pendingNew()) {
    if (belongs(view, task)) settled = insertInto(settled, task, view, first) ?? settled;
  }
  return settled;
}

type Context = QueryFunctionContext<ReturnType<typeof listKey>, string | null>;

export function listOptions(view: View) {
  return {
    queryKey: listKey(view),
    queryFn: async ({ pageParam, signal }: Context) =>
      settle(await fetchPage(view, pageParam, signal), view, pageParam === null),
    initialPageParam: null as string | null,
    getNextPageParam: (page: TaskPage) => page.next,
    // Changes come by themselves; a list that comes back on the screen is asked for once more,
    // which costs a 304 where nothing has changed.
    staleTime: Number.POSITIVE_INFINITY,
    // Each change would compare every member of every task; what is the same keeps its identity here.
    structuralSharing: false,
    refetchOnMount: 'always' as const,
  };
}

/** While a filter changes, what was there stays until the answer is: the page does not jump. */
export function useTaskList(view: View) {
  return useInfiniteQuery({
    ...listOptions(view),
    placeholderData: (previous, query) => {
      const before = query?.queryKey[2] as View | undefined;
      const same =
        before?.name === view.name &&
        (view.name !== 'category' || before.category === view.category);
      return same ? previous : undefined;
    },
  });
}

/** Begins to load a list before anything that shows it is there. */
export function prefetchList(view: View): void {
  void queryClient.prefetchInfiniteQuery(listOptions(view));
}

export const tasksOf = (list: { pages: TaskPage[] } | undefined): Task[] =>
  list?.pages.flatMap((page) => page.tasks) ?? [];
