import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import type { Account, Watched } from './browser';
import { fill, type State, states } from './states';
import { expectComplaints, Suite } from './suite';

const suite = new Suite();
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let accounts: Promise<{ full: Account; empty: Account }> | null = null;
const people = () => {
  accounts ??= (async () => {
    const full = await suite.account();
    await fill(full);
    return { full, empty: await suite.account() };
  })();
  return accounts;
};

async function reach(state: State, options: BrowserContextOptions): Promise<Watched> {
  const { full, empty } = await people();
  const account = { full, empty, nobody: null }[state.who];
  const watched = await suite.page(account, { reducedMotion: 'reduce', ...options });
  await watched.page.goto(suite.url + state.path);
  await watched.page.locator('h1:visible, h2:visible').first().waitFor();
  await state.reach?.(watched.page, full);
  await watched.page.waitForFunction(() => document.querySelector('[aria-busy=true]') === null);
  return watched;
}

const everyRule = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

async function violations(page: Page, rules = everyRule): Promise<string[]> {
  // Not as a script of the page: its policy would not let it in.
  await page.evaluate(axe);
  return page.evaluate(async (runOnly) => {
    const { axe } = window as unknown as { axe: { run: (options: unknown) => Promise<any> } };
    const result = await axe.run({ runOnly });
    return result.violations.flatMap((violation: any) =>
      violation.nodes.map(
        (node: any) => `${violation.id}: ${node.html.slice(0, 160)} ${node.failureSummary}`,
      ),
    );
  }, rules);
}

const wider = (page: Page) =>
  page.evaluate(() => {
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return [];
    return [...document.querySelectorAll('body *')]
      .filter((element) => element.getBoundingClientRect().right > root.clientWidth + 1)
      .map((element) => element.outerHTML.slice(0, 120))
      .slice(0, 5);
  });

/** What can be pressed and is smaller than it may be. Links within a sentence may be of its height. */
const tooSmall = (page: Page, px: number) =>
  page.evaluate((least) => {
    const modal = [...document.querySelectorAll('dialog[open]')].at(-1);
    const inside = modal ?? document.body;
    const pressed = 'button, a[href], input, select, textarea, [role=option], [role=menuitem]';
    return [...inside.querySelectorAll<HTMLElement>(pressed)]
      .filter((element) => element.checkVisibility({ opacityProperty: true }))
      .filter((element) => getComputedStyle(element).display !== 'inline')
      .filter((element) => {
        // A title is no target of its own: the whole row is; so is the label of a box.
        if (element.dataset.action === 'open') return false;
        const target = element.closest('label') ?? element;
        const { width, height } = target.getBoundingClientRect();
        return width > 0 && (height < least - 0.5 || width < least - 0.5);
      })
      .map((element) => {
        const { width, height } = element.getBoundingClientRect();
        return `${Math.round(width)}×${Math.round(height)} ${element.outerHTML.slice(0, 120)}`;
      });
  }, px);

const screens: [string, BrowserContextOptions][] = [
  ['320 px', { viewport: { width: 320, height: 700 }, hasTouch: true, isMobile: true }],
  ['1280 px', { viewport: { width: 1280, height: 800 } }],
];

describe.each(screens)('%s', (_, options) => {
  test.each(states)('$name', async (state) => {
    const watched = await reach(state, options);
    const { page } = watched;
    expect(await violations(page)).toEqual([]);
    expect(await wider(page)).toEqual([]);
    expect(await tooSmall(page, options.isMobile ? 44 : 24)).toEqual([]);
    // Dark is the same page in other colours.
    await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
    expect(await violations(page, ['color-contrast'])).toEqual([]);
    if (state.complains) expectComplaints(watched, state.complains);
  });
});

test('nothing scrolls sideways from 320 to 1920 px, nor at 200 % text', async () => {
  const { full } = await people();
  const { page } = await suite.page(full);
  for (const path of ['/today', '/upcoming', '/activity', '/settings', '/all?priority=urgent']) {
    await page.goto(suite.url + path);
    await page.getByRole('heading', { level: 1 }).waitFor();
    for (const width of [320, 360, 414, 600, 767, 768, 900, 1023, 1024, 1440, 1920]) {
      await page.setViewportSize({ width, height: 800 });
      expect([path, width, await wider(page)]).toEqual([path, width, []]);
    }
    await page.evaluate(() => {
      document.documentElement.style.fontSize = '32px';
    });
    for (const width of [320, 768, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      expect([path, 'text 200 %', width, await wider(page)]).toEqual([
        path,
        'text 200 %',
        width,
        [],
      ]);
    }
  }
});
