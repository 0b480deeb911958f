import { type FormEvent, useState } from 'react';
import { Dialog } from '@/components/Dialog';
import { Field } from '@/components/Field';
import { ApiError, api, data } from '@/lib/api/client';
import { openLayer } from '@/lib/layers';
import { left, signOut, unsentCount } from '@/lib/session';
import { why } from '@/lib/sync';
import { failure, toast } from '@/lib/toasts';
import { Section } from './Section';

function leave() {
  void signOut().catch((error: Error) => failure(`Could not sign out: ${why(error)}`));
}

/** What has not been sent would be gone: that is asked about first. */
function askToLeave() {
  const count = unsentCount();
  if (count === 0) return leave();
  openLayer({
    kind: 'confirm',
    title: 'Sign out now?',
    text: `${count === 1 ? '1 change has' : `${count} changes have`} not been sent and would be lost.`,
    verb: 'Sign out',
    run: leave,
  });
}

export function Account() {
  const [deleting, setDeleting] = useState(false);
  return (
    <>
      <Password />
      <Section title="Your data">
        <p className="text-muted">
          Tasks, reminders, notifications and the whole trail, as NDJSON.
        </p>
        <a className="btn self-start" href="/api/v1/auth/me/export" download>
          Download everything
        </a>
      </Section>
      <Section title="Account">
        <div className="flex flex-wrap gap-3">
          <button type="button" className="btn" onClick={askToLeave}>
            Sign out
          </button>
          <button type="button" className="btn btn-danger" onClick={() => setDeleting(true)}>
            Delete the account
          </button>
        </div>
      </Section>
      {deleting && <DeleteAccount close={() => setDeleting(false)} />}
    </>
  );
}

function Password() {
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [error, setError] = useState<Error | null>(null);
  const field = (name: string) => (error instanceof ApiError ? error.field(name) : undefined);

  async function save(event: FormEvent) {
    event.preventDefault();
    setError(null);
    try {
      await data(
        api.POST('/api/v1/auth/me/password', {
          body: { current_password: current, new_password: next },
        }),
      );
      setCurrent('');
      setNext('');
      toast('Password changed. Your other sessions have ended.');
    } catch (caught) {
      setError(caught as Error);
      if (!(caught instanceof ApiError && caught.status === 422)) {
        failure(`Could not change the password: ${why(caught as Error)}`);
      }
    }
  }

  return (
    <Section title="Password">
      <form onSubmit={save} className="flex flex-col gap-4">
        <Field label="Current password" error={field('current_password')}>
          {(props) => (
            <input
              {...props}
              type="password"
              className="field"
              autoComplete="current-password"
              required
              value={current}
              onChange={(event) => setCurrent(event.target.value)}
            />
          )}
        </Field>
        <Field label="New password" error={field('new_password')} hint="At least 8 characters.">
          {(props) => (
            <input
              {...props}
              type="password"
              className="field"
              autoComplete="new-password"
              required
              value={next}
              onChange={(event) => setNext(event.target.value)}
            />
          )}
        </Field>
        <button type="submit" className="btn self-start">
          Change password
        </button>
      </form>
    </Section>
  );
}

function DeleteAccount({ close }: { close: () => void }) {
  const [password, setPassword] = useState('');
  const [error, setError] = useState<string | undefined>();

  async function confirm(event: FormEvent) {
    event.preventDefault();
    try {
      await data(api.DELETE('/api/v1/auth/me', { body: { password } }));
      close();
      left();
    } catch (caught) {
      const refused = caught as Error;
      setError((refused instanceof ApiError && refused.field('password')) || why(refused));
    }
  }

  return (
    <Dialog kind="modal" label="Delete the account" onClose={close}>
      <form onSubmit={confirm} className="flex flex-col gap-4">
        <h2 className="text-lg">Delete the account?</h2>
        <p className="text-muted">
          All tasks, notifications and the trail are gone for good. This cannot be undone.
        </p>
        <Field label="Your password" error={error}>
          {(props) => (
            <input
              {...props}
              type="password"
              className="field"
              autoComplete="current-password"
              required
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          )}
        </Field>
        <div className="flex justify-end gap-2">
          <button type="button" className="btn" data-autofocus onClick={close}>
            Cancel
          </button>
          <button type="submit" className="btn btn-danger">
            Delete for good
          </button>
        </div>
      </form>
    </Dialog>
  );
}
