/**
 * PostgreSQL behind central's port (sql.ts), with an end to everything that is asked of it: a database that is silent, or that
 * somebody else holds up, costs whoever asks an error and not his patience.
 *
 * The server ends what takes too long, waits too long for a lock, or leaves a transaction lying, so that an instance that has died holds
 * up no other one. This side waits a little longer than that, for a server that does not say it either. pg gives an error then and leaves the
 * connection with the statement on it (node-postgres issue 3399): such a connection is closed, and nothing is sent behind the statement.
 *
 * Closing gives what runs some seconds, and then ends its connections: the server undoes what was not committed, and nobody was told of it.
 *
 * What another transaction was in the way of (40001, 40P01) was undone whole, and is tried again some times. So a transaction does nothing
 * that its rollback does not undo.
 */
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Log } from '../platform/log.ts';
import type { FleetDatabase, Sql, SqlValue, TransactionOptions } from './sql.ts';

export interface PostgresTimes {
  /** For a connection, and for one of them to be free. */
  readonly connectMs: number;
  readonly statementMs: number;
  readonly lockMs: number;
  /** Between two statements of a transaction. */
  readonly idleMs: number;
  /** By how much this side waits longer than the server. */
  readonly graceMs: number;
  /** What still runs when all is closed. */
  readonly closeMs: number;
}

export interface PostgresOptions {
  readonly log?: Pick<Log, 'warn' | 'error'>;
  readonly times?: PostgresTimes;
}

const TIMES: PostgresTimes = {
  connectMs: limit('fleetConnectMs'),
  statementMs: limit('fleetStatementMs'),
  lockMs: limit('fleetLockMs'),
  idleMs: limit('fleetIdleTransactionMs'),
  graceMs: limit('fleetStatementGraceMs'),
  closeMs: limit('fleetCloseMs'),
};

/** PostgreSQL's INT8: counts and times stay below 2^53. */
const INT8 = 20;

/** Serialization failure and deadlock. */
const IN_THE_WAY = ['40001', '40P01'];

/** A statement was ended, a lock was not to be had. */
const LATE = ['57014', '55P03'];

/** No connection any more, or none yet: class 08, a server that ends, has crashed or is starting, and one that has too many. */
const GONE = /^(08|57P0[1-3]|53300)/;

/** What the server has said. @returns undefined for what this side says */
const stateOf = (error: unknown): string | undefined =>
  error instanceof pg.DatabaseError ? (error.code ?? '') : undefined;

export function openPostgres(url: string, options: PostgresOptions = {}): FleetDatabase {
  const { times = TIMES } = options;
  const types = new pg.TypeOverrides();
  types.setTypeParser(INT8, Number);
  const bounds = boundsFor(url, times);
  /** Of connections that are open or on their way. */
  const sockets = new Set<Socket>();
  let ended: Promise<void> | undefined;
  const pool = new pg.Pool({
    stream: () => {
      const socket = new Socket();
      sockets.add(socket);
      return socket.once('close', () => sockets.delete(socket));
    },
    ...{ connectionString: url, max: 10, types, keepAlive: true },
    connectionTimeoutMillis: times.connectMs,
    query_timeout: times.statementMs + times.graceMs,
    // Not with the greeting: pgbouncer refuses one that says more than it knows.
    onConnect: async (client) => {
      if (bounds !== '') await client.query(bounded(bounds, times.connectMs));
    },
  });
  // A connection that ends: whoever uses it hears of it by the query that fails, and the next one is opened when needed.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  const standing = openStanding(options.log);
  /** @throws AppError DATABASE_SILENT, DATABASE_BUSY; what else the server has said as it is */
  const heard = async <T>(text: string, ask: () => Promise<T>): Promise<T> => {
    try {
      const answer = await ask();
      standing.answered();
      return answer;
    } catch (cause) {
      if (pool.ending) throw cause;
      const state = stateOf(cause);
      if (state === undefined || GONE.test(state)) {
        standing.silent(cause);
        throw new AppError('DATABASE_SILENT', { cause });
      }
      standing.answered();
      if (!LATE.includes(state)) throw cause;
      standing.late(cause, text);
      throw new AppError('DATABASE_BUSY', { cause });
    }
  };
  const once = async <T>(
    run: (sql: Sql) => Promise<T>,
    { statementMs }: TransactionOptions,
  ): Promise<T> => {
    const client = await heard('connect', () => pool.connect());
    const waitMs = (statementMs ?? times.statementMs) + times.graceMs;
    let lost: unknown;
    const query = (text: string, values?: SqlValue[]) =>
      heard(text, () => client.query(bounded(text, waitMs, values))).catch((error) => {
        if (error instanceof AppError && error.code === 'DATABASE_SILENT') lost = error;
        throw error;
      });
    try {
      await query(beginning(statementMs));
      const result = await run(postgresSql(query));
      await query('COMMIT');
      client.release();
      return result;
    } catch (error) {
      // Without its connection the server undoes it.
      if (lost !== undefined) client.release(lost as Error);
      else
        await query('ROLLBACK').then(
          () => client.release(),
          (broken) => client.release(broken as Error),
        );
      throw error;
    }
  };
  return {
    ...postgresSql((text, values) => again(() => heard(text, () => pool.query(text, values)))),
    engine: 'postgresql',
    transaction: (run, of = {}) => again(() => once(run, of)),
    async close() {
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, times.closeMs);
      ended ??= pool.end();
      await ended.finally(() => clearTimeout(cut));
    },
  };
}

