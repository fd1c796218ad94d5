/**
 * Every page and every dialog of the portal on a phone, every page on a desk: it fits, axe-core finds nothing serious in dark
 * and in light, nothing is asked of anybody else, and a picture of it is kept.
 */
import type { Browser } from 'playwright-core';
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
  violationsInOther,
  visit,
} from '../support/browser.ts';
import { arrive, carry, openPortal, type Portal, uuidOf } from '../support/portal.ts';
import { DIALOGS, judgeDialog } from '../support/portal-dialogs.ts';
import { furnishSite } from '../support/portal-site.ts';

/** Name of the picture, address, and what is there when the page is ready. */
const PAGES: readonly (readonly [name: string, path: string, ready: string])[] = [
  ['board', '/', '.row.stalled'],
  ['racks', '/racks', '.elevation .slot'],
  ['machines', '/machines', 'tbody tr'],
  ['machine', '/machines/C0MPUT3', '.steps'],
  ['hardware', '/machines/C0MPUT3?tab=hardware', '.tile.cpu'],
  ['history', '/machines/C0MPUT3?tab=history', '.changes'],
  ['explain', '/machines/C0MPUT3?tab=explain', '[data-client]'],
  ['machine-jobs', '/machines/C0MPUT3?tab=jobs', '.chapter'],
  ['boot', '', '[aria-label="What it said and heard"] td'],
  ['deliveries', '/deliveries', 'tbody tr'],
  ['delivery', '/deliveries/PO-4711', 'tbody tr'],
  ['delivery-racks', '/racks?delivery=PO-4711', '.elevation .expected'],
  ['requests', '/requests', 'tbody tr'],
  ['request-new', '/requests/new', '[data-free]'],
  ['request', '', '[data-place]'],
  ['pools', '/pools', '[data-pool]'],
  ['pool', '/pools/web', 'tbody tr'],
  ['images', '/images', '.channels button'],
  ['roles', '/roles', '[data-role]'],
  ['squads', '/squads', '[data-squad]'],
  ['overview', '/overview', '.bars'],
  ['jobs', '/jobs', 'tbody tr'],
  ['job', '', '.job-steps'],
  ['events', '/events', 'tbody tr'],
  ['dns', '/dns', 'tbody tr'],
  ['people', '/people', 'tbody tr'],
  ['settings', '/settings', 'tbody tr'],
  ['scan', '/scan', '.scan-form'],
];

let portal: Portal;
let browser: Browser;
let phone: Visit;
let desk: Visit;
const paths = new Map<string, string>();

beforeAll(async () => {
  portal = await openPortal();
  const { boot, job, request } = await furnishSite(portal);
  paths.set('boot', `/boots/${boot}`);
  paths.set('job', `/jobs/${job}`);
  paths.set('request', `/requests/${request}`);
  browser = await openBrowser();
  phone = await visit(browser, portal.url, { viewport: PHONE, deviceScaleFactor: 1.5 });
  desk = await visit(browser, portal.url, { viewport: DESK, colorScheme: 'light' });
});
afterAll(async () => {
  await browser?.close();
  await portal?.close();
});

describe('signing in', () => {
  it('is asked for where nothing may be read without, and says what is wrong', async () => {
    const { page } = phone;
    await page.getByRole('heading', { name: 'Reveille' }).waitFor();
    expect(await page.locator('.row').count()).toBe(0);
    const refused = portal.world.inventory.events
      .after(0, 10_000)
      .flatMap(({ name, data }) =>
        name === 'access.refused' ? (data as { path: string }).path : [],
      );
    expect([...new Set(refused)]).toEqual(['/api/v1/session']);
    expect(await violations(page)).toEqual([]);
    await page.screenshot({ path: `${SHOTS}/portal-sign-in-phone.png` });
    await signIn(page, 'ada', 'not the password');
    await page.getByText('do not go together').waitFor();
    for (const { page } of [phone, desk]) {
      await signIn(page, 'ada');
      await page.locator('.row.stalled').first().waitFor();
    }
  });
});

describe.each(PAGES)('%s', (name, path, ready) => {
  it.each(['phone', 'desk'] as const)('on a %s', async (kind) => {
    const { page } = kind === 'phone' ? phone : desk;
    await page.goto(portal.url + (paths.get(name) ?? path));
    await page.locator(ready).first().waitFor();
    expect(await overflowOf(page)).toBeLessThanOrEqual(0);
    await page.screenshot({ path: `${SHOTS}/portal-${name}-${kind}.png` });
    expect(await violations(page)).toEqual([]);
    expect(await violationsInOther(page)).toEqual([]);
  });
});

