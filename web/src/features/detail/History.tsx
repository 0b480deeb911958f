import { useInfiniteQuery } from '@tanstack/react-query';
import { api, data } from '@/lib/api/client';
import type { AuditEntry, Task } from '@/lib/api/types';
import { actorWords, deedWords } from '@/lib/auditWords';
import { historyKey } from '@/lib/cache';
import { instantWords } from '@/lib/time';

const pageSize = 10;

export function History({ task }: { task: Task }) {
  const query = useInfiniteQuery({
    queryKey: [...historyKey(task.id), 'entries'],
    queryFn: ({ pageParam }) =>
      data(
        api.GET('/api/v1/audit/task/{id}', {
          params: {
            path: { id: task.id },
            query: { limit: pageSize, ...(pageParam === null ? {} : { cursor: pageParam }) },
          },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });
  const entries = (query.data?.pages.flatMap((page) => page.entries) ?? []) as AuditEntry[];
  if (entries.length === 0) return null;
  return (
    <section>
      <h2 className="mb-1 font-medium text-sm">History</h2>
      <ol className="text-muted">
        {entries.map((entry) => (
          <li key={entry.id} className="flex gap-2 py-0.5">
            <span className="mr-auto">
              {actorWords(entry.metadata.actor)} {deedWords(entry).replaceAll('{task}', 'it')}
            </span>
            <time dateTime={entry.timestamp} className="flex-none text-xs leading-5">
              {instantWords(entry.timestamp)}
            </time>
          </li>
        ))}
      </ol>
      {query.hasNextPage && (
        <button type="button" className="btn mt-2" onClick={() => void query.fetchNextPage()}>
          Older
        </button>
      )}
    </section>
  );
}
