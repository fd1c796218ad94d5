/**
 * The yardstick of the inventory bench: PostgreSQL with the same machines and questions, through its own client (`pg`) over
 * its socket. It is spared what the appliance does besides: HTTP, authentication, checks, events, the version of each row.
 */
import pg from 'pg';
import { machineOf, pick, timed } from './inventory-fleet.ts';
import { temporaryDir } from './support/daemon.ts';
import { type PostgresPrograms, startPostgres } from './support/postgres.ts';
import { memoryOf, treeOf } from './support/process.ts';
import type { Scope } from './support/scope.ts';

const BATCH = 500;

const SCHEMA = `
  CREATE EXTENSION pg_trgm;
  CREATE TABLE machines (id serial PRIMARY KEY, hardwarename text UNIQUE NOT NULL, serial text, manufacturer text,
    product text, rack text, unit int, hostname text, role text, tags jsonb, notes text, state text, version int DEFAULT 1);
  CREATE TABLE nics (mac text PRIMARY KEY, hardwarename text NOT NULL REFERENCES machines (hardwarename), name text);
  CREATE INDEX ON machines (state, hardwarename);
  CREATE INDEX ON machines (role, hardwarename);
  CREATE INDEX ON machines (rack, hardwarename);
  CREATE UNIQUE INDEX ON machines (hostname) WHERE hostname <> '';
  CREATE INDEX ON machines USING gin ((hardwarename || ' ' || coalesce(hostname, '')) gin_trgm_ops);
  CREATE INDEX ON nics (hardwarename);`;

const NICS = `(SELECT json_agg(nics) FROM nics WHERE nics.hardwarename = machines.hardwarename) AS nics`;
const IDS = `(hardwarename || ' ' || coalesce(hostname, ''))`;

export async function benchPostgres(
  scope: Scope,
  programs: PostgresPrograms,
  { machines, asks }: { machines: number; asks: number },
): Promise<object> {
  const dir = temporaryDir(scope);
  const server = await startPostgres(scope, programs, dir);
  const client = new pg.Client({ host: dir, user: 'postgres', database: 'postgres' });
  await client.connect();
  try {
    await client.query(SCHEMA);
    const load = await enter(client, machines);
    await client.query('ANALYZE');
    const asked = await ask(client, { machines, asks });
    const size = await client.query('SELECT pg_database_size(current_database()) AS bytes');
    const rssBytes = treeOf(server.pid).reduce((sum, pid) => sum + memoryOf(pid).rssBytes, 0);
    return { load, ...asked, databaseBytes: Number(size.rows[0].bytes), rssBytes };
  } finally {
    await client.end();
  }
}

async function enter(client: pg.Client, machines: number) {
  const started = performance.now();
  for (let from = 0; from < machines; from += BATCH) {
    const rows = Array.from({ length: Math.min(BATCH, machines - from) }, (_, n) =>
      machineOf(from + n),
    );
    await client.query('BEGIN');
    await client.query(
      `INSERT INTO machines (hardwarename, serial, manufacturer, product, rack, unit, hostname, role, tags, notes, state)
       SELECT serial, serial, manufacturer, product, rack, unit, hostname, role, tags, notes, state
       FROM jsonb_to_recordset($1) AS row (serial text, manufacturer text, product text, rack text, unit int,
         hostname text, role text, tags jsonb, notes text, state text)`,
      [JSON.stringify(rows)],
    );
    const nics = rows.flatMap((row) =>
      row.nics.map((nic) => ({ ...nic, hardwarename: row.serial })),
    );
    await client.query(
      `INSERT INTO nics (mac, hardwarename, name)
       SELECT mac, hardwarename, name FROM jsonb_to_recordset($1) AS row (mac text, hardwarename text, name text)`,
      [JSON.stringify(nics)],
    );
    await client.query('COMMIT');
  }
  const seconds = (performance.now() - started) / 1000;
  return { machines, seconds, perSecond: machines / seconds };
}

async function ask(client: pg.Client, { machines, asks }: { machines: number; asks: number }) {
  const named = (name: string, text: string, values: unknown[]) =>
    client.query({ name, text, values });
  const get = await timed(asks, (turn) =>
    named('get', `SELECT *, ${NICS} FROM machines WHERE hardwarename = $1`, [
      pick(turn, machines).serial,
    ]),
  );
  const list = await timed(Math.ceil(asks / 4), (turn) =>
    named(
      'list',
      `SELECT *, ${NICS} FROM machines WHERE state = $1 AND role = $2 ORDER BY hardwarename LIMIT 50`,
      ['in-use', pick(turn, machines).role || 'web'],
    ),
  );
  const rack = await timed(Math.ceil(asks / 4), (turn) =>
    named(
      'rack',
      `SELECT *, ${NICS} FROM machines WHERE rack = $1 ORDER BY hardwarename LIMIT 100`,
      [pick(turn, machines).rack],
    ),
  );
  const sorted = await timed(Math.ceil(asks / 20), () =>
    named(
      'sorted',
      `SELECT *, ${NICS} FROM machines ORDER BY unit DESC, hardwarename DESC LIMIT 50`,
      [],
    ),
  );
  const search = await timed(Math.ceil(asks / 2), (turn) =>
    named('search', `SELECT *, ${NICS} FROM machines WHERE ${IDS} ILIKE $1 LIMIT 20`, [
      `%${pick(turn, machines).serial.slice(1, 7)}%`,
    ]),
  );
  const alike = await timed(Math.ceil(asks / 10), (turn) => {
    const { serial } = pick(turn, machines);
    const wrong = `${serial.slice(0, 4)}Q${serial.slice(5)}`;
    return named(
      'alike',
      `SELECT *, ${NICS} FROM machines WHERE $1 <% ${IDS} ORDER BY word_similarity($1, ${IDS}) DESC LIMIT 20`,
      [wrong],
    );
  });
  const patch = await timed(Math.ceil(asks / 2), (turn) =>
    named(
      'patch',
      'UPDATE machines SET notes = $2, version = version + 1 WHERE hardwarename = $1',
      [pick(turn, machines).serial, `turn ${turn}`],
    ),
  );
  return { get, list, rack, sorted, search, alike, patch };
}
