/**
 * The files that machines may have: the iPXE binaries of the asset root, and one pxeimage. Both are looked up by name
 * inside one folder (`resolveInside`), never by joining a path that a client sent.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../errors.ts';
import { resolveInside } from './safe-path.ts';

export interface BootFile {
  /** The absolute path, links resolved. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Strong entity tag: inode, size and modification time in nanoseconds. Costs no read of the file. */
  readonly etag: string;
  readonly modifiedMs: number;
}

/** A file that stays the same one until `close`, whatever happens to its name. */
export interface OpenBootFile extends BootFile {
  readonly fd: number;
  close(): void;
}

/** @returns the file below `root`, or `undefined` when there is none or the name leads outside. */
export function findBootFile(root: string, name: string): BootFile | undefined {
  const path = resolveInside(root, name);
  if (path === undefined) return undefined;
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat?.isFile() ? describe(path, stat) : undefined;
}

/** Gone since its name was resolved, a link put there, or a socket. */
const ABSENT: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO']);

/**
 * Opens a file below `root` and describes what was opened: size and entity tag are those of the bytes that its
 * descriptor will give. @returns `undefined` when there is none or the name leads outside
 * @throws AppError INTERNAL when it is there and cannot be opened: no right to read it, no descriptor left
 */
export function openBootFile(root: string, name: string): OpenBootFile | undefined {
  const path = resolveInside(root, name);
  if (path === undefined) return undefined;
  let fd: number;
  try {
    // Neither a link put there since the name was resolved, nor a FIFO that would wait for its writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    if (ABSENT.has((cause as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw new AppError('INTERNAL', { cause });
  }
  const stat = fstatSync(fd, { bigint: true });
  const close = () => closeSync(fd);
  if (stat.isFile()) return { ...describe(path, stat), fd, close };
  close();
  return undefined;
}

/** Whether an open file still is the version that its entity tag names: nobody has written into it or cut it. */
export function unchanged(file: OpenBootFile): boolean {
  return entityTag(fstatSync(file.fd, { bigint: true })) === file.etag;
}

function describe(path: string, stat: BigIntStats): BootFile {
  const modifiedMs = Number(stat.mtimeNs / 1_000_000n);
  return { path, sizeBytes: Number(stat.size), etag: entityTag(stat), modifiedMs };
}

function entityTag({ ino, size, mtimeNs }: BigIntStats): string {
  return `"${ino.toString(16)}-${size.toString(16)}-${mtimeNs.toString(16)}"`;
}

/** Names what is missing before the first machine finds out. @throws AppError ASSET_MISSING */
export function requireBootFiles(files: readonly (readonly [root: string, name: string])[]): void {
  const missing = files.filter(([root, name]) => !findBootFile(root, name));
  if (missing.length > 0) {
    throw new AppError('ASSET_MISSING', {
      detail: `Missing: ${missing.map(([root, name]) => join(root, name)).join(', ')}.`,
    });
  }
}

/** A template or other small text. @throws AppError ASSET_MISSING */
export function readText(root: string, name: string): string {
  const file = join(root, name);
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new AppError('ASSET_MISSING', { detail: `(${file})`, cause });
  }
}

/** The text of an open file, which is closed. @throws AppError ASSET_MISSING when there is none */
export function readKept(file: OpenBootFile | undefined): string {
  if (!file) throw new AppError('ASSET_MISSING');
  try {
    return readFileSync(file.fd, 'utf8');
  } finally {
    file.close();
  }
}
