/** Backups end, and are of one moment, while another program writes without a pause. */
import { spawn } from 'node:child_process';
import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, it } from 'vitest';
import { backupDatabase, checkDatabase } from '../../../src/platform/backup.ts';
import { openDatabase } from '../../../src/platform/sqlite.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const ROWS = 40_000;

it('ends under constant writes of another connection, with one moment in it', async () => {
  const dir = temporaryFolder('backup');
  const file = join(dir, 'reveille.db');
  const db = openDatabase(file);
  db.exec('CREATE TABLE sums (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, filler TEXT)');
  const put = db.prepare('INSERT INTO sums VALUES (?, 5, ?)');
  db.transaction(() => {
    for (let id = 0; id < ROWS; id++) put.run(id, 'x'.repeat(300));
  })();
  const writer = spawn(process.execPath, ['test/support/steady-writer.ts', file]);
  const ended = new Promise((resolve) => writer.once('exit', resolve));
  try {
    await new Promise((resolve) => writer.stdout.once('data', resolve));
    const { file: copy } = await backupDatabase(file, {
      ...{ folder: join(dir, 'backups'), keep: 2, now: new Date(1e12) },
    });
    expect(writer.exitCode).toBe(null);
    expect(checkDatabase(copy)).toEqual([]);
    expect(readdirSync(join(dir, 'backups'))).toEqual([basename(copy)]);
    const there = new Sqlite(copy, { readonly: true });
    const sum = there.prepare('SELECT count(*) AS rows, sum(amount) AS amount FROM sums').get();
    there.close();
    expect(sum).toEqual({ rows: ROWS, amount: 5 * ROWS });
  } finally {
    writer.kill('SIGKILL');
    await ended;
    db.close();
  }
}, 30_000);

it('says when there is no database, and leaves nothing; what a killed one left goes with the next', async () => {
  const dir = temporaryFolder('backup');
  const options = { folder: dir, keep: 2, now: new Date(1e12) };
  await expect(backupDatabase(join(dir, 'none.db'), options)).rejects.toMatchObject({
    code: 'DATABASE_FAILED',
  });
  expect(readdirSync(dir)).toEqual([]);
  const left = join(dir, 'reveille-20010101T000000000Z.db.partial');
  writeFileSync(left, 'half');
  utimesSync(left, 1, 1);
  const file = join(dir, 'reveille.db');
  openDatabase(file).close();
  await backupDatabase(file, options);
  expect(readdirSync(dir).sort()).toEqual(['reveille-20010909T014640000Z.db', 'reveille.db']);
});
