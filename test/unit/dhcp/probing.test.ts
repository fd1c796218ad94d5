import { describe, expect, it } from 'vitest';
import { type ProbingOptions, startProbing } from '../../../src/daemon/probing.ts';
import { createQuietStock } from '../../../src/dhcp/quiet-stock.ts';
import { openLog } from '../../../src/platform/log.ts';
import type { Probed } from '../../../src/platform/probe.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import { createWorld } from '../../support/world.ts';

const SITE = `dhcp:
  segments:
    - { name: wire, pools: [{ first: 10.77.0.100, last: 10.77.0.110 }] }
    - { name: hall, relayed: true, address: 10.77.0.1, cidr: 10.78.0.0/24, pools: [{ first: 10.78.0.100, last: 10.78.0.110 }] }
`;

/** Probers whose answers come when the test says so, by the kind of what they ask. */
function site() {
  const world = createWorld(undefined, SITE);
  const stock = createQuietStock(world.inventory.leases);
  const asked = new Map<string, () => void>();
  const options: ProbingOptions = {
    ...{ stock, clock: world.clock, log: openLog({ level: 'error' }) },
    segments: () => world.segments,
    transaction: (run) => world.inventory.transaction(run),
    applyLease: world.inventory.leases.apply,
    append: (event) => void world.inventory.events.append(event),
    open: ({ conflictProbe = '' }) => ({
      probe: (addresses: readonly Ipv4[]) =>
        new Promise<Probed>((resolve) => {
          asked.set(conflictProbe, () => resolve({ addresses, answers: new Map() }));
        }),
      close: () => undefined,
    }),
  };
  const isStocked = (name: string) =>
    world.segments.some(
      (segment) => segment.name === name && stock.candidate(segment, world.clock()) !== undefined,
    );
  return { stop: startProbing(options), asked, isStocked };
}

describe('rounds of probes', () => {
  it.each([
    ['on our own wires', 'on-link', 'wire', 'hall'],
    ['behind relays', 'routed', 'hall', 'wire'],
  ])('%s do not wait for the others', async (_where, kind, stocked, empty) => {
    const { stop, asked, isStocked } = site();
    expect([...asked.keys()].sort()).toEqual(['on-link', 'routed']);
    asked.get(kind)?.();
    await expect.poll(() => isStocked(stocked)).toBe(true);
    expect(isStocked(empty)).toBe(false);
    stop();
  });
});
