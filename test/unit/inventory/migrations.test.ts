/** From every schema that there was to the newest: with all that it holds, a copy first, and all or nothing. */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { MIGRATIONS, migrate } from '../../../src/inventory/schema.ts';
import { checkDatabase, copyBeforeMigration } from '../../../src/platform/backup.ts';
import { openDatabase } from '../../../src/platform/sqlite.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { columnsOf, makeOldDatabase, rowsOf, tablesOf } from '../../support/old-schema.ts';
import { report } from '../../support/reports.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createWorld } from '../../support/world.ts';

/** The first 12 digits of the SHA-256 of each. Do not change this list but by adding to it. */
const RELEASED = `
  a4d9b6c2e2bd 748b877e1f30 2232d968ead5 c3baf3d99741 5ded5f0eed86 88ed27feed91
  a3933ff76c6d 6b9385701f96 4f71fde72576 84bbf1b4bccf 4becb0991d3a e6a5fd8ff9de
  3ccee032d365 3a3198ef7ad8 ab36f1c3526e f9facfde307d 04670c90023e b0946563196a
  36e6dcc4d9c2 3466a7d895aa 1ca75d9ded66 653bae37bf0b 5fe8123e3259 f273a5c8645c
  801baff16d38 096a59110e17 a76b78d613ff 2f4c45aa517b addf3ad02a27 c479e9863e9e
  3bcab7a143c3 c7442a5c236c 64cee78cf313 625157fb6f1b e6ac7454958e ae21a8187b04
`;

/** The last schema of which that is so. */
const RACKS_BY_NAME = 33;

const OLD = MIGRATIONS.slice(0, -1).map((_, index) => index + 1);

/** What a migration is meant to rewrite; everything else stays as it is. */
const REWRITTEN: Readonly<Record<string, readonly string[]>> = {
  machines: ['uuid', 'hardware', 'report_digest', 'conflict_with', 'may_hold_data'],
  webhooks: ['epoch'],
  dead_letters: ['epoch'],
};

function old(schema: number) {
  const dir = temporaryFolder('schema');
  const file = join(dir, 'reveille.db');
  makeOldDatabase(file, schema);
  return { dir, file };
}

/** Tables that a migration is meant to empty, and which: the schema that it makes. */
const EMPTIED: Readonly<Record<string, number>> = { flight_packets: 26 };

/** Tables whose rows a migration is meant to bring to another. */
const MOVED: Readonly<Record<string, string>> = { dns_snapshots: 'dns_snapshot_parts' };

const everything = (file: string) => {
  const db = new Sqlite(file, { readonly: true });
  const all = Object.fromEntries(
    tablesOf(db).map((table) => {
      const columns = columnsOf(db, table).map(({ name }) => name);
      return [table, { columns, rows: rowsOf(db, table, columns) }];
    }),
  );
  const schema = db.pragma('user_version', { simple: true });
  db.close();
  return { schema, all };
};

const copy = (db: ReturnType<typeof openDatabase>) => ({
  copyBefore: (schema: number) => void copyBeforeMigration(db, schema, new Date(0)),
});

const shape = (db: ReturnType<typeof openDatabase>) =>
  db.prepare(`SELECT type, name, sql FROM sqlite_schema ORDER BY type, name`).all();

describe.each(OLD)('a database of schema %i', (schema) => {
  it('is brought up with all that it holds, after a copy was made', () => {
    const { dir, file } = old(schema);
    const before = everything(file);
    const kept = new Sqlite(file, { readonly: true });
    const tables = Object.keys(before.all);
    const emptied = tables.filter((table) => schema < (EMPTIED[table] ?? 0));
    const lasting = tables.filter((table) => !emptied.includes(table));
    const comparable = lasting.map((table) => {
      const now = before.all[table]?.columns ?? [];
      const columns = now.filter((name) => !REWRITTEN[table]?.includes(name));
      return { table, columns, rows: rowsOf(kept, table, columns) };
    });
    kept.close();
    const db = openDatabase(file);
    migrate(db, copy(db));
    expect(db.pragma('user_version', { simple: true })).toBe(MIGRATIONS.length);
    for (const { table, columns, rows } of comparable)
      expect({ table, rows: rowsOf(db, MOVED[table] ?? table, columns) }).toEqual({
        table,
        rows: expect.arrayContaining(rows),
      });
    for (const table of emptied) expect(rowsOf(db, table, ['rowid'])).toEqual([]);
    expect(db.pragma('foreign_key_check')).toEqual([]);
    const fresh = openDatabase(':memory:');
    migrate(fresh);
    expect(shape(db)).toEqual(shape(fresh));
    createWorld(db);
    db.close();
    expect(checkDatabase(file)).toEqual([]);
    const [name = ''] = readdirSync(dir).filter((one) => one.startsWith('reveille.db.schema-'));
    expect(name).toBe(`reveille.db.schema-${schema}.19700101T000000000Z`);
    expect(everything(join(dir, name))).toEqual(before);
  });

  it('is left as it was when a step fails, or when there is no room for the copy', () => {
    const { file } = old(schema);
    const db = openDatabase(file);
    // A NIC whose machine is not there: a step must not make it legal.
    db.pragma('foreign_keys = OFF');
    db.prepare(`UPDATE nics SET hardwarename = 'NOBODY'`).run();
    const before = everything(file);
    expect(() => migrate(db, copy(db))).toThrow(/breaks a reference/);
    expect(everything(file)).toEqual(before);
    const full = () => {
      throw new Error('no room');
    };
    expect(() => migrate(db, { copyBefore: full })).toThrow('no room');
    expect(() => migrate(db)).toThrow(/a copy/);
    db.close();
    expect(everything(file)).toEqual(before);
  });
});

