/** What central keeps for a while, and by which instance it is removed. */
import { describe, expect, it } from 'vitest';
import { openKeeping, startKeeping } from '../../../src/central/keeping.ts';
import { endForgotten } from '../../../src/central/parts.ts';
import type { FleetDatabase } from '../../../src/central/sql.ts';
import { limit } from '../../../src/limits.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { fleetDatabase } from '../../support/fleet-database.ts';

const DAY_MS = 86_400_000;
const NOW = 1_000 * DAY_MS;

async function openDatabase(): Promise<FleetDatabase> {
  const db = await fleetDatabase();
  await db.run("INSERT INTO sites (name, joined_at) VALUES ('lon', 0)");
  return db;
}

const addEvent = (db: FleetDatabase, id: number, at: number) =>
  db.run('INSERT INTO events (site, id, at, name, hardwarename, data) VALUES (?, ?, ?, ?, ?, ?)', [
    ...['lon', id, at, 'machine.state', '', '{}'],
  ]);

async function addRequest(db: FleetDatabase, id: string, status: string, endedAt: number) {
  await db.run(
    `INSERT INTO fleet_requests (id, call_key, who, role, squad, hardware_type, wanted, body, sites, spread, asked_at)
     VALUES (?, ?, '', '', '', '', 1, '{}', '[]', '{}', 1)`,
    [id, id],
  );
  await db.run(
    `INSERT INTO fleet_parts (intent, request, site, wanted, status, ended_at) VALUES (?, ?, 'lon', 1, ?, ?)`,
    [`part-${id}`, id, status, endedAt],
  );
  await db.run(
    `INSERT INTO intents (id, site, who, body, asked_at, status) VALUES (?, 'lon', '', '{}', 1, 'done')`,
    [`part-${id}`],
  );
}

const left = async (db: FleetDatabase, table: string, column = 'id') =>
  (await db.all(`SELECT ${column} AS one FROM ${table} ORDER BY 1`)).map(({ one }) => one);

