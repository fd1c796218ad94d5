/** The migration for serial consoles: what machines have printed, in recordings of bounded size. */
export const CONSOLES_SCHEMA = `
  CREATE TABLE consoles (
    number INTEGER PRIMARY KEY,
    hardwarename TEXT NOT NULL,
    boot TEXT NOT NULL DEFAULT '',         -- '' for one that asked for no address, or has not yet
    why TEXT NOT NULL,                     -- what began it: an action, 'boot' or who watches
    started_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,              -- of the last byte
    ended_at INTEGER NOT NULL DEFAULT 0,   -- 0 while it is recorded
    ended TEXT NOT NULL DEFAULT '',        -- why it ended
    heard_bytes INTEGER NOT NULL DEFAULT 0,
    kept_bytes INTEGER NOT NULL DEFAULT 0  -- the beginning and the end; what lay between is gone
  ) STRICT;
  CREATE INDEX consoles_by_machine ON consoles (hardwarename, number);
  CREATE INDEX consoles_by_boot ON consoles (boot, number) WHERE boot <> '';

  CREATE TABLE console_parts (
    console INTEGER NOT NULL REFERENCES consoles (number) ON DELETE CASCADE,
    at_byte INTEGER NOT NULL,              -- where it begins in what was heard
    bytes BLOB NOT NULL,
    PRIMARY KEY (console, at_byte)
  ) STRICT, WITHOUT ROWID;
`;

/** When each part was written down: a flight record puts lines of the console beside what was on the other wires. */
export const CONSOLE_TIMES_SCHEMA = `
  ALTER TABLE console_parts ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
`;
