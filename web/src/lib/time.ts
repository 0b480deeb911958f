import type { Rule, Task, Weekday } from './api/types';
import { createStore, useStore } from './store';

/** The browser's own zone, until the user's is known. */
export const browserZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

/** The user's time zone: every date on the page is in it. */
export const zone = createStore(browserZone());

/** The present, to the minute; it moves with the clock's minutes and at local midnight. */
export const now = createStore(Date.now());

export const useNow = () => useStore(now);
export const useZone = () => useStore(zone);

const minuteMs = 60_000;
let ticking: number | undefined;

export function startClock(): void {
  window.clearTimeout(ticking);
  const tick = () => {
    now.set(Date.now());
    // A little past the minute, so that a timer that fires early does not show the old one.
    ticking = window.setTimeout(tick, minuteMs - (Date.now() % minuteMs) + 20);
  };
  tick();
  // A laptop that slept wakes with an old timer.
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') now.set(Date.now());
  });
}

/** What was asked for last: every row of a list asks the same. */
let lastDay: { at: number; timeZone: string; date: Temporal.PlainDate } | null = null;

export function today(at = now.get(), timeZone = zone.get()): Temporal.PlainDate {
  if (lastDay === null || lastDay.at !== at || lastDay.timeZone !== timeZone) {
    const date = Temporal.Instant.fromEpochMilliseconds(at)
      .toZonedDateTimeISO(timeZone)
      .toPlainDate();
    lastDay = { at, timeZone, date };
  }
  return lastDay.date;
}

export const zoned = (instant: string, timeZone = zone.get()) =>
  Temporal.Instant.from(instant).toZonedDateTimeISO(timeZone);

/** When a task is due on the user's calendar; `time` is null for a whole day. */
export interface Due {
  date: Temporal.PlainDate;
  time: Temporal.PlainTime | null;
  epochMs: number;
}

const dues = new WeakMap<Task, { timeZone: string; due: Due | null }>();

export function dueOf(task: Task, timeZone = zone.get()): Due | null {
  const known = dues.get(task);
  if (known?.timeZone === timeZone) return known.due;
  let due: Due | null = null;
  if (task.due_on !== null) {
    const date = Temporal.PlainDate.from(task.due_on);
    due = { date, time: null, epochMs: endOfDay(date, timeZone).epochMilliseconds };
  } else if (task.due_date !== null) {
    const at = zoned(task.due_date, timeZone);
    due = { date: at.toPlainDate(), time: at.toPlainTime(), epochMs: at.epochMilliseconds };
  }
  dues.set(task, { timeZone, due });
  return due;
}

const endOfDay = (date: Temporal.PlainDate, timeZone: string) =>
  date.toZonedDateTime({ timeZone, plainTime: '23:59:59' });

/** What `due_date` and `due_on` become when the server is given `input` (a local date or time). */
export function dueMembers(
  input: string | null,
  timeZone = zone.get(),
): Pick<Task, 'due_date' | 'due_on'> {
  if (input === null) return { due_date: null, due_on: null };
  if (!/[T ]/.test(input)) {
    const at = endOfDay(Temporal.PlainDate.from(input), timeZone);
    return { due_date: at.toInstant().toString(), due_on: input };
  }
  if (/([Zz]|[+-]\d\d:\d\d)$/.test(input)) {
    return { due_date: Temporal.Instant.from(input).toString(), due_on: null };
  }
  const at = Temporal.PlainDateTime.from(input).toZonedDateTime(timeZone);
  return { due_date: at.toInstant().toString(), due_on: null };
}

/** What the server is sent: a date, or a date and a time without an offset (the user's zone). */
export function dueInput(date: Temporal.PlainDate, time: Temporal.PlainTime | null): string {
  return time === null ? date.toString() : `${date}T${time.toString({ smallestUnit: 'minute' })}`;
}

/** Hours as the locale has them: "09:00", or "9:00 AM". The other words are English. */
export function clockOf(locale?: string): Intl.DateTimeFormat {
  const twelve = new Intl.DateTimeFormat(locale, { hour: 'numeric' }).resolvedOptions().hour12;
  const hour = twelve ? 'numeric' : '2-digit';
  return new Intl.DateTimeFormat(locale, { hour, minute: '2-digit', timeZone: 'UTC' });
}

const timeFormat = clockOf();
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const days = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

export const timeWords = (time: Temporal.PlainTime) =>
  timeFormat.format(Date.UTC(2000, 0, 1, time.hour, time.minute));

export const shortDate = (date: Temporal.PlainDate, year: number) =>
  `${date.day} ${months[date.month - 1]}${date.year === year ? '' : ` ${date.year}`}`;

export const dayName = (date: Temporal.PlainDate) => days[date.dayOfWeek - 1]!;

