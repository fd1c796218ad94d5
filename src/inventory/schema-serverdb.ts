/**
 * The migration that turns the record of machines into ServerDb: one lean row for each machine with everything that
 * lists filter and sort on, the report in a table of its own, and tables for what people and programs do with it.
 *
 * No column that a list sorts on is ever NULL: '' and 0 stand for "not known", so that a page's cursor is a plain
 * comparison. Uniqueness of hostnames and addresses is a constraint here, whatever the code above does.
 */

/** Columns that the first schema had under the same name, copied as they are. */
const KEPT =
  'hardwarename, serial, serial_key, manufacturer, product, state, state_why, state_at, boot_mac, created_at, updated_at';

const MACHINES = `
  CREATE TABLE machines_new (
    id INTEGER PRIMARY KEY,
    hardwarename TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL DEFAULT 1,      -- counts changes of this row: the ETag
    serial TEXT NOT NULL,
    serial_key TEXT,                         -- folded for comparison; NULL when the serial identifies nothing
    uuid TEXT NOT NULL DEFAULT '',
    manufacturer TEXT NOT NULL,
    product TEXT NOT NULL,
    reported INTEGER NOT NULL DEFAULT 1,     -- 0: entered by a person, no report has come yet
    state TEXT NOT NULL,
    state_why TEXT NOT NULL,
    state_by TEXT NOT NULL DEFAULT '',
    state_at INTEGER NOT NULL,
    state_next TEXT NOT NULL DEFAULT '',     -- what a person or a job does next
    state_deadline INTEGER NOT NULL DEFAULT 0,
    overdue INTEGER NOT NULL DEFAULT 0,      -- 1: the deadline has passed and was reported
    conflict_with TEXT NOT NULL DEFAULT '',
    boot_mac TEXT NOT NULL,
    hostname TEXT NOT NULL DEFAULT '',
    role TEXT NOT NULL DEFAULT '',
    squad TEXT NOT NULL DEFAULT '',
    owner TEXT NOT NULL DEFAULT '',
    tags TEXT NOT NULL DEFAULT '[]',
    notes TEXT NOT NULL DEFAULT '',
    custom TEXT NOT NULL DEFAULT '{}',
    protected INTEGER NOT NULL DEFAULT 0,
    site TEXT NOT NULL DEFAULT '',
    hall TEXT NOT NULL DEFAULT '',
    row TEXT NOT NULL DEFAULT '',
    rack TEXT NOT NULL DEFAULT '',
    unit INTEGER NOT NULL DEFAULT 0,         -- lowest unit that it fills, from 1
    height INTEGER NOT NULL DEFAULT 1,
    located_by TEXT NOT NULL DEFAULT '',     -- 'person' or 'lldp'
    hardware_type TEXT NOT NULL DEFAULT '',
    type_mismatch TEXT NOT NULL DEFAULT '',  -- what differs from the type's bill of materials
    purchased_at TEXT NOT NULL DEFAULT '',   -- YYYY-MM-DD
    warranty_until TEXT NOT NULL DEFAULT '',
    supplier TEXT NOT NULL DEFAULT '',
    order_number TEXT NOT NULL DEFAULT '',
    bmc_address TEXT NOT NULL DEFAULT '',
    bmc_mac TEXT NOT NULL DEFAULT '',
    bmc_vendor TEXT NOT NULL DEFAULT '',
    bmc_firmware TEXT NOT NULL DEFAULT '',
    bmc_credential TEXT NOT NULL DEFAULT '', -- name of a credential, never the secret
    cpu_model TEXT NOT NULL DEFAULT '',
    cpu_count INTEGER NOT NULL DEFAULT 0,
    core_count INTEGER NOT NULL DEFAULT 0,
    thread_count INTEGER NOT NULL DEFAULT 0,
    memory_bytes INTEGER NOT NULL DEFAULT 0,
    disk_count INTEGER NOT NULL DEFAULT 0,
    disk_bytes INTEGER NOT NULL DEFAULT 0,
    nic_count INTEGER NOT NULL DEFAULT 0,
    gpu_count INTEGER NOT NULL DEFAULT 0,
    bios_version TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE machine_hardware (
    machine INTEGER PRIMARY KEY,
    hardware TEXT NOT NULL,                  -- the last report, parsed, without secrets
    report_digest TEXT NOT NULL,
    FOREIGN KEY (machine) REFERENCES machines (id) ON DELETE CASCADE
  ) STRICT;
  INSERT INTO machines_new (${KEPT}, uuid, conflict_with, cpu_count, core_count, thread_count, memory_bytes,
      disk_count, disk_bytes, nic_count, gpu_count, cpu_model, bios_version)
    SELECT ${KEPT}, coalesce(uuid, ''), coalesce(conflict_with, ''), json_array_length(hardware, '$.cpus'),
      (SELECT coalesce(sum(value ->> 'cores'), 0) FROM json_each(hardware, '$.cpus')),
      (SELECT coalesce(sum(value ->> 'threads'), 0) FROM json_each(hardware, '$.cpus')),
      coalesce(hardware ->> '$.memory.totalBytes', 0), json_array_length(hardware, '$.disks'),
      (SELECT coalesce(sum(value ->> 'sizeBytes'), 0) FROM json_each(hardware, '$.disks')),
      json_array_length(hardware, '$.nics'),
      (SELECT count(*) FROM json_each(hardware, '$.pci') WHERE value ->> 'gpu'),
      coalesce(hardware ->> '$.cpus[0].model', ''), coalesce(hardware ->> '$.dmi.bios.version', '')
    FROM machines;
  INSERT INTO machine_hardware (machine, hardware, report_digest)
    SELECT machines_new.id, machines.hardware, machines.report_digest FROM machines JOIN machines_new USING (hardwarename);
  DROP TABLE machines;
  ALTER TABLE machines_new RENAME TO machines;
  CREATE INDEX machines_by_serial ON machines (serial_key);
  CREATE INDEX machines_by_uuid ON machines (uuid) WHERE uuid <> '';
  CREATE UNIQUE INDEX machines_by_hostname ON machines (hostname) WHERE hostname <> '';
  CREATE INDEX machines_by_state ON machines (state, hardwarename);
  CREATE INDEX machines_by_role ON machines (role, hardwarename);
  CREATE INDEX machines_by_squad ON machines (squad, hardwarename);
  CREATE INDEX machines_by_rack ON machines (rack, hardwarename);
  CREATE INDEX machines_by_type ON machines (hardware_type, hardwarename);
  CREATE INDEX machines_by_update ON machines (updated_at, hardwarename);
  CREATE INDEX machines_by_deadline ON machines (state_deadline) WHERE state_deadline > 0 AND overdue = 0;
  CREATE INDEX machines_overdue ON machines (state) WHERE overdue = 1;
  CREATE VIRTUAL TABLE machine_search USING fts5(
    ids, rest, content = '', contentless_delete = 1, tokenize = 'trigram', detail = 'full');
  CREATE VIRTUAL TABLE machine_search_terms USING fts5vocab('machine_search', 'row');
`;

