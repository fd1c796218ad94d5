/**
 * Backups of the database: taken online, on a thread of their own, each of one moment, and whole whatever is written
 * meanwhile by whatever process. A copy has its name only once its bytes are on disk. Putting one back is restore.ts.
 */
import { existsSync, readdirSync, renameSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import Sqlite, { type Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import { discard, isFull, makeFolder, makePrivate, sync } from './private-files.ts';

export interface BackupFile {
  readonly file: string;
  readonly sizeBytes: number;
}

/**
 * Copies a database file to a new file in `folder`; the oldest beyond `keep` are removed.
 * @throws AppError STORAGE_FULL, DATABASE_FAILED
 */
export async function backupDatabase(
  database: string,
  { folder, keep, now }: { folder: string; keep: number; now: Date },
): Promise<BackupFile> {
  const stamp = now.toISOString().replace(/[-:]/g, '').replace('.', '');
  const file = join(folder, `reveille-${stamp}.db`);
  const partial = `${file}.partial`;
  try {
    makeFolder(folder);
    for (const name of unfinishedIn(folder)) discard(join(folder, name));
    makePrivate(partial);
    await copyAll(database, partial);
    sync(partial);
    renameSync(partial, file);
    sync(folder);
  } catch (cause) {
    discard(partial);
    const code = isFull(cause) ? 'STORAGE_FULL' : 'DATABASE_FAILED';
    throw new AppError(code, { detail: `(${file})`, cause });
  }
  const old = backupsIn(folder).slice(keep);
  for (const name of old) discard(join(folder, name));
  return { file, sizeBytes: statSync(file).size };
}

function copyAll(file: string, copy: string): Promise<void> {
  const worker = new Worker(new URL('./backup-worker.ts', import.meta.url), {
    workerData: { file, copy },
  });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error('the thread that copies has ended early')),
    );
  });
}

/** Names, newest first. */
export function backupsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^reveille-\d{8}T\d+Z\.db$/.test(name))
    .sort()
    .reverse();
}

/** What a copy that was killed has left: from before this moment, so nobody is at work on it but by chance of a minute. */
function unfinishedIn(folder: string): string[] {
  const minuteAgo = Date.now() - 60_000;
  return readdirSync(folder).filter(
    (name) =>
      /^reveille-.*\.partial$/.test(name) && statSync(join(folder, name)).mtimeMs < minuteAgo,
  );
}

/**
 * Copies a database beside itself before its schema changes, as `FILE.schema-N.STAMP`; the copy is on disk when this returns.
 * @throws AppError STORAGE_FULL, DATABASE_FAILED: then nothing may be changed
 */
export function copyBeforeMigration(db: Database, schema: number, now: Date): string {
  const stamp = now.toISOString().replace(/[-:]/g, '').replace('.', '');
  const file = `${db.name}.schema-${schema}.${stamp}`;
  const partial = join(dirname(file), `.${basename(file)}.partial`);
  try {
    // SQLite takes an empty file, and keeps its mode.
    makePrivate(partial);
    db.exec(`VACUUM INTO '${partial.replaceAll("'", "''")}'`);
    sync(partial);
    renameSync(partial, file);
    sync(dirname(file));
  } catch (cause) {
    discard(partial);
    const code = isFull(cause) ? 'STORAGE_FULL' : 'DATABASE_FAILED';
    throw new AppError(code, { detail: `(${file})`, cause });
  }
  return file;
}

/** @returns what is wrong with a database file; empty when it is sound */
export function checkDatabase(file: string): string[] {
  let db: Database | undefined;
  try {
    db = new Sqlite(file, { readonly: true, fileMustExist: true });
    return faultsOf(db);
  } catch (error) {
    return [(error as Error).message];
  } finally {
    db?.close();
  }
}

export function faultsOf(db: Database): string[] {
  const found = db.pragma('integrity_check(10)') as { integrity_check: string }[];
  return found.map((row) => row.integrity_check).filter((line) => line !== 'ok');
}
