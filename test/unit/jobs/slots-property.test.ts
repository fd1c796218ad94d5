/**
 * Any schedule of slots: machines whose records change rack and BMC while their jobs wait for a place, several behind one
 * BMC. However the changes fall, no more steps run at once than the site, a rack and a BMC allow, and none is left behind.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rackPlace } from '../../../src/inventory/rack-place.ts';
import { createKinds, defineJob, later, step } from '../../../src/jobs/definition.ts';
import type { JobMachine } from '../../../src/jobs/ports.ts';
import { createSlots } from '../../../src/jobs/slots.ts';
import { addressOf, createHall, type Hall, nameOf } from '../../support/job-hall.ts';
import { faultsOf } from '../../support/job-trials.ts';

const MACHINES = 6;
const LIMITS = { siteMax: 3, rackMax: 2 };
const RACKS = ['R0', 'R1', ''];

interface Seen {
  site: number;
  siteMost: number;
  rackMost: number;
  bmcMost: number;
}

/** A kind whose steps hold their place for a while, seen from inside of them: what runs at once, by the machine of the step. */
function watchedHall(seen: Seen): Hall {
  let hall: Hall | undefined;
  const racks = new Map<string, number>();
  const bmcs = new Map<string, number>();
  const add = (map: Map<string, number>, key: string, by: number): number => {
    const count = (map.get(key) ?? 0) + by;
    map.set(key, count);
    return key === '' ? 0 : count;
  };
  const hold = (name: string, ms: number) =>
    step(name, {
      ...{ timeoutMs: 60_000, withinMs: 600_000 },
      async run({ machine, now, sinceAt }) {
        // The second time it only says that it is done: places are given back and taken anew in between.
        if (now() > sinceAt) return undefined;
        seen.site += 1;
        seen.siteMost = Math.max(seen.siteMost, seen.site);
        seen.rackMost = Math.max(seen.rackMost, add(racks, rackPlace(machine), 1));
        seen.bmcMost = Math.max(seen.bmcMost, add(bmcs, machine.bmcAddress, 1));
        await new Promise<void>((done) => hall?.time.at(hall.time.now() + ms, done));
        seen.site -= 1;
        add(racks, rackPlace(machine), -1);
        add(bmcs, machine.bmcAddress, -1);
        return later(ms, 'its next turn');
      },
    });
  const kind = defineJob('hold', 1, {
    says: 'Holds its places.',
    params: { safeParse: (data: unknown) => ({ success: true, data }) } as never,
    allowedFrom: ['held'],
    ...{ interrupts: false, destructive: false, needsBmc: false },
    steps: [hold('first', 700), hold('second', 1100)],
  });
  hall = createHall({
    ...{ machines: MACHINES, racks: 2, limits: LIMITS },
    kinds: createKinds([kind]),
  });
  return hall;
}

const change = fc.oneof(
  fc.record({ is: fc.constant('submit' as const), machine: fc.nat(MACHINES - 1) }),
  fc.record({
    is: fc.constant('rack' as const),
    machine: fc.nat(MACHINES - 1),
    rack: fc.constantFrom(...RACKS),
    hall: fc.constantFrom('', 'h2'),
  }),
  fc.record({
    is: fc.constant('bmc' as const),
    machine: fc.nat(MACHINES - 1),
    as: fc.nat(MACHINES - 1),
  }),
  fc.record({ is: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 1500 }) }),
);

describe('a rack', () => {
  it('is bounded by itself: another of its name in another hall is not', () => {
    const slots = createSlots({ siteMax: 10, rackMax: 1 });
    const at = (hall: string, bmcAddress: string) =>
      ({ site: 'lon', hall, row: '', rack: 'R1', bmcAddress }) as JobMachine;
    expect(slots.take(at('h1', '10.0.0.1'), 'a')).toBeDefined();
    expect(slots.blockedBy(at('h1', '10.0.0.2'))).toMatch(/^rack R1: 1 steps/);
    expect(slots.take(at('h2', '10.0.0.3'), 'b')).toBeDefined();
  });
});

describe('any schedule', () => {
  it('keeps the limits, whatever becomes of the records meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 10, maxLength: 60, size: 'max' }),
        async (changes) => {
          const seen: Seen = { site: 0, siteMost: 0, rackMost: 0, bmcMost: 0 };
          const hall = watchedHall(seen);
          const { machines } = hall.now.inventory;
          const jobs: string[] = [];
          for (const each of changes) {
            const name = nameOf('machine' in each ? each.machine : 0);
            if (each.is === 'pass') await hall.time.pass(each.ms);
            else if (each.is === 'submit') {
              if (!hall.now.desk.store.unfinishedOf(name))
                jobs.push(hall.submit('hold', each.machine).id);
            } else
              hall.now.inventory.transaction(() =>
                machines.write(
                  name,
                  each.is === 'rack'
                    ? { rack: each.rack, hall: each.hall }
                    : { bmcAddress: addressOf(each.as) },
                ),
              );
          }
          await hall.settle();
          expect(seen.siteMost).toBeLessThanOrEqual(LIMITS.siteMax);
          expect(seen.rackMost).toBeLessThanOrEqual(LIMITS.rackMax);
          expect(seen.bmcMost).toBeLessThanOrEqual(1);
          for (const id of jobs) {
            expect(faultsOf(hall, id)).toEqual([]);
            expect(hall.job(id).status).toBe('finished');
          }
        },
      ),
      { numRuns: 60 },
    );
  }, 60_000);
});
