/** Searches over more machines than one may look at: right, page by page, whichever way they take. */
import { beforeAll, describe, expect, it } from 'vitest';
import { putMachines } from '../../../src/central/machines.ts';
import { migrateFleet } from '../../../src/central/schema.ts';
import { openSearch, type SearchPage, type SearchWish } from '../../../src/central/search.ts';
import { type FleetDatabase, openFleetDatabase } from '../../../src/central/sql.ts';
import { indexWords, type WordIndexes } from '../../../src/central/word-index.ts';
import { limit } from '../../../src/limits.ts';
import { commandLine } from '../../support/command-line.ts';
import { createFleet } from '../../support/fleet.ts';
import { fleetDatabase } from '../../support/fleet-database.ts';
import { freshDatabase } from '../../support/postgres.ts';

const MACHINES = 12_000;
const NONE: WordIndexes = { parts: false, turns: false };

/** One in three is a `web`, which lie at the end by name; every machine has a serial of its own. */
const nameOf = (n: number) => `${n % 3 === 0 ? 'Z' : 'A'}${String(n).padStart(5, '0')}`;
const wordsOf = (n: number) => ({
  ...{ hardwarename: nameOf(n), version: 1, state: 'available', serial: `sn-${n}x` },
  hostname: n % 3 === 0 ? `web-${n}.example` : `db-${n}.example`,
  ...(n === 777 && { product: 'a%b_c\\d é' }),
  ...([5000, 5001].includes(n) && { product: 'type q~' }),
  ...(n === 4242 && { nics: [{ mac: '52:54:00:AB:CD:EF' }] }),
});

let db: FleetDatabase;
let indexes: WordIndexes;

beforeAll(async () => {
  db = openFleetDatabase((await freshDatabase()) ?? 'sqlite::memory:');
  await migrateFleet(db);
  indexes = await indexWords(db);
  for (const [index, site] of ['lon', 'sto'].entries()) {
    const machines = Array.from({ length: MACHINES / 2 }, (_, n) => wordsOf(2 * n + index));
    await putMachines(db, [{ site, machines, snapshot: '' }], () => Promise.resolve());
  }
  if (db.engine === 'postgresql') await db.run('ANALYZE');
  return () => db.close();
}, 60_000);

async function pages(of: WordIndexes, wish: SearchWish): Promise<SearchPage[]> {
  const search = openSearch(db, of);
  const all: SearchPage[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await search({ ...wish, cursor });
    all.push(page);
    expect(page.found.length).toBeLessThanOrEqual(wish.count);
    if (page.next === undefined) return all;
    cursor = page.next;
  }
}

const namesIn = (all: readonly SearchPage[]) =>
  all.flatMap(({ found }) => found.map(({ hardwarename }) => hardwarename)).sort();

const expected = (has: (n: number) => boolean) =>
  Array.from({ length: MACHINES }, (_, n) => n)
    .filter(has)
    .map(nameOf)
    .sort();

describe.each([
  ['as the database has them', () => indexes],
  ['without them', () => NONE],
] as const)('a search with indexes %s', (_, of) => {
  it('finds what many have, each once, with a full page at once', async () => {
    const all = await pages(of(), { words: 'WEB', count: 100 });
    expect(all[0]?.found).toHaveLength(100);
    expect(namesIn(all)).toEqual(expected((n) => n % 3 === 0));
    expect(all.length).toBeLessThanOrEqual(41);
  });

  it('finds what few have, by name', async () => {
    const some = (n: number) => n % 3 === 0 && String(n).startsWith('77');
    const all = await pages(of(), { words: 'web-77', count: 10 });
    expect(namesIn(all)).toEqual(expected(some));
    const [first] = all;
    const found = first?.found.map(({ hardwarename }) => hardwarename);
    expect(found).toEqual([...(found ?? [])].sort());
    const { found: one } = await openSearch(db, of())({ words: 'sn-4711x', count: 20 });
    expect(one).toEqual([{ hardwarename: nameOf(4711), site: 'sto' }]);
    expect(await openSearch(db, of())({ words: 'no-such', count: 20 })).toEqual({ found: [] });
  });

  it('finds what is too short for an index, however few have it', async () => {
    const all = await pages(of(), { words: 'q~', count: 20 });
    expect(namesIn(all)).toEqual([nameOf(5000), nameOf(5001)].sort());
    if (of().turns) expect(all.length).toBe(Math.ceil(MACHINES / limit('fleetSearchWalkMax')));
    expect(namesIn(await pages(of(), { words: 'zz', count: 20 }))).toEqual([]);
  });

  it('finds a machine by parts of a MAC, with colons or without', async () => {
    for (const words of ['54:00:ab', '5254:00AB:', 'd:ef', 'cdef'])
      expect(namesIn(await pages(of(), { words, count: 20 }))).toEqual([nameOf(4242)]);
  });

  it('finds what has all of its words, and takes signs as they are', async () => {
    const both = await pages(of(), { words: ' lon-is-no-word ', count: 20 });
    expect(namesIn(both)).toEqual([]);
    const two = await pages(of(), { words: 'web 9x', count: 50 });
    expect(namesIn(two)).toEqual(expected((n) => n % 3 === 0 && n % 10 === 9));
    for (const words of ['%b_', 'A%B_C\\D', 'é', 'b_c\\'])
      expect(namesIn(await pages(of(), { words, count: 20 }))).toEqual([nameOf(777)]);
    for (const words of ['a_b', 'a%c\\'])
      expect(namesIn(await pages(of(), { words, count: 9 }))).toEqual([]);
  });

  it('refuses what is no cursor', async () => {
    const cursor = Buffer.from('["by","a","b"]').toString('base64url');
    await expect(openSearch(db, of())({ words: 'web', count: 1, cursor })).rejects.toThrow(
      expect.objectContaining({ code: 'REQUEST_INVALID' }),
    );
  });
});

