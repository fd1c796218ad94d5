/**
 * The migration for work: what a job has a machine do in pxeimage, and the tokens that stand for it.
 *
 * An order belongs to a job and is armed anew for each attempt (`round`). That a machine has at most one armed order is a
 * constraint here, whatever the code above does.
 */
export const WORK_SCHEMA = `
  CREATE TABLE work_orders (
    job TEXT PRIMARY KEY,
    hardwarename TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('install', 'recycle', 'burn-in')),
    state TEXT NOT NULL CHECK (state IN ('armed', 'done', 'failed', 'ended')),
    detail TEXT NOT NULL,              -- JSON: what is to be done, in the purpose's own form
    round INTEGER NOT NULL,            -- how often it was armed
    boots INTEGER NOT NULL DEFAULT 0,  -- how many boots have taken it, in all rounds
    created_at INTEGER NOT NULL,
    armed_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    boot TEXT,                         -- that took it last
    taken_at INTEGER NOT NULL DEFAULT 0,
    destroys_at INTEGER NOT NULL DEFAULT 0,  -- from here on, what was on the disks is gone
    progress_at INTEGER NOT NULL DEFAULT 0,
    progress TEXT NOT NULL DEFAULT '{}',     -- JSON: the newest
    result TEXT NOT NULL DEFAULT 'null',     -- JSON: the agent's last word in this round
    phoned_at INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX work_armed ON work_orders (hardwarename) WHERE state = 'armed';
  CREATE INDEX work_by_machine ON work_orders (hardwarename, created_at);

  CREATE TABLE work_tokens (
    token TEXT PRIMARY KEY,
    job TEXT NOT NULL REFERENCES work_orders (job) ON DELETE CASCADE,
    round INTEGER NOT NULL,            -- 0: of a token that lasts over rounds
    purpose TEXT NOT NULL CHECK (purpose IN ('install', 'recycle', 'burn-in', 'metadata')),
    boot TEXT NOT NULL,                -- '' for metadata: the system that is installed has boots of its own
    mac TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX work_tokens_once ON work_tokens (job, round, purpose, boot);
  CREATE INDEX work_tokens_by_expiry ON work_tokens (expires_at);
`;
