import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { Field } from '@/components/Field';
import { Failure } from '@/components/parts';
import { ApiError, api, data } from '@/lib/api/client';
import type { ApiToken } from '@/lib/api/types';
import { queryClient } from '@/lib/cache';
import { openLayer } from '@/lib/layers';
import { why } from '@/lib/sync';
import { instantWords } from '@/lib/time';
import { failure, toast } from '@/lib/toasts';
import { Section } from './Section';

const tokensKey = ['tokens'];
const refresh = () => void queryClient.invalidateQueries({ queryKey: tokensKey });

const lifetimes: [string, string][] = [
  ['', 'Never'],
  ['30', 'In 30 days'],
  ['90', 'In 90 days'],
  ['365', 'In a year'],
];

async function revoke(token: ApiToken) {
  try {
    await data(api.DELETE('/api/v1/auth/tokens/{id}', { params: { path: { id: token.id } } }));
    toast(`Revoked “${token.name}”`);
  } catch (error) {
    failure(`Could not revoke “${token.name}”: ${why(error as Error)}`);
  }
  refresh();
}

export function Tokens() {
  const query = useQuery({
    queryKey: tokensKey,
    queryFn: () => data(api.GET('/api/v1/auth/tokens')),
  });
  const tokens = (query.data ?? []) as ApiToken[];
  return (
    <Section title="API tokens">
      <p className="text-muted">For scripts and the command line. Each can be revoked by itself.</p>
      {query.isError && tokens.length === 0 && (
        <Failure
          what="The tokens could not be loaded"
          error={query.error}
          retry={() => void query.refetch()}
        />
      )}
      <ul>
        {tokens.map((token) => (
          <li
            key={token.id}
            className="flex flex-wrap items-center gap-x-3 border-line border-b py-2"
          >
            <span className="mr-auto">
              {token.name}
              <span className="block text-muted text-sm">
                {token.scope === 'read' ? 'may read' : 'may read and write'} ·{' '}
                {token.expires_at === null
                  ? 'does not expire'
                  : `expires ${instantWords(token.expires_at)}`}{' '}
                ·{' '}
                {token.last_used_at === null
                  ? 'never used'
                  : `used ${instantWords(token.last_used_at)}`}
              </span>
            </span>
            <button
              type="button"
              className="btn btn-danger"
              onClick={() =>
                openLayer({
                  kind: 'confirm',
                  title: `Revoke “${token.name}”?`,
                  text: 'What uses it is refused from now on.',
                  verb: 'Revoke',
                  run: () => void revoke(token),
                })
              }
            >
              Revoke
            </button>
          </li>
        ))}
      </ul>
      <NewToken />
    </Section>
  );
}

function NewToken() {
  const [name, setName] = useState('');
  const [scope, setScope] = useState<'read' | 'write'>('read');
  const [days, setDays] = useState('');
  const [made, setMade] = useState<string | null>(null);
  const [error, setError] = useState<string | undefined>();

  async function make(event: FormEvent) {
    event.preventDefault();
    setError(undefined);
    const expires = Date.now() + Number(days) * 86_400_000;
    try {
      const token = await data(
        api.POST('/api/v1/auth/tokens', {
          body: {
            name,
            scope,
            ...(days === '' ? {} : { expires_at: new Date(expires).toISOString() }),
          },
        }),
      );
      setMade(token.token);
      setName('');
      refresh();
    } catch (caught) {
      const refused = caught as Error;
      setError((refused instanceof ApiError && refused.field('name')) || why(refused));
    }
  }

  return (
    <form onSubmit={make} className="flex flex-col gap-3">
      <div className="grid gap-3 md:grid-cols-3">
        <Field label="Name of a new token" error={error}>
          {(props) => (
            <input
              {...props}
              className="field"
              maxLength={100}
              required
              autoComplete="off"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label="It may">
          {(props) => (
            <select
              {...props}
              className="field"
              value={scope}
              onChange={(event) => setScope(event.target.value as 'read' | 'write')}
            >
              <option value="read">Read</option>
              <option value="write">Read and write</option>
            </select>
          )}
        </Field>
        <Field label="It expires">
          {(props) => (
            <select
              {...props}
              className="field"
              value={days}
              onChange={(event) => setDays(event.target.value)}
            >
              {lifetimes.map(([value, words]) => (
                <option key={value} value={value}>
                  {words}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <button type="submit" className="btn self-start">
        Make a token
      </button>
      <div role="status">
        {made !== null && (
          <div className="rounded-sm border border-edge bg-surface p-3">
            <p className="mb-2">It is shown this once. Copy it now.</p>
            <div className="flex flex-wrap items-center gap-2">
              <code className="mr-auto">{made}</code>
              <button
                type="button"
                className="btn"
                onClick={() =>
                  void navigator.clipboard.writeText(made).then(
                    () => toast('Copied'),
                    () => failure('The browser does not allow copying: select it and copy it'),
                  )
                }
              >
                Copy
              </button>
              <button type="button" className="btn" onClick={() => setMade(null)}>
                Done
              </button>
            </div>
          </div>
        )}
      </div>
    </form>
  );
}
