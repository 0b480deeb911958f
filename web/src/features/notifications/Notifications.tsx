import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Dialog, DrawerHead } from '@/components/Dialog';
import { Empty } from '@/components/Empty';
import { Icon } from '@/components/icons';
import { Failure, Skeleton } from '@/components/parts';
import { complete } from '@/lib/actions';
import { api, data } from '@/lib/api/client';
import type { Notification, NotificationPage, Task } from '@/lib/api/types';
import { cachedTask, notificationsKey, queryClient, unreadKey } from '@/lib/cache';
import { openLayer } from '@/lib/layers';
import { openTask } from '@/lib/router';
import { fetchTask, why } from '@/lib/sync';
import { instantWords } from '@/lib/time';
import { failure } from '@/lib/toasts';
import { wordsOf } from './words';

function refresh() {
  void queryClient.invalidateQueries({ queryKey: notificationsKey });
  void queryClient.invalidateQueries({ queryKey: unreadKey });
}

async function attempt(what: string, call: Promise<unknown>) {
  try {
    await call;
  } catch (error) {
    failure(`Could not ${what}: ${why(error as Error)}`);
  }
  refresh();
}

const read = (id: string) =>
  data(api.POST('/api/v1/notifications/{id}/read', { params: { path: { id } } }));

export default function Notifications({ close }: { close: () => void }) {
  const query = useInfiniteQuery({
    queryKey: [...notificationsKey, 'list'],
    queryFn: ({ pageParam }) =>
      data(
        api.GET('/api/v1/notifications', {
          params: { query: pageParam === null ? {} : { cursor: pageParam } },
        }),
      ) as Promise<NotificationPage>,
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });
  const all = query.data?.pages.flatMap((page) => page.notifications as Notification[]) ?? [];
  const unread = all.filter((one) => !one.read);
  const rest = all.filter((one) => one.read);

  function clear() {
    openLayer({
      kind: 'confirm',
      title: 'Clear all notifications?',
      text: 'They cannot be brought back. Your tasks stay as they are.',
      verb: 'Clear all',
      run: () => void attempt('clear them', data(api.DELETE('/api/v1/notifications/clear'))),
    });
  }

  return (
    <Dialog kind="drawer" label="Notifications" onClose={close}>
      <DrawerHead title="Notifications" onClose={close}>
        {unread.length > 0 && (
          <button
            type="button"
            className="btn btn-quiet"
            onClick={() =>
              void attempt(
                'mark them as read',
                data(api.POST('/api/v1/notifications/mark-all-read')),
              )
            }
          >
            Read all
          </button>
        )}
        {all.length > 0 && (
          <button type="button" className="btn btn-quiet" onClick={clear}>
            Clear all
          </button>
        )}
      </DrawerHead>
      {query.isPending && <Skeleton />}
      {query.isError && all.length === 0 && (
        <Failure
          what="The notifications could not be loaded"
          error={query.error}
          retry={() => void query.refetch()}
        />
      )}
      {query.isSuccess && all.length === 0 && (
        <Empty icon="bell" text="Nothing to tell you. Reminders come here." />
      )}
      <Group title="New" entries={unread} close={close} />
      <Group title="Earlier" entries={rest} close={close} />
      {query.hasNextPage && (
        <div className="p-4 text-center">
          <button type="button" className="btn" onClick={() => void query.fetchNextPage()}>
            More
          </button>
        </div>
      )}
    </Dialog>
  );
}

interface GroupProps {
  title: string;
  entries: readonly Notification[];
  close: () => void;
}

function Group({ title, entries, close }: GroupProps) {
  if (entries.length === 0) return null;
  return (
    <section aria-label={title}>
      <h3 className="px-4 pt-4 pb-1 text-muted text-sm">{title}</h3>
      <ul>
        {entries.map((entry) => (
          <Entry key={entry.id} entry={entry} close={close} />
        ))}
      </ul>
    </section>
  );
}

function Entry({ entry, close }: { entry: Notification; close: () => void }) {
  const { title, text } = wordsOf(entry);
  const taskId = entry.task_id;
  // Whether its task is still to be done decides what can be done here.
  const task = useQuery({
    queryKey: [...notificationsKey, 'task', taskId],
    queryFn: async () => cachedTask(taskId!) ?? (await fetchTask(taskId!)),
    enabled: taskId !== null,
  }).data as Task | null | undefined;
  const pending = task != null && !task.completed;

  function markRead() {
    if (!entry.read) void attempt('mark it as read', read(entry.id));
  }
  return (
    <li className="border-line border-b px-4 py-3">
      <div className="flex items-start gap-2">
        <button
          type="button"
          className="min-h-11 min-w-0 flex-1 rounded-sm text-start"
          disabled={taskId === null}
          onClick={() => {
            markRead();
            close();
            if (taskId !== null) openTask(taskId);
          }}
        >
          <span className={entry.read ? '' : 'font-semibold'}>{title}</span>
          <span className="block text-muted text-sm">
            {text} · told {instantWords(entry.created_at)}
          </span>
        </button>
        <button
          type="button"
          className="icon-btn -mr-2"
          aria-label={`Delete notification: ${title}`}
          onClick={() =>
            void attempt(
              'delete it',
              data(
                api.DELETE('/api/v1/notifications/{id}', { params: { path: { id: entry.id } } }),
              ),
            )
          }
        >
          <Icon name="close" size={16} />
        </button>
      </div>
      <div className="mt-2 flex flex-wrap gap-2">
        {pending && (
          <>
            <button
              type="button"
              className="btn"
              onClick={() => {
                markRead();
                void complete(task).then(refresh);
              }}
            >
              Complete
            </button>
            <button
              type="button"
              className="btn"
              onClick={(event) => {
                markRead();
                openLayer({
                  kind: 'reschedule',
                  tasks: [task],
                  anchor: event.currentTarget,
                  reminder: true,
                });
              }}
            >
              Reschedule
            </button>
          </>
        )}
        {!entry.read && (
          <button type="button" className="btn btn-quiet" onClick={markRead}>
            Mark as read
          </button>
        )}
      </div>
    </li>
  );
}
