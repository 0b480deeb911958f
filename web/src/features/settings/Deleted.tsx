import { useState } from 'react';
import { Failure } from '@/components/parts';
import { restore } from '@/lib/actions';
import { tasksOf, useTaskList } from '@/lib/lists';
import { outbox } from '@/lib/outbox';
import { useSelect } from '@/lib/store';
import { instantWords } from '@/lib/time';
import { makeView } from '@/lib/views';
import { Section } from './Section';

/** What was deleted in the last 30 days and can be brought back. */
export function Deleted() {
  const [view] = useState(() => makeView('deleted'));
  const query = useTaskList(view);
  const restoring = useSelect(outbox, (ops) =>
    ops
      .filter((op) => op.kind === 'restore')
      .map((op) => op.taskId)
      .join(),
  );
  const [restored, setRestored] = useState<ReadonlySet<string>>(new Set());
  const tasks = tasksOf(query.data).filter(
    (task) => !restored.has(task.id) && !restoring.includes(task.id),
  );
  return (
    <Section title="Deleted tasks">
      {query.isError && query.data === undefined && (
        <Failure
          what="The deleted tasks could not be loaded"
          error={query.error}
          retry={() => void query.refetch()}
        />
      )}
      {query.isSuccess && tasks.length === 0 && (
        <p className="text-muted">Nothing was deleted in the last 30 days.</p>
      )}
      <ul>
        {tasks.map((task) => (
          <li key={task.id} className="flex items-center gap-3 border-line border-b py-1">
            <span className="mr-auto min-w-0">
              {task.title}
              <span className="block text-muted text-sm">
                deleted {instantWords(task.updated_at)}
              </span>
            </span>
            <button
              type="button"
              className="btn"
              onClick={() => {
                setRestored((old) => new Set(old).add(task.id));
                restore(task);
              }}
            >
              Restore
            </button>
          </li>
        ))}
      </ul>
      {query.hasNextPage && (
        <button type="button" className="btn self-start" onClick={() => void query.fetchNextPage()}>
          More
        </button>
      )}
    </Section>
  );
}
