/** What central does about a PostgreSQL that is silent, late, or in the way of itself. */
import { readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openBatches } from '../../../src/central/batches.ts';
import type { PostgresTimes } from '../../../src/central/postgres.ts';
import {
  type FleetDatabase,
  openFleetDatabase,
  reachFleetDatabase,
} from '../../../src/central/sql.ts';
import { openUpkeep } from '../../../src/central/upkeep.ts';
import { limit } from '../../../src/limits.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { type Ending, type FakePostgres, fakePostgres } from '../../support/fake-postgres.ts';

const TIMES: PostgresTimes = {
  ...{ connectMs: 1000, statementMs: 700, lockMs: 500, idleMs: 900, graceMs: 300 },
  closeMs: 200,
};

interface Bed {
  readonly server: FakePostgres;
  readonly db: FleetDatabase;
  /** Level and words of what was logged. */
  readonly said: string[];
}

async function withFake(answer: (text: string) => Ending, isGreeting = () => true): Promise<Bed> {
  const server = await fakePostgres({
    answer: (text) => (text.startsWith('SET ') ? 'ok' : answer(text)),
    isGreeting,
  });
  const said: string[] = [];
  const note = (level: string) => (_of: object, words: string) => said.push(`${level} ${words}`);
  const log = { warn: note('warn'), error: note('error') } as never;
  const db = openFleetDatabase(server.url, { log, times: TIMES });
  onTestFinished(() => db.close());
  return { server, db, said };
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error) => error.code,
  );

const statementsOf = ({ server }: Bed) => server.heard.filter((text) => !text.startsWith('SET '));

describe('a database that is silent', () => {
  it('ends what was asked, with its connection, and is told of once', async () => {
    let isSilent = true;
    const bed = await withFake(() => (isSilent ? 'silent' : 'ok'));
    const codes = [0, 1, 2].map(() => codeOf(bed.db.all('SELECT 1 AS one')));
    expect(await Promise.all(codes)).toEqual([
      'DATABASE_SILENT',
      'DATABASE_SILENT',
      'DATABASE_SILENT',
    ]);
    expect(bed.said).toEqual(['error the database does not answer']);
    isSilent = false;
    expect(await bed.db.all('SELECT 1 AS one')).toEqual([]);
    expect(bed.said).toEqual([
      'error the database does not answer',
      'warn the database answers again',
    ]);
    // The three that were silent are gone.
    expect(bed.server.open()).toBe(1);
  });

  it('ends a transaction without sending anything behind the statement that hangs', async () => {
    let isSilent = true;
    const bed = await withFake((text) => (isSilent && text === 'SELECT 2' ? 'silent' : 'ok'));
    const began = performance.now();
    const work = bed.db.transaction(async (sql) => {
      await sql.run('SELECT 1');
      await sql.run('SELECT 2');
    });
    expect(await codeOf(work)).toBe('DATABASE_SILENT');
    // One wait, not a second one for ROLLBACK.
    expect(performance.now() - began).toBeLessThan(2 * (TIMES.statementMs + TIMES.graceMs));
    expect(statementsOf(bed)).toEqual(['BEGIN', 'SELECT 1', 'SELECT 2']);
    isSilent = false;
    expect(await bed.db.transaction((sql) => sql.run('SELECT 2'))).toBe(0);
    expect(bed.server.open()).toBe(1);
  });

  it('is waited for as long as a statement of all machines may take', async () => {
    const bed = await withFake((text) => (text === 'SELECT 2' ? 'silent' : 'ok'));
    const began = performance.now();
    const work = bed.db.transaction((sql) => sql.run('SELECT 2'), { statementMs: 1500 });
    expect(await codeOf(work)).toBe('DATABASE_SILENT');
    expect(performance.now() - began).toBeGreaterThan(1500);
    expect(statementsOf(bed)[0]).toBe(
      'BEGIN; SET LOCAL statement_timeout = 1500; SET LOCAL lock_timeout = 1500',
    );
  });

  it('is heard of while it takes connections and greets nobody, also at the start', async () => {
    let isThere = false;
    const bed = await withFake(
      () => 'ok',
      () => isThere,
    );
    expect(await codeOf(bed.db.all('SELECT 1 AS one'))).toBe('DATABASE_SILENT');
    await expect(reachFleetDatabase(bed.server.url, { times: TIMES })).rejects.toThrow(
      /^The database cannot be opened\. \(postgresql:\/\/…@127\.0\.0\.1:\d+\/fleet\?sslmode=disable: Connection terminated due to connection timeout\)$/,
    );
    isThere = true;
    expect(await bed.db.all('SELECT 1 AS one')).toEqual([]);
  });

  it('makes who waits for a connection that none gives back wait no longer than for a new one', async () => {
    const bed = await withFake((text) => (text === 'SELECT 2' ? 'silent' : 'ok'));
    const held = Array.from({ length: 10 }, () =>
      codeOf(bed.db.transaction((sql) => sql.run('SELECT 2'), { statementMs: 1600 })),
    );
    expect(await codeOf(bed.db.all('SELECT 1 AS one'))).toBe('DATABASE_SILENT');
    expect(statementsOf(bed)).not.toContain('SELECT 1 AS one');
    expect(new Set(await Promise.all(held))).toEqual(new Set(['DATABASE_SILENT']));
    expect(await bed.db.all('SELECT 1 AS one')).toEqual([]);
  });
});

