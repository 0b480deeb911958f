import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Fragment } from 'react';
import { Empty } from '@/components/Empty';
import { Field } from '@/components/Field';
import { Icon } from '@/components/icons';
import { Failure, Skeleton } from '@/components/parts';
import { ApiError, api, data } from '@/lib/api/client';
import type { AuditAction, AuditEntry, Task } from '@/lib/api/types';
import { actorWords, deedWords } from '@/lib/auditWords';
import { cachedTask, historyKey } from '@/lib/cache';
import { Link, openTask, setParams, usePlace } from '@/lib/router';
import { dayWords, instantWords, timeWords, today, useNow, zone, zoned } from '@/lib/time';

const actions: [AuditAction, string][] = [
  ['create', 'Added'],
  ['update', 'Changed'],
  ['complete', 'Completed'],
  ['delete', 'Deleted'],
];

interface Filter {
  action: AuditAction | null;
  day: string | null;
  task: string | null;
}

function readFilter(params: URLSearchParams): Filter {
  const action = params.get('action') as AuditAction | null;
  const day = params.get('day');
  return {
    action: actions.some(([known]) => known === action) ? action : null,
    day: day !== null && /^\d{4}-\d\d-\d\d$/.test(day) ? day : null,
    task: params.get('of'),
  };
}

/** The filter as `GET /audit` takes it; a day is the user's own, from midnight to midnight. */
function auditQuery(filter: Filter) {
  const start =
    filter.day === null ? null : Temporal.PlainDate.from(filter.day).toZonedDateTime(zone.get());
  return {
    ...(filter.action === null ? {} : { action: filter.action }),
    ...(filter.task === null ? {} : { entity_id: filter.task }),
    ...(start === null
      ? {}
      : {
          from_date: start.toInstant().toString(),
          to_date: start.add({ days: 1 }).subtract({ milliseconds: 1 }).toInstant().toString(),
        }),
  };
}

