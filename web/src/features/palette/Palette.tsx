import { useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, useDeferredValue, useId, useRef, useState } from 'react';
import { Dialog } from '@/components/Dialog';
import { Icon, type IconName } from '@/components/icons';
import { complete, reopen } from '@/lib/actions';
import { api, data } from '@/lib/api/client';
import type { Task } from '@/lib/api/types';
import { categoriesKey } from '@/lib/cache';
import { openLayer } from '@/lib/layers';
import { activeList } from '@/lib/listCommands';
import { navigate, openTask } from '@/lib/router';
import { signOut } from '@/lib/session';
import { failure } from '@/lib/toasts';
import { undoLast } from '@/lib/undo';

const foundMax = 8;

interface Command {
  id: string;
  label: string;
  hint?: string;
  icon: IconName;
  run: () => void;
}

const pages: [string, string, IconName, string][] = [
  ['Today', '/today', 'today', 'g t'],
  ['Upcoming', '/upcoming', 'upcoming', 'g u'],
  ['Overdue', '/overdue', 'overdue', 'g o'],
  ['All', '/all', 'all', 'g a'],
  ['Completed', '/completed', 'completed', 'g c'],
  ['Activity', '/activity', 'activity', 'g v'],
  ['Settings', '/settings', 'settings', 'g s'],
];

function commands(tasks: readonly Task[], anchor: Element | null): Command[] {
  const one = tasks.length === 1 ? tasks[0] : undefined;
  const about = one ? `“${one.title}”` : `${tasks.length} tasks`;
  const acts: [string, IconName, string, () => void][] =
    tasks.length === 0
      ? []
      : [
          [
            `Complete ${about}`,
            'check',
            'x',
            () => {
              for (const task of tasks) void (task.completed ? reopen(task) : complete(task));
            },
          ],
          [
            `Reschedule ${about}`,
            'clock',
            'd',
            () => openLayer({ kind: 'reschedule', tasks, anchor }),
          ],
          [
            `Priority of ${about}`,
            'flag',
            'p',
            () => openLayer({ kind: 'priority', tasks, anchor }),
          ],
          [
            `Category of ${about}`,
            'tag',
            'c',
            () => openLayer({ kind: 'category', tasks, anchor }),
          ],
          [`Delete ${about}`, 'trash', '#', () => openLayer({ kind: 'delete', tasks })],
        ];
  const general: [string, IconName, string, () => void][] = [
    ['Add a task', 'plus', 'q', () => openLayer({ kind: 'quick-add' })],
    ['Search and filter', 'search', '/', () => activeList.get()?.search()],
    ['Notifications', 'bell', 'b', () => openLayer({ kind: 'notifications' })],
    ['Undo', 'undo', 'z', () => void undoLast()],
    ['Keys and words', 'help', '?', () => openLayer({ kind: 'help' })],
    [
      'Sign out',
      'out',
      '',
      () => void signOut().catch((error: Error) => failure(`Could not sign out: ${error.message}`)),
    ],
  ];
  const made = ([label, icon, hint, run]: [string, IconName, string, () => void]) => ({
    id: label,
    label,
    icon,
    hint,
    run,
  });
  return [
    ...acts.map(made),
    ...pages.map(([label, to, icon, hint]) =>
      made([`Go to ${label}`, icon, hint, () => navigate(to)]),
    ),
    ...general.map(made),
  ];
}

export default function Palette({ close }: { close: () => void }) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  // What the commands are about is what had the focus when the palette opened.
  const [about] = useState(() => ({
    tasks: activeList.get()?.targets() ?? [],
    anchor: activeList.get()?.anchor() ?? null,
  }));
  const asked = useDeferredValue(text.trim());
  const found = useQuery({
    queryKey: ['tasks', 'found', asked],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/v1/tasks', {
          params: { query: { q: asked, limit: foundMax, completed: false } },
          signal,
        }),
      ),
    enabled: asked !== '',
    placeholderData: (previous) => previous,
  });
  const categories = useQuery({
    queryKey: categoriesKey,
    queryFn: () => data(api.GET('/api/v1/tasks/categories')),
  });

  const words = asked.toLowerCase().split(/\s+/).filter(Boolean);
  const all: Command[] = [
    ...commands(about.tasks, about.anchor),
    ...(categories.data ?? []).map((category) => ({
      id: `category ${category}`,
      label: `Go to #${category}`,
      icon: 'tag' as const,
      run: () => navigate(`/category/${encodeURIComponent(category)}`),
    })),
  ];
  const matching = all.filter(({ label }) =>
    words.every((word) => label.toLowerCase().includes(word)),
  );
  const tasks: Command[] = (asked === '' ? [] : ((found.data ?? []) as Task[])).map((task) => ({
    id: task.id,
    label: task.title,
    icon: 'all',
    hint: task.category === null ? '' : `#${task.category}`,
    run: () => openTask(task.id),
  }));
  const shown = [...matching, ...tasks];
  const current = Math.min(at, Math.max(0, shown.length - 1));

  function choose(command: Command | undefined) {
    if (command === undefined) return;
    close();
    command.run();
  }
  function step(delta: number) {
    const next = (current + delta + shown.length) % Math.max(1, shown.length);
    setAt(next);
    list.current?.children[next]?.scrollIntoView({ block: 'nearest' });
  }
  function press(event: KeyboardEvent) {
    if (event.key === 'ArrowDown') step(1);
    else if (event.key === 'ArrowUp') step(-1);
    else if (event.key === 'Enter') choose(shown[current]);
    else return;
    event.preventDefault();
  }

  return (
    <Dialog kind="modal" label="Commands" onClose={close} className="palette">
      <input
        className="field"
        role="combobox"
        aria-label="Command or task"
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-activedescendant={shown.length > 0 ? `${id}-${current}` : undefined}
        aria-autocomplete="list"
        autoComplete="off"
        placeholder="Type a command or a task"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={press}
      />
      <div
        ref={list}
        id={`${id}-list`}
        role="listbox"
        aria-label="Commands"
        className="mt-2 max-h-80 overflow-y-auto"
      >
        {shown.map((command, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are pressed in the field.
          <div
            key={command.id}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === current}
            className="menu-item cursor-pointer"
            onClick={() => choose(command)}
          >
            <span className="text-muted">
              <Icon name={command.icon} size={18} />
            </span>
            <span className="mr-auto truncate">{command.label}</span>
            {command.hint && <span className="flex-none text-muted text-xs">{command.hint}</span>}
          </div>
        ))}
      </div>
      <p role="status" className="px-3 py-2 text-muted empty:hidden">
        {shown.length === 0 && !found.isFetching ? 'Nothing is called that.' : null}
      </p>
    </Dialog>
  );
}
