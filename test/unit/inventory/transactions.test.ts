/** A step of a transaction that fails takes back what it did, of what waits and what is in memory too, and nothing else. */
import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LeaseChange } from '../../../src/dhcp/ports.ts';
import { openInventory } from '../../../src/inventory/inventory.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { fillDatabase } from '../../support/full-database.ts';
import { ipv4, mac } from '../../support/world.ts';

const FIRST = ipv4('10.77.0.100');
const GUEST = (by: number) => mac(`02:00:00:00:00:0${by}`);

function world() {
  const db = new Sqlite(':memory:');
  const gathered: (() => void)[] = [];
  const failures: string[] = [];
  const inventory = openInventory({
    ...{ db, clock: () => 1_700_000_000_000 as Millis },
    gather: {
      later: (task) => void gathered.push(task),
      onError: (error) => void failures.push(error instanceof Error ? error.message : '?'),
    },
  });
  const { leases, events, serverdb, transaction } = inventory;
  /** What an exchange with a guest writes. */
  const give = (by: number, at = by, state: LeaseChange['state'] = 'bound'): void => {
    leases.apply({
      ...{ segment: 's', address: (FIRST + at) as Ipv4, mac: GUEST(by), state },
      ...{ clientId: undefined, hostname: '', boot: undefined },
      expiresAt: 1_700_000_060_000 as Millis,
    });
    const data = { client: 'os' as const, address: `${at}`, bootFile: '', why: '' };
    events.note({ name: 'dhcp.offered', mac: GUEST(by), data });
  };
  const fails = (run: () => void): void =>
    expect(() =>
      serverdb.savepoint(() => {
        run();
        throw new Error('no');
      }),
    ).toThrow('no');
  const all = (sql: string) => db.prepare<[], unknown>(sql).pluck().all();
  return {
    ...{ db, inventory, give, fails, transaction, leases, failures },
    step: serverdb.savepoint,
    soon: inventory.soon,
    go: () => {
      for (const task of gathered.splice(0)) task();
    },
    rows: () => all("SELECT (address & 255) || ' ' || mac || ' ' || state FROM leases ORDER BY 1"),
    told: () =>
      all("SELECT data ->> 'address' FROM events WHERE name = 'dhcp.offered' ORDER BY id"),
    held: () =>
      [0, 1, 2, 3, 4, 5].flatMap((at) => {
        const lease = leases.byAddress('s', (FIRST + at) as Ipv4);
        return lease ? [`${100 + at} ${lease.mac} ${lease.state}`] : [];
      }),
    current: () =>
      [0, 1, 2, 3, 4, 5].map((by) => {
        const lease = leases.byMac('s', GUEST(by));
        return lease && lease.address - FIRST;
      }),
  };
}

const bound = (...bys: number[]) => bys.map((by) => `${100 + by} ${GUEST(by)} bound`);

it('keeps what was acknowledged before a step that fails, and nothing of that step', () => {
  const { transaction, give, fails, rows, held, told } = world();
  transaction(() => {
    give(1);
    fails(() => give(2));
    give(3);
    // It writes the rows that wait at once, its own and those of before.
    fails(() => {
      give(4);
      give(1, 1, 'released');
    });
  });
  expect([rows(), held(), told()]).toEqual([bound(1, 3), bound(1, 3), ['1', '3']]);
});

it('keeps what a step has done that ends well, within one that fails and beside one', () => {
  const { transaction, step, give, fails, rows, held, told } = world();
  transaction(() => {
    step(() => {
      give(1);
      fails(() => give(2));
    });
    fails(() => step(() => give(3)));
    step(() => give(4));
  });
  expect([rows(), held(), told()]).toEqual([bound(1, 4), bound(1, 4), ['1', '4']]);
});

it('takes all back with the transaction, whatever ended well in it', () => {
  const { transaction, step, give, rows, held, told } = world();
  const failing = () =>
    transaction(() => {
      give(1);
      step(() => give(2));
      throw new Error('no');
    });
  expect(failing).toThrow('no');
  expect([rows(), held(), told()]).toEqual([[], [], []]);
});

it('gathers changes of which one fails, and takes back that one alone', () => {
  const { soon, go, give, rows, held, told, failures } = world();
  soon(() => give(1));
  soon(() => {
    give(2);
    throw new Error('no');
  });
  soon(() => give(3));
  go();
  expect([rows(), held(), told()]).toEqual([bound(1, 3), bound(1, 3), ['1', '3']]);
  expect(failures).toEqual(['no']);
});

