import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LeaseChange, Segment } from '../../../src/dhcp/ports.ts';
import { createExpiryHeap } from '../../../src/inventory/expiry-heap.ts';
import { limit } from '../../../src/limits.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { createWorld, ipv4, mac, type World } from '../../support/world.ts';

const A = mac('02:00:00:00:00:0a');
const B = mac('02:00:00:00:00:0b');

const POOL = `dhcp: { segments: [{ pool: { first: 10.77.0.100, last: 10.77.0.103 } }] }`;

function store(world: World = createWorld(undefined, POOL)) {
  const { inventory } = world;
  const segment = world.segments[0] as Segment;
  const change = (
    of: typeof A,
    address: string,
    state: LeaseChange['state'],
    forMs = 60_000,
  ): LeaseChange => ({
    ...{ segment: segment.name, address: ipv4(address), mac: of, state },
    ...{ clientId: undefined, hostname: '', boot: undefined },
    expiresAt: (world.clock() + forMs) as Millis,
  });
  return {
    world,
    segment,
    apply: (...of: Parameters<typeof change>) =>
      inventory.transaction(() => inventory.leases.apply(change(...of))),
    change,
    leases: inventory.leases,
    pick: (of: typeof A, wanted?: string) =>
      inventory.leases.pick(segment, of, wanted === undefined ? undefined : ipv4(wanted)),
    rows: () =>
      world.db
        .prepare('SELECT address, mac, state FROM leases ORDER BY address')
        .all()
        .map((row) => Object.values(row as object).join(' ')),
  };
}

