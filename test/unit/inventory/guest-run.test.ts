import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import type { NewEvent } from '../../../src/events.ts';
import type { BootId, Hardwarename } from '../../../src/wire/ids.ts';
import { createWorld, mac } from '../../support/world.ts';

const GUEST = mac('02:00:00:00:00:01');
const LEASE = { client: 'os', address: '10.77.0.9', bootFile: '', leaseSeconds: 600 } as const;
const OFFERED: NewEvent = {
  ...{ name: 'dhcp.offered', mac: GUEST },
  data: { client: 'os', address: '10.77.0.9', bootFile: '', why: '' },
};
const ACKED: NewEvent = { name: 'dhcp.acked', mac: GUEST, data: LEASE };

describe('a reader of what concerns machines', () => {
  it('goes on behind what guests were offered and given, from wherever in it or right before it', () => {
    const { events } = createWorld().inventory;
    const start = events.lastId();
    const [first, second] = [events.append(OFFERED), events.append(ACKED)];
    expect([start, first, second].map(events.pastGuests)).toEqual([second, second, second]);
    const third = events.append(OFFERED);
    expect(events.pastGuests(first)).toBe(third);
    // What is further back was not all of it seen.
    expect(events.pastGuests(start - 1)).toBe(start - 1);
  });

  it.each<[string, NewEvent]>([
    ['of a machine on record', { ...ACKED, hardwarename: 'SN-1' as Hardwarename }],
    ['in a boot', { ...ACKED, boot: 'B1' as BootId }],
    ['that took the address of another', { ...ACKED, data: { ...LEASE, displaced: GUEST } }],
    ['of another name', { name: 'dhcp.released', mac: GUEST, data: { address: '10.77.0.9' } }],
  ])('does not pass over one %s', (_, event) => {
    const { events } = createWorld().inventory;
    const first = events.append(OFFERED);
    const one = events.append(event);
    expect([first, one].map(events.pastGuests)).toEqual([first, one]);
    const [next, last] = [events.append(OFFERED), events.append(OFFERED)];
    expect([first, one, next].map(events.pastGuests)).toEqual([first, last, last]);
  });

  it('does not pass over what another connection has appended in between', () => {
    const db = new Sqlite(':memory:');
    const { events } = createWorld(db).inventory;
    const first = events.append(OFFERED);
    db.exec(`INSERT INTO events (at, name, data) VALUES (1, 'machine.edited', '{}')`);
    const last = events.append(OFFERED);
    expect(events.pastGuests(first)).toBe(first);
    expect(events.pastGuests(last - 1)).toBe(last);
  });

  it('takes nothing for seen that was taken back', () => {
    const { inventory } = createWorld();
    const { events } = inventory;
    const first = events.append(OFFERED);
    expect(() =>
      inventory.transaction(() => {
        events.append(OFFERED);
        throw new Error('taken back');
      }),
    ).toThrow('taken back');
    expect(events.pastGuests(first)).toBe(first);
    const next = events.append(ACKED);
    expect(events.pastGuests(first)).toBe(next);
  });
});
