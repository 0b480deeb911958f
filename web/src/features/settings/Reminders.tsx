import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Field } from '@/components/Field';
import { Failure } from '@/components/parts';
import { api, data } from '@/lib/api/client';
import type { Preferences } from '@/lib/api/types';
import { preferencesKey, queryClient } from '@/lib/cache';
import { setPref, usePrefs } from '@/lib/prefs';
import { why } from '@/lib/sync';
import { failure } from '@/lib/toasts';
import { Section, Switch } from './Section';

const minutesMin = 5;
const minutesMax = 1_440;

async function save(change: Partial<Preferences>) {
  const before = queryClient.getQueryData<Preferences>(preferencesKey);
  queryClient.setQueryData<Preferences>(preferencesKey, (old) => old && { ...old, ...change });
  try {
    const saved = await data(api.PATCH('/api/v1/auth/me/preferences', { body: change }));
    queryClient.setQueryData(preferencesKey, saved);
  } catch (error) {
    queryClient.setQueryData(preferencesKey, before);
    failure(`Could not save the setting: ${why(error as Error)}`);
  }
}

export function Reminders() {
  const query = useQuery({
    queryKey: preferencesKey,
    queryFn: () => data(api.GET('/api/v1/auth/me/preferences')),
  });
  return (
    <Section title="Reminders">
      {query.isError && query.data === undefined && (
        <Failure
          what="The preferences could not be loaded"
          error={query.error}
          retry={() => void query.refetch()}
        />
      )}
      {query.data !== undefined && <Choices preferences={query.data as Preferences} />}
      <SystemNotifications />
    </Section>
  );
}

function Choices({ preferences }: { preferences: Preferences }) {
  const [minutes, setMinutes] = useState(String(preferences.reminder_minutes_before));
  useEffect(
    () => setMinutes(String(preferences.reminder_minutes_before)),
    [preferences.reminder_minutes_before],
  );
  const number = Number(minutes);
  const valid = Number.isInteger(number) && number >= minutesMin && number <= minutesMax;
  return (
    <>
      <Switch
        label="Remind me of what is due"
        hint="All-day tasks at 09:00 of their day."
        checked={preferences.reminders_enabled}
        onChange={(reminders_enabled) => void save({ reminders_enabled })}
      />
      <div className="max-w-60">
        <Field
          label="Minutes before it is due"
          error={valid ? undefined : `From ${minutesMin} to ${minutesMax}.`}
        >
          {(props) => (
            <input
              {...props}
              type="number"
              inputMode="numeric"
              className="field"
              min={minutesMin}
              max={minutesMax}
              value={minutes}
              onChange={(event) => setMinutes(event.target.value)}
              onBlur={() => {
                if (valid && number !== preferences.reminder_minutes_before) {
                  void save({ reminder_minutes_before: number });
                }
              }}
            />
          )}
        </Field>
      </div>
      <Switch
        label="Show reminders as messages on the page"
        checked={preferences.toast_notifications}
        onChange={(toast_notifications) => void save({ toast_notifications })}
      />
      <Switch
        label="Skip what was missed"
        hint="Completing an overdue task that repeats makes the first one after now, not the next in line."
        checked={preferences.missed_occurrences === 'skip'}
        onChange={(skip) => void save({ missed_occurrences: skip ? 'skip' : 'keep' })}
      />
    </>
  );
}

/** Asked for here only, when the user wants them. */
function SystemNotifications() {
  const { systemNotifications } = usePrefs();
  const [denied, setDenied] = useState(false);
  if (!('Notification' in window)) return null;
  async function choose(wanted: boolean) {
    const granted = wanted && (await window.Notification.requestPermission()) === 'granted';
    setDenied(wanted && !granted);
    setPref('systemNotifications', granted);
  }
  return (
    <>
      <Switch
        label="Notifications of the system"
        hint="While a tab of this page is open, also when you look elsewhere."
        checked={systemNotifications && window.Notification.permission === 'granted'}
        onChange={(wanted) => void choose(wanted)}
      />
      {denied && (
        <p role="alert" className="text-red">
          The browser does not allow it. Its settings for this page can change that.
        </p>
      )}
    </>
  );
}
