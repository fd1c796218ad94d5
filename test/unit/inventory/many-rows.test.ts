/** What a transaction writes by few statements is what it would have written row by row. */
import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LeaseChange } from '../../../src/dhcp/ports.ts';
import type { NewEvent } from '../../../src/events.ts';
import { openManyRows } from '../../../src/inventory/many-rows.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { createWorld, ipv4, mac } from '../../support/world.ts';

const GUEST = mac('02:00:00:00:00:01');
const offered = (address: string): NewEvent => ({
  ...{ name: 'dhcp.offered', mac: GUEST },
  data: { client: 'os', address, bootFile: '', why: '' },
});

describe('many rows by few statements', () => {
  it.each([0, 1, 2, 3, 7, 8, 9, 31, 32, 33, 63, 64, 107])(
    'writes %i rows in their order',
    (count) => {
      const db = new Sqlite(':memory:');
      db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER, a TEXT, b INTEGER)');
      const write = openManyRows(db, 'INSERT INTO t (at, a, b)', '(@at, ?, ?)');
      const rows = Array.from({ length: count }, (_, index) => [`row ${index}`, index]);
      expect(write(rows.flat(), { at: 5 })).toBe(count);
      const kept = db.prepare('SELECT id, at, a, b FROM t ORDER BY id').raw().all();
      expect(kept).toEqual(rows.map((row, index) => [index + 1, 5, ...row]));
    },
  );

  it('refuses what is no whole row', () => {
    const db = new Sqlite(':memory:');
    db.exec('CREATE TABLE t (a, b)');
    const write = openManyRows(db, 'INSERT INTO t (a, b)', '(?, ?)');
    expect(() => write([1, 2, 3], {})).toThrow('1 values are no row of 2');
  });
});

describe('events of guests that are noted', () => {
  const world = () => {
    const { inventory } = createWorld();
    const { events, transaction } = inventory;
    const seen = (after: number) =>
      events.after(after, 1000).map(({ name, data }) => ('address' in data ? data.address : name));
    return { events, transaction, seen, start: events.lastId() };
  };

  it('are there with their transaction, in the order of all events, with one time', () => {
    const { events, transaction, seen, start } = world();
    const addresses = Array.from({ length: 50 }, (_, index) => `10.77.0.${index}`);
    transaction(() => {
      for (const address of addresses.slice(0, 40)) events.note(offered(address));
      events.append({ name: 'dhcp.released', mac: GUEST, data: { address: 'released' } });
      for (const address of addresses.slice(40)) events.note(offered(address));
    });
    expect(seen(start)).toEqual([...addresses.slice(0, 40), 'released', ...addresses.slice(40)]);
    const [first, ...others] = events.after(start, 1000);
    expect(others.every(({ at, mac }) => at === first?.at && mac === GUEST)).toBe(true);
    const last = events.lastId();
    // Behind the one that is read, all the rest is passed over.
    expect([start, start + 41, last].map(events.pastGuests)).toEqual([start, last, last]);
  });

  it('wake who follows, and are gone with a transaction that fails', () => {
    const { events, transaction, seen, start } = world();
    let woken = 0;
    events.follow(() => (woken += 1));
    const failing = () =>
      transaction(() => {
        events.note(offered('10.77.0.1'));
        throw new Error('taken back');
      });
    expect(failing).toThrow('taken back');
    expect([woken, seen(start)]).toEqual([0, []]);
    transaction(() => events.note(offered('10.77.0.2')));
    expect([woken, seen(start)]).toEqual([1, ['10.77.0.2']]);
  });
});

describe('leases given in one transaction', () => {
  const POOL = `dhcp: { segments: [{ pool: { first: 10.77.0.100, last: 10.77.0.200 } }] }`;
  const store = () => {
    const world = createWorld(undefined, POOL);
    const { leases, transaction } = world.inventory;
    const segment = world.segments[0]?.name ?? '';
    const apply = ({ at, by, state }: Step) =>
      leases.apply({
        ...{ segment, address: (ipv4('10.77.0.100') + at) as LeaseChange['address'], state },
        ...{ mac: mac(`02:00:00:00:00:0${by}`), clientId: Uint8Array.of(by), hostname: `h${by}` },
        ...{ boot: undefined, expiresAt: (world.clock() + 60_000) as Millis },
      });
    const rows = () => world.db.prepare('SELECT * FROM leases ORDER BY address').raw().all();
    return { apply, rows, transaction, leases };
  };
  interface Step {
    readonly at: number;
    readonly by: number;
    readonly state: LeaseChange['state'];
  }
  const step = fc.record<Step>({
    at: fc.nat({ max: 5 }),
    by: fc.nat({ max: 5 }),
    state: fc.constantFrom('bound', 'bound', 'bound', 'offered', 'released', 'declined'),
  });

  it('leave the table, and say who lost an address, as one by one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(step, { maxLength: 12 }), { minLength: 3, maxLength: 8 }),
        (batches) => {
          const [together, apart] = [store(), store()];
          const said = batches.map((batch) =>
            together.transaction(() => batch.map(together.apply)),
          );
          const expected = batches.map((batch) =>
            batch.map((one) => apart.transaction(() => apart.apply(one))),
          );
          expect(said).toEqual(expected);
          expect(together.rows()).toEqual(apart.rows());
        },
      ),
      { numRuns: 40 },
    );
  });

  it('are many, and gone with a transaction that fails', () => {
    const { apply, rows, transaction, leases } = store();
    const all = Array.from({ length: 10 }, (_, by): Step => ({ at: by, by, state: 'bound' }));
    const failing = () =>
      transaction(() => {
        all.forEach(apply);
        throw new Error('taken back');
      });
    expect(failing).toThrow('taken back');
    expect([rows(), leases.count()]).toEqual([[], 0]);
    transaction(() => all.forEach(apply));
    expect([rows().length, leases.count()]).toEqual([10, 10]);
  });
});
