/** Central and a PostgreSQL that is silent, slow, or held up by somebody else: the real one, behind a network that goes dead. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { temporaryDir } from '../../bench/support/daemon.ts';
import { startPostgres } from '../../bench/support/postgres.ts';
import { requirePrograms } from '../../bench/support/programs.ts';
import { withScope } from '../../bench/support/scope.ts';
import type { PostgresTimes } from '../../src/central/postgres.ts';
import { type FleetDatabase, openFleetDatabase } from '../../src/central/sql.ts';
import { limit } from '../../src/limits.ts';
import { createFleet, differences } from '../support/fleet.ts';
import { type PostgresRelay, postgresRelay } from '../support/postgres-relay.ts';

async function withRelay(run: (relay: PostgresRelay) => Promise<void>): Promise<void> {
  const programs = requirePrograms('initdb', 'postgres');
  await withScope(async (scope) => {
    const dir = temporaryDir(scope);
    await startPostgres(scope, programs, dir);
    const relay = await postgresRelay(dir);
    try {
      await run(relay);
    } finally {
      await relay.close();
    }
  });
}

const TIMES: PostgresTimes = {
  ...{ connectMs: 5000, statementMs: 6000, lockMs: 4000, idleMs: 1000, graceMs: 1000 },
  closeMs: 5000,
};

async function withTable(run: (db: FleetDatabase, relay: PostgresRelay) => Promise<void>) {
  await withRelay(async (relay) => {
    const db = openFleetDatabase(relay.url, { times: TIMES });
    try {
      await db.run('CREATE TABLE held (name TEXT PRIMARY KEY, n INTEGER NOT NULL)');
      await db.run("INSERT INTO held VALUES ('a', 0), ('b', 0)");
      await run(db, relay);
    } finally {
      await db.close();
    }
  });
}

const add = 'UPDATE held SET n = n + 1 WHERE name = ?';
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error) => error.code,
  );
/** In seconds. */
const took = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
};
/** Longer than a site waits between two tries. */
const within = async (seconds: number, isSo: () => Promise<boolean>): Promise<void> => {
  const end = performance.now() + seconds * 1000;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`it is not so after ${seconds} s`);
    await sleep(250);
  }
};

describe('central over a PostgreSQL that falls silent', () => {
  it('says so, ends what waits, and is equal to its site again when the database is back', async () => {
    await withRelay(async (relay) => {
      const fleet = await createFleet(relay.url);
      try {
        const lon = await fleet.site('lon');
        const enter = (serial: string) =>
          lon.people.admin('POST', '/machines', { body: { serial } });
        const isEqual = async () => (await differences(fleet, lon)).length === 0;
        const ready = async () => {
          const answer = await fetch(`http://127.0.0.1:${fleet.central.peoplePort}/readyz`);
          return [answer.status, await answer.json()];
        };
        await enter('SN-1');
        lon.connect();
        await within(30, isEqual);
        relay.stop();
        for (let n = 0; n < 20; n++) await enter(`DARK-${n}`);
        expect(await ready()).toEqual([
          503,
          {
            ...{ ready: false, checks: { database: false } },
            why: { database: 'It has not answered within 2000 ms.' },
          },
        ]);
        const asked = await fleet.call('GET', '/machines');
        expect([asked.status, asked.body.code]).toEqual([503, 'DATABASE_SILENT']);
        relay.goOn();
        await within(90, async () => (await ready())[0] === 200 && (await isEqual()));
        const { body } = await fleet.call('GET', '/machines?site=lon&limit=100');
        expect(body.machines).toHaveLength(21);
      } finally {
        await fleet.close();
      }
    });
  }, 240_000);
});

describe('central that is stopped while its PostgreSQL is silent', () => {
  it('ends within half a minute, and loses nothing that it has said to have kept', async () => {
    await withRelay(async (relay) => {
      const fleet = await createFleet(relay.url);
      try {
        const call = (name: string) => fleet.call('PUT', `/squads/${name}`, {});
        expect((await call('kept')).status).toBe(200);
        relay.stop();
        const asked = call('dark').then(
          ({ status }) => status,
          () => 'closed',
        );
        // It is on its way to the database by then.
        await sleep(500);
        const seconds = await took(() => fleet.central.close());
        expect(seconds).toBeLessThan(2 * (limit('fleetCloseMs') / 1000) + 2);
        expect(await asked).not.toBe(200);
        relay.goOn();
        const again = await fleet.another();
        const url = `http://127.0.0.1:${again.peoplePort}/api/v1/squads/kept`;
        const headers = { authorization: `Bearer ${fleet.token}` };
        await within(60, async () => (await fetch(url, { headers })).status === 200);
        await again.close();
      } finally {
        relay.goOn();
        await fleet.close();
      }
    });
  }, 240_000);
});

describe('a transaction', () => {
  it('that an instance leaves lying is ended by the database, and holds the others up no longer', async () => {
    await withTable(async (db, relay) => {
      const dead = openFleetDatabase(relay.url, { times: TIMES });
      let isHeld = () => {};
      const held = new Promise<void>((resolve) => {
        isHeld = resolve;
      });
      const lying = dead.transaction(async (sql) => {
        await sql.run(add, ['a']);
        isHeld();
        await sleep(5000);
        await sql.run(add, ['a']);
      });
      const ended = codeOf(lying);
      await held;
      expect(await took(() => db.run(add, ['a']))).toBeLessThan(4);
      expect(await ended).toBe('DATABASE_SILENT');
      await dead.close();
      // What it had done is undone.
      expect(await db.all("SELECT n FROM held WHERE name = 'a'")).toEqual([{ n: 1 }]);
    });
  }, 120_000);

  it('that waits for a lock, or takes too long, is ended in its time, and the next one works', async () => {
    await withTable(async (db, relay) => {
      const other = openFleetDatabase(relay.url, { times: { ...TIMES, idleMs: 10_000 } });
      let letGo = () => {};
      let isHeld = () => {};
      const held = new Promise<void>((resolve) => {
        isHeld = resolve;
      });
      const holding = other.transaction(async (sql) => {
        await sql.run(add, ['a']);
        isHeld();
        await new Promise<void>((resolve) => {
          letGo = resolve;
        });
      });
      await held;
      expect(await codeOf(db.run(add, ['a']))).toBe('DATABASE_BUSY');
      letGo();
      await holding;
      await other.close();
      const slow = db.transaction((sql) => sql.all('SELECT pg_sleep(60)'));
      expect(await codeOf(slow)).toBe('DATABASE_BUSY');
      const long = db.transaction((sql) => sql.all('SELECT pg_sleep(7)'), { statementMs: 20_000 });
      expect(await codeOf(long)).toBe('none');
      expect(await db.run(add, ['a'])).toBe(1);
    });
  }, 120_000);

  it('that is in the way of another one, as that one of it, is done once the other is', async () => {
    await withTable(async (db) => {
      let runs = 0;
      let there = 0;
      let bothThere = () => {};
      const both = new Promise<void>((resolve) => {
        bothThere = resolve;
      });
      const cross = (first: string, second: string) =>
        db.transaction(async (sql) => {
          runs += 1;
          await sql.run(add, [first]);
          there += 1;
          if (there === 2) bothThere();
          await both;
          await sql.run(add, [second]);
        });
      await Promise.all([cross('a', 'b'), cross('b', 'a')]);
      expect(runs).toBe(3);
      expect(await db.all('SELECT name, n FROM held ORDER BY name')).toEqual([
        { name: 'a', n: 2 },
        { name: 'b', n: 2 },
      ]);
    });
  }, 120_000);
});
