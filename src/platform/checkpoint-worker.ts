/**
 * The thread that moves pages from SQLite's log into the database file (`startCheckpoints` in sqlite.ts). A passive
 * checkpoint waits for nobody: it moves what no reader needs any more, and syncs both files first and last, as SQLite
 * always does.
 */
import { parentPort, workerData } from 'node:worker_threads';
import Sqlite from 'better-sqlite3';

/** Often enough that in a storm little is left for the commit that has to begin the log anew: packets wait for that one. */
const EVERY_MS = 250;

const { file } = workerData as { file: string };
const db = new Sqlite(file, { fileMustExist: true, timeout: 5000 });
db.pragma('synchronous = FULL');
const timer = setInterval(() => db.pragma('wal_checkpoint(PASSIVE)'), EVERY_MS);
parentPort?.once('message', () => {
  clearInterval(timer);
  db.close();
  parentPort?.close();
});
