import { expect, test } from 'vitest';
import { password } from './browser';
import { expectComplaints, inDays, row, Suite, toast } from './suite';

const suite = new Suite();
const network = /ERR_|WebSocket|Failed to load resource/;

test('offline: what is done waits in order, survives a reload, and is done once', async () => {
  const account = await suite.account();
  await account.add({ title: 'Complete me' });
  await account.add({ title: 'Delete me' });
  await account.add({ title: 'Rename me' });
  const watched = await suite.page(account);
  const { page, context } = watched;
  await page.goto(`${suite.url}/all?sort=title`);
  await row(page, 'Rename me').waitFor();
  // The chunks that come when nothing else is to be done are here before the network goes.
  await page.waitForLoadState('networkidle');
  await context.setOffline(true);
  await page.getByText('You are offline').waitFor();
  await row(page, 'Complete me').getByRole('checkbox').click();
  await row(page, 'Complete me').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'More for: Delete me' }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await row(page, 'Delete me').waitFor({ state: 'detached' });
  await row(page, 'Rename me').click();
  await page.getByLabel('Title').fill('Renamed');
  await page.getByText('Kept here until the server can be reached').waitFor();
  await page.keyboard.press('Escape');
  for (const title of ['First', 'Second']) {
    await page.getByRole('textbox', { name: 'Add a task' }).fill(title);
    await page.keyboard.press('Enter');
  }
  await row(page, 'Second').waitFor();
  await page.getByText('5 changes wait').waitFor();
  await page.reload().catch(() => {});
  await context.setOffline(false);
  await page.goto(`${suite.url}/all?sort=title`);
  await row(page, 'Renamed').waitFor();
  await expect
    .poll(async () => (await account.tasks('?sort=created_at&order=asc')).map((task) => task.title))
    .toEqual(['Complete me', 'Renamed', 'First', 'Second']);
  expect((await account.tasks('?completed=true')).map((task) => task.title)).toEqual([
    'Complete me',
  ]);
  expect((await account.tasks('?deleted=true')).map((task) => task.title)).toEqual(['Delete me']);
  for (const title of ['Renamed', 'First', 'Second']) {
    await expect.poll(() => row(page, title).count()).toBe(1);
  }
  expectComplaints(watched, network);
});

test('a restart of the server mid-edit loses nothing that was typed', async () => {
  const account = await suite.account();
  const made = await account.add({ title: 'Letter' });
  const watched = await suite.page(account);
  const { page } = watched;
  await page.goto(`${suite.url}/all?task=${made.id}`);
  const field = page.getByLabel('Description');
  await field.fill('Dear');
  await page.getByText('Saved', { exact: true }).waitFor();
  await suite.backend.stop();
  await field.fill('Dear grandma');
  await page.getByText('Kept here until the server can be reached').waitFor();
  await suite.backend.start();
  await page.getByText('Saved', { exact: true }).waitFor({ timeout: 40_000 });
  expect((await account.call('GET', `/tasks/${made.id}`)).description).toBe('Dear grandma');
  await field.fill('Dear grandma, come');
  await page.reload();
  await expect.poll(() => field.inputValue()).toBe('Dear grandma, come');
  await expect
    .poll(async () => (await account.call('GET', `/tasks/${made.id}`)).description)
    .toBe('Dear grandma, come');
  expectComplaints(watched, network);
});

test('changed elsewhere: other fields merge in silence, the same field asks', async () => {
  const account = await suite.account();
  const made = await account.add({ title: 'Plan', description: 'old' });
  const watched = await suite.page(account);
  const { page } = watched;
  await page.goto(`${suite.url}/all?task=${made.id}`);
  const field = page.getByLabel('Description');
  await expect.poll(() => field.inputValue()).toBe('old');
  await field.focus();
  await account.call('PATCH', `/tasks/${made.id}`, { priority: 'high' });
  await field.fill('mine');
  await expect
    .poll(async () => account.call('GET', `/tasks/${made.id}`))
    .toMatchObject({
      description: 'mine',
      priority: 'high',
    });
  await page.getByText('Saved', { exact: true }).waitFor();
  await page.keyboard.type('!');
  await account.call('PATCH', `/tasks/${made.id}`, { description: 'theirs' });
  const bar = page.getByRole('alert').filter({ hasText: 'Changed elsewhere to “theirs”' });
  await bar.waitFor();
  expect((await account.call('GET', `/tasks/${made.id}`)).description).toBe('theirs');
  await bar.getByRole('button', { name: 'Keep mine' }).click();
  await expect
    .poll(async () => (await account.call('GET', `/tasks/${made.id}`)).description)
    .toBe('mine!');
  await field.focus();
  await page.keyboard.press('End');
  await page.keyboard.type('?');
  await account.call('PATCH', `/tasks/${made.id}`, { description: 'theirs again' });
  await page.getByRole('button', { name: 'Take theirs' }).click();
  await expect.poll(() => field.inputValue()).toBe('theirs again');
  await bar.waitFor({ state: 'detached' });
  expectComplaints(watched, /412/);
});

