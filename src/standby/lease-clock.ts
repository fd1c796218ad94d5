/**
 * The times of day of a database whose owner's clock was set: leases, and the notes of `moves.ts`, run on for as long as they would
 * have, so each is moved by as much as the clock was.
 *
 * By how much it was set in all is kept twice: beside the database, where it is noticed, and in it, with the transaction that has moved its times.
 * The difference of the two is what is left to do. So a crash between them, or a database that nothing had open meanwhile, loses nothing
 * and moves nothing twice. A copy has the times of its writer, and that one's count.
 */
import type { Database } from 'better-sqlite3';
import { moveNotes } from './move-log.ts';

const KEY = 'standby_clock_set';

/** @param setMs by how much our time of day was set in all: its times are of now, whatever they were of */
export function keepClock(db: Database, setMs: number): void {
  db.prepare(
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  ).run(KEY, String(setMs));
}

/** By how much the clock was set in all as its times have it; undefined when nobody has counted. */
export function clockOf(db: Database): number | undefined {
  const row = db
    .prepare<[string], { value: string }>('SELECT value FROM meta WHERE key = ?')
    .get(KEY);
  return row && Number(row.value);
}

/**
 * Brings the times of our own database to our time of day as it is now. Within a transaction.
 *
 * What is of the future when the clock is set forward was written by one that was right, before a start with a clock that was behind: it stays.
 * What is of before the start when it is set back may have been, too, before a start with a clock that was ahead: it stays, but that it was
 * given no later than the start. Of a note nobody knows when it was written: it stays, and `leftMsOf` holds it to the longest lease.
 *
 * @param runMs for how long this program runs
 * @returns whether anything was moved
 */
export function followClock(
  db: Database,
  { setMs, now, runMs }: { readonly setMs: number; readonly now: number; readonly runMs: number },
): boolean {
  const byMs = setMs - (clockOf(db) ?? setMs);
  if (clockOf(db) !== setMs) keepClock(db, setMs);
  if (byMs === 0) return false;
  if (byMs > 0) {
    db.prepare(
      `UPDATE leases SET expires_at = expires_at + @byMs, last_at = last_at + @byMs
         WHERE last_at <= @now - @byMs`,
    ).run({ byMs, now });
    moveNotes(db, byMs);
    return true;
  }
  const start = now - runMs;
  db.prepare(
    `UPDATE leases SET
       expires_at = expires_at + iif(last_at >= @start - @byMs, @byMs, min(0, @start - last_at)),
       last_at = iif(last_at >= @start - @byMs, last_at + @byMs, min(last_at, @start))`,
  ).run({ byMs, start });
  return true;
}
