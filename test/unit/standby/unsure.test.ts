/** Promises by the real log of changes, whose rows of first leases are written at the end of their transaction. */
import { expect, it } from 'vitest';
import { openChangeLog } from '../../../src/standby/change-log.ts';
import { createPromises } from '../../../src/standby/promises.ts';
import { createTold } from '../../../src/standby/told.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { createWorld, ipv4, mac } from '../../support/world.ts';

it('a first lease of the other half is unsure until the other one has its own row', () => {
  const world = createWorld(
    undefined,
    'dhcp: { segments: [{ pool: { first: 10.77.0.100, last: 10.77.0.200 } }] }',
  );
  const { leases, transaction } = world.inventory;
  const log = openChangeLog(world.db);
  const segment = world.segments[0]?.name ?? '';
  const promises = createPromises(
    {
      ...{ member: 'a', mcltSeconds: 60, leases, head: log.head, waits: () => true },
      standing: () => ({ mode: 'whole', heard: true, alone: false, quiet: false }),
      aheadMs: () => 0,
      moves: {
        formerly: () => [],
        left: (of, address, { mac: was, leftMs }) => ({
          ...{ kind: 'left', segment: of, address, was, leftMs },
        }),
      },
      told: createTold({
        ...{ before: [], mono: () => 0, keep: () => undefined },
        soon: (task) => task(),
      }),
    },
    [],
  );
  const before = log.head();
  const now = world.clock();
  transaction(() =>
    promises.entering(
      {
        ...{ segment, address: ipv4('10.77.0.101'), mac: mac('02:00:00:00:00:01') },
        ...{ state: 'bound', hostname: '', clientId: undefined, boot: undefined },
        expiresAt: (now + 60_000) as Millis,
      },
      now,
      leases.apply,
    ),
  );
  expect(log.head()).toBeGreaterThan(before);
  promises.acked(before);
  expect(promises.unsure()).toEqual([`${segment} ${ipv4('10.77.0.101')}`]);
  promises.acked(log.head());
  expect(promises.unsure()).toEqual([]);
});