describe('a database of the first schema', () => {
  it('has its machines in the model and in the search afterwards', () => {
    const { file } = old(1);
    const db = openDatabase(file);
    migrate(db, copy(db));
    const { machines } = createWorld(db).inventory;
    const name = 'machines hardwarename 1' as Hardwarename;
    expect(machines.byHardwarename(name)).toMatchObject({
      ...{ state: 'available', version: 1, cpuCount: 1, threadCount: 2 },
      ...{ memoryBytes: 2 ** 29, diskBytes: 2 ** 31 },
      hardware: { dmi: { product: report().dmi.product } },
    });
    expect(machines.search.find('serial 1', 5)).not.toEqual([]);
    db.close();
  });
});

describe('a database of when racks went by their names alone', () => {
  it('keeps its outcomes and its breakers, by the places of the racks', () => {
    const { file } = old(RACKS_BY_NAME);
    const before = new Sqlite(file);
    before.exec('DELETE FROM outcomes; DELETE FROM breakers');
    const names = before.prepare('SELECT hardwarename FROM machines').pluck().all() as string[];
    const [first = '', moved = ''] = names;
    const place = before.prepare(
      `UPDATE machines SET hall = ?, "row" = '', rack = ? WHERE hardwarename = ?`,
    );
    place.run('h1', 'R1', first);
    place.run('h2', 'R3', moved);
    const outcome = before.prepare(
      `INSERT INTO outcomes (at, hardwarename, site, source, failed, code, factors)
       VALUES (1, ?, 'lon', 'install', 1, 'X', ?)`,
    );
    const failedIn = (name: string, ...rack: readonly string[]) =>
      outcome.run(name, JSON.stringify({ rack, switch: ['sw1'], image: [], type: [] }));
    failedIn(first, 'R1');
    failedIn('GONE', 'R1');
    failedIn(moved, 'R2');
    failedIn(moved);
    const breaker = before.prepare(
      `INSERT INTO breakers (source, factor, value, opened_at, closed_at, evidence)
       VALUES ('install', ?, ?, 1, ?, '{}')`,
    );
    for (const row of [
      ['rack', 'R1', 0],
      ['rack', 'R1', 7],
      ['rack', 'R2', 0],
      ['rack', 'R3', 0],
      ['switch', 'R1', 0],
    ])
      breaker.run(row);
    before.close();
    const db = openDatabase(file);
    migrate(db, copy(db));
    const racks = db.prepare(`SELECT factors ->> '$.rack' FROM outcomes ORDER BY id`).pluck().all();
    expect(racks).toEqual(['["lon/h1/R1"]', '["R1"]', '["R2"]', '[]']);
    const kept = db.prepare('SELECT factor, value, closed_at FROM breakers ORDER BY id').raw();
    expect(kept.all()).toEqual([
      ['rack', 'lon/h1/R1', 0],
      ['rack', 'lon/h1/R1', 7],
      ['rack', 'R2', 0],
      ['rack', 'R3', 0],
      ['switch', 'R1', 0],
    ]);
    db.close();
  });
});

describe('a migration', () => {
  it('is never changed once it is released: the next change is the next entry', () => {
    const digest = (sql: string) => createHash('sha256').update(sql).digest('hex').slice(0, 12);
    expect(MIGRATIONS.map(digest)).toEqual(RELEASED.trim().split(/\s+/));
  });
});
