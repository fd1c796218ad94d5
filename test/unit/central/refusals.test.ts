/** Appliances that say what they may not say: refused, without effect, and told of where people look. */
import { readFileSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { issueAppliance, makeAuthority } from '../../../src/central/authority.ts';
import { makeRequest } from '../../../src/federation/certificates.ts';
import type { FromAppliance, FromCentral } from '../../../src/federation/protocol.ts';
import { limit } from '../../../src/limits.ts';
import { commandLine } from '../../support/command-line.ts';
import { createFleet, type TestFleet, type TestSite, until } from '../../support/fleet.ts';
import { quietUpkeep } from '../../support/fleet-database.ts';

let fleet: TestFleet | undefined;
afterEach(async () => {
  await fleet?.close();
  fleet = undefined;
});

const DAY_MS = 86_400_000;

const authorityOf = (of: TestFleet) => ({
  key: readFileSync(join(of.folder, 'central', 'authority.key'), 'utf8'),
  certificate: readFileSync(join(of.folder, 'central', 'authority.pem'), 'utf8'),
});

/** What central answers to somebody who dials with this key and certificate: the status, or that he is let in. */
const dial = (of: TestFleet, identity: string) =>
  new Promise<number | 'let in'>((resolve, reject) => {
    const asking = httpsRequest({
      ...{ host: '127.0.0.1', port: of.central.appliancesPort, path: '/link' },
      ...{ ca: authorityOf(of).certificate, key: identity, cert: identity },
      headers: {
        ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
        'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      },
    });
    asking.on('response', ({ statusCode = 0 }) => resolve(statusCode));
    asking.on('upgrade', (_answer, socket) => {
      socket.destroy();
      resolve('let in');
    });
    asking.on('error', reject);
    asking.end();
  });

interface Spoken {
  readonly heard: FromCentral[];
  say(message: FromAppliance): void;
  /** Resolves when central has closed the line. */
  readonly closed: Promise<void>;
}

/** A line that says what the test wants, with the site's own certificate, after a proper hello. */
async function speak(
  of: TestFleet,
  { name, folder }: Pick<TestSite, 'name' | 'folder'>,
  { aheadMs = 0, appliance = 'one' } = {},
): Promise<Spoken> {
  const identity = readFileSync(join(folder, 'appliance.pem'), 'utf8');
  const socket = new WebSocket(`wss://127.0.0.1:${of.central.appliancesPort}/link`, {
    ...{ ca: authorityOf(of).certificate, key: identity, cert: identity },
  });
  const heard: FromCentral[] = [];
  const say = (message: FromAppliance) => socket.send(JSON.stringify(message));
  socket.on('message', (data) => heard.push(JSON.parse(String(data))));
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  say({
    ...{ kind: 'hello', protocol: 1, site: name, appliance, program: 'test' },
    ...{ clock: Date.now() + aheadMs, floor: 0, last: 0 },
  });
  const [first] = await until(
    async () => heard,
    ({ length }) => length > 0,
  );
  if (first?.kind !== 'welcome') throw new Error(JSON.stringify(first));
  return { heard, say, closed };
}

const notices = (of: TestFleet, count: number) =>
  until(
    async () => (await of.call('GET', '/notices')).body.notices,
    (found) => found.length >= count,
  );

describe('a certificate', () => {
  it('that is over lets nobody in, and is told of', async () => {
    fleet = await createFleet();
    await fleet.site('lon');
    const { key, request } = await makeRequest('appliance');
    const before = Date.now() - limit('applianceCertificateMs') - DAY_MS;
    const issued = await issueAppliance(authorityOf(fleet), { site: 'lon', request }, before);
    expect(await dial(fleet, key + issued.certificate)).toBe(403);
    expect(await notices(fleet, 1)).toMatchObject([
      {
        ...{ site: 'lon', code: 'CERTIFICATE_REFUSED' },
        detail: expect.stringContaining('CERT_HAS_EXPIRED'),
      },
    ]);
  });

  it('of another authority lets nobody in, however often it comes, and fills no table', async () => {
    fleet = await createFleet();
    const foreign = await makeAuthority(Date.now());
    const { key, request } = await makeRequest('appliance');
    const issued = await issueAppliance(foreign, { site: 'lon', request }, Date.now());
    const tries = limit('joinTriesPerMinuteMax') + 10;
    for (let n = 0; n < tries; n++) expect(await dial(fleet, key + issued.certificate)).toBe(403);
    const told = await notices(fleet, 1);
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThan(tries);
  });

  it('of this authority that central has not given is of nobody', async () => {
    fleet = await createFleet();
    const lon = await fleet.site('lon');
    const { key, request } = await makeRequest('appliance');
    const issued = await issueAppliance(authorityOf(fleet), { site: 'lon', request }, Date.now());
    writeFileSync(join(lon.folder, 'appliance.pem'), key + issued.certificate);
    // It dials again for as long as it runs.
    for (let n = 0; n < 3; n++)
      await expect(speak(fleet, lon)).rejects.toThrow('CERTIFICATE_UNKNOWN');
    expect(await notices(fleet, 1)).toMatchObject([{ code: 'CERTIFICATE_UNKNOWN', times: 3 }]);
    await fleet.forge(`UPDATE notices SET at = at - ${limit('fleetNoticeAgainMs')}`);
    await expect(speak(fleet, lon)).rejects.toThrow('CERTIFICATE_UNKNOWN');
    expect(await notices(fleet, 2)).toHaveLength(2);
  });
});

describe('a site', () => {
  it('that answers another site’s intent changes nothing there, and is told of', async () => {
    fleet = await createFleet();
    await fleet.site('lon');
    const sto = await fleet.site('sto');
    const edit = { kind: 'edit', target: 'SN-1', edit: { notes: 'x' }, why: 'test' };
    const { id } = (await fleet.call('POST', '/sites/lon/intents', edit)).body;
    const line = await speak(fleet, sto);
    line.say({ kind: 'result', intent: id, status: 'done', result: { version: 7 } });
    await line.closed;
    expect(line.heard.at(-1)).toMatchObject({ kind: 'refused', code: 'INTENT_MISMATCH' });
    expect((await fleet.call('GET', `/intents/${id}`)).body.status).toBe('waiting');
    expect(await notices(fleet, 1)).toMatchObject([{ site: 'sto', code: 'INTENT_MISMATCH' }]);
  });

  it('that reports on another site’s part of a request changes nothing there', async () => {
    fleet = await createFleet();
    await fleet.site('lon');
    const sto = await fleet.site('sto');
    const wish = { role: 'web', image: 'debian-12/stable', count: 1, site: 'lon' };
    const { id, parts } = (await fleet.call('POST', '/requests', wish)).body;
    const part = parts[0].id as string;
    const line = await speak(fleet, sto);
    const place = { place: 0, machine: 'SN-1', hostname: 'web-1', status: 'installed' } as const;
    const done = { status: 'fulfilled', done: 1, failed: 0, why: '', endedAt: 1 } as const;
    line.say({
      ...{ kind: 'snapshot', snapshot: 's', machines: [] },
      requests: [{ id: part, ...done, places: [place] }],
      done: { cursor: 0 },
    });
    const data = { request: part, place: 0, hostname: 'web-1' };
    line.say({
      ...{ kind: 'batch', from: 0, to: 1, machines: [] },
      events: [{ id: 1, at: 1, name: 'request.installed', hardwarename: 'SN-1', data }],
      requests: [{ id: part, ...done }],
    });
    await until(
      async () => line.heard.filter(({ kind }) => kind === 'ack').length,
      (count) => count === 2,
    );
    const { body } = await fleet.call('GET', `/requests/${id}`);
    expect(body.request).toMatchObject({ status: 'working', done: 0 });
    expect(body.places).toEqual([]);
  });

  it('that tells the end of a request before that of its last machine is not half believed', async () => {
    fleet = await createFleet();
    const lon = await fleet.site('lon');
    const wish = { role: 'web', image: 'debian-12/stable', count: 1, site: 'lon' };
    const { id, parts } = (await fleet.call('POST', '/requests', wish)).body;
    const request = parts[0].id as string;
    const line = await speak(fleet, lon);
    line.say({ kind: 'snapshot', snapshot: 's', machines: [], done: { cursor: 0 } });
    const data = { request, place: 0, hostname: 'web-1' };
    line.say({
      ...{ kind: 'batch', from: 0, to: 1, machines: [] },
      events: [{ id: 1, at: 1, name: 'request.claimed', hardwarename: 'SN-1', data }],
      requests: [{ id: request, status: 'fulfilled', done: 1, failed: 0, why: '', endedAt: 1 }],
    });
    const { body } = await until(
      () => (fleet as TestFleet).call('GET', `/requests/${id}`),
      (answer) => answer.body.request.status === 'fulfilled',
    );
    expect(body.places).toMatchObject([{ machine: 'SN-1', status: 'done' }]);
  });

  it('whose older line still speaks is heard on the newest one alone', async () => {
    fleet = await createFleet();
    const lon = await fleet.site('lon');
    const old = await speak(fleet, lon);
    // As at another instance of central, which knows nothing of the newer line.
    const { openFleet } = await import('../../../src/central/fleet.ts');
    const { openFleetDatabase } = await import('../../../src/central/sql.ts');
    const db = openFleetDatabase(fleet.database);
    const other = openFleet(db, () => Date.now() as never, quietUpkeep);
    const hello = { kind: 'hello', protocol: 1, site: 'lon', appliance: 'one' } as const;
    await other.greet({ ...hello, program: 'test', clock: 0, floor: 0, last: 0 }, 'newer');
    const machine = (serial: string) => ({ hardwarename: serial, version: 1, state: 'held' });
    const page = (snapshot: string, serial: string, cursor: number) => ({
      ...{ kind: 'snapshot' as const, snapshot, machines: [machine(serial)] },
      done: { cursor },
    });
    const newer = { site: 'lon', line: 'newer' };
    expect(await other.applySnapshot(newer, page('b', 'SN-2', 7))).toEqual({
      ...{ kind: 'applied', cursor: 7 },
    });
    old.say(page('a', 'SN-1', 5));
    await old.closed;
    const { body } = await fleet.call('GET', '/machines');
    expect(body.machines).toMatchObject([{ ...machine('SN-2'), site: 'lon' }]);
    expect(body.machines).toHaveLength(1);
    const [site] = (await fleet.call('GET', '/sites')).body.sites;
    expect(site.cursor).toBe(7);
    const batch = { kind: 'batch' as const, from: 7, to: 8, events: [], machines: [] };
    expect(await other.applyBatch({ site: 'lon', line: 'old' }, batch)).toEqual({ kind: 'over' });
    expect(await other.applyBatch(newer, batch)).toEqual({ kind: 'applied', cursor: 8 });
    await db.close();
  });

  it('that says nothing, and one that only knocks, do not keep central from ending', async () => {
    fleet = await createFleet();
    const { folder } = await fleet.site('lon');
    const identity = readFileSync(join(folder, 'appliance.pem'), 'utf8');
    const port = fleet.central.appliancesPort;
    const silent = new WebSocket(`wss://127.0.0.1:${port}/link`, {
      ...{ ca: authorityOf(fleet).certificate, key: identity, cert: identity },
    });
    const knocking = connect({ host: '127.0.0.1', port });
    const over = [silent, knocking].map(
      (one) =>
        new Promise<void>((resolve) => one.on('error', () => undefined).on('close', resolve)),
    );
    await new Promise((resolve) => silent.on('open', resolve));
    await fleet.restart();
    await Promise.all(over);
  }, 10_000);

  it('whose clock is years off is heard as any other, and its clock is told of', async () => {
    fleet = await createFleet();
    const lon = await fleet.site('lon');
    const yearMs = 365 * DAY_MS;
    const line = await speak(fleet, lon, { aheadMs: -2 * yearMs });
    const done = { cursor: 0 };
    const machine = { hardwarename: 'SN-1', version: 1, state: 'available' };
    line.say({ kind: 'snapshot', snapshot: 'one', machines: [machine], done });
    const at = Date.now() - 2 * yearMs;
    const event = { id: 1, at, name: 'machine.edited', hardwarename: 'SN-1', data: {} };
    line.say({ kind: 'batch', from: 0, to: 1, events: [event], machines: [] });
    await until(
      async () => line.heard.at(-1),
      (last) => last?.kind === 'ack' && last.cursor === 1,
    );
    const [site] = (await fleet.call('GET', '/sites')).body.sites;
    expect(site).toMatchObject({ freshness: 'current', cursor: 1 });
    expect(Math.abs(site.clockSkewMs + 2 * yearMs)).toBeLessThan(60_000);
    expect(await notices(fleet, 1)).toMatchObject([{ site: 'lon', code: 'CLOCK_SKEW' }]);
  });

  it('of an earlier version tells of its pools in another form, and is heard all the same', async () => {
    fleet = await createFleet();
    const line = await speak(fleet, await fleet.site('lon'));
    const pools = [{ name: 'web', why: 'no machine fits' }];
    line.say({ kind: 'snapshot', snapshot: 's', machines: [], pools, done: { cursor: 4 } });
    await until(
      async () => line.heard.at(-1),
      (last) => last?.kind === 'ack' && last.cursor === 4,
    );
    expect((await fleet.call('GET', '/pools')).body.pools).toEqual([]);
  });

  it('that says what this central does not know is told so, and told of', async () => {
    fleet = await createFleet();
    const line = await speak(fleet, await fleet.site('lon'));
    const pools = [{ name: 'web', shape: 'of a later version' }] as never;
    line.say({ kind: 'snapshot', snapshot: 's', machines: [], pools, done: { cursor: 4 } });
    await line.closed;
    const detail = expect.stringContaining('pools.0');
    expect(line.heard.at(-1)).toEqual({ kind: 'refused', code: 'PROTOCOL', detail });
    expect(await notices(fleet, 1)).toMatchObject([{ site: 'lon', code: 'PROTOCOL', detail }]);
  });

  it.each([
    ['has not come yet', []],
    ['goes meanwhile', [{ hardwarename: 'SN-1', gone: true as const }]],
  ])('that has done what was asked is said to have, where the record %s', async (_, machines) => {
    fleet = await createFleet();
    const of = fleet;
    const line = await speak(of, await of.site('lon'));
    const machine = { hardwarename: 'SN-1', version: 1, state: 'held' };
    line.say({ kind: 'snapshot', snapshot: 's', machines: [machine], done: { cursor: 0 } });
    await until(
      () => of.call('GET', '/machines/SN-1'),
      ({ status }) => status === 200,
    );
    const asked = of.call('PATCH', '/machines/SN-1', { notes: 'x' }, { 'if-match': '*' });
    const { id } = await until(
      async () => line.heard.flatMap((one) => (one.kind === 'intents' ? one.intents : []))[0],
      (intent) => intent !== undefined,
    ).then((intent) => intent ?? { id: '' });
    line.say({ kind: 'result', intent: id, status: 'done', result: { version: 7 } });
    line.say({ kind: 'batch', from: 0, to: 1, events: [], machines });
    const { status, body } = await asked;
    expect([status, body]).toMatchObject([
      202,
      { ...machine, asked: { id, site: 'lon', status: 'done' } },
    ]);
  });

  it('that says the same answer twice is heard once', async () => {
    fleet = await createFleet();
    const lon = await fleet.site('lon');
    const edit = { kind: 'edit', target: 'SN-1', edit: { notes: 'x' }, why: 'test' };
    const { id } = (await fleet.call('POST', '/sites/lon/intents', edit)).body;
    const line = await speak(fleet, lon);
    line.say({ kind: 'result', intent: id, status: 'done', result: { version: 7 } });
    line.say({ kind: 'result', intent: id, status: 'refused', result: { code: 'LATER' } });
    const { body } = await until(
      () => (fleet as TestFleet).call('GET', `/intents/${id}`),
      ({ body }) => body.status !== 'waiting',
    );
    line.say({ kind: 'batch', from: 99, to: 100, events: [], machines: [] });
    await line.closed;
    const again = (await fleet.call('GET', `/intents/${id}`)).body;
    expect([body.status, again.status, again.result]).toEqual(['done', 'done', body.result]);
    // A batch that does not continue what is there ends the line as well.
    expect(await notices(fleet, 1)).toMatchObject([{ code: 'CURSOR_GAP' }]);
  });
});

describe('what was refused', () => {
  it('is seen by whoever looks after the fleet: where it came from, and what it was', async () => {
    fleet = await createFleet();
    const of = fleet;
    const lon = await fleet.site('lon');
    const sto = await fleet.site('sto');
    const url = `http://127.0.0.1:${fleet.central.peoplePort}`;
    const run = commandLine({ REVEILLE_URL: url, REVEILLE_TOKEN: fleet.token });
    const seen = (what: RegExp) =>
      until(
        () => run('notices'),
        (text) => what.test(text),
      );
    lon.connect();
    await until(
      () => run('sites list'),
      (text) => /^lon +current /m.test(text),
    );
    // The key and the certificate of a disk that was carried away, in other hardware.
    await expect(speak(fleet, lon, { appliance: 'a thief' })).rejects.toThrow('APPLIANCE_MISMATCH');
    await seen(/ lon +APPLIANCE_MISMATCH +\d+ +Another appliance has joined as lon/);
    // The same, for a site that it is not.
    const sites = { name: 'lon', folder: sto.folder };
    await expect(speak(fleet, sites)).rejects.toThrow('SITE_MISMATCH');
    await seen(/ sto +SITE_MISMATCH +\d+ +A certificate of sto says that it is lon/);
    const { key, request } = await makeRequest('appliance');
    const before = Date.now() - limit('applianceCertificateMs') - DAY_MS;
    const over = await issueAppliance(authorityOf(fleet), { site: 'sto', request }, before);
    expect(await dial(fleet, key + over.certificate)).toBe(403);
    await seen(/ sto +CERTIFICATE_REFUSED .*CERT_HAS_EXPIRED/);
    // An order that lon has carried out comes again, for another machine.
    const entry = { kind: 'enter', entry: { serial: 'SAME-1' }, why: 'expected' };
    const { id } = (await fleet.call('POST', '/sites/lon/intents', entry)).body;
    const answered = () => of.call('GET', `/intents/${id}`);
    await until(answered, ({ body }) => body.status === 'done');
    const forged = JSON.stringify({ ...entry, entry: { serial: 'EVIL-1' } });
    await fleet.forge(
      `UPDATE intents SET status = 'waiting', body = '${forged}' WHERE id = '${id}'`,
    );
    await seen(new RegExp(` lon +INTENT_MISMATCH +\\d+ +The intent ${id} comes again`));
    expect((await fleet.call('GET', '/machines/EVIL-1')).status).toBe(404);
    // And a site that says that it has a machine of another one.
    const thief = await speak(fleet, sto);
    const machine = { hardwarename: 'SAME-1', version: 1, state: 'available' };
    thief.say({ kind: 'snapshot', snapshot: 's', machines: [machine], done: { cursor: 0 } });
    await seen(
      / sto +MACHINE_CLAIMED +\d+ +SAME-1 is claimed by lon and sto. It counts for lon alone/,
    );
    expect((await fleet.call('GET', '/machines/SAME-1')).body.machine.site).toBe('lon');
    expect(await run('capacity --site sto')).toBe('nothing found\n');
    expect(await run('sites revoke lon')).toMatch(/^lon is shut out: 1 /);
  });
});