const NICS = `
  ALTER TABLE nics ADD COLUMN switch TEXT NOT NULL DEFAULT '';
  ALTER TABLE nics ADD COLUMN port TEXT NOT NULL DEFAULT '';
  ALTER TABLE nics ADD COLUMN speed_mbps INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE addresses (
    address INTEGER PRIMARY KEY,             -- one owner for an address, by this key
    subnet TEXT NOT NULL,
    mac TEXT NOT NULL,                       -- a NIC's, or the BMC's
    hardwarename TEXT NOT NULL REFERENCES machines (hardwarename),
    at INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX addresses_by_mac ON addresses (mac);
  CREATE INDEX addresses_by_machine ON addresses (hardwarename);
  CREATE INDEX addresses_by_subnet ON addresses (subnet, address);
`;

const RECORDS = `
  CREATE TABLE records (                     -- racks, subnets, naming rules, hardware types, squads
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    doc TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE merges (
    id INTEGER PRIMARY KEY,
    kept TEXT NOT NULL,
    gone TEXT NOT NULL,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    snapshot TEXT NOT NULL,                  -- the row, hardware and NICs of the record that is gone
    undone_at INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;

const ACCESS = `
  CREATE TABLE users (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,                      -- on machines that no squad owns
    squads TEXT NOT NULL,                    -- {squad: role}
    password TEXT NOT NULL DEFAULT '',       -- scrypt, or '' when this user cannot log in
    disabled INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,               -- SHA-256 of the token, hex
    name TEXT NOT NULL,
    user TEXT NOT NULL DEFAULT '',           -- acts as this user, within the token's own role and squads
    role TEXT NOT NULL,
    squads TEXT NOT NULL,
    bootstrap INTEGER NOT NULL DEFAULT 0,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL DEFAULT 0,
    last_used_at INTEGER NOT NULL DEFAULT 0,
    revoked_at INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE sessions (
    hash TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    csrf TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE credentials (
    name TEXT PRIMARY KEY,
    squad TEXT NOT NULL DEFAULT '',
    username TEXT NOT NULL,
    sealed BLOB NOT NULL,                    -- AES-256-GCM: nonce, tag, ciphertext
    notes TEXT NOT NULL DEFAULT '',
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

const DELIVERY = `
  CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    squad TEXT NOT NULL DEFAULT '',          -- '' sees every event
    names TEXT NOT NULL,                     -- JSON list of event names or prefixes; [] is all
    sealed BLOB NOT NULL,                    -- the signing secret
    enabled INTEGER NOT NULL DEFAULT 1,
    cursor INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL DEFAULT 0,
    last_error TEXT NOT NULL DEFAULT '',
    last_sent_at INTEGER NOT NULL DEFAULT 0,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY,
    webhook TEXT NOT NULL,
    first_event INTEGER NOT NULL,
    last_event INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE idempotency (
    who TEXT NOT NULL,
    key TEXT NOT NULL,
    digest TEXT NOT NULL,                    -- of method, path and body
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    etag TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (who, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX idempotency_by_age ON idempotency (at);
`;

export const SERVERDB_SCHEMA = MACHINES + NICS + RECORDS + ACCESS + DELIVERY;
