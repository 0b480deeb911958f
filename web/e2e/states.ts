import type { Page } from 'playwright-core';
import type { Account } from './browser';
import { inDays, row } from './suite';

/** What an account holds so that every state can be reached. */
export async function fill(account: Account): Promise<void> {
  await account.add({
    title: 'Renew the passport',
    due_date: inDays(-3),
    priority: 'urgent',
    category: 'personal',
  });
  await account.add({
    title: 'Send the invoice',
    due_date: inDays(-1, '16:00'),
    priority: 'high',
    category: 'a category with a rather long name',
  });
  await account.add({
    title: 'Water the plants',
    due_date: inDays(0),
    recurrence_rule: 'weekly',
    recurrence_interval: 2,
    recurrence_weekdays: ['mo', 'th'],
    recurrence_from: 'completion',
    priority: 'low',
    category: 'home',
  });
  await account.add({
    title: `A very long title: ${'and it goes on '.repeat(8)}Donaudampfschifffahrtsgesellschaft`,
    due_date: inDays(0, '23:30'),
    priority: 'normal',
    description: 'https://example.com/a/very/long/address/that/does/not/break/anywhere/at/all',
  });
  await account.add({
    title: 'Take the bread out',
    due_date: new Date(Date.now() + 20 * 60_000).toISOString(),
  });
  for (let i = 0; i < 12; i += 1) {
    await account.add({ title: `Task ${i}`, due_date: inDays(1 + i), category: 'work' });
  }
  const done = await account.add({ title: 'Book the table' });
  await account.call('POST', `/tasks/${done.id}/complete`);
  const gone = await account.add({ title: 'Old note' });
  await account.call('DELETE', `/tasks/${gone.id}`);
  await account.call('POST', '/auth/tokens', { name: 'backup', scope: 'read' });
}

export interface State {
  name: string;
  path: string;
  /** Whom the page belongs to: one with tasks, one without, or nobody. */
  who: 'full' | 'empty' | 'nobody';
  reach?: (page: Page, account: Account) => Promise<void>;
  complains?: RegExp;
}

const layer = (page: Page, name: string | RegExp) => page.getByRole('dialog', { name }).waitFor();

async function firstRow(page: Page): Promise<void> {
  await row(page, 'Renew the passport').waitFor();
  await page.keyboard.press('j');
}

const key =
  (name: string, wait: (page: Page) => Promise<void>) =>
  async (page: Page): Promise<void> => {
    await firstRow(page);
    await page.keyboard.press(name);
    await wait(page);
  };

/** A menu beside its row, or a sheet on phones. */
const choices = (page: Page) =>
  page.getByRole('menu').or(page.getByRole('dialog')).first().waitFor();

const openTask = async (page: Page) => {
  await row(page, 'Water the plants').click();
  await page.getByText('You added it').waitFor();
};

