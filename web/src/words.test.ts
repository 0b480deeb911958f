import 'temporal-polyfill/global';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { linksIn } from './features/detail/links';
import type { AuditEntry } from './lib/api/types';
import { actorWords, deedWords } from './lib/auditWords';
import { now, zone } from './lib/time';
import { clearToasts, held, shown, toast, toasts } from './lib/toasts';
import { forgetDone, remember, undoLast } from './lib/undo';

beforeEach(() => {
  zone.set('UTC');
  now.set(Date.parse('2026-11-26T09:00:00Z'));
  clearToasts();
  forgetDone();
});

describe('the trail in sentences', () => {
  const entry = (action: string, before: unknown, after: unknown, metadata = {}) =>
    ({
      action,
      before_value: before,
      after_value: after,
      metadata: { actor: 'web', ...metadata },
    }) as AuditEntry;
  test.each<[AuditEntry, string]>([
    [entry('create', null, { title: 'Rent' }), 'added {task}'],
    [entry('create', null, {}, { actor: 'system' }), 'made the next {task}'],
    [entry('delete', { title: 'Rent' }, null), 'deleted {task}'],
    [entry('update', {}, {}, { op: 'reopen' }), 'reopened {task}'],
    [
      entry('update', { due_on: '2026-12-01' }, { due_on: '2026-12-03' }),
      'moved {task} from 1 Dec to 3 Dec',
    ],
    [
      entry('update', { due_on: '2026-11-27', due_date: 'x' }, { due_on: null, due_date: null }),
      'moved {task} from 27 Nov to no date',
    ],
    [
      entry('update', { title: 'A', priority: null }, { title: 'B', priority: 'high' }),
      'renamed “A” to “B”, and changed the priority of it from none to high',
    ],
    [
      entry('update', { recurrence_rule: 'none' }, { recurrence_rule: 'weekly' }),
      'made {task} repeat every week',
    ],
  ])('%#', (one, words) => {
    expect(deedWords(one)).toBe(words);
  });
  test('say who it was', () => {
    expect(['web', 'token:cron', 'mcp', 'system'].map(actorWords)).toEqual([
      'You',
      '“cron”',
      'The assistant',
      'todo-app',
    ]);
  });
});

describe('links in a text', () => {
  test('are web addresses and nothing else', () => {
    const text =
      'See https://a.example/x?y=1, (http://b.example). javascript:alert(1) data:text/html,x ' +
      'HTTPS://c.example/<b> https://a.example/x?y=1';
    expect(linksIn(text)).toEqual([
      'https://a.example/x?y=1',
      'http://b.example',
      'HTTPS://c.example/',
    ]);
  });
});

describe('toasts', () => {
  const texts = () => shown(toasts.get()).map((one) => one.text);
  test('an act takes the place of the oldest act, reminders and failures keep theirs', () => {
    toast('reminder', { open: () => {} });
    toast('first');
    toast('second');
    toast('third');
    expect(texts()).toEqual(['reminder', 'second', 'third']);
  });
  test('what is looked at stays', () => {
    held.add(toast('looked at'));
    toast('second');
    toast('third');
    toast('fourth');
    expect(texts()).toEqual(['looked at', 'third', 'fourth']);
    held.clear();
  });
  test('reminders wait for their turn', () => {
    for (const text of ['a', 'b', 'c', 'd']) toast(text, { open: () => {} });
    expect(texts()).toEqual(['a', 'b', 'c']);
    expect(toasts.get().length).toBe(4);
  });
});

describe('undo', () => {
  test('takes back the last thing first, and each once', () => {
    const first = vi.fn();
    const second = vi.fn();
    remember(first);
    const undoSecond = remember(second);
    undoSecond();
    undoSecond();
    expect(undoLast()).toBe(true);
    expect(undoLast()).toBe(false);
    expect([first.mock.calls.length, second.mock.calls.length]).toEqual([1, 1]);
  });
});
