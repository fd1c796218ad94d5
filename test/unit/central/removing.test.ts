/** A site that has closed leaves the fleet: what was open at it ends, and wherever that breaks off it is gone on with. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { openRemoving } from '../../../src/central/removing.ts';
import type { FleetDatabase } from '../../../src/central/sql.ts';
import { limit } from '../../../src/limits.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { commandLine } from '../../support/command-line.ts';
import { createFleet, type TestFleet, until } from '../../support/fleet.ts';
import { fleetDatabase } from '../../support/fleet-database.ts';
import { current, hallAt } from '../../support/fleet-halls.ts';

let fleet: TestFleet | undefined;
afterEach(async () => {
  await fleet?.close();
  fleet = undefined;
});

const NOW = 1_000_000;
const clock = () => NOW as Millis;

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error) => error.code ?? error.message,
  );

describe('removing a site', () => {
  it('wants its name, and a site that is shut out', async () => {
    fleet = await createFleet();
    await fleet.site('lon');
    const { call } = fleet;
    const tried = async (site: string, body: object, as = call) => {
      const answer = await as('POST', `/sites/${site}/remove`, body);
      return `${answer.status} ${answer.body.code}`;
    };
    expect(await tried('oslo', { confirm: 'oslo' })).toBe('404 SITE_UNKNOWN');
    expect(await tried('lon', {})).toBe('409 SITE_UNCONFIRMED');
    expect(await tried('lon', { confirm: 'sto' })).toBe('409 SITE_UNCONFIRMED');
    expect(await tried('lon', { confirm: 'lon' })).toBe('409 SITE_NOT_SHUT_OUT');
    const { body } = await call('POST', '/tokens', { name: 'op', role: 'operator' });
    await call('POST', '/sites/lon/revoke');
    expect(await tried('lon', { confirm: 'lon' }, fleet.as(body.secret))).toBe('403 FORBIDDEN');
    expect((await call('GET', '/sites')).body.sites).toHaveLength(1);
  });

  it('ends what was open at it, tells its appliance, and lets one of its name join anew', async () => {
    fleet = await createFleet();
    const of = fleet;
    const lon = await hallAt(fleet, 'lon', { from: 0, count: 6 });
    const sto = await hallAt(fleet, 'sto', { from: 100, count: 6 });
    await fleet.call('PUT', '/squads/music', { contact: 'music@example.org' });
    const leave = sto.site.connect();
    lon.site.connect();
    await current(fleet, 'lon', 'sto');
    leave();
    await fleet.call('PUT', '/pools/web', {
      ...{ role: 'web', image: 'debian-12/stable', squad: 'music', sites: { lon: 0, sto: 0 } },
    });
    const { body: asked } = await fleet.call('POST', '/requests', {
      ...{ role: 'fancydb', image: 'debian-12/stable', count: 2, squad: 'music' },
      ...{ hostname: { pattern: '{role}-{n}' }, sites: ['lon', 'sto'], siteSpread: { even: true } },
    });
    expect(asked.parts.map(({ site }: { site: string }) => site)).toEqual(['lon', 'sto']);
    const job = await fleet.call('POST', '/jobs', {
      ...{ action: 'inspect', target: 'SN00100' },
    });
    await fleet.call('POST', '/sites/sto/revoke');
    const url = `http://127.0.0.1:${fleet.central.peoplePort}`;
    const run = commandLine({ REVEILLE_URL: url, REVEILLE_TOKEN: fleet.token });
    const said = await run('federation remove sto --confirm sto');
    expect(said).toMatch(/^sto is removed: poolParts 1, orders \d+, .*machines 6/);
    // Once more it is the same.
    expect(await run('federation remove sto --confirm sto')).toBe(said);
    const { body: sites } = await fleet.call('GET', '/sites');
    expect(sites.sites.map(({ site }: { site: string }) => site)).toEqual(['lon']);
    const { body: capacity } = await fleet.call('GET', '/capacity');
    expect(capacity.capacity.map(({ site }: { site: string }) => site)).toEqual(['lon']);
    expect((await fleet.call('GET', '/machines/SN00100')).status).toBe(404);
    expect((await fleet.call('GET', '/machines/search?q=SN001')).body.hits).toEqual([]);
    expect((await fleet.call('GET', '/pools/web')).body.pool.site).toBe('lon');
    // Its part is asked of the other site.
    const { body: after } = await fleet.call('GET', `/requests/${asked.id}`);
    expect(after.request.parts).toMatchObject([
      { site: 'lon' },
      { site: 'lon', count: 1 },
      { site: 'sto', status: 'refused', why: 'SITE_REMOVED: The site was removed from the fleet.' },
    ]);
    expect(job.status).toBe(202);
    const ended = await fleet.call('GET', `/jobs/${job.body.id ?? job.body.job?.id}`);
    expect(JSON.stringify(ended.body)).toContain('The site was removed from the fleet.');
    expect(
      (await fleet.call('GET', '/intents?site=sto&limit=100')).body.intents,
    ).not.toContainEqual(expect.objectContaining({ status: 'waiting' }));
    const { body: notices } = await fleet.call('GET', '/notices');
    expect(notices.notices).toContainEqual(
      expect.objectContaining({
        ...{ site: 'sto', code: 'SITE_REMOVED' },
        detail: expect.stringMatching(/^\S.* has removed it from the fleet: .*machines 6/),
      }),
    );
    // Its appliance dials on, and hears why.
    sto.site.connect();
    const { code, why } = await until(
      async () => (await sto.site.people.admin('GET', '/federation')).body,
      ({ line }) => line === 'refused',
    );
    expect([code, why]).toEqual(['SITE_REMOVED', 'sto was removed from the fleet.']);
    await of.forge('UPDATE removals SET ended_at = 0');
    expect(await codeOf(of.site('sto'))).toBe('JOIN_REFUSED');
    await run('federation remove sto --confirm sto');
    const again = await of.site('sto');
    again.connect();
    await current(of, 'lon', 'sto');
    expect(await of.look('SELECT site FROM removals')).toEqual([]);
  });
});

it('the command asks until it is done, and shows how far it is', async () => {
  const asked: string[] = [];
  const removal = { site: 'sto', who: 'ann', begunAt: 1, endedAt: null as number | null };
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const isDone = asked.length === 3;
    const left = { machines: 3000 - 1000 * asked.length, events: 7 };
    const body = { ...removal, endedAt: isDone ? 5 : null, removed: { machines: 3000 }, left };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const told: string[] = [];
  const environment = { REVEILLE_URL: `http://127.0.0.1:${port}`, REVEILLE_TOKEN: 'x' };
  const run = commandLine(environment, (text) => void told.push(text));
  const said = await run('federation remove sto --confirm sto');
  expect(said).toBe('sto is removed: machines 3000\n');
  expect(told).toEqual([
    'sto: 2000 machines and 7 events are left\n',
    'sto: 1000 machines and 7 events are left\n',
  ]);
  expect(asked).toEqual(Array(3).fill('POST /api/v1/sites/sto/remove'));
});

const TABLES = 'machines machine_words events fleet_members fleet_site_pools record_sites';

/** A site of some turns, one of whose machines another site claims, and a pool and a reset over both. */
async function seeded(): Promise<FleetDatabase> {
  const db = await fleetDatabase();
  const rows = limit('fleetRemoveRowsMax') + 5;
  for (const site of ['lon', 'sto'])
    await db.run('INSERT INTO sites (name, joined_at, line) VALUES (?, 0, ?)', [site, site]);
  const numbers = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})`;
  const values = `'M-' || i, 'free', '', '', '', '', '{}', 1`;
  const columns = 'site, hardwarename, state, hardware_type, role, squad, rack, document, version';
  await db.run(`${numbers} INSERT INTO machines (${columns}) SELECT 'sto', ${values} FROM n`);
  await db.run(
    `${numbers} INSERT INTO machine_words (hardwarename, site, words) SELECT 'M-' || i, 'sto', 'x' FROM n`,
  );
  await db.run(
    `${numbers} INSERT INTO events (site, id, at, name, hardwarename, data) SELECT 'sto', i, 1, 'x', '', '{}' FROM n`,
  );
  await db.run(
    `INSERT INTO machines (${columns}, claimed) VALUES ('lon', 'M-7', 'free', '', '', '', '', '{}', 1, 1)`,
  );
  await db.run("INSERT INTO events VALUES ('lon', 1, 1, 'x', '', '{}')");
  await db.run(
    "INSERT INTO fleet_members (site, hardwarename, pool, joined_at) VALUES ('sto', 'M-1', 'web', 1)",
  );
  const doc = JSON.stringify({ role: 'web', sites: { lon: 1, sto: 2 } });
  await db.run(
    `INSERT INTO fleet_records (kind, name, doc, version, changed_at, changed_by) VALUES ('pool', 'web', ?, 1, 0, 'ann')`,
    [doc],
  );
  await db.run(
    `INSERT INTO fleet_resets (id, pool, body, who, asked_at) VALUES ('r', 'web', '{"why":"x","atOnceMax":1}', 'ann', 1)`,
  );
  await db.run(
    "INSERT INTO fleet_reset_sites (reset, place, site, status) VALUES ('r', 0, 'lon', 'running'), ('r', 1, 'sto', 'waiting')",
  );
  await db.run(
    `INSERT INTO fleet_requests (id, call_key, who, role, squad, hardware_type, wanted, body, sites, spread, asked_at)
     VALUES ('q', 'q', 'ann', '', '', '', 1, '{}', '[]', '{}', 1)`,
  );
  await db.run(
    "INSERT INTO fleet_parts (intent, request, site, wanted, status) VALUES ('p', 'q', 'sto', 1, 'working')",
  );
  return db;
}

/** What there is in the end. */
async function left(db: FleetDatabase) {
  const count = async (table: string, site: string) =>
    (await db.all(`SELECT site FROM ${table} WHERE site = ?`, [site])).length;
  const of = async (site: string) =>
    Promise.all(TABLES.split(' ').map(async (table) => `${table} ${await count(table, site)}`));
  const removal = await db.all('SELECT site, who, ended_at, removed FROM removals');
  return {
    ...{ sto: await of('sto'), lon: await of('lon'), removal },
    sites: await db.all('SELECT name FROM sites'),
    claimed: await db.all("SELECT claimed FROM machines WHERE hardwarename = 'M-7'"),
    pool: await db.all("SELECT doc, version FROM fleet_records WHERE name = 'web'"),
    reset: await db.all('SELECT site, status FROM fleet_reset_sites ORDER BY place'),
    part: await db.all('SELECT status, why, ended_at FROM fleet_parts'),
    open: await db.all("SELECT id FROM intents WHERE site = 'sto' AND status = 'waiting'"),
    notices: (await db.all('SELECT site, code FROM notices ORDER BY code')) as object[],
  };
}

describe('a removal that breaks off', () => {
  it('is gone on with from wherever it was, and ends as one that did not', async () => {
    const whole = await seeded();
    let turns = 0;
    const counted: FleetDatabase = {
      ...whole,
      transaction: (run, options) => {
        turns += 1;
        return whole.transaction(run, options);
      },
    };
    const done = openRemoving(counted, clock);
    for (let n = 0; (await done.remove('sto', 'ann')).endedAt === null; n++)
      expect(n).toBeLessThan(50);
    const all = await left(whole);
    expect(all).toMatchObject({
      sto: TABLES.split(' ').map((table) => `${table} 0`),
      sites: [{ name: 'lon' }],
      claimed: [{ claimed: 0 }],
      pool: [{ doc: JSON.stringify({ role: 'web', sites: { lon: 1 } }), version: 2 }],
      reset: [
        { site: 'lon', status: 'running' },
        { site: 'sto', status: 'none' },
      ],
      part: [{ status: 'lost', why: 'The site was removed from the fleet.', ended_at: NOW }],
      open: [],
      notices: [{ site: 'sto', code: 'SITE_REMOVED' }],
    });
    expect(all.lon.slice(0, 3)).toEqual(['machines 1', 'machine_words 0', 'events 1']);
    const rows = limit('fleetRemoveRowsMax') + 5;
    expect(JSON.parse(String(all.removal[0]?.removed))).toMatchObject({
      ...{ poolParts: 1, requests: 1, resets: 1, machines: rows, poolMembers: 1, events: rows },
    });
    for (let kill = 0; kill < turns; kill++) {
      const db = await seeded();
      let before = kill;
      // The transaction that it is killed in is undone.
      const killed: FleetDatabase = {
        ...db,
        transaction: (run, options) =>
          db.transaction(async (sql) => {
            const result = await run(sql);
            if (before-- <= 0) throw new Error('killed');
            return result;
          }, options),
      };
      const dying = openRemoving(killed, clock);
      expect(await codeOf(dying.remove('sto', 'ann'))).toBe('killed');
      const next = openRemoving(db, clock);
      // Nothing has begun: nobody goes on with it.
      if (kill === 0) await next.remove('sto', 'ann');
      await next.goOn();
      expect(await left(db)).toEqual(all);
    }
  }, 120_000);

  it('is not disturbed by another one of the same site', async () => {
    const db = await seeded();
    const both = [0, 1].map(() => openRemoving(db, clock));
    await Promise.all(both.map((one) => one.remove('sto', 'ann')));
    await Promise.all(both.map((one) => one.goOn()));
    expect((await left(db)).notices).toEqual([{ site: 'sto', code: 'SITE_REMOVED' }]);
    // What was asked of it in the moment in which it went.
    await db.run(
      `INSERT INTO intents (id, site, who, body, asked_at) VALUES ('late', 'sto', 'ann', '{"kind":"edit"}', 1)`,
    );
    await both[0]?.goOn();
    expect((await left(db)).open).toEqual([]);
    expect(await codeOf(openRemoving(db, clock).remove('oslo', 'ann'))).toBe('SITE_UNKNOWN');
  });
});

describe('beside a removal', () => {
  it('a line that greets late tells nothing, and a claim that was judged late counts', async () => {
    const db = await seeded();
    await openRemoving(db, clock).remove('sto', 'ann');
    await db.run('UPDATE removals SET ended_at = 0');
    // Its certificate was looked at before, it greets behind the beginning.
    await db.run("INSERT INTO sites (name, joined_at, line) VALUES ('sto', 0, 'late')");
    const lines: unknown[] = [];
    const watched: FleetDatabase = {
      ...db,
      transaction: (run, options) =>
        db.transaction((sql) => {
          const look = async (text: string, values?: readonly (string | number | null)[]) => {
            if (text.startsWith('DELETE FROM sites'))
              lines.push(await sql.all("SELECT line FROM sites WHERE name = 'sto'"));
            return sql.run(text, values);
          };
          return run({ ...sql, run: look });
        }, options),
    };
    // A batch of lon had seen the machine at sto before it went.
    await db.run("UPDATE machines SET claimed = 1 WHERE hardwarename = 'M-7'");
    await openRemoving(watched, clock).goOn();
    expect(lines).toEqual([[{ line: '' }]]);
    const claimed = () => db.all("SELECT claimed FROM machines WHERE hardwarename = 'M-7'");
    expect(await claimed()).toEqual([{ claimed: 0 }]);
    // And one that was kept even behind its end.
    await db.run("UPDATE machines SET claimed = 1 WHERE hardwarename = 'M-7'");
    await openRemoving(db, clock).goOn();
    expect(await claimed()).toEqual([{ claimed: 0 }]);
  });

  it('central stops between two turns, and the next time goes on', async () => {
    const db = await seeded();
    await db.run(`INSERT INTO removals (site, who, begun_at) VALUES ('sto', 'ann', 1)`);
    let asked = 0;
    await openRemoving(db, clock).goOn(() => ++asked > 2);
    expect((await left(db)).removal).toMatchObject([{ ended_at: 0 }]);
    await openRemoving(db, clock).goOn();
    expect((await left(db)).removal).toMatchObject([{ ended_at: NOW }]);
  });
});
