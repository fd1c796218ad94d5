/** What somebody on call is told: of the line to central by its site, and of silent sites and of the database by central. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { openFleetHealth } from '../../../src/central/health.ts';
import type { FleetDatabase } from '../../../src/central/sql.ts';
import { watchLine } from '../../../src/daemon/fleet-line.ts';
import type { FleetLine } from '../../../src/http/people/context.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { commandLineOf } from '../../support/command-line.ts';
import { createFleet, type TestFleet, type TestSite, until } from '../../support/fleet.ts';
import { createPeople } from '../../support/people.ts';

let fleet: TestFleet | undefined;
afterEach(async () => {
  await fleet?.close();
  fleet = undefined;
});

const lineOf = async ({ people }: TestSite) => (await people.admin('GET', '/federation')).body;
const lineIs = (site: TestSite, line: string) =>
  until(
    () => lineOf(site),
    (body) => body.line === line,
  );

describe('an appliance', () => {
  it('of no fleet says so, and one that follows another leaves it to that one', async () => {
    const alone = await createPeople({ federation: () => undefined });
    expect((await alone.admin('GET', '/federation')).body).toMatchObject({ line: 'none' });
    const follower = await createPeople();
    expect((await follower.admin('GET', '/federation')).body.code).toBe('NOT_HERE');
  });

  it('says whether central hears it, what central does not have, and why it is shut out', async () => {
    fleet = await createFleet();
    const lon = await fleet.site('lon');
    lon.connect();
    await lineIs(lon, 'open');
    await lon.people.admin('POST', '/machines', { body: { serial: 'LON-1' } });
    const told = await until(
      () => lineOf(lon),
      ({ behind }) => behind === 0,
    );
    expect(told).toMatchObject({ site: 'lon', central: expect.stringMatching(/^https:/), why: '' });
    expect(told.certificateEndsAt - Date.now()).toBeGreaterThan(390 * 86_400_000);
    await fleet.call('POST', '/sites/lon/revoke');
    await fleet.restart();
    expect(await lineIs(lon, 'refused')).toMatchObject({ code: 'CERTIFICATE_UNKNOWN' });
  });

  it('says why it does not reach central', async () => {
    fleet = await createFleet();
    const lon = await fleet.site('lon');
    const file = join(lon.folder, 'membership.json');
    const membership = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...membership, url: 'https://127.0.0.1:1' }));
    lon.connect();
    const { line, why } = await until(
      () => lineOf(lon),
      (body) => body.why.includes('ECONNREFUSED'),
    );
    expect([line, why]).toEqual(['closed', expect.stringContaining('127.0.0.1:1')]);
  });

  it('keeps what a refusal has said when its line is closed, and the time since when', () => {
    let now = 5 as Millis;
    const watch = watchLine(
      { site: 'lon', url: 'https://c' },
      { clock: () => now, lastId: () => 9 },
    );
    expect(watch.status()).toMatchObject({ line: 'closed', since: 5, behind: null, heardAt: 0 });
    watch.heard({ kind: 'welcome', cursor: 7, clock: 0 });
    expect(watch.status()).toMatchObject({ line: 'open', behind: 2, heardAt: 5 });
    now = 6 as Millis;
    watch.refused('PROTOCOL', 'another one');
    now = 7 as Millis;
    watch.closed('1008');
    watch.refused('PROTOCOL', 'another one');
    expect(watch.status()).toMatchObject({ line: 'refused', since: 6, why: 'another one' });
    watch.heard({ kind: 'welcome', cursor: 9, clock: 0 });
    watch.closed('central does not answer');
    expect(watch.status()).toMatchObject({ line: 'closed', since: 7, code: '', behind: 0 });
  });
});

describe('central', () => {
  it('tells Prometheus how each site stands, and what it has not answered', async () => {
    fleet = await createFleet();
    const { central, token } = fleet;
    const scrape = async (secret: string) => {
      const authorization = `Bearer ${secret}`;
      const url = `http://127.0.0.1:${central.peoplePort}/metrics`;
      const answer = await fetch(url, { headers: { authorization } });
      return { status: answer.status, text: await answer.text() };
    };
    expect((await scrape('nobody')).status).toBe(401);
    const lon = await fleet.site('lon');
    await fleet.site('sto');
    lon.connect();
    const edit = { kind: 'edit', target: 'X', edit: { notes: 'x' }, why: 'x' };
    await fleet.call('POST', '/sites/sto/intents', edit);
    const { text } = await until(
      () => scrape(token),
      (seen) => seen.text.includes('{site="lon",freshness="current"} 1'),
    );
    expect(text).toContain('reveille_fleet_site_freshness{site="lon",freshness="away"} 0');
    expect(text).toContain('reveille_fleet_site_freshness{site="sto",freshness="never"} 1');
    expect(text).toContain('reveille_fleet_site_heard_timestamp_seconds{site="sto"} 0');
    expect(text).toContain('reveille_fleet_site_orders_waiting{site="sto"} 1');
    expect(text).toContain('reveille_fleet_site_orders_waiting{site="lon"} 0');
    expect(text).toContain('reveille_fleet_lines 1');
    expect(text).toContain('process_cpu_seconds_total');
  });

  it('is ready while its database answers, whatever its sites do', async () => {
    fleet = await createFleet();
    await fleet.site('lon');
    const url = `http://127.0.0.1:${fleet.central.peoplePort}/readyz`;
    const ready = await fetch(url);
    expect([ready.status, await ready.json()]).toEqual([
      200,
      { ready: true, checks: { database: true } },
    ]);
    const of = (all: () => Promise<never[]>) =>
      openFleetHealth({ all } as unknown as FleetDatabase, {
        ...{ clock: () => 0 as Millis, lines: () => 0 },
      });
    const gone = of(() => Promise.reject(new Error('the connection has ended')));
    expect(await gone.readiness()).toEqual({
      checks: { database: false },
      why: { database: 'It cannot be asked.' },
    });
    let asked = 0;
    const silent = of(() => {
      asked += 1;
      return new Promise(() => {});
    });
    const why = { database: 'It has not answered within 2000 ms.' };
    const both = await Promise.all([silent.readiness(), silent.readiness()]);
    expect(both).toEqual([0, 1].map(() => ({ checks: { database: false }, why })));
    expect(asked).toBe(1);
  });
});

it('the command says how the line stands, and what to do about a refusal', async () => {
  const line: FleetLine = {
    ...{ line: 'open', site: 'lon', central: 'https://c:8444', since: 1000, heardAt: 2000 },
    ...{ behind: 0, code: '', why: '', certificateEndsAt: 3000 },
  };
  let now: FleetLine | undefined;
  const people = await createPeople({ federation: () => now });
  onTestFinished(() => people.app.close());
  const { run } = await commandLineOf(people, 'viewer');
  expect(await run('federation status')).toContain('it has joined no fleet');
  now = line;
  const open = await run('federation status');
  expect(open).toMatch(
    /^site +lon\ncentral +https:\/\/c:8444\nline +open since 1970-01-01 00:00:01\n/,
  );
  expect(open).toMatch(/\nevents +central has all\ncertificate +until 1970-01-01 00:00:03\n$/);
  now = { ...line, line: 'closed', behind: 12, why: 'connect ECONNREFUSED' };
  expect(await run('federation status')).toMatch(
    /line +closed since .*: connect ECONNREFUSED\n[\s\S]*not said to have the last 12\n/,
  );
  now = { ...line, line: 'refused', code: 'CERTIFICATE_UNKNOWN', behind: null, heardAt: 0 };
  expect(await run('federation status')).toMatch(/to do +a code of `reveille sites join-code`/);
  expect(JSON.parse(await run('federation status --json'))).toEqual(now);
});
