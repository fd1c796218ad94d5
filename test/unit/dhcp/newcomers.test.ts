/** Whoever makes up MACs has what a hall may have at once, and then a trickle; nobody on record and no other segment pays for it. */
import { describe, expect, it } from 'vitest';
import { createNewcomers } from '../../../src/boot/newcomers.ts';
import type { NewcomerQuery } from '../../../src/dhcp/ports.ts';
import { limit } from '../../../src/limits.ts';
import { type Mac, macFromBytes } from '../../../src/wire/mac.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { shown } from '../../support/outcomes.ts';
import { createWorld, dhcpPacket, ipv4 } from '../../support/world.ts';

const madeUp = (n: number) => macFromBytes(Uint8Array.of(2, 6, 6, n >> 16, n >> 8, n & 255));

/** @param addresses in the pools of each segment */
function gate(addresses = 1000) {
  const half = Math.floor(addresses / 2);
  const pools = [
    { first: 1, last: half },
    { first: 1_000_000_000, last: 1_000_000_000 + addresses - half - 1 },
  ];
  const time = { now: 1_700_000_000_000 };
  const running = new Set<Mac>();
  const known = new Set<Mac>();
  const newcomers = createNewcomers({
    clock: () => time.now as Millis,
    boots: { begins: (mac) => !running.has(mac) },
    isOnRecord: (mac) => known.has(mac),
  });
  const ask = (n: number, stage: 'firmware' | 'os', more: { at?: string; has?: boolean } = {}) =>
    newcomers.admits({
      client: { stage } as NewcomerQuery['client'],
      mac: madeUp(n),
      segment: { name: more.at ?? 'hall', pools } as unknown as NewcomerQuery['segment'],
      established: more.has ?? false,
    });
  /** How many of so many new ones, evenly over so many seconds, are admitted. */
  const admitted = (count: number, seconds: number, stage: 'firmware' | 'os') => {
    let through = 0;
    for (let n = 0; n < count; n++) {
      time.now += (seconds * 1000) / count;
      if (ask(n, stage)) through += 1;
    }
    return through;
  };
  return { time, running, known, newcomers, ask, admitted };
}

describe('machines without a record', () => {
  it.each([
    ['a rack', 48, 1],
    ['a hall within a second', 1000, 1],
    ['20,000 within a minute', 20_000, 60],
  ])('%s that powers on is admitted whole', (_what, count, seconds) => {
    expect(gate().admitted(count, seconds, 'firmware')).toBe(count);
    expect(gate().admitted(count, seconds, 'os')).toBe(count);
  });

  it.each([
    ['boots', 'firmware', limit('unknownBootsBurstMax'), limit('unknownBootsPerSecond')],
    ['first addresses', 'os', limit('newcomersBurstMax'), limit('newcomersPerSecond')],
  ] as const)(
    'a flood begins what a hall may, and then a trickle of %s',
    (_what, stage, deep, trickle) => {
      const { admitted, time, ask } = gate();
      expect(admitted(deep + 5000, 1, stage)).toBeLessThanOrEqual(deep + trickle + 1);
      expect(admitted(50_000, 100, stage)).toBeLessThanOrEqual(100 * trickle + 1);
      time.now += 2000;
      expect(ask(1_000_000, stage)).toBe(true);
    },
  );

  it.each([
    [250_000, 250_000],
    [5_000_000, limit('newcomersOfPoolsMax')],
  ])('%i addresses in pools may be asked for by as many at once, up to a bound', (has, deep) => {
    const { admitted } = gate(has);
    expect(admitted(deep, 1, 'os')).toBe(deep);
    expect(admitted(1000, 1, 'os')).toBeLessThanOrEqual(2 * limit('newcomersPerSecond') + 1);
    expect(admitted(deep, 1, 'firmware')).toBeLessThan(limit('unknownBootsBurstMax') + 20);
  });

  it('of a flood pay nothing: who is on record, who goes on with a boot, who has an address, who is elsewhere', () => {
    const { admitted, running, known, ask } = gate();
    admitted(limit('unknownBootsBurstMax') + 1, 0, 'firmware');
    admitted(limit('newcomersBurstMax') + 1, 0, 'os');
    expect([ask(7, 'firmware'), ask(7, 'os')]).toEqual([false, false]);
    expect(ask(7, 'os', { has: true })).toBe(true);
    expect(ask(7, 'firmware', { at: 'other' })).toBe(true);
    running.add(madeUp(7));
    expect(ask(7, 'firmware')).toBe(true);
    known.add(madeUp(8));
    expect([ask(8, 'firmware'), ask(8, 'os')]).toEqual([true, true]);
  });

  it('are not admitted the sooner because the clock was set back', () => {
    const { admitted, time, ask } = gate();
    admitted(limit('newcomersBurstMax') + 1, 0, 'os');
    time.now -= 86_400_000;
    expect(ask(1, 'os')).toBe(false);
    time.now += 1000;
    expect(ask(1, 'os')).toBe(true);
  });

  it('that nobody serves have a bucket of their own', () => {
    const { newcomers, ask } = gate();
    let through = 0;
    for (let n = 0; n < 40_000; n++) {
      if (newcomers.admitsOutside(madeUp(n), 'firmware')) through += 1;
    }
    expect(through).toBe(limit('unknownBootsBurstMax'));
    expect(ask(1, 'firmware')).toBe(true);
  });
});

describe('one too many', () => {
  const refused = (world: ReturnType<typeof createWorld>) =>
    Object.assign(world.view, { admits: () => false });

  it.each([
    ['a DISCOVER of firmware', { type: 1, client: 'uefi' as const }],
    ['a DISCOVER of an operating system', { type: 1 }],
    ['a REQUEST for an address that it remembers', { type: 3, ciaddr: ipv4('10.77.0.150') }],
    ['an INFORM of firmware', { type: 8, client: 'uefi' as const, ciaddr: ipv4('10.77.0.150') }],
  ])('%s is dropped with its reason, and leaves no boot, lease or event', (_what, of) => {
    const world = createWorld();
    refused(world);
    expect(shown(world.dhcp(dhcpPacket({ mac: madeUp(1), ...of })))).toBe('drop newcomers-limited');
    expect(world.inventory.boots.list(10)).toEqual([]);
    expect(world.inventory.leases.count()).toBe(0);
    expect(world.eventNames()).toEqual([]);
  });

  it('is one that begins something: the same MAC goes on, by any stage of its boot', () => {
    const world = createWorld();
    const { begins } = world.inventory.boots;
    expect(begins(madeUp(1), 'firmware')).toBe(true);
    expect(begins(madeUp(1), 'os')).toBe(false);
    world.dhcp(dhcpPacket({ mac: madeUp(1), type: 1, client: 'uefi' }));
    expect(begins(madeUp(1), 'firmware')).toBe(false);
    expect(begins(madeUp(1), 'ipxe')).toBe(false);
    world.dhcp(dhcpPacket({ mac: madeUp(1), type: 1, client: 'ipxe' }));
    expect(begins(madeUp(1), 'firmware')).toBe(true);
    world.pass(limit('bootIdleMs') + 1);
    expect(begins(madeUp(1), 'ipxe')).toBe(true);
  });
});
