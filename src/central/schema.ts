/** The fleet's tables, for both engines: forward-only steps, counted in `fleet_schema`. Times are milliseconds since 1970. */
import type { FleetDatabase } from './sql.ts';

const STEPS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE sites (
      name TEXT PRIMARY KEY,
      appliance TEXT NOT NULL DEFAULT '',
      joined_at BIGINT NOT NULL,
      -- NULL: nothing is known of it yet, or a snapshot is wanted
      feed_cursor BIGINT,
      mark TEXT NOT NULL DEFAULT '',
      snapshot TEXT NOT NULL DEFAULT '',
      program TEXT NOT NULL DEFAULT '',
      heard_at BIGINT NOT NULL DEFAULT 0,
      connected_at BIGINT NOT NULL DEFAULT 0,
      skew_ms BIGINT NOT NULL DEFAULT 0,
      -- the newest event that the appliance has told of: what is between it and the cursor is on its way
      last_event BIGINT NOT NULL DEFAULT 0
    )`,
    `CREATE TABLE certificates (
      serial TEXT PRIMARY KEY,
      site TEXT NOT NULL,
      not_after BIGINT NOT NULL,
      issued_at BIGINT NOT NULL,
      revoked_at BIGINT NOT NULL DEFAULT 0
    )`,
    `CREATE TABLE join_codes (
      hash TEXT PRIMARY KEY,
      site TEXT NOT NULL,
      made_by TEXT NOT NULL,
      expires_at BIGINT NOT NULL,
      used_at BIGINT NOT NULL DEFAULT 0
    )`,
    `CREATE TABLE machines (
      site TEXT NOT NULL,
      hardwarename TEXT NOT NULL,
      state TEXT NOT NULL,
      hardware_type TEXT NOT NULL,
      role TEXT NOT NULL,
      squad TEXT NOT NULL,
      rack TEXT NOT NULL,
      -- lower case: what a person may half remember
      words TEXT NOT NULL,
      document TEXT NOT NULL,
      version BIGINT NOT NULL,
      -- the snapshot that it was last seen in
      snapshot TEXT NOT NULL DEFAULT '',
      PRIMARY KEY (site, hardwarename)
    )`,
    'CREATE INDEX machines_by_name ON machines (hardwarename, site)',
    'CREATE INDEX machines_by_capacity ON machines (state, hardware_type, site)',
    `CREATE TABLE events (
      site TEXT NOT NULL,
      id BIGINT NOT NULL,
      at BIGINT NOT NULL,
      name TEXT NOT NULL,
      hardwarename TEXT NOT NULL,
      data TEXT NOT NULL,
      PRIMARY KEY (site, id)
    )`,
    'CREATE INDEX events_by_machine ON events (hardwarename, site, id)',
    `CREATE TABLE intents (
      id TEXT PRIMARY KEY,
      site TEXT NOT NULL,
      who TEXT NOT NULL,
      body TEXT NOT NULL,
      asked_at BIGINT NOT NULL,
      -- waiting, done, refused
      status TEXT NOT NULL DEFAULT 'waiting',
      result TEXT NOT NULL DEFAULT '',
      ended_at BIGINT NOT NULL DEFAULT 0
    )`,
    'CREATE INDEX intents_waiting ON intents (site, status, asked_at)',
    // What central itself has noticed: refused certificates, two sites with one machine, clocks that differ.
    `CREATE TABLE notices (
      id TEXT PRIMARY KEY,
      at BIGINT NOT NULL,
      site TEXT NOT NULL,
      code TEXT NOT NULL,
      detail TEXT NOT NULL
    )`,
    `CREATE TABLE tokens (
      hash TEXT PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      role TEXT NOT NULL,
      made_at BIGINT NOT NULL,
      revoked_at BIGINT NOT NULL DEFAULT 0
    )`,
  ],
];

/** Two instances may start at once: the second waits for the first at the table of steps. @throws Error for a newer schema */
export async function migrateFleet(db: FleetDatabase): Promise<void> {
  await db.run('CREATE TABLE IF NOT EXISTS fleet_schema (step INTEGER PRIMARY KEY)').catch(
    // PostgreSQL: two at once may both find it missing, and one of them then finds it there.
    () => db.all('SELECT 1 FROM fleet_schema'),
  );
  await db.transaction(async (sql) => {
    if (db.engine === 'postgresql') await sql.run('LOCK TABLE fleet_schema IN EXCLUSIVE MODE');
    const [row] = await sql.all<{ step: number }>(
      'SELECT coalesce(max(step), 0) AS step FROM fleet_schema',
    );
    const at = row?.step ?? 0;
    if (at > STEPS.length) throw new Error(`the fleet's schema ${at} is newer than this program`);
    for (const [index, statements] of STEPS.entries()) {
      if (index < at) continue;
      for (const statement of statements) await sql.run(statement);
      await sql.run('INSERT INTO fleet_schema (step) VALUES (?)', [index + 1]);
    }
  });
}
