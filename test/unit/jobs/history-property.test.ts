/**
 * Any history: machines of a few racks, jobs of every kind, lost packets, silent and hanging BMCs, the appliance killed at
 * any moment, the queue paused, jobs cancelled. Afterwards no job is lost, doubled or stuck, and no limit was ever exceeded.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHall } from '../../support/job-hall.ts';
import { faultsOf } from '../../support/job-trials.ts';

const MACHINES = 6;
const LIMITS = { siteMax: 3, rackMax: 2 };
const KINDS = ['power-on', 'power-off', 'power-cycle', 'reset', 'identify', 'netboot', 'recon'];

const deed = fc.oneof(
  fc.record({
    do: fc.constant('submit' as const),
    kind: fc.constantFrom(...KINDS),
    machine: fc.nat(MACHINES - 1),
  }),
  fc.record({ do: fc.constant('crash' as const) }),
  fc.record({ do: fc.constant('pause' as const) }),
  fc.record({ do: fc.constant('resume' as const) }),
  fc.record({ do: fc.constant('cancel' as const), job: fc.nat(20) }),
  fc.record({
    do: fc.constant('silence' as const),
    machine: fc.nat(MACHINES - 1),
    ms: fc.nat(400_000),
  }),
  fc.record({
    do: fc.constant('hang' as const),
    machine: fc.nat(MACHINES - 1),
    ms: fc.nat(100_000),
  }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.nat(40_000) }),
);

const codeOf = (act: () => unknown): string => {
  try {
    act();
    return 'ok';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('any history of jobs', () => {
  it('loses, doubles and sticks none, and keeps the limits', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(deed, { minLength: 5, maxLength: 40, size: 'max' }),
        fc.integer({ min: 1, max: 1e6 }),
        async (deeds, seed) => {
          const hall = createHall({
            machines: MACHINES,
            racks: 2,
            seed,
            limits: LIMITS,
            lossRate: 0.05,
          });
          const jobs: string[] = [];
          for (const each of deeds) {
            await hall.time.pass(5);
            const { inventory, desk } = hall.now;
            const cause = { who: 'test', why: 'test' };
            switch (each.do) {
              case 'submit': {
                const busy = desk.store
                  .page({}, 100)
                  .some((job) => job.endedAt === 0 && job.target.endsWith(`${each.machine}`));
                const code = codeOf(() => jobs.push(hall.submit(each.kind, each.machine).id));
                expect(code).toBe(busy ? 'JOB_EXISTS' : 'ok');
                break;
              }
              case 'crash':
                hall.crash();
                break;
              case 'pause':
                inventory.transaction(() => desk.pause(cause));
                break;
              case 'resume':
                inventory.transaction(() => desk.resume(cause));
                break;
              case 'cancel': {
                const id = jobs[each.job];
                if (id !== undefined)
                  expect(['ok', 'JOB_ENDED']).toContain(
                    codeOf(() => inventory.transaction(() => desk.cancel(id, cause))),
                  );
                break;
              }
              case 'silence':
                hall.machine(each.machine).silentUntil = hall.time.now() + each.ms;
                break;
              case 'hang':
                hall.machine(each.machine).hungUntil = hall.time.now() + each.ms;
                break;
              case 'pass':
                await hall.time.pass(each.ms);
                break;
            }
          }
          await hall.time.pass(5);
          hall.now.inventory.transaction(() => hall.now.desk.resume({ who: 'x', why: 'x' }));
          await hall.settle();
          for (const id of jobs) {
            expect(faultsOf(hall, id), `job ${id}`).toEqual([]);
            expect(['finished', 'cancelled'], hall.job(id).detail).toContain(hall.job(id).status);
          }
          expect(hall.now.desk.store.page({}, 100).length).toBe(jobs.length);
          expect(hall.open.siteMost).toBeLessThanOrEqual(LIMITS.siteMax);
          expect(hall.racksOpen.most).toBeLessThanOrEqual(LIMITS.rackMax);
        },
      ),
      { numRuns: 10 },
    );
  }, 60_000);
});
