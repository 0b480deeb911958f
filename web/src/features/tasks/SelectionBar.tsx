import { useState } from 'react';
import { Icon } from '@/components/icons';
import { bulkComplete } from '@/lib/actions';
import type { Task } from '@/lib/api/types';
import { openLayer } from '@/lib/layers';

interface Props {
  tasks: readonly Task[];
  keep: (ids: Iterable<string>) => void;
  clear: () => void;
}

/** What can be done with all that are selected. What fails stays selected, and says why. */
export default function SelectionBar({ tasks, keep, clear }: Props) {
  const [reasons, setReasons] = useState<readonly string[]>([]);

  function settle(failed: ReadonlyMap<string, string>) {
    keep(failed.keys());
    setReasons([...new Set(failed.values())]);
  }
  const popover = (kind: 'reschedule' | 'priority' | 'category') => (event: React.MouseEvent) =>
    openLayer({ kind, tasks, anchor: event.currentTarget });

  const pending = tasks.filter((task) => !task.completed);
  return (
    <div className="fixed inset-x-2 bottom-[calc(var(--bar)+env(safe-area-inset-bottom)+0.5rem)] z-30 mx-auto max-w-2xl md:bottom-4 md:left-58">
      <section aria-label="Selection" className="card p-2">
        {reasons.length > 0 && (
          <p role="alert" className="px-2 pb-1 text-red">
            {tasks.length} not done: {reasons.join('; ')}
          </p>
        )}
        <div className="flex flex-wrap items-center gap-1">
          <span className="mr-auto px-2 font-medium">{tasks.length} selected</span>
          {pending.length > 0 && (
            <button
              type="button"
              className="btn btn-quiet"
              onClick={async () => settle((await bulkComplete(pending)).failed)}
            >
              Complete
            </button>
          )}
          <button type="button" className="btn btn-quiet" onClick={popover('reschedule')}>
            Move date
          </button>
          <button type="button" className="btn btn-quiet" onClick={popover('priority')}>
            Priority
          </button>
          <button type="button" className="btn btn-quiet" onClick={popover('category')}>
            Category
          </button>
          <button
            type="button"
            className="btn btn-quiet text-red"
            onClick={() => openLayer({ kind: 'delete', tasks, done: settle })}
          >
            Delete
          </button>
          <button type="button" className="icon-btn" aria-label="Clear selection" onClick={clear}>
            <Icon name="close" />
          </button>
        </div>
      </section>
    </div>
  );
}
