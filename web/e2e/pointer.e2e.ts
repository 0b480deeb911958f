import { expect, test } from 'vitest';
import { expectComplaints, inDays, row, Suite, toast } from './suite';

const suite = new Suite();

test('a task is added, completed, undone, moved and deleted with the mouse', async () => {
  const account = await suite.account();
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/today`);
  await page.getByRole('button', { name: 'Add the first task' }).click();
  await page.keyboard.type('Buy milk');
  await page.keyboard.press('Enter');
  await row(page, 'Buy milk').waitFor();
  await expect
    .poll(async () => (await account.tasks()).map((task) => task.due_on))
    .toEqual([inDays(0)]);
  await row(page, 'Buy milk').getByRole('checkbox').click();
  await row(page, 'Buy milk').waitFor({ state: 'detached' });
  await toast(page, 'Completed').getByRole('button', { name: 'Undo' }).click();
  await row(page, 'Buy milk').hover();
  await page.getByRole('button', { name: 'Reschedule: Buy milk' }).click();
  await page.getByRole('menuitem', { name: 'Tomorrow' }).click();
  await row(page, 'Buy milk').waitFor({ state: 'detached' });
  await page.getByRole('link', { name: 'Upcoming' }).first().click();
  await row(page, 'Buy milk').waitFor();
  await page.getByRole('button', { name: 'More for: Buy milk' }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await row(page, 'Buy milk').waitFor({ state: 'detached' });
  await toast(page, 'Deleted').getByRole('button', { name: 'Undo' }).click();
  await row(page, 'Buy milk').waitFor();
});

test('what is overdue is moved to today at once, and back', async () => {
  const account = await suite.account();
  await account.add({ title: 'Late one', due_date: inDays(-2) });
  await account.add({ title: 'Late two', due_date: inDays(-1, '08:00') });
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/today`);
  await page.getByRole('button', { name: 'Move all to today' }).click();
  await page.getByRole('heading', { name: 'Overdue', level: 2 }).waitFor({ state: 'detached' });
  await expect
    .poll(async () => (await account.tasks()).map((task) => task.due_date.slice(0, 10)))
    .toEqual([inDays(0), inDays(0)]);
  await toast(page, 'Moved').getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('heading', { name: 'Overdue', level: 2 }).waitFor();
});

test('a series says when it comes next, and undo takes that back', async () => {
  const account = await suite.account();
  const due = inDays(1, '09:00');
  await account.add({ title: 'Pay the rent', due_date: due, recurrence_rule: 'weekly' });
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/upcoming`);
  await row(page, 'Pay the rent').getByRole('checkbox').click();
  await toast(page, /Completed “Pay the rent”. Next: \d+ \w+ 09:00/).waitFor();
  await expect.poll(() => row(page, 'Pay the rent').count()).toBe(1);
  await toast(page, 'Completed').getByRole('button', { name: 'Undo' }).click();
  await toast(page, 'Reopened').waitFor();
  await expect
    .poll(async () => (await account.tasks()).map((task) => [task.completed, task.occurrence]))
    .toEqual([[false, 1]]);
  expect(await row(page, 'Pay the rent').count()).toBe(1);
});

test('only this one of a series moves where that is chosen', async () => {
  const account = await suite.account();
  const due = inDays(0, '23:00');
  const made = await account.add({ title: 'Gym', due_date: due, recurrence_rule: 'daily' });
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/today`);
  await row(page, 'Gym').hover();
  await page.getByRole('button', { name: 'Reschedule: Gym' }).click();
  await page.getByRole('menuitem', { name: 'Tomorrow' }).click();
  await page.getByRole('menuitem', { name: 'Only this one' }).click();
  await row(page, 'Gym').waitFor({ state: 'detached' });
  const next = async () =>
    (await account.call('GET', `/tasks/${made.id}/occurrences?count=1`)).occurrences[0];
  await expect.poll(next).toBe(`${inDays(1)}T23:00:00Z`);
});

