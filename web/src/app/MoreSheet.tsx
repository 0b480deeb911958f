import { useQuery } from '@tanstack/react-query';
import { Dialog } from '@/components/Dialog';
import { Icon } from '@/components/icons';
import { api, data } from '@/lib/api/client';
import { categoriesKey } from '@/lib/cache';
import { openLayer } from '@/lib/layers';
import { navigate } from '@/lib/router';
import { categoryPath, listPages, otherPages, type PageLink } from './pages';

/** What does not fit into the bar of a phone. */
export default function MoreSheet({ close }: { close: () => void }) {
  const categories = useQuery({
    queryKey: categoriesKey,
    queryFn: () => data(api.GET('/api/v1/tasks/categories')),
  });
  const pages: PageLink[] = [
    ...listPages.slice(2),
    ...otherPages,
    ...(categories.data ?? []).map((category) => ({
      path: categoryPath(category),
      title: category,
      icon: 'tag' as const,
    })),
  ];
  return (
    <Dialog kind="sheet" label="More" onClose={close}>
      <nav aria-label="More pages">
        {pages.map((page) => (
          <button
            key={page.path}
            type="button"
            className="menu-item"
            onClick={() => {
              close();
              navigate(page.path);
            }}
          >
            <span className="text-muted">
              <Icon name={page.icon} />
            </span>
            {page.title}
          </button>
        ))}
        <button
          type="button"
          className="menu-item"
          onClick={() => {
            close();
            openLayer({ kind: 'palette' });
          }}
        >
          <span className="text-muted">
            <Icon name="search" />
          </span>
          Find a task or a command
        </button>
      </nav>
    </Dialog>
  );
}
