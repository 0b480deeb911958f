import { focusToasts } from '@/components/Toasts';
import { complete, reopen } from '@/lib/actions';
import type { Task } from '@/lib/api/types';
import { cachedTask } from '@/lib/cache';
import { giveFocusBack, layerOpen, openLayer } from '@/lib/layers';
import { activeList, panelField } from '@/lib/listCommands';
import { prefs } from '@/lib/prefs';
import { closeTask, currentPlace, navigate, openTask } from '@/lib/router';
import { failure } from '@/lib/toasts';
import { undoLast } from '@/lib/undo';
import { focusQuickAdd } from './focusQuickAdd';

const goMs = 1_500;

export const goTo: Record<string, string> = {
  t: '/today',
  u: '/upcoming',
  o: '/overdue',
  a: '/all',
  c: '/completed',
  v: '/activity',
  s: '/settings',
};

/** What the keys mean now: the selection, else the row with the focus, else the open panel. */
function targets(): { tasks: Task[]; anchor: Element | null } {
  const list = activeList.get();
  const inPanel = document.activeElement?.closest('[data-panel]') ?? null;
  const open = currentPlace().params.get('task');
  if (open !== null && (inPanel !== null || list === null)) {
    const task = cachedTask(open);
    return { tasks: task === null ? [] : [task], anchor: inPanel };
  }
  return { tasks: list?.targets() ?? [], anchor: list?.anchor() ?? null };
}

function withTargets(act: (tasks: Task[], anchor: Element | null) => void): void {
  const { tasks, anchor } = targets();
  if (tasks.length > 0) act(tasks, anchor);
}

const popover = (kind: 'reschedule' | 'priority' | 'category') => () =>
  withTargets((tasks, anchor) => openLayer({ kind, tasks, anchor }));

const single: Record<string, () => void> = {
  q: focusQuickAdd,
  '/': () => activeList.get()?.search(),
  j: () => activeList.get()?.move(1),
  k: () => activeList.get()?.move(-1),
  J: () => activeList.get()?.extend(1),
  K: () => activeList.get()?.extend(-1),
  x: () =>
    withTargets((tasks) => {
      for (const task of tasks) void (task.completed ? reopen(task) : complete(task));
    }),
  e: () =>
    withTargets(([task]) => {
      panelField.set('title');
      if (task) openTask(task.id);
    }),
  d: popover('reschedule'),
  p: popover('priority'),
  c: popover('category'),
  '#': () => withTargets((tasks) => openLayer({ kind: 'delete', tasks })),
  z: () => {
    if (!undoLast()) failure('There is nothing to undo');
  },
  b: () => openLayer({ kind: 'notifications' }),
  '?': () => openLayer({ kind: 'help' }),
};

/** Keys that are no characters: they work when the single ones are off as well. */
const named: Record<string, () => void> = {
  ArrowDown: () => activeList.get()?.move(1),
  ArrowUp: () => activeList.get()?.move(-1),
  Delete: () => withTargets((tasks) => openLayer({ kind: 'delete', tasks })),
};

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

let goingSince = 0;

/** Esc closes one thing: what lies on top (by itself), the selection, the panel. */
function leaveTop(): void {
  if (activeList.get()?.clearSelection()) return;
  const open = currentPlace().params.get('task');
  if (open === null) return;
  const row = document.querySelector(`[data-id="${CSS.escape(open)}"]`);
  closeTask();
  giveFocusBack(row);
}

function press(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) {
    if (event.key.toLowerCase() !== 'k') return;
    event.preventDefault();
    if (!layerOpen()) openLayer({ kind: 'palette' });
    return;
  }
  if (event.key === 'F8') {
    event.preventDefault();
    focusToasts();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || layerOpen()) return;
  if (event.key === 'Escape') {
    if (!(typing(event.target) && !(event.target as Element).closest('[data-panel]'))) leaveTop();
    return;
  }
  if (typing(event.target)) return;
  const going = goingSince > 0 && event.timeStamp - goingSince < goMs;
  goingSince = 0;
  const inMenu = (event.target as Element).closest?.('[role=menu], [role=listbox], [data-toast]');
  const command = inMenu ? undefined : commandFor(event, going);
  if (command === undefined) return;
  event.preventDefault();
  command();
}

function commandFor(event: KeyboardEvent, going: boolean): (() => void) | undefined {
  const { key } = event;
  if (named[key] !== undefined && !event.shiftKey) return named[key];
  if (!prefs.get().singleKeys) return undefined;
  if (going) {
    const to = goTo[key];
    return to === undefined ? undefined : () => navigate(to);
  }
  if (key === 'g') {
    return () => {
      goingSince = event.timeStamp;
    };
  }
  return single[key];
}

export function startKeys(): () => void {
  document.addEventListener('keydown', press);
  return () => document.removeEventListener('keydown', press);
}
