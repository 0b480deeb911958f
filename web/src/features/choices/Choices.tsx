import { useState } from 'react';
import { CategoryField } from '@/components/CategoryField';
import { type Choice, ChoiceMenu } from '@/components/ChoiceMenu';
import { Dialog } from '@/components/Dialog';
import { Field } from '@/components/Field';
import { priorityNames } from '@/components/parts';
import {
  bulkChange,
  bulkDelete,
  changeTold,
  complete,
  remove,
  reopen,
  reschedule,
} from '@/lib/actions';
import type { Task, TaskChange } from '@/lib/api/types';
import { closeLayer, type Layer, openLayer } from '@/lib/layers';
import { panelField } from '@/lib/listCommands';
import { openTask } from '@/lib/router';
import { dueInput, dueOf, momentWords, now, today } from '@/lib/time';
import { priorities } from '@/lib/views';

type Of<K extends Layer['kind']> = Extract<Layer, { kind: K }>;

/** Applies a change to one task with its own toast, to several with one for all. */
function apply(tasks: readonly Task[], told: string, fieldsOf: (task: Task) => TaskChange): void {
  const [first] = tasks;
  if (first === undefined) return;
  if (tasks.length > 1) void bulkChange(tasks, `${told}:`, fieldsOf);
  else changeTold(first, fieldsOf(first), `${told}: “${first.title}”`);
}

type Pick = (task: Task) => string | null;

const keepTime = (date: Temporal.PlainDate) => (task: Task) =>
  dueInput(date, dueOf(task)?.time ?? null);

/** The days that are one press away. */
function days(): { label: string; date: Temporal.PlainDate }[] {
  const present = today();
  const saturday = present.add({ days: 6 - present.dayOfWeek });
  const list = [
    { label: 'Today', date: present },
    { label: 'Tomorrow', date: present.add({ days: 1 }) },
  ];
  if (present.dayOfWeek < 6) list.push({ label: 'This weekend', date: saturday });
  list.push({ label: 'Next week', date: present.add({ days: 8 - present.dayOfWeek }) });
  return list;
}

export function RescheduleLayer({ layer }: { layer: Of<'reschedule'> }) {
  const { tasks, anchor } = layer;
  const [picked, setPicked] = useState<{ due: Pick } | 'calendar' | null>(null);
  const close = () => closeLayer(layer);
  const [first] = tasks;
  const series = tasks.length === 1 && first !== undefined && first.recurrence_rule !== 'none';

  function move(due: Pick, scope: 'this' | 'series' = 'series') {
    close();
    if (first === undefined) return;
    if (tasks.length > 1) {
      void bulkChange(tasks, 'Moved', (task) => ({ due_date: due(task) }));
    } else reschedule(first, due(first), scope);
  }
  // A task of a series is asked about once the date is known.
  const choose = (due: Pick) => (series ? setPicked({ due }) : move(due));

  if (picked === 'calendar') {
    return <PickDate task={first} onClose={close} choose={choose} />;
  }
  if (picked !== null) {
    return (
      <ChoiceMenu
        key="scope"
        label="It repeats. Move"
        anchor={anchor}
        onClose={close}
        choices={[
          { label: 'Only this one', run: () => move(picked.due, 'this') },
          { label: 'This and later ones', run: () => move(picked.due, 'series') },
        ]}
      />
    );
  }
  const hourLater = () =>
    new Date(Math.ceil(now.get() / 60_000) * 60_000 + 3_600_000).toISOString();
  const choices: Choice[] = [
    ...(layer.reminder
      ? [{ label: 'In 1 hour', icon: 'clock' as const, run: () => choose(hourLater) }]
      : []),
    ...days().map(({ label, date }) => ({
      label,
      hint: momentWords(date, null) === label.toLowerCase() ? '' : momentWords(date, null),
      icon: 'today' as const,
      run: () => choose(keepTime(date)),
    })),
    { label: 'Pick…', icon: 'upcoming', run: () => setPicked('calendar') },
    ...(series || tasks.every((task) => task.due_date === null)
      ? []
      : [{ label: 'No date', icon: 'close' as const, run: () => move(() => null) }]),
  ];
  return (
    <ChoiceMenu
      label={tasks.length === 1 ? `Reschedule “${first?.title}”` : `Move ${tasks.length} tasks to`}
      anchor={anchor}
      choices={choices}
      onClose={close}
    />
  );
}

interface PickProps {
  task: Task | undefined;
  onClose: () => void;
  choose: (due: Pick) => void;
}