test('the panel saves each field, shows what comes next and what has been', async () => {
  const account = await suite.account();
  const made = await account.add({ title: 'Plants', due_date: inDays(0) });
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/today`);
  await row(page, 'Plants').click();
  await page
    .getByLabel('Description')
    .fill('See https://example.com/plants. Not javascript:alert(1)');
  await page.getByLabel('Repeats').selectOption('weekly');
  await page.getByRole('button', { name: 'Mon' }).click();
  await page.getByRole('button', { name: 'Thu' }).click();
  await page.getByLabel('Count from the day it was done').check();
  await page.getByLabel('Priority').last().selectOption('high');
  await page.getByLabel('Category').last().fill('gar');
  await page.getByLabel('Category').last().press('Tab');
  await page.getByText('Saved', { exact: true }).waitFor();
  const link = page.getByRole('link', { name: 'https://example.com/plants' });
  expect(await link.getAttribute('rel')).toContain('noopener');
  expect(await page.getByRole('list', { name: 'Links' }).getByRole('link').count()).toBe(1);
  await expect
    .poll(async () => account.call('GET', `/tasks/${made.id}`))
    .toMatchObject({
      description: 'See https://example.com/plants. Not javascript:alert(1)',
      recurrence_rule: 'weekly',
      recurrence_weekdays: ['mo', 'th'],
      recurrence_from: 'completion',
      priority: 'high',
      category: 'gar',
    });
  await page.getByRole('heading', { name: 'Then' }).waitFor();
  await page.getByText('You made it repeat every week').waitFor();
  await page.reload();
  await page.getByLabel('Description').waitFor();
  await page.goBack();
  await page.getByRole('region', { name: 'Task' }).waitFor({ state: 'detached' });
});

test('several lines that are pasted become several tasks', async () => {
  const account = await suite.account();
  const { page, context } = await suite.page(account);
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto(`${suite.url}/all`);
  const field = page.getByRole('textbox', { name: 'Add a task' });
  await field.focus();
  await page.evaluate(() => navigator.clipboard.writeText('- Eggs\n- Flour\n\n- Sugar\n'));
  await page.keyboard.press('Control+v');
  await page.getByRole('button', { name: 'Add 3 tasks' }).click();
  await row(page, 'Sugar').waitFor();
  await expect
    .poll(async () => (await account.tasks('?sort=created_at&order=asc')).map((task) => task.title))
    .toEqual(['Eggs', 'Flour', 'Sugar']);
});

test('shift and click select, and what is selected is completed together', async () => {
  const account = await suite.account();
  for (let i = 1; i <= 8; i += 1) await account.add({ title: `Task ${i}` });
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/all?sort=title`);
  await row(page, 'Task 2').click({ modifiers: ['Control'] });
  await row(page, 'Task 6').click({ modifiers: ['Shift'] });
  const bar = page.getByRole('region', { name: 'Selection' });
  await bar.getByText('5 selected').waitFor();
  let running = 0;
  let most = 0;
  page.on('request', (request) => {
    if (request.url().endsWith('/complete')) most = Math.max(most, ++running);
  });
  page.on('requestfinished', (request) => {
    if (request.url().endsWith('/complete')) running -= 1;
  });
  await bar.getByRole('button', { name: 'Complete' }).click();
  await toast(page, 'Completed 5 tasks').waitFor();
  expect(most).toBeLessThanOrEqual(4);
  await expect.poll(async () => (await account.tasks('?completed=true')).length).toBe(5);
});

test('a token is shown once and can be revoked; what was deleted can be restored', async () => {
  const account = await suite.account();
  const made = await account.add({ title: 'Gone' });
  await account.call('DELETE', `/tasks/${made.id}`);
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/settings`);
  await page.getByRole('button', { name: 'Restore' }).click();
  await expect.poll(async () => (await account.tasks()).length).toBe(1);
  await page.getByLabel('Name of a new token').fill('script');
  await page.getByRole('button', { name: 'Make a token' }).click();
  await page.getByText(/^todo_/).waitFor();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('button', { name: 'Revoke' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await expect.poll(async () => (await account.call('GET', '/auth/tokens')).length).toBe(0);
});

test('signing out leaves nothing of the user behind', async () => {
  const account = await suite.account();
  await account.add({ title: 'Secret plan' });
  const watched = await suite.page(account);
  const { page } = watched;
  await page.goto(`${suite.url}/all`);
  await row(page, 'Secret plan').click();
  await page.getByLabel('Description').fill('half a thought');
  await page.goto(`${suite.url}/settings`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in to your tasks' }).waitFor();
  const left = await page.evaluate(async () => {
    const stored = JSON.stringify({ ...localStorage, ...sessionStorage });
    const databases = await indexedDB.databases();
    return { stored, cookies: document.cookie, databases: databases.length };
  });
  expect(left.stored).not.toMatch(/Secret|thought/);
  expect(left.cookies).toBe('');
  await page.goBack();
  await page.getByRole('heading', { name: 'Sign in to your tasks' }).waitFor();
  expectComplaints(watched, /401 .*\/auth\/me/);
});
