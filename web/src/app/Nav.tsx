import { useQuery } from '@tanstack/react-query';
import { Icon } from '@/components/icons';
import { api, data } from '@/lib/api/client';
import { categoriesKey, unreadKey } from '@/lib/cache';
import { openLayer } from '@/lib/layers';
import { Link, usePath } from '@/lib/router';
import { focusQuickAdd } from './focusQuickAdd';
import { categoryPath, listPages, otherPages, type PageLink } from './pages';

const unreadMax = 99;

export function useUnread(): number {
  const unread = useQuery({
    queryKey: unreadKey,
    queryFn: async () => (await data(api.GET('/api/v1/notifications/unread-count'))).count,
  });
  return unread.data ?? 0;
}

function Bell({ className, label }: { className: string; label?: string }) {
  const unread = useUnread();
  const count = unread > unreadMax ? `${unreadMax}+` : String(unread);
  return (
    <button
      type="button"
      className={className}
      aria-haspopup="dialog"
      title="Notifications (b)"
      onClick={() => openLayer({ kind: 'notifications' })}
    >
      <span className="relative">
        <Icon name="bell" />
        {unread > 0 && <span className="badge">{count}</span>}
      </span>
      {label}
      <span className="sr-only">{unread > 0 ? ' unread notifications' : ' Notifications'}</span>
    </button>
  );
}

function Item({ page }: { page: PageLink }) {
  const here = usePath() === page.path;
  return (
    <li>
      <Link
        href={page.path}
        aria-current={here ? 'page' : undefined}
        className={`menu-item ${here ? 'bg-hover font-medium' : ''}`}
      >
        <span className={here ? 'text-accent' : 'text-muted'}>
          <Icon name={page.icon} />
        </span>
        <span className="truncate">{page.title}</span>
      </Link>
    </li>
  );
}

/** The side of the page from 768 px. */
export function SideNav() {
  const categories = useQuery({
    queryKey: categoriesKey,
    queryFn: () => data(api.GET('/api/v1/tasks/categories')),
  });
  return (
    <nav
      aria-label="Main"
      className="hidden w-56 flex-none flex-col overflow-y-auto border-line border-r bg-surface p-3 md:flex"
    >
      <div className="mb-3 flex items-center">
        <button
          type="button"
          className="btn btn-quiet mr-auto text-accent"
          title="Add a task (q)"
          onClick={focusQuickAdd}
        >
          <Icon name="plus" size={18} />
          Add task
        </button>
        <Bell className="icon-btn" />
      </div>
      <ul className="flex flex-col gap-0.5">
        {listPages.map((page) => (
          <Item key={page.path} page={page} />
        ))}
      </ul>
      {(categories.data?.length ?? 0) > 0 && (
        <>
          <h2 className="mt-6 mb-1 px-3 text-muted text-xs">Categories</h2>
          <ul className="flex flex-col gap-0.5">
            {categories.data?.map((title) => (
              <Item key={title} page={{ path: categoryPath(title), title, icon: 'tag' }} />
            ))}
          </ul>
        </>
      )}
      <ul className="mt-auto flex flex-col gap-0.5 pt-6">
        {otherPages.map((page) => (
          <Item key={page.path} page={page} />
        ))}
        <li>
          <button
            type="button"
            className="menu-item"
            title="Keys and words (?)"
            onClick={() => openLayer({ kind: 'help' })}
          >
            <span className="text-muted">
              <Icon name="help" />
            </span>
            Help
          </button>
        </li>
      </ul>
    </nav>
  );
}

const barItem =
  'flex min-h-14 min-w-0 flex-1 flex-col items-center justify-center gap-0.5 text-xs text-muted aria-[current=page]:text-accent';

/** The foot of the page on phones. */
export function BottomBar() {
  const path = usePath();
  return (
    <nav
      aria-label="Main"
      className="flex flex-none border-line border-t bg-surface pb-[env(safe-area-inset-bottom)] md:hidden"
    >
      {listPages.slice(0, 2).map((page) => (
        <Link
          key={page.path}
          href={page.path}
          className={barItem}
          aria-current={path === page.path ? 'page' : undefined}
        >
          <Icon name={page.icon} />
          {page.title}
        </Link>
      ))}
      <button
        type="button"
        className={barItem}
        aria-label="Add a task"
        onClick={() => openLayer({ kind: 'quick-add' })}
      >
        <span className="grid size-9 place-items-center rounded-full bg-accent text-on-accent">
          <Icon name="plus" />
        </span>
      </button>
      <Bell className={barItem} label="Bell" />
      <button
        type="button"
        className={barItem}
        aria-haspopup="dialog"
        onClick={() => openLayer({ kind: 'more' })}
      >
        <Icon name="menu" />
        More
      </button>
    </nav>
  );
}
