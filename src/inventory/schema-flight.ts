/**
 * The migration for flight records, diagnoses, what was learned of hardware, and how long phases of a boot take.
 *
 * Packets are evidence and no state: they are kept packed, a row for each boot, and the oldest go. A diagnosis is kept with
 * the place and the model that it was made for, so that it can be counted by them when the machine has moved.
 */
export const FLIGHT_SCHEMA = `
  CREATE TABLE flight_packets (
    boot TEXT PRIMARY KEY,
    mac TEXT NOT NULL,
    at INTEGER NOT NULL,
    packets BLOB NOT NULL              -- deflated, see src/recorder/packets.ts
  ) STRICT;
  CREATE INDEX flight_packets_by_mac ON flight_packets (mac, at);
  CREATE INDEX flight_packets_by_age ON flight_packets (at);

  CREATE TABLE diagnoses (
    id INTEGER PRIMARY KEY,
    boot TEXT,                         -- NULL: switched on, and no boot came of it
    mac TEXT NOT NULL,
    hardwarename TEXT,
    name TEXT NOT NULL,
    confidence TEXT NOT NULL,
    place TEXT NOT NULL,               -- how far the boot got
    evidence TEXT NOT NULL,            -- JSON: sentences
    also TEXT NOT NULL,                -- JSON: names of others that fit
    at INTEGER NOT NULL,
    ended_at INTEGER,                  -- the boot went on, or a later one came to its end
    rack TEXT NOT NULL,
    switch TEXT NOT NULL,
    port TEXT NOT NULL,
    model TEXT NOT NULL
  ) STRICT;
  CREATE INDEX diagnoses_by_boot ON diagnoses (boot);
  CREATE INDEX diagnoses_by_mac ON diagnoses (mac, at);
  CREATE INDEX diagnoses_open ON diagnoses (at) WHERE ended_at IS NULL;

  CREATE TABLE boot_cards (
    boot TEXT PRIMARY KEY,
    card TEXT NOT NULL,                -- e.g. pci 8086:100e, as iPXE tells it
    reached_linux INTEGER NOT NULL     -- 1: its agent spoke
  ) STRICT;
  CREATE INDEX boot_cards_by_card ON boot_cards (card, reached_linux);

  CREATE TABLE quirks (
    scope TEXT NOT NULL,               -- machine (a MAC) or model
    subject TEXT NOT NULL,
    trait TEXT NOT NULL,               -- binary, blksize, local-boot, override
    value TEXT NOT NULL,
    outcome TEXT NOT NULL,             -- works or fails
    source TEXT NOT NULL,              -- learned, or who wrote it
    why TEXT NOT NULL,
    times INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (scope, subject, trait, value)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE phase_times (
    model TEXT NOT NULL,
    phase TEXT NOT NULL,
    count INTEGER NOT NULL,
    buckets TEXT NOT NULL,             -- JSON: how many per bucket, see src/diagnose/phases.ts
    PRIMARY KEY (model, phase)
  ) STRICT, WITHOUT ROWID;
`;

/** The boots of a NIC are found by their own table, and age is the order of writing: each index here was a third of writing a row. */
export const FLIGHT_INDEXES_SCHEMA = `
  DROP INDEX flight_packets_by_mac;
  DROP INDEX flight_packets_by_age;
`;

/** A rack's name is its own within its site only. */
export const DIAGNOSES_SITE_SCHEMA = `
  ALTER TABLE diagnoses ADD COLUMN site TEXT NOT NULL DEFAULT '';
  UPDATE diagnoses SET site = coalesce(
    (SELECT site FROM machines WHERE machines.hardwarename = diagnoses.hardwarename), '');
`;
