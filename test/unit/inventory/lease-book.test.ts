/**
 * Leases in memory, whatever is entered and taken back: who is found by a MAC is found by that address, a lease and a quarantine last
 * until they end, and what is taken back was never there.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lease, Segment } from '../../../src/dhcp/ports.ts';
import { createLeaseBook } from '../../../src/inventory/lease-book.ts';
import { limit } from '../../../src/limits.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { ipv4, mac } from '../../support/world.ts';

const ADDRESSES = [100, 101, 102, 103].map((last) => ipv4(`10.77.0.${last}`));
const MACS = [1, 2, 3].map((n) => mac(`02:00:00:00:00:0${n}`));
const [FIRST, LAST] = [ADDRESSES[0] as Ipv4, ADDRESSES.at(-1) as Ipv4];
const SEGMENT = {
  pools: [{ first: FIRST, last: LAST }],
  isDynamic: (address: Ipv4) => address >= FIRST && address <= LAST,
} as unknown as Segment;

const [OFFER_MS, LEASE_MS, QUARANTINE_MS] = [30, 100, 300];

const ACTS = [
  ...['offer', 'offer', 'bind', 'bind', 'wait', 'wait'],
  ...['release', 'decline', 'probe', 'fail'],
];

const step = fc.record({
  who: fc.constantFrom(...MACS),
  address: fc.constantFrom(...ADDRESSES),
  act: fc.constantFrom(...ACTS),
  ms: fc.constantFrom(20, 70, 200, limit('offerReclaimMs')),
  port: fc.constantFrom(undefined, 'p'),
});

interface Kept {
  readonly mac: Lease['mac'];
  readonly state: 'bound' | 'declined';
  readonly until: number;
}

describe('leases in memory', () => {
  it('says by MAC what it says by address, keeps what runs, and forgets what was taken back', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
        const book = createLeaseBook();
        let now = 1_000_000;
        let kept = new Map<Ipv4, Kept>();
        let failing: { undo: (() => void)[]; seen: unknown; kept: typeof kept } | undefined;
        const at = (later = 0) => (now + later) as Millis;
        const seen = () => [
          ADDRESSES.map((address) => ({ ...book.byAddress(address) })),
          MACS.map((of) => [book.byMac(of, at()), book.byMac(of, at(OFFER_MS))]),
          MACS.map((of) => book.quarantined(of, at())),
        ];
        const enter = (
          lease: Pick<Lease, 'address' | 'mac' | 'state' | 'guestOf'>,
          forMs: number,
        ) => {
          const undo = book.enter({ ...lease, expiresAt: at(forMs), lastAt: now }, at());
          failing?.undo.push(undo);
          const { address, mac: of, state } = lease;
          const goesOn = state === 'offered' && (kept.get(address)?.until ?? 0) > now;
          if (!goesOn) kept.delete(address);
          if (state === 'bound')
            for (const [old, one] of kept)
              if (one.mac === of && one.state === 'bound') kept.delete(old);
          if (state === 'bound' || state === 'declined')
            kept.set(address, { mac: of, state, until: at(forMs) });
        };
        const check = () => {
          for (const of of MACS) {
            for (const time of [at(), at(OFFER_MS), at(LEASE_MS)]) {
              const held = book.byMac(of, time);
              if (!held) continue;
              expect(book.byAddress(held.address)).toBe(held);
              expect(held.mac).toBe(of);
              expect(held.state).not.toBe('declined');
            }
            const running = [...kept.values()].filter(
              (one) => one.mac === of && one.state === 'declined' && one.until > now,
            );
            expect(book.quarantined(of, at())).toBe(running.length);
          }
          for (const [address, { mac: of, state, until }] of kept) {
            if (until <= now) continue;
            const held = book.byAddress(address);
            expect(held).toMatchObject({ mac: of, state });
            if (state === 'declined') continue;
            // An offer of another address comes first, until it is over.
            const current = book.byMac(of, at());
            if (current?.state !== 'offered') expect(current).toBe(held);
            if (until > now + OFFER_MS) expect(book.byMac(of, at(OFFER_MS))).toBe(held);
          }
        };
        const checkPick = (of: Lease['mac'], wanted: Ipv4) => {
          const isFree = (address: Ipv4) => {
            const held = book.byAddress(address);
            return !held || held.expiresAt <= now || (held.mac === of && held.state !== 'declined');
          };
          const picked = book.pick(SEGMENT, { mac: of, wanted }, at());
          if (picked === undefined) expect(ADDRESSES.filter(isFree)).toEqual([]);
          else if (!isFree(picked)) {
            const { state, lastAt } = book.byAddress(picked) ?? {};
            expect(state).toBe('offered');
            expect(now - (lastAt ?? now)).toBeGreaterThanOrEqual(limit('offerReclaimMs'));
          }
        };
        const takeBack = () => {
          if (!failing) return;
          for (const undo of failing.undo.reverse()) undo();
          kept = failing.kept;
          expect(seen()).toEqual(failing.seen);
          failing = undefined;
        };
        for (const { who, address, act, ms, port } of steps) {
          const there = book.byAddress(address);
          const own = book.byMac(who, at());
          const isOver = !there || there.expiresAt <= now;
          const isIts = there?.mac === who && there.state !== 'declined';
          const isLeased = own?.state === 'bound' && own.expiresAt > now;
          const lease = { mac: who, guestOf: port };
          if (act === 'offer' && (isOver || isIts || there.state === 'offered'))
            enter({ ...lease, address, state: 'offered' }, OFFER_MS);
          else if (act === 'bind' && (isOver || there.mac === who))
            enter({ ...lease, address, state: 'bound' }, LEASE_MS);
          else if (act === 'release' && isLeased)
            enter({ ...lease, address: own.address, state: 'released' }, 0);
          else if (act === 'decline' && isLeased)
            enter({ ...lease, address: own.address, state: 'declined' }, QUARANTINE_MS);
          else if (act === 'probe' && !there)
            enter({ ...lease, address, state: 'declined' }, QUARANTINE_MS);
          else if (act === 'wait') {
            takeBack();
            now += ms;
          } else if (act === 'fail' && !failing) {
            failing = { undo: [], seen: seen(), kept: new Map(kept) };
          }
          check();
          checkPick(who, address);
        }
        takeBack();
        check();
      }),
      { numRuns: 1000 },
    );
    // Seconds on a machine of its own; a busy one takes its time.
  }, 120_000);
});
