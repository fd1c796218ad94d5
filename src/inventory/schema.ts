/**
 * The tables of the appliance's one SQLite file, as a list of migrations.
 *
 * A migration is never edited once it has been released: the next change is the next entry. `PRAGMA user_version`
 * counts the entries applied. Every table is STRICT. Times are milliseconds since the epoch, IPv4 addresses are
 * unsigned 32-bit numbers, documents are JSON text.
 */
import type { Database } from 'better-sqlite3';
import { BMC_DISCOVERY_SCHEMA, BMC_TRUST_SCHEMA, BMCS_SCHEMA } from './schema-bmcs.ts';
import { CONSOLE_TIMES_SCHEMA, CONSOLES_SCHEMA } from './schema-consoles.ts';
import { DELIVERIES_SCHEMA } from './schema-deliveries.ts';
import { DNS_KEYS_SCHEMA, DNS_SCHEMA, DNS_SNAPSHOTS_SCHEMA, IPV6_SCHEMA } from './schema-dns.ts';
import { FEED_SCHEMA } from './schema-feed.ts';
import { DIAGNOSES_SITE_SCHEMA, FLIGHT_INDEXES_SCHEMA, FLIGHT_SCHEMA } from './schema-flight.ts';
import { IMAGES_SCHEMA } from './schema-images.ts';
import {
  JOB_LISTS_SCHEMA,
  JOB_PAUSES_SCHEMA,
  JOB_STATS_SCHEMA,
  JOBS_SCHEMA,
} from './schema-jobs.ts';
import { POOLS_SCHEMA } from './schema-pools.ts';
import {
  PROVISIONING_SCHEMA,
  RACK_PLACES_SCHEMA,
  REQUESTS_BY_END_SCHEMA,
} from './schema-provisioning.ts';
import { DATA_MARK_SCHEMA, RECYCLE_SCHEMA } from './schema-recycle.ts';
import { SERVERDB_SCHEMA } from './schema-serverdb.ts';
import { WORK_SCHEMA } from './schema-work.ts';

