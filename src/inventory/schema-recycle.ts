/**
 * The migration for recycling: what was done to each disk, as it was told, and the certificates made of that.
 *
 * A certificate is kept as the text that was signed: it can be checked without this program, and is never changed. It
 * stays when jobs and events are forgotten.
 */
export const RECYCLE_SCHEMA = `
  CREATE TABLE erased_disks (
    job TEXT NOT NULL,
    round INTEGER NOT NULL,              -- of the job's work order
    name TEXT NOT NULL,                  -- sda
    serial TEXT NOT NULL,
    doc TEXT NOT NULL,                   -- JSON: as the agent told it
    at INTEGER NOT NULL,
    PRIMARY KEY (job, round, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE certificates (
    id TEXT PRIMARY KEY,                 -- UUID
    job TEXT NOT NULL,
    round INTEGER NOT NULL,
    hardwarename TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    result TEXT NOT NULL CHECK (result IN ('sanitized', 'failed')),
    level TEXT NOT NULL CHECK (level IN ('', 'clear', 'purge')),
    disks INTEGER NOT NULL,
    text TEXT NOT NULL,                  -- what is signed, byte for byte
    signature TEXT NOT NULL,             -- Ed25519, base64
    UNIQUE (job, round)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX certificates_by_machine ON certificates (hardwarename, issued_at);
  CREATE INDEX certificates_by_time ON certificates (issued_at);
`;

/**
 * Whether somebody's data may be on a machine's disks. Of those that are there already, every one that is or was in somebody's
 * hands may hold some, and so may a broken one: an erase too many costs minutes.
 */
export const DATA_MARK_SCHEMA = `
  ALTER TABLE machines ADD COLUMN may_hold_data INTEGER NOT NULL DEFAULT 0;
  UPDATE machines SET may_hold_data = 1
    WHERE state IN ('installing', 'in-use', 'recycling', 'broken')
      OR state <> 'available' AND EXISTS (
        SELECT 1 FROM events WHERE events.hardwarename = machines.hardwarename
          AND events.name = 'machine.state' AND json_extract(events.data, '$.to') IN ('installing', 'in-use'));
`;
