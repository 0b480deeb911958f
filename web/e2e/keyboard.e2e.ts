import { expect, test } from 'vitest';
import { focusIsSeen, password } from './browser';
import { expectComplaints, inDays, row, Suite, toast } from './suite';

const suite = new Suite();

test('a new person opens an account and adds the first task', async () => {
  const watched = await suite.page(null);
  const { page } = watched;
  await page.goto(`${suite.url}/`);
  // Who comes without a session is told so, and the browser notes it.
  await page.waitForURL('**/login*');
  expectComplaints(watched, /401 .*\/auth\/me/);
  await page.getByRole('heading', { name: 'Sign in to your tasks' }).waitFor();
  await page.getByRole('link', { name: 'Open an account' }).press('Enter');
  await page.getByLabel('Email').fill(`eve-${crypto.randomUUID()}@example.com`);
  await page.keyboard.press('Tab');
  await page.keyboard.type('Eve');
  await page.keyboard.press('Tab');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
  await page.getByText('No tasks yet. What is to be done?').waitFor();
  await focusIsSeen(page);
  await page.keyboard.press('q');
  await page.keyboard.type('Water the plants');
  await page.keyboard.press('Enter');
  await row(page, 'Water the plants').waitFor();
  await focusIsSeen(page);
  await page.reload();
  await row(page, 'Water the plants').waitFor();
});

test('a wrong password says so, and the right one signs in where one wanted to go', async () => {
  const account = await suite.account();
  const watched = await suite.page(null);
  const { page } = watched;
  await page.goto(`${suite.url}/upcoming`);
  await page.getByLabel('Email').fill(account.email);
  await page.getByLabel('Password').fill('not the password');
  await page.keyboard.press('Enter');
  await page.getByText('Invalid email or password').waitFor();
  await focusIsSeen(page);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/upcoming');
  await page.getByRole('heading', { name: 'Upcoming' }).waitFor();
  await focusIsSeen(page);
  watched.complaints.length = 0;
});