export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    name TEXT NOT NULL,
    mac TEXT,
    boot TEXT,
    hardwarename TEXT,
    data TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_by_boot ON events (boot, id);
  CREATE INDEX events_by_machine ON events (hardwarename, id);

  CREATE TABLE machines (
    hardwarename TEXT PRIMARY KEY,
    serial TEXT NOT NULL,          -- as reported, for people
    serial_key TEXT,               -- folded for comparison; NULL when the serial identifies nothing
    uuid TEXT,                     -- NULL when it identifies nothing
    manufacturer TEXT NOT NULL,
    product TEXT NOT NULL,
    state TEXT NOT NULL,
    state_why TEXT NOT NULL,
    state_at INTEGER NOT NULL,
    conflict_with TEXT,            -- hardwarename of the other machine of an unsolved conflict
    boot_mac TEXT NOT NULL,
    hardware TEXT NOT NULL,        -- the last report, parsed, without secrets
    report_digest TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX machines_by_serial ON machines (serial_key);
  CREATE INDEX machines_by_uuid ON machines (uuid);

  CREATE TABLE nics (
    mac TEXT PRIMARY KEY,          -- the permanent address
    hardwarename TEXT NOT NULL REFERENCES machines (hardwarename),
    name TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX nics_by_machine ON nics (hardwarename);

  CREATE TABLE reports (
    digest TEXT PRIMARY KEY,       -- SHA-256 of the body, hex
    hardwarename TEXT NOT NULL,
    boot TEXT NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL             -- gzip of the bytes as received
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE boots (
    id TEXT PRIMARY KEY,
    mac TEXT NOT NULL,
    hardwarename TEXT,             -- known from the start for a known NIC, else from registration on
    client TEXT NOT NULL,          -- the furthest stage that has asked for an address
    arch TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    binaries_served INTEGER NOT NULL DEFAULT 0,
    script_at INTEGER,             -- when iPXE fetched its script: from here on, a new iPXE is a new boot
    report_digest TEXT,            -- what this boot has reported: repeats are answered, other reports refused
    stalled_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX boots_by_mac ON boots (mac, started_at);
  CREATE INDEX boots_by_start ON boots (started_at);

  CREATE TABLE tokens (
    token TEXT PRIMARY KEY,
    boot TEXT NOT NULL REFERENCES boots (id),
    mac TEXT NOT NULL,
    purpose TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX tokens_by_purpose ON tokens (boot, purpose);

  CREATE TABLE leases (
    segment TEXT NOT NULL,
    address INTEGER NOT NULL,
    mac TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('offered', 'bound', 'declined', 'released')),
    client_id BLOB,
    hostname TEXT,
    boot TEXT,
    expires_at INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (segment, address)
  ) STRICT;
  CREATE UNIQUE INDEX leases_by_mac ON leases (segment, mac) WHERE state <> 'declined';
  `,
  SERVERDB_SCHEMA,
  // Two of every three events belong to no boot and no machine, and the number of the next one needs no table of its own.
  `
  CREATE TABLE events_new (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    name TEXT NOT NULL,
    mac TEXT,
    boot TEXT,
    hardwarename TEXT,
    data TEXT NOT NULL
  ) STRICT;
  INSERT INTO events_new SELECT id, at, name, mac, boot, hardwarename, data FROM events;
  DROP TABLE events;
  ALTER TABLE events_new RENAME TO events;
  CREATE INDEX events_by_boot ON events (boot, id) WHERE boot IS NOT NULL;
  CREATE INDEX events_by_machine ON events (hardwarename, id) WHERE hardwarename IS NOT NULL;
  `,
  DNS_SCHEMA,
  JOBS_SCHEMA,
  IMAGES_SCHEMA,
  // Who a user is at the site's identity provider: issuer and subject. '' for those who come in by a password.
  `ALTER TABLE users ADD COLUMN subject TEXT NOT NULL DEFAULT '';`,
  BMCS_SCHEMA,
  WORK_SCHEMA,
  BMC_DISCOVERY_SCHEMA,
  FLIGHT_SCHEMA,
  RECYCLE_SCHEMA,
  // What central has asked this site to do, with its result: carried out once.
  `CREATE TABLE intents (
    id TEXT PRIMARY KEY,
    who TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL,
    result TEXT NOT NULL,
    at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;`,
  DNS_KEYS_SCHEMA,
  CONSOLES_SCHEMA,
  PROVISIONING_SCHEMA,
  POOLS_SCHEMA,
  DELIVERIES_SCHEMA,
  DATA_MARK_SCHEMA,
  FEED_SCHEMA,
  DNS_SNAPSHOTS_SCHEMA,
  // A machine's page asks for its boots: without this, all boots that there ever were are looked through.
  'CREATE INDEX boots_by_machine ON boots (hardwarename) WHERE hardwarename IS NOT NULL;',
  CONSOLE_TIMES_SCHEMA,
  BMC_TRUST_SCHEMA,
  JOB_STATS_SCHEMA,
  // Packets were once kept with the boot tokens in them. They are evidence and no state: those of before go.
  'DELETE FROM flight_packets;',
  // 1: this value has worked, and failed since.
  'ALTER TABLE quirks ADD COLUMN doubts INTEGER NOT NULL DEFAULT 0;',
  // The token that made it. Which one that was of those of before is not known: they end by themselves.
  `ALTER TABLE api_tokens ADD COLUMN parent TEXT NOT NULL DEFAULT '';
  CREATE INDEX api_tokens_by_parent ON api_tokens (parent) WHERE parent <> '';`,
  JOB_PAUSES_SCHEMA,
  IPV6_SCHEMA,
  // By the MAC first: DNS asks for the leases of a machine's NICs on any segment, and looked through all leases for that.
  `DROP INDEX leases_by_mac;
  CREATE UNIQUE INDEX leases_by_mac ON leases (mac, segment) WHERE state <> 'declined';`,
  FLIGHT_INDEXES_SCHEMA,
  DIAGNOSES_SITE_SCHEMA,
  RACK_PLACES_SCHEMA,
  // Whether a machine waits, and which ones do, was asked of all tokens there are: two milliseconds for each NIC of a large site.
  `CREATE INDEX tokens_waiting ON tokens (mac, expires_at, boot) WHERE purpose = 'wait';`,
  JOB_LISTS_SCHEMA + REQUESTS_BY_END_SCHEMA,
];

export interface MigrateOptions {
  /**
   * Makes a copy of the file as it is; called before the first step on a file that holds something. What it throws leaves
   * the file as it is.
   */
  copyBefore?(schema: number): void;
}

/**
 * Brings a database to the newest schema, all steps in one transaction: one that fails leaves the database of before. A newer
 * file than the program is refused. Foreign keys are off meanwhile, because a table that others refer to may have to be
 * rebuilt, and are checked after each step.
 */
export function migrate(db: Database, { copyBefore }: MigrateOptions = {}): void {
  const at = db.pragma('user_version', { simple: true }) as number;
  if (at > MIGRATIONS.length) {
    throw new Error(`schema ${at} is newer than this program's ${MIGRATIONS.length}`);
  }
  if (at === MIGRATIONS.length) return;
  if (at > 0 && !db.memory) {
    if (!copyBefore) throw new Error('a file is migrated only after a copy of it was made');
    copyBefore(at);
  }
  db.pragma('foreign_keys = OFF');
  try {
    db.transaction(() => {
      for (const [index, sql] of MIGRATIONS.slice(at).entries()) {
        db.exec(sql);
        const broken = db.pragma('foreign_key_check') as unknown[];
        if (broken.length > 0) throw new Error(`step ${at + index + 1} breaks a reference`);
      }
      db.pragma(`user_version = ${MIGRATIONS.length}`);
    }).immediate();
  } finally {
    db.pragma('foreign_keys = ON');
  }
}
