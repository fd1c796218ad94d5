import { describe, expect, it } from 'vitest';
import type { EventName, NewEvent } from '../../../src/events.ts';
import { ask } from '../../support/dns.ts';
import { createDnsWorld, machineNumber } from '../../support/dns-world.ts';

const many = (count: number) => Array.from({ length: count }, (_, n) => machineNumber(n + 1));
const cause = { who: 'kim', why: 'the printer moved' };
const printer = { name: 'printer', type: 'A', data: '10.0.3.9', ttl: 60, note: 'third floor' };

type World = ReturnType<typeof createDnsWorld>;

async function open(count: number): Promise<World> {
  const world = createDnsWorld({ machines: many(count) });
  await world.fill();
  return world;
}

const answer = ({ keeper }: World, text: string) => ask(keeper.zones(), text);
const events = ({ events: store }: World, name: EventName) =>
  store.after(0, 1000).filter((event) => event.name === name) as NewEvent[];
const eventNames = ({ events: store }: World, after: number) =>
  store.after(after, 1000).map(({ name }) => name);
const full = (world: World, table: string) =>
  world.db.exec(`CREATE TRIGGER full BEFORE INSERT ON ${table}
    BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END`);

describe('a record of a person', () => {
  it('is kept, served and told of in one step: who, why, before, after', async () => {
    const world = await open(3);
    const last = world.events.lastId();
    const { id } = world.keeper.addStatic(printer, cause);
    expect(answer(world, 'printer.lon.example A')).toContain('NOERROR');
    expect(eventNames(world, last)).toEqual(['dns.edited', 'dns.changed']);
    world.keeper.removeStatic(id, { who: 'lee', why: 'it is gone' });
    expect(answer(world, 'printer.lon.example A')).toContain('NXDOMAIN');
    expect(events(world, 'dns.edited').map(({ data }) => data)).toEqual([
      { record: id, before: null, after: printer, ...cause },
      { record: id, before: printer, after: null, who: 'lee', why: 'it is gone' },
    ]);
    expect(world.store.list(2).map(({ cause: text }) => text)).toEqual([
      'record printer A removed by lee',
      'record printer A added by kim',
    ]);
  });

  it('is never in the database before it is checked, nor after it was refused', async () => {
    const world = await open(3);
    const last = world.events.lastId();
    // Whatever is written, even for a moment, would be seen by this.
    full(world, 'dns_records');
    const alias = { ...printer, type: 'CNAME', data: 'nothing' };
    expect(() => world.keeper.addStatic(alias, cause)).toThrow('does not exist');
    expect(world.events.lastId()).toBe(last);
    expect(world.keeper.pending()).toEqual({ diffs: [], faults: [] });
  });

  it.each(['dns_records', 'dns_generations', 'dns_diffs', 'events'])(
    'is kept whole or not at all: %s cannot be written',
    async (table) => {
      const world = await open(3);
      const good = world.keeper.currentGeneration();
      full(world, table);
      expect(() => world.keeper.addStatic(printer, cause)).toThrow('full');
      world.db.exec('DROP TRIGGER full');
      expect(world.store.statics()).toEqual([]);
      expect(world.keeper.currentGeneration()).toBe(good);
      expect(answer(world, 'printer.lon.example A')).toContain('NXDOMAIN');
      world.set(machineNumber(9));
      expect(answer(world, 'printer.lon.example A')).toContain('NXDOMAIN');
      world.keeper.addStatic(printer, cause);
      expect(answer(world, 'printer.lon.example A')).toContain('NOERROR');
    },
  );

  it('stays while something points to it', async () => {
    const world = await open(3);
    const { id } = world.keeper.addStatic(printer, cause);
    const alias = { ...printer, name: 'copier', type: 'CNAME', data: 'printer' };
    world.keeper.addStatic(alias, cause);
    const last = world.events.lastId();
    expect(() => world.keeper.removeStatic(id, cause)).toThrow('copier.lon.example. points to');
    expect(world.store.statics()).toHaveLength(2);
    expect(world.events.lastId()).toBe(last);
    expect(answer(world, 'copier.lon.example A')).toContain('AN:printer.lon.example./A');
    world.set(machineNumber(9));
    expect(answer(world, 'web9.lon.example A')).toContain('NOERROR');
  });

  it('does not wait for machines that were lost, and puts none of them through', async () => {
    const world = await open(60);
    const { id } = world.keeper.addStatic({ ...printer, name: 'old' }, cause);
    world.remove(...many(30).map(({ hardwarename }) => hardwarename));
    expect(world.keeper.pending().faults.map(({ code }) => code)).toContain('shrink');
    world.keeper.addStatic(printer, cause);
    world.keeper.removeStatic(id, cause);
    expect(answer(world, 'printer.lon.example A')).toContain('NOERROR');
    expect(answer(world, 'old.lon.example A')).toContain('NXDOMAIN');
    expect(answer(world, 'web5.lon.example A')).toContain('NOERROR');
    expect(world.keeper.pending().faults.map(({ code }) => code)).toContain('shrink');
    expect(events(world, 'dns.refused')).toHaveLength(1);
    world.keeper.accept('kim');
    expect(answer(world, 'web5.lon.example A')).toContain('NXDOMAIN');
    expect(answer(world, 'printer.lon.example A')).toContain('NOERROR');
  });

  it('nor for two machines with one name', async () => {
    const world = await open(3);
    world.set(machineNumber(9, 'web1'));
    world.keeper.addStatic(printer, cause);
    expect(answer(world, 'printer.lon.example A')).toContain('NOERROR');
    expect(world.keeper.pending().faults.map(({ code }) => code)).toEqual(['duplicate']);
  });

  it('that a person takes is no loss: as many as he likes, and the guard over machines is as before', async () => {
    const world = await open(50);
    const ids = Array.from({ length: 100 }, (_, n) => {
      return world.keeper.addStatic({ ...printer, name: `printer${n}` }, cause).id;
    });
    for (const id of ids) world.keeper.removeStatic(id, cause);
    expect(events(world, 'dns.refused')).toEqual([]);
    world.remove(machineNumber(1).hardwarename);
    expect(answer(world, 'web1.lon.example A')).toContain('NXDOMAIN');
    world.remove(...many(20).map(({ hardwarename }) => hardwarename));
    expect(world.keeper.pending().faults.map(({ code }) => code)).toContain('shrink');
  });

  it('lets through what waited for it', async () => {
    const world = await open(3);
    const alias = { ...printer, name: 'www', type: 'CNAME', data: 'web1' };
    const { id } = world.keeper.addStatic(alias, cause);
    world.remove(machineNumber(1).hardwarename);
    expect(answer(world, 'web1.lon.example A')).toContain('NOERROR');
    world.keeper.removeStatic(id, cause);
    expect(answer(world, 'web1.lon.example A')).toContain('NXDOMAIN');
    expect(world.keeper.pending().faults).toEqual([]);
  });

  it('is checked and kept while a generation is held, and served when that ends', async () => {
    const world = await open(3);
    world.keeper.rollback(world.keeper.currentGeneration(), 'kim');
    const alias = { ...printer, type: 'CNAME', data: 'nothing' };
    expect(() => world.keeper.addStatic(alias, cause)).toThrow('does not exist');
    world.keeper.addStatic(printer, cause);
    expect(events(world, 'dns.edited')).toHaveLength(1);
    expect(answer(world, 'printer.lon.example A')).toContain('NXDOMAIN');
    world.keeper.resume('kim');
    expect(answer(world, 'printer.lon.example A')).toContain('NOERROR');
  });

  it('is refused before the inventory has been read', () => {
    const world = createDnsWorld({ machines: many(3) });
    expect(() => world.keeper.addStatic(printer, cause)).toThrow('still being read');
    expect(world.store.statics()).toEqual([]);
  });
});
