import { execFileSync } from 'node:child_process';
import { closeSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { recall } from '../../../src/inventory/recall.ts';
import { openDatabase, openGroupCommit, startCheckpoints } from '../../../src/platform/sqlite.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

function database() {
  const dir = temporaryFolder('commit');
  const db = openDatabase(join(dir, 'test.db'));
  db.exec('CREATE TABLE facts (fact TEXT)');
  return db;
}

describe('commits that share one wait for the disk', () => {
  it('says so after the commit, and never before the call has returned', async () => {
    const db = database();
    const commits = openGroupCommit(db);
    const order: string[] = [];
    commits.waitForDisk(false);
    db.transaction(() => db.prepare('INSERT INTO facts VALUES (?)').run('leased')).immediate();
    const durable = new Promise<void>((resolve, reject) => {
      commits.whenDurable((error) => {
        order.push('durable');
        if (error) reject(error);
        else resolve();
      });
    });
    order.push('returned');
    await durable;
    expect(order).toEqual(['returned', 'durable']);
    commits.close();
    db.close();
  });

  it('serves those who ask while a wait is under way by one more, in the order in which they asked', async () => {
    const db = database();
    const commits = openGroupCommit(db);
    const served: number[] = [];
    await new Promise<void>((resolve) => {
      for (let index = 0; index < 50; index++) {
        commits.whenDurable(() => {
          served.push(index);
          if (served.length === 50) resolve();
        });
      }
    });
    expect(served).toEqual(Array.from({ length: 50 }, (_, index) => index));
    commits.close();
    db.close();
  });

  it('begins syncs some time apart, and the first one at once', async () => {
    const db = database();
    const commits = openGroupCommit(db);
    const wait = () => new Promise<void>((resolve) => commits.whenDurable(() => resolve()));
    const startedAt = performance.now();
    for (let index = 0; index < 6; index++) await wait();
    // Five pauses of four milliseconds, of which timers may cut off a part.
    expect(performance.now() - startedAt).toBeGreaterThan(15);
    commits.close();
    db.close();
  });

  it('calls nobody and syncs nothing when it is closed before the next sync was due', async () => {
    const db = database();
    const commits = openGroupCommit(db);
    await new Promise<void>((resolve) => commits.whenDurable(() => resolve()));
    let called = false;
    commits.whenDurable(() => {
      called = true;
    });
    commits.close();
    db.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(called).toBe(false);
  });

  it('sets what a commit waits for, and sets it back', () => {
    const db = database();
    const commits = openGroupCommit(db);
    const level = () => db.pragma('synchronous', { simple: true });
    expect(level()).toBe(2);
    commits.waitForDisk(false);
    expect(level()).toBe(1);
    commits.waitForDisk(true);
    expect(level()).toBe(2);
    commits.close();
    db.close();
  });

  it('calls nobody once it is closed', async () => {
    const db = database();
    const commits = openGroupCommit(db);
    let called = false;
    commits.close();
    commits.whenDurable(() => {
      called = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(called).toBe(false);
    db.close();
  });
});

describe('a disk that fails', () => {
  it('makes nothing durable any more, and says so to everybody who asks', async () => {
    const dir = temporaryFolder('commit');
    // A log that cannot be synced: the kernel answers EINVAL for a pipe.
    execFileSync('mkfifo', [join(dir, 'x-wal')]);
    const keepOpen = openSync(join(dir, 'x-wal'), 'r+');
    const commits = openGroupCommit({ name: join(dir, 'x'), memory: false } as never);
    expect(commits.healthy()).toBe(true);
    const ask = () => new Promise<Error | undefined>((resolve) => commits.whenDurable(resolve));
    expect(await ask()).toMatchObject({ code: 'EINVAL' });
    expect(commits.healthy()).toBe(false);
    expect(await ask()).toMatchObject({ code: 'EINVAL' });
    commits.close();
    closeSync(keepOpen);
  });
});

describe('answers that are remembered until something changes', () => {
  it('asks once for each key, and again after a change', () => {
    let changes = 0;
    const asked: string[] = [];
    const answer = recall(
      () => changes,
      (key: string) => {
        asked.push(key);
        return key === 'absent' ? undefined : `${key} ${changes}`;
      },
    );
    const answers = ['a', 'a', 'absent', 'absent'].map(answer);
    expect(answers).toEqual(['a 0', 'a 0', undefined, undefined]);
    expect(asked).toEqual(['a', 'absent']);
    changes = 1;
    expect(answer('a')).toBe('a 1');
  });
});

describe('checkpoints beside the work', () => {
  it('move what was committed into the database file, and end when told to', async () => {
    const db = database();
    const end = startCheckpoints(db, (error) => {
      throw error;
    });
    expect(db.pragma('wal_autocheckpoint', { simple: true })).toBeGreaterThan(10_000);
    db.prepare('INSERT INTO facts VALUES (?)').run('x'.repeat(1_000_000));
    const before = statSync(db.name).size;
    await expect
      .poll(() => statSync(db.name).size, { timeout: 10_000, interval: 50 })
      .toBeGreaterThan(before + 900_000);
    await end();
    db.prepare('INSERT INTO facts VALUES (?)').run('after');
    db.close();
  });

  it('are left to SQLite for a database in memory', async () => {
    const db = openDatabase(':memory:');
    const end = startCheckpoints(db, () => undefined);
    expect(db.pragma('wal_autocheckpoint', { simple: true })).toBe(1000);
    await end();
    db.close();
  });
});
