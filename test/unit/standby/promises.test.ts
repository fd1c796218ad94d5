/** Renewals in the time after a take-over, when the other one has come back: what it knows of is not refused for being unknown to it. */
import { expect, it } from 'vitest';
import type { Lease, LeaseChange, LeaseView } from '../../../src/dhcp/ports.ts';
import type { Standing } from '../../../src/standby/gate.ts';
import { createPromises } from '../../../src/standby/promises.ts';
import { createTold } from '../../../src/standby/told.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { createWorld, ipv4 } from '../../support/world.ts';

const MAC = '02:00:00:00:00:01' as Mac;
/** Of the half of `b`. */
const ODD = 101 as Ipv4;
const LEASE_MS = 30_000;
const NOTE = { kind: 'left', segment: 's', was: MAC, leftMs: 0 } as const;

const half = (since: number, lostAt: number): Standing => ({
  ...{ mode: 'half', member: 'a', other: 'silent', quiet: false },
  ...{ since: since as Millis, lostAt: lostAt as Millis, ranAt: since as Millis },
  knownAt: lostAt as Millis,
});

/** An `a` that took over at 10,000: the two were in touch until 7000, when both knew that `MAC` has the address. */
function afterTakeOver(by: { leases?: LeaseView; left?(address: Ipv4): void } = {}) {
  const leases = new Map<Ipv4, Lease>();
  let standing = half(7000, 10_000);
  let waits = false;
  const promises = createPromises(
    {
      ...{ member: 'a', mcltSeconds: 30, aheadMs: () => 0, head: () => 1 },
      moves: {
        formerly: () => [],
        left(_segment, address) {
          by.left?.(address);
          return { ...NOTE, address };
        },
      },
      told: createTold({
        before: [],
        mono: () => 0,
        keep: () => undefined,
        soon: (task) => task(),
      }),
      standing: () => standing,
      waits: () => waits,
      leases: by.leases ?? {
        byAddress: (_segment, address) => leases.get(address),
        byMac: (_segment, mac) => [...leases.values()].find((row) => row.mac === mac),
      },
    },
    [],
  );
  const put = (at: number) => (change: LeaseChange) =>
    void leases.set(change.address, { ...change, lastAt: at } as unknown as Lease);
  const bound = (at: number): LeaseChange => ({
    ...{ segment: 's', address: ODD, mac: MAC, state: 'bound', hostname: '' },
    ...{ expiresAt: (at + LEASE_MS) as Millis, clientId: new Uint8Array(), boot: undefined },
  });
  put(5000)(bound(5000));
  return {
    promises,
    renew: (at: number) => promises.entering(bound(at), at as Millis, put(at)),
    mayRenew: (at: number) =>
      promises.mayGive(
        { segment: 's', address: ODD, mac: MAC, reserved: false, dynamic: true },
        at as Millis,
      ),
    waitFor: (other: boolean) => {
      waits = other;
    },
    stand: (next: Standing) => {
      standing = next;
    },
  };
}

it('go on when the other one has everything again', () => {
  const { promises, renew, mayRenew, waitFor } = afterTakeOver();
  expect(mayRenew(11_000)).toBe(true);
  renew(11_000);
  expect(mayRenew(15_000)).toBe(true);
  waitFor(true);
  promises.together();
  expect(mayRenew(16_000)).toBe(true);
  renew(16_000);
  promises.acked(1);
  expect(mayRenew(20_000)).toBe(true);
});

it('are of what both knew, and not of what was given after it, when the two part again', () => {
  const { promises, renew, mayRenew, stand } = afterTakeOver();
  renew(11_000);
  promises.together();
  promises.apart();
  stand(half(12_000, 15_000));
  expect(mayRenew(16_000)).toBe(true);
  stand(half(12_000, 10_500));
  expect(mayRenew(16_000)).toBe(false);
});

it.each([
  ['takes', 'bound', ['10.77.0.100']],
  ['does not take', undefined, []],
] as const)(
  'a client leaves its lease when it %s the other address that it is offered',
  (_what, taken, expected) => {
    const { inventory, clock } = createWorld();
    const left: Ipv4[] = [];
    const { promises } = afterTakeOver({
      leases: inventory.leases,
      left: (address) => void left.push(address),
    });
    const enter = (address: string, state: LeaseChange['state']) =>
      inventory.transaction(() =>
        promises.entering(
          {
            ...{ segment: 'provisioning', address: ipv4(address), mac: MAC, state, hostname: '' },
            ...{ expiresAt: (clock() + LEASE_MS) as Millis, clientId: undefined, boot: undefined },
          },
          clock(),
          inventory.leases.apply,
        ),
      );
    enter('10.77.0.100', 'bound');
    enter('10.77.0.200', 'offered');
    enter(taken ? '10.77.0.200' : '10.77.0.100', 'bound');
    expect(left).toEqual(expected.map(ipv4));
  },
);
