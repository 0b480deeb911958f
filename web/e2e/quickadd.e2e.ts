import { expect, test } from 'vitest';
import { inDays, row, Suite } from './suite';

const suite = new Suite();

test('what is recognised is marked, and Enter adds what the chips show', async () => {
  const account = await suite.account();
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/all`);
  const field = page.getByRole('textbox', { name: 'Add a task' });
  await field.fill('Call mom tomorrow 5pm !high #home');
  for (const part of ['tomorrow', '5pm', '!high', '#home']) {
    await page.locator('mark', { hasText: part }).waitFor();
  }
  await page.getByText('High', { exact: true }).waitFor();
  await page.keyboard.press('Enter');
  await row(page, 'Call mom').waitFor();
  await expect
    .poll(async () => account.tasks())
    .toMatchObject([
      {
        title: 'Call mom',
        due_date: `${inDays(1)}T17:00:00Z`,
        priority: 'high',
        category: 'home',
      },
    ]);
});

test('a chip that is taken away makes its part words again, and so does Backspace', async () => {
  const account = await suite.account();
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/all`);
  const field = page.getByRole('textbox', { name: 'Add a task' });
  await field.fill('Watch tomorrow #films');
  await page.locator('mark', { hasText: '#films' }).waitFor();
  await page.keyboard.press('Backspace');
  await page.locator('mark', { hasText: '#films' }).waitFor({ state: 'detached' });
  expect(await field.inputValue()).toBe('Watch tomorrow #films');
  await field.fill('Watch the film tomorrow');
  await page.locator('mark', { hasText: 'tomorrow' }).waitFor();
  await page.getByRole('button', { name: /tomorrow.* are only words/ }).click();
  await page.locator('mark').first().waitFor({ state: 'detached' });
  await page.keyboard.press('Enter');
  await row(page, 'Watch the film tomorrow').waitFor();
  await expect
    .poll(async () => account.tasks())
    .toMatchObject([{ title: 'Watch the film tomorrow', due_date: null }]);
});

test('a rule that is not known is underlined, and the nearest are offered', async () => {
  const account = await suite.account();
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/all`);
  const field = page.getByRole('textbox', { name: 'Add a task' });
  await field.fill('chess every second tuesday of the month');
  await page.locator('.mark-unknown', { hasText: 'every second tuesday' }).waitFor();
  await page.getByRole('button', { name: 'every month' }).click();
  expect(await field.inputValue()).toBe('chess every month');
  await page.locator('.mark-known', { hasText: 'every month' }).waitFor();
});

test('without a title it is refused, and the text stays', async () => {
  const account = await suite.account();
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/all`);
  const field = page.getByRole('textbox', { name: 'Add a task' });
  await field.fill('tomorrow 5pm');
  await page.locator('mark', { hasText: '5pm' }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByText('What is to be done?', { exact: true }).waitFor();
  expect(await field.inputValue()).toBe('tomorrow 5pm');
  expect(await account.tasks()).toEqual([]);
});

test('Enter before the answer sends the text itself, and it is read as typed', async () => {
  const account = await suite.account();
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/all`);
  const field = page.getByRole('textbox', { name: 'Add a task' });
  await field.focus();
  await page.keyboard.type('Pay the rent tomorrow #finance');
  await page.keyboard.press('Enter');
  await row(page, 'Pay the rent').waitFor();
  await expect
    .poll(async () => account.tasks())
    .toMatchObject([{ title: 'Pay the rent', due_on: inDays(1), category: 'finance' }]);
});

test('what is being typed survives a reload and another page; Shift+Enter opens it', async () => {
  const account = await suite.account();
  const { page } = await suite.page(account);
  await page.goto(`${suite.url}/all`);
  const field = page.getByRole('textbox', { name: 'Add a task' });
  await field.fill('Half a thought');
  await page.reload();
  await expect.poll(() => field.inputValue()).toBe('Half a thought');
  await page.getByRole('link', { name: 'Upcoming' }).first().click();
  await expect.poll(() => field.inputValue()).toBe('Half a thought');
  await page.getByRole('link', { name: 'Today' }).first().click();
  await field.focus();
  await page.keyboard.press('Escape');
  await page.keyboard.press('q');
  await page.keyboard.press('Shift+Enter');
  const title = page.getByLabel('Title');
  await expect.poll(() => title.inputValue()).toBe('Half a thought');
  await expect
    .poll(async () => (await account.tasks()).map((task) => task.due_on))
    .toEqual([inDays(0)]);
  await title.fill('A whole thought');
  await expect
    .poll(async () => (await account.tasks()).map((task) => task.title))
    .toEqual(['A whole thought']);
});
