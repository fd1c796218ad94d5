/**
 * Provisioning by clicking: a request from the empty form to machines in use, a pool with its rolling reset, a channel moved back.
 *
 * The daemon's own listener, matching and engines; installs are stand-ins on simulated time, because what is judged here is the
 * page. That real machines install is the lab's to judge (docs/lab.md).
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DESK, openBrowser, PHONE, SHOTS, signIn, type Visit, visit } from '../support/browser.ts';
import { openPortalHall, type PortalHall } from '../support/portal-hall.ts';
import { addImage, nameOf } from '../support/provision-machines.ts';

/** The first that the matching takes: by name, where nothing else tells machines apart. */
const BAD = nameOf(0);

let site: PortalHall;
let browser: Browser;
let seen: Visit;
let page: Page;

const overflow = () =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

beforeAll(async () => {
  site = await openPortalHall({
    machines: 16,
    machine: (index) => ({ type: index < 10 ? 'high-io' : 'web', rack: `R${index % 4}` }),
    fails: (machine) => (machine === BAD ? 'BMC_UNREACHABLE' : undefined),
  });
  await site.user('ada', 'operator', { music: 'operator' });
  await site.user('grace', 'viewer');
  browser = await openBrowser();
  seen = await visit(browser, site.url, { viewport: DESK });
  page = seen.page;
  await signIn(page, 'ada');
  await page.getByText('Live', { exact: true }).waitFor();
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
});

describe('a request, clicked together', () => {
  it('shows what is free while the hardware is typed, and where its words are wrong', async () => {
    await page.getByRole('link', { name: 'Requests' }).first().click();
    await page.getByRole('link', { name: 'Ask for machines' }).click();
    await page.locator('[data-free="16"]').waitFor();
    const hardware = page.locator('input[name=hardware]');
    await hardware.fill('type high-io, 2 NVMe >= 1 parsec');
    await page.getByText(/'parsec': a unit is missing or unknown here/).waitFor();
    await hardware.fill('type high-io, 1 NVMe >= 1 TB');
    await page.locator('[data-free="10"]').waitFor();
  });

  it('says which machines it would get and why, and why not the others', async () => {
    await page.locator('input[name=count]').fill('12');
    await page.locator('input[name=role]').fill('fancydb');
    await page.locator('select[name=image]').selectOption('debian-12/stable');
    await page.locator('select[name=squad]').selectOption('music');
    await page.getByText('Where, how they are called, how fast').click();
    await page.locator('input[name=pattern]').fill('{role}-{n}');
    await page.locator('[data-fitting="10"]').waitFor();
    await page.getByText('2 are missing').waitFor();
    await page.getByText('is of type web').waitFor();
    await page.locator('input[name=count]').fill('3');
    await page.getByText('3 of 3').waitFor();
    await page.getByRole('link', { name: BAD }).waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-request-new-desk.png` });
  });

  it('is asked for, and its machines are followed as they install', async () => {
    await page.getByRole('button', { name: 'Ask for 3' }).click();
    await page.waitForURL(/\/requests\/[0-9a-f-]{36}$/);
    await page.locator('[data-place]').first().waitFor();
    await site.hall.time.pass(20_000);
    const claimed = page.locator('[data-status="claimed"]');
    await expect.poll(() => claimed.count()).toBe(3);
    await page.locator('[data-entry="claimed"]').first().waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-request-desk.png` });
  });

  it('replaces the one that fails, ends with three in use, and has its whole history on one page', async () => {
    await site.hall.settle();
    await page.locator('h1').getByText('fulfilled').waitFor();
    expect(await page.locator('[data-status="done"]').count()).toBe(3);
    await page.getByText(`${BAD} failed, BMC_UNREACHABLE`).waitFor();
    await page.getByText('1 machine before it failed').waitFor();
    await page.setViewportSize(PHONE);
    expect(await overflow()).toBeLessThanOrEqual(0);
    await page.screenshot({ path: `${SHOTS}/portal-request-phone.png` });
    await page.setViewportSize(DESK);
  });

  it('is not offered to who may not ask', async () => {
    const other = await visit(browser, site.url);
    await signIn(other.page, 'grace');
    await other.page.getByText('Live', { exact: true }).waitFor();
    await other.page.goto(`${site.url}/requests`);
    await other.page.getByText('Newest first').waitFor();
    expect(await other.page.getByRole('link', { name: 'Ask for machines' }).count()).toBe(0);
    await other.page.goto(`${site.url}/requests/new`);
    await other.page.getByText('It takes an operator').waitFor();
    await other.page.context().close();
  });
});

