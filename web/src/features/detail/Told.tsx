import { useQuery } from '@tanstack/react-query';
import { api, data } from '@/lib/api/client';
import type { Reminder, Task } from '@/lib/api/types';
import { historyKey } from '@/lib/cache';
import { instantWords } from '@/lib/time';

const reasons: Record<string, string> = {
  completed: 'it was completed already',
  deleted: 'it was deleted',
  moved: 'it was moved',
  reminders_off: 'reminders were off',
  too_late: 'it was too late by then',
};

function words(row: Reminder): string {
  switch (row.state) {
    case 'scheduled':
      return `You will be told ${instantWords(row.remind_at ?? row.due_date)}.`;
    case 'pending':
      return 'You are being told now.';
    case 'sent':
      return `You were told ${instantWords(row.delivered_at ?? row.due_date)}.`;
    case 'skipped':
      return `You were not told: ${reasons[row.reason ?? ''] ?? row.reason}.`;
  }
}

/** Why there was a reminder, or why there was none. */
export function Told({ task }: { task: Task }) {
  const query = useQuery({
    queryKey: [...historyKey(task.id), 'reminders', task.version],
    queryFn: () =>
      data(api.GET('/api/v1/tasks/{id}/reminders', { params: { path: { id: task.id } } })),
    placeholderData: (previous) => previous,
  });
  const rows = (query.data?.reminders ?? []) as Reminder[];
  if (rows.length === 0) return null;
  return (
    <section>
      <h2 className="mb-1 font-medium text-sm">Reminders</h2>
      <ul className="text-muted">
        {rows.map((row) => (
          <li key={`${row.due_date} ${row.state}`}>{words(row)}</li>
        ))}
      </ul>
    </section>
  );
}
