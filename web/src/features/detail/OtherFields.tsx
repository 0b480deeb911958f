import { CategoryField } from '@/components/CategoryField';
import { Field } from '@/components/Field';
import { priorityNames } from '@/components/parts';
import { change } from '@/lib/actions';
import type { Priority, Task } from '@/lib/api/types';
import { useSelect } from '@/lib/store';
import { conflicts, settleConflict } from '@/lib/sync';
import { priorities } from '@/lib/views';
import { ConflictBar } from './ConflictBar';
import { useTextField } from './useTextField';

export function OtherFields({ task }: { task: Task }) {
  const category = useTextField(task, 'category');
  const conflict = useSelect(conflicts, (all) =>
    all[task.id]?.find((one) => one.field === 'priority'),
  );
  const save = (priority: Priority | null) => void change(task, { priority }).catch(() => {});
  return (
    <div className="grid grid-cols-2 gap-3">
      <div>
        <Field label="Priority">
          {(props) => (
            <select
              {...props}
              className="field"
              value={task.priority ?? ''}
              onChange={(event) => save((event.target.value || null) as Priority | null)}
            >
              <option value="">None</option>
              {priorities.map((priority) => (
                <option key={priority} value={priority}>
                  {priorityNames[priority]}
                </option>
              ))}
            </select>
          )}
        </Field>
        {conflict && (
          <ConflictBar
            theirs={String(conflict.theirs ?? '')}
            keepMine={() => {
              settleConflict(task.id, 'priority');
              save(conflict.mine as Priority | null);
            }}
            takeTheirs={() => settleConflict(task.id, 'priority')}
          />
        )}
      </div>
      <div>
        <CategoryField value={category.value} onChange={category.type} onCommit={category.save} />
        {category.conflict && (
          <ConflictBar
            theirs={String(category.conflict.theirs ?? '')}
            keepMine={category.keepMine}
            takeTheirs={category.takeTheirs}
          />
        )}
      </div>
    </div>
  );
}
