/** A pool that becomes smaller while it is still filling: what is given up, and what goes on. */
import { describe, expect, it } from 'vitest';
import {
  nextSizeAction,
  placesToCallOff,
  type SeenMember,
} from '../../../src/provisioning/pool.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { createProvisionHall, type ProvisionHall } from '../../support/provision-hall.ts';
import { nameOf } from '../../support/provision-machines.ts';

const states = (hall: ProvisionHall) => {
  const counts: Record<string, number> = {};
  for (const { state, count } of hall.now.inventory.machines.countByState()) counts[state] = count;
  return counts;
};

describe('a pool that shrinks while it is filling', () => {
  it('calls off no more than is too much, what is least far first, and nothing that is in use', async () => {
    const slow = new Set([5, 6, 7, 8, 9].map(nameOf));
    const hall = createProvisionHall({
      installMs: (machine) => (slow.has(machine) ? 3_600_000 : 60_000),
    });
    // Installs begin one after another: those of the last machines are the youngest.
    hall.pool('web', { count: 8 });
    await hall.until(() => hall.members('web').length === 5);
    await hall.time.pass(600_000);
    hall.pool('web', { count: 10 });
    await hall.time.pass(60_000);
    const before = hall.members('web');
    expect(states(hall)).toEqual({ 'in-use': 5, installing: 5 });
    const young = hall.now.jobs.store.unfinished().toSorted((a, b) => b.createdAt - a.createdAt);
    hall.pool('web', { count: 8 });
    await hall.until(() => states(hall).available === 2);
    await hall.time.pass(60_000);
    expect(states(hall)).toEqual({ 'in-use': 5, installing: 3, available: 2 });
    const off = hall.now.jobs.store.page({}, 100).filter(({ status }) => status === 'cancelled');
    expect(off.map(({ target }) => target).toSorted()).toEqual(
      young
        .slice(0, 2)
        .map(({ target }) => target)
        .toSorted(),
    );
    await hall.until(() => hall.members('web').length === 8);
    await hall.settle();
    expect(hall.members('web')).toEqual(expect.arrayContaining(before));
    expect(hall.now.jobs.store.page({ kind: 'recycle' }, 10)).toEqual([]);
    expect(hall.now.life.errors).toEqual([]);
  });

  it('gives up some places of a request: the others go on, over a crash as without', async () => {
    const hall = createProvisionHall({ machines: 4, installMs: () => 600_000 });
    hall.pool('web', { count: 6 });
    await hall.time.pass(60_000);
    const [request] = hall.now.desk.store.openOfPool('web');
    const jobs = hall.now.jobs.store.unfinished().map(({ id }) => id);
    expect([request?.count, jobs.length]).toEqual([6, 4]);
    // Two have no machine, and one install is to be called off.
    hall.pool('web', { count: 3 });
    await hall.until(() => states(hall).available === 1);
    hall.crash();
    await hall.until(() => hall.now.life.alive);
    expect(hall.now.jobs.store.unfinished().map(({ id }) => jobs.includes(id))).toEqual([
      ...[true, true, true],
    ]);
    expect(hall.now.desk.get(request?.id ?? '')).toMatchObject({
      ...{ count: 3, done: 0, failed: 0, status: 'working', why: '' },
    });
    await hall.settle();
    expect(hall.now.desk.get(request?.id ?? '')).toMatchObject({
      ...{ count: 3, done: 3, status: 'fulfilled' },
    });
    expect(hall.members('web')).toHaveLength(3);
    expect(states(hall)).toEqual({ 'in-use': 3, available: 1 });
    const shrunk = hall.now.inventory.events
      .after(0, 10_000)
      .filter(({ name }) => name === 'request.shrunk');
    expect(shrunk.map(({ data }) => data)).toEqual([
      ...[{ request: request?.id, count: 3, who: 'negz', why: 'pool web is to be smaller' }],
    ]);
    expect(hall.now.life.errors).toEqual([]);
  });

  it('has a machine whose install ended before it was called off in use, and releases one', async () => {
    const hall = createProvisionHall({ machines: 2, installMs: () => 600_000 });
    hall.pool('web', { count: 2 });
    await hall.until(() => hall.now.jobs.store.page({ status: ['finished'] }, 9).length === 2);
    const { desk, inventory } = hall.now;
    const [request] = desk.store.openOfPool('web');
    const id = request?.id ?? '';
    const shrink = () =>
      inventory.transaction(() => desk.shrink(id, [1], { who: 'ann', why: 'test' }));
    expect(desk.get(id)).toMatchObject({ count: 2, done: 0 });
    shrink();
    expect(desk.get(id)).toMatchObject({ count: 1, done: 0 });
    expect(shrink).toThrow('place 1 is claimed: it cannot be given up');
    hall.pool('web', { count: 1 });
    await hall.until(() => states(hall).available === 1);
    expect(desk.get(id)).toMatchObject({ count: 2, done: 2, status: 'fulfilled' });
    expect(hall.members('web')).toHaveLength(1);
    expect(hall.now.jobs.store.page({ kind: 'recycle' }, 9)).toHaveLength(1);
    expect(hall.now.life.errors).toEqual([]);
  });

  it('lets a request end of which the last places are being called off', async () => {
    let fast: string | undefined;
    const hall = createProvisionHall({
      installMs: (machine) => {
        fast ??= machine;
        return machine === fast ? 60_000 : 3_600_000;
      },
    });
    hall.pool('web', { count: 2 });
    await hall.until(() => hall.members('web').length === 1);
    hall.pool('web', { count: 4 });
    await hall.time.pass(60_000);
    const { desk, inventory } = hall.now;
    const [first, second] = desk.store.openOfPool('web').toSorted((a, b) => a.number - b.number);
    if (!first || !second) throw new Error('there are two');
    expect([first.done, second.count, second.done]).toEqual([1, 2, 0]);
    const place = desk.store.foldOf(first).places.findIndex(({ is }) => is === 'claimed');
    inventory.transaction(() => desk.shrink(first.id, [place], { who: 'ann', why: 'test' }));
    hall.pool('web', { count: 2 });
    await hall.settle();
    expect(desk.get(first.id)).toMatchObject({ count: 1, done: 1, status: 'fulfilled' });
    expect(desk.get(second.id)).toMatchObject({ count: 1, done: 1, status: 'fulfilled' });
    const names = inventory.events.after(0, 10_000).map(({ name }) => name);
    expect(names.filter((name) => name === 'request.shrunk')).toHaveLength(2);
    expect(names).not.toContain('request.cancelling');
    expect(hall.now.life.errors).toEqual([]);
  });
});

