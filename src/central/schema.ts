/** The fleet's tables, for both engines: forward-only steps, counted in `fleet_schema`. Times are milliseconds since 1970. */
import { REMOVALS } from './removing.ts';
import { JOB_ROWS, OPEN_JOBS, type Step } from './schema-jobs.ts';
import { type FleetDatabase, LONG } from './sql.ts';

const STEPS: readonly Step[] = [
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
  [
    // Machines that are wanted of the fleet, and the part of each site: an intent, and how far the site says that it is.
    `CREATE TABLE fleet_requests (
      id TEXT PRIMARY KEY,
      -- who asks, and the key with which the same call is the same request
      call_key TEXT NOT NULL UNIQUE,
      who TEXT NOT NULL,
      role TEXT NOT NULL,
      squad TEXT NOT NULL,
      -- '' when any will do
      hardware_type TEXT NOT NULL,
      wanted BIGINT NOT NULL,
      -- what each site is asked for, without its count
      body TEXT NOT NULL,
      sites TEXT NOT NULL,
      spread TEXT NOT NULL,
      asked_at BIGINT NOT NULL,
      cancelled_at BIGINT NOT NULL DEFAULT 0,
      cancelled_by TEXT NOT NULL DEFAULT '',
      -- rises with each change of its parts: who changes them holds this row
      turn BIGINT NOT NULL DEFAULT 0
    )`,
    'CREATE INDEX fleet_requests_by_time ON fleet_requests (asked_at, id)',
    'CREATE INDEX fleet_requests_by_squad ON fleet_requests (squad)',
    `CREATE TABLE fleet_parts (
      -- the site's own request has the same id
      intent TEXT PRIMARY KEY,
      request TEXT NOT NULL,
      site TEXT NOT NULL,
      wanted BIGINT NOT NULL,
      -- asked, refused, lost, or what the site calls it
      status TEXT NOT NULL DEFAULT 'asked',
      done BIGINT NOT NULL DEFAULT 0,
      failed BIGINT NOT NULL DEFAULT 0,
      why TEXT NOT NULL DEFAULT '',
      -- when the site has said that it took it on
      accepted_at BIGINT NOT NULL DEFAULT 0,
      ended_at BIGINT NOT NULL DEFAULT 0,
      snapshot TEXT NOT NULL DEFAULT ''
    )`,
    'CREATE INDEX fleet_parts_by_request ON fleet_parts (request)',
    'CREATE INDEX fleet_parts_by_site ON fleet_parts (site, status)',
    `CREATE TABLE fleet_places (
      intent TEXT NOT NULL,
      place BIGINT NOT NULL,
      hardwarename TEXT NOT NULL,
      hostname TEXT NOT NULL,
      -- claimed, installed
      status TEXT NOT NULL,
      PRIMARY KEY (intent, place)
    )`,
    `CREATE TABLE squads (
      name TEXT PRIMARY KEY,
      doc TEXT NOT NULL,
      version BIGINT NOT NULL,
      changed_at BIGINT NOT NULL,
      changed_by TEXT NOT NULL
    )`,
    // Which version of a squad a site was last asked to keep.
    `CREATE TABLE squad_sites (
      site TEXT NOT NULL,
      squad TEXT NOT NULL,
      version BIGINT NOT NULL,
      intent TEXT NOT NULL,
      PRIMARY KEY (site, squad)
    )`,
    // JSON: squads that the token acts for; none: for all of the fleet.
    `ALTER TABLE tokens ADD COLUMN squads TEXT NOT NULL DEFAULT '[]'`,
    'CREATE INDEX machines_by_squad ON machines (squad, state)',
  ],
  [
    // Of two lines of one site only the newest may change anything.
    `ALTER TABLE sites ADD COLUMN line TEXT NOT NULL DEFAULT ''`,
    // Apart from the records, so that a change of state touches no index of words.
    `CREATE TABLE machine_words (
      hardwarename TEXT NOT NULL,
      site TEXT NOT NULL,
      -- lower case: what a person may half remember
      words TEXT NOT NULL,
      PRIMARY KEY (hardwarename, site)
    )`,
    'INSERT INTO machine_words (hardwarename, site, words) SELECT hardwarename, site, words FROM machines',
    'ALTER TABLE machines DROP COLUMN words',
    // What the fleet tells each of its sites: squads, naming rules, hardware types, policies, users, images, channels.
    `CREATE TABLE fleet_records (
      kind TEXT NOT NULL,
      name TEXT NOT NULL,
      -- JSON; '' once it was removed, which is told as well
      doc TEXT NOT NULL,
      version BIGINT NOT NULL,
      changed_at BIGINT NOT NULL,
      changed_by TEXT NOT NULL,
      PRIMARY KEY (kind, name)
    )`,
    // Which version of a record a site was last asked to keep.
    `CREATE TABLE record_sites (
      site TEXT NOT NULL,
      kind TEXT NOT NULL,
      name TEXT NOT NULL,
      version BIGINT NOT NULL,
      intent TEXT NOT NULL,
      PRIMARY KEY (site, kind, name)
    )`,
    `INSERT INTO fleet_records (kind, name, doc, version, changed_at, changed_by)
     SELECT 'squad', name, doc, version, changed_at, changed_by FROM squads`,
    `INSERT INTO record_sites (site, kind, name, version, intent)
     SELECT site, 'squad', squad, version, intent FROM squad_sites`,
    'DROP TABLE squads',
    'DROP TABLE squad_sites',
    // Who does what only one instance may do at a time, and until when.
    'CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, ends_at BIGINT NOT NULL)',
    'CREATE INDEX intents_by_time ON intents (asked_at)',
    'CREATE INDEX notices_by_time ON notices (at)',
  ],
  [
    // Rolling resets of a pool over its sites, one site after the other.
    `CREATE TABLE fleet_resets (
      id TEXT PRIMARY KEY,
      pool TEXT NOT NULL,
      body TEXT NOT NULL,
      who TEXT NOT NULL,
      asked_at BIGINT NOT NULL,
      -- running, paused, aborted, finished, stopped
      status TEXT NOT NULL DEFAULT 'running',
      why TEXT NOT NULL DEFAULT '',
      ended_at BIGINT NOT NULL DEFAULT 0,
      -- rises with each change: who changes it holds this row
      turn BIGINT NOT NULL DEFAULT 0
    )`,
    'CREATE INDEX fleet_resets_by_time ON fleet_resets (asked_at, id)',
    `CREATE TABLE fleet_reset_sites (
      reset TEXT NOT NULL,
      -- from 0, in the order in which they have their turn
      place BIGINT NOT NULL,
      site TEXT NOT NULL,
      intent TEXT NOT NULL DEFAULT '',
      -- the site's own; 0 while it is not known
      number BIGINT NOT NULL DEFAULT 0,
      -- waiting, asked, running, finished, none (no machines), refused, stopped, aborted
      status TEXT NOT NULL DEFAULT 'waiting',
      done BIGINT NOT NULL DEFAULT 0,
      failed BIGINT NOT NULL DEFAULT 0,
      why TEXT NOT NULL DEFAULT '',
      PRIMARY KEY (reset, place)
    )`,
    'CREATE INDEX fleet_reset_sites_by_intent ON fleet_reset_sites (intent)',
    'CREATE INDEX fleet_reset_sites_by_site ON fleet_reset_sites (site, number)',
  ],
  [
    // People who have signed in.
    `CREATE TABLE sessions (
      hash TEXT PRIMARY KEY,
      user_name TEXT NOT NULL,
      csrf TEXT NOT NULL,
      -- of what is kept of the password that opened it: another password ends it
      password TEXT NOT NULL,
      made_at BIGINT NOT NULL,
      ends_at BIGINT NOT NULL
    )`,
    'CREATE INDEX sessions_by_user ON sessions (user_name, made_at)',
  ],
  [
    `CREATE INDEX events_of_work ON events (name, at, site)
     WHERE name IN ('job.finished', 'job.failed', 'job.cancelled', 'machine.registered')`,
  ],
  // Which of the two appliances of a site has the right to be active, and until when.
  [
    `CREATE TABLE site_rights (
      site TEXT PRIMARY KEY,
      epoch BIGINT NOT NULL,
      holder TEXT NOT NULL,
      until_ms BIGINT NOT NULL,
      may_take BIGINT NOT NULL,
      n BIGINT NOT NULL
    )`,
  ],
  // Which machine is in which pool, as each site tells it, and what keeps a pool there from its size.
  [
    `CREATE TABLE fleet_members (
      site TEXT NOT NULL,
      hardwarename TEXT NOT NULL,
      pool TEXT NOT NULL,
      joined_at BIGINT NOT NULL,
      -- 0: it is healthy
      unhealthy_at BIGINT NOT NULL DEFAULT 0,
      held BIGINT NOT NULL DEFAULT 0,
      why TEXT NOT NULL DEFAULT '',
      snapshot TEXT NOT NULL DEFAULT '',
      PRIMARY KEY (site, hardwarename)
    )`,
    'CREATE INDEX fleet_members_by_pool ON fleet_members (pool, site)',
    `CREATE TABLE fleet_pool_waits (
      site TEXT NOT NULL,
      pool TEXT NOT NULL,
      why TEXT NOT NULL,
      PRIMARY KEY (site, pool)
    )`,
    // What was told before this step held none of it: each site tells all once more.
    'UPDATE sites SET feed_cursor = NULL',
  ],
  // A machine that another site has already: it is shown, and counts for nothing.
  [
    'ALTER TABLE machines ADD COLUMN claimed BIGINT NOT NULL DEFAULT 0',
    'CREATE INDEX machines_claimed ON machines (hardwarename) WHERE claimed = 1',
    'DROP INDEX machines_by_capacity',
    'CREATE INDEX machines_by_capacity ON machines (state, hardware_type, site, claimed)',
  ],
  // Pools as their sites keep them, whoever has made them.
  [
    `CREATE TABLE fleet_site_pools (
      site TEXT NOT NULL,
      pool TEXT NOT NULL,
      version BIGINT NOT NULL,
      doc TEXT NOT NULL,
      who TEXT NOT NULL,
      updated_at BIGINT NOT NULL,
      -- what keeps it from its size; '' when nothing does
      why TEXT NOT NULL,
      PRIMARY KEY (site, pool)
    )`,
    'DROP TABLE fleet_pool_waits',
    'UPDATE sites SET feed_cursor = NULL',
  ],
  // Where channels of images have pointed; '' is nowhere.
  [
    `CREATE TABLE fleet_channel_moves (
      channel TEXT NOT NULL,
      n BIGINT NOT NULL,
      at BIGINT NOT NULL,
      from_version TEXT NOT NULL,
      to_version TEXT NOT NULL,
      who TEXT NOT NULL,
      why TEXT NOT NULL,
      PRIMARY KEY (channel, n)
    )`,
  ],
  // Jobs as their sites keep them, under the site's id, whoever has asked for them.
  [
    `CREATE TABLE fleet_jobs (
      site TEXT NOT NULL,
      job TEXT NOT NULL,
      -- what central has asked for; '' for any other
      intent TEXT NOT NULL DEFAULT '',
      action TEXT NOT NULL DEFAULT '',
      hardwarename TEXT NOT NULL DEFAULT '',
      requester TEXT NOT NULL DEFAULT '',
      -- '' while the site has not told of it
      status TEXT NOT NULL DEFAULT '',
      created_at BIGINT NOT NULL DEFAULT 0,
      ended_at BIGINT NOT NULL DEFAULT 0,
      document TEXT NOT NULL DEFAULT '',
      snapshot TEXT NOT NULL DEFAULT '',
      PRIMARY KEY (site, job)
    )`,
    'CREATE INDEX fleet_jobs_by_id ON fleet_jobs (job)',
    'CREATE INDEX fleet_jobs_by_intent ON fleet_jobs (intent)',
    'CREATE INDEX fleet_jobs_by_time ON fleet_jobs (created_at, job)',
    'CREATE INDEX fleet_jobs_by_status ON fleet_jobs (status, created_at)',
    'CREATE INDEX fleet_jobs_by_machine ON fleet_jobs (hardwarename, created_at)',
    'CREATE INDEX fleet_jobs_by_end ON fleet_jobs (ended_at)',
    `INSERT INTO fleet_jobs (site, job, intent)
     SELECT site, replace(replace(result, '{"job":"', ''), '"}', ''), id FROM intents
     WHERE status = 'done' AND body LIKE '{"kind":"job",%' AND result LIKE '{"job":"%"}'
     ON CONFLICT (site, job) DO NOTHING`,
    // Of which kinds of documents all were told, and up to where a program has kept them that knows of this.
    `ALTER TABLE sites ADD COLUMN told TEXT NOT NULL DEFAULT ''`,
    'ALTER TABLE sites ADD COLUMN told_to BIGINT NOT NULL DEFAULT -1',
  ],
  // Most jobs have no intent: SQLite's planner took this index for all of them.
  [
    'DROP INDEX fleet_jobs_by_intent',
    "CREATE INDEX fleet_jobs_by_intent ON fleet_jobs (intent) WHERE intent <> ''",
    // Those of one site were read and sorted whole for a page.
    'CREATE INDEX fleet_jobs_by_site ON fleet_jobs (site, created_at, job)',
  ],
  JOB_ROWS,
  [
    // 0: it was made before this was kept, and has been changed since.
    'ALTER TABLE fleet_records ADD COLUMN made_at BIGINT NOT NULL DEFAULT 0',
    'UPDATE fleet_records SET made_at = changed_at WHERE version = 1',
  ],
  ["UPDATE machine_words SET words = replace(words, ':', '') WHERE words LIKE '%:%'"],
  REMOVALS,
  ['ALTER TABLE notices ADD COLUMN times BIGINT NOT NULL DEFAULT 1'],
  OPEN_JOBS,
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
      for (const statement of statements)
        await (typeof statement === 'string' ? sql.run(statement) : statement(sql));
      await sql.run('INSERT INTO fleet_schema (step) VALUES (?)', [index + 1]);
    }
  }, LONG);
}
