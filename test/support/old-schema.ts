/**
 * A database as the program of an earlier schema left it: made by the migrations up to there, with rows in every table, each
 * value fit for its column (references, checks), so that whatever a later migration copies, drops or rewrites is there.
 */
import Sqlite, { type Database } from 'better-sqlite3';
import { MIGRATIONS } from '../../src/inventory/schema.ts';
import { report } from './reports.ts';

const ROWS = 2;

interface Column {
  readonly name: string;
  readonly type: string;
  readonly dflt_value: string | null;
}

/** Tables that hold what others do not: no index of a full text search, nothing of SQLite's own. */
export function tablesOf(db: Database): string[] {
  return db
    .prepare<[], { name: string }>(
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'
         AND name NOT GLOB 'machine_search*' ORDER BY rowid`,
    )
    .all()
    .map(({ name }) => name);
}

export function columnsOf(db: Database, table: string): Column[] {
  return db.pragma(`table_info(${table})`) as Column[];
}

/** The rows of a table, in a form and an order that can be compared. */
export function rowsOf(db: Database, table: string, columns: readonly string[]): string[] {
  const names = columns.map((name) => `"${name}"`).join(', ');
  return (db.prepare(`SELECT ${names} FROM ${table}`).raw().all() as unknown[][])
    .map((row) => JSON.stringify(row))
    .sort();
}

export function makeOldDatabase(file: string, schema: number): void {
  const db = new Sqlite(file);
  db.pragma('journal_mode = WAL');
  db.pragma('foreign_keys = OFF');
  for (const sql of MIGRATIONS.slice(0, schema)) db.exec(sql);
  db.pragma(`user_version = ${schema}`);
  db.pragma('foreign_keys = ON');
  const filled = new Set<string>();
  for (const table of tablesOf(db)) fill(db, table, filled);
  db.close();
}

/** What a table refers to is filled before it. */
function fill(db: Database, table: string, filled: Set<string>): void {
  if (filled.has(table)) return;
  filled.add(table);
  const { sql } = db.prepare(`SELECT sql FROM sqlite_schema WHERE name = ?`).get(table) as {
    sql: string;
  };
  const references = new Map(
    (db.pragma(`foreign_key_list(${table})`) as { from: string; table: string; to: string }[]).map(
      ({ from, table: other, to }) => [from, { other, to }],
    ),
  );
  for (const { other } of references.values()) fill(db, other, filled);
  const columns = columnsOf(db, table);
  const names = columns.map(({ name }) => `"${name}"`).join(', ');
  const places = columns.map(() => '?').join(', ');
  const put = db.prepare(`INSERT OR IGNORE INTO ${table} (${names}) VALUES (${places})`);
  for (let row = 1; row <= ROWS; row++) {
    put.run(
      ...columns.map(({ name, type, dflt_value: usual }) => {
        const reference = references.get(name);
        if (reference)
          return (
            db
              .prepare(`SELECT "${reference.to}" AS value FROM ${reference.other} LIMIT 1 OFFSET ?`)
              .get(row - 1) as { value: unknown }
          ).value;
        return usual === `'[]'` || usual === `'{}'`
          ? usual.slice(1, -1)
          : valueFor({ table, name, type, sql, row });
      }),
    );
  }
}

/** Where the program would not have written just any text. */
const WRITTEN: Readonly<Record<string, (row: number) => unknown>> = {
  'machines.hardware': () => JSON.stringify(report()),
  'machine_hardware.hardware': () => JSON.stringify(report()),
  'machines.state': (row) => (row === 1 ? 'available' : 'in-use'),
  'events.name': () => 'machine.state',
  'events.data': (row) => JSON.stringify({ from: 'installing', to: row === 1 ? 'held' : 'in-use' }),
  'outcomes.factors': () => '{}',
  'meta.key': (row) => `kept-${row}`,
};

function valueFor(of: {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly sql: string;
  readonly row: number;
}): unknown {
  const { table, name, type, sql, row } = of;
  const written = WRITTEN[`${table}.${name}`];
  if (written) return written(row);
  const listed = new RegExp(`\\b${name} IN \\(([^)]*)\\)`).exec(sql)?.[1];
  if (listed !== undefined) return listed.split(',')[0]?.trim().slice(1, -1);
  if (type === 'INTEGER') return row;
  if (type === 'BLOB') return Buffer.from(`${table} ${name} ${row}`);
  return `${table} ${name} ${row}`;
}
