/** Warm capacity: so many free machines wait, the others are off, and what is taken is filled up again. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextWarm, type WarmMachine } from '../../../src/provisioning/warm.ts';
import { WARM_REQUESTER } from '../../../src/provisioning/warm-keeper.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import {
  createProvisionHall,
  type ProvisionHall,
  type ProvisionHallOptions,
} from '../../support/provision-hall.ts';
import { nameOf } from '../../support/provision-machines.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Every machine is on and waits, as after they have all come in. */
async function hallWith(
  keep: { type?: string; count: number }[],
  options: ProvisionHallOptions = {},
): Promise<ProvisionHall> {
  const hall = createProvisionHall({
    machines: 12,
    ...options,
    settings: { warm: { keep, idleMinutes: 30 }, ...options.settings },
  });
  for (let index = 0; index < (options.machines ?? 12); index++) hall.power(nameOf(index), true, 0);
  await hall.time.pass(5 * MINUTE_MS);
  return hall;
}

const onOf = (hall: ProvisionHall) => [...hall.on.keys()].sort();
const ofType = (hall: ProvisionHall, name: string) =>
  hall.now.inventory.machines.record(name as Hardwarename)?.hardwareType;
const warmJobs = (hall: ProvisionHall, kind: string) =>
  hall.now.jobs.store.page({ kind }, 1000).filter(({ requester }) => requester === WARM_REQUESTER);

describe('free machines', () => {
  it('all wait where there is no rule', async () => {
    const hall = await hallWith([]);
    await hall.time.pass(5 * HOUR_MS);
    expect(onOf(hall).length).toBe(12);
  });

  it('are off but for so many, once they have been idle; and no machine is switched twice', async () => {
    const hall = await hallWith([{ count: 4 }]);
    await hall.time.pass(20 * MINUTE_MS);
    expect(onOf(hall).length).toBe(12);
    await hall.time.pass(10 * MINUTE_MS);
    expect(onOf(hall).length).toBe(4);
    await hall.time.pass(5 * HOUR_MS);
    expect(onOf(hall).length).toBe(4);
    expect(warmJobs(hall, 'power-off').length).toBe(8);
    expect(warmJobs(hall, 'netboot')).toEqual([]);
    const told = hall.now.inventory.events.after(0, 5000).map(({ name }) => name);
    expect(told.filter((name) => name === 'capacity.resting').length).toBe(8);
    expect(hall.now.life.errors).toEqual([]);
  });

  it('are switched on again when the warm ones are taken, which requests take first', async () => {
    const hall = await hallWith([{ count: 4 }]);
    await hall.time.pass(HOUR_MS);
    const before = onOf(hall);
    const { id } = hall.ask({ count: 3 });
    await hall.until(() => hall.request(id).status === 'fulfilled');
    const taken = hall.now.inventory.machines.countByState();
    expect(taken).toContainEqual(expect.objectContaining({ state: 'in-use', count: 3 }));
    const used = Array.from({ length: 12 }, (_, index) => nameOf(index)).filter(
      (name) => hall.now.inventory.machines.record(name)?.state === 'in-use',
    );
    expect(before).toEqual(expect.arrayContaining(used));
    await hall.time.pass(5 * MINUTE_MS);
    const free = onOf(hall).filter((name) => !used.includes(name));
    expect(free.length).toBe(4);
    expect(warmJobs(hall, 'netboot').length).toBe(3);
  });

  it('follow the rule of their type', async () => {
    const type = (index: number) => ({ type: index < 6 ? 'high-io' : index < 9 ? 'gpu' : 'web' });
    const hall = await hallWith(
      [
        { type: 'high-io', count: 2 },
        { type: 'gpu', count: 0 },
      ],
      {
        machine: type,
      },
    );
    await hall.time.pass(2 * HOUR_MS);
    const count = (name: string) => onOf(hall).filter((one) => ofType(hall, one) === name).length;
    expect([count('high-io'), count('gpu'), count('web')]).toEqual([2, 0, 3]);
  });

  it('that do not come are not switched on over and over; what is missing is told when it changes', async () => {
    const hall = await hallWith([{ count: 3 }], {
      machines: 4,
      stuck: (name) => name !== nameOf(0),
    });
    await hall.time.pass(50 * MINUTE_MS);
    const short = hall.now.inventory.events
      .after(0, 5000)
      .flatMap((event) => (event.name === 'capacity.short' ? [event.data.missing] : []));
    expect(warmJobs(hall, 'netboot').length).toBe(3);
    expect(short).toEqual([1, 2]);
    await hall.time.pass(HOUR_MS);
    expect(warmJobs(hall, 'netboot').length).toBeLessThanOrEqual(6);
  });

  it('whose BMC refuses are left alone, and others are woken instead', async () => {
    const hall = await hallWith([{ count: 2 }], {
      fails: (name) => (name === nameOf(0) ? 'BMC_REFUSED' : undefined),
    });
    for (let index = 0; index < 12; index++) hall.power(nameOf(index), false);
    await hall.time.pass(20 * MINUTE_MS);
    expect(onOf(hall).length).toBe(2);
    expect(onOf(hall)).not.toContain(nameOf(0));
    expect(warmJobs(hall, 'netboot').filter(({ target }) => target === nameOf(0)).length).toBe(1);
  });

  it('are kept over a restart of the appliance at any moment', async () => {
    const hall = await hallWith([{ count: 4 }], { limits: { siteMax: 1, rackMax: 1 } });
    await hall.time.pass(25 * MINUTE_MS - 2000);
    for (let crash = 0; crash < 12_000; crash++) {
      const { commits } = hall.now.life;
      hall.cut = { at: commits + 1 + (crash % 3), when: crash % 2 ? 'before' : 'after' };
      await hall.time.pass(1);
    }
    hall.cut = undefined;
    expect(hall.crashes).toBeGreaterThan(2);
    await hall.time.pass(HOUR_MS);
    expect(onOf(hall).length).toBe(4);
    expect(warmJobs(hall, 'netboot')).toEqual([]);
  });
});

