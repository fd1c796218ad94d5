/**
 * The migration for pools: what is wanted, which machines belong to which pool, and rolling resets with where each machine
 * of them stands. That a machine belongs to at most one pool is a constraint here.
 */
export const POOLS_SCHEMA = `
  CREATE TABLE pools (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    doc TEXT NOT NULL,                 -- JSON: as it was asked for, parsed
    who TEXT NOT NULL,                 -- who wrote it last: requests are made in this name
    why TEXT NOT NULL DEFAULT '',      -- what keeps it from its size; '' when nothing does
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE pool_members (
    hardwarename TEXT PRIMARY KEY,
    pool TEXT NOT NULL REFERENCES pools (name) ON DELETE CASCADE,
    joined_at INTEGER NOT NULL,
    unhealthy_at INTEGER NOT NULL DEFAULT 0,   -- 0: it is healthy
    held INTEGER NOT NULL DEFAULT 0,           -- 1: it has failed, and a breaker keeps it
    why TEXT NOT NULL DEFAULT ''
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX pool_members_by_pool ON pool_members (pool, joined_at);

  CREATE TABLE resets (
    id INTEGER PRIMARY KEY,
    pool TEXT NOT NULL,                -- '' for all pools of the site
    site TEXT NOT NULL,
    doc TEXT NOT NULL,                 -- JSON
    who TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    deadline_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL CHECK (status IN ('running', 'paused', 'finished', 'stopped', 'aborted')),
    why TEXT NOT NULL DEFAULT ''
  ) STRICT;
  CREATE INDEX resets_open ON resets (id) WHERE ended_at = 0;

  CREATE TABLE reset_machines (
    reset INTEGER NOT NULL REFERENCES resets (id) ON DELETE CASCADE,
    hardwarename TEXT NOT NULL,
    pool TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'to-do' CHECK (status IN ('to-do', 'running', 'done', 'failed', 'gone')),
    job TEXT NOT NULL DEFAULT '',
    ended_at INTEGER NOT NULL DEFAULT 0,
    code TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (reset, hardwarename)
  ) STRICT, WITHOUT ROWID;
`;
