import { memo } from 'react';
import { Icon } from '@/components/icons';
import { priorityColours, priorityNames } from '@/components/parts';
import type { Task } from '@/lib/api/types';
import { dueWords, fullWords, ruleWords } from '@/lib/time';

interface RowProps {
  task: Task;
  /** Its place among the tasks of the list, and how many there are in all. */
  position: number;
  size: number;
  top: number;
  /** The one row that Tab reaches. */
  active: boolean;
  /** The mouse is over it. */
  hovered: boolean;
  selected: boolean;
  open: boolean;
  leaving: boolean;
  /** Its buttons are in the tab order as well: single keys are switched off. */
  tabbable: boolean;
  at: number;
  timeZone: string;
}

const tones = { overdue: 'text-red', today: 'text-amber', later: 'text-muted' };

/** One task. What its buttons do is the list's business: each names it in data-action. */
export const Row = memo(function Row(props: RowProps) {
  const { task, active, selected, leaving, tabbable } = props;
  const checked = task.completed !== leaving;
  const tab = tabbable && active ? 0 : -1;
  return (
    <div
      role="listitem"
      className="row"
      data-id={task.id}
      data-selected={selected || undefined}
      data-open={props.open || undefined}
      data-leaving={leaving || undefined}
      tabIndex={active ? 0 : -1}
      aria-setsize={props.size}
      aria-posinset={props.position}
      aria-current={props.open || undefined}
      style={{ transform: `translateY(${props.top}px)` }}
    >
      <button
        type="button"
        role="checkbox"
        aria-checked={checked}
        aria-label={`Completed: ${task.title}`}
        className="tick"
        data-action="tick"
        tabIndex={tab}
      />
      <div className="row-main">
        <button
          type="button"
          data-action="open"
          tabIndex={-1}
          className={checked ? 'text-muted line-through' : ''}
        >
          {task.title}
          {selected && <span className="sr-only">, selected</span>}
        </button>
        <Meta {...props} />
      </div>
      {(active || props.hovered) && <Actions title={task.title} tab={tab} />}
      <button
        type="button"
        className="icon-btn row-more"
        data-action="menu"
        tabIndex={tab}
        aria-label={`More for: ${task.title}`}
        aria-haspopup="menu"
      />
    </div>
  );
});

const actions = [
  { action: 'reschedule', name: 'Reschedule', key: 'd', icon: 'clock' },
  { action: 'edit', name: 'Edit', key: 'e', icon: 'edit' },
] as const;

function Actions({ title, tab }: { title: string; tab: number }) {
  return (
    <div className="row-actions">
      {actions.map(({ action, name, key, icon }) => (
        <button
          key={action}
          type="button"
          className="icon-btn"
          data-action={action}
          tabIndex={tab}
          aria-label={`${name}: ${title}`}
          title={`${name} (${key})`}
        >
          <Icon name={icon} size={18} />
        </button>
      ))}
    </div>
  );
}

function Meta({ task, at, timeZone }: RowProps) {
  const due = dueWords(task, at, timeZone);
  const rule = ruleWords(task);
  if (due === null && rule === null && task.priority === null && task.category === null) {
    return null;
  }
  return (
    <span className="row-meta">
      {due !== null && (
        <time
          dateTime={task.due_on ?? task.due_date ?? ''}
          title={fullWords(task, timeZone)}
          className={`flex-none ${tones[due.tone]}`}
        >
          {due.words}
        </time>
      )}
      {task.priority !== null && (
        <span className={`flex-none ${priorityColours[task.priority]}`}>
          {priorityNames[task.priority]}
        </span>
      )}
      {rule !== null && (
        <span className="inline-flex min-w-8 items-center gap-1 text-muted">
          <Icon name="repeat" size={14} />
          <span className="truncate">{rule}</span>
        </span>
      )}
      {task.category !== null && (
        <span className="min-w-8 truncate text-muted">#{task.category}</span>
      )}
    </span>
  );
}