describe('the dialog', () => {
  it.each(DIALOGS)('%s holds the focus, and gives it back', async (name, path, opens, title) => {
    const { page } = phone;
    await page.goto(portal.url + (paths.get(path) ?? path));
    const opener = page.getByRole('button', { name: opens, ...exactly(opens) }).first();
    const picture = `${SHOTS}/portal-dialog-${name}-phone.png`;
    await judgeDialog(page, { opener, title, look: () => page.screenshot({ path: picture }) });
  });
});

const exactly = (name: string | RegExp) => ({ exact: typeof name === 'string' });

describe('before and after', () => {
  it('tells what a machine was answered at a moment, on its page', async () => {
    const { page } = desk;
    await page.goto(`${portal.url}/machines/C0MPUT3?tab=explain`);
    await page.getByLabel('Date and time').fill('2031-01-01T00:00');
    await page.locator('[data-past]').waitFor();
    expect(await page.locator('[data-past]').textContent()).toMatch(/It was .*last boot/);
    await page.screenshot({ path: `${SHOTS}/portal-past-desk.png` });
    expect(await violations(page)).toEqual([]);
  });

  it('tells what another configuration would change, and changes nothing', async () => {
    for (const { page } of [phone, desk]) {
      await page.goto(`${portal.url}/settings`);
      await page.getByLabel('The whole text of it').fill('boot: { kernelArguments: quiet }');
      await page.getByRole('button', { name: 'Compare' }).click();
      await page.locator('[data-compared] .diff').waitFor();
      const shown = await page.locator('[data-compared]').textContent();
      expect(shown).toContain('1 answers change for 1 of 100 machines');
      expect(shown).toContain('+ kernel a quiet');
      expect(await violations(page)).toEqual([]);
    }
    await desk.page.screenshot({ path: `${SHOTS}/portal-changes-desk.png`, fullPage: true });
  });
});

describe('the board', () => {
  it.each(['phone', 'desk'] as const)(
    'says all of a cause and what to try, on a %s',
    async (kind) => {
      const { page } = kind === 'phone' ? phone : desk;
      await page.goto(portal.url);
      await page.locator('.row.stalled').first().waitFor();
      const cut = await page.evaluate(() =>
        [...document.querySelectorAll('.row, .row .trouble > *')]
          .filter((part) => part.scrollHeight > part.clientHeight)
          .map((part) => part.textContent),
      );
      expect(await page.locator('.row .trouble').count()).toBeGreaterThan(4);
      expect(cut).toEqual([]);
    },
  );
});

describe('a technician', () => {
  it('lights the lamp of a machine with one tap, and is offered nothing that takes an operator', async () => {
    const { page } = await visit(browser, portal.url);
    await signIn(page, 'grace');
    await page.locator('.row.stalled').first().waitFor();
    await page.goto(`${portal.url}/machines/C0MP002I`);
    await page.getByRole('button', { name: 'Light the lamp' }).click();
    await page.getByRole('button', { name: 'Lighting…' }).waitFor();
    portal.endJob('C0MP002I');
    await page.getByRole('button', { name: 'Lamp off' }).waitFor();
    // Whoever comes next sees it lit, and puts it out.
    await page.reload();
    await page.getByRole('button', { name: 'Lamp off' }).click();
    await page.getByRole('button', { name: 'Light the lamp' }).waitFor();
    expect(await page.getByRole('button', { name: 'Power cycle…' }).count()).toBe(0);
    await page.context().close();
  });
});

/** In the page, before it runs: what the device would have felt and played. */
function feel(): void {
  const felt: number[][] = [];
  const device = { felt, notes: 0 };
  Object.assign(globalThis, { device });
  Object.defineProperty(Navigator.prototype, 'vibrate', {
    value: (pattern: number[]) => felt.push(pattern) > 0,
  });
  const play = AudioContext.prototype.createOscillator;
  AudioContext.prototype.createOscillator = function note(this: AudioContext) {
    device.notes += 1;
    return play.call(this);
  };
}

describe('whoever has a keyboard and no mouse', () => {
  it('finds a machine, and goes through its tabs by arrows', async () => {
    const { page } = desk;
    await page.goto(`${portal.url}/jobs`);
    await page.getByText('Newest first').waitFor();
    await page.keyboard.press('/');
    await page.locator('#search:focus').waitFor();
    await page.keyboard.type('C0MPUT3');
    await page.keyboard.press('Enter');
    const tab = (name: string) => page.getByRole('tab', { name, selected: true });
    await tab('Overview').focus();
    await page.keyboard.press('ArrowRight');
    await tab('Hardware').waitFor();
    await page.locator('.tile.cpu').first().waitFor();
    await page.keyboard.press('End');
    await tab('History').waitFor();
    await page.keyboard.press('ArrowRight');
    await tab('Overview').waitFor();
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Overview');
  });
});