test('a session that ends: sign in over the page, and go on', async () => {
  const account = await suite.account();
  const made = await account.add({ title: 'Essay' });
  const watched = await suite.page(account);
  const { page, context } = watched;
  await page.goto(`${suite.url}/all?task=${made.id}`);
  await page.getByLabel('Description').waitFor();
  await context.clearCookies();
  await page.getByLabel('Description').fill('A long thought');
  const dialog = page.getByRole('dialog', { name: 'Sign in again' });
  await dialog.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'detached' });
  await page.getByText('Saved', { exact: true }).waitFor();
  expect(await page.getByLabel('Description').inputValue()).toBe('A long thought');
  expect((await account.call('GET', `/tasks/${made.id}`)).description).toBe('A long thought');
  expectComplaints(watched, /401/);
});

test('503 and 429: the time that the server names is kept, then it is done', async () => {
  const account = await suite.account();
  await account.add({ title: 'Patience', due_date: inDays(0) });
  const watched = await suite.page(account);
  const { page } = watched;
  await page.goto(`${suite.url}/today`);
  await row(page, 'Patience').waitFor();
  const asked: number[] = [];
  await page.route('**/complete', (route) => {
    asked.push(Date.now());
    const status = [503, 429][asked.length - 1];
    if (status === undefined) return route.continue();
    return route.fulfill({
      status,
      headers: { 'Retry-After': '2', 'Content-Type': 'application/problem+json' },
      body: JSON.stringify({ title: 'Busy', status, detail: 'Later', request_id: 'x' }),
    });
  });
  await row(page, 'Patience').getByRole('checkbox').click();
  await page.getByText('The server is busy').waitFor();
  await expect
    .poll(async () => (await account.tasks('?completed=true')).length, { timeout: 15_000 })
    .toBe(1);
  expect(asked.length).toBe(3);
  expect(asked[1]! - asked[0]!).toBeGreaterThanOrEqual(1_900);
  expect(asked[2]! - asked[1]!).toBeGreaterThanOrEqual(1_900);
  expectComplaints(watched, /503|429/);
});

test('a part that has not come before the network went comes when it is back', async () => {
  const account = await suite.account();
  await account.add({ title: 'Here' });
  const watched = await suite.page(account);
  const { page, context } = watched;
  await context.addInitScript(() => {
    // Nothing is loaded ahead.
    window.requestIdleCallback = () => 0;
  });
  await page.goto(`${suite.url}/all`);
  await row(page, 'Here').waitFor();
  await page.getByRole('textbox', { name: 'Add a task' }).fill('Kept');
  await context.setOffline(true);
  await page.getByText('You are offline').waitFor();
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.waitForURL('**/settings');
  await context.setOffline(false);
  await page.getByRole('heading', { name: 'Settings' }).waitFor();
  await page.getByRole('link', { name: 'All' }).first().click();
  expect(await page.getByRole('textbox', { name: 'Add a task' }).inputValue()).toBe('Kept');
  expectComplaints(watched, network);
});

test('what the server refuses is said, and the text comes back', async () => {
  const account = await suite.account();
  const watched = await suite.page(account);
  const { page } = watched;
  await page.goto(`${suite.url}/all`);
  const field = page.getByRole('textbox', { name: 'Add a task' });
  const long = 'x'.repeat(250);
  await field.fill(long);
  await page.keyboard.press('Enter');
  await toast(page, 'Could not add').waitFor();
  expect(await field.inputValue()).toBe(long);
  await page.reload();
  expect(await field.inputValue()).toBe(long);
  expectComplaints(watched, /422/);
});

test('a new build during the session: the page reloads once, with its drafts', async () => {
  const account = await suite.account();
  const made = await account.add({ title: 'Draft' });
  await suite.withProxy(async (proxy) => {
    const watched = await suite.page(account, {}, proxy.url);
    const { page, context } = watched;
    await context.addInitScript(() => {
      // The chunks must not be here already when the deploy takes them away.
      window.requestIdleCallback = () => 0;
    });
    await page.goto(`${proxy.url}/all?task=${made.id}`);
    await page.getByLabel('Description').fill('kept');
    proxy.deployed = true;
    await page.keyboard.press('Escape');
    const reloaded = page.waitForEvent('load');
    await page.getByRole('link', { name: 'Settings' }).click();
    await reloaded;
    await page.getByRole('heading', { name: 'Settings' }).waitFor();
    expect(await page.locator('script[src*="/new-"]').count()).toBe(1);
    await page.goto(`${proxy.url}/all?task=${made.id}`);
    await expect.poll(() => page.getByLabel('Description').inputValue()).toBe('kept');
    await expect
      .poll(async () => (await account.call('GET', `/tasks/${made.id}`)).description)
      .toBe('kept');
    await context.close();
    expectComplaints(watched, /404/);
  });
});
