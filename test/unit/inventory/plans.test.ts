/**
 * How SQLite finds what the inventory asks for: whatever is asked for a packet, a job or a boot seeks in the tables that grow with the
 * site. A partial index serves a question only where its own condition stands in the question too.
 */
import Sqlite, { type Database } from 'better-sqlite3';
import { expect, it } from 'vitest';
import { openInventory } from '../../../src/inventory/inventory.ts';
import type { Millis } from '../../../src/wire/time.ts';

const GROWING = ['machines', 'boots', 'tokens', 'consoles', 'nics', 'addresses', 'leases'];

/** They look through all of it, each for a reason. */
const MAY: readonly (readonly [sql: RegExp, why: string])[] = [
  [/last_at >= \? (AND report_digest IS NULL|GROUP BY mac)/, 'once, at the start'],
  [/^SELECT \* FROM leases$|^SELECT (mac|address) FROM (nics|addresses)$/, 'once, at the start'],
  [/^UPDATE consoles SET ended_at = last_at/, 'once, at the start'],
  [/^SELECT \* FROM boots ORDER BY started_at DESC LIMIT/, 'ends at its limit'],
  [/^DELETE FROM tokens WHERE expires_at < \?/, 'once an hour'],
  [/FROM consoles WHERE ended_at > 0|sum\(kept_bytes\)/, 'every ten minutes'],
  [/FROM machines GROUP BY state|FROM machines WHERE id NOT IN/, 'counts them all'],
  [/ FROM machines ORDER BY machines\.hardwarename$/, 'all of them are wanted'],
  [/count\(\*\) AS size FROM \(SELECT 1 FROM machines/, 'ends at its limit'],
  [/FROM machines WHERE conflict_with = \?/, 'when a person merges two'],
  [/bmc_credential = @name/, 'when a person removes a credential'],
  [/FROM machines AS m WHERE m\.reported = 1/, 'when a person compares a delivery'],
];

function statementsOf(open: (db: Database) => unknown): { db: Database; all: Set<string> } {
  const db = new Sqlite(':memory:');
  const all = new Set<string>();
  const prepare = db.prepare.bind(db);
  db.prepare = ((sql: string) => {
    all.add(sql);
    return prepare(sql);
  }) as typeof db.prepare;
  open(db);
  return { db, all };
}

/** Of the tables that grow, those that this statement looks through. */
function scannedBy(db: Database, sql: string): string[] {
  const named = [...sql.matchAll(/[$@:]([a-z]\w*)/gi)].map(([, name = '']) => [name, 1]);
  const places = Array.from({ length: sql.split('?').length - 1 }, () => 1);
  const values = named.length > 0 ? [Object.fromEntries(named)] : places;
  const plan = db.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`);
  const tables = new Map([...sql.matchAll(/(\w+) AS (\w+)/g)].map(([, table, as]) => [as, table]));
  return plan.all(...values).flatMap(({ detail }) => {
    // The least of a table without a bound is called a search, and goes through all of it.
    const [, how, called = ''] = /^(SCAN|SEARCH) (\w+)/.exec(detail) ?? [];
    const table = tables.get(called) ?? called;
    const through = how === 'SCAN' || (how === 'SEARCH' && !detail.includes('('));
    return through && GROWING.includes(table) ? [table] : [];
  });
}

it('seeks, but where all of a table is wanted', () => {
  const { db, all } = statementsOf((into) => openInventory({ db: into, clock: () => 1 as Millis }));
  const asked = [...all].filter((sql) => /^\s*(SELECT|UPDATE|DELETE|WITH)/i.test(sql));
  expect(asked.length).toBeGreaterThan(200);
  const used = new Set<RegExp>();
  const scans = asked.filter((sql) => {
    if (scannedBy(db, sql).length === 0) return false;
    const text = sql.replace(/\s+/g, ' ').trim();
    const known = MAY.find(([pattern]) => pattern.test(text));
    if (known) used.add(known[0]);
    return !known;
  });
  expect(scans).toEqual([]);
  expect(MAY.filter(([pattern]) => !used.has(pattern))).toEqual([]);
});