describe('leases in memory and in the table', () => {
  it('keeps an offer in memory alone, and an acknowledged lease in both', () => {
    const { apply, rows, leases, segment } = store();
    apply(A, '10.77.0.100', 'offered');
    expect(rows()).toEqual([]);
    expect(leases.byMac(segment.name, A)?.state).toBe('offered');
    apply(A, '10.77.0.100', 'bound');
    expect(rows()).toEqual([`${ipv4('10.77.0.100')} ${A} bound`]);
  });

  it('writes with a renewal what it would with a first lease, and forgets nothing that a renewal does not say', () => {
    const { world, segment, change } = store();
    const { leases, transaction } = world.inventory;
    const write = (more: Partial<LeaseChange>) =>
      transaction(() => leases.apply({ ...change(A, '10.77.0.100', 'bound'), ...more }));
    const row = () =>
      world.db
        .prepare(
          'SELECT client_id, hostname, boot, state, expires_at, first_at, last_at FROM leases',
        )
        .get();
    const boot = 'boot-1' as NonNullable<LeaseChange['boot']>;
    write({ clientId: Uint8Array.of(1, 2), hostname: 'one', boot });
    const firstAt = world.clock();
    world.pass(5000);
    expect(write({ hostname: 'two' })).toBeUndefined();
    expect(row()).toEqual({
      ...{ client_id: Buffer.of(1, 2), hostname: 'two', boot, state: 'bound' },
      ...{ expires_at: world.clock() + 60_000, first_at: firstAt, last_at: world.clock() },
    });
    write({ clientId: Uint8Array.of(3), state: 'released' });
    expect(row()).toMatchObject({ client_id: Buffer.of(3), state: 'released' });
    write({});
    expect(row()).toMatchObject({ client_id: Buffer.of(3), state: 'bound', first_at: firstAt });
    // A row that is gone (a database that was repaired by hand) is written again, not missed.
    world.db.prepare('DELETE FROM leases').run();
    write({ hostname: 'three' });
    expect(row()).toMatchObject({ hostname: 'three', first_at: world.clock() });
    expect(createWorld(world.db).inventory.leases.byMac(segment.name, A)?.state).toBe('bound');
  });

  it('reads back after a restart exactly what was acknowledged', () => {
    const { apply, world, segment } = store();
    apply(A, '10.77.0.100', 'bound');
    apply(B, '10.77.0.101', 'offered');
    const again = createWorld(world.db).inventory.leases;
    expect(again.byMac(segment.name, A)?.address).toBe(ipv4('10.77.0.100'));
    expect(again.byMac(segment.name, B)).toBeUndefined();
    expect(again.pick(segment, B, undefined)).toBe(ipv4('10.77.0.101'));
  });

  it('takes memory back with a transaction that fails, over several changes', () => {
    const { apply, change, leases, segment, world, rows } = store();
    apply(A, '10.77.0.100', 'bound');
    const before = rows();
    expect(() =>
      world.inventory.transaction(() => {
        leases.apply(change(A, '10.77.0.102', 'bound'));
        leases.apply(change(B, '10.77.0.100', 'bound'));
        leases.apply(change(B, '10.77.0.101', 'offered'));
        throw new Error('the disk is full');
      }),
    ).toThrow('the disk is full');
    expect(rows()).toEqual(before);
    expect(leases.byMac(segment.name, A)?.address).toBe(ipv4('10.77.0.100'));
    expect(leases.byMac(segment.name, B)).toBeUndefined();
    expect(leases.byAddress(segment.name, ipv4('10.77.0.101'))).toBeUndefined();
    expect(leases.count()).toBe(1);
  });

  it('takes an offer that was bound in a transaction that fails back to an offer, which others may have in time', () => {
    const { apply, change, leases, segment, world, pick } = store();
    const clients = [0, 1, 2, 3].map((n) => mac(`02:00:00:00:02:0${n}`));
    const [first] = clients as [typeof A];
    for (const [n, of] of clients.entries()) apply(of, `10.77.0.10${n}`, 'offered', 600_000);
    expect(() =>
      world.inventory.transaction(() => {
        leases.apply(change(first, '10.77.0.100', 'bound', 600_000));
        throw new Error('the disk is full');
      }),
    ).toThrow('the disk is full');
    expect(leases.byMac(segment.name, first)?.state).toBe('offered');
    for (const [n, of] of clients.entries())
      if (n > 0) apply(of, `10.77.0.10${n}`, 'bound', 600_000);
    expect(pick(B)).toBeUndefined();
    world.pass(limit('offerReclaimMs'));
    expect(pick(B)).toBe(ipv4('10.77.0.100'));
    apply(first, '10.77.0.100', 'bound', 600_000);
    expect(pick(B)).toBeUndefined();
  });

  it('leaves no trace of a rehearsal', () => {
    const { change, leases, world } = store();
    world.inventory.rehearse(() => leases.apply(change(A, '10.77.0.100', 'bound')));
    expect(leases.count()).toBe(0);
  });

  it('knows after it was read anew behind which port a guest is, as long as it has its address still', () => {
    const { world, change, leases, segment } = store();
    const [one, other] = ['10.77.0.100', '10.77.0.101'] as const;
    world.inventory.transaction(() => {
      leases.apply({ ...change(A, one, 'bound'), guestOf: 'port 1' });
      leases.apply({ ...change(B, other, 'bound'), guestOf: 'port 1' });
    });
    expect(leases.guestsBehind(segment.name, 'port 1')).toBe(2);
    world.db.prepare('UPDATE leases SET expires_at = expires_at + 1000').run();
    leases.reload();
    expect(leases.guestsBehind(segment.name, 'port 1')).toBe(2);
    expect(leases.byMac(segment.name, A)).toMatchObject({ guestOf: 'port 1' });
    const C = mac('02:00:00:00:00:0c');
    world.db.prepare('UPDATE leases SET mac = ? WHERE address = ?').run(C, ipv4(other));
    leases.reload();
    expect(leases.guestsBehind(segment.name, 'port 1')).toBe(1);
    expect(leases.byMac(segment.name, C)?.guestOf).toBeUndefined();
  });

  it('keeps the lease of a client that is offered another address, until it takes that one', () => {
    const { apply, leases, segment, world } = store();
    apply(A, '10.77.0.100', 'bound', 3_600_000);
    apply(A, '10.77.0.103', 'offered');
    expect(leases.byMac(segment.name, A)?.address).toBe(ipv4('10.77.0.103'));
    expect(leases.byAddress(segment.name, ipv4('10.77.0.100'))?.mac).toBe(A);
    world.pass(61_000);
    expect(leases.byMac(segment.name, A)?.address).toBe(ipv4('10.77.0.100'));
    apply(A, '10.77.0.103', 'offered');
    apply(A, '10.77.0.103', 'bound');
    expect(leases.byAddress(segment.name, ipv4('10.77.0.100'))).toBeUndefined();
  });

  it('keeps the lease of a client that was offered another address, whoever gets that one', () => {
    const { apply, leases, segment } = store();
    const current = () => leases.byMac(segment.name, A)?.address;
    apply(A, '10.77.0.100', 'bound', 3_600_000);
    apply(A, '10.77.0.103', 'offered');
    apply(B, '10.77.0.103', 'bound');
    expect(current()).toBe(ipv4('10.77.0.100'));
    apply(A, '10.77.0.102', 'offered');
    apply(A, '10.77.0.102', 'declined');
    expect(current()).toBe(ipv4('10.77.0.100'));
    // Nor is one that it has put into quarantine its own once the offer is over.
    apply(A, '10.77.0.101', 'offered');
    apply(A, '10.77.0.100', 'declined', 3_600_000);
    apply(B, '10.77.0.101', 'bound');
    expect(current()).toBeUndefined();
  });

  it('forgets a client that was offered its old address again once somebody else has that', () => {
    const { apply, leases, segment, world } = store();
    apply(A, '10.77.0.100', 'bound');
    apply(A, '10.77.0.103', 'offered');
    world.pass(61_000);
    apply(A, '10.77.0.100', 'offered', 30_000);
    world.pass(31_000);
    apply(B, '10.77.0.100', 'bound');
    expect(leases.byMac(segment.name, A)).toBeUndefined();
    expect(leases.byMac(segment.name, B)?.address).toBe(ipv4('10.77.0.100'));
  });

  it('keeps the quarantine of an address whose client takes the other one that it was offered', () => {
    const { apply, leases, pick, segment, world } = store();
    apply(A, '10.77.0.100', 'bound', 3_600_000);
    apply(A, '10.77.0.103', 'offered');
    world.pass(61_000);
    apply(A, '10.77.0.100', 'declined', 3_600_000);
    apply(A, '10.77.0.103', 'offered');
    apply(A, '10.77.0.103', 'bound');
    expect(leases.byAddress(segment.name, ipv4('10.77.0.100'))?.state).toBe('declined');
    expect(pick(B)).toBe(ipv4('10.77.0.101'));
  });

  it('moves a row when its MAC moves, also when an offer to another had covered it in memory', () => {
    const { apply, rows, world } = store();
    apply(A, '10.77.0.100', 'bound', 1000);
    world.pass(2000);
    apply(B, '10.77.0.100', 'offered');
    apply(A, '10.77.0.101', 'bound');
    expect(rows()).toEqual([`${ipv4('10.77.0.101')} ${A} bound`]);
  });

  it('gives out what was never used first, then what has been free for longest', () => {
    const { apply, pick, world } = store();
    for (const [index, last] of ['100', '101', '102', '103'].entries()) {
      apply(mac(`02:00:00:00:01:0${index}`), `10.77.0.${last}`, 'bound', 10_000 - index);
    }
    expect(pick(A)).toBeUndefined();
    world.pass(20_000);
    expect(pick(A)).toBe(ipv4('10.77.0.103'));
    apply(A, '10.77.0.103', 'bound');
    expect(pick(B)).toBe(ipv4('10.77.0.102'));
  });

  it('leaves a declined address alone for its quarantine, and takes nothing else from who declined it', () => {
    const { apply, pick, leases, segment, world } = store();
    apply(A, '10.77.0.100', 'bound');
    apply(A, '10.77.0.100', 'declined', 5000);
    expect(leases.byMac(segment.name, A)).toBeUndefined();
    apply(A, '10.77.0.101', 'bound');
    const again = createWorld(world.db).inventory.leases;
    expect(again.byMac(segment.name, A)?.address).toBe(ipv4('10.77.0.101'));
    expect(pick(B)).toBe(ipv4('10.77.0.102'));
    expect(pick(B, '10.77.0.100')).toBe(ipv4('10.77.0.102'));
    world.pass(6000);
    expect(pick(B, '10.77.0.100')).toBe(ipv4('10.77.0.100'));
  });

  it('counts the quarantines of a MAC as they begin, fail, lapse and are read back', () => {
    const { apply, change, leases, segment, world } = store();
    const count = (of = leases) => of.quarantined(segment.name, A);
    apply(A, '10.77.0.100', 'declined', 5000);
    apply(A, '10.77.0.100', 'declined', 5000);
    apply(A, '10.77.0.101', 'declined', 9000);
    expect(count()).toBe(2);
    const fails = () =>
      world.inventory.transaction(() => {
        leases.apply(change(A, '10.77.0.102', 'declined'));
        leases.apply(change(B, '10.77.0.101', 'bound'));
        throw new Error('no');
      });
    expect(fails).toThrow('no');
    expect(count()).toBe(2);
    expect(count(createWorld(world.db).inventory.leases)).toBe(2);
    world.pass(6000);
    expect(count()).toBe(1);
    apply(B, '10.77.0.101', 'bound');
    expect(count()).toBe(0);
  });

  it('never has an address with two owners, nor memory that differs from the table, whatever happens', () => {
    const step = fc.record({
      who: fc.integer({ min: 0, max: 5 }),
      what: fc.constantFrom('offer', 'bind', 'release', 'decline', 'wait', 'fail'),
      wanted: fc.integer({ min: 100, max: 103 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const { world, segment, leases, apply, change } = store();
        for (const { who, what, wanted } of steps) {
          const client = mac(`02:00:00:00:00:0${who}`);
          const held = leases.byMac(segment.name, client);
          const address = leases.pick(segment, client, ipv4(`10.77.0.${wanted}`));
          const shown = (of: Ipv4) => `10.77.0.${of & 255}`;
          if (what === 'wait') world.pass(45_000);
          else if (what === 'offer' && address) apply(client, shown(address), 'offered', 30_000);
          else if (what === 'bind' && address) apply(client, shown(address), 'bound', 60_000);
          else if (what === 'release' && held?.state === 'bound')
            apply(client, shown(held.address), 'released', 0);
          else if (what === 'decline' && held)
            apply(client, shown(held.address), 'declined', 90_000);
          else if (what === 'fail' && address) {
            expect(() =>
              world.inventory.transaction(() => {
                leases.apply(change(client, shown(address), 'bound'));
                throw new Error('no');
              }),
            ).toThrow('no');
          }
        }
        const stored = world.db.prepare('SELECT * FROM leases').all() as {
          address: number;
          mac: string;
          state: string;
          expires_at: number;
        }[];
        for (const row of stored) {
          const held = leases.byAddress(segment.name, row.address as Ipv4);
          // An offer to somebody may cover the row of a lease that has run out, never one that runs.
          if (held?.state === 'offered') expect(row.expires_at).toBeLessThanOrEqual(world.clock());
          else if (held) expect([held.mac, held.state]).toEqual([row.mac, row.state]);
          else expect(row.expires_at).toBeLessThanOrEqual(world.clock());
        }
        for (const last of [100, 101, 102, 103]) {
          const held = leases.byAddress(segment.name, ipv4(`10.77.0.${last}`));
          if (!held || held.state === 'declined' || held.expiresAt <= world.clock()) continue;
          // What runs is found by its MAC, or an offer of another address to it that runs.
          const current = leases.byMac(segment.name, held.mac);
          if (current?.address === held.address) continue;
          expect([held.state, current?.state]).toEqual(['bound', 'offered']);
        }
      }),
      { numRuns: 300 },
    );
    // Seconds on a machine of its own; a busy one takes its time.
  }, 120_000);
});

describe('the order of what is free', () => {
  it('agrees with a sorted list, through renewals and rebuilds', () => {
    const entry = fc.record({
      address: fc.integer({ min: 0, max: 50 }),
      expiresAt: fc.integer({ min: 0, max: 1000 }),
    });
    fc.assert(
      fc.property(
        fc.array(entry, { minLength: 1, maxLength: 2500, size: 'max' }),
        fc.integer({ min: 0, max: 1000 }),
        (entries, now) => {
          const living = new Map<number, { address: number; expiresAt: number }>();
          const heap = createExpiryHeap(
            (address) => living.get(address)?.expiresAt,
            () => living.values(),
          );
          for (const one of entries) {
            living.set(one.address, one);
            heap.add(one);
          }
          const odd = [...living.values()]
            .filter(({ address, expiresAt }) => address % 2 === 1 && expiresAt <= now)
            .sort((a, b) => a.expiresAt - b.expiresAt || a.address - b.address)[0];
          const only = (remainder: number) => ({
            belongs: (address: number) => address % 3 !== 0 || address % 2 === remainder,
            usable: (address: number) => address % 2 === remainder,
          });
          expect(heap.first(now, only(1))?.address).toBe(odd?.address);
          // What was refused is still there for somebody else, unless it did not belong there.
          const even = [...living.values()]
            .filter(({ address: a, expiresAt }) => a % 2 === 0 && a % 3 !== 0 && expiresAt <= now)
            .sort((a, b) => a.expiresAt - b.expiresAt || a.address - b.address)[0];
          const usable = (address: number) => address % 2 === 0 && address % 3 !== 0;
          expect(heap.first(now, { belongs: usable, usable })?.address).toBe(even?.address);
        },
      ),
      { numRuns: 60 },
    );
  });
});
