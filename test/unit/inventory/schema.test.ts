import { describe, expect, it } from 'vitest';
import { openInventory } from '../../../src/inventory/inventory.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { createWorld } from '../../support/world.ts';

describe('numbers of events', () => {
  it('are never given twice, also when everything that is old was compacted away', () => {
    const { inventory, pass, clock, db } = createWorld();
    const { events, serverdb } = inventory;
    const note = () =>
      inventory.transaction(() => events.append({ name: 'daemon.stopped', data: { signal: 'x' } }));
    for (let count = 0; count < 10; count++) note();
    const last = events.lastId();
    pass(10 * 365 * 86_400_000);
    const before = { boot: clock(), other: clock(), now: clock() };
    inventory.transaction(() => serverdb.history.compact(before));
    expect(events.after(0, 100).map(({ name }) => name)).toEqual([
      'daemon.stopped',
      'events.compacted',
    ]);
    expect(note()).toBe(last + 2);
    const again = openInventory({ db, clock: () => clock() as Millis });
    expect(again.events.lastId()).toBe(last + 2);
  });

  it('are found by boot and by machine through an index', () => {
    const { db } = createWorld();
    const plan = (where: string) =>
      JSON.stringify(db.prepare(`EXPLAIN QUERY PLAN SELECT * FROM events WHERE ${where}`).all('x'));
    expect(plan('boot = ? ORDER BY id')).toContain('events_by_boot');
    expect(plan('hardwarename = ? ORDER BY id')).toContain('events_by_machine');
  });
});
