/**
 * The migration for provisioning: requests with their append-only logs, who has claimed which machine, and how each install
 * ended.
 *
 * What a request is doing follows from its log (src/provisioning/fold.ts); the other columns are copies for lists, written
 * in the same transaction. That a machine belongs to at most one request is a constraint here, whatever the code does.
 */
export const PROVISIONING_SCHEMA = `
  CREATE TABLE requests (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,           -- UUID
    pool TEXT NOT NULL DEFAULT '',     -- the pool that asked
    role TEXT NOT NULL,
    site TEXT NOT NULL,
    squad TEXT NOT NULL,
    requester TEXT NOT NULL,
    priority INTEGER NOT NULL,
    count INTEGER NOT NULL,
    doc TEXT NOT NULL,                 -- JSON: as it was asked for, parsed
    created_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'working'
      CHECK (status IN ('working', 'waiting', 'cancelling', 'fulfilled', 'cancelled')),
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT ''       -- what it waits for
  ) STRICT;
  CREATE INDEX requests_open ON requests (priority DESC, number) WHERE ended_at = 0;
  CREATE INDEX requests_by_pool ON requests (pool, number) WHERE pool <> '';

  CREATE TABLE request_log (
    request INTEGER NOT NULL REFERENCES requests (number) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    entry TEXT NOT NULL,               -- JSON
    PRIMARY KEY (request, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE request_claims (        -- while a request's install runs on it
    hardwarename TEXT PRIMARY KEY,
    request INTEGER NOT NULL REFERENCES requests (number) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    job TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX request_claims_by_place ON request_claims (request, place);
  CREATE UNIQUE INDEX request_claims_by_job ON request_claims (job);

  CREATE TABLE outcomes (              -- of installs, and of machines at work that failed
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    hardwarename TEXT NOT NULL,
    site TEXT NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('install', 'work')),
    failed INTEGER NOT NULL,
    code TEXT NOT NULL,
    factors TEXT NOT NULL              -- JSON: what it has in common with others
  ) STRICT;
  CREATE INDEX outcomes_by_time ON outcomes (source, at);

  CREATE TABLE breakers (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    factor TEXT NOT NULL,
    value TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    closed_at INTEGER NOT NULL DEFAULT 0,
    evidence TEXT NOT NULL,            -- JSON: the counts that opened it
    who TEXT NOT NULL DEFAULT '',      -- closed by
    why TEXT NOT NULL DEFAULT ''
  ) STRICT;
  CREATE UNIQUE INDEX breakers_open ON breakers (factor, value) WHERE closed_at = 0;
`;

/** As `rackPlace` has it. */
const RACK_PLACE = `iif(o.site = '', '', o.site || '/') || iif(m.hall = '', '', m.hall || '/') ||
      iif(m."row" = '', '', m."row" || '/') || m.rack`;

/**
 * Racks went by their names, and two of one name were one: they go by their place now (rack-place.ts). A breaker is that of the
 * rack in which a machine has failed last until it was closed; one without any is of no rack that is known, and stays as it is.
 */
export const RACK_PLACES_SCHEMA = `
  UPDATE outcomes AS o SET factors = json_set(factors, '$.rack', json_array(${RACK_PLACE}))
    FROM machines AS m
    WHERE m.hardwarename = o.hardwarename AND m.rack <> '' AND factors ->> '$.rack[0]' = m.rack;
  UPDATE breakers SET value = coalesce((
      SELECT ${RACK_PLACE} AS place
        FROM outcomes AS o JOIN machines AS m ON m.hardwarename = o.hardwarename
        WHERE o.failed = 1 AND m.rack = breakers.value AND o.factors ->> '$.rack[0]' = place
          AND (closed_at = 0 OR o.at <= closed_at)
        ORDER BY o.id DESC LIMIT 1), value)
    WHERE factor = 'rack';
`;

/** Requests that have ended are forgotten one day, and looked for by when that was. */
export const REQUESTS_BY_END_SCHEMA =
  'CREATE INDEX requests_by_end ON requests (ended_at) WHERE ended_at > 0;';
