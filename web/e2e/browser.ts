import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import { expect } from 'vitest';

export const executablePath = process.env.TODO_CHROMIUM ?? '/usr/bin/chromium';

export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });

export const password = 'correct horse battery';

/** A program's view of an account, to prepare what a test needs and to see what came of it. */
export class Account {
  /** The session of its browsers: who signs in again and again waits for as many password hashes. */
  private session: Parameters<BrowserContext['addCookies']>[0] | null = null;

  private constructor(
    readonly url: string,
    readonly email: string,
    readonly token: string,
  ) {}

  static async open(url: string, timezone = 'UTC'): Promise<Account> {
    const email = `ann-${crypto.randomUUID()}@example.com`;
    await call(url, 'POST', '/auth/register', { email, password, timezone, display_name: 'Ann' });
    const { access_token } = await call(url, 'POST', '/auth/login', { email, password });
    return new Account(url, email, access_token);
  }

  call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<any> {
    return call(this.url, method, path, body, {
      Authorization: `Bearer ${this.token}`,
      ...headers,
    });
  }

  add(task: Record<string, unknown>): Promise<any> {
    return this.call('POST', '/tasks', task);
  }

  tasks(query = ''): Promise<any[]> {
    return this.call('GET', `/tasks${query}`);
  }

  /** Signs the browser in as the page does: by a cookie that no script can read. */
  async signIn(context: BrowserContext, url = this.url): Promise<void> {
    if (this.session !== null) return context.addCookies(this.session);
    const response = await context.request.post(`${url}/api/v1/auth/login`, {
      data: { email: this.email, password, session: 'cookie' },
      headers: { Origin: url },
    });
    if (!response.ok()) throw new Error(await response.text());
    this.session = await context.cookies();
  }
}

async function call(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<any> {
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      ...headers,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === '' ? null : JSON.parse(text);
}

export interface Watched {
  page: Page;
  context: BrowserContext;
  /** What the page complained of; a test that provokes a complaint takes it out. */
  complaints: string[];
}

/** A page that remembers every error of the console and every breach of the policy. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<Watched> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    timezoneId: 'UTC',
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`error: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${message.text()} ${message.location().url}`);
  });
  return { page, context, complaints };
}

/** The element with the focus: something that is seen, and not the body. */
export async function focusIsSeen(page: Page): Promise<void> {
  const seen = () =>
    page.evaluate(() => {
      const element = document.activeElement as HTMLElement | null;
      if (element === null || element === document.body) return 'body';
      const box = element.getBoundingClientRect();
      const visible =
        element.checkVisibility() &&
        box.bottom > 0 &&
        box.top < innerHeight &&
        box.width > 0 &&
        box.height > 0;
      return visible ? 'seen' : `hidden: ${element.outerHTML.slice(0, 120)}`;
    });
  await expect.poll(seen, { timeout: 3_000 }).toBe('seen');
}
