/** A storm of boots: what the recorder holds is bounded, what it has no room for is counted, and others have their turn. */
import { expect, it } from 'vitest';
import type { DhcpExchange } from '../../../src/dhcp/server.ts';
import type { Boot } from '../../../src/inventory/boots.ts';
import { createStallWatch } from '../../../src/inventory/stall-watch.ts';
import { limit } from '../../../src/limits.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import { record } from '../../support/recording.ts';

const BOOTS = 20_000;
const macOf = (n: number) =>
  `52:54:01:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}` as Mac;

/** Of one MAC each: eight boots of a NIC are kept. */
const packetOf = (n: number) => new Uint8Array(240).fill(n & 255, 28, 29).fill(n >> 8, 29, 30);

it('of 20,000 boots at once keeps the packets of those that there is room for, and counts the others', () => {
  const world = record();
  const exchange = (n: number) =>
    ({
      ...{ boot: `b${n}`, bytes: packetOf(n), at: world.time.now, iface: 'prov0', via: undefined },
      source: { address: '0.0.0.0', port: 68 },
      ...{ reply: undefined, drop: undefined },
    }) as unknown as DhcpExchange;
  for (let from = 0; from < BOOTS; from += 4000) {
    world.recorder.served(Array.from({ length: 4000 }, (_, n) => exchange(from + n)));
    world.step();
  }
  const { packets, boots } = world.recorder.dropped();
  expect(packets).toBe(0);
  const inMemory = 2 * limit('flightBootsInMemoryMax');
  const written = world.db.prepare('SELECT count(*) FROM flight_packets').pluck().get() as number;
  expect(written).toBeGreaterThan(0);
  expect(boots).toBe(BOOTS - inMemory - (written - limit('flightWritesMax')));
  const nobodys = { ...exchange(0), boot: undefined, drop: 'pool-exhausted' as const };
  world.recorder.served(Array.from({ length: BOOTS }, () => nobodys));
  expect(world.recorder.dropped().packets).toBe(BOOTS - limit('flightRingPacketsMax'));
});

it('judges a few at a time, in turn, and lets none of them out', () => {
  const world = record();
  const { inventory } = world;
  const turn = limit('flightJudgesMax');
  const count = 2 * turn + 3;
  const stalled: Boot[] = inventory.transaction(() =>
    Array.from({ length: count }, (_, n) => {
      const mac = macOf(n);
      const sighting = { mac, client: 'firmware', arch: 'bios', hardwarename: undefined } as const;
      const boot = inventory.boots.sight(sighting)?.boot;
      if (!boot) throw new Error('no boot');
      const data = { client: 'firmware', why: 'unknown-segment', from: 'eth9' } as const;
      inventory.events.append({ name: 'dhcp.ignored', mac, boot: boot.id, data });
      inventory.boots.stalled(boot.id);
      return boot;
    }),
  );
  world.pass(30_000);
  expect(world.recorder.tick(stalled)).toBe(true);
  expect(world.diagnosed()).toHaveLength(turn);
  expect(world.recorder.tick([])).toBe(true);
  expect(world.recorder.tick([])).toBe(false);
  expect(world.diagnosed()).toHaveLength(count);
  expect(new Set(world.diagnosed())).toEqual(new Set(['wrong-vlan']));
  expect(world.recorder.dropped()).toMatchObject({ judgements: 0 });
});

it('a look that finds a hall of stalls is one commit, which waits for no disk', () => {
  const { inventory, clock, pass } = record();
  const max = limit('stallLooksMax');
  inventory.transaction(() => {
    for (let n = 0; n < max + 1; n++) {
      const mac = macOf(n);
      const sighting = { mac, client: 'firmware', arch: 'bios', hardwarename: undefined } as const;
      const boot = inventory.boots.sight(sighting)?.boot.id;
      const data = { client: 'firmware', why: 'unknown-segment', from: 'eth9' } as const;
      inventory.events.append({ name: 'dhcp.ignored', mac, boot, data });
    }
  });
  let commits = 0;
  const look = createStallWatch({
    ...{ boots: inventory.boots, events: inventory.events, clock, mono: clock },
    transactionUnsynced(run) {
      commits += 1;
      return inventory.transactionUnsynced(run);
    },
  });
  pass(30_000);
  expect([look().length, look().length, look().length]).toEqual([max, 1, 0]);
  expect(commits).toBe(2);
});

it('has room for so many boots without a name, and counts the others', () => {
  const world = record();
  const max = limit('flightUnnamedMax');
  const stalled = Array.from({ length: max + 5 }, (_, n) => ({ id: `x${n}` }) as unknown as Boot);
  world.recorder.tick(stalled);
  expect(world.recorder.dropped().judgements).toBe(5);
});