describe('what the database ends', () => {
  it.each(['57014', '55P03'])(
    'is late (%s), undone, and leaves the connection usable',
    async (state) => {
      const bed = await withFake((text) => (text === 'SELECT 2' ? state : 'ok'));
      const work = () => codeOf(bed.db.transaction((sql) => sql.run('SELECT 2')));
      expect([await work(), await work()]).toEqual(['DATABASE_BUSY', 'DATABASE_BUSY']);
      expect(statementsOf(bed)).toEqual([
        'BEGIN',
        'SELECT 2',
        'ROLLBACK',
        'BEGIN',
        'SELECT 2',
        'ROLLBACK',
      ]);
      expect(bed.said).toEqual(['warn the database took too long']);
      expect(bed.server.heard.filter((text) => text.startsWith('SET '))).toHaveLength(1);
    },
  );

  it.each(['57P01', '53300', '08006'])('is the connection (%s): it is silent', async (state) => {
    const bed = await withFake(() => state);
    expect(await codeOf(bed.db.all('SELECT 1 AS one'))).toBe('DATABASE_SILENT');
  });

  it('keeps its own name where it is about the statement', async () => {
    const bed = await withFake(() => '23505');
    expect(await codeOf(bed.db.run('INSERT'))).toBe('23505');
    expect(bed.said).toEqual([]);
  });
});

describe('two transactions in the way of each other', () => {
  it.each(['40001', '40P01'])(
    'are tried again (%s), also when it shows at the end',
    async (state) => {
      let left = 2;
      const bed = await withFake((text) =>
        text === (left === 2 ? 'SELECT 2' : 'COMMIT') && left-- > 0 ? state : 'ok',
      );
      let runs = 0;
      await bed.db.transaction(async (sql) => {
        runs += 1;
        await sql.run('SELECT 2');
      });
      expect(runs).toBe(3);
      expect(statementsOf(bed)).toEqual([
        ...['BEGIN', 'SELECT 2', 'ROLLBACK', 'BEGIN', 'SELECT 2', 'COMMIT', 'ROLLBACK'],
        ...['BEGIN', 'SELECT 2', 'COMMIT'],
      ]);
      expect(bed.said).toEqual([]);
    },
  );

  it('are given up after some times, and a statement alone as well', async () => {
    const bed = await withFake((text) => (text.startsWith('UPDATE') ? '40P01' : 'ok'));
    expect(await codeOf(bed.db.transaction((sql) => sql.run('UPDATE a')))).toBe('DATABASE_BUSY');
    expect(await codeOf(bed.db.run('UPDATE b'))).toBe('DATABASE_BUSY');
    const times = (text: string) => bed.server.heard.filter((one) => one === text).length;
    expect([times('UPDATE a'), times('UPDATE b')]).toEqual([
      ...[limit('fleetTriesMax'), limit('fleetTriesMax')],
    ]);
  });

  it('are not tried again for what the transaction itself refuses', async () => {
    const bed = await withFake(() => 'ok');
    let runs = 0;
    const work = bed.db.transaction(async () => {
      runs += 1;
      throw new Error('no');
    });
    await expect(work).rejects.toThrow('no');
    expect(runs).toBe(1);
  });
});

