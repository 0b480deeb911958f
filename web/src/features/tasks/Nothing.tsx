import { useQuery } from '@tanstack/react-query';
import { Empty } from '@/components/Empty';
import { api, data } from '@/lib/api/client';
import { Link, setParams } from '@/lib/router';
import { filtered, type View } from '@/lib/views';

const done: Partial<Record<View['name'], string>> = {
  today: 'All done for today.',
  upcoming: 'Nothing is coming up.',
  overdue: 'Nothing is overdue.',
  all: 'All done.',
};

/** An empty list says why it is empty, and offers one thing to do. */
export default function Nothing({ view }: { view: View }) {
  const narrowed = filtered(view.name === 'category' ? { ...view, category: null } : view);
  const stats = useQuery({
    queryKey: ['tasks', 'stats'],
    queryFn: () => data(api.GET('/api/v1/auth/me/stats')),
    enabled: !narrowed,
  });
  if (narrowed) {
    return (
      <Empty icon="search" text="No task matches the filter.">
        <button
          type="button"
          className="btn"
          onClick={() => setParams({ q: null, priority: null, category: null })}
        >
          Clear filter
        </button>
      </Empty>
    );
  }
  if (stats.data === undefined) return null;
  if (stats.data.total_tasks === 0) {
    return (
      <Empty icon="all" text="No tasks yet. What is to be done?">
        <button
          type="button"
          className="btn btn-primary"
          onClick={() => document.querySelector<HTMLElement>('[data-quick-add]')?.focus()}
        >
          Add the first task
        </button>
        <p className="text-muted">
          Try “Water the plants every friday 9am #home”. Press <kbd>q</kbd> anywhere to add,{' '}
          <kbd>?</kbd> for all keys.
        </p>
      </Empty>
    );
  }
  if (view.name === 'completed') {
    return (
      <Empty icon="completed" text="Nothing is completed yet.">
        <Link href="/today" className="btn">
          See today
        </Link>
      </Empty>
    );
  }
  if (view.name === 'category') {
    return (
      <Empty icon="tag" text={`Nothing is left in “${view.category}”.`}>
        <Link href="/all" className="btn">
          See all tasks
        </Link>
      </Empty>
    );
  }
  return (
    <Empty icon="completed" text={done[view.name] ?? 'All done.'}>
      <Link href={view.name === 'upcoming' ? '/all' : '/upcoming'} className="btn">
        {view.name === 'upcoming' ? 'See all tasks' : 'See what is coming up'}
      </Link>
    </Empty>
  );
}
