import { useQueries } from '@tanstack/react-query';
import { useMemo } from 'react';
import { api } from '@/lib/api/client';
import type { Task } from '@/lib/api/types';
import { dayName, dueOf } from '@/lib/time';
import { type View, viewQuery } from '@/lib/views';

const stripDays = 14;

interface Props {
  view: View;
  tasks: readonly Task[];
  /** Whether `tasks` are all there are. */
  all: boolean;
  jump: (day: string) => void;
}

/**
 * The next two weeks, with how much is due on each day. Counted from what is loaded; a day that is
 * not whole yet is asked for.
 */
export default function Strip({ view, tasks, all, jump }: Props) {
  const days = useMemo(() => {
    const first = Temporal.PlainDate.from(view.day);
    return Array.from({ length: stripDays }, (_, i) => first.add({ days: i }));
  }, [view.day]);
  const counts = useMemo(() => {
    const byDay = new Map<string, number>();
    for (const task of tasks) {
      const day = dueOf(task, view.timeZone)?.date.toString();
      if (day !== undefined) byDay.set(day, (byDay.get(day) ?? 0) + 1);
    }
    return byDay;
  }, [tasks, view.timeZone]);
  const lastTask = tasks.at(-1);
  const last = lastTask ? dueOf(lastTask, view.timeZone)?.date.toString() : undefined;
  const whole = (day: string) => all || (last !== undefined && day < last);

  const asked = useQueries({
    queries: days.map((date) => ({
      queryKey: ['tasks', 'count', view, date.toString()],
      queryFn: () => countOn(view, date),
      enabled: tasks.length > 0 && !whole(date.toString()),
    })),
  });

  return (
    <ol className="relative my-3 flex gap-1 overflow-x-auto px-1 py-1" aria-label="Next 14 days">
      {days.map((date, i) => {
        const day = date.toString();
        const count = whole(day) ? (counts.get(day) ?? 0) : (asked[i]?.data ?? 0);
        return (
          <li key={day} className="min-w-12 flex-1">
            <button
              type="button"
              className="flex min-h-14 w-full flex-col items-center justify-center rounded-sm border border-line hover:bg-hover"
              onClick={() => jump(day)}
            >
              <span className="text-muted text-xs">
                {dayName(date)} {date.day}
              </span>{' '}
              <span className={count > 0 ? 'font-semibold' : 'text-muted'}>{count}</span>{' '}
              <span className="sr-only">{count === 1 ? 'task' : 'tasks'}</span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

async function countOn(view: View, date: Temporal.PlainDate): Promise<number> {
  const { response } = await api.GET('/api/v1/tasks', {
    params: {
      query: {
        ...viewQuery(view),
        due_after: date.toString(),
        due_before: date.add({ days: 1 }).toString(),
        limit: 1,
      },
    },
  });
  return Number(response.headers.get('X-Total-Count') ?? 0);
}
