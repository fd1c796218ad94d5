/** The checker of the federation scenarios finds what is missing, doubled, changed or invented. */
import { expect, it } from 'vitest';
import { differencesOf, type Sided } from '../../../qemu-lab/federation-check.ts';

const machine = (hardwarename: string, version = 1, state = 'available') => ({
  ...{ hardwarename, version, state, hostname: '' },
});
const event = (id: number, name = 'machine.state') => ({ id, name });

const own: Sided = {
  machines: [machine('A'), machine('B', 3, 'in-use')],
  events: [event(1), event(2), event(3, 'dhcp.acked'), event(4), event(5, 'request.created')],
};

it('finds nothing where there is nothing, and nothing in what a snapshot replaced', () => {
  const central = { machines: own.machines, events: [event(5, 'request.created'), event(4)] };
  expect(differencesOf('lon', own, central)).toEqual([]);
  expect(differencesOf('lon', own, { machines: own.machines, events: [] })).toEqual([]);
});

it.each<[string, Partial<Sided>, string]>([
  ['a missing machine', { machines: [machine('A')] }, 'B is missing at central'],
  ['an old copy', { machines: [machine('A'), machine('B', 2, 'in-use')] }, 'B v3'],
  ['another state', { machines: [machine('A', 1, 'held'), machine('B', 3, 'in-use')] }, 'A v1'],
  ['an invented machine', { machines: [...own.machines, machine('C')] }, 'C is only at central'],
  ['a missing event', { events: [event(1), event(4), event(5, 'request.created')] }, 'event 2'],
  [
    'an event twice',
    { events: [event(5, 'request.created'), event(5, 'request.created')] },
    'twice',
  ],
  ['another event', { events: [event(5, 'request.fulfilled')] }, 'event 5 is request.fulfilled'],
  ['an invented event', { events: [event(5, 'request.created'), event(6)] }, 'event 6'],
  [
    'packets that should have stayed',
    { events: [event(3), event(4), event(5, 'request.created')] },
    'event 3',
  ],
])('finds %s', (_what, change, says) => {
  const central = {
    machines: own.machines,
    events: [event(1), event(2), event(4), event(5, 'request.created')],
    ...change,
  };
  const found = differencesOf('lon', own, central);
  expect(found).toHaveLength(1);
  expect(found[0]).toContain(says);
});
