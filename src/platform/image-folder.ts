/**
 * The files behind the image store, in one folder: `incoming/` holds what is being received, `files/ab/` what is kept,
 * named by its SHA-256. What exists here means nothing: the rows of the inventory say what is kept, and whatever has no
 * row is removed.
 *
 * A file is kept by a second name, made when its bytes are on disk and have been read back; the first name goes when the
 * row is committed. So at any moment of a crash either the row is there and its file too, or the file is an orphan.
 */
import {
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../errors.ts';
import { type OpenBootFile, openBootFile } from './boot-files.ts';

export interface IncomingFile {
  /** @throws AppError STORAGE_FULL */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when all that was written is on disk. @throws AppError STORAGE_FULL */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface ImageFolder {
  readonly root: string;
  /** Bytes that an ordinary program could still write. */
  freeBytes(): number;
  /** For writing on from this offset: what lies behind it was never promised to anybody, and is cut off. */
  openIncoming(id: string, offsetBytes: number): Promise<IncomingFile>;
  incomingPath(id: string): string;
  incomingBytes(id: string): number | undefined;
  dropIncoming(id: string): void;
  /** Gives a complete incoming file its lasting name; one that is there already is the same bytes. */
  keep(id: string, sha256: string): void;
  keptPath(sha256: string): string;
  keptBytes(sha256: string): number | undefined;
  openKept(sha256: string): OpenBootFile | undefined;
  dropKept(sha256: string): void;
  /** Paths that belong to none of these. */
  orphans(known: { incoming: ReadonlySet<string>; kept: ReadonlySet<string> }): string[];
  drop(path: string): void;
}

/** @throws AppError STORAGE_FULL or the system's error when the folder cannot be made */
export function openImageFolder(root: string): ImageFolder {
  const incoming = join(root, 'incoming');
  const files = join(root, 'files');
  for (const folder of [incoming, files])
    asStorage(() => mkdirSync(folder, { recursive: true, mode: 0o700 }));
  const incomingPath = (id: string) => join(incoming, named(id, /^[0-9a-f-]{36}$/));
  const shelf = (sha256: string) => join(files, named(sha256, /^[0-9a-f]{64}$/).slice(0, 2));
  const keptPath = (sha256: string) => join(shelf(sha256), sha256);
  return {
    root,
    incomingPath,
    keptPath,
    freeBytes() {
      const { bavail, bsize } = statfsSync(root, { bigint: true });
      return Number(bavail * bsize);
    },
    openIncoming: (id, offsetBytes) => openAt(incomingPath(id), offsetBytes),
    incomingBytes: (id) => sizeOf(incomingPath(id)),
    dropIncoming: (id) => rmSync(incomingPath(id), { force: true }),
    keep(id, sha256) {
      asStorage(() => {
        mkdirSync(shelf(sha256), { recursive: true, mode: 0o700 });
        const path = keptPath(sha256);
        const partial = `${path}.new`;
        rmSync(partial, { force: true });
        linkSync(incomingPath(id), partial);
        // In one step: the file that is there may be damaged, but its row never is without a file.
        renameSync(partial, path);
        // Two names of one file are left as they are (rename(2)).
        rmSync(partial, { force: true });
        for (const folder of [shelf(sha256), files]) syncFolder(folder);
      });
    },
    keptBytes: (sha256) => sizeOf(keptPath(sha256)),
    openKept: (sha256) => openBootFile(files, join(sha256.slice(0, 2), sha256)),
    dropKept: (sha256) => rmSync(keptPath(sha256), { force: true }),
    drop: (path) => rmSync(path, { force: true, recursive: true }),
    orphans: (known) => [
      ...strangers(incoming, known.incoming),
      ...readdirSync(files).flatMap((name) => strangers(join(files, name), known.kept)),
    ],
  };
}

function named(name: string, form: RegExp): string {
  if (!form.test(name)) throw new Error(`'${name}' is no name of a file of the image store`);
  return name;
}

function strangers(folder: string, known: ReadonlySet<string>): string[] {
  return readdirSync(folder)
    .filter((name) => !known.has(name))
    .map((name) => join(folder, name));
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

async function openAt(path: string, offsetBytes: number): Promise<IncomingFile> {
  const { O_CREAT, O_WRONLY, O_NOFOLLOW } = constants;
  const file = await storing(open(path, O_CREAT | O_WRONLY | O_NOFOLLOW, 0o600));
  await storing(file.truncate(offsetBytes));
  let at = offsetBytes;
  return {
    async write(bytes) {
      await storing(writeAll(file, bytes, at));
      at += bytes.length;
    },
    flush: () => storing(file.datasync()),
    close: () => file.close(),
  };
}

async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

function syncFolder(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function full(cause: unknown): unknown {
  const { code } = cause as { code?: string };
  return code === 'ENOSPC' || code === 'EDQUOT' ? new AppError('STORAGE_FULL', { cause }) : cause;
}

function asStorage(change: () => unknown): void {
  try {
    change();
  } catch (cause) {
    throw full(cause);
  }
}

async function storing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw full(cause);
  }
}
