/**
 * The rows behind the files of the image store: what is being received, what is kept, and since when nobody needs it.
 *
 * A file counts once its row here says so, and the row is written when its bytes are on disk and have been read back.
 * Nothing here touches a file. Who removes one asks `forget` first and removes it after the commit: a crash between the
 * two leaves an orphan, which the next start removes, and never a row without its file.
 */
import type { Database } from 'better-sqlite3';
import type { Clock, Millis } from '../wire/time.ts';
import type { Compression } from './images.ts';

export interface Blob {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly compression: Compression;
  readonly contentSha256: string;
  readonly contentBytes: number;
  /** What is wrong with its file; '' when nothing is. */
  readonly damaged: string;
  readonly storedAt: Millis;
  /** 0 while a version is made of it. */
  readonly unusedSince: Millis;
}

export type NewBlob = Omit<Blob, 'damaged' | 'storedAt' | 'unusedSince'>;

export const UPLOAD_STATES = ['receiving', 'checking', 'stored', 'failed'] as const;
export type UploadState = (typeof UPLOAD_STATES)[number];

export interface Upload {
  readonly id: string;
  /** '' when it is sent to us; else the URL or file that it comes from. */
  readonly source: string;
  readonly state: UploadState;
  /** What the bytes must be; '' when whoever asked did not know. In the end what they are. */
  readonly sha256: string;
  /** 0 while it is not known. */
  readonly sizeBytes: number;
  /** Received, and on disk. */
  readonly offsetBytes: number;
  /** Of what made it fail. */
  readonly code: string;
  readonly detail: string;
  readonly who: string;
  readonly createdAt: Millis;
  readonly updatedAt: Millis;
}

export type NewUpload = Pick<Upload, 'id' | 'source' | 'sha256' | 'sizeBytes' | 'who'>;
export type UploadChange = Partial<
  Pick<Upload, 'state' | 'sha256' | 'sizeBytes' | 'offsetBytes' | 'code' | 'detail'>
>;

export interface Blobs {
  get(sha256: string): Blob | undefined;
  list(): Blob[];
  /** Keeps the one that is there, if there is one. */
  add(blob: NewBlob): void;
  /** '' when it is sound again. */
  setDamaged(sha256: string, why: string): void;
  unusedBefore(moment: Millis): Blob[];
  /** @returns false when a version has come to need it */
  forget(sha256: string): boolean;
  readonly uploads: Uploads;
}

export interface Uploads {
  get(id: string): Upload | undefined;
  /** Newest first. */
  list(states?: readonly UploadState[]): Upload[];
  create(upload: NewUpload): Upload;
  change(id: string, change: UploadChange): void;
  remove(id: string): void;
  /** Of those that are over, what ended before this moment. */
  forget(before: Millis): number;
}

interface BlobRow {
  sha256: string;
  size_bytes: number;
  compression: string;
  content_sha256: string;
  content_bytes: number;
  damaged: string;
  stored_at: number;
  unused_since: number;
}

interface UploadRow {
  id: string;
  source: string;
  state: string;
  sha256: string;
  size_bytes: number;
  offset_bytes: number;
  code: string;
  detail: string;
  who: string;
  created_at: number;
  updated_at: number;
}

export function openBlobs(db: Database, clock: Clock): Blobs {
  const find = db.prepare<[string], BlobRow>('SELECT * FROM image_blobs WHERE sha256 = ?');
  const list = db.prepare<[], BlobRow>('SELECT * FROM image_blobs ORDER BY stored_at DESC');
  const add = db.prepare(
    `INSERT INTO image_blobs (sha256, size_bytes, compression, content_sha256, content_bytes, stored_at, unused_since)
     VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET damaged = ''`,
  );
  const damaged = db.prepare('UPDATE image_blobs SET damaged = ? WHERE sha256 = ?');
  const unused = db.prepare<[number], BlobRow>(
    'SELECT * FROM image_blobs WHERE unused_since > 0 AND unused_since <= ?',
  );
  const forget = db.prepare(
    `DELETE FROM image_blobs WHERE sha256 = ?
     AND NOT EXISTS (SELECT 1 FROM image_files WHERE image_files.sha256 = image_blobs.sha256)`,
  );
  return {
    get(sha256) {
      const row = find.get(sha256);
      return row && blobFrom(row);
    },
    list: () => list.all().map(blobFrom),
    add({ sha256, sizeBytes, compression, contentSha256, contentBytes }) {
      const now = clock();
      add.run(sha256, sizeBytes, compression, contentSha256, contentBytes, now, now);
    },
    setDamaged: (sha256, why) => void damaged.run(why, sha256),
    unusedBefore: (moment) => unused.all(moment).map(blobFrom),
    forget: (sha256) => forget.run(sha256).changes > 0,
    uploads: openUploads(db, clock),
  };
}

function openUploads(db: Database, clock: Clock): Uploads {
  const find = db.prepare<[string], UploadRow>('SELECT * FROM image_uploads WHERE id = ?');
  const list = db.prepare<[string], UploadRow>(
    `SELECT * FROM image_uploads WHERE state IN (SELECT value FROM json_each(?))
     ORDER BY created_at DESC, id`,
  );
  const insert = db.prepare(
    `INSERT INTO image_uploads (id, source, state, sha256, size_bytes, offset_bytes, who, created_at, updated_at)
     VALUES (?, ?, 'receiving', ?, ?, 0, ?, ?, ?)`,
  );
  const update = db.prepare(
    `UPDATE image_uploads SET state = ?, sha256 = ?, size_bytes = ?, offset_bytes = ?, code = ?, detail = ?,
     updated_at = ? WHERE id = ?`,
  );
  const remove = db.prepare('DELETE FROM image_uploads WHERE id = ?');
  const forget = db.prepare(
    "DELETE FROM image_uploads WHERE state IN ('stored', 'failed') AND updated_at < ?",
  );
  const get = (id: string): Upload | undefined => {
    const row = find.get(id);
    return row && uploadFrom(row);
  };
  return {
    get,
    list: (states = UPLOAD_STATES) => list.all(JSON.stringify(states)).map(uploadFrom),
    create({ id, source, sha256, sizeBytes, who }) {
      const now = clock();
      insert.run(id, source, sha256, sizeBytes, who, now, now);
      const made = get(id);
      if (!made) throw new Error('an upload was made and is not there');
      return made;
    },
    change(id, change) {
      const upload = get(id);
      if (!upload) return;
      const { state, sha256, sizeBytes, offsetBytes, code, detail } = { ...upload, ...change };
      update.run(state, sha256, sizeBytes, offsetBytes, code, detail, clock(), id);
    },
    remove: (id) => void remove.run(id),
    forget: (before) => forget.run(before).changes,
  };
}

function blobFrom(row: BlobRow): Blob {
  return {
    sha256: row.sha256,
    sizeBytes: row.size_bytes,
    compression: row.compression as Compression,
    contentSha256: row.content_sha256,
    contentBytes: row.content_bytes,
    damaged: row.damaged,
    storedAt: row.stored_at as Millis,
    unusedSince: row.unused_since as Millis,
  };
}

function uploadFrom(row: UploadRow): Upload {
  return {
    id: row.id,
    source: row.source,
    state: row.state as UploadState,
    sha256: row.sha256,
    sizeBytes: row.size_bytes,
    offsetBytes: row.offset_bytes,
    code: row.code,
    detail: row.detail,
    who: row.who,
    createdAt: row.created_at as Millis,
    updatedAt: row.updated_at as Millis,
  };
}
