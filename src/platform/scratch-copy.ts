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

/** Conditions by tables: which rows are in the copy, where `live` is the database. A table that is not named is copied whole. */
export type Kept = Readonly<Record<string, string>>;

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
  const rows = db
    .prepare<[], SchemaRow>(
      "SELECT type, name, sql FROM live.sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'",
    )
    .all();
  const virtual = rows.filter(({ sql }) => /^CREATE VIRTUAL/i.test(sql));
  // A virtual table makes its own.
  const isShadow = (name: string) => virtual.some((one) => name.startsWith(`${one.name}_`));
  const tables = rows.filter(
    (one) => one.type === 'table' && !virtual.includes(one) && !isShadow(one.name),
  );
  for (const { name, sql } of tables) {
    db.exec(sql);
    const [table, which] = [quoted(name), kept[name] ?? 'TRUE'];
    if (which !== NO_ROW)
      db.exec(`INSERT INTO main.${table} SELECT * FROM live.${table} WHERE ${which}`);
  }
  for (const { sql } of virtual) db.exec(sql);
  for (const { type, sql } of rows) if (type !== 'table') db.exec(sql);
}
