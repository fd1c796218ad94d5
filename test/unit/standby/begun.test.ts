/** The parts of a daemon serve one after the other while it begins: what they promise is told when it is noted that it has begun. */
import { expect, it, vi } from 'vitest';
import { openTelling, type TellingParts } from '../../../src/daemon/standby-dhcp.ts';
import { openInventory } from '../../../src/inventory/inventory.ts';
import { openDatabase } from '../../../src/platform/sqlite.ts';
import type { Millis } from '../../../src/wire/time.ts';

function telling(active: boolean) {
  const db = openDatabase(':memory:');
  const inventory = openInventory({ db, clock: () => 1000 as Millis });
  const atOnce = (done: () => void) => done();
  const core = { db, inventory, pairing: {}, groupCommit: { whenDurable: atOnce } };
  const ports = { send: vi.fn(), sendCopy: vi.fn(), onWhole: vi.fn(), onError: vi.fn() };
  return openTelling(
    core as unknown as Parameters<typeof openTelling>[0],
    {
      ...{
        settings: { member: 'a', mcltSeconds: 20 },
        ports,
        unsure: [],
        active,
        longestMs: 90_000,
      },
      told: { running: () => [], whenKept: atOnce },
      standing: () => ({ mode: 'read-only', follows: false, inTouch: false, quiet: false }),
      aheadMs: () => 0,
    } as unknown as TellingParts,
  );
}

it('and from then on at once', () => {
  const { whenDurable, leaseDurable, begun } = telling(true);
  const [change, lease, later] = [vi.fn(), vi.fn(), vi.fn()];
  whenDurable(change);
  leaseDurable(lease);
  expect([change, lease].flatMap(({ mock }) => mock.calls)).toEqual([]);
  begun();
  leaseDurable(later);
  expect([change, lease, later].map(({ mock }) => mock.calls)).toEqual([[[]], [[]], [[]]]);
});

it('or never, when it could not begin: the other one takes its place without them', () => {
  const { whenDurable, leaseDurable, begun } = telling(true);
  const [change, lease] = [vi.fn(), vi.fn()];
  whenDurable(change);
  leaseDurable(lease);
  begun(new Error('a port is in use'));
  for (const { mock } of [change, lease]) expect(mock.calls).toEqual([[expect.any(Error)]]);
});

it('but at once by one that is apart, from which nobody takes over', () => {
  const lease = vi.fn();
  telling(false).leaseDurable(lease);
  expect(lease.mock.calls).toEqual([[]]);
});
