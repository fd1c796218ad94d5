/**
 * Keys that a column has or had, in memory: most of what DHCP asks for by MAC and address is on no record, and the answer to
 * that costs a look into a set instead of a query.
 *
 * A superset: what was deleted or rolled back stays in it, so "no" is certain and "yes" means to ask. Triggers of this connection
 * keep it, whoever writes; what another program wrote (a local command) is read within a second, by SQLite's `data_version`.
 */
import type { Database } from 'better-sqlite3';
import type { Clock } from '../wire/time.ts';

const ELSEWHERE_MS = 1000;

/** @param table and @param column are words of this program's own schema, never of its input. */
export function knownKeys<Key extends string | number>(
  db: Database,
  { table, column, clock }: { table: string; column: string; clock: Clock },
): (key: Key) => boolean {
  const all = db.prepare<[], Key>(`SELECT ${column} FROM ${table}`).pluck();
  const version = db.prepare<[], number>('PRAGMA data_version').pluck();
  const note = `note_${table}_${column}`;
  const keys = new Set<Key>();
  const read = (): void => {
    for (const key of all.iterate()) keys.add(key);
  };
  db.function(note, (key: unknown) => {
    keys.add(key as Key);
    return null;
  });
  for (const [name, when] of [
    ['new', 'INSERT'],
    ['other', `UPDATE OF ${column}`],
  ] as const) {
    db.exec(
      `DROP TRIGGER IF EXISTS temp.${note}_${name};
       CREATE TEMP TRIGGER ${note}_${name} AFTER ${when} ON main.${table} BEGIN SELECT ${note}(NEW.${column}); END`,
    );
  }
  // In this order: what another program writes in between is read with the next look, and not taken for read.
  let asOf = version.get();
  read();
  let lookedAt = clock();
  return (key) => {
    if (keys.has(key)) return true;
    const now = clock();
    if (now - lookedAt < ELSEWHERE_MS) return false;
    lookedAt = now;
    const current = version.get();
    if (current === asOf) return false;
    asOf = current;
    read();
    return keys.has(key);
  };
}