/** What the server shall end by itself; what the URL sets is the operator's. */
function boundsFor(url: string, { statementMs, lockMs, idleMs }: PostgresTimes): string {
  const bounds = {
    ...{ statement_timeout: statementMs, lock_timeout: lockMs },
    idle_in_transaction_session_timeout: idleMs,
  };
  return Object.entries(bounds)
    .filter(([name]) => !new RegExp(`[?&]${name}=`).test(url))
    .map(([name, ms]) => `SET ${name} = ${ms}`)
    .join('; ');
}

/** In one message. Where a statement may take long, the lock that it waits for may as well. */
const beginning = (statementMs: number | undefined): string =>
  statementMs === undefined
    ? 'BEGIN'
    : `BEGIN; SET LOCAL statement_timeout = ${statementMs}; SET LOCAL lock_timeout = ${statementMs}`;

/** pg knows of `query_timeout` in a query, its types do not. */
const bounded = (text: string, waitMs: number, values?: SqlValue[]): pg.QueryConfig => {
  const query = { text, query_timeout: waitMs, ...(values && { values }) };
  return query;
};

/** @throws AppError DATABASE_BUSY when others stay in the way */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (cause) {
      if (!IN_THE_WAY.includes(stateOf(cause) ?? '')) throw cause;
      if (tries === limit('fleetTriesMax')) throw new AppError('DATABASE_BUSY', { cause });
      // Not both at once again.
      await sleep(Math.random() * tries * limit('fleetTryAgainMs'));
    }
  }
}

interface Standing {
  answered(): void;
  silent(err: unknown): void;
  /** @param text the statement: who wrote it is looked for there */
  late(err: unknown, text: string): void;
}

/** Says once that the database is silent, and that it answers again; of what is late one in a while. */
function openStanding(log: PostgresOptions['log']): Standing {
  let failures = 0;
  let since = 0;
  let isSaid = false;
  let saidAt = Number.NEGATIVE_INFINITY;
  let lateAt = Number.NEGATIVE_INFINITY;
  return {
    answered() {
      if (failures === 0) return;
      const seconds = Math.round((performance.now() - since) / 1000);
      if (isSaid) log?.warn({ failures, seconds }, 'the database answers again');
      failures = 0;
      isSaid = false;
    },
    silent(err) {
      const now = performance.now();
      if (failures === 0) since = now;
      failures += 1;
      if (isSaid || now - saidAt < limit('fleetSayAgainMs')) return;
      isSaid = true;
      saidAt = now;
      log?.error({ err }, 'the database does not answer');
    },
    late(err, text) {
      const now = performance.now();
      if (now - lateAt < limit('fleetSayAgainMs')) return;
      lateAt = now;
      log?.warn({ err, statement: text.slice(0, 200) }, 'the database took too long');
    },
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
