/**
 * A site that has closed leaves the fleet: its machines count no more, what was open at it has ended, and its appliance hears that.
 *
 * What central holds of a site may be a hundred thousand rows. They go in turns, each one transaction of some hundred rows: whoever asks gets
 * an answer within a second and asks again, and what nobody goes on with (a program that was killed, an instance that died) is gone on with when old
 * records are removed. A turn finds by itself what is left, so that one that is lost, or done twice by two instances, changes nothing.
 *
 * What is known of a site's past stays as long as that of any other: requests, jobs that have ended, answers. The row that says that it was
 * removed stays until a site of its name joins anew.
 */
import { randomUUID } from 'node:crypto';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import { OF_SITE, releaseClaims, releaseUnheld } from './claims.ts';
import { keepAnswer } from './fleet.ts';
import { MAY_COME } from './fleet-view.ts';
import { chunks, places } from './machines.ts';
import { loseOpenParts } from './parts.ts';
import { giveUpPool } from './records.ts';
import { leaveResets } from './resets.ts';
import { mendJobRows, type Step } from './schema-jobs.ts';
import { closeJob } from './site-jobs.ts';
import type { FleetDatabase, Sql, SqlRow } from './sql.ts';

export const REMOVALS: Step = [
  `CREATE TABLE removals (
    site TEXT PRIMARY KEY,
    who TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    -- 0: it is under way
    ended_at BIGINT NOT NULL DEFAULT 0,
    -- JSON: how many of what
    removed TEXT NOT NULL DEFAULT '{}'
  )`,
];

export interface Removal {
  readonly site: string;
  readonly who: string;
  readonly begunAt: number;
  /** Null while it is under way: ask again. */
  readonly endedAt: number | null;
  /** So far, from the beginning on. */
  readonly removed: Readonly<Record<string, number>>;
  /**
   * At least so many machines, up to `fleetLeftCountMax`; events by their numbers, of which a site may have left out some. So that whoever asks
   * while tens of millions are there does not wait until they are counted.
   */
  readonly left: { readonly machines: number; readonly events: number };
}

interface RemovalRow extends SqlRow {
  site: string;
  who: string;
  begun_at: number;
  ended_at: number;
  removed: string;
}

/** Of a turn. */
interface Leaving {
  readonly site: string;
  readonly who: string;
  readonly now: number;
}

export interface Removing {
  /**
   * For about a second; asked again it goes on, and one that has ended stays as it is.
   *
   * @throws AppError SITE_UNKNOWN, SITE_NOT_SHUT_OUT
   */
  remove(site: string, who: string): Promise<Removal>;
  /**
   * What somebody has begun and nobody has gone on with; orders for a site that is gone end, and claims of what nobody has hold.
   *
   * @param isOver asked between two turns: whether to leave the rest to the next time
   */
  goOn(isOver?: () => boolean): Promise<void>;
}

const WHY = 'The site was removed from the fleet.';

/** In this order: what is asked of other sites in its place is asked when its machines still count for nobody else. */
const STEPS: readonly (readonly [
  what: string,
  step: (sql: Sql, of: Leaving) => Promise<number>,
])[] = [
  ['poolParts', giveUpPool],
  ['orders', endOrders],
  ['requests', (sql, { site, now }) => loseOpenParts(sql, { site, now, why: WHY })],
  ['jobs', endJobs],
  ['resets', (sql, { site, now }) => leaveResets(sql, { site, now, why: WHY })],
  ['machines', dropMachines],
  ['poolMembers', (sql, { site }) => dropSome(sql, 'fleet_members', 'hardwarename', site)],
  ['pools', (sql, { site }) => dropSome(sql, 'fleet_site_pools', 'pool', site)],
  ['events', (sql, { site }) => dropSome(sql, 'events', 'id', site)],
];

