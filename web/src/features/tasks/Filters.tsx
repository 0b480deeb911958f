import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { priorityNames } from '@/components/parts';
import { api, data } from '@/lib/api/client';
import { categoriesKey } from '@/lib/cache';
import { focusSomewhere } from '@/lib/layers';
import { setParams } from '@/lib/router';
import { defaultSort, priorities, type Sort, sorts, type View } from '@/lib/views';

const searchDelayMs = 200;

const sortNames: Record<Sort, string> = {
  due_date: 'Due date',
  created_at: 'Newest',
  updated_at: 'Last changed',
  priority: 'Priority',
  title: 'Title',
};

interface FiltersProps {
  view: View;
  byPage: boolean;
  asked: boolean;
  close: () => void;
}

/** Search, filters and order; all of it is in the address. */
export default function Filters({ view, byPage, asked, close }: FiltersProps) {
  const [text, setText] = useState(view.q);
  const field = useRef<HTMLInputElement>(null);
  const categories = useQuery({
    queryKey: categoriesKey,
    queryFn: () => data(api.GET('/api/v1/tasks/categories')),
  });

  useEffect(() => {
    if (asked) field.current?.focus();
  }, [asked]);
  // The address may change from elsewhere: Back, or Clear filter.
  const sent = useRef(view.q);
  useEffect(() => {
    if (view.q !== sent.current) setText(view.q);
    sent.current = view.q;
  }, [view.q]);
  useEffect(() => {
    const wanted = text.trim();
    if (wanted === sent.current) return;
    const timer = window.setTimeout(() => {
      sent.current = wanted;
      setParams({ q: wanted }, { replace: true });
    }, searchDelayMs);
    return () => window.clearTimeout(timer);
  }, [text]);

  function clear() {
    sent.current = '';
    setText('');
    setParams({ q: null, priority: null, category: null, sort: null }, { replace: true });
    close();
    focusSomewhere();
  }

  return (
    <search
      className="grid grid-cols-2 gap-2 px-2 pb-3 md:flex"
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        clear();
      }}
    >
      <input
        ref={field}
        type="search"
        className="field col-span-2 md:flex-1"
        aria-label="Search"
        placeholder="Search title and description"
        maxLength={200}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <select
        className="field md:w-auto"
        aria-label="Priority"
        value={view.priority ?? ''}
        onChange={(event) => setParams({ priority: event.target.value })}
      >
        <option value="">Any priority</option>
        {priorities.map((priority) => (
          <option key={priority} value={priority}>
            {priorityNames[priority]}
          </option>
        ))}
      </select>
      {!byPage && (
        <select
          className="field md:w-40"
          aria-label="Category"
          value={view.category ?? ''}
          onChange={(event) => setParams({ category: event.target.value })}
        >
          <option value="">Any category</option>
          {(categories.data ?? (view.category ? [view.category] : [])).map((category) => (
            <option key={category}>{category}</option>
          ))}
        </select>
      )}
      <select
        className="field md:w-auto"
        aria-label="Sort by"
        value={view.sort ?? defaultSort(view.name)}
        onChange={(event) => {
          const sort = event.target.value;
          setParams({ sort: sort === defaultSort(view.name) ? null : sort });
        }}
      >
        {sorts.map((sort) => (
          <option key={sort} value={sort}>
            {sortNames[sort]}
          </option>
        ))}
      </select>
      <button type="button" className="btn" onClick={clear}>
        Clear
      </button>
    </search>
  );
}
