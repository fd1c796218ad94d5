import { describe, expect, it } from 'vitest';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { createWorld, mac } from '../../support/world.ts';

const NAME = 'SN-1' as Hardwarename;
const GUEST = mac('02:00:00:00:00:01');

describe('the events of machines on record, read from a cursor', () => {
  it('are all that name one, in order; what guests do is passed over and not looked at again', () => {
    const { events } = createWorld().inventory;
    const data = { client: 'os', address: '10.77.0.9', bootFile: '', why: '' } as const;
    const guest = () => events.append({ name: 'dhcp.offered', mac: GUEST, data });
    const machine = () => events.append({ name: 'dhcp.offered', hardwarename: NAME, data });
    const start = events.lastId();
    guest();
    const first = machine();
    guest();
    const second = machine();
    const third = machine();
    guest();
    const ids = (after: number, count: number) => {
      const { events: found, through } = events.ofMachinesAfter(after, count);
      return { ids: found.map(({ id }) => id), through };
    };
    // A full page says nothing of what is behind it.
    expect(ids(start, 2)).toEqual({ ids: [first, second], through: second });
    expect(ids(second, 2)).toEqual({ ids: [third], through: third + 1 });
    expect(ids(third + 1, 2)).toEqual({ ids: [], through: third + 1 });
    // A cursor of a feed that was longer once does not go back.
    expect(ids(third + 100, 2)).toEqual({ ids: [], through: third + 100 });
  });
});