export function openRemoving(db: FleetDatabase, clock: Clock): Removing {
  const goOnUntil = async (site: string, isOver: () => boolean): Promise<void> => {
    while ((await db.transaction((sql) => turn(sql, site, clock()))) && !isOver());
  };
  return {
    async remove(site, who) {
      await db.transaction((sql) => begin(sql, { site, who, now: clock() }));
      const end = performance.now() + limit('fleetRemoveTurnMs');
      await goOnUntil(site, () => performance.now() >= end);
      return read(db, site);
    },
    async goOn(isOver = () => false) {
      await db.transaction((sql) => releaseUnheld(sql));
      for (const { site, who, ended_at } of await db.all<RemovalRow>('SELECT * FROM removals'))
        if (isOver()) return;
        else if (ended_at === 0) await goOnUntil(site, isOver);
        // What it was asked for while it was removed.
        else await db.transaction((sql) => endOrders(sql, { site, who, now: clock() }));
    },
  };
}

/** @throws AppError SITE_UNKNOWN, SITE_NOT_SHUT_OUT */
async function begin(sql: Sql, { site, who, now }: Leaving): Promise<void> {
  // The row first: an appliance that joins as this site in this moment waits, or is seen.
  const isThere = await sql.run('UPDATE sites SET line = line WHERE name = ?', [site]);
  const [known] = await sql.all<RemovalRow>('SELECT * FROM removals WHERE site = ?', [site]);
  if (known) return;
  if (isThere === 0) throw new AppError('SITE_UNKNOWN', { detail: site });
  const living = await sql.all(`SELECT name FROM sites WHERE name = ? AND ${MAY_COME}`, [
    ...[site, now],
  ]);
  if (living.length > 0) throw new AppError('SITE_NOT_SHUT_OUT', { detail: `(${site})` });
  // A line that has not heard yet that its certificate has ended changes nothing more.
  await sql.run(`UPDATE sites SET line = '', feed_cursor = NULL WHERE name = ?`, [site]);
  await sql.run('INSERT INTO removals (site, who, begun_at) VALUES (?, ?, ?)', [site, who, now]);
}

/** @returns whether there is more */
async function turn(sql: Sql, site: string, now: number): Promise<boolean> {
  // The site's row first, as a batch does. One that was let in before and greets only now tells nothing more either.
  await sql.run(
    `UPDATE sites SET line = '', feed_cursor = NULL WHERE name = ?
     AND EXISTS (SELECT 1 FROM removals r WHERE r.site = sites.name AND r.ended_at = 0)`,
    [site],
  );
  // Two that are at it take turns.
  const isOpen = await sql.run('UPDATE removals SET who = who WHERE site = ? AND ended_at = 0', [
    site,
  ]);
  if (isOpen === 0) return false;
  const row = await find(sql, site);
  const removed = JSON.parse(row.removed) as Record<string, number>;
  for (const [what, step] of STEPS) {
    const count = await step(sql, { site, who: row.who, now });
    if (count === 0) continue;
    removed[what] = (removed[what] ?? 0) + count;
    await sql.run('UPDATE removals SET removed = ? WHERE site = ?', [
      ...[JSON.stringify(removed), site],
    ]);
    return true;
  }
  for (const table of ['record_sites', 'site_rights', 'join_codes'])
    await sql.run(`DELETE FROM ${table} WHERE site = ?`, [site]);
  await releaseUnheld(sql, site);
  await sql.run('DELETE FROM sites WHERE name = ?', [site]);
  await sql.run('UPDATE removals SET ended_at = ? WHERE site = ?', [now, site]);
  const counts = Object.entries(removed).map(([what, count]) => `${what} ${count}`);
  const detail = `${row.who} has removed it from the fleet: ${counts.join(', ') || 'it had nothing'}.`;
  await notice(sql, { site, now, code: 'SITE_REMOVED', detail });
  return false;
}

const notice = (
  sql: Sql,
  { site, now, code, detail }: { site: string; now: number; code: string; detail: string },
) =>
  sql.run('INSERT INTO notices (id, at, site, code, detail) VALUES (?, ?, ?, ?, ?)', [
    ...[randomUUID(), now, site, code, detail.slice(0, 500)],
  ]);

async function find(sql: Sql, site: string): Promise<RemovalRow> {
  const [row] = await sql.all<RemovalRow>('SELECT * FROM removals WHERE site = ?', [site]);
  // An appliance has joined as this site meanwhile.
  if (!row) throw new AppError('SITE_UNKNOWN', { detail: site });
  return row;
}

