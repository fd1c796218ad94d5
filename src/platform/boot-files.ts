/**
 * The files that machines may have: the iPXE binaries of the asset root, and one pxeimage. Both are looked up by name
 * inside one folder (`resolveInside`), never by joining a path that a client sent.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../errors.ts';
import { resolveInside } from './safe-path.ts';

export interface BootFile {
  /** The absolute path, links resolved. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Strong entity tag: size and modification time, in nanoseconds. */
  readonly etag: string;
}

/** @returns the file below `root`, or `undefined` when there is none or the name leads outside. */
export function findBootFile(root: string, name: string): BootFile | undefined {
  const path = resolveInside(root, name);
  if (path === undefined) return undefined;
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (!stat?.isFile()) return undefined;
  return {
    path,
    sizeBytes: Number(stat.size),
    etag: `"${stat.size.toString(16)}-${stat.mtimeNs.toString(16)}"`,
  };
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

/** A whole boot file, for TFTP, which keeps it in its own cache. */
export function readBootFile(file: BootFile): Uint8Array {
  return readFileSync(file.path);
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
