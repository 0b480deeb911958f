import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { Account, launch, openPage, type Watched } from './browser';
import { Backend, FaultyProxy } from './server';

/** One program and one browser for the tests of a file; each test has an account and pages of its own. */
export class Suite {
  backend = new Backend();
  browser!: Browser;
  private opened: Watched[] = [];

  constructor() {
    beforeAll(async () => {
      await this.backend.start();
      this.browser = await launch();
    });
    afterEach(async () => {
      const opened = this.opened;
      this.opened = [];
      const complaints = opened.flatMap((one) => one.complaints);
      await Promise.all(opened.map((one) => one.context.close()));
      expect(complaints).toEqual([]);
    });
    afterAll(async () => {
      await this.browser?.close();
      await this.backend.end();
    });
  }

  get url(): string {
    return this.backend.url;
  }

  /** Does something with a proxy before the program. */
  async withProxy(what: (proxy: FaultyProxy) => Promise<void>): Promise<void> {
    const proxy = new FaultyProxy(this.backend);
    await proxy.start();
    try {
      await what(proxy);
    } finally {
      await proxy.end();
    }
  }

  account(timezone?: string): Promise<Account> {
    return Account.open(this.url, timezone);
  }

  /** A page that is signed in; whatever it complains of fails the test at its end. */
  async page(
    account: Account | null,
    options: BrowserContextOptions = {},
    url = this.url,
  ): Promise<Watched> {
    const watched = await openPage(this.browser, options);
    this.opened.push(watched);
    if (account !== null) await account.signIn(watched.context, url);
    return watched;
  }
}

export const row = (page: Page, title: string) =>
  page
    .getByRole('listitem')
    .filter({ has: page.getByRole('button', { name: title, exact: true }) });

export const toast = (page: Page, text: string | RegExp) =>
  page.locator('[data-toast]').filter({ hasText: text });

export const inDays = (days: number, time = ''): string => {
  const date = new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
  return time === '' ? date : `${date}T${time}`;
};

/** Complaints that belong to what the test does to the page: a lost network, a refused request. */
export function expectComplaints(watched: Watched, pattern: RegExp): void {
  const rest = watched.complaints.filter((complaint) => !pattern.test(complaint));
  watched.complaints.splice(0, watched.complaints.length, ...rest);
}
