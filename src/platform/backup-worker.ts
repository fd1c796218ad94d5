/**
 * The thread that copies the database (`backupDatabase` in backup.ts). It copies in one step, which is one read
 * transaction: what others write meanwhile goes to the log and not into the copy. In several steps, SQLite begins anew
 * whenever another connection has written in between, and under a steady load never ends.
 */
import { workerData } from 'node:worker_threads';
import Sqlite from 'better-sqlite3';

const PAGES_ALL = 0x7f_ff_ff_ff;

const { file, copy } = workerData as { file: string; copy: string };
const db = new Sqlite(file, { fileMustExist: true, timeout: 5000 });
try {
  await db.backup(copy, { progress: () => PAGES_ALL });
} finally {
  db.close();
}
// A copy is one file: as a database with a log, it would get two more beside it whenever somebody looks into it.
const made = new Sqlite(copy, { fileMustExist: true });
made.pragma('journal_mode = DELETE');
made.close();
