/**
 * Files that hold what not everybody may read: the database with its log, copies of it, keys. Their modes are set, whatever
 * umask the daemon was started with: 0600, or 0640 where an administrator lets a group read; folders that we make are 0750.
 * A folder that was there already is left as it is, because it may be somebody else's; `reveille doctor` names it.
 *
 * Also how a file is made to survive a power cut: its bytes first, then its name, which is the folder's.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
} from 'node:fs';

export const PRIVATE_FILE = 0o600;
/** The widest that a database or a copy may be. */
export const FILE_WIDEST = 0o640;
export const FOLDER_WIDEST = 0o750;

/** Makes a folder and what is above it. */
export function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  mkdirSync(folder, { recursive: true, mode: FOLDER_WIDEST });
  chmodSync(folder, FOLDER_WIDEST);
}

/** Makes an empty file that is ours alone; one that is there keeps its bytes and loses what is wider than 0640. */
export function makePrivate(file: string): void {
  const isNew = !existsSync(file);
  closeSync(openSync(file, 'a', PRIVATE_FILE));
  if (isNew) chmodSync(file, PRIVATE_FILE);
  else narrow(file);
}

/** Takes away what is wider than 0640. Somebody else's file is left to its owner. */
export function narrow(file: string): void {
  const mode = modeOf(file);
  if (mode === undefined || (mode & ~FILE_WIDEST) === 0) return;
  try {
    chmodSync(file, mode & FILE_WIDEST);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}

/** The permission bits; undefined where there is nothing. */
export function modeOf(file: string): number | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat && stat.mode & 0o777;
}

/** The bytes of a file, or the names in a folder, are on disk when this returns. */
export function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** What SQLite keeps beside a database file. */
export const BESIDE = ['-wal', '-shm', '-journal'] as const;

/** Removes a database file of which nobody needs anything. */
export function discard(file: string): void {
  for (const suffix of ['', ...BESIDE]) rmSync(file + suffix, { force: true });
}

/** Whether an error says that the disk is full, by whatever name. */
export function isFull(error: unknown): boolean {
  const { code = '' } = error as { code?: string };
  return /ENOSPC|EDQUOT|SQLITE_FULL|disk is full/.test(`${code} ${error}`);
}