async function read(sql: Sql, site: string): Promise<Removal> {
  const { who, begun_at: begunAt, ended_at: endedAt, removed } = await find(sql, site);
  const left = {
    machines: await machinesLeft(sql, site),
    events: await eventsLeft(sql, site),
  };
  return { site, who, begunAt, endedAt: endedAt || null, removed: JSON.parse(removed), left };
}

async function machinesLeft(sql: Sql, site: string): Promise<number> {
  const [row] = await sql.all<{ count: number }>(
    `SELECT CAST(count(*) AS BIGINT) AS count FROM (SELECT 1 FROM machines WHERE site = ? LIMIT ?) few`,
    [site, limit('fleetLeftCountMax')],
  );
  return row?.count ?? 0;
}

/** Each end is one step into the index; SQLite takes it for one where a statement asks for one of them alone. */
async function eventsLeft(sql: Sql, site: string): Promise<number> {
  const [row] = await sql.all<{ first: number | null; last: number | null }>(
    `SELECT (SELECT min(id) FROM events WHERE site = ?) AS first,
       (SELECT max(id) FROM events WHERE site = ?) AS last`,
    [site, site],
  );
  const { first, last } = row ?? {};
  return typeof first === 'number' && typeof last === 'number' ? last - first + 1 : 0;
}

/** As if the site had refused them, with all that follows from that: other sites are asked, jobs end, a reset stops. */
async function endOrders(sql: Sql, { site, now }: Leaving): Promise<number> {
  const rows = await sql.all<{ id: string }>(
    `SELECT id FROM intents WHERE site = ? AND status = 'waiting' ORDER BY asked_at, id LIMIT ?`,
    [site, limit('fleetStatementRowsMax')],
  );
  for (const { id: intent } of rows) {
    const result = { code: 'SITE_REMOVED', detail: WHY };
    const said = { kind: 'result', intent, status: 'refused', result } as const;
    await keepAnswer(sql, { site, now, result: said });
  }
  return rows.length;
}

async function endJobs(sql: Sql, { site, now }: Leaving): Promise<number> {
  await mendJobRows(sql, site);
  const rows = await sql.all<{ job: string }>(
    'SELECT job FROM fleet_jobs WHERE site = ? AND ended_at = 0 ORDER BY job LIMIT ?',
    [site, limit('fleetStatementRowsMax')],
  );
  const end = { status: 'lost', code: 'JOB_LOST', detail: WHY, endedAt: now } as const;
  for (const { job } of rows) await closeJob(sql, { site, job }, end);
  return rows.length;
}

async function dropMachines(sql: Sql, { site }: Leaving): Promise<number> {
  const rows = await sql.all<{ hardwarename: string }>(
    'SELECT hardwarename FROM machines WHERE site = ? ORDER BY hardwarename LIMIT ?',
    [site, limit('fleetRemoveRowsMax')],
  );
  for (const chunk of chunks(rows)) {
    const names = chunk.map(({ hardwarename }) => hardwarename);
    for (const table of ['machine_words', 'machines'])
      await sql.run(
        `DELETE FROM ${table} WHERE ${OF_SITE} AND hardwarename IN ${places([names])}`,
        [...[site, ...names]],
      );
    await releaseClaims(sql, { site, names });
  }
  return rows.length;
}

/**
 * From the first on. Between two names of what was looked up: PostgreSQL that has counted the table before most of it went takes all up to the
 * second one for half of it, and reads all of it.
 */
async function dropSome(sql: Sql, table: string, key: string, site: string): Promise<number> {
  const rows = await sql.all(
    `SELECT ${key} AS name FROM ${table} WHERE site = ? ORDER BY ${key} LIMIT ?`,
    [site, limit('fleetRemoveRowsMax')],
  );
  const [first, last] = [rows[0]?.name, rows.at(-1)?.name];
  if (first === undefined || last === undefined) return 0;
  return sql.run(`DELETE FROM ${table} WHERE site = ? AND ${key} >= ? AND ${key} <= ?`, [
    ...[site, first, last],
  ]);
}