it('words that were kept with colons are kept without them since', async () => {
  const old = await fleetDatabase();
  await old.run(
    "INSERT INTO machine_words (hardwarename, site, words) VALUES ('A', 'lon', 'a 52:54:00')",
  );
  // The step of then, and those behind it.
  await old.run(
    'DELETE FROM fleet_schema WHERE step >= (SELECT max(s.step) - 3 FROM fleet_schema s)',
  );
  await old.run('DROP TABLE removals');
  await old.run('ALTER TABLE notices DROP COLUMN times');
  await old.run('DROP INDEX fleet_jobs_open');
  await migrateFleet(old);
  expect(await old.all('SELECT words FROM machine_words')).toEqual([{ words: 'a 525400' }]);
});

describe('at the fleet’s API', () => {
  it('has a cursor, and the command line says that there may be more', async () => {
    const fleet = await createFleet();
    try {
      const none = {
        ...{ state: 'held', hardwareType: '', product: '', rack: '', unit: 0, hostname: '' },
        ...{ role: '', squad: '', memoryBytes: 0, stateAt: 0 },
      };
      const documentOf = (hardwarename: string) => JSON.stringify({ hardwarename, ...none });
      const rows = Array.from({ length: 130 }, (_, n) => `SN-${1000 + n}`);
      await fleet.forge(
        `INSERT INTO machines (site, hardwarename, state, hardware_type, role, squad, rack, document, version)
         VALUES ${rows.map((name) => `('lon', '${name}', 'held', '', '', '', '', '${documentOf(name)}', 1)`).join(', ')}`,
        `INSERT INTO machine_words (hardwarename, site, words)
         VALUES ${rows.map((name) => `('${name}', 'lon', '${name.toLowerCase()}')`).join(', ')}`,
      );
      const { body: first } = await fleet.call('GET', '/machines/search?q=sn-1&limit=100');
      expect(first.hits).toHaveLength(100);
      const rest = `/machines/search?q=sn-1&limit=100&cursor=${first.next}`;
      const { body: second } = await fleet.call('GET', rest);
      expect(second.hits).toHaveLength(30);
      expect(second.next).toBeUndefined();
      const names = [...first.hits, ...second.hits].map(({ machine }) => machine.hardwarename);
      expect(names.sort()).toEqual(rows);
      expect((await fleet.call('GET', '/machines/search?q=sn-1&cursor=x')).status).toBe(400);
      const told: string[] = [];
      const run = commandLine(
        {
          REVEILLE_URL: `http://127.0.0.1:${fleet.central.peoplePort}`,
          REVEILLE_TOKEN: fleet.token,
        },
        (text) => told.push(text),
      );
      expect(await run('machines search sn-1')).toMatch(/SN-1\d\d\d +lon +held/);
      expect(told.join('')).toContain('there may be more');
      told.length = 0;
      expect(await run('machines search sn-1001')).toContain('SN-1001');
      expect(told.join('')).not.toContain('there may be more');
    } finally {
      await fleet.close();
    }
  });
});
