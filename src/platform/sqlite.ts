/**
 * Opens the appliance's database. WAL, so that readers never wait for the writer; `synchronous=FULL`, so that what a
 * machine has been told survives a power cut as well as `kill -9`.
 *
 * A commit for each DHCP packet would wait for the disk each time. `GroupCommit` is the other way: it commits without
 * waiting, goes on working, and says when the disk has caught up; many commits share one fdatasync of the log, on
 * another thread. SQLite itself syncs the log before it moves pages out of it (checkpoint), so at any moment a commit is
 * in the synced log, in the database file, or not yet reported as durable.
 */
import { closeSync, fdatasync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import Sqlite, { type Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import { makeFolder, makePrivate, narrow } from './private-files.ts';

/** What packets ask for stays in memory: leases, boots and the newest events of a large site. */
const CACHE_KIB = 65_536;

/** @throws AppError DATABASE_FAILED with the file's name when it cannot be opened, DATABASE_CORRUPT when it is no database */
export function openDatabase(file: string): Database {
  try {
    return explained(file, () => {
      if (file !== ':memory:') {
        makeFolder(dirname(file));
        for (const name of [file, `${file}-wal`, `${file}-shm`]) narrow(name);
        makePrivate(file);
      }
      const db = new Sqlite(file, { timeout: 5000 });
      db.pragma('journal_mode = WAL');
      db.pragma('synchronous = FULL');
      db.pragma('foreign_keys = ON');
      db.pragma(`cache_size = -${CACHE_KIB}`);
      return db;
    });
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('DATABASE_FAILED', { detail: `(${file})`, cause });
  }
}

/** A second connection to a file that another one writes to: it can change nothing of it. */
export function openReadOnly(file: string): Database {
  const db = new Sqlite(file, { readonly: true, timeout: 5000 });
  db.pragma(`cache_size = -${CACHE_KIB}`);
  return db;
}

/**
 * Runs what opens a database, and names what is wrong with the file in words that a person can act upon.
 * @throws AppError DATABASE_CORRUPT, STORAGE_FULL
 */
export function explained<T>(file: string, open: () => T): T {
  try {
    return open();
  } catch (cause) {
    const { code = '' } = cause as { code?: string };
    const detail = `(${file})`;
    if (/^SQLITE_(CORRUPT|NOTADB)/.test(code))
      throw new AppError('DATABASE_CORRUPT', { detail, cause });
    if (code === 'SQLITE_FULL') throw new AppError('STORAGE_FULL', { detail, cause });
    throw cause;
  }
}

export interface GroupCommit {
  /** Whether the commits from here on wait for the disk. */
  waitForDisk(wait: boolean): void;
  /**
   * Calls back once everything committed so far is on disk, or with the error that prevents it. The first error is the
   * last word: a restart, which reads what the disk really has, is the only way on.
   */
  whenDurable(done: (error?: Error) => void): void;
  /** False from the first failed sync on. */
  healthy(): boolean;
  close(): void;
}

type Done = (error?: Error) => void;

/**
 * Syncs begin no closer together than this: one that follows upon the other has little to make durable, and costs as much as one
 * that many share. Who comes alone waits for none.
 */
const SYNC_EVERY_MS = 4;

export function openGroupCommit(db: Database): GroupCommit {
  let log: number | undefined;
  let waiting: Done[] = [];
  let syncing = false;
  /** After a failed sync the kernel may drop the pages and report the next one as done: nothing is durable any more. */
  let broken: Error | undefined;
  let waits = true;
  let closed = false;
  let syncedAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  const closeLog = (): void => {
    if (log !== undefined) closeSync(log);
    log = undefined;
  };
  const syncSoon = (): void => {
    if (syncing || closed || timer) return;
    const leftMs = syncedAt + SYNC_EVERY_MS - performance.now();
    if (leftMs <= 0) sync();
    else timer = setTimeout(sync, leftMs);
  };
  const sync = (): void => {
    timer = undefined;
    log ??= openSync(`${db.name}-wal`, 'r');
    const served = waiting;
    waiting = [];
    syncing = true;
    syncedAt = performance.now();
    fdatasync(log, (error) => {
      syncing = false;
      broken ??= error ?? undefined;
      for (const done of served) done(broken);
      if (closed) closeLog();
      else if (waiting.length > 0) syncSoon();
    });
  };
  return {
    waitForDisk(wait) {
      if (wait !== waits) db.pragma(`synchronous = ${wait ? 'FULL' : 'NORMAL'}`);
      waits = wait;
    },
    whenDurable(done) {
      if (db.memory || broken) {
        done(broken);
        return;
      }
      waiting.push(done);
      syncSoon();
    },
    healthy: () => broken === undefined,
    close() {
      closed = true;
      clearTimeout(timer);
      waiting = [];
      if (!syncing) closeLog();
    },
  };
}

/**
 * Moves pages from the log into the database file on a thread of its own. SQLite does that inside a commit, once the log
 * has 1,000 pages: two waits for the disk on the thread that answers packets. In here it happens beside it, every quarter of a second;
 * the log may grow meanwhile, and `LOG_PAGES_MAX` is where a commit does it after all.
 *
 * @returns ends the thread. A thread that fails leaves SQLite's own way in place.
 */
export function startCheckpoints(
  db: Database,
  onError: (error: unknown) => void,
): () => Promise<void> {
  if (db.memory) return async () => undefined;
  db.pragma(`wal_autocheckpoint = ${LOG_PAGES_MAX}`);
  db.pragma(`journal_size_limit = ${LOG_BYTES_KEPT}`);
  const worker = new Worker(new URL('./checkpoint-worker.ts', import.meta.url), {
    workerData: { file: db.name },
  });
  const ownWay = () => void (db.open && db.pragma(`wal_autocheckpoint = ${LOG_PAGES_USUAL}`));
  let closing = false;
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  worker.on('error', onError);
  worker.once('exit', () => {
    if (!closing) ownWay();
  });
  return async () => {
    closing = true;
    worker.postMessage('stop');
    await ended;
  };
}

const LOG_PAGES_USUAL = 1000;
/**
 * 256 MiB of 4 KiB pages. While leases are written without a pause the log cannot begin anew, and above this every commit would move
 * pages: it is reached after 200,000 exchanges of DHCP, ten halls that power on together.
 */
const LOG_PAGES_MAX = 65_536;
/** What of the file stays when the log begins anew. */
const LOG_BYTES_KEPT = 67_108_864;