/** A heading for one day: "Today", "Tomorrow", "Fri 4 Dec". */
export function dayWords(date: Temporal.PlainDate, present = today()): string {
  const ahead = present.until(date).days;
  const plain = `${dayName(date)} ${shortDate(date, present.year)}`;
  if (ahead === 0) return `Today · ${plain}`;
  if (ahead === 1) return `Tomorrow · ${plain}`;
  return plain;
}

/** "Today", "tomorrow 09:00", "Fri 09:00", "5 Dec": a moment as it is said in a sentence. */
export function momentWords(
  date: Temporal.PlainDate,
  time: Temporal.PlainTime | null,
  present = today(),
): string {
  const ahead = present.until(date).days;
  const clock = time === null ? '' : ` ${timeWords(time)}`;
  if (ahead === 0) return `today${clock}`;
  if (ahead === 1) return `tomorrow${clock}`;
  if (ahead === -1) return `yesterday${clock}`;
  if (ahead > 1 && ahead <= 6) return `${dayName(date)}${clock}`;
  return `${shortDate(date, present.year)}${clock}`;
}

export const instantWords = (instant: string) => {
  const at = zoned(instant);
  return momentWords(at.toPlainDate(), at.toPlainTime());
};

export type Tone = 'overdue' | 'today' | 'later';

export interface DueWords {
  words: string;
  tone: Tone;
}

export function dueWords(task: Task, at: number, timeZone: string): DueWords | null {
  const due = dueOf(task, timeZone);
  if (due === null) return null;
  const present = today(at, timeZone);
  const ahead = present.until(due.date, { largestUnit: 'days' }).days;
  if (task.completed) return { words: momentWords(due.date, due.time, present), tone: 'later' };
  if (ahead < -1) return { words: `${-ahead} days overdue`, tone: 'overdue' };
  if (ahead === -1) return { words: 'yesterday', tone: 'overdue' };
  if (ahead === 0 && due.time !== null && due.epochMs < at) {
    const minutes = Math.floor((at - due.epochMs) / minuteMs);
    if (minutes < 1) return { words: 'now', tone: 'overdue' };
    const words = minutes < 60 ? `${minutes} min late` : `${Math.floor(minutes / 60)} h late`;
    return { words, tone: 'overdue' };
  }
  if (ahead === 0) {
    return { words: due.time === null ? 'today' : timeWords(due.time), tone: 'today' };
  }
  const words =
    ahead <= 6 ? momentWords(due.date, due.time, present) : momentWords(due.date, null, present);
  return { words, tone: 'later' };
}

const fullDate = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeZone: 'UTC' });

/** The full date with its zone, for `title`. */
export function fullWords(task: Task, timeZone: string): string {
  const due = dueOf(task, timeZone);
  if (due === null) return '';
  const day = fullDate.format(Date.UTC(due.date.year, due.date.month - 1, due.date.day));
  return due.time === null
    ? `${day}, all day (${timeZone})`
    : `${day} at ${timeWords(due.time)} (${timeZone})`;
}

export const weekdayNames: Record<Weekday, string> = {
  mo: 'Mon',
  tu: 'Tue',
  we: 'Wed',
  th: 'Thu',
  fr: 'Fri',
  sa: 'Sat',
  su: 'Sun',
};
export const weekdays = Object.keys(weekdayNames) as Weekday[];

/** The days of the week in the order of the browser's locale. */
export function localWeekdays(): Weekday[] {
  const locale = new Intl.Locale(navigator.language || 'en') as Intl.Locale & {
    getWeekInfo?: () => { firstDay: number };
    weekInfo?: { firstDay: number };
  };
  const first = (locale.getWeekInfo?.() ?? locale.weekInfo)?.firstDay ?? 1;
  return [...weekdays.slice(first - 1), ...weekdays.slice(0, first - 1)];
}

const units: Record<Exclude<Rule, 'none'>, string> = {
  daily: 'day',
  weekly: 'week',
  monthly: 'month',
  yearly: 'year',
};

type Recurring = Pick<
  Task,
  'recurrence_rule' | 'recurrence_interval' | 'recurrence_weekdays' | 'recurrence_from'
>;

/** "every 2 weeks on Mon, Wed, from completion"; null for a task that does not recur. */
export function ruleWords(task: Recurring): string | null {
  if (task.recurrence_rule === 'none') return null;
  const n = task.recurrence_interval;
  const unit = units[task.recurrence_rule];
  const set = (task.recurrence_weekdays ?? []) as Weekday[];
  let words = n === 1 ? `every ${unit}` : `every ${n} ${unit}s`;
  if (set.length > 0) {
    const workdays = set.length === 5 && !set.includes('sa') && !set.includes('su');
    const names = set.map((day) => weekdayNames[day]).join(', ');
    if (n === 1) words = workdays ? 'every weekday' : `every ${names}`;
    else words += workdays ? ' on weekdays' : ` on ${names}`;
  }
  return task.recurrence_from === 'completion' ? `${words}, from completion` : words;
}
