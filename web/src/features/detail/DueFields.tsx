import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Field } from '@/components/Field';
import { change } from '@/lib/actions';
import { api, data } from '@/lib/api/client';
import type { Rule, Task, TaskChange, Weekday } from '@/lib/api/types';
import { historyKey } from '@/lib/cache';
import { temporary } from '@/lib/ops';
import { useSelect } from '@/lib/store';
import { conflicts, settleConflict } from '@/lib/sync';
import {
  dueInput,
  dueOf,
  localWeekdays,
  momentWords,
  today,
  weekdayNames,
  zoned,
} from '@/lib/time';
import { ConflictBar } from './ConflictBar';

const occurrencesShown = 5;
const intervalMax = 400;

const rules: [Rule, string][] = [
  ['none', 'Does not repeat'],
  ['daily', 'Daily'],
  ['weekly', 'Weekly'],
  ['monthly', 'Monthly'],
  ['yearly', 'Yearly'],
];
const units: Record<Rule, string> = {
  none: '',
  daily: 'days',
  weekly: 'weeks',
  monthly: 'months',
  yearly: 'years',
};

/** The refusal is told by a toast. */
const save = (task: Task, fields: TaskChange, scope: 'this' | 'series' = 'series') =>
  void change(task, fields, { scope }).catch(() => {});

/** A whole date from 1970 on: while a year is being typed, the field has had years like 0002. */
const whole = (date: string) => /^\d{4}-\d\d-\d\d$/.test(date) && date >= '1970';

export function DueFields({ task }: { task: Task }) {
  const due = dueOf(task);
  const storedDate = due?.date.toString() ?? '';
  const storedTime = due?.time?.toString({ smallestUnit: 'minute' }) ?? '';
  const [date, setDate] = useState(storedDate);
  const [time, setTime] = useState(storedTime);
  const [scope, setScope] = useState<'this' | 'series'>('series');
  useEffect(() => setDate(storedDate), [storedDate]);
  useEffect(() => setTime(storedTime), [storedTime]);
  const recurs = task.recurrence_rule !== 'none';
  const conflict = useSelect(conflicts, (all) =>
    all[task.id]?.find((one) => one.field === 'due_date'),
  );

  function move(nextDate: string, nextTime: string) {
    if (nextDate === storedDate && nextTime === storedTime) return;
    save(task, { due_date: nextTime === '' ? nextDate : `${nextDate}T${nextTime}` }, scope);
  }

  return (
    <fieldset className="flex flex-col gap-3">
      <legend className="sr-only">Due</legend>
      <div className="grid grid-cols-2 gap-3">
        <Field label="Due date">
          {(props) => (
            <input
              {...props}
              type="date"
              className="field"
              min="1970-01-01"
              max="9999-12-31"
              value={date}
              onChange={(event) => {
                setDate(event.target.value);
                if (whole(event.target.value)) move(event.target.value, time);
              }}
              onBlur={() => {
                if (date === '' && storedDate !== '' && !recurs) save(task, { due_date: null });
                else if (!whole(date)) setDate(storedDate);
              }}
            />
          )}
        </Field>
        <Field label="Time">
          {(props) => (
            <input
              {...props}
              type="time"
              className="field"
              value={time}
              onChange={(event) => {
                setTime(event.target.value);
                const day = whole(date) ? date : today().toString();
                if (event.target.value !== '') move(day, event.target.value);
              }}
              onBlur={() => {
                if (time === '' && storedTime !== '' && whole(date)) move(date, '');
              }}
            />
          )}
        </Field>
      </div>
      {conflict && (
        <ConflictBar
          theirs={themWords(conflict.theirs)}
          keepMine={() => {
            settleConflict(task.id, 'due_date');
            save(task, { due_date: conflict.mine as string | null }, scope);
          }}
          takeTheirs={() => settleConflict(task.id, 'due_date')}
        />
      )}
      {recurs && (
        <Field label="A new date moves">
          {(props) => (
            <select
              {...props}
              className="field"
              value={scope}
              onChange={(event) => setScope(event.target.value as 'this' | 'series')}
            >
              <option value="series">This and later ones</option>
              <option value="this">Only this one</option>
            </select>
          )}
        </Field>
      )}
      <RuleFields task={task} />
    </fieldset>
  );
}

