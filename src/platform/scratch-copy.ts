/**
 * A copy of the database to try things on: every table of one moment, with only those rows of some that are asked for, so that a
 * history of gigabytes and what is secret stay where they are. Whoever writes to the copy writes to nobody, waits for nobody, and holds
 * nobody up; the database itself is only read, in one read transaction.
 *
 * What a virtual table (full text) holds is not copied: it is empty in the copy.
 */
import Sqlite from 'better-sqlite3';
import { makePrivate } from './private-files.ts';

interface SchemaRow {
  readonly type: string;
  readonly name: string;
  readonly sql: string;
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** For `Kept`: none of its rows; nothing that is copied may refer to them. */
export const NO_ROW = 'FALSE';

/** Which rows are in the copy: a condition, where `live` is the database, and by its columns what is in place of their values. */
interface KeptRows {
  readonly rows: string;
  readonly as: Readonly<Record<string, string>>;
}

/** By tables; where nothing is in place of values, the condition alone. A table that is not named is copied whole. */
export type Kept = Readonly<Record<string, string | KeptRows>>;

export function copyToScratch(file: string, scratch: string, kept: Kept): void {
  makePrivate(scratch);
  const db = new Sqlite(scratch);
  try {
    // It is thrown away whatever happens to it.
    for (const pragma of ['journal_mode = OFF', 'synchronous = OFF', 'foreign_keys = OFF'])
      db.pragma(pragma);
    db.prepare('ATTACH ? AS live').run(file);
    db.transaction(() => copyTables(db, kept))();
    const version = db.pragma('live.user_version', { simple: true });
    db.prepare('DETACH live').run();
    db.pragma(`user_version = ${version}`);
  } finally {
    db.close();
  }
}

function copyTables(db: Sqlite.Database, kept: Kept): void {
  const schema = db
    .prepare<[], SchemaRow>(
      "SELECT type, name, sql FROM live.sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'",
    )
    .all();
  const virtual = schema.filter(({ sql }) => /^CREATE VIRTUAL/i.test(sql));
  // A virtual table makes its own.
  const isShadow = (name: string) => virtual.some((one) => name.startsWith(`${one.name}_`));
  const tables = schema.filter(
    (one) => one.type === 'table' && !virtual.includes(one) && !isShadow(one.name),
  );
  for (const { name, sql } of tables) {
    db.exec(sql);
    const which = kept[name] ?? 'TRUE';
    if (which === NO_ROW) continue;
    const { rows, as }: KeptRows = typeof which === 'string' ? { rows: which, as: {} } : which;
    const table = quoted(name);
    const values = columnsOf(db, table).map((column) => as[column] ?? quoted(column));
    db.exec(
      `INSERT INTO main.${table} SELECT ${values.join(', ')} FROM live.${table} WHERE ${rows}`,
    );
  }
  for (const { sql } of virtual) db.exec(sql);
  for (const { type, sql } of schema) if (type !== 'table') db.exec(sql);
}

/** Of a table as it was made in the copy. @param table quoted */
function columnsOf(db: Sqlite.Database, table: string): string[] {
  const columns = db.pragma(`main.table_info(${table})`) as { readonly name: string }[];
  return columns.map(({ name }) => name);
}
