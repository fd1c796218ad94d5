/**
 * Which feed a number of an event belongs to.
 *
 * Numbers go up and never come back within one database. A database that was put back from a copy gives numbers anew that
 * others have read before with other events under them; so each life of the database has an epoch, made with it and made
 * anew when a copy is put back. A cursor is written `NUMBER.EPOCH`. One of another epoch, or one that lies beyond the last
 * event, says that its reader knows things which are not so here: it has to read the state anew.
 *
 * The same is true after a power cut: followers are told of an event when it is committed, and packets are answered when it
 * is on disk, a few milliseconds later. What was committed last may be gone then, and its numbers are given anew. So a daemon
 * that was not stopped before the operating system was started again begins a new epoch, too; `kill -9` loses nothing.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import { MIGRATIONS } from './schema.ts';

export interface Cursor {
  readonly id: number;
  /** Absent in a cursor that is a number alone: then only what lies beyond the end tells. */
  readonly epoch?: string | undefined;
}

const CURSOR = /^(\d{1,15})(?:\.([0-9a-f]{1,32}))?$/;

export function parseCursor(text: string): Cursor | undefined {
  const match = CURSOR.exec(text);
  return match ? { id: Number(match[1]), epoch: match[2] } : undefined;
}

export function formatCursor(id: number, epoch: string): string {
  return `${id}.${epoch}`;
}

export function epochOf(db: Database): string {
  const row = db
    .prepare<[], { value: string }>(`SELECT value FROM meta WHERE key = 'feed_epoch'`)
    .get();
  if (!row) throw new Error('the database has no feed epoch');
  return row.value;
}

/** Before anything is told: begins a new epoch when the operating system has gone down under the last run. */
export function beginRun(db: Database, osBoot: string): void {
  const last = db
    .prepare<[], { value: string }>(`SELECT value FROM meta WHERE key = 'run'`)
    .get()?.value;
  db.transaction(() => {
    if (last !== undefined && last !== STOPPED && last !== osBoot) renewEpoch(db);
    putRun(db, osBoot);
  })();
}

/** In the transaction that is the last of a run, and on disk when it is over. */
export function endRun(db: Database): void {
  putRun(db, STOPPED);
}

const STOPPED = 'stopped';

function putRun(db: Database, value: string): void {
  db.prepare(
    `INSERT INTO meta (key, value) VALUES ('run', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
  ).run(value);
}

function renewEpoch(db: Database): void {
  db.prepare(`UPDATE meta SET value = lower(hex(randomblob(6))) WHERE key = 'feed_epoch'`).run();
}

/**
 * Looks at a copy that is about to be put in the database's place, begins a new epoch in it, and brings its jobs to rest. A copy
 * of an older schema is given an epoch when it is migrated.
 * @throws AppError DATABASE_CORRUPT for what is no database of ours, or of a newer program
 */
export function acceptRestored(db: Database): void {
  const schema = db.pragma('user_version', { simple: true }) as number;
  const has = db.prepare<[string], { name: string }>(
    `SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ?`,
  );
  if (schema < 1 || !has.get('events') || !has.get('machines'))
    throw new AppError('DATABASE_CORRUPT', { detail: '(it is no database of Reveille)' });
  if (schema > MIGRATIONS.length) {
    const detail = `(its schema ${schema} is newer than this program's ${MIGRATIONS.length})`;
    throw new AppError('DATABASE_CORRUPT', { detail });
  }
  if (has.get('work_orders'))
    db.exec(`UPDATE work_orders SET state = 'ended' WHERE state = 'armed'`);
  if (has.get('job_queue')) pauseJobs(db);
  if (has.get('meta')) renewEpoch(db);
}

/** For people, who read it wherever the queue is shown. */
export const RESTORED = 'a copy of the database was put back: machines may be in use by now';

/**
 * What the copy takes for free, or for half installed, may be in use by now: no order in it is live any more, whoever netboots,
 * and nothing is sent to a machine before a person has looked and says `jobs resume`. Since when: the copy's last word.
 */
function pauseJobs(db: Database): void {
  db.prepare(
    `UPDATE job_queue SET who = 'restore', why = ? || iif(paused_at > 0, '; before that: ' || why, ''),
       paused_at = iif(paused_at > 0, paused_at, max(1, (SELECT ifnull(max(at), 1) FROM events)))
     WHERE EXISTS (SELECT 1 FROM machines)`,
  ).run(RESTORED);
}