function themWords(theirs: unknown): string {
  if (typeof theirs !== 'string') return '';
  if (!theirs.includes('T')) return momentWords(Temporal.PlainDate.from(theirs), null);
  const at = zoned(theirs);
  return momentWords(at.toPlainDate(), at.toPlainTime());
}

function RuleFields({ task }: { task: Task }) {
  const rule = task.recurrence_rule;
  const [interval, setInterval] = useState(String(task.recurrence_interval));
  useEffect(() => setInterval(String(task.recurrence_interval)), [task.recurrence_interval]);
  const set = (task.recurrence_weekdays ?? []) as Weekday[];

  function setRule(next: Rule) {
    if (next === 'none') return save(task, { recurrence_rule: 'none' });
    save(task, {
      recurrence_rule: next,
      ...(next !== 'weekly' && set.length > 0 ? { recurrence_weekdays: null } : {}),
      // What repeats has to begin somewhere.
      ...(task.due_date === null ? { due_date: dueInput(today(), null) } : {}),
    });
  }
  function toggle(day: Weekday) {
    const next = set.includes(day) ? set.filter((one) => one !== day) : [...set, day];
    save(task, { recurrence_weekdays: next.length === 0 ? null : next });
  }

  return (
    <>
      <div className="grid grid-cols-2 gap-3">
        <Field label="Repeats">
          {(props) => (
            <select
              {...props}
              className="field"
              value={rule}
              onChange={(event) => setRule(event.target.value as Rule)}
            >
              {rules.map(([value, words]) => (
                <option key={value} value={value}>
                  {words}
                </option>
              ))}
            </select>
          )}
        </Field>
        {rule !== 'none' && (
          <Field label={`Every how many ${units[rule]}`}>
            {(props) => (
              <input
                {...props}
                type="number"
                inputMode="numeric"
                min={1}
                max={intervalMax}
                className="field"
                value={interval}
                onChange={(event) => {
                  setInterval(event.target.value);
                  const number = Number(event.target.value);
                  const valid = Number.isInteger(number) && number >= 1 && number <= intervalMax;
                  if (valid && number !== task.recurrence_interval) {
                    save(task, { recurrence_interval: number });
                  }
                }}
                onBlur={() => setInterval(String(task.recurrence_interval))}
              />
            )}
          </Field>
        )}
      </div>
      {rule === 'weekly' && (
        <fieldset>
          <legend className="mb-1 font-medium text-sm">On</legend>
          <div className="flex flex-wrap gap-1">
            {localWeekdays().map((day) => (
              <button
                key={day}
                type="button"
                aria-pressed={set.includes(day)}
                className={`btn flex-1 px-2 ${set.includes(day) ? 'btn-primary' : ''}`}
                onClick={() => toggle(day)}
              >
                {weekdayNames[day]}
              </button>
            ))}
          </div>
        </fieldset>
      )}
      {rule !== 'none' && (
        <label className="flex min-h-6 items-center gap-2 coarse:min-h-11">
          <input
            type="checkbox"
            className="size-5 accent-accent"
            checked={task.recurrence_from === 'completion'}
            onChange={(event) =>
              save(task, { recurrence_from: event.target.checked ? 'completion' : 'due' })
            }
          />
          Count from the day it was done
        </label>
      )}
      {rule !== 'none' && !temporary(task.id) && <Occurrences task={task} />}
    </>
  );
}

function Occurrences({ task }: { task: Task }) {
  const query = useQuery({
    queryKey: [...historyKey(task.id), 'occurrences', task.version],
    queryFn: () =>
      data(
        api.GET('/api/v1/tasks/{id}/occurrences', {
          params: { path: { id: task.id }, query: { count: occurrencesShown } },
        }),
      ),
    placeholderData: (previous) => previous,
  });
  const dates = query.data?.occurrences ?? [];
  if (dates.length === 0) return null;
  return (
    <div>
      <h2 className="mb-1 font-medium text-sm">Then</h2>
      <ol className="flex flex-wrap gap-1">
        {dates.map((instant) => {
          const at = zoned(instant);
          const words = momentWords(
            at.toPlainDate(),
            task.due_on === null ? at.toPlainTime() : null,
          );
          return (
            <li key={instant} className="chip">
              {words}
            </li>
          );
        })}
      </ol>
    </div>
  );
}