/** Everything that happened to the user's tasks, the newest first. */
export default function Activity() {
  const { params } = usePlace();
  const filter = readFilter(params);
  useNow();
  const query = useInfiniteQuery({
    queryKey: ['history', 'all', filter],
    queryFn: ({ pageParam }) =>
      data(
        api.GET('/api/v1/audit', {
          params: {
            query: { ...auditQuery(filter), ...(pageParam === null ? {} : { cursor: pageParam }) },
          },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });
  const entries = (query.data?.pages.flatMap((page) => page.entries) ?? []) as AuditEntry[];
  const narrowed = filter.action !== null || filter.day !== null || filter.task !== null;
  const clear = () => setParams({ action: null, day: null, of: null });

  return (
    <div className="min-h-0 flex-1 overflow-y-auto px-4 pb-12 md:px-6">
      <div className="mx-auto max-w-4xl">
        <div className="flex min-h-14 flex-wrap items-center gap-x-4 md:pt-4">
          <h1 tabIndex={-1} className="mr-auto text-xl">
            Activity
          </h1>
          <Verdict />
        </div>
        <Filters filter={filter} narrowed={narrowed} clear={clear} />
        {query.isPending && <Skeleton />}
        {query.isError && entries.length === 0 && (
          <Failure
            what="The activity could not be loaded"
            error={query.error}
            retry={() => void query.refetch()}
          />
        )}
        {query.isSuccess && entries.length === 0 && (
          <Empty
            icon="activity"
            text={narrowed ? 'Nothing matches the filter.' : 'Nothing has happened yet.'}
          >
            {narrowed ? (
              <button type="button" className="btn" onClick={clear}>
                Clear filter
              </button>
            ) : (
              <Link href="/today" className="btn">
                Add a task
              </Link>
            )}
          </Empty>
        )}
        <Entries entries={entries} />
        {query.hasNextPage && (
          <button
            type="button"
            className="btn mt-4"
            aria-disabled={query.isFetchingNextPage}
            onClick={() => void query.fetchNextPage()}
          >
            More
          </button>
        )}
      </div>
    </div>
  );
}

interface FiltersProps {
  filter: Filter;
  narrowed: boolean;
  clear: () => void;
}

function Filters({ filter, narrowed, clear }: FiltersProps) {
  return (
    <div className="mb-4 flex flex-wrap items-end gap-3">
      <Field label="What">
        {(props) => (
          <select
            {...props}
            className="field"
            value={filter.action ?? ''}
            onChange={(event) => setParams({ action: event.target.value })}
          >
            <option value="">Everything</option>
            {actions.map(([value, words]) => (
              <option key={value} value={value}>
                {words}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label="Day">
        {(props) => (
          <input
            {...props}
            type="date"
            className="field"
            value={filter.day ?? ''}
            onChange={(event) => setParams({ day: event.target.value }, { replace: true })}
          />
        )}
      </Field>
      {filter.task !== null && (
        <p className="chip min-h-9">
          Only <TaskName id={filter.task} />
        </p>
      )}
      {narrowed && (
        <button type="button" className="btn" onClick={clear}>
          Clear filter
        </button>
      )}
    </div>
  );
}

function Entries({ entries }: { entries: readonly AuditEntry[] }) {
  let day = '';
  return (
    <ol>
      {entries.map((entry) => {
        const at = zoned(entry.timestamp);
        const date = at.toPlainDate();
        const heading = date.toString() === day ? null : dayWords(date, today());
        day = date.toString();
        return (
          <Fragment key={entry.id}>
            {heading !== null && (
              <li className="border-line border-b pt-4 pb-1">
                <h2 className="text-muted text-sm">{heading}</h2>
              </li>
            )}
            <li className="flex min-h-9 items-center gap-3 py-1">
              <p className="min-w-0 flex-1">
                <Sentence entry={entry} />
              </p>
              <button
                type="button"
                className="icon-btn flex-none"
                aria-label="Only this task"
                title="Only this task"
                onClick={() => setParams({ of: entry.entity_id })}
              >
                <Icon name="filter" size={16} />
              </button>
              <time
                dateTime={entry.timestamp}
                title={at.toLocaleString()}
                className="flex-none text-muted text-xs"
              >
                {timeWords(at.toPlainTime())}
              </time>
            </li>
          </Fragment>
        );
      })}
    </ol>
  );
}

function Sentence({ entry }: { entry: AuditEntry }) {
  const whole = (entry.after_value ?? entry.before_value) as Partial<Task> | null;
  const [start = '', ...rest] = deedWords(entry).split('{task}');
  return (
    <>
      {actorWords(entry.metadata.actor)} {start}
      {rest.map((part, index) => (
        <Fragment key={part}>
          {index === 0 ? <TaskName id={entry.entity_id} title={whole?.title} /> : 'it'}
          {part}
        </Fragment>
      ))}
    </>
  );
}

/** What the task is called now; an entry of a change does not say it. */
function TaskName({ id, title }: { id: string; title?: string | undefined }) {
  const query = useQuery({
    queryKey: ['tasks', 'name', id],
    queryFn: async (): Promise<string | null> => {
      try {
        const task = await data(api.GET('/api/v1/tasks/{id}', { params: { path: { id } } }));
        return task.title;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return lastName(id);
        throw error;
      }
    },
    initialData: () => title ?? cachedTask(id)?.title,
    staleTime: 60_000,
  });
  if (query.data === null) return <>a deleted task</>;
  return (
    <Link
      href={`?task=${id}`}
      className="rounded-sm font-medium hover:underline"
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        openTask(id);
      }}
    >
      “{query.data ?? '…'}”
    </Link>
  );
}

/** A deleted task is known by the entry of its deletion. */
async function lastName(id: string): Promise<string | null> {
  const page = await data(
    api.GET('/api/v1/audit/task/{id}', { params: { path: { id }, query: { limit: 1 } } }),
  );
  return (page.entries[0]?.before_value as Partial<Task> | null)?.title ?? null;
}

/** Whether the whole trail is as it was written. */
function Verdict() {
  const query = useQuery({
    queryKey: historyKey('verify'),
    queryFn: () => data(api.GET('/api/v1/audit/verify')),
  });
  if (query.data === undefined) return null;
  const { verified, checked_at, first_bad_seq } = query.data;
  return (
    <div className="flex items-center gap-1">
      <p className={`flex items-center gap-1 ${verified ? 'text-muted' : 'text-red'}`}>
        {verified ? 'verified' : `Entry ${first_bad_seq} is not as it was written`}
        <Icon name={verified ? 'check' : 'warning'} size={16} />
        <span className="text-muted text-xs">{instantWords(checked_at)}</span>
      </p>
      <button type="button" className="btn btn-quiet" onClick={() => void query.refetch()}>
        Check again
      </button>
    </div>
  );
}
