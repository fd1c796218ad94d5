/**
 * What is too old is not kept: events, notices, answers, jobs and requests that are over, codes, certificates and sessions that have ended.
 * What a site has taken on that was away for longer than it could tell of it ends. One instance at a time does it, by a lease in the
 * database, in transactions of some milliseconds; what another one has begun it goes on with.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { limit } from '../limits.ts';
import type { Log } from '../platform/log.ts';
import type { Clock } from '../wire/time.ts';
import { endAway, OPEN_PARTS } from './parts.ts';
import type { Removing } from './removing.ts';
import { type FleetDatabase, LONG, type Sql } from './sql.ts';

const DAY_MS = 86_400_000;

export interface Keeping {
  readonly keepDays: number;
  /** @returns how many rows are gone; undefined when another instance is at it */
  run(now: number): Promise<number | undefined>;
}

export function openKeeping(db: FleetDatabase, keepDays: number): Keeping {
  const holder = randomUUID();
  return {
    keepDays,
    async run(now) {
      if (!(await takeLease(db, { name: 'keeping', holder, now }))) return undefined;
      const before = now - keepDays * DAY_MS;
      const most = limit('fleetKeepingRowsMax');
      const heardBefore = Math.min(before, now - limit('requestOfCentralKeepMs'));
      await db.transaction((sql) => giveUpAway(sql, heardBefore, now));
      let gone = 0;
      for (const { name } of await db.all<{ name: string }>('SELECT name FROM sites'))
        gone += await dropEvents(db, { site: name, before, most });
      gone += await db.run('DELETE FROM notices WHERE at < ?', [before]);
      // Where none has been removed for long, of all that were ever asked.
      gone += await db.transaction((sql) => dropIntents(sql, before), LONG);
      gone += await dropJobs(db, { before, most });
      gone += await dropRequests(db, { before, most: 100 });
      gone += await db.run('DELETE FROM join_codes WHERE expires_at < ?', [before]);
      gone += await db.run('DELETE FROM sessions WHERE ends_at < ?', [now]);
      gone += await db.run('DELETE FROM certificates WHERE not_after < ?', [before]);
      return gone;
    },
  };
}

interface KeepingParts {
  readonly removing: Pick<Removing, 'goOn'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'error'>;
  readonly everyMs?: number;
  readonly closeMs?: number;
}

/**
 * Also goes on with removals of sites that nobody goes on with.
 *
 * @returns stops it, when what runs has ended, or when it has had its time: the database undoes the rest, which the next instance does
 */
export function startKeeping(
  keeping: Pick<Keeping, 'run'>,
  { removing, clock, log, ...times }: KeepingParts,
): () => Promise<void> {
  const { everyMs = limit('fleetKeepingMs'), closeMs = limit('fleetCloseMs') } = times;
  let running: Promise<unknown> = Promise.resolve();
  let isOver = false;
  const isStopped = () => isOver;
  const failed = (words: string) => (err: unknown) => {
    if (!isOver) log.error({ err }, words);
  };
  const timer = setInterval(() => {
    running = running
      .then(() => (isOver ? undefined : keeping.run(clock())))
      .catch(failed('what is old could not be removed'))
      .then(() => (isOver ? undefined : removing.goOn(isStopped)))
      .catch(failed('a site could not be removed'));
  }, everyMs);
  return async () => {
    clearInterval(timer);
    isOver = true;
    await Promise.race([running, sleep(closeMs, undefined, { ref: false })]);
  };
}

async function giveUpAway(sql: Sql, heardBefore: number, now: number): Promise<void> {
  for (const { intent, site } of await endAway(sql, { heardBefore, now }))
    await sql.run('INSERT INTO notices (id, at, site, code, detail) VALUES (?, ?, ?, ?, ?)', [
      ...[randomUUID(), now, site, 'REQUEST_LOST'],
      `Its part ${intent} of a request is given up: it was not heard of for too long.`,
    ]);
}

/** For twice the time between two tries: who dies with it holds up the others no longer. */
async function takeLease(
  db: FleetDatabase,
  { name, holder, now }: { name: string; holder: string; now: number },
): Promise<boolean> {
  const ends = now + 2 * limit('fleetKeepingMs');
  const taken = await db.run(
    `INSERT INTO leases (name, holder, ends_at) VALUES (?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends_at = excluded.ends_at
     WHERE leases.holder = excluded.holder OR leases.ends_at < ?`,
    [name, holder, ends, now],
  );
  return taken > 0;
}

/** From the oldest on, by their numbers: there is no index by time, and none is needed. */
async function dropEvents(
  db: FleetDatabase,
  { site, before, most }: { site: string; before: number; most: number },
): Promise<number> {
  let gone = 0;
  for (;;) {
    const oldest = await db.all<{ id: number; at: number }>(
      'SELECT id, at FROM events WHERE site = ? ORDER BY id LIMIT ?',
      [site, most],
    );
    // Clocks jump: everything up to the last one that is old goes, and nothing behind it.
    const last = oldest.findLast(({ at }) => at < before);
    if (!last) return gone;
    gone += await db.run('DELETE FROM events WHERE site = ? AND id <= ?', [site, last.id]);
    if (last.id !== oldest.at(-1)?.id) return gone;
  }
}

const dropIntents = (sql: Sql, before: number): Promise<number> =>
  sql.run(
    `DELETE FROM intents WHERE asked_at < ? AND status <> 'waiting'
     AND NOT EXISTS (SELECT 1 FROM fleet_parts p WHERE p.intent = intents.id)
     AND NOT EXISTS (SELECT 1 FROM fleet_jobs j WHERE j.intent = intents.id AND j.intent <> ''
       AND (j.ended_at = 0 OR j.ended_at >= ?))`,
    [before, before],
  );

async function dropJobs(
  db: FleetDatabase,
  { before, most }: { before: number; most: number },
): Promise<number> {
  for (let gone = 0; ; ) {
    const some = await db.run(
      `DELETE FROM fleet_jobs WHERE (site, job) IN
         (SELECT site, job FROM fleet_jobs WHERE ended_at > 0 AND ended_at < ? LIMIT ?)`,
      [before, most],
    );
    gone += some;
    if (some < most) return gone;
  }
}

async function dropRequests(
  db: FleetDatabase,
  { before, most }: { before: number; most: number },
): Promise<number> {
  const open = OPEN_PARTS.map((status) => `'${status}'`).join(', ');
  const rows = await db.all<{ id: string }>(
    `SELECT id FROM fleet_requests r WHERE asked_at < ?
     AND NOT EXISTS (SELECT 1 FROM fleet_parts p WHERE p.request = r.id AND (p.status IN (${open}) OR p.ended_at >= ?))
     ORDER BY asked_at LIMIT ?`,
    [before, before, most],
  );
  for (const { id } of rows)
    await db.transaction(async (sql) => {
      const of = '(SELECT intent FROM fleet_parts WHERE request = ?)';
      await sql.run(`DELETE FROM fleet_places WHERE intent IN ${of}`, [id]);
      await sql.run(`DELETE FROM intents WHERE id IN ${of}`, [id]);
      await sql.run('DELETE FROM fleet_parts WHERE request = ?', [id]);
      await sql.run('DELETE FROM fleet_requests WHERE id = ?', [id]);
    });
  return rows.length;
}