it('remembers nothing of a record, a boot or a quirk that a step has changed and taken back', () => {
  const { inventory, transaction, fails } = world();
  const { boots, events, serverdb } = inventory;
  const { quirks } = serverdb;
  const quirk = { scope: 'machine', trait: 'binary', value: 'x', outcome: 'fails' } as const;
  const sighting = { mac: GUEST(1), client: 'ipxe', arch: '', hardwarename: undefined } as const;
  let within = 0;
  transaction(() => {
    const before = boots.sight(sighting)?.boot.id;
    fails(() => {
      boots.sight({ ...sighting, mac: GUEST(2) });
      quirks.put({ ...quirk, subject: GUEST(1), why: '' }, 'negz');
      expect([boots.unfinished().size, quirks.tells('binary')]).toEqual([2, true]);
      within = events.changes();
    });
    expect([...boots.unfinished().keys()]).toEqual([before]);
    expect(quirks.tells('binary')).toBe(false);
    // Answers of the database that were remembered since are asked for anew (recall.ts).
    expect(events.changes()).not.toBe(within);
  });
});

it('refuses leases and events of guests that no transaction of its own would write', () => {
  const { give, db, step, inventory, transaction, leases } = world();
  const within = 'within a transaction';
  expect(() => give(1)).toThrow(`leases are entered ${within}`);
  expect(() => db.transaction(() => give(1))()).toThrow(`leases are entered ${within}`);
  const note = () => inventory.events.note({ name: 'dhcp.offered' } as never);
  expect(note).toThrow(`events are noted ${within}`);
  transaction(() => give(1));
  expect(note).toThrow(`events are noted ${within}`);
  expect(() => transaction(() => expect.fail('x'))).toThrow();
  expect(note).toThrow(`events are noted ${within}`);
  expect(() => step(() => undefined)).toThrow('a step is of a transaction');
  transaction(() => {
    give(2);
    expect(() => inventory.rehearse(() => give(3))).toThrow('within another one');
  });
  expect(leases.count()).toBe(2);
});

it('commits nothing when what waited cannot be written before a step, whoever goes on after it', () => {
  const { db, transaction, step, give, rows, held, told } = world();
  db.exec(`CREATE TRIGGER full BEFORE INSERT ON leases WHEN new.mac = '${GUEST(1)}'
    BEGIN SELECT RAISE(ABORT, 'no room'); END`);
  const swallowing = () =>
    transaction(() => {
      give(1);
      expect(() => step(() => give(2))).toThrow('no room');
      give(3);
    });
  expect(swallowing).toThrow('no room');
  expect([rows(), held(), told()]).toEqual([[], [], []]);
  // Nor is the next one lost with it.
  transaction(() => give(3));
  expect([rows(), held(), told()]).toEqual([bound(3), bound(3), ['3']]);
});

it('commits nothing of a gathering of which SQLite has taken back all, as it does when the disk is full', () => {
  const { db, soon, go, transaction, give, rows, held, failures } = world();
  db.exec(`CREATE TRIGGER full BEFORE INSERT ON leases WHEN new.mac = '${GUEST(2)}'
    BEGIN SELECT RAISE(ROLLBACK, 'full'); END`);
  for (const by of [1, 2, 3]) soon(() => give(by));
  go();
  expect([rows(), held()]).toEqual([[], []]);
  expect(failures).toContain('full');
  transaction(() => give(4));
  expect([rows(), held()]).toEqual([bound(4), bound(4)]);
});

