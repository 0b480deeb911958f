import 'temporal-polyfill/global';
import { describe, expect, test } from 'vitest';
import type { Task } from './api/types';
import { insertInto, type TaskPage } from './cache';
import { dueMembers } from './time';
import { belongs, compareTasks, noFilters, readFilters, type View, viewQuery } from './views';

const zone = 'Europe/Berlin';
const view = (name: View['name'], more: Partial<View> = {}): View => ({
  ...noFilters,
  name,
  day: name === 'today' || name === 'upcoming' ? '2026-11-26' : '',
  timeZone: zone,
  ...more,
});
const task = (id: string, more: Partial<Task> = {}): Task =>
  ({
    id,
    title: id,
    description: null,
    completed: false,
    due_date: null,
    due_on: null,
    priority: null,
    category: null,
    created_at: '2026-11-01T00:00:00Z',
    updated_at: '2026-11-01T00:00:00Z',
    ...more,
  }) as Task;
const due = (local: string) => dueMembers(local, zone);

describe('which tasks a list shows', () => {
  test('today has what is due today or was before; upcoming what is due today or later', () => {
    const late = task('late', due('2026-11-20'));
    const now = task('now', due('2026-11-26'));
    const soon = task('soon', due('2026-11-27T00:30'));
    expect([late, now, soon].map((one) => belongs(view('today'), one))).toEqual([
      true,
      true,
      false,
    ]);
    expect([late, now, soon].map((one) => belongs(view('upcoming'), one))).toEqual([
      false,
      true,
      true,
    ]);
    expect(belongs(view('today'), task('undated'))).toBe(false);
  });
  test('completed tasks are in their own list only', () => {
    const done = task('done', { completed: true, ...due('2026-11-26') });
    expect(belongs(view('today'), done)).toBe(false);
    expect(belongs(view('completed'), done)).toBe(true);
  });
  test('search compares without case and accents', () => {
    expect(belongs(view('all', { q: 'CAFE' }), task('x', { title: 'Café' }))).toBe(true);
    expect(belongs(view('all', { q: 'tea' }), task('x', { title: 'Café' }))).toBe(false);
  });
  test('what the address says wrongly is not asked for', () => {
    const filters = readFilters(new URLSearchParams('priority=huge&sort=colour&q= rent '));
    expect(filters).toEqual({ ...noFilters, q: 'rent' });
    expect(viewQuery(view('today'))).toMatchObject({
      completed: false,
      due_before: '2026-11-27',
      sort: 'due_date',
      order: 'asc',
    });
  });
});

describe('the order is the server’s', () => {
  test('by due date: none last, ties urgent first, then newest', () => {
    const tasks = [
      task('none'),
      task('old', due('2026-11-27')),
      task('new', { ...due('2026-11-27'), created_at: '2026-11-02T00:00:00Z' }),
      task('urgent', { ...due('2026-11-27'), priority: 'urgent' }),
      task('first', due('2026-11-26')),
    ];
    expect(tasks.toSorted((a, b) => compareTasks('due_date', a, b)).map((one) => one.id)).toEqual([
      'first',
      'urgent',
      'new',
      'old',
      'none',
    ]);
  });
  test('a task is put where the page covers its place, and nowhere else', () => {
    const page: TaskPage = {
      tasks: [task('b', due('2026-11-27')), task('d', due('2026-11-29'))],
      total: 2,
      capped: false,
      next: 'more',
    };
    const put = (day: string, first: boolean, next: string | null = 'more') =>
      insertInto({ ...page, next }, task('x', due(day)), view('upcoming'), first)?.tasks.map(
        (one) => one.id,
      ) ?? null;
    expect(put('2026-11-28', true)).toEqual(['b', 'x', 'd']);
    expect(put('2026-11-26', true)).toEqual(['x', 'b', 'd']);
    expect(put('2026-11-26', false)).toBeNull();
    expect(put('2026-11-30', true)).toBeNull();
    expect(put('2026-11-30', true, null)).toEqual(['b', 'd', 'x']);
  });
});
