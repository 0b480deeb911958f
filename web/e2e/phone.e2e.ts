import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { inDays, row, Suite, toast } from './suite';

const suite = new Suite();
const phone = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };

/** A finger from one place to another, as the browser gets it from a screen. */
async function swipe(page: Page, title: string, dx: number): Promise<void> {
  const box = (await row(page, title).boundingBox())!;
  const x = box.x + box.width / 2;
  const y = box.y + box.height / 2;
  const session = await page.context().newCDPSession(page);
  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', at: number) =>
    session.send('Input.dispatchTouchEvent', {
      type,
      touchPoints: type === 'touchEnd' ? [] : [{ x: at, y }],
    });
  await touch('touchStart', x);
  for (let step = 1; step <= 8; step += 1) await touch('touchMove', x + (dx * step) / 8);
  await touch('touchEnd', x + dx);
  await session.detach();
}

test('a day on the phone: add, open, edit, back, complete, undo', async () => {
  const account = await suite.account();
  const { page } = await suite.page(account, phone);
  await page.goto(`${suite.url}/today`);
  await page.getByRole('button', { name: 'Add a task', exact: true }).tap();
  const sheet = page.getByRole('dialog', { name: 'Add a task' });
  await sheet.getByLabel('Add a task').fill('Buy milk');
  await page.keyboard.press('Enter');
  await sheet.getByRole('button', { name: 'Close' }).tap();
  await row(page, 'Buy milk').tap();
  await page.getByLabel('Title').fill('Buy oat milk');
  await page.getByText('Saved', { exact: true }).waitFor();
  await page.goBack();
  await row(page, 'Buy oat milk').getByRole('checkbox').tap();
  await row(page, 'Buy oat milk').waitFor({ state: 'detached' });
  await toast(page, 'Completed').getByRole('button', { name: 'Undo' }).tap();
  await row(page, 'Buy oat milk').waitFor();
});

test('a swipe to the right completes, to the left reschedules in a sheet', async () => {
  const account = await suite.account();
  await account.add({ title: 'Right', due_date: inDays(0) });
  await account.add({ title: 'Left', due_date: inDays(0) });
  const { page } = await suite.page(account, phone);
  await page.goto(`${suite.url}/today`);
  await row(page, 'Right').waitFor();
  await swipe(page, 'Right', 160);
  await row(page, 'Right').waitFor({ state: 'detached' });
  await swipe(page, 'Left', -160);
  const sheet = page.getByRole('dialog', { name: /^Reschedule/ });
  await sheet.getByRole('button', { name: 'Tomorrow' }).tap();
  await row(page, 'Left').waitFor({ state: 'detached' });
  await expect
    .poll(async () => (await account.tasks('?completed=false')).map((task) => task.due_on))
    .toEqual([inDays(1)]);
});

test('a long press selects, taps select more, and the bar deletes', async () => {
  const account = await suite.account();
  for (const title of ['One', 'Two', 'Three']) await account.add({ title });
  const { page } = await suite.page(account, phone);
  await page.goto(`${suite.url}/all?sort=title`);
  const box = (await row(page, 'One').boundingBox())!;
  const session = await page.context().newCDPSession(page);
  const point = { x: box.x + box.width / 2, y: box.y + 20 };
  await session.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [point] });
  await page.getByText('1 selected', { exact: true }).first().waitFor();
  await session.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  await row(page, 'Two').tap();
  const bar = page.getByRole('region', { name: 'Selection' });
  await bar.getByText('2 selected').waitFor();
  await bar.getByRole('button', { name: 'Delete' }).tap();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).tap();
  await row(page, 'Two').waitFor({ state: 'detached' });
  await expect.poll(async () => (await account.tasks()).length).toBe(1);
});

test('the bar leads everywhere, also to the bell and to more', async () => {
  const account = await suite.account();
  const soon = new Date(Date.now() + 20 * 60_000).toISOString();
  await account.add({ title: 'Take the bread out', due_date: soon, category: 'kitchen' });
  const { page } = await suite.page(account, phone);
  await page.goto(`${suite.url}/today`);
  const bell = page.getByRole('button', { name: /1\s*Bell unread notifications/ });
  await bell.tap();
  const panel = page.getByRole('dialog', { name: 'Notifications' });
  await panel.getByRole('button', { name: 'Reschedule' }).tap();
  await page.getByRole('button', { name: 'In 1 hour' }).tap();
  await panel.getByRole('button', { name: 'Complete' }).tap();
  await expect.poll(async () => (await account.tasks('?completed=true')).length).toBe(1);
  await panel.getByRole('button', { name: 'Close' }).tap();
  await page.getByRole('button', { name: 'More', exact: true }).tap();
  await page.getByRole('dialog', { name: 'More' }).getByRole('button', { name: 'Activity' }).tap();
  await page.getByText('You completed').first().waitFor();
});
