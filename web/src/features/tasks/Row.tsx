import { memo } from 'react';
import { Icon } from '@/components/icons';
import { PriorityWord } from '@/components/parts';
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
      className="row group"
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
      >
        <span>
          <Icon name="check" size={14} />
        </span>
      </button>
      <div className="row-main flex min-w-0 flex-1 touch-pan-y flex-col justify-center self-stretch @2xl:flex-row @2xl:items-center @2xl:gap-3">
        <button
          type="button"
          data-action="open"
          tabIndex={-1}
          className={`min-w-0 truncate rounded-sm text-start @2xl:mr-auto ${checked ? 'text-muted line-through' : ''}`}
        >
          {task.title}
          {selected && <span className="sr-only">, selected</span>}
        </button>
        <Meta {...props} />
      </div>
      <div className="row-actions">
        <button
          type="button"
          className="icon-btn"
          data-action="reschedule"
          tabIndex={tab}
          aria-label={`Reschedule: ${task.title}`}
          title="Reschedule (d)"
        >
          <Icon name="clock" size={18} />
        </button>
        <button
          type="button"
          className="icon-btn"
          data-action="edit"
          tabIndex={tab}
          aria-label={`Edit: ${task.title}`}
          title="Edit (e)"
        >
          <Icon name="edit" size={18} />
        </button>
      </div>
      <button
        type="button"
        className="icon-btn"
        data-action="menu"
        tabIndex={tab}
        aria-label={`More for: ${task.title}`}
        aria-haspopup="menu"
      >
        <Icon name="more" size={18} />
      </button>
    </div>
  );
});

function Meta({ task, at, timeZone }: RowProps) {
  const due = dueWords(task, at, timeZone);
  const rule = ruleWords(task);
  if (due === null && rule === null && task.priority === null && task.category === null) {
    return null;
  }
  return (
    <span className="flex min-w-0 items-center gap-3 overflow-hidden whitespace-nowrap text-xs @2xl:max-w-3/5 @2xl:flex-none">
      {due !== null && (
        <time
          dateTime={task.due_on ?? task.due_date ?? ''}
          title={fullWords(task, timeZone)}
          className={`order-first flex-none @2xl:order-last ${tones[due.tone]}`}
        >
          {due.words}
        </time>
      )}
      {task.priority !== null && (
        <span className="flex flex-none">
          <PriorityWord priority={task.priority} />
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
