/** What the file goes through: older schemas, a full disk, damage, and copies taken while it is written. */
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { MIGRATIONS, migrate } from '../../../src/inventory/schema.ts';
import { createSecretBox } from '../../../src/inventory/secrets.ts';
import { backupDatabase, checkDatabase, restoreDatabase } from '../../../src/platform/backup.ts';
import { readOrMakeKey } from '../../../src/platform/secret-key.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { createPeople, problemOf } from '../../support/people.ts';
import { report } from '../../support/reports.ts';
import { createWorld } from '../../support/world.ts';

const folder = () => mkdtempSync(join(tmpdir(), 'reveille-storage-'));

function open(file: string): Database {
  const db = new Sqlite(file);
  db.pragma('journal_mode = WAL');
  db.pragma('foreign_keys = ON');
  return db;
}

/** A database as the first schema left it, with a machine that has reported. */
function firstSchema(file: string): void {
  const db = open(file);
  db.exec(MIGRATIONS[0] ?? '');
  db.pragma('user_version = 1');
  db.prepare(
    `INSERT INTO machines (hardwarename, serial, serial_key, uuid, manufacturer, product, state, state_why, state_at,
       boot_mac, hardware, report_digest, created_at, updated_at)
     VALUES ('SN-0001', 'sn-0001', 'SN-0001', NULL, 'LabCorp', 'Model-X', 'available', 'registered', 5, ?, ?, 'd', 1, 2)`,
  ).run('52:54:00:77:00:01', JSON.stringify(report()));
  db.prepare(
    `INSERT INTO nics (mac, hardwarename, name, first_at, last_at) VALUES ('52:54:00:77:00:01', 'SN-0001', 'eth0', 1, 2)`,
  ).run();
  db.prepare(`INSERT INTO events (at, name, data) VALUES (1, 'daemon.started', '{}')`).run();
  db.close();
}

describe('a database of the first schema', () => {
  it('is brought up with all that it holds, after a copy was made', () => {
    const dir = folder();
    const file = join(dir, 'reveille.db');
    firstSchema(file);
    const world = createWorld(open(file));
    expect(world.inventory.machines.byHardwarename('SN-0001' as Hardwarename)).toMatchObject({
      ...{ serial: 'sn-0001', serialKey: 'SN-0001', uuid: '', state: 'available', version: 1 },
      ...{ cpuCount: 1, threadCount: 2, memoryBytes: 2 ** 29, diskBytes: 2 ** 31, nicCount: 1 },
      hardware: { dmi: { product: 'Model-X' } },
      nics: [{ mac: '52:54:00:77:00:01', address: '' }],
    });
    expect(world.inventory.machines.search.find('sn0001', 5)).toMatchObject([
      { hardwarename: 'SN-0001' },
    ]);
    expect(world.inventory.events.lastId()).toBe(1);
    const copy = readdirSync(dir).find((name) => name.startsWith('reveille.db.schema-1.'));
    const before = new Sqlite(join(dir, String(copy)), { readonly: true });
    expect(before.pragma('user_version', { simple: true })).toBe(1);
    expect(before.prepare('SELECT hardwarename FROM machines').get()).toEqual({
      hardwarename: 'SN-0001',
    });
  });

  it('is left as it was when a step fails', () => {
    const file = join(folder(), 'reveille.db');
    firstSchema(file);
    const db = open(file);
    // A NIC whose machine is not there: a step must not make it legal.
    db.pragma('foreign_keys = OFF');
    db.prepare(`UPDATE nics SET hardwarename = 'NOBODY'`).run();
    expect(() => migrate(db)).toThrow(/breaks a reference/);
    expect(db.pragma('user_version', { simple: true })).toBe(1);
    expect(db.prepare('SELECT count(*) AS n FROM machines').get()).toEqual({ n: 1 });
  });
});

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
    const { file: copy } = await backupDatabase(db, {
      folder: join(dir, 'b'),
      keep: 3,
      now: new Date(),
    });
    running = false;
    await writer;
    db.close();
    expect(checkDatabase(copy)).toEqual([]);
    const { kept } = restoreDatabase(copy, file);
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
    const db = open(join(dir, 'reveille.db'));
    createWorld(db);
    for (let second = 0; second < 4; second++)
      await backupDatabase(db, { folder: dir, keep: 2, now: new Date(1e12 + second * 1000) });
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
