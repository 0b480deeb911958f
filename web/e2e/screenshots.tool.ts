import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, test } from 'vitest';
import { launch, openPage, password } from './browser';
import { Backend } from './server';
import { row } from './suite';

/** The pictures of the documentation: of a real account in the real program, always the same day. */
const moment = '2027-03-02 09:12:00';
const images = resolve(import.meta.dirname, '../../docs/images');
const demo = resolve(import.meta.dirname, '../../tools/demo.py');

const backend = new Backend(moment);
let browser: Browser;

beforeAll(async () => {
  await backend.start();
  const env = { ...process.env, TZ: 'UTC', TODO_URL: backend.url };
  const fill = ['-f', moment, '/usr/bin/python3', demo, '--timezone', 'UTC'];
  execFileSync('faketime', fill, { env });
  browser = await launch();
});
afterAll(async () => {
  await browser?.close();
  await backend.end();
});

async function signedIn(options: BrowserContextOptions): Promise<Page> {
  const { page, context } = await openPage(browser, { ...options, reducedMotion: 'reduce' });
  await page.clock.install({ time: `${moment.replace(' ', 'T')}Z` });
  await context.request.post(`${backend.url}/api/v1/auth/login`, {
    data: { email: 'demo@example.com', password, session: 'cookie' },
    headers: { Origin: backend.url },
  });
  await page.goto(`${backend.url}/today`);
  await row(page, 'Call the dentist').waitFor();
  return page;
}

const themes = ['light', 'dark'] as const;
const desktop = { viewport: { width: 1280, height: 800 } };
const phone = {
  viewport: { width: 390, height: 760 },
  deviceScaleFactor: 2,
  hasTouch: true,
  isMobile: true,
};

test.each(themes)('desktop, %s', async (colorScheme) => {
  const page = await signedIn({ ...desktop, colorScheme });
  await row(page, 'Renew the passport').click();
  await page.getByText('You added it').waitFor();
  const field = page.getByRole('textbox', { name: 'Add a task' });
  await field.fill('Pay rent tomorrow 9am every month !urgent #finance');
  await page.locator('.chip', { hasText: 'every month' }).waitFor();
  await page.mouse.move(0, 0);
  await page.screenshot({ path: `${images}/today-${colorScheme}.png` });
  await page.context().close();
});

test.each(themes)('phone, %s', async (colorScheme) => {
  const page = await signedIn({ ...phone, colorScheme });
  await page.screenshot({ path: `${images}/phone-${colorScheme}.png` });
  await page.context().close();
});
