/**
 * Images: versions that never change, and channels that move between them.
 *
 * A version is a kind and a file for each role of that kind. The files are rows of their own (image-blobs.ts), because the
 * same bytes may belong to many versions. What a channel points to is looked up when an install begins, so moving it
 * changes what the next machine gets and nothing that runs. Nothing here touches a file: rows are all there is to decide.
 *
 * A version stays as long as a channel points to it or something that has not ended was asked for with it.
 */
import type { Database } from 'better-sqlite3';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { parseImageRef } from '../wire/image-ref.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { EventStore } from './event-store.ts';
import { type Channels, openChannels, refuseUsed } from './image-channels.ts';

export const IMAGE_KINDS = ['raw', 'tarball', 'installer'] as const;
export type ImageKind = (typeof IMAGE_KINDS)[number];

export const FILE_ROLES = ['disk', 'root', 'kernel', 'initrd', 'template'] as const;
export type FileRole = (typeof FILE_ROLES)[number];

export const COMPRESSIONS = ['zstd', 'gzip', 'none'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** Which files a version of each kind is made of: all of them, and no other. */
const ROLES_OF: Readonly<Record<ImageKind, readonly FileRole[]>> = {
  raw: ['disk'],
  tarball: ['root'],
  installer: ['kernel', 'initrd', 'template'],
};

export const TEMPLATE_FORMATS = ['preseed', 'kickstart', 'autoinstall', 'ignition'] as const;
export type TemplateFormat = (typeof TEMPLATE_FORMATS)[number];

export const imageDocSchema = z.strictObject({
  description: z.string().trim().max(limit('fieldTextCharsMax')).default(''),
  /** Of an installer: what its template is written in. */
  format: z.enum(TEMPLATE_FORMATS).optional(),
  /** Of an installer: added to its kernel's command line; `{{ url }}` is where the rendered template is. */
  kernelArguments: z
    .string()
    .max(limit('fieldTextCharsMax'))
    .regex(/^[\x20-\x7e]*$/, 'printable ASCII only')
    .default(''),
});
export type ImageDoc = z.output<typeof imageDocSchema>;

/** One file of a version; sizes in bytes, hashes SHA-256 in hex. */
export interface ImageFile {
  readonly role: FileRole;
  /** Of the bytes as served. */
  readonly sha256: string;
  readonly size: number;
  readonly compression: Compression;
  /** Of what comes out of the decompressor; equal to the above where there is none. */
  readonly contentSha256: string;
  readonly contentSize: number;
}

/** What an install needs to know of an image: the port that jobs and boot look through. */
export interface ResolvedImage {
  readonly name: string;
  readonly version: string;
  readonly kind: ImageKind;
  readonly files: readonly ImageFile[];
  readonly doc: ImageDoc;
}

export interface ImageVersion extends ResolvedImage {
  readonly signedBy: string;
  readonly createdAt: Millis;
  readonly createdBy: string;
  /** Names of the channels that hold it. */
  readonly channels: readonly string[];
  /** Why nothing can be installed from it; '' when it is sound. */
  readonly damaged: string;
}

export interface NewImage {
  readonly name: string;
  readonly version: string;
  readonly kind: ImageKind;
  readonly doc: ImageDoc;
  readonly files: readonly { readonly role: FileRole; readonly sha256: string }[];
  readonly signedBy: string;
}

export interface ImageCause {
  readonly who: string;
  readonly why: string;
}

/** What is to be removed: a version, or a channel when there is none. `refs`: what people may have written for it. */
export interface Removed {
  readonly name: string;
  readonly version: string | undefined;
  readonly refs: readonly string[];
}

/** @returns one sentence for each thing that still needs this version, or a channel that holds it; or this channel */
export type ImageUses = (removed: Removed) => string[];

export interface Images extends Channels {
  /** The version that `NAME/CHANNEL` or `NAME@VERSION` means now; `undefined` for none, and for a damaged one. */
  resolve(ref: string): ResolvedImage | undefined;
  get(name: string, version: string): ImageVersion | undefined;
  /** By name, versions newest first. */
  list(filter?: { name?: string }): ImageVersion[];
  /** @throws AppError ALREADY_EXISTS, IMAGE_INCOMPLETE */
  add(image: NewImage, cause: ImageCause): ImageVersion;
  /** Its files stay until the next collection. @throws AppError NOT_FOUND, STILL_REFERENCED */
  remove(image: { name: string; version: string }, cause: ImageCause): void;
  /** Every caller who can still need a version or a channel says so here. */
  guard(uses: ImageUses): void;
}

interface VersionRow {
  name: string;
  version: string;
  kind: string;
  doc: string;
  signed_by: string;
  created_at: number;
  created_by: string;
}

interface FileRow {
  role: string;
  sha256: string;
  size_bytes: number;
  compression: string;
  content_sha256: string;
  content_bytes: number;
  damaged: string;
}

const FILES = `SELECT role, image_files.sha256, size_bytes, compression, content_sha256, content_bytes, damaged
  FROM image_files JOIN image_blobs USING (sha256) WHERE name = ? AND version = ? ORDER BY role`;

export function openImages(db: Database, clock: Clock, events: EventStore): Images {
  const find = db.prepare<[string, string], VersionRow>(
    'SELECT * FROM images WHERE name = ? AND version = ?',
  );
  const all = db.prepare<[string, string], VersionRow>(
    "SELECT * FROM images WHERE ? IN ('', name) AND name >= ? ORDER BY name, created_at DESC, version DESC",
  );
  const filesOf = db.prepare<[string, string], FileRow>(FILES);
  const guards: ImageUses[] = [
    (removed) => jobsThatNeed(db, removed),
    (removed) => workThatNeeds(db, removed),
  ];
  const usesOf: ImageUses = (removed) => guards.flatMap((ask) => ask(removed));
  const channels = openChannels(db, { clock, events, usesOf });

  const view = (row: VersionRow): ImageVersion => {
    const { name, version } = row;
    const rows = filesOf.all(name, version);
    return {
      name,
      version,
      kind: row.kind as ImageKind,
      doc: JSON.parse(row.doc) as ImageDoc,
      files: rows.map(fileFrom),
      signedBy: row.signed_by,
      createdAt: row.created_at as Millis,
      createdBy: row.created_by,
      channels: channels.holding(name, version),
      damaged: rows.find(({ damaged }) => damaged !== '')?.damaged ?? '',
    };
  };
  const get = (name: string, version: string): ImageVersion | undefined => {
    const row = find.get(name, version);
    return row && view(row);
  };
  return {
    ...channels,
    get,
    list: ({ name = '' } = {}) => all.all(name, name).map(view),
    resolve(text) {
      const ref = parseImageRef(text);
      if (!ref) return undefined;
      const version = 'version' in ref ? ref.version : channels.at(ref.name, ref.channel)?.version;
      const image = version === undefined ? undefined : get(ref.name, version);
      if (image?.damaged !== '') return undefined;
      const { kind, files, doc } = image;
      return { name: image.name, version: image.version, kind, files, doc };
    },
    add(image, cause) {
      if (find.get(image.name, image.version))
        throw new AppError('ALREADY_EXISTS', { detail: `(${image.name}@${image.version})` });
      insertVersion(db, image, { who: cause.who, now: clock() });
      const added = get(image.name, image.version);
      if (!added) throw new Error('a version was added and is not there');
      const sizeBytes = added.files.reduce((sum, { size }) => sum + size, 0);
      const { name, version, kind, signedBy } = added;
      const data = { image: name, version, kind, sizeBytes, signedBy, ...cause };
      events.append({ name: 'image.added', data });
      return added;
    },
    remove({ name, version }, cause) {
      const image = get(name, version);
      if (!image) throw new AppError('NOT_FOUND', { detail: `(${name}@${version})` });
      const refs = [`${name}@${version}`, ...image.channels.map((channel) => `${name}/${channel}`)];
      const uses = [
        ...image.channels.map((channel) => `channel ${name}/${channel} points to it`),
        ...usesOf({ name, version, refs }),
      ];
      refuseUsed(`${name}@${version}`, uses);
      removeVersion(db, image, clock());
      events.append({ name: 'image.removed', data: { image: name, version, ...cause } });
    },
    guard: (uses) => void guards.push(uses),
  };
}

function fileFrom(row: FileRow): ImageFile {
  return {
    role: row.role as FileRole,
    sha256: row.sha256,
    size: row.size_bytes,
    compression: row.compression as Compression,
    contentSha256: row.content_sha256,
    contentSize: row.content_bytes,
  };
}

function insertVersion(
  db: Database,
  { name, version, kind, doc, files, signedBy }: NewImage,
  { who, now }: { who: string; now: number },
): void {
  assertComplete(db, kind, files);
  db.prepare('INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?)').run(
    ...[name, version, kind, JSON.stringify(doc), signedBy, now, who],
  );
  const file = db.prepare('INSERT INTO image_files VALUES (?, ?, ?, ?)');
  const used = db.prepare('UPDATE image_blobs SET unused_since = 0 WHERE sha256 = ?');
  for (const { role, sha256 } of files) {
    file.run(name, version, role, sha256);
    used.run(sha256);
  }
}

/** @throws AppError IMAGE_INCOMPLETE */
function assertComplete(db: Database, kind: ImageKind, files: NewImage['files']): void {
  const given = files.map(({ role }) => role).sort();
  const needed = [...ROLES_OF[kind]].sort();
  if (given.join() !== needed.join()) {
    const detail = `An image of kind ${kind} has exactly these files: ${needed.join(', ')}.`;
    throw new AppError('IMAGE_INCOMPLETE', { detail, path: '/files' });
  }
  const known = db.prepare<[string], { damaged: string }>(
    'SELECT damaged FROM image_blobs WHERE sha256 = ?',
  );
  for (const [index, { role, sha256 }] of files.entries()) {
    const blob = known.get(sha256);
    const why = blob ? blob.damaged : `no file with SHA-256 ${sha256} is in the store`;
    if (why === '') continue;
    throw new AppError('IMAGE_INCOMPLETE', { detail: `${role}: ${why}.`, path: `/files/${index}` });
  }
}

function removeVersion(db: Database, { name, version, files }: ImageVersion, now: number): void {
  db.prepare('DELETE FROM images WHERE name = ? AND version = ?').run(name, version);
  const unused = db.prepare(
    `UPDATE image_blobs SET unused_since = ? WHERE sha256 = ?
     AND NOT EXISTS (SELECT 1 FROM image_files WHERE image_files.sha256 = image_blobs.sha256)`,
  );
  for (const { sha256 } of files) unused.run(now, sha256);
}

/** Unfinished jobs say by reference or by exact version which image they are for. */
function jobsThatNeed(db: Database, { refs }: Removed): string[] {
  const rows = db
    .prepare<[string], { kind: string; target: string }>(
      `SELECT kind, target FROM jobs WHERE ended_at = 0
       AND json_extract(params, '$.image') IN (SELECT value FROM json_each(?)) LIMIT 5`,
    )
    .all(JSON.stringify(refs));
  return rows.map(({ kind, target }) => `the ${kind} job of ${target} has not ended`);
}

/** What an install was resolved to when it began, wherever the channel points by now. */
function workThatNeeds(db: Database, { name, version }: Removed): string[] {
  if (version === undefined) return [];
  const rows = db
    .prepare<[string, string], { hardwarename: string }>(
      `SELECT hardwarename FROM work_orders JOIN jobs ON jobs.id = work_orders.job
       WHERE jobs.ended_at = 0 AND work_orders.state <> 'ended'
       AND json_extract(work_orders.detail, '$.image.name') = ?
       AND json_extract(work_orders.detail, '$.image.version') = ? LIMIT 5`,
    )
    .all(name, version);
  return rows.map(({ hardwarename }) => `${hardwarename} is being installed with it`);
}
