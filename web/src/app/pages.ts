import type { IconName } from '@/components/icons';
import type { NewTask } from '@/lib/api/types';
import type { Place } from '@/lib/router';
import { today } from '@/lib/time';
import { makeView, readFilters, type View } from '@/lib/views';

export interface PageLink {
  path: string;
  title: string;
  icon: IconName;
}

export const listPages: readonly PageLink[] = [
  { path: '/today', title: 'Today', icon: 'today' },
  { path: '/upcoming', title: 'Upcoming', icon: 'upcoming' },
  { path: '/overdue', title: 'Overdue', icon: 'overdue' },
  { path: '/all', title: 'All', icon: 'all' },
  { path: '/completed', title: 'Completed', icon: 'completed' },
];

export const otherPages: readonly PageLink[] = [
  { path: '/activity', title: 'Activity', icon: 'activity' },
  { path: '/settings', title: 'Settings', icon: 'settings' },
];

export const categoryPath = (category: string) => `/category/${encodeURIComponent(category)}`;

/** The list that a path shows; null where it shows none. */
export function viewOf({ path, params }: Place): { view: View; title: string } | null {
  const filters = readFilters(params);
  const page = listPages.find((one) => one.path === path);
  if (page !== undefined) {
    const name = page.path.slice(1) as 'today' | 'upcoming' | 'overdue' | 'all' | 'completed';
    return { view: makeView(name, filters), title: page.title };
  }
  const encoded = path.match(/^\/category\/([^/]+)$/)?.[1];
  if (encoded === undefined) return null;
  const category = decode(encoded);
  return { view: makeView('category', { ...filters, category }), title: category };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What a task that is added here has unless its text says otherwise: so that it shows here. */
export function defaultsOf(view: View | undefined): Partial<NewTask> {
  if (view?.name === 'today') return { due_date: today().toString() };
  if (view?.name === 'category') return { category: view.category };
  return {};
}