export const states: State[] = [
  { name: 'login', path: '/login', who: 'nobody' },
  { name: 'register', path: '/register', who: 'nobody' },
  {
    name: 'login refused',
    path: '/login',
    who: 'nobody',
    reach: async (page) => {
      await page.getByLabel('Email').fill('nobody@example.com');
      await page.getByLabel('Password').fill('wrong password');
      await page.keyboard.press('Enter');
      await page.getByText('Invalid email or password').waitFor();
    },
    complains: /401/,
  },
  { name: 'no tasks', path: '/today', who: 'empty' },
  { name: 'none match', path: '/all?q=nothing', who: 'full' },
  { name: 'today', path: '/today', who: 'full' },
  { name: 'upcoming', path: '/upcoming', who: 'full' },
  { name: 'overdue', path: '/overdue', who: 'full' },
  { name: 'all', path: '/all', who: 'full' },
  { name: 'completed', path: '/completed', who: 'full' },
  { name: 'category', path: '/category/home', who: 'full' },
  { name: 'activity', path: '/activity', who: 'full' },
  { name: 'settings', path: '/settings', who: 'full' },
  { name: 'unknown page', path: '/nowhere', who: 'full' },
  {
    name: 'filters',
    path: '/all?priority=urgent',
    who: 'full',
    reach: async (page) => page.getByLabel('Sort by').waitFor(),
  },
  { name: 'panel', path: '/today', who: 'full', reach: openTask },
  {
    name: 'panel of nothing',
    path: '/today?task=01a2153a-b693-7337-b6b8-0fff9c23a0dc',
    who: 'full',
    reach: async (page) => page.getByText('This task is not there').waitFor(),
    complains: /404/,
  },
  {
    name: '412',
    path: '/today',
    who: 'full',
    reach: async (page, account) => {
      await openTask(page);
      const id = new URL(page.url()).searchParams.get('task');
      await page.getByLabel('Description').focus();
      await page.keyboard.type('mine');
      await account.call('PATCH', `/tasks/${id}`, { description: `theirs ${Date.now()}` });
      await page.getByText('Changed elsewhere').waitFor();
    },
    complains: /412/,
  },
  { name: 'reschedule', path: '/today', who: 'full', reach: key('d', choices) },
  { name: 'priority', path: '/today', who: 'full', reach: key('p', choices) },
  {
    name: 'category dialog',
    path: '/today',
    who: 'full',
    reach: key('c', async (page) => {
      await layer(page, 'Category');
      await page.keyboard.press('ArrowDown');
    }),
  },
  {
    name: 'row menu',
    path: '/today',
    who: 'full',
    reach: async (page) => {
      await page.getByRole('button', { name: 'More for: Renew the passport' }).click();
      await choices(page);
    },
  },
  {
    name: 'delete dialog',
    path: '/today',
    who: 'full',
    reach: key('#', async (page) => layer(page, 'Delete this task?')),
  },
  {
    name: 'selection',
    path: '/today',
    who: 'full',
    reach: key('Shift+J', async (page) =>
      page.getByRole('region', { name: 'Selection' }).waitFor(),
    ),
  },
  {
    name: 'palette',
    path: '/today',
    who: 'full',
    reach: key('Control+k', async (page) => {
      await layer(page, 'Commands');
      await page.keyboard.type('task');
      await page.getByRole('option', { name: 'Task 11' }).waitFor();
    }),
  },
  {
    name: 'help',
    path: '/today',
    who: 'full',
    reach: key('?', async (page) => layer(page, 'Keys and words')),
  },
  {
    name: 'notifications',
    path: '/today',
    who: 'full',
    reach: key('b', async (page) => {
      await page.getByRole('dialog').getByRole('button', { name: 'Complete' }).first().waitFor();
    }),
  },
  {
    name: 'no notifications',
    path: '/today',
    who: 'empty',
    reach: async (page) => {
      await page.getByText('No tasks yet').waitFor();
      await page.keyboard.press('b');
      await page.getByText('Nothing to tell you').waitFor();
    },
  },
  {
    name: 'toasts',
    path: '/all?q=task',
    who: 'full',
    reach: async (page) => {
      await row(page, 'Task 1').hover();
      await row(page, 'Task 1').getByRole('checkbox').click();
      await page.locator('[data-toast]').first().waitFor();
      await page.getByRole('button', { name: 'Undo' }).click();
      await page.locator('[data-toast]').first().waitFor();
    },
  },
  {
    name: 'typing',
    path: '/category/home',
    who: 'full',
    reach: async (page) => {
      await page.getByRole('textbox', { name: 'Add a task' }).fill('call mom tomorrow 5pm');
      await page.getByText('#home', { exact: true }).first().waitFor();
    },
  },
  {
    name: 'offline',
    path: '/today',
    who: 'full',
    reach: async (page) => {
      await row(page, 'Renew the passport').waitFor();
      await page.context().setOffline(true);
      await page.getByText('You are offline').waitFor();
    },
    complains: /ERR_INTERNET|WebSocket/,
  },
  {
    name: 'error',
    path: '/overdue',
    who: 'full',
    reach: async (page) => {
      await page.route('**/api/v1/tasks?*', (route) =>
        route.fulfill({
          status: 500,
          contentType: 'application/problem+json',
          body: JSON.stringify({ detail: 'The server is at fault', request_id: '01a2' }),
        }),
      );
      await page.reload();
      await page.getByText('The tasks could not be loaded').waitFor();
    },
    complains: /500/,
  },
  {
    name: 'signed out over the page',
    path: '/today',
    who: 'full',
    reach: async (page) => {
      await row(page, 'Renew the passport').waitFor();
      await page.context().clearCookies();
      await page.keyboard.press('b');
      await layer(page, 'Sign in again');
    },
    complains: /401/,
  },
];
