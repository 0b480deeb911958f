import { type ReactNode, Suspense, useEffect, useMemo, useRef, useState } from 'react';
import { Failure, Skeleton } from '@/components/parts';
import { bulkChange, complete, reopen } from '@/lib/actions';
import type { Task } from '@/lib/api/types';
import { openLayer } from '@/lib/layers';
import { leaving as leavingRows } from '@/lib/leaving';
import { activeList, panelField } from '@/lib/listCommands';
import { tasksOf, useTaskList } from '@/lib/lists';
import { useWide } from '@/lib/media';
import { lazyPart } from '@/lib/parts';
import { usePrefs } from '@/lib/prefs';
import { openTask, usePlace } from '@/lib/router';
import { useStore } from '@/lib/store';
import { dueInput, dueOf, today, useNow, useZone } from '@/lib/time';
import type { View } from '@/lib/views';
import { FilterBar } from './FilterBar';
import { type Item, itemsOf } from './items';
import { Row } from './Row';
import { useHovered } from './useHovered';
import { useRoving } from './useRoving';
import { useRowHeight } from './useRowHeight';
import { useSelection } from './useSelection';
import { useTouch } from './useTouch';
import { useWindow } from './useWindow';

// What most lists do not show at first is not waited for.
const Nothing = lazyPart(() => import('./Nothing'));
const SelectionBar = lazyPart(() => import('./SelectionBar'));
const Strip = lazyPart(() => import('./Strip'));

/** So many rows before the end of what is loaded the next page is asked for. */
const aheadRows = 60;

interface Props {
  view: View;
  title: string;
  /** What stands on top of the list. */
  children?: ReactNode;
}

export function TaskList({ view, title, children }: Props) {
  const query = useTaskList(view);
  const tasks = useMemo(() => tasksOf(query.data), [query.data]);
  const items = useMemo(() => itemsOf(view, tasks), [view, tasks]);
  const first = query.data?.pages[0];
  const total = first?.total ?? 0;
  const [filtering, setFiltering] = useState(false);
  const scroller = useRef<HTMLDivElement>(null);
  const jump = useRef<(day: string) => void>(() => {});

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div ref={scroller} className="min-h-0 flex-1 overflow-y-auto px-2 pb-24 md:px-6 md:pb-8">
        <div className="mx-auto max-w-4xl">
          <FilterBar
            view={view}
            title={title}
            count={query.isSuccess ? `${total}${first?.capped ? '+' : ''}` : ''}
            open={filtering}
            setOpen={setFiltering}
          />
          {children}
          {view.name === 'upcoming' && (
            <Suspense fallback={<div className="my-3 h-16" />}>
              <Strip
                view={view}
                tasks={tasks}
                all={!query.hasNextPage}
                jump={(day) => jump.current(day)}
              />
            </Suspense>
          )}
          {query.isPending && <Skeleton />}
          {query.isError && query.data === undefined && (
            <Failure
              what="The tasks could not be loaded"
              error={query.error}
              retry={() => void query.refetch()}
            />
          )}
          {query.isSuccess && items.length === 0 && (
            <Suspense>
              <Nothing view={view} />
            </Suspense>
          )}
          {query.isSuccess && (
            <Rows
              key={view.name + (view.name === 'category' ? view.category : '')}
              view={view}
              title={title}
              items={items}
              tasks={tasks}
              total={total}
              scroller={scroller}
              jump={jump}
              search={() => setFiltering(true)}
              more={query.hasNextPage && !query.isFetching ? query.fetchNextPage : null}
            />
          )}
        </div>
      </div>
    </div>
  );
}

interface RowsProps {
  view: View;
  title: string;
  items: Item[];
  tasks: Task[];
  total: number;
  scroller: React.RefObject<HTMLDivElement | null>;
  jump: React.RefObject<(day: string) => void>;
  search: () => void;
  more: (() => unknown) | null;
}

