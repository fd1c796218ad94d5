/** Sites and central over real sockets: copies that become equal whatever happens, intents that happen once, strangers kept out. */
import { readFileSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { issueAppliance, makeAuthority } from '../../../src/central/authority.ts';
import { joinFleet } from '../../../src/daemon/join-fleet.ts';
import { makeRequest } from '../../../src/federation/certificates.ts';
import { limit } from '../../../src/limits.ts';
import {
  createFleet,
  differences,
  type TestFleet,
  type TestSite,
  until,
} from '../../support/fleet.ts';
import { fillDatabase } from '../../support/full-database.ts';

let fleet: TestFleet | undefined;
afterEach(async () => {
  vi.useRealTimers();
  await fleet?.close();
  fleet = undefined;
});

async function twoSites(): Promise<{ fleet: TestFleet; lon: TestSite; sto: TestSite }> {
  fleet = await createFleet();
  return { fleet, lon: await fleet.site('lon'), sto: await fleet.site('sto') };
}

const enter = ({ people }: TestSite, serial: string, more: object = {}) =>
  people.admin('POST', '/machines', { body: { serial, ...more } });

const equal = (of: TestFleet, site: TestSite) =>
  until(
    () => differences(of, site),
    (found) => found.length === 0,
  );

const siteOf = async (of: TestFleet, name: string) =>
  (await of.call('GET', '/sites')).body.sites.find(({ site }: { site: string }) => site === name);

describe('a copy', () => {
  it('begins with a snapshot, follows each change, and loses what is forgotten', async () => {
    const { fleet, lon, sto } = await twoSites();
    for (let n = 0; n < 450; n++) await enter(lon, `LON-${n}`);
    await enter(sto, 'STO-1', { hostname: 'db1' });
    lon.connect();
    sto.connect();
    await Promise.all([equal(fleet, lon), equal(fleet, sto)]);
    await lon.people.admin('PATCH', '/machines/LON-7', { body: { notes: 'x' }, version: '*' });
    await lon.people.admin('DELETE', '/machines/LON-8', { version: '*' });
    await enter(lon, 'LON-NEW', { hostname: 'web1' });
    await equal(fleet, lon);
    const { body } = await fleet.call('GET', '/machines/search?q=web1');
    expect(body.hits).toMatchObject([{ site: 'lon', machine: { hardwarename: 'LON-NEW' } }]);
    expect((await fleet.call('GET', '/machines/LON-8')).status).toBe(404);
    const sites = await until(
      () => fleet.call('GET', '/sites'),
      ({ body }) =>
        body.sites.every(({ freshness }: { freshness: string }) => freshness === 'current'),
    );
    expect(sites.body.sites.map(({ site }: { site: string }) => site)).toEqual(['lon', 'sto']);
  });

  it('catches up after absence of the site and of central, each event once', async () => {
    const { fleet, lon } = await twoSites();
    let leave = lon.connect();
    // The first snapshot is in: what follows is told by events, also where a line is shorter than one.
    await until(
      () => siteOf(fleet, 'lon'),
      ({ cursor }) => cursor !== null,
    );
    for (let round = 0; round < 4; round++) {
      for (let n = 0; n < 20; n++) await enter(lon, `R${round}-${n}`);
      if (round % 2 === 0) {
        leave();
        for (let n = 0; n < 20; n++) await enter(lon, `AWAY${round}-${n}`);
        leave = lon.connect();
      } else {
        await fleet.restart();
      }
    }
    await equal(fleet, lon);
    const { body } = await fleet.call('GET', '/events?site=lon&limit=500');
    const told: number[] = body.events.map(({ id }: { id: number }) => id).reverse();
    // From the first snapshot on, every event of the site's own feed.
    const own = lon.people.world.inventory.events.after((told[0] ?? 0) - 1, 1000);
    expect(told).toEqual(own.map(({ id }) => id));
    expect(told.length).toBeGreaterThan(100);
  }, 40_000);

  it('is made anew when the site has compacted what central lacks', async () => {
    const { fleet, lon } = await twoSites();
    const leave = lon.connect();
    await enter(lon, 'OLD-1');
    await equal(fleet, lon);
    leave();
    await enter(lon, 'OLD-2');
    await lon.people.admin('DELETE', '/machines/OLD-1', { version: '*' });
    const { world } = lon.people;
    world.pass(2000 * 86_400_000);
    const { history } = world.inventory.serverdb;
    const { now } = world.time;
    world.inventory.transaction(() => history.compact({ boot: now, other: now, now }));
    await enter(lon, 'NEW-1');
    expect(history.floor()).toBeGreaterThan(0);
    lon.connect();
    await equal(fleet, lon);
    expect((await fleet.call('GET', '/machines/OLD-1')).status).toBe(404);
  });

  it('is made anew when the site’s database was put back from a copy', async () => {
    const { fleet, lon } = await twoSites();
    const leave = lon.connect();
    for (let n = 0; n < 5; n++) await enter(lon, `A-${n}`);
    await equal(fleet, lon);
    leave();
    // Other events under the same numbers: what a restored database has after a while.
    const { db } = lon.people.world;
    db.prepare('UPDATE events SET at = at + 7 WHERE id > 3').run();
    db.prepare("DELETE FROM machines WHERE hardwarename = 'A-4'").run();
    await enter(lon, 'B-1');
    lon.connect();
    await equal(fleet, lon);
    expect((await fleet.call('GET', '/machines/A-4')).status).toBe(404);
  });
});

describe('an intent', () => {
  const ask = async (of: TestFleet, site: string, body: object) =>
    (await of.call('POST', `/sites/${site}/intents`, body)).body.id as string;
  const ended = (of: TestFleet, id: string) =>
    until(
      () => of.call('GET', `/intents/${id}`),
      ({ body }) => body.status !== 'waiting',
    );
  const edit = (target: string, notes: string) => ({
    ...{ kind: 'edit', target, edit: { notes }, why: 'asked at central' },
  });

  it('waits for a site that is away, is carried out once, and tells what came of it', async () => {
    const { fleet, lon } = await twoSites();
    await enter(lon, 'SN-1');
    const id = await ask(fleet, 'lon', edit('SN-1', 'from central'));
    const leave = lon.connect();
    const { body } = await ended(fleet, id);
    expect([body.status, JSON.parse(body.result)]).toEqual([
      'done',
      { version: expect.any(Number) },
    ]);
    // Central forgets the answer, as if it had been lost on the way: the site does not do it again.
    leave();
    const version = lon.people.world.inventory.machines.list()[0]?.version;
    await fleet.forge("UPDATE intents SET status = 'waiting', result = ''");
    lon.connect();
    expect((await ended(fleet, id)).body.result).toBe(body.result);
    expect(lon.people.world.inventory.machines.list()[0]?.version).toBe(version);
  });

  it('that meets a full disk is asked again, with those behind it in their order', async () => {
    const { fleet, lon } = await twoSites();
    await enter(lon, 'SN-1');
    lon.connect();
    await equal(fleet, lon);
    const { db, inventory } = lon.people.world;
    const free = fillDatabase(db);
    const words = ['first', 'second', 'third'];
    const ids: string[] = [];
    for (const why of words) {
      // More than there is room for on pages that are begun.
      const notes = why.padEnd(4000, '.');
      ids.push(await ask(fleet, 'lon', { ...edit('SN-1', notes), why }));
    }
    // Longer than it takes to be asked once more.
    await new Promise((next) => setTimeout(next, 2 * limit('federationAgainMs')));
    const { body } = await fleet.call('GET', '/intents');
    expect(body.intents).toHaveLength(words.length);
    for (const { status } of body.intents) expect(status).toBe('waiting');
    free();
    for (const id of ids) expect((await ended(fleet, id)).body.status).toBe('done');
    const edits = inventory.events
      .after(0, 1000)
      .flatMap(({ name, data }) => (name === 'machine.edited' && 'why' in data ? data.why : []));
    expect(edits).toEqual(words);
  });

  it('that the site’s own rules refuse comes back with the reason', async () => {
    const { fleet, lon } = await twoSites();
    await enter(lon, 'SN-1');
    await lon.people.admin('PATCH', '/machines/SN-1', { body: { protected: true }, version: '*' });
    lon.connect();
    const job = { kind: 'job', action: 'reset', target: 'SN-1' };
    const unknown = await ended(fleet, await ask(fleet, 'lon', edit('NOBODY', 'x')));
    expect(unknown.body).toMatchObject({ status: 'refused' });
    expect(JSON.parse(unknown.body.result).code).toBe('MACHINE_UNKNOWN');
    const refused = await ended(fleet, await ask(fleet, 'lon', job));
    expect(refused.body.status).toBe('refused');
  });

  it('goes to nobody who has not joined', async () => {
    const { fleet } = await twoSites();
    const answer = await fleet.call('POST', '/sites/oslo/intents', edit('X', 'x'));
    expect([answer.status, answer.body.code]).toEqual([404, 'SITE_UNKNOWN']);
  });
});

describe('strangers', () => {
  it('without a certificate of the fleet get no line', async () => {
    const { fleet, lon } = await twoSites();
    const { authority } = JSON.parse(readFileSync(join(lon.folder, 'membership.json'), 'utf8'));
    const status = await new Promise((resolve, reject) => {
      const asking = httpsRequest({
        ...{ host: '127.0.0.1', port: fleet.central.appliancesPort, path: '/link', ca: authority },
        headers: {
          ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
          'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
        },
      });
      asking.on('response', (answer) => resolve(answer.statusCode));
      asking.on('upgrade', () => resolve('let in'));
      asking.on('error', reject);
      asking.end();
    });
    expect(status).toBe(403);
  });

  const speak = (of: TestFleet, site: TestSite, hello: object) =>
    new Promise<string>((resolve, reject) => {
      const { authority } = JSON.parse(readFileSync(join(site.folder, 'membership.json'), 'utf8'));
      const identity = readFileSync(join(site.folder, 'appliance.pem'), 'utf8');
      const socket = new WebSocket(`wss://127.0.0.1:${of.central.appliancesPort}/link`, {
        ...{ ca: authority, key: identity, cert: identity },
      });
      const message = {
        ...{ kind: 'hello', protocol: 1, site: site.name, appliance: 'x', program: 'test' },
        ...{ clock: Date.now(), floor: 0, last: 0, ...hello },
      };
      socket.on('open', () => socket.send(JSON.stringify(message)));
      socket.on('message', (data) => {
        resolve(JSON.parse(String(data)).code ?? 'welcome');
        socket.close();
      });
      socket.on('error', reject);
    });

  it('with a stolen, revoked or foreign certificate are refused, and reported', async () => {
    const { fleet, lon, sto } = await twoSites();
    const leave = lon.connect();
    await until(
      () => siteOf(fleet, 'lon'),
      ({ freshness }) => freshness !== 'never',
    );
    leave();
    expect(await speak(fleet, lon, {})).toBe('APPLIANCE_MISMATCH');
    expect(await speak(fleet, lon, { site: 'sto' })).toBe('SITE_MISMATCH');
    expect(await speak(fleet, sto, { protocol: 99 })).toBe('PROTOCOL');
    expect((await fleet.call('POST', '/sites/sto/revoke')).body).toEqual({ revoked: 1 });
    expect(await speak(fleet, sto, {})).toBe('CERTIFICATE_UNKNOWN');
    const { body } = await fleet.call('GET', '/notices');
    const codes = body.notices.map(({ code }: { code: string }) => code);
    expect(codes.sort()).toEqual([
      'APPLIANCE_MISMATCH',
      'CERTIFICATE_UNKNOWN',
      'PROTOCOL',
      'SITE_MISMATCH',
    ]);
  });

  it('that central refuses say so where the site’s people look, once', async () => {
    const { fleet, lon, sto } = await twoSites();
    await fleet.call('POST', '/sites/lon/revoke');
    // As when the fleet's authority was made anew: TLS itself knows nothing of this one.
    const foreign = await makeAuthority(Date.now());
    const { key, request } = await makeRequest('appliance');
    const issued = await issueAppliance(foreign, { site: 'sto', request }, Date.now());
    writeFileSync(join(sto.folder, 'appliance.pem'), key + issued.certificate);
    for (const site of [lon, sto]) site.connect();
    const codes = async () =>
      (await fleet.call('GET', '/notices')).body.notices.map(({ code }: { code: string }) => code);
    const refused = (times: number) =>
      until(codes, (found) =>
        ['CERTIFICATE_UNKNOWN', 'CERTIFICATE_REFUSED'].every(
          (code) => found.filter((one: string) => one === code).length >= times,
        ),
      );
    await refused(1);
    // They dial on, which is noticed again after a while alone.
    await fleet.forge(`UPDATE notices SET at = at - ${limit('fleetNoticeAgainMs')}`);
    await refused(2);
    const told = ({ people }: TestSite) =>
      people.world.inventory.events
        .after(0, 1000)
        .filter(({ name }) => name === 'federation.refused');
    expect(told(lon)).toMatchObject([{ data: { code: 'CERTIFICATE_UNKNOWN' } }]);
    expect(told(sto)).toMatchObject([{ data: { code: 'CERTIFICATE_REFUSED' } }]);
  });

  it('get a new key and certificate in time, also on a line that lasts, and go on with it', async () => {
    // TLS has the machine's own clock: it begins in the past.
    const present = Date.now();
    const now = present - limit('applianceRenewMs');
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now });
    const { fleet, lon } = await twoSites();
    lon.connect();
    const isCurrent = () =>
      until(
        () => siteOf(fleet, 'lon'),
        ({ freshness }) => freshness === 'current',
      );
    await isCurrent();
    const file = join(lon.folder, 'appliance.pem');
    const first = readFileSync(file, 'utf8');
    vi.advanceTimersByTime(limit('federationRenewalLookMs'));
    await isCurrent();
    expect(readFileSync(file, 'utf8')).toBe(first);
    vi.setSystemTime(present);
    vi.advanceTimersByTime(limit('federationRenewalLookMs'));
    await until(
      async () => readFileSync(file, 'utf8'),
      (text) => text !== first,
    );
    await isCurrent();
    await enter(lon, 'SN-NEW');
    await equal(fleet, lon);
    expect((await fleet.call('GET', '/notices')).body.notices).toEqual([]);
    // A copy of the one of before is worth nothing any more.
    writeFileSync(file, first);
    expect(await speak(fleet, lon, {})).toBe('CERTIFICATE_UNKNOWN');
  });

  it('that lose their place to a newer appliance of the site are refused', async () => {
    const { fleet, lon } = await twoSites();
    const old = readFileSync(join(lon.folder, 'appliance.pem'), 'utf8');
    const url = `https://127.0.0.1:${fleet.central.appliancesPort}`;
    const { body } = await fleet.call('POST', '/sites/lon/join-code');
    await joinFleet(lon.folder, url, body.code);
    const now = readFileSync(join(lon.folder, 'appliance.pem'), 'utf8');
    writeFileSync(join(lon.folder, 'appliance.pem'), old);
    expect(await speak(fleet, lon, {})).toBe('CERTIFICATE_UNKNOWN');
    writeFileSync(join(lon.folder, 'appliance.pem'), now);
    expect(await speak(fleet, lon, {})).toBe('welcome');
  });

  it('that claim another site’s machine are told of, and change nothing there', async () => {
    const { fleet, lon, sto } = await twoSites();
    await enter(lon, 'SAME-1');
    lon.connect();
    await equal(fleet, lon);
    await enter(sto, 'SAME-1', { notes: 'mine' });
    sto.connect();
    await equal(fleet, sto);
    const { body } = await fleet.call('GET', '/machines/SAME-1');
    expect([body.machine, ...body.claims].map(({ site }) => site).sort()).toEqual(['lon', 'sto']);
    const { notices } = (await fleet.call('GET', '/notices')).body;
    expect(notices).toMatchObject([
      {
        ...{ site: 'sto', code: 'MACHINE_CLAIMED' },
        detail: 'SAME-1 is claimed by lon and sto. It counts for lon alone.',
      },
    ]);
    await equal(fleet, lon);
    const counted = async () =>
      (await fleet.call('GET', '/capacity')).body.rows.map(({ site }: { site: string }) => site);
    expect(await counted()).toEqual(['lon']);
    await sto.people.admin('PATCH', '/machines/SAME-1', { body: { notes: 'again' }, version: '*' });
    await equal(fleet, sto);
    const list = (await fleet.call('GET', '/machines')).body.machines;
    expect(list).toMatchObject([
      { site: 'lon', claimed: false },
      { site: 'sto', claimed: true, notes: 'again' },
    ]);
    expect((await fleet.call('GET', '/notices')).body.notices).toHaveLength(1);
    // Who has it gives it up: then it is the other's.
    const gone = await lon.people.admin('DELETE', '/machines/SAME-1', { version: '*' });
    expect(gone.status).toBe(204);
    await until(counted, (sites) => sites.join() === 'sto');
    expect((await fleet.call('GET', '/machines/SAME-1')).body.claims).toEqual([]);
  });

  it('without a token, or with too small a role, learn nothing', async () => {
    const { fleet } = await twoSites();
    const at = `http://127.0.0.1:${fleet.central.peoplePort}/api/v1`;
    expect((await fetch(`${at}/machines`)).status).toBe(401);
    const headers = { authorization: 'Bearer rvl_guessed' };
    expect((await fetch(`${at}/sites`, { headers })).status).toBe(401);
  });
});
