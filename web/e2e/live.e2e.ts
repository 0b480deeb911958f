import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { expectComplaints, row, Suite, toast } from './suite';

const suite = new Suite();
const socketMs = 1_000;
const pollMs = 35_000;
const toastMs = 2_000;

const shows = (page: Page, title: string, timeout: number) => row(page, title).waitFor({ timeout });
const gone = (page: Page, title: string, timeout: number) =>
  row(page, title).waitFor({ state: 'detached', timeout });

async function twoPages() {
  const account = await suite.account();
  await account.add({ title: 'There already' });
  const first = (await suite.page(account)).page;
  const second = (await suite.page(account)).page;
  for (const page of [first, second]) {
    await page.goto(`${suite.url}/all`);
    await shows(page, 'There already', 10_000);
  }
  return { account, first, second };
}

async function add(page: Page, title: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Add a task' }).fill(title);
  await page.keyboard.press('Enter');
}

test('two browsers see each other’s changes within a second', async () => {
  const { first, second } = await twoPages();
  await add(first, 'From the first');
  await shows(second, 'From the first', socketMs);
  await row(second, 'There already').getByRole('checkbox').click();
  await gone(first, 'There already', socketMs);
  await first.keyboard.press('Escape');
  await first.getByRole('button', { name: 'More for: From the first' }).click();
  await first.getByRole('menuitem', { name: 'Delete' }).click();
  await first.getByRole('button', { name: 'Delete', exact: true }).click();
  await gone(second, 'From the first', socketMs);
});

test('without a socket it takes 35 seconds at most', async () => {
  await suite.withProxy(async (proxy) => {
    proxy.webSockets = false;
    const account = await suite.account();
    await account.add({ title: 'There already' });
    const watched = await suite.page(account, {}, proxy.url);
    const { page } = watched;
    await page.goto(`${proxy.url}/all`);
    await shows(page, 'There already', 10_000);
    await account.add({ title: 'From elsewhere' });
    await shows(page, 'From elsewhere', pollMs);
    await watched.context.close();
    expectComplaints(watched, /\/api\/v1\/ws/);
  });
});

test('a reminder is told in a toast that leads to its task, and is held by hover', async () => {
  const account = await suite.account();
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/today`);
  await page.getByText('No tasks yet').waitFor();
  const soon = new Date(Date.now() + 20 * 60_000).toISOString();
  await account.add({ title: 'Take the bread out', due_date: soon });
  const card = toast(page, 'Take the bread out');
  await card.waitFor({ timeout: toastMs });
  await card.hover();
  const shown = Date.now();
  // Longer than a toast stays by itself.
  await expect.poll(() => Date.now() - shown, { timeout: 8_000 }).toBeGreaterThan(6_000);
  expect(await card.isVisible()).toBe(true);
  await page.mouse.move(5, 5);
  await card.waitFor({ state: 'detached', timeout: 6_000 });
  await expect.poll(() => page.title()).toBe('(1) Tasks');
});
