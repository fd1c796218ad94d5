/** What a start finds (serials, SOA, holds and signed zones as they were served last), and what failure and holds leave. */
import { describe, expect, it } from 'vitest';
import { UNSIGNED } from '../../../src/dns/zone-image.ts';
import { openDnsStore } from '../../../src/inventory/dns-store.ts';
import { Keeper } from '../../../src/nameserver/keeper.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { ask, dnsName } from '../../support/dns.ts';
import { createDnsWorld, machineNumber, planFrom } from '../../support/dns-world.ts';

const many = (count: number) => Array.from({ length: count }, (_, n) => machineNumber(n + 1));

describe('after a restart', () => {
  const reopened = (
    world: ReturnType<typeof createDnsWorld>,
    { plan = world.plan, later = 500, signed = true } = {},
  ) => {
    const now = 1_700_000_000 + later;
    const { db, events } = world;
    const clock = () => (now * 1000) as Millis;
    const transaction = <T>(run: () => T) => db.transaction(run)();
    const store = openDnsStore({ db, clock, events, transaction, soa: plan.soa });
    return new Keeper({
      ...{ plan, store, source: world.source, shrinkShareMax: 0.2, lastEvent: () => 0 },
      ...{ nowSeconds: () => now, onWork: () => undefined },
      ...{ onImage: () => undefined, onServed: () => undefined },
      signing: { ...UNSIGNED, signed: () => signed },
    });
  };
  const fill = (keeper: Keeper) => keeper.fill(async () => undefined);
  const serialOf = (keeper: Keeper) => keeper.zones().get(dnsName('lon.example'))?.serial ?? 0;

  it('a serial that moved alone does not go back with a restart', async () => {
    const world = createDnsWorld({ machines: many(2) });
    await world.fill();
    const keeper = reopened(world);
    await fill(keeper);
    keeper.renew('new signatures');
    expect(serialOf(keeper)).toBe(1_700_000_500);
    expect(serialOf(reopened(world))).toBe(1_700_000_500);
  });

  it('a zone that is signed no more has no way from what was signed, only anew', async () => {
    const world = createDnsWorld({ machines: many(2) });
    const zone = dnsName('lon.example');
    const signed = reopened(world);
    await fill(signed);
    const held = serialOf(signed);
    const still = reopened(world, { later: 600 });
    still.settleSigned();
    expect(serialOf(still)).toBe(held);
    const plain = reopened(world, { later: 700, signed: false });
    plain.settleSigned();
    const moved = serialOf(plain);
    expect(moved).toBeGreaterThan(held);
    expect(world.store.chain(zone, held, moved)).toBeUndefined();
    world.machines.set(machineNumber(1).hardwarename, machineNumber(1, 'renamed'));
    const later = reopened(world, { later: 800, signed: false });
    later.settleSigned();
    expect(serialOf(later)).toBe(moved);
    await fill(later);
    expect([...(world.store.chain(zone, moved, serialOf(later))?.diffs ?? [])]).toHaveLength(1);
    expect(world.store.chain(zone, held, serialOf(later))).toBeUndefined();
  });

  it('another SOA moves every serial once, and not again with each start', async () => {
    const world = createDnsWorld({ machines: many(2) });
    await world.fill();
    expect(serialOf(world.keeper)).toBe(1_700_000_000);
    const other = planFrom({ contact: 'noc' });
    const changed = reopened(world, { plan: other });
    await fill(changed);
    expect(serialOf(changed)).toBe(1_700_000_500);
    const again = reopened(world, { plan: other, later: 900 });
    expect(serialOf(again)).toBe(1_700_000_500);
    await fill(again);
    expect(serialOf(again)).toBe(1_700_000_500);
    expect(again.zones().get(dnsName('lon.example'))?.soa).toEqual(other.soa);
  });

  it('what is rolled back to is held with the generation that shows it, or not at all', async () => {
    const world = createDnsWorld({ machines: many(3) });
    await world.fill();
    const good = world.keeper.currentGeneration();
    world.set(machineNumber(1, 'renamed'));
    world.db.exec(`CREATE TRIGGER full BEFORE INSERT ON dns_diffs
      BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END`);
    expect(() => world.keeper.rollback(good, 'kim')).toThrow('full');
    expect(world.store.held()).toBeUndefined();
    world.db.exec('DROP TRIGGER full');
    world.keeper.rollback(good, 'kim');
    expect(world.store.held()).toBe(good);
  });
});

describe('what fails, and what is held', () => {
  it('a commit that fails is tried again: nothing of what it would have served is forgotten', async () => {
    const world = createDnsWorld({ machines: many(2) });
    await world.fill();
    world.db.exec(`CREATE TRIGGER full BEFORE INSERT ON dns_generations
      BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END`);
    expect(() => world.set(machineNumber(1, 'renamed'))).toThrow('full');
    world.db.exec('DROP TRIGGER full');
    expect(ask(world.keeper.zones(), 'renamed.lon.example A')).toContain('NXDOMAIN');
    world.keeper.again();
    expect(ask(world.keeper.zones(), 'renamed.lon.example A')).toContain('NOERROR');
    expect(world.keeper.assembly.touched.size).toBe(0);
  });

  it('what shrank is not put through while a person holds a generation', async () => {
    const world = createDnsWorld({ machines: many(100) });
    await world.fill();
    const good = world.keeper.currentGeneration();
    world.remove(...many(60).map(({ hardwarename }) => hardwarename));
    world.keeper.accept('kim');
    world.keeper.rollback(good, 'kim');
    const held = world.keeper.currentGeneration();
    expect(() => world.keeper.accept('kim')).toThrow(`Generation ${good} is held`);
    expect(world.keeper.currentGeneration()).toBe(held);
    world.keeper.resume('kim');
    world.keeper.accept('kim');
    expect(world.keeper.currentGeneration()).toBeGreaterThan(held);
  });
});