test('tasks are completed and brought back by key, and the focus goes to the next row', async () => {
  const account = await suite.account();
  for (const title of ['One', 'Two', 'Three']) await account.add({ title });
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/all?sort=title`);
  await row(page, 'Two').waitFor();
  await page.keyboard.press('j');
  await focusIsSeen(page);
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? '');
  expect(await focused()).toContain('One');
  await page.keyboard.press('x');
  await toast(page, 'Completed “One”').waitFor();
  await row(page, 'One').waitFor({ state: 'detached' });
  await expect.poll(focused).toContain('Three');
  await focusIsSeen(page);
  await page.keyboard.press('z');
  await row(page, 'One').waitFor();
  await focusIsSeen(page);
  expect((await account.tasks('?completed=true')).length).toBe(0);
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await row(page, 'Two').waitFor({ state: 'detached' });
  await expect.poll(focused).toContain('Three');
});

test('a task is edited, moved and prioritised by key', async () => {
  const account = await suite.account();
  const made = await account.add({ title: 'Call mom', due_date: inDays(0) });
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/today`);
  await row(page, 'Call mom').waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('e');
  await page.getByLabel('Title').waitFor();
  await focusIsSeen(page);
  await page.keyboard.type('Call mom and dad');
  await page.keyboard.press('Enter');
  await page.getByText('Saved', { exact: true }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('region', { name: 'Task' }).waitFor({ state: 'detached' });
  await focusIsSeen(page);
  await row(page, 'Call mom and dad').waitFor();
  await page.keyboard.press('p');
  await page.getByRole('menuitem', { name: 'Urgent' }).waitFor();
  await focusIsSeen(page);
  await page.keyboard.press('Enter');
  await row(page, 'Call mom and dad').getByText('Urgent').waitFor();
  await focusIsSeen(page);
  await page.keyboard.press('d');
  await page.getByRole('menuitem', { name: 'Tomorrow' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await row(page, 'Call mom and dad').waitFor({ state: 'detached' });
  await focusIsSeen(page);
  await expect
    .poll(async () => account.call('GET', `/tasks/${made.id}`))
    .toMatchObject({ title: 'Call mom and dad', priority: 'urgent', due_on: inDays(1) });
  await page.keyboard.press('z');
  await row(page, 'Call mom and dad').waitFor();
});

test('a deletion asks first, can be left, and can be taken back', async () => {
  const account = await suite.account();
  await account.add({ title: 'Old note' });
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/all`);
  await row(page, 'Old note').waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('Delete');
  const cancel = page.getByRole('button', { name: 'Cancel' });
  await cancel.waitFor();
  expect(await cancel.evaluate((element) => element === document.activeElement)).toBe(true);
  await page.keyboard.press('Escape');
  await cancel.waitFor({ state: 'detached' });
  await focusIsSeen(page);
  await page.keyboard.press('#');
  await cancel.waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await row(page, 'Old note').waitFor({ state: 'detached' });
  await focusIsSeen(page);
  await page.keyboard.press('F8');
  await focusIsSeen(page);
  await page.keyboard.press('Enter');
  await row(page, 'Old note').waitFor();
  await focusIsSeen(page);
});

test('many tasks are selected and changed at once', async () => {
  const account = await suite.account();
  for (let i = 1; i <= 6; i += 1) await account.add({ title: `Task ${i}` });
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/all?sort=title`);
  await row(page, 'Task 6').waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('Shift+J');
  await page.keyboard.press('Shift+J');
  await page.getByText('3 selected', { exact: true }).first().waitFor();
  await page.keyboard.press('p');
  await page.getByRole('menuitem', { name: 'Urgent' }).waitFor();
  await page.keyboard.press('Enter');
  await toast(page, '3 tasks').waitFor();
  await expect.poll(async () => (await account.tasks('?priority=urgent')).length).toBe(3);
  await page.keyboard.press('#');
  await page.getByRole('heading', { name: 'Delete 3 tasks?' }).waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await row(page, 'Task 3').waitFor({ state: 'detached' });
  await focusIsSeen(page);
  await expect.poll(async () => (await account.tasks()).length).toBe(3);
  await page.keyboard.press('z');
  await expect.poll(async () => (await account.tasks()).length).toBe(6);
});

test('search narrows the list, survives a reload, and Esc leaves it', async () => {
  const account = await suite.account();
  await account.add({ title: 'Buy bread' });
  await account.add({ title: 'Buy milk', priority: 'high' });
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/all`);
  await row(page, 'Buy bread').waitFor();
  await page.keyboard.press('/');
  await page.getByLabel('Search', { exact: true }).waitFor();
  await page.keyboard.type('milk');
  await row(page, 'Buy bread').waitFor({ state: 'detached' });
  await page.waitForURL('**/all?q=milk');
  await page.reload();
  await row(page, 'Buy milk').waitFor();
  expect(await row(page, 'Buy bread').count()).toBe(0);
  await page.getByLabel('Search', { exact: true }).focus();
  await page.keyboard.press('Escape');
  await row(page, 'Buy bread').waitFor();
  await focusIsSeen(page);
});

test('from the bell to the task', async () => {
  const account = await suite.account();
  const soon = new Date(Date.now() + 20 * 60_000).toISOString();
  await account.add({ title: 'Take the bread out', due_date: soon });
  await expect
    .poll(async () => (await account.call('GET', '/notifications/unread-count')).count)
    .toBe(1);
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/today`);
  await row(page, 'Take the bread out').waitFor();
  await expect.poll(() => page.title()).toBe('(1) Tasks');
  await page.keyboard.press('b');
  const panel = page.getByRole('dialog', { name: 'Notifications' });
  const entry = panel.getByRole('button', { name: /^Take the bread out/ });
  await entry.waitFor();
  await focusIsSeen(page);
  await entry.focus();
  await page.keyboard.press('Enter');
  await page.getByLabel('Title').waitFor();
  await focusIsSeen(page);
  await expect.poll(() => page.title()).toBe('Tasks');
});

test('the palette finds commands and tasks, and g goes everywhere', async () => {
  const account = await suite.account();
  await account.add({ title: 'Repair the roof' });
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/today`);
  await page.getByText('See what is coming up').waitFor();
  const pages: [string, string][] = [
    ['u', 'Upcoming'],
    ['o', 'Overdue'],
    ['a', 'All'],
    ['c', 'Completed'],
    ['v', 'Activity'],
    ['s', 'Settings'],
    ['t', 'Today'],
  ];
  for (const [key, title] of pages) {
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await page.getByRole('heading', { name: title, level: 1 }).waitFor();
    await focusIsSeen(page);
  }
  await page.keyboard.press('Control+k');
  await page.getByLabel('Command or task').waitFor();
  await page.keyboard.type('roof');
  await page.getByRole('option', { name: 'Repair the roof' }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByLabel('Title').waitFor();
  await focusIsSeen(page);
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await page.getByRole('heading', { name: 'Keys and words' }).waitFor();
  await page.keyboard.press('Escape');
  await focusIsSeen(page);
});

test('single keys can be switched off', async () => {
  const account = await suite.account();
  await account.add({ title: 'Stays' });
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/settings`);
  await page.getByLabel(/^Single keys/).uncheck();
  await page.goto(`${suite.url}/all`);
  await row(page, 'Stays').waitFor();
  await page.keyboard.press('ArrowDown');
  await focusIsSeen(page);
  await page.keyboard.press('x');
  await page.keyboard.press('q');
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('DIV');
  expect((await account.tasks('?completed=false')).length).toBe(1);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await row(page, 'Stays').waitFor({ state: 'detached' });
});
