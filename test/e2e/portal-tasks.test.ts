/**
 * The commonest tasks of a technician and of an engineer, done in a browser as docs/portal.md says, by somebody who has never
 * been there: from the board, signed in. The page itself counts the taps, and the document has to say the same number.
 */
import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DESK, openBrowser, PHONE, SHOTS, signIn, visit } from '../support/browser.ts';
import { openPortal, type Portal } from '../support/portal.ts';
import { furnishSite } from '../support/portal-site.ts';

const TAPS_MAX = 3;
/** Has a BMC and stands in a rack. */
const MACHINE = 'C0MP002I';
/** The same, and free of jobs. */
const OTHER = 'C0MP002H';

type Task = (page: Page) => Promise<unknown>;

const link = (page: Page, name: string) => page.getByRole('link', { name, exact: true });
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

async function goTo(page: Page, name: string): Promise<void> {
  await page.keyboard.press('/');
  await page.locator('#search:focus').waitFor();
  await page.keyboard.type(name);
  await page.keyboard.press('Enter');
  await page.waitForURL(`**/machines/${name}`);
}

/** Name of the picture, and what is done; each ends when what was wanted is seen. */
const TECHNICIAN: Readonly<Record<string, readonly [shot: string, task: Task]>> = {
  'See which machine is stuck, why, and what to try': [
    'stuck',
    (page) => page.locator('.row.stalled .trouble').first().waitFor(),
  ],
  'Go from a label to its machine': [
    'label',
    async (page) => {
      await link(page, 'Scan').click();
      await page.locator('.scan-form input:focus').waitFor();
      await page.keyboard.type(`S/N: ${MACHINE}`);
      await button(page, 'Find').click();
      await page.waitForURL(`**/machines/${MACHINE}`);
      await page.locator('.panel').first().waitFor();
    },
  ],
  'Find a machine in the row': [
    'lamp',
    async (page) => {
      await page.getByRole('searchbox').click();
      await page.keyboard.type(MACHINE.slice(-3));
      await page.locator(`.row[data-key="${MACHINE}"]`).click();
      await button(page, 'Light the lamp').click();
      await button(page, 'Lighting…').waitFor();
      portal.endJob(MACHINE);
      await button(page, 'Lamp off').waitFor();
    },
  ],
  'See what is missing of a delivery': [
    'delivery',
    async (page) => {
      await button(page, 'More').click();
      await page.locator('.sheet').getByRole('link', { name: 'Deliveries' }).click();
      await link(page, 'PO-4711').click();
      await page.getByText('NEVERCAME1').first().waitFor();
    },
  ],
  'Be told when a machine arrives': [
    'watch',
    async (page) => {
      await link(page, 'Scan').click();
      await page.locator('.scan-form input:focus').waitFor();
      await page.keyboard.type('NEVERCAME1');
      await button(page, '☆ Watch for it').click();
      await page.getByRole('list', { name: 'Watched' }).getByText('NEVERCAME1').waitFor();
    },
  ],
};

const ENGINEER: typeof TECHNICIAN = {
  'Ask for ten machines': [
    'ask',
    async (page) => {
      await link(page, 'Requests').click();
      await link(page, 'Ask for machines').click();
      await page.locator('input[name=count]').fill('10');
      await page.locator('input[name=role]').fill('search');
      await page.locator('input[name=hardware]').fill('type high-io');
      await page.locator('select[name=image]').selectOption('debian-12/stable');
      await page.getByText('10 of 10').waitFor();
      await page.screenshot({ path: `${SHOTS}/portal-task-ask.png` });
      await button(page, 'Ask for 10').click();
      await page.waitForURL(/\/requests\/[0-9a-f-]{36}$/);
    },
  ],
  'See how far they are': [
    'progress',
    async (page) => {
      await link(page, 'Requests').click();
      await link(page, '5 fancydb').click();
      await page.locator('[data-status="claimed"]').first().waitFor();
    },
  ],
  'Power-cycle a machine': [
    'power',
    async (page) => {
      await goTo(page, OTHER);
      await button(page, 'Power cycle…').click();
      await page.locator('dialog').getByRole('button', { name: 'Power cycle' }).click();
      await page.waitForURL(/\/jobs\/[0-9a-f-]{36}$/);
      await page.locator('.job-steps li').first().waitFor();
    },
  ],
  'Type into the console of a machine': [
    'console',
    async (page) => {
      await goTo(page, MACHINE);
      await page.getByRole('tab', { name: 'Console' }).click();
      await page.locator('.console-box .xterm').waitFor();
    },
  ],
  'See what changed on a machine, when, and by whom': [
    'history',
    async (page) => {
      await goTo(page, MACHINE);
      await page.getByRole('tab', { name: 'History' }).click();
      await page.locator('.changes ins').first().waitFor();
    },
  ],
};

/** Task and taps of each row of the document's tables. */
const documented = new Map(
  [...readFileSync('docs/portal.md', 'utf8').matchAll(/^\| ([A-Z][^|]+?) \| (\d+) \|/gm)].map(
    ([, task = '', taps]) => [task, Number(taps)],
  ),
);

let portal: Portal;
let browser: Browser;

beforeAll(async () => {
  portal = await openPortal();
  await furnishSite(portal);
  const { inventory } = portal.world;
  const rule = { role: '', site: '', pattern: '{role}{n:2}', first: 1, notes: '' };
  inventory.transaction(() =>
    inventory.serverdb.records.put('naming', { name: 'any', doc: rule }, { who: 'ada', why: '' }),
  );
  await portal.user('lin', 'operator');
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  await portal?.close();
});

/** In the page, before it runs: pages of the portal follow each other without a reload, so the count goes on. */
function countTaps(): void {
  const count = { taps: 0 };
  Object.assign(globalThis, { count });
  addEventListener('pointerdown', ({ isTrusted }) => (count.taps += isTrusted ? 1 : 0), true);
}
const tapsOf = (page: Page): Promise<number> =>
  page.evaluate(() => (globalThis as unknown as { count: { taps: number } }).count.taps);

async function come(user: string, viewport: typeof PHONE): Promise<Page> {
  const { page } = await visit(browser, portal.url, { viewport, hasTouch: viewport === PHONE });
  await page.addInitScript(countTaps);
  await signIn(page, user);
  await page.getByText('Live', { exact: true }).waitFor();
  return page;
}

describe.each([
  ['a technician with a phone', 'grace', PHONE, TECHNICIAN],
  ['an engineer at a desk', 'lin', DESK, ENGINEER],
] as const)('%s', (_who, user, viewport, tasks) => {
  let page: Page;
  beforeAll(async () => {
    page = await come(user, viewport);
  });
  afterAll(() => page?.context().close());

  it.each(Object.keys(tasks))('%s', async (name) => {
    const [shot, task] = tasks[name] as readonly [string, Task];
    await page.goto(portal.url);
    await page.getByText('Live', { exact: true }).waitFor();
    await task(page);
    const taps = await tapsOf(page);
    if (shot !== 'ask') await page.screenshot({ path: `${SHOTS}/portal-task-${shot}.png` });
    expect(taps).toBe(documented.get(name));
    expect(taps).toBeLessThanOrEqual(TAPS_MAX);
  });
});

it('the document has these tasks and no other', () => {
  expect([...documented.keys()]).toEqual([...Object.keys(TECHNICIAN), ...Object.keys(ENGINEER)]);
});