describe('who watches a machine', () => {
  it('hears and feels when it arrives, and otherwise when it stalls', async () => {
    const { page } = await visit(browser, portal.url);
    await page.addInitScript(feel);
    await signIn(page, 'grace');
    await page.locator('.row.stalled').first().waitFor();
    await page.evaluate(() => localStorage.setItem('reveille.watched', '["WATCHED1"]'));
    await page.reload();
    await page.getByText('Live', { exact: true }).waitFor();
    const device = () =>
      page.evaluate(
        () => (globalThis as unknown as { device: { felt: number[][]; notes: number } }).device,
      );
    const { world } = portal;
    const address = '52:54:00:77:00:99';
    arrive(world, { address, serial: 'WATCHED1', uuid: uuidOf(900_099) });
    await page.getByText('WATCHED1 has arrived.').waitFor();
    const arrived = await device();
    expect(arrived.felt).toEqual([[120]]);
    expect(arrived.notes).toBe(2);
    world.pass(600_000);
    carry(world, address, 'ack', 'uefi');
    world.pass(21_000);
    portal.watchStalls();
    await page.getByText(/WATCHED1 has stalled/).waitFor();
    const stalled = await device();
    expect(stalled.felt.at(-1)).toEqual([200, 100, 200, 100, 200]);
    expect(stalled.notes).toBe(4);
    await page.context().close();
  });
});

describe('a mistake that would drop half a zone', () => {
  it('is seen on the board, and put through or rolled back on its page', async () => {
    const { page } = desk;
    const { dns, world } = portal;
    const { machines, serverdb, transaction } = world.inventory;
    const names = machines.list().map(({ hardwarename }) => hardwarename);
    const move = async (addressOf: (n: number) => string) => {
      for (const [n, name] of names.entries()) {
        const change = { bmcAddress: addressOf(n) };
        const cause = { who: 'ada', why: 'a new range' };
        transaction(() => serverdb.editor.edit(name, change, cause));
      }
      await dns.keeper.fill(async () => undefined);
    };
    await move((n) => `10.0.2.${n}`);
    const good = dns.keeper.currentGeneration();
    await page.goto(portal.url);
    await page.locator('.row.stalled').first().waitFor();
    expect(await page.getByText('the next generation is refused').count()).toBe(0);
    await move(() => '');
    expect(dns.keeper.currentGeneration()).toBe(good);
    await page.getByText('the next generation is refused').waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-dns-refused-desk.png` });
    await page.getByRole('link', { name: 'Why, and what can be done' }).click();
    await page.getByText('needs a person').first().waitFor();
    const opener = page.getByRole('button', { name: 'What would change' });
    await judgeDialog(page, { opener, title: 'What the next generation would change' });
    await page.getByRole('button', { name: 'Put it through' }).click();
    await page.getByText('It is served.').waitFor();
    expect(dns.keeper.currentGeneration()).toBeGreaterThan(good);
    expect(dns.keeper.pending().faults).toEqual([]);
    await page.goto(portal.url);
    await page.locator('.row.stalled').first().waitFor();
    expect(await page.getByText('the next generation is refused').count()).toBe(0);
  });
});

describe('all of them', () => {
  it('asked nobody else, and had no error but the refused password', () => {
    for (const { foreign, problems } of [phone, desk]) {
      expect(foreign).toEqual([]);
      expect(problems.filter((text) => !/status of (401|404)/.test(text))).toEqual([]);
    }
  });

  it('the board is on a phone with less than 150 kB', async () => {
    const { page } = await visit(browser, 'about:blank');
    const files = new Set<string>();
    const sizes: number[] = [];
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    session.on('Network.responseReceived', ({ requestId, response }) => {
      if (!response.url.includes('/api/')) files.add(requestId);
    });
    session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      if (files.has(requestId)) sizes.push(encodedDataLength);
    });
    await page.goto(portal.url);
    await signIn(page, 'ada');
    await page.locator('.row.stalled').first().waitFor();
    const sum = sizes.reduce((total, size) => total + size, 0);
    expect(sum).toBeGreaterThan(10_000);
    expect(sum).toBeLessThan(150_000);
  });
});
