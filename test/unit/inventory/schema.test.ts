import { describe, expect, it } from 'vitest';
import { LEASED } from '../../../src/inventory/dns-source.ts';
import { openInventory } from '../../../src/inventory/inventory.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
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

  it('of a machine are its own and those of its boots, newest last, without looking through others', () => {
    const { db, inventory } = createWorld();
    const boot = db.prepare(
      `INSERT INTO boots (id, mac, hardwarename, client, arch, started_at, last_at) VALUES (?, 'm', ?, 'os', '', ?, ?)`,
    );
    for (let n = 0; n < 300; n++) boot.run(`boot-${n}`, n % 3 ? 'OTHER-1' : 'SN-1', n, n);
    const note = (more: object) =>
      inventory.events.append({ name: 'daemon.stopped', data: { signal: 'x' }, ...more });
    const mine: number[] = [];
    inventory.transaction(() => {
      for (let n = 0; n < 300; n++) {
        const id = note({ boot: `boot-${n}` });
        if (n % 3 === 0) mine.push(id);
        if (n % 7 === 0) mine.push(note({ hardwarename: 'SN-1' }));
        if (n % 30 === 0) mine.push(note({ hardwarename: 'SN-1', boot: `boot-${n}` }));
      }
    });
    for (const count of [1, 10, 200])
      expect(inventory.events.ofMachine('SN-1' as Hardwarename, count).map(({ id }) => id)).toEqual(
        mine.slice(-count),
      );
    const plan = db.prepare(`EXPLAIN QUERY PLAN SELECT id FROM boots WHERE hardwarename = ?`);
    expect(JSON.stringify(plan.all('x'))).toContain('boots_by_machine');
  });
});

describe('leases of a machine', () => {
  it('are found by the MACs of its NICs, not among all leases', () => {
    const { db } = createWorld();
    const plan = db.prepare<[string], { detail: string }>(`EXPLAIN QUERY PLAN ${LEASED}`);
    const steps = plan.all('x').map(({ detail }) => detail);
    expect(steps.join('\n')).toMatch(/SEARCH leases USING INDEX leases_by_mac \(mac=\?\)/);
    expect(steps.filter((step) => step.startsWith('SCAN'))).toEqual([]);
  });
});
