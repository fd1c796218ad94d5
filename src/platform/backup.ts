/**
 * Backups of the database: taken online, page by page between two answers, and consistent whatever is written meanwhile;
 * and put back while the daemon is stopped, after a check, with the file that was there kept beside it.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';

export interface BackupFile {
  readonly file: string;
  readonly sizeBytes: number;
}

/** Pages between two looks at the event loop: half a megabyte, about a millisecond. */
const PAGES_AT_ONCE = 128;

/** Copies to a new file in `folder`; the oldest beyond `keep` are removed. */
export async function backupDatabase(
  db: Database,
  { folder, keep, now }: { folder: string; keep: number; now: Date },
): Promise<BackupFile> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stamp = now.toISOString().replace(/[-:]/g, '').replace('.', '');
  const file = join(folder, `reveille-${stamp}.db`);
  const partial = `${file}.partial`;
  try {
    await db.backup(partial, { progress: () => PAGES_AT_ONCE });
    chmodSync(partial, 0o600);
    renameSync(partial, file);
  } catch (cause) {
    rmSync(partial, { force: true });
    const full = /ENOSPC|SQLITE_FULL|disk is full/.test(
      `${(cause as { code?: string }).code} ${cause}`,
    );
    throw new AppError(full ? 'STORAGE_FULL' : 'DATABASE_FAILED', { detail: `(${file})`, cause });
  }
  const old = backupsIn(folder).slice(keep);
  for (const name of old) rmSync(join(folder, name), { force: true });
  return { file, sizeBytes: statSync(file).size };
}

/** Names, newest first. */
export function backupsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^reveille-\d{8}T\d+Z\.db$/.test(name))
    .sort()
    .reverse();
}

/** @returns what is wrong with a database file; empty when it is sound */
export function checkDatabase(file: string): string[] {
  let db: Database | undefined;
  try {
    db = new Sqlite(file, { readonly: true, fileMustExist: true });
    const found = db.pragma('integrity_check(10)') as { integrity_check: string }[];
    return found.map((row) => row.integrity_check).filter((line) => line !== 'ok');
  } catch (error) {
    return [(error as Error).message];
  } finally {
    db?.close();
  }
}

/**
 * Puts a backup in the database's place. The file that was there, with its log, is kept as `FILE.before-restore-N`.
 * @throws AppError DATABASE_CORRUPT when the backup is not sound, DATABASE_FAILED when the daemon has the file open
 */
export function restoreDatabase(backup: string, file: string): { kept: string | undefined } {
  const faults = checkDatabase(backup);
  if (faults.length > 0)
    throw new AppError('DATABASE_CORRUPT', { detail: `(${backup}: ${faults[0]})` });
  const kept = existsSync(file) ? setAside(file) : undefined;
  mkdirSync(dirname(file), { recursive: true });
  const partial = join(dirname(file), `.${basename(file)}.restoring`);
  copyFileSync(backup, partial);
  chmodSync(partial, 0o600);
  renameSync(partial, file);
  return { kept };
}

function setAside(file: string): string {
  assertAlone(file);
  let number = 1;
  while (existsSync(`${file}.before-restore-${number}`)) number += 1;
  const kept = `${file}.before-restore-${number}`;
  for (const suffix of ['-wal', '-shm']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, kept + suffix);
  }
  renameSync(file, kept);
  return kept;
}

/** Leaving WAL mode takes the file for itself, which fails as long as anybody else has it open. */
function assertAlone(file: string): void {
  let db: Database | undefined;
  try {
    db = new Sqlite(file, { timeout: 200 });
    db.pragma('journal_mode = DELETE');
  } catch (cause) {
    const { code = '' } = cause as { code?: string };
    if (!code.startsWith('SQLITE_BUSY') && !code.startsWith('SQLITE_LOCKED')) return;
    throw new AppError('DATABASE_FAILED', {
      detail: `(${file} is open: stop the daemon first)`,
      cause,
    });
  } finally {
    db?.close();
  }
}
