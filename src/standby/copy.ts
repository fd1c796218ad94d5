/**
 * The standby's copy: a database that changes only by what it is told.
 *
 * What is told in one go is one transaction here: first all rows that are gone or changed go, then the changed ones come, so
 * that no two of them stand in each other's way. Being told twice changes nothing. A row that the copy has of its own (it served
 * while it was apart) would stay: a copy that was written to is not followed up but replaced.
 */
import type { Database, Statement } from 'better-sqlite3';
import type { TableChange, Value } from './change-log.ts';
import type { Promised } from './promises.ts';
import type { Place } from './protocol.ts';

export interface Copy {
  /** With the place that it is at then. */
  apply(changes: readonly TableChange[], place: Place): void;
}

const PLACE_KEY = 'standby_place';
const APART_KEY = 'standby_apart';

/** Where a copy follows the other one's log; undefined for what is none, or was written to since. */
export function placeOf(db: Database): Place | undefined {
  const row = db
    .prepare<[string], { value: string }>('SELECT value FROM meta WHERE key = ?')
    .get(PLACE_KEY);
  return row && JSON.parse(row.value);
}

export function setPlace(db: Database, place: Place): void {
  db.prepare(
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  ).run(PLACE_KEY, JSON.stringify(place));
}

/** It is no copy any more from here on: it is going to be written to. */
export function leavePlace(db: Database, to: 'active' | 'apart'): void {
  const forget = db.prepare<[string]>('DELETE FROM meta WHERE key = ?');
  const wasCopy = forget.run(PLACE_KEY).changes > 0;
  if (to === 'active') forget.run(APART_KEY);
  else if (wasCopy) db.prepare('INSERT INTO meta (key, value) VALUES (?, 1)').run(APART_KEY);
}

/** Is it a copy, or was it one until it served while it was apart? Then what it holds is the active one's. */
export function isFromCopy(db: Database): boolean {
  const any = db.prepare<[string, string]>('SELECT 1 FROM meta WHERE key IN (?, ?)');
  return any.get(PLACE_KEY, APART_KEY) !== undefined;
}

/** The leases that were entered after then, by the time of day of who entered them. */
export function promisedAfter(db: Database, at: number): Promised[] {
  return db
    .prepare<[number], Promised>(
      `SELECT segment, address, mac, expires_at AS expiresAt, last_at AS lastAt FROM leases
       WHERE state = 'bound' AND last_at > ?`,
    )
    .all(at);
}

/**
 * The leases of a copy run by our time of day from here on, as the database of one that is active: none ends sooner than by its
 * writer's. However little is known of that clock, a lease was given before now, so it ends within its own length from now.
 *
 * @param at.aheadMs by how much our time of day is ahead of the writer's, at most; negative: behind
 */
export function inheritLeases(
  db: Database,
  { now, aheadMs }: { readonly now: number; readonly aheadMs: number },
): void {
  const byMs = Math.round(aheadMs);
  db.prepare(
    `UPDATE leases SET expires_at = min(expires_at + @byMs, @now + max(0, expires_at - last_at)),
       last_at = min(last_at + @byMs, @now)`,
  ).run({ byMs, now });
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

export function openCopy(db: Database): Copy {
  db.pragma('foreign_keys = OFF');
  const statements = new Map<string, { put: Statement; drop: Statement }>();
  const of = ({ table, columns, key }: TableChange) => {
    const known = statements.get(table);
    if (known) return known;
    const made = {
      put: db.prepare(
        `INSERT OR REPLACE INTO main.${quoted(table)} (${columns.map(quoted).join(', ')})
         VALUES (${columns.map(() => '?').join(', ')})`,
      ),
      drop: db.prepare(
        `DELETE FROM main.${quoted(table)} WHERE ${key.map((part) => `${quoted(part)} = ?`).join(' AND ')}`,
      ),
    };
    statements.set(table, made);
    return made;
  };
  // Out of the index it is looked for anew when this becomes the database of a daemon.
  const unindex = db.prepare(
    'DELETE FROM machine_search WHERE rowid = (SELECT id FROM machines WHERE hardwarename = ?)',
  );
  const unindexed = (change: TableChange): void => {
    const at = change.columns.indexOf('hardwarename');
    if (at < 0 || (change.table !== 'machines' && change.table !== 'nics')) return;
    for (const row of change.rows) unindex.run(row[at]);
    if (change.table === 'machines') for (const key of change.gone) unindex.run(...key);
  };
  const run = db.transaction((changes: readonly TableChange[], place: Place) => {
    for (const change of changes) {
      unindexed(change);
      const { drop } = of(change);
      for (const key of change.gone) drop.run(...key);
      for (const row of change.rows) drop.run(...keyOf(change, row));
    }
    for (const change of changes) {
      const { put } = of(change);
      for (const row of change.rows) put.run(...row);
    }
    setPlace(db, place);
  });
  return { apply: (changes, place) => void run.immediate(changes, place) };
}

function keyOf({ columns, key }: TableChange, row: readonly Value[]): Value[] {
  return key.map((part) => row[columns.indexOf(part)] ?? null);
}