describe('a disk that fills up in a step, for which SQLite takes back the whole transaction', () => {
  function filled() {
    const made = world();
    const { db, step } = made;
    db.exec('CREATE TABLE words (word TEXT)');
    const empty = fillDatabase(db);
    const insert = db.prepare('INSERT INTO words VALUES (?)');
    const say = (word: string) => void insert.run(word);
    const words = () => db.prepare('SELECT word FROM words').pluck().all();
    /** What of a few letters has room still has none of its own transaction to be in. */
    const swallow = (run: () => void = () => undefined) => {
      try {
        step(() => {
          run();
          say('x'.repeat(100_000));
        });
      } catch (error) {
        expect((error as { code?: string }).code).toBe('SQLITE_FULL');
        return;
      }
      expect.fail('it has room');
    };
    return { ...made, empty, say, words, swallow };
  }

  it.each<[string, (made: ReturnType<typeof filled>) => void]>([
    ['in plain statements', ({ say }) => say('after')],
    ['in another step', ({ say, step }) => step(() => say('after'))],
    ['in a transaction within it', ({ say, transaction }) => transaction(() => say('after'))],
    ['in what waits', ({ give }) => give(3)],
    ['in nothing', () => undefined],
    [
      'in the next step that fails so',
      ({ swallow, say }) => {
        swallow(() => say('after'));
        say('later');
      },
    ],
  ])('keeps nothing of who goes on %s', (_, goOn) => {
    const made = filled();
    const { db, transaction, give, say, words, swallow, rows, held } = made;
    const swallowing = () =>
      transaction(() => {
        say('before');
        give(1);
        swallow();
        goOn(made);
      });
    expect(swallowing).toThrow('database or disk is full');
    expect([db.inTransaction, words(), rows(), held()]).toEqual([false, [], [], []]);
    made.empty();
    transaction(() => {
      give(2);
      say('next');
    });
    expect([words(), rows()]).toEqual([['next'], bound(2)]);
  });

  it('says why through the steps that it was within, whoever goes on after those', () => {
    const { db, transaction, step, say, words, swallow } = filled();
    const nested = () =>
      transaction(() => {
        expect(() =>
          step(() => {
            swallow(() => say('within'));
            say('outside');
          }),
        ).toThrow('database or disk is full');
        say('after');
      });
    expect(nested).toThrow('database or disk is full');
    expect([db.inTransaction, words()]).toEqual([false, []]);
  });

  it('takes back every change that was gathered with it', () => {
    const { soon, go, say, words, failures } = filled();
    soon(() => say('first'));
    soon(() => say('x'.repeat(100_000)));
    soon(() => say('last'));
    go();
    expect(words()).toEqual([]);
    expect(new Set(failures)).toEqual(new Set(['database or disk is full']));
  });
});

it('takes an address back from whoever failed to get it, and leaves its holder the offer of another one', () => {
  const { transaction, step, fails, give, held, current } = world();
  transaction(() => {
    give(4);
    step(() => {
      give(4, 0, 'offered');
      fails(() => give(5, 4));
    });
    expect([current()[4], held()]).toEqual([0, [`100 ${GUEST(4)} offered`, ...bound(4)]]);
    give(4, 1);
  });
  expect([current()[4], held()]).toEqual([1, [`101 ${GUEST(4)} bound`]]);
});

it('leaves what the steps leave that end well, in the order of all, however they are nested', () => {
  interface Step {
    readonly fails: boolean;
    readonly does: readonly (
      | readonly [by: number, at: number, state: LeaseChange['state']]
      | Step
    )[];
  }
  const change = fc.tuple(
    fc.nat({ max: 5 }),
    fc.nat({ max: 5 }),
    fc.constantFrom<LeaseChange['state']>(
      'bound',
      'bound',
      'bound',
      'offered',
      'released',
      'declined',
    ),
  );
  const { step: anyStep } = fc.letrec<{ step: Step }>((tie) => ({
    step: fc.record({
      fails: fc.boolean(),
      does: fc.array(fc.oneof({ depthSize: 'small' }, change, tie('step')), { maxLength: 6 }),
    }),
  }));
  fc.assert(
    fc.property(fc.array(anyStep, { minLength: 1, maxLength: 6 }), (steps) => {
      const [tried, expected] = [world(), world()];
      const isStep = (one: Step['does'][number]): one is Step => !Array.isArray(one);
      const run = ({ fails, does }: Step): void => {
        const inside = () => {
          for (const one of does)
            if (isStep(one)) run(one);
            else tried.give(...one);
        };
        if (fails) tried.fails(inside);
        else tried.step(inside);
      };
      const runWell = ({ fails, does }: Step): void => {
        if (fails) return;
        for (const one of does)
          if (isStep(one)) runWell(one);
          else expected.give(...one);
      };
      tried.transaction(() => steps.forEach(run));
      expected.transaction(() => steps.forEach(runWell));
      expect(tried.rows()).toEqual(expected.rows());
      expect(tried.held()).toEqual(expected.held());
      expect(tried.current()).toEqual(expected.current());
      expect(tried.told()).toEqual(expected.told());
      for (const { db } of [tried, expected]) db.close();
    }),
    { numRuns: Number(process.env.RUNS ?? 60) },
  );
});