function Rows({ view, title, items, tasks, total, scroller, jump, search, more }: RowsProps) {
  const list = useRef<HTMLDivElement>(null);
  const rowPx = useRowHeight();
  const at = useNow();
  const timeZone = useZone();
  const { singleKeys } = usePrefs();
  const openId = usePlace().params.get('task');
  const wide = useWide();
  const beside = openId !== null && wide;
  const [hovered, watchHover] = useHovered();
  const leaving = useStore(leavingRows);
  const roving = useRoving(items, list);
  const selection = useSelection(tasks);
  const { activeId } = roving;
  const activeIndex = items.findIndex((item) => item.key === activeId);

  const rows = useWindow(items.length, rowPx, scroller, list);
  roving.scrollTo.current = rows.scrollTo;
  useEffect(() => {
    if (more !== null && rows.end >= items.length - aheadRows) more();
  }, [more, rows.end, items.length]);

  jump.current = (day) => {
    const index = items.findIndex((item) => item.kind === 'heading' && item.day >= day);
    if (index >= 0) rows.scrollTo(index, 'start');
  };

  // The row that has the focus stays, wherever the list is scrolled to.
  const drawn = range(rows.start, rows.end);
  if (activeIndex >= 0 && activeIndex < rows.start) drawn.unshift(activeIndex);
  if (activeIndex >= rows.end) drawn.push(activeIndex);

  const find = (target: EventTarget | null) => {
    const row = (target as Element | null)?.closest<HTMLElement>('[data-id]') ?? null;
    const task = tasks.find((one) => one.id === row?.dataset.id);
    return row === null || task === undefined ? null : { task, row };
  };
  const touch = useTouch({
    find,
    select: (task) => selection.toggle(task.id),
    right: (task) => void (task.completed ? reopen(task) : complete(task)),
    left: (task, row) => openLayer({ kind: 'reschedule', tasks: [task], anchor: row }),
  });

  // The keyboard reaches the list through this; it always sees the list of the last drawing.
  const latest = useRef({ roving, selection, tasks, activeId, search });
  latest.current = { roving, selection, tasks, activeId, search };
  useEffect(() => {
    const current = () =>
      latest.current.tasks.find((task) => task.id === latest.current.activeId) ?? null;
    const commands = {
      move: (delta: number) => void latest.current.roving.move(delta),
      extend: (delta: number) => {
        const from = latest.current.activeId;
        const to = latest.current.roving.move(delta);
        if (from !== null && to !== null) latest.current.selection.extend(from, to);
      },
      targets: () => {
        const chosen = latest.current.selection.chosen;
        if (chosen.length > 0) return chosen;
        const task = current();
        return task === null ? [] : [task];
      },
      current,
      anchor: () => latest.current.roving.element(latest.current.activeId),
      clearSelection: () => latest.current.selection.clear(),
      search: () => latest.current.search(),
    };
    activeList.set(commands);
    return () => activeList.set((old) => (old === commands ? null : old));
  }, []);

  /** The row that had the focus before the press gave it to another. */
  const pressedFrom = useRef<string | null>(null);

  function press(event: React.MouseEvent) {
    if (touch.swallowed()) return;
    const found = find(event.target);
    if (found === null) return;
    const { task } = found;
    const button = (event.target as Element).closest<HTMLElement>('[data-action]');
    const action = button?.dataset.action ?? 'open';
    if (action === 'tick') void (task.completed ? reopen(task) : complete(task));
    else if (action === 'reschedule') {
      // Its button stays for as long as its row has it: not every browser gives it the focus.
      roving.activate(task.id);
      openLayer({ kind: 'reschedule', tasks: [task], anchor: button });
    } else if (action === 'menu') openLayer({ kind: 'row-menu', tasks: [task], anchor: button });
    else if (event.shiftKey) selection.extend(pressedFrom.current ?? task.id, task.id);
    else if (event.ctrlKey || event.metaKey) selection.toggle(task.id);
    else if (selection.chosen.length > 0 && !window.matchMedia('(hover: hover)').matches)
      selection.toggle(task.id);
    else {
      panelField.set(action === 'edit' ? 'title' : null);
      openTask(task.id);
    }
    if (action === 'open') found.row.focus({ preventScroll: true });
  }

  return (
    <>
      <div
        ref={list}
        role="list"
        aria-label={title}
        className="rows relative"
        data-beside={beside || undefined}
        style={{ height: items.length * rowPx }}
        onClick={press}
        onKeyDown={(event) => {
          const row = event.target as HTMLElement;
          if (event.key === 'Enter' && row.dataset.id !== undefined) {
            event.preventDefault();
            panelField.set('title');
            openTask(row.dataset.id);
          }
        }}
        {...watchHover}
        onFocus={roving.onFocus}
        onBlur={roving.onBlur}
        onPointerDown={(event) => {
          pressedFrom.current = activeId;
          touch.onPointerDown(event);
        }}
        onPointerMove={touch.onPointerMove}
        onPointerUp={touch.onPointerUp}
        onPointerCancel={touch.onPointerCancel}
      >
        {drawn.map((index) => {
          const item = items[index];
          if (item === undefined) return null;
          const top = index * rowPx;
          if (item.kind === 'heading') {
            return <Heading key={item.key} item={item} top={top} tasks={tasks} view={view} />;
          }
          return (
            <Row
              key={item.key}
              task={item.task}
              position={item.position}
              size={Math.max(total, tasks.length)}
              top={top}
              active={item.key === activeId}
              hovered={item.key === hovered}
              selected={selection.has(item.key)}
              open={item.key === openId}
              leaving={leaving.has(item.key)}
              tabbable={!singleKeys}
              at={at}
              timeZone={timeZone}
            />
          );
        })}
      </div>
      {selection.chosen.length > 0 && (
        <Suspense>
          <SelectionBar tasks={selection.chosen} keep={selection.keep} clear={selection.clear} />
        </Suspense>
      )}
      <p role="status" className="sr-only">
        {selection.chosen.length > 0 ? `${selection.chosen.length} selected` : ''}
      </p>
    </>
  );
}

const range = (start: number, end: number) =>
  Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i);

interface HeadingProps {
  item: Item & { kind: 'heading' };
  top: number;
  tasks: readonly Task[];
  view: View;
}

function Heading({ item, top, tasks, view }: HeadingProps) {
  function moveAll() {
    const late = tasks.filter((task) => {
      const due = dueOf(task, view.timeZone);
      return due !== null && due.date.toString() < view.day;
    });
    const day = today();
    void bulkChange(late, 'Moved to today:', (task) => ({
      due_date: dueInput(day, dueOf(task)?.time ?? null),
    }));
  }
  return (
    <div
      role="listitem"
      className="absolute inset-x-0 top-0 flex h-(--row) items-center gap-2 border-line border-b px-3"
      style={{ transform: `translateY(${top}px)` }}
    >
      <h2 className={item.overdue ? 'text-red' : ''}>{item.title}</h2>
      <span className="text-muted text-xs">{item.count}</span>
      {item.overdue && view.name === 'today' && (
        <button type="button" className="btn btn-quiet ml-auto text-accent" onClick={moveAll}>
          Move all to today
        </button>
      )}
    </div>
  );
}
