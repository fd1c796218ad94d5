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