function PickDate({ task, onClose, choose }: PickProps) {
  const due = task === undefined ? null : dueOf(task);
  const [date, setDate] = useState((due?.date ?? today()).toString());
  const [time, setTime] = useState(due?.time?.toString({ smallestUnit: 'minute' }) ?? '');
  return (
    <Dialog kind="modal" label="Pick a date" onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (date !== '') choose(() => (time === '' ? date : `${date}T${time}`));
        }}
      >
        <h2 className="text-lg">Pick a date</h2>
        <Field label="Date">
          {(props) => (
            <input
              {...props}
              type="date"
              required
              min="1970-01-01"
              max="9999-12-31"
              className="field"
              value={date}
              onChange={(event) => setDate(event.target.value)}
            />
          )}
        </Field>
        <Field label="Time (optional)">
          {(props) => (
            <input
              {...props}
              type="time"
              className="field"
              value={time}
              onChange={(event) => setTime(event.target.value)}
            />
          )}
        </Field>
        <div className="flex justify-end gap-2">
          <button type="button" className="btn" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="btn btn-primary">
            Move
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export function PriorityLayer({ layer }: { layer: Of<'priority'> }) {
  const { tasks, anchor } = layer;
  const close = () => closeLayer(layer);
  const same = tasks.every((task) => task.priority === tasks[0]?.priority);
  const choices: Choice[] = [...priorities, null].map((priority) => ({
    label: priority === null ? 'No priority' : priorityNames[priority],
    icon: priority === null ? 'close' : 'flag',
    chosen: same && tasks[0]?.priority === priority,
    run: () => {
      close();
      const told = priority === null ? 'Priority cleared' : `Priority ${priorityNames[priority]}`;
      apply(tasks, told, () => ({ priority }));
    },
  }));
  return <ChoiceMenu label="Priority" anchor={anchor} choices={choices} onClose={close} />;
}

export function CategoryLayer({ layer }: { layer: Of<'category'> }) {
  const { tasks, anchor } = layer;
  const close = () => closeLayer(layer);
  const same = tasks.every((task) => task.category === tasks[0]?.category);
  const before = (same ? tasks[0]?.category : null) ?? '';
  const [value, setValue] = useState(before);

  function save(chosen: string) {
    close();
    const category = chosen.trim() || null;
    if (same && category === (before || null)) return;
    apply(tasks, category === null ? 'Category cleared' : `Moved to #${category}`, () => ({
      category,
    }));
  }
  return (
    <Dialog kind="modal" label="Category" onClose={close} returnTo={anchor}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          save(value);
        }}
      >
        <CategoryField
          value={value}
          onChange={setValue}
          onCommit={() => {}}
          inDialog
          label={tasks.length === 1 ? 'Category' : `Category of ${tasks.length} tasks`}
        />
        <div className="flex justify-end gap-2">
          <button type="button" className="btn" onClick={close}>
            Cancel
          </button>
          <button type="submit" className="btn btn-primary">
            Save
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export function RowMenuLayer({ layer }: { layer: Of<'row-menu'> }) {
  const { tasks, anchor } = layer;
  const [task] = tasks;
  const close = () => closeLayer(layer);
  if (task === undefined) return null;
  const then = (run: () => void) => () => {
    close();
    run();
  };
  const choices: Choice[] = [
    {
      label: task.completed ? 'Reopen' : 'Complete',
      icon: 'check',
      run: then(() => void (task.completed ? reopen(task) : complete(task))),
    },
    {
      label: 'Edit',
      icon: 'edit',
      run: then(() => {
        panelField.set('title');
        openTask(task.id);
      }),
    },
    {
      label: 'Reschedule',
      icon: 'clock',
      run: then(() => openLayer({ kind: 'reschedule', tasks, anchor })),
    },
    {
      label: 'Priority',
      icon: 'flag',
      run: then(() => openLayer({ kind: 'priority', tasks, anchor })),
    },
    {
      label: 'Category',
      icon: 'tag',
      run: then(() => openLayer({ kind: 'category', tasks, anchor })),
    },
    {
      label: 'Delete',
      icon: 'trash',
      danger: true,
      run: then(() => openLayer({ kind: 'delete', tasks })),
    },
  ];
  return <ChoiceMenu label={`“${task.title}”`} anchor={anchor} choices={choices} onClose={close} />;
}

export function DeleteLayer({ layer }: { layer: Of<'delete'> }) {
  const { tasks } = layer;
  const [first] = tasks;
  const many = tasks.length > 1;
  function confirm() {
    closeLayer(layer);
    if (many) void bulkDelete(tasks).then(({ failed }) => layer.done?.(failed));
    else if (first !== undefined) remove(first);
  }
  return (
    <ConfirmDialog
      title={many ? `Delete ${tasks.length} tasks?` : 'Delete this task?'}
      text={
        many
          ? 'They can be restored for 30 days.'
          : `“${first?.title}” can be restored for 30 days.${first?.recurrence_rule !== 'none' && !first?.completed ? ' It will not come again.' : ''}`
      }
      verb="Delete"
      run={confirm}
      close={() => closeLayer(layer)}
    />
  );
}

export function ConfirmLayer({ layer }: { layer: Of<'confirm'> }) {
  const close = () => closeLayer(layer);
  return (
    <ConfirmDialog
      {...layer}
      run={() => {
        close();
        layer.run();
      }}
      close={close}
    />
  );
}

interface ConfirmProps {
  title: string;
  text: string;
  verb: string;
  run: () => void;
  close: () => void;
}

/** Asks before something is destroyed; the focus begins on the way out. */
function ConfirmDialog({ title, text, verb, run, close }: ConfirmProps) {
  return (
    <Dialog kind="modal" label={title} onClose={close}>
      <h2 className="mb-2 text-lg">{title}</h2>
      <p className="mb-6 text-muted">{text}</p>
      <div className="flex justify-end gap-2">
        <button type="button" className="btn" data-autofocus onClick={close}>
          Cancel
        </button>
        <button type="button" className="btn btn-danger" onClick={run}>
          {verb}
        </button>
      </div>
    </Dialog>
  );
}
