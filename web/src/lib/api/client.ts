import createClient from 'openapi-fetch';
import { noteReachable, noteUnreachable } from '../reachable';
import { createStore } from '../store';
import type { paths } from './schema.gen';
import type { Problem } from './types';

/** The server answered, and refused. */
export class ApiError extends Error {
  readonly status: number;
  readonly problem: Partial<Problem>;
  /** What `Retry-After` asks for; null where the answer has none. */
  readonly retryAfterMs: number | null;

  constructor(status: number, problem: Partial<Problem>, retryAfterMs: number | null) {
    super(problem.detail ?? `The server answered ${status}`);
    this.name = 'ApiError';
    this.status = status;
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }

  /** What is wrong with one member, where the server named it. */
  field(name: string): string | undefined {
    return this.problem.errors?.find((error) => error.field === name)?.message;
  }

  /** Worth trying again as it was: nothing is wrong with the request itself. */
  get passing(): boolean {
    return [429, 502, 503, 504].includes(this.status);
  }
}

/** No answer came: the network or the server is away. */
export class NetworkError extends Error {
  constructor() {
    super('The server cannot be reached');
    this.name = 'NetworkError';
  }
}

/** Counts up with each 401 that is not about a password typed just now. */
export const unauthorized = createStore(0);

const passwordPaths = /\/auth\/(login|register)$/;

export async function send(request: Request): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(request);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    noteUnreachable();
    throw new NetworkError();
  }
  noteReachable();
  if (response.status === 401 && !passwordPaths.test(new URL(request.url).pathname)) {
    unauthorized.set((count) => count + 1);
  }
  return response;
}

export const api = createClient<paths>({
  baseUrl: location.origin,
  credentials: 'same-origin',
  fetch: send,
});

export function retryAfterMs(response: Response): number | null {
  const header = response.headers.get('Retry-After');
  if (header === null) return null;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The answer's data and response; throws ApiError when the server refused. */
export async function answer<T>(call: Promise<Answer<T>>): Promise<Answer<T> & { data: T }> {
  const { data, error, response } = await call;
  if (!response.ok && response.status !== 304) {
    // A proxy in between may answer with a page of its own instead of a problem.
    const problem = typeof error === 'object' && error !== null ? (error as Partial<Problem>) : {};
    throw new ApiError(response.status, problem, retryAfterMs(response));
  }
  return { data: data as T, response };
}

export async function data<T>(call: Promise<Answer<T>>): Promise<T> {
  return (await answer(call)).data;
}
