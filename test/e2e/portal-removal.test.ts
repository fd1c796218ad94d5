/**
 * Removing a site that has closed, in central's portal in a browser: who may, what is said before, the name that is typed, how far it is, a
 * line that breaks off in the middle, and what is left afterwards.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DESK,
  openBrowser,
  overflowOf,
  PHONE,
  SHOTS,
  signIn,
  type Visit,
  violations,
  visit,
} from '../support/browser.ts';
import { createFleet, type TestFleet, until } from '../support/fleet.ts';
import { current, hallAt } from '../support/fleet-halls.ts';

const PASSWORD = 'a long enough password';
/** Together some seconds of work, also for a quick computer. */
const ORDERS = 15_000;
const EVENTS = 300_000;

let fleet: TestFleet;
let browser: Browser;
let seen: Visit;
let page: Page;

const at = () => `http://127.0.0.1:${fleet.central.peoplePort}/`;
const panel = (name: string) => page.getByRole('region', { name, exact: true });
const dialog = () => page.getByRole('dialog');
const removeOf = (site: string) => page.getByRole('button', { name: `Remove ${site}…` });

async function typed(name: string): Promise<void> {
  await dialog().locator('input[name=confirm]').fill(name);
  await dialog()
    .getByRole('button', { name: /^(Remove it|Go on)$/ })
    .click();
}

beforeAll(async () => {
  fleet = await createFleet(undefined, { ui: process.env.UI_ROOT ?? 'build/ui' });
  const lon = await hallAt(fleet, 'lon', { from: 0, count: 6 });
  const sto = await hallAt(fleet, 'sto', { from: 100, count: 6 });
  lon.site.connect();
  const leave = sto.site.connect();
  await current(fleet, 'lon', 'sto');
  leave();
  await fleet.forge(
    `WITH RECURSIVE n (i) AS (SELECT 1000000 UNION ALL SELECT i + 1 FROM n WHERE i < ${1_000_000 + EVENTS})
     INSERT INTO events (site, id, at, name, hardwarename, data) SELECT 'sto', i, 1, 'x', '', '{}' FROM n`,
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ORDERS})
     INSERT INTO intents (id, site, who, body, asked_at) SELECT 'waits-' || i, 'sto', 'ann', '{"kind":"edit"}', i FROM n`,
  );
  for (const [name, role] of [
    ['ada', 'operator'],
    ['root', 'admin'],
  ])
    await fleet.call('PUT', `/users/${name}`, { role, password: PASSWORD });
  browser = await openBrowser();
  seen = await visit(browser, at(), { viewport: DESK });
  page = seen.page;
  await signIn(page, 'root', PASSWORD);
  await panel('sto').waitFor();
});
afterAll(async () => {
  await browser?.close();
  await fleet?.close();
});

describe('a site in the portal of a fleet', () => {
  it('is shut out and removed by administrators alone', async () => {
    const { page: other } = await visit(browser, at(), { viewport: DESK });
    await signIn(other, 'ada', PASSWORD);
    await other.getByRole('region', { name: 'sto', exact: true }).waitFor();
    expect(await other.getByRole('button', { name: /Remove|Shut/ }).count()).toBe(0);
    await other.context().close();
    await page.getByRole('button', { name: 'Shut sto out…' }).waitFor();
    expect(await removeOf('sto').count()).toBe(0);
  });

  it('is shut out before, with what that means', async () => {
    await page.getByRole('button', { name: 'Shut sto out…' }).click();
    await dialog().getByText('comes back by a new code').waitFor();
    expect(await violations(page)).toEqual([]);
    await dialog().getByRole('button', { name: 'Shut it out' }).click();
    await dialog().waitFor({ state: 'detached' });
    await panel('sto').getByText('none that is living').waitFor();
    await page.getByRole('button', { name: 'Shut lon out…' }).waitFor();
    await removeOf('sto').waitFor();
  });

  it('is not removed without its name, and what goes is said before', async () => {
    await removeOf('sto').click();
    await dialog().getByText('6 machines count no more').waitFor();
    await dialog().getByText('cannot be undone').waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-removal-desk.png` });
    expect(await violations(page)).toEqual([]);
    await page.setViewportSize(PHONE);
    expect(await overflowOf(page)).toBe(0);
    await page.screenshot({ path: `${SHOTS}/portal-removal-phone.png` });
    await page.setViewportSize(DESK);
    await typed('lon');
    await dialog().getByRole('alert').getByText('Type sto').waitFor();
    expect(await fleet.look('SELECT site FROM removals')).toEqual([]);
  });

  it('shows how far it is, says when it is cut off, and goes on', async () => {
    let calls = 0;
    // The second answer is lost on its way.
    await page.route('**/sites/sto/remove', (route) =>
      ++calls === 2 ? route.abort() : route.continue(),
    );
    await typed('sto');
    await dialog()
      .getByText(/\d machines? and [\d,]+ events are left/)
      .waitFor();
    await dialog().getByRole('alert').getByText('Central does not answer').waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-removal-progress-desk.png` });
    expect(await violations(page)).toEqual([]);
    await dialog().getByRole('button', { name: 'Go on' }).click();
    await dialog().waitFor({ state: 'detached', timeout: 120_000 });
    await page.getByText(/sto is removed: .*6 machines, .*300,\d{3} events/).waitFor();
    await expect.poll(() => panel('sto').count()).toBe(0);
    await page.getByText('SITE_REMOVED').waitFor();
    await page.locator('[data-free="6"]').waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-removed-desk.png` });
    expect(await fleet.look("SELECT id FROM events WHERE site = 'sto'")).toEqual([]);
  });

  it('that has joined again meanwhile is not removed, and the page says why', async () => {
    await fleet.site('ams');
    await fleet.call('POST', '/sites/ams/revoke');
    await removeOf('ams').click();
    // It has joined again since the page was read.
    await fleet.site('ams');
    await typed('ams');
    await dialog().getByRole('alert').getByText('A certificate of the site is living').waitFor();
    await dialog().getByRole('button', { name: 'Close' }).click();
    await dialog().waitFor({ state: 'detached' });
    await until(
      () => fleet.call('GET', '/sites'),
      ({ body }) => body.sites.length === 2,
    );
    await page.getByRole('button', { name: 'Shut ams out…' }).waitFor();
    // What was refused, or cut off by this test.
    const expected = /status of 40[19]|ERR_FAILED/;
    expect(seen.problems.filter((text) => !expected.test(text))).toEqual([]);
    expect(seen.foreign).toEqual([]);
  });
});
