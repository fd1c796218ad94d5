/**
 * The database behind central: PostgreSQL for a fleet, SQLite for a try on one machine, through one narrow asynchronous port.
 *
 * Statements are written once, with `?` for values and in the part of SQL that both speak; numbers beyond 32 bits come back
 * as numbers. A transaction is a function: what it throws undoes it. SQLite runs transactions one after another.
 */
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { AppError } from '../errors.ts';

export type SqlValue = string | number | null;
export type SqlRow = Record<string, SqlValue>;

export interface Sql {
  all<Row extends SqlRow>(text: string, values?: readonly SqlValue[]): Promise<Row[]>;
  /** @returns how many rows were changed */
  run(text: string, values?: readonly SqlValue[]): Promise<number>;
}

export interface FleetDatabase extends Sql {
  readonly engine: 'postgresql' | 'sqlite';
  transaction<T>(run: (sql: Sql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/**
 * Opens it, and asks it one question: who cannot reach it says so before anything is made of it.
 *
 * @throws AppError CONFIG_INVALID for what is no such URL, DATABASE_FAILED with the reason
 */
export async function reachFleetDatabase(url: string): Promise<FleetDatabase> {
  let db: FleetDatabase | undefined;
  try {
    db = openFleetDatabase(url);
    await db.all('SELECT 1 AS one');
    return db;
  } catch (cause) {
    await db?.close();
    if (cause instanceof AppError) throw cause;
    // A refused connection to a name with several addresses has no message of its own.
    const { message, code = '' } = cause as NodeJS.ErrnoException;
    const where = url.replace(/:\/\/[^/@]*@/, '://…@');
    throw new AppError('DATABASE_FAILED', { detail: `(${where}: ${message || code})`, cause });
  }
}

/** PostgreSQL's INT8: counts and times stay below 2^53. */
const INT8 = 20;

/** @param url `postgresql://…`, or `sqlite:FILE` */
export function openFleetDatabase(url: string): FleetDatabase {
  if (/^postgres(ql)?:/.test(url)) return openPostgres(url);
  const [, file] = /^sqlite:(.+)$/.exec(url) ?? [];
  if (file === undefined) {
    const detail = '\n  database: begins with postgresql: or sqlite:';
    throw new AppError('CONFIG_INVALID', { detail });
  }
  return openSqlite(file);
}

function openPostgres(url: string): FleetDatabase {
  const types = new pg.TypeOverrides();
  types.setTypeParser(INT8, Number);
  const pool = new pg.Pool({ connectionString: url, max: 10, types });
  // A connection that ends: whoever uses it hears of it by the query that fails, and the next one is opened when needed.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return {
    ...postgresSql((text, values) => pool.query(text, values)),
    engine: 'postgresql',
    async transaction(run) {
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        const result = await run(postgresSql((text, values) => client.query(text, values)));
        await client.query('COMMIT');
        client.release();
        return result;
      } catch (error) {
        await client.query('ROLLBACK').then(
          () => client.release(),
          (broken) => client.release(broken as Error),
        );
        throw error;
      }
    },
    close: () => pool.end(),
  };
}

type PgQuery = (text: string, values: SqlValue[]) => Promise<pg.QueryResult>;

function postgresSql(query: PgQuery): Sql {
  const numbered = new Map<string, string>();
  const ask = (text: string, values: readonly SqlValue[] = []) => {
    let known = numbered.get(text);
    if (known === undefined) {
      let n = 0;
      known = text.replace(/\?/g, () => `$${++n}`);
      numbered.set(text, known);
    }
    return query(known, [...values]);
  };
  return {
    all: async (text, values) => (await ask(text, values)).rows,
    run: async (text, values) => (await ask(text, values)).rowCount ?? 0,
  };
}

function openSqlite(file: string): FleetDatabase {
  const db = new Sqlite(file, { timeout: 5000 });
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  const sql: Sql = {
    all: async <Row extends SqlRow>(text: string, values: readonly SqlValue[] = []) =>
      db.prepare(text).all(...values) as Row[],
    run: async (text, values = []) => db.prepare(text).run(...values).changes,
  };
  /** The end of the line of those who write: one connection has one transaction at a time. */
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const mine = turn.then(run, run);
    turn = mine.catch(() => undefined);
    return mine;
  };
  return {
    engine: 'sqlite',
    all: (text, values) => inTurn(() => sql.all(text, values)),
    run: (text, values) => inTurn(() => sql.run(text, values)),
    transaction: (run) =>
      inTurn(async () => {
        db.exec('BEGIN IMMEDIATE');
        try {
          const result = await run(sql);
          db.exec('COMMIT');
          return result;
        } catch (error) {
          db.exec('ROLLBACK');
          throw error;
        }
      }),
    close: async () => {
      await turn;
      db.close();
    },
  };
}
