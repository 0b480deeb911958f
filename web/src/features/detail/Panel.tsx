import { useQuery } from '@tanstack/react-query';
import { useDeferredValue, useEffect, useLayoutEffect, useRef } from 'react';
import { Icon } from '@/components/icons';
import { Failure, Skeleton } from '@/components/parts';
import { complete, reopen, restore } from '@/lib/actions';
import { ApiError, api, data } from '@/lib/api/client';
import type { Task } from '@/lib/api/types';
import { cachedTask, taskKey } from '@/lib/cache';
import { giveFocusBack, openLayer } from '@/lib/layers';
import { panelField } from '@/lib/listCommands';
import { useWide } from '@/lib/media';
import { temporary } from '@/lib/ops';
import { outbox } from '@/lib/outbox';
import { reachable } from '@/lib/reachable';
import { closeTask } from '@/lib/router';
import { useSelect, useStore } from '@/lib/store';
import { withPending } from '@/lib/sync';
import { DueFields } from './DueFields';
import { History } from './History';
import { OtherFields } from './OtherFields';
import { DescriptionField, TitleField } from './TextFields';
import { Told } from './Told';

async function load(id: string): Promise<Task | null> {
  if (temporary(id)) return cachedTask(id);
  const task: Task = await data(api.GET('/api/v1/tasks/{id}', { params: { path: { id } } }));
  return withPending(task);
}

function close(id: string): void {
  const row = document.querySelector(`[data-id="${CSS.escape(id)}"]`);
  closeTask();
  // The list is there again only after the page has drawn itself.
  requestAnimationFrame(() => giveFocusBack(row));
}

/** The task that is open: beside the list where there is room, in its place where there is none. */
export default function Panel({ id }: { id: string }) {
  const query = useQuery({
    queryKey: taskKey(id),
    queryFn: () => load(id),
    initialData: () => cachedTask(id) ?? undefined,
    initialDataUpdatedAt: 0,
  });
  const wide = useWide();
  const panel = useRef<HTMLElement>(null);
  const task = query.data ?? null;
  const gone = query.error instanceof ApiError && query.error.status === 404;

  useLayoutEffect(() => {
    const wanted = panelField.get();
    panelField.set(null);
    if (wanted === null && wide && document.activeElement !== document.body) return;
    const field = panel.current?.querySelector<HTMLElement>(
      wanted === null ? 'button' : 'textarea',
    );
    // Selected before it has the focus, what is shown is worked out once.
    if (wanted !== null && field instanceof HTMLTextAreaElement) field.select();
    field?.focus({ preventScroll: true });
  }, [wide]);
  // The key that asks for the title while the panel is open already.
  const asked = useStore(panelField);
  useEffect(() => {
    if (asked === null) return;
    panelField.set(null);
    const field = panel.current?.querySelector('textarea');
    field?.focus();
    field?.select();
  }, [asked]);

  // Where it takes the place of the list it is what the page is about.
  const Part = wide ? 'section' : 'main';
  const Heading = wide ? 'h2' : 'h1';
  return (
    <Part
      ref={panel}
      data-panel
      aria-label="Task"
      className="flex min-w-0 flex-1 flex-col border-line lg:w-104 lg:flex-none lg:border-l"
    >
      <div className="flex min-h-14 flex-none items-center gap-1 border-line border-b px-2">
        <button
          type="button"
          className="icon-btn"
          aria-label="Close the task"
          title="Close (Esc)"
          onClick={() => close(id)}
        >
          <Icon name={wide ? 'close' : 'back'} />
        </button>
        <Saved id={id} />
        {task !== null && !gone && <Actions task={task} />}
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto p-4 pb-12">
        {query.isPending && <Skeleton />}
        {gone && <Gone id={id} />}
        {query.isError && !gone && task === null && (
          <Failure
            what="The task could not be loaded"
            error={query.error}
            retry={() => void query.refetch()}
          />
        )}
        <Heading className="sr-only">{task?.title ?? 'Task'}</Heading>
        {task !== null && !gone && <Fields key={task.id} task={task} />}
      </div>
    </Part>
  );
}

function Fields({ task }: { task: Task }) {
  // What is typed into most is there at once; the rest follows, below it, a moment later.
  const whole = useDeferredValue(true, false);
  return (
    <div className="mx-auto flex max-w-2xl flex-col gap-4">
      <TitleField task={task} />
      {whole && (
        <>
          <DescriptionField task={task} />
          <DueFields task={task} />
          <OtherFields task={task} />
        </>
      )}
      {whole && !temporary(task.id) && (
        <>
          <Told task={task} />
          <History task={task} />
        </>
      )}
    </div>
  );
}

function Actions({ task }: { task: Task }) {
  const whole = useDeferredValue(true, false);
  if (!whole) return null;
  return (
    <>
      <button
        type="button"
        className="btn btn-quiet"
        onClick={() => void (task.completed ? reopen(task) : complete(task))}
      >
        <Icon name={task.completed ? 'undo' : 'check'} size={18} />
        {task.completed ? 'Reopen' : 'Complete'}
      </button>
      <button
        type="button"
        className="icon-btn"
        aria-label="Reschedule"
        title="Reschedule (d)"
        onClick={(event) =>
          openLayer({ kind: 'reschedule', tasks: [task], anchor: event.currentTarget })
        }
      >
        <Icon name="clock" />
      </button>
      <button
        type="button"
        className="icon-btn"
        aria-label="Delete"
        title="Delete (#)"
        onClick={() => openLayer({ kind: 'delete', tasks: [task] })}
      >
        <Icon name="trash" />
      </button>
    </>
  );
}

/** Whether the server has everything that was typed. */
function Saved({ id }: { id: string }) {
  const waiting = useSelect(outbox, (ops) => ops.some((op) => op.taskId === id));
  const online = useStore(reachable);
  const changed = useRef(false);
  if (waiting) changed.current = true;
  let text = '';
  if (waiting) text = online ? 'Saving…' : 'Kept here until the server can be reached';
  else if (changed.current) text = 'Saved';
  return (
    <p role="status" className="mr-auto min-w-0 truncate text-muted text-sm">
      {text}
    </p>
  );
}

function Gone({ id }: { id: string }) {
  const deleted = useQuery({
    queryKey: ['tasks', 'deleted-one', id],
    queryFn: async () => {
      const all = await data(
        api.GET('/api/v1/tasks', { params: { query: { deleted: true, limit: 500 } } }),
      );
      return (all as Task[]).find((task) => task.id === id) ?? null;
    },
  });
  const task = deleted.data ?? null;
  return (
    <div className="py-8 text-center">
      <p className="mb-4 text-lg">
        {task === null ? 'This task is not there.' : `“${task.title}” was deleted.`}
      </p>
      {task !== null && (
        <button type="button" className="btn" onClick={() => restore(task)}>
          Restore
        </button>
      )}
    </div>
  );
}
