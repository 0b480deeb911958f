import type { Task } from '@/lib/api/types';
import { dayWords, dueOf } from '@/lib/time';
import { sortOf, type View } from '@/lib/views';

/** What the list shows from top to bottom: headings, and tasks with their place among tasks. */
export type Item =
  | { kind: 'heading'; key: string; title: string; overdue: boolean; count: number; day: string }
  | { kind: 'task'; key: string; task: Task; position: number };

const row = (task: Task, index: number): Item => ({
  kind: 'task',
  key: task.id,
  task,
  position: index + 1,
});

/** Today has what is overdue first, Upcoming has its days; sorted otherwise there are no groups. */
export function itemsOf(view: View, tasks: readonly Task[]): Item[] {
  const grouped = view.name === 'today' || view.name === 'upcoming';
  if (!grouped || sortOf(view) !== 'due_date') return tasks.map(row);
  const today = Temporal.PlainDate.from(view.day);
  const items: Item[] = [];
  let heading: (Item & { kind: 'heading' }) | undefined;
  for (const [index, task] of tasks.entries()) {
    const date = dueOf(task, view.timeZone)?.date ?? today;
    const overdue = Temporal.PlainDate.compare(date, today) < 0;
    const key = overdue ? 'overdue' : `day ${date}`;
    if (heading?.key !== key) {
      const title = overdue ? 'Overdue' : dayWords(date, today);
      heading = { kind: 'heading', key, title, overdue, count: 0, day: date.toString() };
      items.push(heading);
    }
    heading.count += 1;
    items.push(row(task, index));
  }
  return items;
}
