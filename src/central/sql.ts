/**
 * The database behind central: PostgreSQL for a fleet, SQLite for a try on one machine, through one narrow asynchronous port.
 *
 * Statements are written once, with `?` for values and in the part of SQL that both speak; numbers beyond 32 bits come back
 * as numbers. A transaction is a function: what it throws undoes it. SQLite runs transactions one after another. What PostgreSQL may
 * take for an answer is in postgres.ts.
 */
import Sqlite from 'better-sqlite3';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { openPostgres, type PostgresOptions } from './postgres.ts';

export type SqlValue = string | number | null;
export type SqlRow = Record<string, SqlValue>;

export interface Sql {
  all<Row extends SqlRow>(text: string, values?: readonly SqlValue[]): Promise<Row[]>;
  /** @returns how many rows were changed */
  run(text: string, values?: readonly SqlValue[]): Promise<number>;
}

export interface TransactionOptions {
  /** What each statement of it may take, where that is another time than usual. PostgreSQL alone. */
  readonly statementMs?: number;
}

/** Of what is of all machines. */
export const LONG: TransactionOptions = { statementMs: limit('fleetLongStatementMs') };

/** All of it throws AppError DATABASE_SILENT, DATABASE_BUSY. */
export interface FleetDatabase extends Sql {
  readonly engine: 'postgresql' | 'sqlite';
  /** @param run is run again when another transaction was in the way: all that it does is undone by a rollback */
  transaction<T>(run: (sql: Sql) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** What runs has some seconds (`fleetCloseMs`); PostgreSQL undoes what is not committed by then, and whoever waits for it hears an error. */
  close(): Promise<void>;
}

/**
 * Opens it, and asks it one question: who cannot reach it says so before anything is made of it.
 *
 * @throws AppError CONFIG_INVALID for what is no such URL, DATABASE_FAILED with the reason
 */
export async function reachFleetDatabase(
  url: string,
  options?: PostgresOptions,
): Promise<FleetDatabase> {
  let db: FleetDatabase | undefined;
  try {
    db = openFleetDatabase(url, options);
    await db.all('SELECT 1 AS one');
    return db;
  } catch (error) {
    await db?.close();
    const isSilent = error instanceof AppError && error.code === 'DATABASE_SILENT';
    if (error instanceof AppError && !isSilent) throw error;
    const cause = isSilent ? error.cause : error;
    // A refused connection to a name with several addresses has no message of its own.
    const { message, code = '' } = cause as NodeJS.ErrnoException;
    const where = url.replace(/:\/\/[^/@]*@/, '://…@');
    throw new AppError('DATABASE_FAILED', { detail: `(${where}: ${message || code})`, cause });
  }
}

/** @param url `postgresql://…`, or `sqlite:FILE` */
export function openFleetDatabase(url: string, options?: PostgresOptions): FleetDatabase {
  if (/^postgres(ql)?:/.test(url)) return openPostgres(url, options);
  const [, file] = /^sqlite:(.+)$/.exec(url) ?? [];
  if (file === undefined) {
    const detail = '\n  database: begins with postgresql: or sqlite:';
    throw new AppError('CONFIG_INVALID', { detail });
  }
  return openSqlite(file);
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
