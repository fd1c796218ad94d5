/**
 * The migration for images: files by their content, the versions made of them, channels and where they have pointed, and
 * what is still being received.
 *
 * A file of the store means nothing without its row here: one without a row is an orphan, and is removed. The bytes of a
 * version never change; a channel moves, and each move is kept, so that it can go back.
 */
export const IMAGES_SCHEMA = `
  CREATE TABLE image_blobs (
    sha256 TEXT PRIMARY KEY,             -- of the bytes as they are kept and served, hex
    size_bytes INTEGER NOT NULL,
    compression TEXT NOT NULL CHECK (compression IN ('zstd', 'gzip', 'none')),
    content_sha256 TEXT NOT NULL,        -- of what comes out of the decompressor; the same when there is none
    content_bytes INTEGER NOT NULL,
    damaged TEXT NOT NULL DEFAULT '',    -- what is wrong with the file; nothing is served from it then
    stored_at INTEGER NOT NULL,
    unused_since INTEGER NOT NULL        -- 0 while a version is made of it; else since when none is
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE images (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('raw', 'tarball', 'installer')),
    doc TEXT NOT NULL,                   -- JSON: description, template format, kernel arguments
    signed_by TEXT NOT NULL DEFAULT '',  -- the name of the key; '' when there was no signature
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    PRIMARY KEY (name, version)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE image_files (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('disk', 'root', 'kernel', 'initrd', 'template')),
    sha256 TEXT NOT NULL REFERENCES image_blobs (sha256),
    PRIMARY KEY (name, version, role),
    FOREIGN KEY (name, version) REFERENCES images (name, version) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX image_files_by_blob ON image_files (sha256);

  CREATE TABLE image_channels (
    name TEXT NOT NULL,
    channel TEXT NOT NULL,
    version TEXT NOT NULL,
    moved_at INTEGER NOT NULL,
    PRIMARY KEY (name, channel),
    FOREIGN KEY (name, version) REFERENCES images (name, version)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX image_channels_by_version ON image_channels (name, version);

  CREATE TABLE image_moves (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    channel TEXT NOT NULL,
    from_version TEXT NOT NULL,          -- '' for a new channel
    to_version TEXT NOT NULL,            -- '' when the channel was removed
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL
  ) STRICT;
  CREATE INDEX image_moves_by_channel ON image_moves (name, channel, number);

  CREATE TABLE image_uploads (
    id TEXT PRIMARY KEY,                 -- UUID
    source TEXT NOT NULL,                -- '' when it is sent to us; else the URL or file that it comes from
    state TEXT NOT NULL CHECK (state IN ('receiving', 'checking', 'stored', 'failed')),
    sha256 TEXT NOT NULL,                -- what the bytes must be; '' when whoever asked did not know
    size_bytes INTEGER NOT NULL,         -- 0 while it is not known
    offset_bytes INTEGER NOT NULL,       -- received, and on disk
    code TEXT NOT NULL DEFAULT '',       -- of what made it fail
    detail TEXT NOT NULL DEFAULT '',
    who TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX image_uploads_by_state ON image_uploads (state, updated_at);
`;
