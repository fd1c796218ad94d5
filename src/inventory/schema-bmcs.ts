/**
 * The migration for BMCs: what has been seen of each, whose machine it belongs to, and how it is spoken to.
 *
 * A row is kept by the BMC's MAC, or by its address where no MAC is known. No login is in here: `credential` is a name.
 */
export const BMCS_SCHEMA = `
  CREATE TABLE bmcs (
    id TEXT PRIMARY KEY,                    -- its MAC, else its address
    mac TEXT NOT NULL DEFAULT '',
    address TEXT NOT NULL,
    source TEXT NOT NULL,                   -- 'dhcp', 'report' or 'record': who told of it first
    vendor_class TEXT NOT NULL DEFAULT '',  -- of its DHCP
    hostname TEXT NOT NULL DEFAULT '',
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    hardwarename TEXT NOT NULL DEFAULT '',  -- '' until it is matched
    matched_by TEXT NOT NULL DEFAULT '',    -- 'mac', 'address', 'uuid', 'serial', 'nic' or who said so
    matched_at INTEGER NOT NULL DEFAULT 0,
    protocol TEXT NOT NULL DEFAULT '',      -- '' until it has been opened
    credential TEXT NOT NULL DEFAULT '',    -- the name of the one that opened it last
    certificate TEXT NOT NULL DEFAULT '',   -- SHA-256 of its HTTPS certificate, pinned
    opened_at INTEGER NOT NULL DEFAULT 0,
    failed_at INTEGER NOT NULL DEFAULT 0,   -- of the first failure since it was last opened
    code TEXT NOT NULL DEFAULT '',          -- of the last failure
    detail TEXT NOT NULL DEFAULT '',
    facts TEXT NOT NULL DEFAULT '{}',       -- JSON: what it says of itself
    power TEXT NOT NULL DEFAULT '',         -- 'on', 'off' or '' for not known
    looked_at INTEGER NOT NULL DEFAULT 0,
    look_next INTEGER NOT NULL DEFAULT 0,   -- when it is looked at again; 0: not by itself
    looks INTEGER NOT NULL DEFAULT 0,       -- that failed in a row
    wake TEXT NOT NULL DEFAULT '',          -- '', 'wanted', 'asked' or 'done': switching on what was never seen
    wake_at INTEGER NOT NULL DEFAULT 0,
    wakes INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT ''            -- why it is not matched
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX bmcs_by_machine ON bmcs (hardwarename) WHERE hardwarename <> '';
  CREATE INDEX bmcs_by_address ON bmcs (address);
  CREATE INDEX bmcs_to_look ON bmcs (look_next) WHERE look_next > 0;
`;

/** Machines found by their BMC, and how far discovery has read the feed of events. */
export const BMC_DISCOVERY_SCHEMA = `
  CREATE INDEX machines_by_bmc_mac ON machines (bmc_mac) WHERE bmc_mac <> '';
  CREATE INDEX machines_by_bmc_address ON machines (bmc_address) WHERE bmc_address <> '';
  CREATE TABLE bmc_feed (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    cursor INTEGER NOT NULL
  ) STRICT;
  INSERT INTO bmc_feed (id, cursor) SELECT 1, coalesce(max(id), 0) FROM events;
`;

/** Which logins a BMC has refused, whose certificate may be shown a login, and what machines say of their own BMCs. */
export const BMC_TRUST_SCHEMA = `
  -- JSON: credential name -> { version, code, privilege, at }; not tried again until it changes or a person asks.
  ALTER TABLE bmcs ADD COLUMN refused TEXT NOT NULL DEFAULT '{}';
  -- JSON: when logins were refused, of the last hour.
  ALTER TABLE bmcs ADD COLUMN refused_at TEXT NOT NULL DEFAULT '[]';
  -- Whether a login of the site may be shown to whoever has the pinned certificate.
  ALTER TABLE bmcs ADD COLUMN trusted INTEGER NOT NULL DEFAULT 0;
  -- They have been shown it already.
  UPDATE bmcs SET trusted = 1 WHERE protocol = 'redfish' AND credential <> '';
  CREATE TABLE bmc_claims (
    hardwarename TEXT PRIMARY KEY REFERENCES machines (hardwarename) ON DELETE CASCADE ON UPDATE CASCADE,
    address TEXT NOT NULL,                  -- as its report has it, not yet parsed
    mac TEXT NOT NULL DEFAULT '',
    at INTEGER NOT NULL,
    state TEXT NOT NULL,                    -- 'open', 'proven', 'unproven' or 'confirmed'
    why TEXT NOT NULL DEFAULT '',
    look_next INTEGER NOT NULL DEFAULT 0,   -- when it is tried again; 0: not by itself
    looks INTEGER NOT NULL DEFAULT 0        -- that proved nothing, in a row
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX bmc_claims_to_look ON bmc_claims (look_next) WHERE look_next > 0;
`;