describe('what is too old', () => {
  it('is removed, and nothing that is new or still goes on', async () => {
    const db = await openDatabase();
    const keeping = openKeeping(db, 100);
    const [old, fresh] = [NOW - 101 * DAY_MS, NOW - 99 * DAY_MS];
    // The clock of the site went back once: what is old by its number goes with the others.
    for (const [index, at] of [old, fresh, old, fresh, fresh].entries())
      await addEvent(db, index + 1, at);
    for (const [id, at] of [
      ['a', old],
      ['b', fresh],
    ] as const)
      await db.run(`INSERT INTO notices (id, at, site, code, detail) VALUES (?, ?, '', '', '')`, [
        ...[id, at],
      ]);
    await addRequest(db, 'over', 'fulfilled', old);
    await addRequest(db, 'open', 'working', 0);
    await addRequest(db, 'late', 'fulfilled', fresh);
    expect(await keeping.run(NOW)).toBe(5);
    expect(await left(db, 'events')).toEqual([4, 5]);
    expect(await left(db, 'notices')).toEqual(['b']);
    expect(await left(db, 'fleet_requests')).toEqual(['late', 'open']);
    expect(await left(db, 'fleet_parts', 'intent')).toEqual(['part-late', 'part-open']);
    expect(await left(db, 'intents')).toEqual(['part-late', 'part-open']);
    expect(await keeping.run(NOW)).toBe(0);
  });

  it('is what a site has taken on that was not heard of for longer than it could tell of it', async () => {
    const db = await openDatabase();
    const keptMs = limit('requestOfCentralKeepMs');
    const insert = 'INSERT INTO sites (name, joined_at, heard_at) VALUES (?, 0, ?)';
    await db.run(insert, ['away', NOW - keptMs - 1]);
    await db.run(insert, ['late', NOW - keptMs + 1]);
    const parts = { taken: 'working', held: 'waiting', asked: 'asked', done: 'fulfilled' };
    for (const site of ['away', 'late'])
      for (const [id, status] of Object.entries(parts)) {
        const name = `${site}-${id}`;
        await addRequest(db, name, status, status === 'fulfilled' ? NOW : 0);
        await db.run('UPDATE fleet_parts SET site = ? WHERE request = ?', [site, name]);
      }
    // Whoever keeps for a shorter time waits as long as the site does.
    await openKeeping(db, 1).run(NOW);
    const lost = await db.all("SELECT * FROM fleet_parts WHERE status = 'lost' ORDER BY intent");
    expect(lost).toMatchObject([
      { intent: 'part-away-held', ended_at: NOW, why: expect.stringContaining('last heard of at') },
      { intent: 'part-away-taken', ended_at: NOW },
    ]);
    expect(await left(db, 'notices', 'site')).toEqual(['away', 'away']);
    expect(await left(db, 'notices', 'code')).toEqual(['REQUEST_LOST', 'REQUEST_LOST']);
    // It comes back, and has no record of it any more, but the event of its end.
    const data = { request: 'part-away-taken', installed: 1 };
    const events = [{ id: 1, at: 1, name: 'request.fulfilled', data }];
    await endForgotten(db, { site: 'away', requests: [], events, now: NOW + 1 });
    expect(
      await db.all("SELECT status, done, why FROM fleet_parts WHERE intent = 'part-away-taken'"),
    ).toEqual([{ status: 'fulfilled', done: 1, why: '' }]);
  });

  it('is no job that goes on, nor what was asked for it', async () => {
    const db = await openDatabase();
    const [old, fresh] = [NOW - 101 * DAY_MS, NOW - 99 * DAY_MS];
    const jobs = { open: ['running', 0], over: ['finished', old], late: ['finished', fresh] };
    for (const [id, [status, endedAt]] of Object.entries(jobs)) {
      await db.run(
        `INSERT INTO intents (id, site, who, body, asked_at, status) VALUES (?, 'lon', '', '{}', 1, 'done')`,
        [id],
      );
      await db.run(
        `INSERT INTO fleet_jobs (site, job, intent, status, ended_at) VALUES ('lon', ?, ?, ?, ?)`,
        [`of-${id}`, id, ...[status ?? '', endedAt ?? 0]],
      );
    }
    expect(await openKeeping(db, 100).run(NOW)).toBe(2);
    expect(await left(db, 'intents')).toEqual(['late', 'open']);
    expect(await left(db, 'fleet_jobs', 'job')).toEqual(['of-late', 'of-open']);
  });

  it('goes in as many pieces as it takes', async () => {
    const db = await openDatabase();
    await db.transaction(async (sql) => {
      const values = (from: number) =>
        Array.from({ length: 500 }, (_, n) => `('lon', ${from + n}, 1, 'x', '', '{}')`).join(', ');
      for (let from = 1; from < 2 * limit('fleetKeepingRowsMax'); from += 500)
        await sql.run(
          `INSERT INTO events (site, id, at, name, hardwarename, data) VALUES ${values(from)}`,
        );
    });
    await db.run(
      "INSERT INTO fleet_jobs (site, job, id, status, ended_at) SELECT site, CAST(id AS TEXT), CAST(id AS TEXT), 'failed', 1 FROM events",
    );
    expect(await openKeeping(db, 1).run(NOW)).toBe(4 * limit('fleetKeepingRowsMax'));
  });

  it('is one instance’s business at a time, and another’s when that one is gone', async () => {
    const db = await openDatabase();
    const [one, other] = [openKeeping(db, 100), openKeeping(db, 100)];
    expect(await one.run(NOW)).toBe(0);
    expect(await other.run(NOW + 1)).toBeUndefined();
    expect(await one.run(NOW + 2)).toBe(0);
    expect(await other.run(NOW + 3 * limit('fleetKeepingMs'))).toBe(0);
    expect(await one.run(NOW + 3 * limit('fleetKeepingMs'))).toBeUndefined();
  });
});

describe('keeping that is stopped', () => {
  const clock = () => NOW as Millis;

  it('ends what runs, and begins nothing more', async () => {
    let goOn: () => void = () => undefined;
    const done: string[] = [];
    const run = () => {
      done.push('begun');
      return new Promise<number>((resolve) => {
        goOn = () => resolve(done.push('ended'));
      });
    };
    const goneOn = () => Promise.resolve(void done.push('gone on'));
    const log = { error: () => void done.push('said') };
    const parts = { removing: { goOn: goneOn }, clock, log, everyMs: 5, closeMs: 60_000 };
    const stop = startKeeping({ run }, parts);
    await expect.poll(() => done).toEqual(['begun']);
    setTimeout(() => goOn(), 20);
    await stop();
    expect(done).toEqual(['begun', 'ended']);
  });

  it('is waited for no longer than its time, and what it hears then is no error', async () => {
    let fail: (error: Error) => void = () => undefined;
    const done: string[] = [];
    const run = () =>
      new Promise<number>((_, reject) => {
        fail = reject;
        done.push('begun');
      });
    const log = { error: () => void done.push('said') };
    const removing = { goOn: () => Promise.reject(new Error('gone on')) };
    const stop = startKeeping({ run }, { removing, clock, log, everyMs: 5, closeMs: 30 });
    await expect.poll(() => done).toEqual(['begun']);
    await stop();
    fail(new Error('closed'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toEqual(['begun']);
  });
});
