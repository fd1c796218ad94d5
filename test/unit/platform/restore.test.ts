/** Putting a copy back: whatever stops it, there is a database, the old one or the new one, whole. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { beforeAll, describe, expect, it } from 'vitest';
import { acceptRestored, epochOf } from '../../../src/inventory/feed-epoch.ts';
import { MIGRATIONS } from '../../../src/inventory/schema.ts';
import { backupDatabase, checkDatabase } from '../../../src/platform/backup.ts';
import { RESTORE_STEPS, restoreDatabase } from '../../../src/platform/restore.ts';
import { openDatabase } from '../../../src/platform/sqlite.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createWorld } from '../../support/world.ts';

function enter(file: string, ...names: string[]): void {
  const db = openDatabase(file);
  const { inventory } = createWorld(db);
  for (const serial of names)
    inventory.transaction(() =>
      inventory.events.append({ name: 'daemon.stopped', data: { signal: serial } }),
    );
  db.close();
}

function holds(file: string): string[] {
  const db = openDatabase(file);
  const { events } = createWorld(db).inventory;
  const names = events.after(0, 100).map(({ data }) => (data as { signal: string }).signal);
  db.close();
  return names;
}

const template = temporaryFolder('restore-template');
beforeAll(async () => {
  const file = join(template, 'reveille.db');
  enter(file, 'then');
  await backupDatabase(file, { folder: join(template, 'backups'), keep: 3, now: new Date(1e12) });
  enter(file, 'now');
});

/** A copy that holds `then`, and a database that holds `then` and `now`. */
function site() {
  const dir = temporaryFolder('restore');
  cpSync(template, dir, { recursive: true });
  const copy = join(dir, 'backups', 'reveille-20010909T014640000Z.db');
  return { dir, file: join(dir, 'reveille.db'), copy };
}

/** The log of a daemon that was killed: what it committed last is in there alone. */
function leaveLog(file: string): void {
  const db = openDatabase(file);
  db.prepare(
    `INSERT INTO events (at, name, data) VALUES (1, 'daemon.stopped', '{"signal":"logged"}')`,
  ).run();
  for (const suffix of ['', '-wal']) copyFileSync(file + suffix, `${file}.killed${suffix}`);
  db.close();
  for (const suffix of ['', '-wal']) renameSync(`${file}.killed${suffix}`, file + suffix);
  expect(statSync(`${file}-wal`).size).toBeGreaterThan(0);
}

describe('a restore', () => {
  it('keeps what was there, begins a new epoch, and leaves no log beside', () => {
    const { dir, file, copy } = site();
    leaveLog(file);
    const before = new Sqlite(copy, { readonly: true });
    const epoch = epochOf(before);
    before.close();
    const { kept } = restoreDatabase(copy, file, { accept: acceptRestored });
    expect(readdirSync(dir).sort()).toEqual(
      ['backups', 'reveille.db', 'reveille.db.before-restore-1'].sort(),
    );
    expect(holds(String(kept))).toEqual(['then', 'now', 'logged']);
    const restored = new Sqlite(file, { readonly: true });
    expect(epochOf(restored)).toMatch(/^[0-9a-f]{12}$/);
    expect(epochOf(restored)).not.toBe(epoch);
    restored.close();
    expect(holds(file)).toEqual(['then']);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it.each(RESTORE_STEPS)('killed before "%s" leaves the old database or the new one', (step) => {
    const { file, copy } = site();
    leaveLog(file);
    const ended = spawnSync(process.execPath, [
      'test/support/restore-stopped.ts',
      copy,
      file,
      step,
    ]);
    expect(ended.signal).toBe('SIGKILL');
    expect(checkDatabase(file)).toEqual([]);
    expect(holds(file)).toEqual(step === 'sync-folder' ? ['then'] : ['then', 'now', 'logged']);
    // And it can be done again.
    restoreDatabase(copy, file, { accept: acceptRestored });
    expect(holds(file)).toEqual(['then']);
  });

  it.each(RESTORE_STEPS)('that finds the disk full before "%s" leaves one of the two', (step) => {
    const { dir, file, copy } = site();
    const full = () =>
      restoreDatabase(copy, file, {
        accept: acceptRestored,
        onStep(at) {
          if (at === step) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
        },
      });
    expect(full).toThrow(expect.objectContaining({ code: 'STORAGE_FULL' }));
    expect(readdirSync(dir).filter((name) => name.includes('restoring'))).toEqual([]);
    expect(holds(file)).toEqual(step === 'sync-folder' ? ['then'] : ['then', 'now']);
  });

  it('of a copy that is damaged, foreign, too new or not there changes nothing', () => {
    const { dir, file, copy } = site();
    const refused = (from: string, why: RegExp) =>
      expect(() => restoreDatabase(from, file, { accept: acceptRestored })).toThrow(why);
    refused(join(dir, 'nothing.db'), /not there/);
    const text = join(dir, 'text.db');
    writeFileSync(
      text,
      'no database at all, but long enough to have a header of its own '.repeat(99),
    );
    refused(text, /damaged|corrupt|not a database/i);
    const foreign = new Sqlite(join(dir, 'foreign.db'));
    foreign.exec('CREATE TABLE notes (text TEXT)');
    foreign.close();
    refused(join(dir, 'foreign.db'), /no database of Reveille/);
    const newer = new Sqlite(copy);
    newer.pragma(`user_version = ${MIGRATIONS.length + 1}`);
    newer.close();
    refused(copy, /newer/);
    expect(holds(file)).toEqual(['then', 'now']);
  });

  it('takes the log of what is put back into account', () => {
    const { file, copy } = site();
    leaveLog(copy);
    restoreDatabase(copy, file, { accept: acceptRestored });
    expect(holds(file)).toEqual(['then', 'logged']);
  });

  it('replaces a database that cannot be opened, and keeps it with its log', () => {
    const { file, copy } = site();
    writeFileSync(file, 'x'.repeat(20_000));
    writeFileSync(`${file}-wal`, 'its log');
    const { kept } = restoreDatabase(copy, file, { accept: acceptRestored });
    expect(existsSync(`${kept}-wal`)).toBe(true);
    expect(existsSync(`${file}-wal`)).toBe(false);
    expect(holds(file)).toEqual(['then']);
  });

  it('puts one where there is none', () => {
    const { file, copy } = site();
    renameSync(file, `${file}.gone`);
    expect(restoreDatabase(copy, file, { accept: acceptRestored })).toEqual({ kept: undefined });
    expect(holds(file)).toEqual(['then']);
  });

  it('waits for nobody: under a daemon it says so and changes nothing', () => {
    const { file, copy } = site();
    const db = openDatabase(file);
    db.prepare('SELECT count(*) FROM events').get();
    expect(() => restoreDatabase(copy, file, { accept: acceptRestored })).toThrow(
      /stop the daemon/,
    );
    db.close();
    expect(holds(file)).toEqual(['then', 'now']);
  });
});

describe('modes', () => {
  it('are set whatever the umask is', () => {
    const dir = temporaryFolder('modes');
    const text = execFileSync(process.execPath, ['test/support/wide-umask.ts', dir], {
      encoding: 'utf8',
    });
    expect(JSON.parse(text)).toEqual({
      folder: '750',
      again: '640',
      modes: {
        backups: '750',
        'backups/reveille-19700101T000000000Z.db': '600',
        'reveille.db': '600',
        'reveille.db-shm': '600',
        'reveille.db-wal': '600',
        'reveille.db.key': '600',
        'reveille.db.schema-1.19700101T000000000Z': '600',
      },
    });
  });
});