describe('a pool', () => {
  const turn = async (word: string, told: string) => {
    await page.getByRole('button', { name: `${word}…`, exact: true }).click();
    await page.locator('dialog input[name=why]').fill('to see that it works');
    await page.locator('dialog button[type=submit]').click();
    await page.getByText(told).waitFor();
  };

  it('shows what it is to have and has', async () => {
    site.hall.pool('web', { count: 3, hardware: 'type web' });
    await page.goto(`${site.url}/pools`);
    await page.locator('[data-pool=web]').getByText('0 of 3').waitFor();
    await site.hall.until(() => site.hall.members('web').length === 3);
    await page.locator('[data-pool=web]').getByText('3 of 3').waitFor();
    await page.getByText('None is open').waitFor();
  });

  it('is reset machine by machine: paused, let go on, ended', async () => {
    await page.getByRole('link', { name: 'web', exact: true }).click();
    await turn('Rolling reset', 'The rolling reset has begun.');
    await page.locator('.reset[data-status=running]').waitFor();
    await site.hall.time.pass(20_000);
    await turn('Pause', 'It is paused.');
    await page.locator('.reset[data-status=paused]').waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-pool-desk.png` });
    await turn('Go on', 'It goes on.');
    await page.locator('.reset[data-status=running]').waitFor();
    await turn('Abort', 'It has ended.');
    await page.locator('.reset[data-status=aborted]').waitFor();
    expect(await page.getByRole('button', { name: 'Pause…' }).count()).toBe(0);
  });
});

describe('a squad', () => {
  it('has used what its machines are, of what it may have', async () => {
    site.hall.squad('music', { machines: 20, types: { web: 3 } });
    await page.goto(`${site.url}/squads`);
    await page.locator('[data-squad=music]').getByText('of 20').waitFor();
    await page.locator('[data-squad=music]').getByText('of 3, full').waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-squads-desk.png` });
  });
});

describe('a role', () => {
  it('is written from what machines already have, and changed by nobody who saw an older one', async () => {
    await site.user('alan', 'admin');
    const other = await visit(browser, site.url, { viewport: DESK });
    const desk = other.page;
    await signIn(desk, 'alan');
    await desk.getByText('Live', { exact: true }).waitFor();
    await desk.goto(`${site.url}/roles`);
    const panel = desk.getByRole('region', { name: 'fancydb' });
    await panel.getByText('It brings nothing to an install.').waitFor();
    await panel.getByRole('link', { name: '3 machines' }).waitFor();
    await panel.getByRole('button', { name: 'Change…' }).click();
    await desk.locator('textarea[name=metadata]').fill('cluster main');
    await desk.locator('input[name=why]').fill('a new cluster');
    await desk.getByRole('button', { name: 'Write it' }).click();
    await desk.getByText("'cluster main' is not a name and a value").waitFor();
    await desk.locator('textarea[name=metadata]').fill('cluster: main\nreplicas: 3');
    await desk.getByRole('button', { name: 'Write it' }).click();
    await panel.getByText('replicas').waitFor();
    const { records } = site.hall.now.inventory.serverdb;
    expect(records.get('role', 'fancydb')?.doc).toMatchObject({
      metadata: { cluster: 'main', replicas: 3 },
    });
    await panel.getByRole('button', { name: 'Change…' }).click();
    expect(await desk.locator('textarea[name=metadata]').inputValue()).toBe(
      'cluster: main\nreplicas: 3',
    );
    await desk.keyboard.press('Escape');
    await page.goto(`${site.url}/roles`);
    await page.getByText('replicas').waitFor();
    expect(await page.getByRole('button', { name: 'Change…' }).count()).toBe(0);
    await desk.context().close();
  });
});

describe('a channel', () => {
  it('is moved back to where it pointed, with the reason in its history', async () => {
    const { inventory } = site.hall.now;
    inventory.transaction(() => addImage(inventory, '2'));
    await page.goto(`${site.url}/images`);
    await page.getByRole('button', { name: 'stable → 2' }).click();
    await page.locator('dialog input[name=why]').fill('it does not boot');
    await page.getByRole('button', { name: 'Back to 1' }).click();
    await page.getByRole('button', { name: 'stable → 1' }).click();
    await page.getByText(/ada: it does not boot/).waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-channel-desk.png` });
  });
});

it('asked nobody else, and had no error but what was refused', () => {
  expect(seen.foreign).toEqual([]);
  expect(seen.problems.filter((text) => !/status of 4\d\d/.test(text))).toEqual([]);
});
