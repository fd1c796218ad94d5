/**
 * Puts a copy in the database's place while the daemon is stopped.
 *
 * At every moment there is a database, the old one or the new one, and never the log of the one beside the other: the copy
 * is made beside, checked as it was written and brought to disk before anything of the old one is touched; the old one's
 * log is folded into it; it is given a second name under which it is kept; and one rename changes the two. Whatever stops
 * this in between (a full disk, `kill -9`, a power cut) leaves the database that was there, or the new one.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  linkSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import { faultsOf } from './backup.ts';
import { BESIDE, discard, isFull, makeFolder, makePrivate, sync } from './private-files.ts';

/** In this order. */
export const RESTORE_STEPS = [
  'copy',
  'check',
  'sync',
  'settle',
  'keep',
  'clear',
  'swap',
  'sync-folder',
] as const;
export type RestoreStep = (typeof RESTORE_STEPS)[number];

export interface RestoreOptions {
  /**
   * Looks at the copy with the eyes of the program, and writes what one that was put back has to have.
   * @throws AppError when the program cannot use it
   */
  accept(db: Database): void;
  /** Told before each step. What it throws stops the restore there. */
  onStep?(step: RestoreStep): void;
}

/**
 * @returns `kept`: where the database is that was there before
 * @throws AppError CONFIG_UNREADABLE when there is no such copy, DATABASE_CORRUPT when it is not sound or is none of ours, DATABASE_FAILED when the daemon has the
 *   file open, STORAGE_FULL
 */
export function restoreDatabase(
  backup: string,
  target: string,
  { accept, onStep = () => undefined }: RestoreOptions,
): { kept: string | undefined } {
  const file = existsSync(target) ? realpathSync(target) : target;
  const folder = dirname(file);
  const partial = join(folder, `.${basename(file)}.restoring`);
  try {
    onStep('copy');
    if (!existsSync(backup))
      throw new AppError('CONFIG_UNREADABLE', { detail: `(${backup} is not there)` });
    makeFolder(folder);
    discard(partial);
    copyWhole(backup, partial);
    onStep('check');
    check(partial, { backup, accept });
    onStep('sync');
    sync(partial);
    onStep('settle');
    const old = existsSync(file) ? settle(file) : undefined;
    try {
      onStep('keep');
      const kept = old ? keep(file) : undefined;
      onStep('clear');
      // Of a database that could not be opened; its log would be taken for the new one's.
      for (const suffix of BESIDE) rmSync(file + suffix, { force: true });
      if (old) sync(folder);
      onStep('swap');
      renameSync(partial, file);
      onStep('sync-folder');
      sync(folder);
      return { kept };
    } finally {
      old?.release();
    }
  } catch (cause) {
    discard(partial);
    if (cause instanceof AppError) throw cause;
    const code = isFull(cause) ? 'STORAGE_FULL' : 'DATABASE_FAILED';
    throw new AppError(code, { detail: `(${file})`, cause });
  }
}

/** With its log, where it has one: then it was not made by `backup`, but what is in the log counts all the same. */
function copyWhole(from: string, to: string): void {
  makePrivate(to);
  copyFileSync(from, to);
  const log = statSync(`${from}-wal`, { throwIfNoEntry: false });
  if (!log || log.size === 0) return;
  makePrivate(`${to}-wal`);
  copyFileSync(`${from}-wal`, `${to}-wal`);
}

/** Leaves one file without a log. */
function check(
  partial: string,
  { backup, accept }: { readonly backup: string; accept(db: Database): void },
): void {
  let db: Database | undefined;
  try {
    db = new Sqlite(partial, { fileMustExist: true });
    db.pragma('journal_mode = DELETE');
    db.pragma('synchronous = FULL');
    const [fault] = faultsOf(db);
    if (fault !== undefined)
      throw new AppError('DATABASE_CORRUPT', { detail: `(${backup}: ${fault})` });
    accept(db);
  } catch (cause) {
    const { code = '' } = cause as { code?: string };
    if (!/^SQLITE_(CORRUPT|NOTADB)/.test(code)) throw cause;
    const detail = `(${backup}: ${(cause as Error).message})`;
    throw new AppError('DATABASE_CORRUPT', { detail, cause });
  } finally {
    db?.close();
  }
}

/**
 * Takes the old database for ourselves and folds its log into it, which fails as long as anybody else has it open; nobody
 * can open it until it is released. One that is damaged beyond opening is as it is.
 */
function settle(file: string): { release(): void } {
  let db: Database | undefined;
  const release = () => {
    db?.close();
  };
  const damaged = { release: () => undefined };
  // SQLite would throw away the log of what it cannot read.
  if (!isSqlite(file)) return damaged;
  try {
    db = new Sqlite(file, { timeout: 200 });
    db.pragma('journal_mode = DELETE');
    db.exec('BEGIN EXCLUSIVE');
    return { release };
  } catch (cause) {
    release();
    const { code = '' } = cause as { code?: string };
    if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return damaged;
    if (!/^SQLITE_(BUSY|LOCKED)/.test(code)) throw cause;
    const detail = `(${file} is open: stop the daemon first)`;
    throw new AppError('DATABASE_FAILED', { detail, cause });
  }
}

/** By the magic of its first page, section 1.3 of SQLite's file format. An empty file is a database without tables. */
function isSqlite(file: string): boolean {
  const magic = 'SQLite format 3\0';
  const head = Buffer.alloc(magic.length);
  const fd = openSync(file, 'r');
  try {
    const count = readSync(fd, head, 0, head.length, 0);
    return count === 0 || head.toString('latin1') === magic;
  } finally {
    closeSync(fd);
  }
}

/** The old database under a second name; its own goes to the new one. */
function keep(file: string): string {
  let number = 1;
  // A restore that was stopped has left a second name of this very file: that one is taken again.
  while (isOther(`${file}.before-restore-${number}`, file)) number += 1;
  const kept = `${file}.before-restore-${number}`;
  for (const suffix of [...BESIDE, '']) {
    if (existsSync(file + suffix) && !existsSync(kept + suffix))
      secondName(file + suffix, kept + suffix);
  }
  return kept;
}

function isOther(there: string, file: string): boolean {
  const stat = statSync(there, { throwIfNoEntry: false });
  return stat !== undefined && stat.ino !== statSync(file).ino;
}

function secondName(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    // A file system without hard links: it costs a copy.
    if (!['EPERM', 'ENOTSUP', 'EMLINK', 'ENOSYS'].includes(code)) throw error;
    makePrivate(to);
    copyFileSync(from, to);
    sync(to);
  }
}
