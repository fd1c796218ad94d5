/** Whatever goes wrong between the two: no address has two machines, and no two are active that should not be. */
import { describe, expect, it } from 'vitest';
import { createWorld, runWorld } from './pair-run.ts';

/** How many worlds of each kind, and of which seed the first one is. */
const RUNS = Number(process.env.STANDBY_RUNS ?? 60);
const FIRST = Number(process.env.STANDBY_FIRST ?? 1);
const WITNESS = { witness: true, order: false };
const BOTH = { witness: true, order: true };
const ORDER = { witness: false, order: true };

describe('two appliances and their clients never have one address twice, nor are both active', () => {
  it.each([
    ['with a witness', WITNESS],
    ['with a witness, and people who order them to take over', BOTH],
    ['without a witness, where people order it', ORDER],
    ['with a witness, where much breaks and programs freeze', { ...WITNESS, harsh: true }],
    ['with both, where much breaks and programs freeze', { ...BOTH, harsh: true }],
    ['without a witness, where much breaks and programs freeze', { ...ORDER, harsh: true }],
  ])(
    '%s',
    async (_kind, people) => {
      let [takeOvers, renewals] = [0, 0];
      for (let seed = FIRST; seed < FIRST + RUNS; seed += 1) {
        const world = createWorld(seed, people);
        await runWorld(world, 6000).catch((error) => {
          throw new Error(`seed ${seed}: ${(error as Error).message}`);
        });
        takeOvers += world.takeOvers;
        renewals += world.renewals;
      }
      // The runs are no proof if nothing ever happens in them.
      expect(takeOvers).toBeGreaterThan(RUNS / 5);
      expect(renewals).toBeGreaterThan(RUNS / 10);
    },
    Math.max(60_000, RUNS * 200),
  );

  it('nor when the order was heard of only after the one that was ordered had heard the other one', async () => {
    const world = createWorld(40_218, { ...ORDER, harsh: true });
    await runWorld(world, 6000);
    expect(world.takeOvers).toBeGreaterThan(0);
  });

  it('nor is a change lost of one whose follower was given the right unheard, and has said since that it stops', async () => {
    const world = createWorld(140_187, { ...BOTH, harsh: true });
    await runWorld(world, 6000);
    expect(world.takeOvers).toBeGreaterThan(0);
  });
});
