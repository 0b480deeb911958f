import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { Dialog } from '@/components/Dialog';
import { Field } from '@/components/Field';
import { ApiError } from '@/lib/api/client';
import { Link } from '@/lib/router';
import { register, signIn } from '@/lib/session';

/** What is said about a failed attempt: at the fields it names, else above the button. */
function useAttempt(attempt: () => Promise<void>) {
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await attempt();
    } catch (caught) {
      setError(caught as Error);
      setBusy(false);
      requestAnimationFrame(() => {
        form.current?.querySelector<HTMLElement>('[aria-invalid], [name=password]')?.focus();
      });
    }
  }
  const field = (name: string) => (error instanceof ApiError ? error.field(name) : undefined);
  const named = error instanceof ApiError && (error.problem.errors?.length ?? 0) > 0;
  return { form, submit, busy, field, text: error === null || named ? null : wait(error) };
}

function wait(error: Error): string {
  if (!(error instanceof ApiError) || error.retryAfterMs === null) return `${error.message}.`;
  return `${error.message}. Try again in ${Math.ceil(error.retryAfterMs / 1000)} s.`;
}

function Problem({ text }: { text: string | null }) {
  return (
    <p role="alert" className="text-red empty:hidden">
      {text}
    </p>
  );
}

/** The form alone: on its page, and over the page when a session has ended. */
function SignInForm({ email: known }: { email?: string }) {
  const [email, setEmail] = useState(known ?? '');
  const [password, setPassword] = useState('');
  const { form, submit, busy, field, text } = useAttempt(() => signIn(email, password));
  return (
    <form ref={form} onSubmit={submit} className="flex flex-col gap-4" noValidate>
      <Field label="Email" error={field('email')}>
        {(props) => (
          <input
            {...props}
            className="field"
            type="email"
            name="email"
            autoComplete="username"
            required
            readOnly={known !== undefined}
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        )}
      </Field>
      <Field label="Password" error={field('password')}>
        {(props) => (
          <input
            {...props}
            {...(known === undefined ? {} : { 'data-autofocus': true })}
            className="field"
            type="password"
            name="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        )}
      </Field>
      <Problem text={text} />
      <button type="submit" className="btn btn-primary" aria-disabled={busy}>
        Sign in
      </button>
    </form>
  );
}

/** Over the page whose session has ended; there is no way round it. */
export function SignInAgain({ email }: { email: string }) {
  return (
    <Dialog kind="modal" label="Sign in again" onClose={() => {}}>
      <h2 className="mb-1 text-lg">Sign in again</h2>
      <p className="mb-4 text-muted">Your session has ended. What you typed is kept.</p>
      <SignInForm email={email} />
    </Dialog>
  );
}

function Page({ title, children }: { title: string; children: ReactNode }) {
  const page = useRef<HTMLElement>(null);
  useEffect(() => {
    page.current?.querySelector('input')?.focus();
  }, []);
  return (
    <main
      ref={page}
      className="mx-auto flex min-h-dvh w-full max-w-96 flex-col justify-center px-4 py-12"
    >
      <img src="/icon.svg" alt="" width="40" height="40" className="mb-6" />
      <h1 className="mb-6 text-xl">{title}</h1>
      {children}
    </main>
  );
}

export function LoginPage() {
  return (
    <Page title="Sign in to your tasks">
      <SignInForm />
      <p className="mt-6 text-muted">
        New here?{' '}
        <Link href="/register" className="text-accent underline">
          Open an account
        </Link>
      </p>
    </Page>
  );
}

export function RegisterPage() {
  const [email, setEmail] = useState('');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const attempt = useAttempt(() => register(email, password, name));
  const { form, submit, busy, field, text } = attempt;
  return (
    <Page title="Open an account">
      <form ref={form} onSubmit={submit} className="flex flex-col gap-4" noValidate>
        <Field label="Email" error={field('email')}>
          {(props) => (
            <input
              {...props}
              className="field"
              type="email"
              name="email"
              autoComplete="username"
              required
              value={email}
              onChange={(event) => setEmail(event.target.value)}
            />
          )}
        </Field>
        <Field label="Name (optional)" error={field('display_name')}>
          {(props) => (
            <input
              {...props}
              className="field"
              name="name"
              autoComplete="name"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label="Password" error={field('password')} hint="At least 8 characters.">
          {(props) => (
            <input
              {...props}
              className="field"
              type="password"
              name="password"
              autoComplete="new-password"
              required
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          )}
        </Field>
        <Problem text={text} />
        <button type="submit" className="btn btn-primary" aria-disabled={busy}>
          Open the account
        </button>
      </form>
      <p className="mt-6 text-muted">
        Have one already?{' '}
        <Link href="/login" className="text-accent underline">
          Sign in
        </Link>
      </p>
    </Page>
  );
}
