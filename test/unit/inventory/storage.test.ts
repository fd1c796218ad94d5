/** What the file goes through: a full disk, damage, and copies taken while it is written. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { acceptRestored } from '../../../src/inventory/feed-epoch.ts';
import { openInventory } from '../../../src/inventory/inventory.ts';
import { createSecretBox } from '../../../src/inventory/secrets.ts';
import { backupDatabase, checkDatabase } from '../../../src/platform/backup.ts';
import { restoreDatabase } from '../../../src/platform/restore.ts';
import { readOrMakeKey } from '../../../src/platform/secret-key.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { fillDatabase } from '../../support/full-database.ts';
import { createPeople, problemOf } from '../../support/people.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createWorld } from '../../support/world.ts';

const folder = () => temporaryFolder('storage');

function open(file: string): Database {
  const db = new Sqlite(file);
  db.pragma('journal_mode = WAL');
  db.pragma('foreign_keys = ON');
  return db;
}

describe('a copy', () => {
  it('taken while machines are written holds each change whole, and comes back', async () => {
    const dir = folder();
    const file = join(dir, 'reveille.db');
    const db = open(file);
    const people = await createPeople({}, createWorld(db));
    let running = true;
    let written = 0;
    const writer = (async () => {
      while (running) {
        const machines = [0, 1, 2].map((n) => ({
          serial: `SN-${written}-${n}`,
          notes: 'x'.repeat(900),
        }));
        await people.admin('POST', '/machines/import', { body: { machines } });
        written += 3;
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    while (written < 150) await new Promise((resolve) => setImmediate(resolve));
    const before = written;
    const { file: copy } = await backupDatabase(file, {
      folder: join(dir, 'b'),
      keep: 3,
      now: new Date(),
    });
    running = false;
    await writer;
    db.close();
    expect(checkDatabase(copy)).toEqual([]);
    const { kept } = restoreDatabase(copy, file, { accept: acceptRestored });
    expect(kept).toBe(`${file}.before-restore-1`);
    const restored = createWorld(open(file)).inventory;
    const names = restored.machines.list().map(({ hardwarename }) => hardwarename);
    expect(names.length).toBeGreaterThanOrEqual(before - 3);
    // Each machine with its event, each event with its machine.
    const events = restored.events.after(0, 100_000).filter(({ name }) => name === 'machine.state');
    expect(events.map(({ hardwarename }) => hardwarename).sort()).toEqual([...names].sort());
  });

  it('is one of the newest: older ones are removed', async () => {
    const dir = folder();
    const file = join(dir, 'reveille.db');
    createWorld(open(file));
    for (let second = 0; second < 4; second++)
      await backupDatabase(file, { folder: dir, keep: 2, now: new Date(1e12 + second * 1000) });
    expect(readdirSync(dir).filter((name) => /^reveille-.*Z\.db$/.test(name))).toHaveLength(2);
  });
});

describe('trouble with the disk', () => {
  it('that is full refuses the change, says so, and loses nothing', async () => {
    const db = open(join(folder(), 'reveille.db'));
    const people = await createPeople({}, createWorld(db));
    await people.admin('POST', '/machines', { body: { serial: 'SN-1' } });
    db.pragma(`max_page_count = ${db.pragma('page_count', { simple: true })}`);
    const answers = [];
    for (let n = 0; n < 200; n++) {
      const body = { serial: `SN-${n + 100}`, notes: 'x'.repeat(4000) };
      answers.push(problemOf(await people.admin('POST', '/machines', { body })));
    }
    expect(answers.at(-1)).toBe('507 STORAGE_FULL');
    expect((await people.admin('GET', '/machines/SN-1')).status).toBe(200);
    db.pragma('max_page_count = 1000000');
    expect((await people.admin('POST', '/machines', { body: { serial: 'LAST-1' } })).status).toBe(
      201,
    );
    const stored = people.world.inventory.machines.list().length;
    expect(stored).toBe(2 + answers.filter((answer) => answer === '201').length);
  });

  it('that is full lets everybody read on, with a token that was never used before too', async () => {
    const db = open(join(folder(), 'reveille.db'));
    const people = await createPeople({}, createWorld(db));
    await people.admin('POST', '/machines', { body: { serial: 'SN-1' } });
    const fresh = people.as('viewer');
    const { access } = people.world.inventory.serverdb;
    const refuse = () => {
      throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
    };
    db.function('refuse', refuse);
    db.exec(`CREATE TEMP TRIGGER full BEFORE UPDATE ON api_tokens BEGIN SELECT refuse(); END`);
    people.world.pass(3_600_000);
    for (let n = 0; n < 3; n++)
      for (const path of ['/machines/SN-1', '/session', '/events', '/board', '/tokens'])
        expect((await fresh('GET', path)).status, path).toBe(200);
    expect(() => people.world.inventory.transaction(() => access.noteUsed())).toThrow(/full/);
    db.exec('DROP TRIGGER full');
    people.world.inventory.transaction(() => access.noteUsed());
    const used = db.prepare('SELECT count(*) AS n FROM api_tokens WHERE last_used_at > 0').get();
    expect(used).toEqual({ n: 2 });
  });

  it('that damaged the file is named, with what to do', async () => {
    const file = join(folder(), 'reveille.db');
    const db = open(file);
    const people = await createPeople({}, createWorld(db));
    const machines = Array.from({ length: 300 }, (_, n) => ({
      serial: `SN-${n + 100}`,
      notes: 'x'.repeat(2000),
    }));
    await people.admin('POST', '/machines/import', { body: { machines } });
    db.pragma('wal_checkpoint(TRUNCATE)');
    db.close();
    const bytes = readFileSync(file);
    // One page in the middle of the machines' table.
    const at = bytes.indexOf('x'.repeat(500), bytes.length / 2);
    writeFileSync(file, bytes.fill(0xff, at - (at % 4096), at - (at % 4096) + 4096));
    expect(checkDatabase(file)).not.toEqual([]);
    const damaged = await createPeople({}, createWorld(open(file)));
    const answers = [];
    for (let n = 0; n < 300; n++)
      answers.push(problemOf(await damaged.admin('GET', `/machines/SN-${n + 100}`)));
    expect(answers).toContain('500 DATABASE_CORRUPT');
    expect(answers).not.toContain('500 INTERNAL');
  });
});

describe('the key of secrets', () => {
  it('is made once, for us alone, and refused when others can read it', () => {
    const file = join(folder(), 'deep', 'reveille.key');
    const key = readOrMakeKey(file);
    expect(readOrMakeKey(file)).toEqual(key);
    writeFileSync(file, 'short');
    expect(() => readOrMakeKey(file)).toThrow(/64 hex digits/);
  });

  it('opens what it sealed, for what it was sealed for, and nothing else', () => {
    const box = createSecretBox(() => new Uint8Array(32).fill(7));
    const sealed = box.seal('calvin', 'credential a');
    expect(box.open(sealed, 'credential a')).toBe('calvin');
    expect(box.seal('calvin', 'credential a')).not.toEqual(sealed);
    expect(() => box.open(sealed, 'credential b')).toThrow(/another key/);
    for (const at of [0, 15, sealed.length - 1]) {
      const tampered = Buffer.from(sealed);
      tampered[at] = (tampered[at] ?? 0) ^ 1;
      expect(() => box.open(tampered, 'credential a')).toThrow(/another key/);
    }
    const other = createSecretBox(() => new Uint8Array(32).fill(8));
    expect(() => other.open(sealed, 'credential a')).toThrow(/another key/);
    expect(() => createSecretBox(() => new Uint8Array(5)).seal('x', 'y')).toThrow();
  });
});

it('what was gathered for a disk that is full is told of and lost, and ends no process', () => {
  const db = new Sqlite(':memory:');
  const tasks: (() => void)[] = [];
  const errors: unknown[] = [];
  const gather = {
    later: (task: () => void) => void tasks.push(task),
    onError: (error: unknown) => void errors.push(error),
  };
  const inventory = openInventory({ db, clock: () => 1 as Millis, gather });
  const note = (why: string) =>
    inventory.soon(() => {
      const data = { who: 'test', why };
      inventory.events.append({ name: 'jobs.paused', data });
    });
  const makeRoom = fillDatabase(db);
  note('x'.repeat(100_000));
  for (const task of tasks.splice(0)) task();
  expect(errors[0]).toMatchObject({ code: 'SQLITE_FULL' });
  // Nor does it fail what somebody else changes next, and what has room.
  note('x'.repeat(100_000));
  expect(inventory.transaction(() => 'done')).toBe('done');
  makeRoom();
  for (const task of tasks.splice(0)) task();
  note('there is room');
  for (const task of tasks.splice(0)) task();
  expect(inventory.events.after(0, 10)).toMatchObject([{ data: { why: 'there is room' } }]);
});
