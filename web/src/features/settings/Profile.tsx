import { type FormEvent, useId, useState } from 'react';
import { Field } from '@/components/Field';
import { ApiError, api, data } from '@/lib/api/client';
import type { User } from '@/lib/api/types';
import { refreshLists } from '@/lib/cache';
import { session } from '@/lib/session';
import { why } from '@/lib/sync';
import { browserZone, zone } from '@/lib/time';
import { failure, toast } from '@/lib/toasts';
import { Section } from './Section';

const zones = Intl.supportedValuesOf('timeZone');

/** Zones have several names: Etc/UTC is UTC. A name that is being typed is none yet. */
function canonical(timeZone: string): string {
  try {
    return Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone;
  } catch {
    return timeZone;
  }
}

export function Profile({ user }: { user: User }) {
  const [name, setName] = useState(user.display_name ?? '');
  const [timeZone, setTimeZone] = useState(user.timezone);
  const [shift, setShift] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const list = useId();
  const moved = timeZone !== user.timezone;
  const field = (member: string) => (error instanceof ApiError ? error.field(member) : undefined);

  async function save(event: FormEvent) {
    event.preventDefault();
    setError(null);
    try {
      const changed = await data(
        api.PATCH('/api/v1/auth/me', {
          body: {
            display_name: name.trim() || null,
            shift_due_dates: moved && shift,
            ...(moved ? { timezone: timeZone } : {}),
          },
        }),
      );
      session.set((old) => ({ ...old, user: changed }));
      zone.set(changed.timezone);
      localStorage.setItem('todo.zone', changed.timezone);
      if (moved) refreshLists();
      setShift(false);
      toast('Profile saved');
    } catch (caught) {
      setError(caught as Error);
      if (!(caught instanceof ApiError && caught.status === 422)) {
        failure(`Could not save the profile: ${why(caught as Error)}`);
      }
    }
  }

  return (
    <Section title="Profile">
      <form onSubmit={save} className="flex flex-col gap-4">
        <p className="text-muted">Signed in as {user.email}</p>
        <Field label="Name" error={field('display_name')}>
          {(props) => (
            <input
              {...props}
              className="field"
              autoComplete="name"
              maxLength={100}
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field
          label="Time zone"
          error={field('timezone')}
          hint={
            canonical(timeZone) === browserZone()
              ? 'As this browser’s.'
              : `This browser’s is ${browserZone()}.`
          }
        >
          {(props) => (
            <input
              {...props}
              className="field"
              list={list}
              autoComplete="off"
              value={timeZone}
              onChange={(event) => setTimeZone(event.target.value)}
            />
          )}
        </Field>
        <datalist id={list}>
          {zones.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
        {moved && (
          <label className="flex items-start gap-3">
            <input
              type="checkbox"
              className="mt-0.5 size-5 flex-none accent-accent"
              checked={shift}
              onChange={(event) => setShift(event.target.checked)}
            />
            <span>
              Keep the hours on the clock
              <span className="block text-muted text-sm">
                09:00 stays 09:00 in the new zone; otherwise each moment stays what it is.
              </span>
            </span>
          </label>
        )}
        <button type="submit" className="btn btn-primary self-start">
          Save profile
        </button>
      </form>
    </Section>
  );
}
