import 'temporal-polyfill/global';
import { describe, expect, test } from 'vitest';
import type { Task } from './api/types';
import { clockOf, dueInput, dueMembers, dueWords, fullWords, ruleWords, timeWords } from './time';

const zone = 'Europe/Berlin';
/** Thursday, 26 November 2026, 10:00 in Berlin. */
const at = Date.parse('2026-11-26T09:00:00Z');

/** A time as this machine's locale writes it. */
const clock = (time: string) => timeWords(Temporal.PlainTime.from(time));

const task = (due: Partial<Task>) =>
  ({ completed: false, due_date: null, due_on: null, ...due }) as Task;
const timed = (local: string) => task(dueMembers(local, zone));
const allDay = (date: string) => task(dueMembers(date, zone));

describe('dates in words', () => {
  test.each([
    ['later today', timed('2026-11-26T17:00'), clock('17:00'), 'today'],
    ['all of today', allDay('2026-11-26'), 'today', 'today'],
    ['tomorrow', timed('2026-11-27T09:00'), `tomorrow ${clock('09:00')}`, 'later'],
    ['all of tomorrow', allDay('2026-11-27'), 'tomorrow', 'later'],
    ['within six days', timed('2026-12-02T09:00'), `Wed ${clock('09:00')}`, 'later'],
    ['in a week', timed('2026-12-03T09:00'), '3 Dec', 'later'],
    ['this year', allDay('2026-12-05'), '5 Dec', 'later'],
    ['another year', allDay('2027-12-05'), '5 Dec 2027', 'later'],
    ['this minute', timed('2026-11-26T10:00'), clock('10:00'), 'today'],
    ['20 minutes ago', timed('2026-11-26T09:40'), '20 min late', 'overdue'],
    ['an hour ago', timed('2026-11-26T09:00'), '1 h late', 'overdue'],
    ['this morning', timed('2026-11-26T06:30'), '3 h late', 'overdue'],
    ['yesterday evening', timed('2026-11-25T23:50'), 'yesterday', 'overdue'],
    ['three days ago', allDay('2026-11-23'), '3 days overdue', 'overdue'],
    ['long ago', allDay('2026-08-01'), '117 days overdue', 'overdue'],
  ])('%s', (_, due, words, tone) => {
    expect(dueWords(due, at, zone)).toEqual({ words, tone });
  });

  test('the zone decides what day it is', () => {
    const due = task({ due_date: '2026-11-26T23:30:00Z' });
    expect(dueWords(due, at, 'Europe/Berlin')?.words).toBe(`tomorrow ${clock('00:30')}`);
    expect(dueWords({ ...due }, at, 'America/New_York')?.words).toBe(clock('18:30'));
  });

  test('a completed task is not late', () => {
    const done = { ...allDay('2026-11-23'), completed: true };
    expect(dueWords(done, at, zone)).toEqual({ words: '23 Nov', tone: 'later' });
  });

  test('hours are as the locale has them', () => {
    const nine = Date.UTC(2000, 0, 1, 9);
    expect(clockOf('en-GB').format(nine)).toBe('09:00');
    expect(clockOf('en-US').format(nine)).toMatch(/^9:00\sAM$/);
  });

  test('the whole date has its zone', () => {
    expect(fullWords(timed('2026-12-05T09:00'), zone)).toContain(
      `5 December 2026 at ${clock('09:00')}`,
    );
    expect(fullWords(allDay('2026-12-05'), zone)).toContain('all day (Europe/Berlin)');
  });
});

describe('what the server is sent and answers', () => {
  test('a whole day ends a second before midnight, also when the clocks change', () => {
    expect(dueMembers('2026-10-25', zone)).toEqual({
      due_date: '2026-10-25T22:59:59Z',
      due_on: '2026-10-25',
    });
  });
  test('a time that the clocks skip moves on by what they skip', () => {
    expect(dueMembers('2027-03-28T02:30', zone).due_date).toBe('2027-03-28T01:30:00Z');
  });
  test('a date and a time are sent without an offset', () => {
    const date = Temporal.PlainDate.from('2026-12-05');
    expect(dueInput(date, null)).toBe('2026-12-05');
    expect(dueInput(date, Temporal.PlainTime.from('09:05:30'))).toBe('2026-12-05T09:05');
  });
});

describe('rules in words', () => {
  const rule = (members: Partial<Task>) =>
    ruleWords({
      recurrence_rule: 'weekly',
      recurrence_interval: 1,
      recurrence_weekdays: null,
      recurrence_from: 'due',
      ...members,
    });
  test.each<[Partial<Task>, string | null]>([
    [{ recurrence_rule: 'none' }, null],
    [{ recurrence_rule: 'daily' }, 'every day'],
    [{ recurrence_interval: 2 }, 'every 2 weeks'],
    [{ recurrence_weekdays: ['mo', 'we'] }, 'every Mon, Wed'],
    [{ recurrence_weekdays: ['mo', 'tu', 'we', 'th', 'fr'] }, 'every weekday'],
    [{ recurrence_weekdays: ['mo', 'tu', 'we', 'th', 'sa'] }, 'every Mon, Tue, Wed, Thu, Sat'],
    [{ recurrence_interval: 3, recurrence_weekdays: ['su'] }, 'every 3 weeks on Sun'],
    [{ recurrence_rule: 'monthly', recurrence_from: 'completion' }, 'every month, from completion'],
  ])('%o', (members, words) => {
    expect(rule(members)).toBe(words);
  });
});
