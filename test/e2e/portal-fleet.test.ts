/**
 * The portal as central serves it, in a browser: signing in as a user of the fleet, every site with how fresh it is, machines of all
 * sites and of one, a request over two sites. Sites are the daemon's own parts in this process, their installs stand-ins.
 */
import { createHash } from 'node:crypto';
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
import { current, type FleetHall, hallAt } from '../support/fleet-halls.ts';
import { nameOf } from '../support/provision-machines.ts';

const PASSWORD = 'a long enough password';
/** Of the fleet's own image; the stand-ins have one of this name. */
const BYTES = 'the bytes of an image';

let fleet: TestFleet;
let [lon, sto]: FleetHall[] = [];
let browser: Browser;
let seen: Visit;
let page: Page;

const user = (name: string, role: string) =>
  fleet.call('PUT', `/users/${name}`, { role, password: PASSWORD });

async function putImage(): Promise<void> {
  const sha256 = createHash('sha256').update(BYTES).digest('hex');
  const at = `http://127.0.0.1:${fleet.central.peoplePort}/api/v1/blobs/${sha256}`;
  const type = { 'content-type': 'application/octet-stream' };
  const headers = { authorization: `Bearer ${fleet.token}`, ...type };
  expect((await fetch(at, { method: 'PUT', headers, body: BYTES })).status).toBe(201);
  const image = { name: 'debian-12', version: '1', kind: 'raw', channel: 'stable' };
  const made = await fleet.call('POST', '/images', { ...image, files: [{ role: 'disk', sha256 }] });
  expect(made.status).toBe(201);
}

beforeAll(async () => {
  fleet = await createFleet(undefined, { ui: process.env.UI_ROOT ?? 'build/ui' });
  lon = await hallAt(fleet, 'lon', { from: 0, count: 6 });
  sto = await hallAt(fleet, 'sto', { from: 100, count: 6 });
  lon.site.connect();
  sto.site.connect();
  await current(fleet, 'lon', 'sto');
  await putImage();
  await user('ada', 'operator');
  await user('grace', 'viewer');
  browser = await openBrowser();
  seen = await visit(browser, `http://127.0.0.1:${fleet.central.peoplePort}/`, { viewport: DESK });
  page = seen.page;
});
afterAll(async () => {
  await browser?.close();
  await fleet?.close();
});

const panel = (name: string) => page.getByRole('region', { name });

