/** Whatever goes wrong between the two: no address has two machines, and no two are active that should not be. */
import { describe, expect, it } from 'vitest';
import { createWorld, runWorld } from './pair-run.ts';

/** How many worlds of each kind, and of which seed the first one is. */
const RUNS = Number(process.env.STANDBY_RUNS ?? 60);
const FIRST = Number(process.env.STANDBY_FIRST ?? 1);

describe('two appliances and their clients never have one address twice, nor are both active', () => {
  it.each([
    ['with a witness', { witness: true, order: false }],
    ['with a witness, and people who order them to take over', { witness: true, order: true }],
    ['without a witness, where people order it', { witness: false, order: true }],
  ])(
    '%s',
    async (_kind, people) => {
      let takeOvers = 0;
      for (let seed = FIRST; seed < FIRST + RUNS; seed += 1) {
        const world = createWorld(seed, people);
        await runWorld(world, 6000).catch((error) => {
          throw new Error(`seed ${seed}: ${(error as Error).message}`);
        });
        takeOvers += world.takeOvers;
      }
      // The runs are no proof if nothing ever happens in them.
      expect(takeOvers).toBeGreaterThan(RUNS / 5);
    },
    60_000,
  );
});
