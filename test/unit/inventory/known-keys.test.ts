import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { knownKeys } from '../../../src/inventory/known-keys.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const dir = temporaryFolder('known');

function world(name: string) {
  const file = join(dir, name);
  const db = new Sqlite(file);
  db.pragma('journal_mode = WAL');
  db.exec("CREATE TABLE nics (mac TEXT PRIMARY KEY); INSERT INTO nics VALUES ('a')");
  const time = { now: 0 as Millis };
  const isKnown = knownKeys<string>(db, { table: 'nics', column: 'mac', clock: () => time.now });
  return { file, db, time, isKnown };
}

describe('keys that a column has or had', () => {
  it('knows what was there, what is added and what is renamed, and nothing else', () => {
    const { db, isKnown } = world('own');
    expect([isKnown('a'), isKnown('b')]).toEqual([true, false]);
    db.exec("INSERT INTO nics VALUES ('b'); UPDATE nics SET mac = 'c' WHERE mac = 'a'");
    expect([isKnown('b'), isKnown('c'), isKnown('d')]).toEqual([true, true, false]);
    db.exec("INSERT INTO nics VALUES ('d') ON CONFLICT DO NOTHING");
    expect(isKnown('d')).toBe(true);
    db.close();
  });

  it('never forgets: what was deleted or rolled back is asked for in vain, which is allowed', () => {
    const { db, isKnown } = world('superset');
    db.exec("BEGIN; INSERT INTO nics VALUES ('b'); ROLLBACK; DELETE FROM nics");
    expect([isKnown('a'), isKnown('b')]).toEqual([true, true]);
    db.close();
  });

  it('hears within a second of what another connection wrote', () => {
    const { file, db, time, isKnown } = world('elsewhere');
    const other = new Sqlite(file);
    other.exec("INSERT INTO nics VALUES ('b')");
    expect(isKnown('b')).toBe(false);
    time.now = 1000 as Millis;
    expect(isKnown('b')).toBe(true);
    other.close();
    db.close();
  });

  it('hears what another connection wrote while it was opened', () => {
    const { file, db, time } = world('meanwhile');
    const other = new Sqlite(file);
    const writtenToAfterReading = {
      function: db.function.bind(db),
      exec: db.exec.bind(db),
      prepare(sql: string) {
        const statement = db.prepare(sql).pluck();
        if (!sql.startsWith('SELECT')) return { pluck: () => statement };
        const iterate = function* () {
          yield* statement.iterate();
          other.exec("INSERT INTO nics VALUES ('b') ON CONFLICT DO NOTHING");
        };
        return { pluck: () => ({ iterate }) };
      },
    } as unknown as typeof db;
    const of = { table: 'nics', column: 'mac', clock: () => time.now };
    const isKnown = knownKeys<string>(writtenToAfterReading, of);
    time.now = 1000 as Millis;
    expect(isKnown('b')).toBe(true);
    other.close();
    db.close();
  });

  it('may be opened twice over one connection: the later one hears what comes', () => {
    const { db } = world('twice');
    const clock = () => 0 as Millis;
    const isKnown = knownKeys<string>(db, { table: 'nics', column: 'mac', clock });
    db.exec("INSERT INTO nics VALUES ('b')");
    expect(isKnown('b')).toBe(true);
    db.close();
  });
});