describe('the portal of a fleet', () => {
  it('lets nobody look who has not signed in, and then shows each site and how fresh it is', async () => {
    await signIn(page, 'ada', 'not the password');
    await page.getByRole('alert').getByText('do not go together').waitFor();
    await signIn(page, 'ada');
    await page.getByRole('heading', { name: 'Sites' }).waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    for (const site of ['lon', 'sto'])
      await panel(site).locator('[data-freshness=current]').waitFor();
    await panel('lon').getByText('available').waitFor();
    await page.locator('[data-free="12"]').waitFor();
    // A wrong password is noticed where people look.
    await page.getByText('LOGIN_FAILED').waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-fleet-desk.png` });
    expect(await violations(page)).toEqual([]);
  });

  it('asks for machines over both sites, and follows each part to its end', async () => {
    await page.getByRole('link', { name: 'Requests' }).first().click();
    await page.getByRole('link', { name: 'Ask for machines' }).click();
    await page.locator('input[name=count]').fill('8');
    await page.locator('input[name=role]').fill('fancydb');
    await page.locator('select[name=image]').selectOption('debian-12/stable');
    await page.getByText('Where, how they are called, how fast').click();
    await page.locator('input[name=pattern]').fill('{role}-{site}-{n}');
    await page.locator('[data-fitting="8"]').waitFor();
    for (const site of ['lon', 'sto'])
      await panel('What you would get')
        .locator(`[data-part=${site}]`)
        .getByText('current')
        .waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-fleet-ask-desk.png` });
    await page.locator('form button[type=submit]').click();
    const parts = panel('By site');
    for (const site of ['lon', 'sto']) await parts.getByText(site).first().waitFor();
    await parts.getByText('working').first().waitFor();
    await Promise.all([lon?.hall.settle(), sto?.hall.settle()]);
    await page.getByRole('heading', { name: '8 of 8 machines in use' }).waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-fleet-request-desk.png` });
    expect(await violations(page)).toEqual([]);
  });

  it('calls off what is asked for too much, and what is in use stays', async () => {
    await page.getByRole('link', { name: 'Requests' }).first().click();
    await page.getByRole('link', { name: 'Ask for machines' }).click();
    await page.locator('input[name=count]').fill('7');
    await page.locator('input[name=role]').fill('spare');
    await page.locator('select[name=image]').selectOption('debian-12/stable');
    await page.getByText('Where, how they are called, how fast').click();
    await page.locator('input[name=pattern]').fill('{role}-{site}-{n}');
    // Four are free of twelve.
    await panel('What you would get').getByText('3 would wait').waitFor();
    await page.locator('form button[type=submit]').click();
    await page.getByRole('button', { name: 'Call it off…' }).click();
    await page.getByRole('dialog').locator('input[name=why]').fill('too many');
    await page.getByRole('dialog').getByRole('button', { name: 'Call it off' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    const id = new URL(page.url()).pathname.split('/').at(-1);
    await until(
      async () => {
        // Time runs at the sites only here, and they hear of it in their own.
        await Promise.all([lon?.hall.settle(), sto?.hall.settle()]);
        return (await fleet.call('GET', `/requests/${id}`)).body.request.status;
      },
      (status) => status === 'cancelled',
    );
    await page.locator('h1').getByText('cancelled').waitFor();
  });

  it('finds a machine of any site, shows those of one, and one with its events', async () => {
    await page.getByRole('link', { name: 'Machines' }).first().click();
    const rows = page.locator('tbody tr');
    await expect.poll(() => rows.count()).toBe(12);
    await page.locator('select[aria-label=Site]').selectOption('sto');
    await expect.poll(() => rows.count()).toBe(6);
    await page.locator('select[aria-label=Site]').selectOption('');
    await page.getByRole('searchbox').fill(nameOf(101).toLowerCase());
    await expect.poll(() => rows.count()).toBe(1);
    await page.getByRole('link', { name: nameOf(101) }).click();
    await page.getByRole('heading', { name: nameOf(101) }).waitFor();
    await page.getByText('sto · R10').waitFor();
    await page.getByText('machine.state').first().waitFor();
  });

  it('changes a machine at its site, and shows what was asked of it', async () => {
    const dialog = page.getByRole('dialog');
    const record = () => sto?.hall.now.inventory.machines.record(nameOf(101) as never);
    await page.getByRole('button', { name: 'Place and names…' }).click();
    await dialog.locator('input[name=notes]').fill('its fan is loud');
    await dialog.locator('input[name=why]').fill('heard');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(record()?.notes).toBe('its fan is loud');
    await panel('What its site has told').getByText('its fan is loud').waitFor();
    // What its site refuses is said where it was asked.
    await page.getByRole('button', { name: 'Place and names…' }).click();
    await dialog.locator('input[name=hostname]').fill('NO NAME');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByRole('alert').getByText('not valid').waitFor();
    await dialog.getByRole('button', { name: 'Close' }).click();
    const job = { action: 'netboot', target: nameOf(101), release: nameOf(101) };
    expect((await fleet.call('POST', '/jobs', job)).status).toBe(202);
    await panel('Its jobs').getByRole('link', { name: 'netboot' }).waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-fleet-machine-desk.png` });
    await page.getByRole('link', { name: 'Jobs' }).first().click();
    const row = page
      .locator('tbody tr')
      .filter({ hasText: nameOf(101) })
      .filter({ hasText: 'netboot' });
    await row.getByText('sto').waitFor();
    await row.getByRole('link', { name: 'netboot' }).click();
    await page.getByRole('heading', { name: 'Netboot' }).waitFor();
    await page.getByRole('link', { name: 'Events' }).first().click();
    await page.locator('tbody tr').filter({ hasText: 'machine.edited' }).first().waitFor();
    await page.locator('select[aria-label=Site]').selectOption('lon');
    const told = () => page.locator('tbody tr td:nth-child(2)').allTextContents();
    await expect.poll(async () => [...new Set(await told())]).toEqual(['lon']);
    await page.screenshot({ path: `${SHOTS}/portal-fleet-events-desk.png` });
    expect(await violations(page)).toEqual([]);
  });

  it('shows the jobs that a site has begun itself, and calls one off', async () => {
    if (!sto) throw new Error('there is no second site');
    const { inventory, jobs } = sto.hall.now;
    const free = inventory.machines
      .list()
      .find(({ state, hardwarename }) => state === 'available' && hardwarename !== nameOf(101));
    const target = free?.hardwarename ?? nameOf(0);
    const wanted = { action: 'power-off', target, requester: 'eve' };
    const { id } = inventory.transaction(() => jobs.create(wanted));
    await page.getByRole('link', { name: 'Jobs' }).first().click();
    await page.locator('select[aria-label=Site]').selectOption('sto');
    const row = page.locator('tbody tr').filter({ hasText: 'power-off' });
    await row.getByText('eve').waitFor();
    const told = () => page.locator('tbody tr td:nth-child(3)').allTextContents();
    await expect
      .poll(async () => [...new Set((await told()).map((text) => text.trim()))])
      .toEqual(['sto']);
    await page.screenshot({ path: `${SHOTS}/portal-fleet-jobs-desk.png` });
    expect(await violations(page)).toEqual([]);
    await row.getByRole('link', { name: 'power-off' }).click();
    await page.getByRole('button', { name: 'Call it off…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.locator('input[name=why]').fill('not now');
    await dialog.getByRole('button', { name: 'Call it off' }).click();
    await dialog.waitFor({ state: 'detached' });
    await until(
      async () => jobs.store.logOf(jobs.get(id).number),
      (log) => log.some(({ entry }) => entry.is === 'cancelling' && entry.why === 'not now'),
    );
    await sto.hall.settle();
    await page.locator('h1').getByText('cancelled').waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-fleet-job-desk.png` });
  });

  it('shows what every site is told to keep, and how far each is with it', async () => {
    await fleet.call('PUT', '/squads/music', { quota: { machines: 7 } });
    const pool = { role: 'web', image: 'debian-12/stable', sites: { lon: 0, sto: 1 } };
    expect((await fleet.call('PUT', '/pools/web', pool)).status).toBe(200);
    await page.getByRole('link', { name: 'Images' }).first().click();
    // These sites keep no images, and say so.
    await panel('debian-12').getByText('refused').first().waitFor();
    await fleet.call('PUT', '/images/debian-12/channels/beta', { version: '1' });
    await page.getByRole('button', { name: 'beta → 1' }).click();
    await page.getByRole('dialog').locator('input[name=why]').fill('as good as it gets');
    await page.getByRole('dialog').getByRole('button', { name: 'Point it there' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.screenshot({ path: `${SHOTS}/portal-fleet-images-desk.png` });
    await page.getByRole('link', { name: 'Squads' }).first().click();
    await page.locator('tbody').getByText('music').waitFor();
    await page.getByRole('link', { name: 'Pools' }).first().click();
    await page.getByText('sto 0 of 1').waitFor();
    expect(await violations(page)).toEqual([]);
  });

  it('makes a pool larger and smaller at a site, and installs its machines anew', async () => {
    const members = (of: FleetHall | undefined, count: number) =>
      of?.hall.until(() => of.hall.members('web').length === count);
    const dialog = page.getByRole('dialog');
    const size = async (site: string, count: string, going = '') => {
      await page.getByRole('button', { name: 'Size…' }).click();
      await dialog.locator(`input[name=${site}]`).fill(count);
      await dialog.locator('input[name=confirm]').fill(going);
      await dialog.locator('input[name=why]').fill('load');
      await dialog.getByRole('button', { name: 'Write it' }).click();
    };
    const part = (site: string) => panel('By site').locator(`[data-part=${site}]`);
    await page.getByRole('link', { name: 'web', exact: true }).click();
    // Four machines are free, all of them there.
    await members(sto, 1);
    await part('sto').getByText('1 of 1').waitFor();
    await size('sto', '3');
    await dialog.waitFor({ state: 'detached' });
    await part('sto').getByText('1 of 3').waitFor();
    await until(
      async () => sto?.hall.now.pools.store.pool('web')?.doc.count,
      (n) => n === 3,
    );
    await members(sto, 3);
    await part('sto').getByText('3 of 3').waitFor();
    await page.getByRole('heading', { name: '3 of 3 healthy' }).waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-fleet-pool-desk.png` });
    // Whoever makes it smaller says how many machines go.
    await size('sto', '2');
    await dialog.getByRole('alert').getByText('1 machine would be released and wiped').waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-fleet-pool-size-desk.png` });
    await dialog.locator('input[name=confirm]').fill('1');
    await dialog.getByRole('button', { name: 'Write it' }).click();
    await dialog.waitFor({ state: 'detached' });
    await until(
      async () => sto?.hall.now.pools.store.pool('web')?.doc.count,
      (n) => n === 2,
    );
    await members(sto, 2);
    await part('sto').getByText('2 of 2').waitFor();
    await page.getByRole('button', { name: 'Rolling reset…' }).click();
    await dialog.locator('input[name=why]').fill('new kernel');
    await dialog.getByRole('button', { name: 'Begin' }).click();
    const reset = panel('Rolling resets');
    // London has no machine of it: the next one has its turn.
    await reset.getByText('1 of 2').first().waitFor();
    await reset.locator('[data-status=running]').getByText('sto').first().waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-fleet-reset-desk.png` });
    await reset.getByRole('button', { name: 'Abort…' }).click();
    await dialog.locator('input[name=why]').fill('enough');
    await dialog.getByRole('button', { name: 'Abort', exact: true }).click();
    await reset.locator('[data-status=aborted]').waitFor();
    await page.getByRole('link', { name: 'Pools' }).first().click();
    await page.getByText('sto 2 of 2').waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-fleet-pools-desk.png` });
    expect(await violations(page)).toEqual([]);
  });

  it('says of what is old how old it is', async () => {
    const hour = 3_600_000;
    await fleet.forge(
      `UPDATE sites SET line = 'gone', heard_at = heard_at - ${hour} WHERE name = 'sto'`,
    );
    await page.getByRole('link', { name: 'Sites' }).first().click();
    await panel('sto').getByText('60 min ago').first().waitFor();
    await panel('sto').locator('[data-freshness=away]').waitFor();
    await panel('lon').locator('[data-freshness=current]').waitFor();
    await page.getByRole('link', { name: 'Machines' }).first().click();
    await page.locator('tbody [data-freshness=away]').first().waitFor();
    expect(await page.locator('tbody [data-freshness=away]').count()).toBe(6);
    await page.getByRole('link', { name: 'Requests' }).first().click();
    await page.locator('tbody [data-freshness=away]').first().waitFor();
    await page.getByRole('link', { name: 'Pools' }).first().click();
    await page.locator('tbody [data-freshness=away]').first().waitFor();
    await page.getByRole('link', { name: 'Squads' }).first().click();
    await page.locator('[data-old=sto] [data-freshness=away]').waitFor();
    await page.screenshot({ path: `${SHOTS}/portal-fleet-squads-desk.png` });
  });

  it('lets an administrator write users, tokens and roles of the fleet', async () => {
    await user('root', 'admin');
    const at = new URL('/people', page.url()).href;
    const { page: admin, problems } = await visit(browser, at, { viewport: DESK });
    await signIn(admin, 'root', PASSWORD);
    const dialog = admin.getByRole('dialog');
    await admin.getByRole('button', { name: 'New user…' }).click();
    await dialog.locator('input[name=name]').fill('lin');
    await dialog.locator('select[name=role]').selectOption('technician');
    await dialog.locator('input[name=password]').fill(PASSWORD);
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'detached' });
    await admin.getByRole('cell', { name: 'lin' }).waitFor();
    await until(
      async () => lon?.hall.now.inventory.serverdb.access.users().map(({ name }) => name),
      (names) => names?.includes('lin') === true,
    );
    await admin.getByRole('button', { name: 'New token…' }).click();
    await dialog.locator('input[name=name]').fill('robot');
    await dialog.getByRole('button', { name: 'Make it' }).click();
    const secret = (await dialog.locator('pre').textContent())?.trim() ?? '';
    expect((await fleet.as(secret)('GET', '/sites')).status).toBe(200);
    await dialog.getByRole('button', { name: 'Done' }).click();
    await admin.getByRole('cell', { name: 'robot' }).waitFor();
    await admin.screenshot({ path: `${SHOTS}/portal-fleet-people-desk.png` });
    expect(await violations(admin)).toEqual([]);
    await admin.getByRole('link', { name: 'Roles' }).first().click();
    await admin.getByRole('button', { name: 'New role…' }).click();
    await dialog.locator('input[name=name]').fill('cache');
    await dialog.locator('textarea[name=metadata]').fill('cluster: main');
    await dialog.locator('input[name=why]').fill('as everywhere');
    await dialog.getByRole('button', { name: 'Write it' }).click();
    await dialog.waitFor({ state: 'detached' });
    await admin.getByRole('region', { name: 'cache' }).getByText('main').waitFor();
    await until(
      async () => sto?.hall.now.inventory.serverdb.records.get('role', 'cache')?.doc.metadata,
      (metadata) => metadata?.cluster === 'main',
    );
    await admin.screenshot({ path: `${SHOTS}/portal-fleet-roles-desk.png` });
    expect(problems.filter((text) => !/status of 401/.test(text))).toEqual([]);
    await admin.context().close();
  });

  it('fits a phone, and offers nobody what he may not do', async () => {
    const { page: phone, foreign } = await visit(browser, new URL('/', page.url()).href, {
      viewport: PHONE,
    });
    await signIn(phone, 'grace', PASSWORD);
    await phone.getByRole('heading', { name: 'Sites' }).waitFor();
    await phone.goto(new URL('/requests', page.url()).href);
    await phone.getByRole('heading', { name: 'Requests' }).waitFor();
    expect(await phone.getByRole('link', { name: 'Ask for machines' }).count()).toBe(0);
    for (const to of ['/', '/machines', '/requests']) {
      await phone.goto(new URL(to, page.url()).href);
      await phone.locator('.panel, tbody tr').first().waitFor();
      expect(await overflowOf(phone)).toBe(0);
    }
    await phone.screenshot({ path: `${SHOTS}/portal-fleet-phone.png` });
    await phone.goto(new URL('/racks', page.url()).href);
    await phone.getByText('part of a site').waitFor();
    expect(foreign).toEqual([]);
    await phone.context().close();
  });

  it('is left by signing out', async () => {
    await page.getByRole('button', { name: 'ada' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.locator('input[name=password]').waitFor();
    // What it was refused before and after it had signed in, the name that is none, and nothing else.
    expect(seen.problems.filter((text) => !/status of 40[01]/.test(text))).toEqual([]);
    expect(seen.foreign).toEqual([]);
  });
});
