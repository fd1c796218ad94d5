/**
 * The migration for DNS: generations with their differences, snapshots to start from, and the records that people wrote.
 *
 * A served generation is its differences, in the bytes of src/dns/record-log.ts; a snapshot is a whole zone at one
 * generation, so that a start replays few differences. Names are in wire form, as DNS compares them.
 */
export const DNS_SCHEMA = `
  CREATE TABLE dns_generations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    cause TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('served', 'refused')),
    faults TEXT NOT NULL,          -- JSON; empty for a served one, unless a person overruled
    added INTEGER NOT NULL,
    removed INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE dns_diffs (
    generation INTEGER NOT NULL REFERENCES dns_generations (id),
    zone BLOB NOT NULL,
    serial_from INTEGER,           -- NULL: the zone was new
    serial_to INTEGER,             -- NULL: the zone went
    body BLOB NOT NULL,
    PRIMARY KEY (generation, zone)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX dns_diffs_by_zone ON dns_diffs (zone, generation);

  CREATE TABLE dns_snapshots (
    zone BLOB PRIMARY KEY,
    generation INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    soa TEXT NOT NULL,             -- JSON: timers and names of the SOA
    body BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE dns_records (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    ttl INTEGER NOT NULL,
    data TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE dns_state (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

/**
 * Snapshots in parts, so that none is written in one go; `snapshot` in dns_state names the generation of the one that is
 * complete, the parts of any other are of one that was not finished.
 */
export const DNS_SNAPSHOTS_SCHEMA = `
  CREATE TABLE dns_snapshot_parts (
    generation INTEGER NOT NULL,
    zone BLOB NOT NULL,
    serial INTEGER NOT NULL,
    soa TEXT NOT NULL,             -- JSON: timers and names of the SOA
    body BLOB NOT NULL
  ) STRICT;
  CREATE INDEX dns_snapshot_parts_by_generation ON dns_snapshot_parts (generation);
  INSERT INTO dns_snapshot_parts SELECT generation, zone, serial, soa, body FROM dns_snapshots;
  INSERT INTO dns_state SELECT 'snapshot', max(generation) FROM dns_snapshots HAVING count(*) > 0;
  DROP TABLE dns_snapshots;
`;

/** Keys of signed zones: when each step of its life was taken, in seconds. The secret is sealed and bound to the id. */
export const DNS_KEYS_SCHEMA = `
  CREATE TABLE dns_keys (
    id TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('ksk', 'zsk')),
    tag INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    sealed BLOB,                   -- NULL once the key was removed: what is not needed is not kept
    published_at INTEGER NOT NULL,
    active_at INTEGER,
    retired_at INTEGER,
    removed_at INTEGER
  ) STRICT, WITHOUT ROWID;
`;

/**
 * Static IPv6 addresses of machines. What a record says is in `ipv6`; whose an address is, is in the table beside it, which
 * triggers keep: one owner for an address, by its key. Where a split brings back a record whose address was given to
 * another machine meanwhile, it stays with that one.
 */
export const IPV6_SCHEMA = `
  ALTER TABLE machines ADD COLUMN ipv6 TEXT NOT NULL DEFAULT '[]';
  CREATE TABLE machine_ipv6 (
    address TEXT PRIMARY KEY,
    hardwarename TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX machine_ipv6_by_machine ON machine_ipv6 (hardwarename, address);
  CREATE TRIGGER machine_ipv6_added AFTER INSERT ON machines WHEN new.ipv6 <> '[]' BEGIN
    INSERT OR IGNORE INTO machine_ipv6 SELECT value, new.hardwarename FROM json_each(new.ipv6);
  END;
  CREATE TRIGGER machine_ipv6_changed AFTER UPDATE OF ipv6, hardwarename ON machines
    WHEN old.ipv6 <> new.ipv6 OR old.hardwarename <> new.hardwarename BEGIN
    DELETE FROM machine_ipv6 WHERE hardwarename = old.hardwarename;
    INSERT OR IGNORE INTO machine_ipv6 SELECT value, new.hardwarename FROM json_each(new.ipv6);
  END;
  CREATE TRIGGER machine_ipv6_removed AFTER DELETE ON machines WHEN old.ipv6 <> '[]' BEGIN
    DELETE FROM machine_ipv6 WHERE hardwarename = old.hardwarename;
  END;
`;