describe('what a pool gives up', () => {
  const place = (far: number, sinceAt: number, at: number) => ({
    request: 'r',
    place: at,
    far,
    sinceAt,
  });
  it('is what has no machine, then what is least far, then what came last', () => {
    const coming = [
      place(2, 100, 0),
      place(1, 50, 1),
      place(1, 60, 2),
      place(0, 0, 3),
      place(0, 0, 4),
    ];
    const order = placesToCallOff(coming, 5).map(({ place: at }) => at);
    expect(order).toEqual([4, 3, 2, 1, 0]);
    expect(placesToCallOff(coming, 2).map(({ place: at }) => at)).toEqual([4, 3]);
  });
  it.each([
    [10, 5, 5, { do: 'nothing' }],
    [8, 5, 5, { do: 'call-off', count: 2 }],
    [3, 5, 5, { do: 'call-off', count: 5 }],
    [3, 5, 0, { do: 'release' }],
    [12, 5, 5, { do: 'ask', count: 2 }],
  ])('to be %i, with %i in use and %i to come', (count, inUse, pending, expected) => {
    const members = Array.from(
      { length: inUse },
      (_, index): SeenMember => ({
        ...{ hardwarename: nameOf(index), pool: 'web', joinedAt: 0 as Millis, unhealthyAt: 0 },
        ...{ held: false, why: '', place: 'R0', protected: false, atWork: true },
      }),
    );
    expect(nextSizeAction(count, members, pending)).toMatchObject(expected);
  });
});