describe('what is done next', () => {
  const machine = fc.record({
    type: fc.constantFrom('a', 'b'),
    place: fc.constantFrom('R1', 'R2', 'R3'),
    failures: fc.nat(2),
    is: fc.constantFrom<WarmMachine['is'][]>('warm', 'waking', 'cold', 'leaving', 'other'),
    idleSinceAt: fc.nat(100),
  });
  const rule = fc.record({
    type: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
    count: fc.nat(8),
  });

  it('never leaves fewer warm than are to be kept, wakes no more than are missing, and moves nothing twice', () =>
    fc.assert(
      fc.property(
        fc.array(machine, { maxLength: 20 }),
        fc.array(rule, { maxLength: 3 }),
        (seen, rules) => {
          const machines = seen.map((one, index) => ({
            ...one,
            site: 'lon',
            hardwarename: nameOf(index),
          }));
          const actions = nextWarm({ rules, machines, now: 100, idleMs: 50, movesMax: 5 });
          const moved = actions.flatMap(({ wake, rest }) => [...wake, ...rest]);
          expect(new Set(moved).size).toBe(moved.length);
          const by = new Map(machines.map((one) => [one.hardwarename, one]));
          for (const {
            rule: { count },
            warm,
            wake,
            rest,
            short,
          } of actions) {
            expect(warm + wake.length).toBeLessThanOrEqual(Math.max(warm, count));
            expect(warm - rest.length).toBeGreaterThanOrEqual(Math.min(warm, count));
            expect(wake.length === 0 || rest.length === 0).toBe(true);
            if (short > 0) expect(warm + short).toBeLessThanOrEqual(count);
            for (const name of wake) expect(by.get(name)?.is).toBe('cold');
            for (const name of rest) {
              expect(by.get(name)?.is).toBe('warm');
              expect(by.get(name)?.idleSinceAt).toBeLessThanOrEqual(50);
            }
          }
        },
      ),
    ));
});
