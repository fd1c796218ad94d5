/**
 * Which rows of the database have changed, in the order of their commits: what the standby is told.
 *
 * Everything that the daemon does is rows of one SQLite file, the events of the feed among them. Triggers that only this
 * connection has (TEMP) note the key of each row that it changes, in a table in memory that is as much part of each
 * transaction as the row itself: what is rolled back was never noted. Nothing of it is in the file, and a daemon without
 * a standby has none of it. What is told is the row as it is when it is read, and a read goes to the end of the log in one
 * go: so each one carries a whole number of transactions.
 *
 * The log begins with the process; a follower whose place is in the log of another run, or below what is kept, takes a copy of
 * the whole file, which may be newer than its place in the log: rows that are told again are the same rows.
 *
 * Not told: tables of full-text search, which SQLite keeps for itself; `copy.ts` marks what has to be indexed anew.
 */
import type { Database } from 'better-sqlite3';

export type Value = string | number | null | Uint8Array;

export interface TableChange {
  readonly table: string;
  readonly columns: readonly string[];
  readonly key: readonly string[];
  /** As they are now. */
  readonly rows: readonly (readonly Value[])[];
  /** Keys of rows that are there no more. */
  readonly gone: readonly (readonly Value[])[];
}

export interface ChangeLog {
  /** The place behind everything that is committed. */
  head(): number;
  /** Places below this are not kept any more. */
  floor(): number;
  /** Everything behind this place, to the head. Outside of a transaction. */
  read(after: number): TableChange[];
  /** What the follower has needs not be kept. */
  forget(upTo: number): void;
}

interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  readonly key: readonly string[];
}

/** The longest key of a table. */
const KEY_PARTS = ['k1', 'k2', 'k3', 'k4'] as const;
/** Of these, the oldest half goes when nobody has taken them: a follower that was away for so long takes a copy. */
const KEPT_MAX = 400_000;

const ROW = 'rowid';

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** Tables of the file that can be told of, with their keys. */
export function tablesOf(db: Database): Table[] {
  const found = db
    .prepare<[], { name: string; sql: string }>(
      `SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`,
    )
    .all();
  const virtual = found.filter(({ sql }) => /^CREATE VIRTUAL/i.test(sql)).map(({ name }) => name);
  const info = db.prepare<[string], { name: string; pk: number }>(
    `SELECT name, pk FROM pragma_table_info(?)`,
  );
  return found
    .filter(({ name }) => !virtual.some((of) => name === of || name.startsWith(`${of}_`)))
    .map(({ name }) => {
      const columns = info.all(name);
      const named = columns.map((one) => one.name);
      const key = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
      if (key.length > KEY_PARTS.length) throw new Error(`the key of ${name} is too long`);
      // A table without a key of its own goes by the number that SQLite gives its rows.
      if (key.length === 0) return { name, columns: [ROW, ...named], key: [ROW] };
      return { name, columns: named, key: key.map((one) => one.name) };
    });
}

/** Notes changes from here on. To be called once for a connection, when its schema is the newest. */
export function openChangeLog(db: Database): ChangeLog {
  db.pragma('temp_store = MEMORY');
  db.exec(
    `CREATE TEMP TABLE standby_log (
       seq INTEGER PRIMARY KEY AUTOINCREMENT, t INTEGER NOT NULL, ${KEY_PARTS.join(', ')})`,
  );
  const tables = tablesOf(db);
  for (const [index, table] of tables.entries()) addTriggers(db, table, index);
  const headOf = db
    .prepare<[], number | null>(`SELECT seq FROM temp.sqlite_sequence WHERE name = 'standby_log'`)
    .pluck();
  const drop = db.prepare('DELETE FROM temp.standby_log WHERE seq <= ?');
  const changed = db.prepare<[number], { t: number } & Record<string, Value>>(
    `SELECT DISTINCT t, ${KEY_PARTS.join(', ')} FROM temp.standby_log WHERE seq > ? ORDER BY t`,
  );
  const selects = tables.map(({ name, columns, key }) =>
    db
      .prepare(
        `SELECT ${columns.map(quoted).join(', ')} FROM main.${quoted(name)}
         WHERE ${key.map((part) => `${quoted(part)} = ?`).join(' AND ')}`,
      )
      .raw(),
  );
  let floor = 0;
  const head = () => headOf.get() ?? 0;
  const forget = (upTo: number): void => {
    if (upTo <= floor) return;
    drop.run(upTo);
    floor = upTo;
  };
  const log: ChangeLog = {
    head,
    floor: () => floor,
    forget,
    read(after) {
      if (db.inTransaction) throw new Error('the log is read between transactions');
      if (after < floor) throw new Error('the log does not reach back so far');
      const changes = new Map<number, { rows: Value[][]; gone: Value[][] }>();
      for (const row of changed.iterate(after)) {
        const table = tables[row.t];
        if (!table) continue;
        const key = KEY_PARTS.slice(0, table.key.length).map((part) => row[part] ?? null);
        const found = selects[row.t]?.get(...key) as Value[] | undefined;
        const of = changes.get(row.t) ?? { rows: [], gone: [] };
        changes.set(row.t, of);
        if (found) of.rows.push(found);
        else of.gone.push(key);
      }
      trim(log);
      return [...changes].flatMap(([index, of]) => {
        const table = tables[index];
        return table ? [{ table: table.name, columns: table.columns, key: table.key, ...of }] : [];
      });
    },
  };
  return log;
}

/** Nobody takes them: more than may be kept is not kept. Not while a copy of the file is on its way, which they go on from. */
export function trim(log: Pick<ChangeLog, 'head' | 'floor' | 'forget'>): void {
  const head = log.head();
  if (head - log.floor() > KEPT_MAX) log.forget(head - KEPT_MAX / 2);
}

function addTriggers(db: Database, { name, key }: Table, index: number): void {
  const parts = KEY_PARTS.slice(0, key.length).join(', ');
  const of = (row: 'OLD' | 'NEW') => key.map((part) => `${row}.${quoted(part)}`).join(', ');
  const note = (row: 'OLD' | 'NEW') => `SELECT ${index}, ${of(row)}`;
  const bodies = {
    INSERT: note('NEW'),
    DELETE: note('OLD'),
    // A row whose key changes is two.
    UPDATE: `${note('OLD')} UNION ${note('NEW')}`,
  };
  for (const [what, body] of Object.entries(bodies))
    db.exec(
      `CREATE TEMP TRIGGER ${quoted(`standby_${what}_${name}`)} AFTER ${what} ON main.${quoted(name)}
       BEGIN INSERT INTO standby_log (t, ${parts}) ${body}; END`,
    );
}
