import { Suspense } from 'react';
import { Icon } from '@/components/icons';
import { lazyPart } from '@/lib/parts';
import { setParams } from '@/lib/router';
import type { View } from '@/lib/views';

const Filters = lazyPart(() => import('./Filters'));

interface Props {
  view: View;
  title: string;
  count: string;
  open: boolean;
  setOpen: (open: boolean) => void;
}

/** The head of a list; its search and filters live in the address, so that a reload keeps them. */
export function FilterBar({ view, title, count, open, setOpen }: Props) {
  const byPage = view.name === 'category';
  const active =
    view.q !== '' ||
    view.priority !== null ||
    view.sort !== null ||
    (view.category !== null && !byPage);
  const shown = open || active;

  return (
    <>
      <div className="flex min-h-14 items-center gap-2 px-2 md:pt-4">
        <h1 tabIndex={-1} className="truncate text-xl">
          {title}
        </h1>
        <span className="mr-auto text-muted">{count}</span>
        <button
          type="button"
          className="icon-btn"
          aria-label="Search and filter"
          aria-expanded={shown}
          title="Search and filter (/)"
          onClick={() => {
            if (shown) setParams({ q: null, priority: null, category: null, sort: null });
            setOpen(!shown);
          }}
        >
          <Icon name="search" />
        </button>
      </div>
      {shown && (
        <Suspense fallback={<div className="h-12" />}>
          <Filters view={view} byPage={byPage} asked={open} close={() => setOpen(false)} />
        </Suspense>
      )}
    </>
  );
}
