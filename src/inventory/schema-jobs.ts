/**
 * The migration for jobs: a row for each, its append-only log, and how long each step took.
 *
 * What a job is doing follows from its log (src/jobs/fold.ts); `status`, `step` and `retries` of the row are copies for
 * lists, written in the same transaction. That a machine has at most one unfinished job is a constraint here, whatever the
 * code above does.
 */
export const JOBS_SCHEMA = `
  CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,           -- UUID
    kind TEXT NOT NULL,
    version INTEGER NOT NULL,          -- of the kind: code is never stored
    target TEXT NOT NULL,              -- hardwarename
    params TEXT NOT NULL,              -- JSON
    requester TEXT NOT NULL,           -- who asked
    user TEXT NOT NULL,                -- for whom
    priority INTEGER NOT NULL,         -- higher goes first
    created_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL DEFAULT 0,
    ended_at INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'finished', 'failed', 'cancelled')),
    step TEXT NOT NULL DEFAULT '',
    retries INTEGER NOT NULL DEFAULT 0,
    code TEXT NOT NULL DEFAULT '',     -- of what made it fail
    detail TEXT NOT NULL DEFAULT '',
    bmc TEXT NOT NULL,                 -- address at the time: the worst BMCs are found by it
    hardware_type TEXT NOT NULL,
    result TEXT NOT NULL DEFAULT 'null'
  ) STRICT;
  CREATE UNIQUE INDEX jobs_unfinished ON jobs (target) WHERE ended_at = 0;
  CREATE INDEX jobs_by_target ON jobs (target, number);
  CREATE INDEX jobs_by_status ON jobs (status, number);
  CREATE INDEX jobs_by_bmc ON jobs (bmc, number);
  CREATE INDEX jobs_by_end ON jobs (ended_at) WHERE ended_at > 0;

  CREATE TABLE job_log (
    job INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    entry TEXT NOT NULL,               -- JSON
    PRIMARY KEY (job, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE job_steps (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    hardware_type TEXT NOT NULL,
    step TEXT NOT NULL,
    duration_ms INTEGER NOT NULL       -- from its first start, pauses included
  ) STRICT;
  CREATE INDEX job_steps_by_job ON job_steps (job);
  CREATE INDEX job_steps_by_kind ON job_steps (kind, id);

  CREATE TABLE job_queue (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    paused_at INTEGER NOT NULL,        -- 0: it runs
    who TEXT NOT NULL,
    why TEXT NOT NULL
  ) STRICT;
  INSERT INTO job_queue (id, paused_at, who, why) VALUES (1, 0, '', '');
`;

/** How long the queue has been paused in all, of the pauses that are over: no deadline counts that time. */
export const JOB_PAUSES_SCHEMA =
  'ALTER TABLE job_queue ADD COLUMN paused_ms INTEGER NOT NULL DEFAULT 0;';

/**
 * Statistics without reading history: when each step ended, and indexes that answer for one kind, type and step. What is
 * there already is dated by its job.
 */
export const JOB_STATS_SCHEMA = `
  ALTER TABLE job_steps ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
  UPDATE job_steps SET at = (SELECT iif(ended_at > 0, ended_at, created_at) FROM jobs WHERE number = job);
  DROP INDEX job_steps_by_kind;
  CREATE INDEX job_steps_by_step ON job_steps (kind, step, at, duration_ms);
  CREATE INDEX job_steps_by_type ON job_steps (kind, hardware_type, step, at, duration_ms);
  CREATE INDEX jobs_by_kind ON jobs (kind, ended_at, status, started_at, created_at) WHERE ended_at > 0;
  CREATE INDEX jobs_by_type ON jobs (kind, hardware_type, ended_at, status, started_at, created_at) WHERE ended_at > 0;
  CREATE INDEX jobs_troubled ON jobs (ended_at) WHERE ended_at > 0 AND (retries > 0 OR status = 'failed');
`;

/**
 * Lists of jobs by kind or by requester, newest first: what else they are filtered by is looked at in the index, not in each row.
 */
export const JOB_LISTS_SCHEMA = `
  CREATE INDEX jobs_of_kind ON jobs (kind, number, status, requester);
  CREATE INDEX jobs_of_requester ON jobs (requester, number, kind, status);
`;