describe('a database that is closed', () => {
  /** How long it takes, in ms, and what has become of what ran. */
  async function closed(bed: Bed, work: Promise<unknown>) {
    // What rejects before it is asked is no error of nobody's.
    const ended = codeOf(work);
    const began = performance.now();
    await bed.db.close();
    return { ms: performance.now() - began, is: await ended };
  }

  it.each(['SELECT 2', 'COMMIT'])(
    'waits a moment for %s, which may take minutes',
    async (hangs) => {
      const bed = await withFake((text) => (text === hangs ? 'silent' : 'ok'));
      const work = bed.db.transaction((sql) => sql.run('SELECT 2'), { statementMs: 600_000 });
      await expect.poll(() => bed.server.heard).toContain(hangs);
      const { ms, is } = await closed(bed, work);
      expect(ms).toBeGreaterThan(TIMES.closeMs - 50);
      expect(ms).toBeLessThan(TIMES.closeMs + 1000);
      // Nobody was told that it was kept.
      expect(is).not.toBe('none');
      expect(bed.server.heard.at(-1)).toBe(hangs);
      await expect.poll(() => bed.server.open()).toBe(0);
    },
  );

  it('ends what has begun and is answered, and takes nothing more', async () => {
    const bed = await withFake(() => 'ok');
    let goOn: () => void = () => undefined;
    const work = bed.db.transaction(async (sql) => {
      await sql.run('SELECT 1');
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      await sql.run('SELECT 2');
    });
    await expect.poll(() => bed.server.heard).toContain('SELECT 1');
    setTimeout(() => goOn(), 50);
    const { ms, is } = await closed(bed, work);
    expect([is, bed.server.heard.at(-1)]).toEqual(['none', 'COMMIT']);
    expect(ms).toBeLessThan(TIMES.closeMs);
    await expect(bed.db.all('SELECT 1 AS one')).rejects.toThrow();
  });

  it('waits for no greeting', async () => {
    const bed = await withFake(
      () => 'ok',
      () => false,
    );
    const { ms, is } = await closed(bed, bed.db.all('SELECT 1 AS one'));
    expect(ms).toBeLessThan(TIMES.closeMs + 500);
    expect(is).not.toBe('none');
  });
});

it('its service waits longer for central to stop than central waits for its database', () => {
  const unit = readFileSync('packaging/reveille-central.service', 'utf8');
  const [, seconds] = /^TimeoutStopSec=(\d+)s$/m.exec(unit) ?? [];
  expect(Number(seconds) * 1000).toBeGreaterThan(2 * limit('fleetCloseMs') + 5000);
});

it('the bounds are set at each connection, but for those that the URL sets', async () => {
  const server = await fakePostgres({ answer: () => 'ok' });
  for (const url of [server.url, `${server.url}&lock_timeout=7`]) {
    const db = openFleetDatabase(url, { times: TIMES });
    await db.all('SELECT 1 AS one');
    await db.close();
  }
  expect(server.heard.filter((text) => text.startsWith('SET'))).toEqual([
    'SET statement_timeout = 700; SET lock_timeout = 500; SET idle_in_transaction_session_timeout = 900',
    'SET statement_timeout = 700; SET idle_in_transaction_session_timeout = 900',
  ]);
});

describe('batches of several sites', () => {
  async function batchesOver(answer: (text: string) => Ending) {
    const bed = await withFake(answer);
    const said: string[] = [];
    const note = (level: string) => (of: { what: string }, words: string) =>
      said.push(`${level} ${of.what}: ${words}`);
    const keep = openBatches(bed.db, {
      clock: () => 1 as Millis,
      notice: async () => undefined,
      upkeep: openUpkeep({ info: note('info'), warn: note('warn') } as never),
    });
    const both = () =>
      Promise.all(
        ['lon', 'sto'].map((site) =>
          codeOf(keep({ site, line: site, batch: { ...BATCH, kind: 'batch' } })),
        ),
      );
    return { bed, said, both };
  }
  const BATCH = { from: 0, to: 1, events: [], machines: [] };

  it('that fail together are told of once, tried alone, and told of when they work again', async () => {
    let isFailing = true;
    const { said, both } = await batchesOver((text) =>
      isFailing && text.includes('SKIP LOCKED') ? '23505' : 'ok',
    );
    expect([await both(), await both()]).toEqual([
      ['none', 'none'],
      ['none', 'none'],
    ]);
    expect(said).toEqual(['warn batches together: the database could not be kept quick']);
    isFailing = false;
    await both();
    expect(said[1]).toBe('info batches together: the database is kept quick again');
  });

  it('are not tried alone of a database that does not answer: each hears it after one wait', async () => {
    const { bed, both } = await batchesOver((text) =>
      text.includes('SKIP LOCKED') ? '57P01' : 'ok',
    );
    expect(await both()).toEqual(['DATABASE_SILENT', 'DATABASE_SILENT']);
    expect(bed.server.heard.filter((text) => text.startsWith('BEGIN'))).toEqual([
      'BEGIN; SET LOCAL statement_timeout = 10000; SET LOCAL lock_timeout = 10000',
    ]);
  });
});
