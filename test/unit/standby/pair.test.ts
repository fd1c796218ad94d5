/** Whatever goes wrong between the two: no address has two machines, and no two are active that should not be. */
import { describe, expect, it } from 'vitest';
import { createWorld, runWorld } from './pair-run.ts';

const RUNS = Number(process.env.STANDBY_RUNS ?? 60);

describe('two appliances, a witness, clients', () => {
  it('never give one address to two machines, nor are both active', async () => {
    let takeOvers = 0;
    for (let seed = 1; seed <= RUNS; seed += 1) {
      const world = createWorld(seed, true);
      await runWorld(world, 6000).catch((error) => {
        throw new Error(`seed ${seed}: ${(error as Error).message}`);
      });
      takeOvers += world.log.length;
    }
    // The runs are no proof if nothing ever happens in them.
    expect(takeOvers).toBeGreaterThan(RUNS / 5);
  }, 60_000);

  it('nor without a witness, where people order it', async () => {
    let takeOvers = 0;
    for (let seed = 1; seed <= RUNS; seed += 1) {
      const world = createWorld(seed + 1000, false);
      await runWorld(world, 300);
      for (let round = 0; round < 12; round += 1) {
        for (const member of Object.values(world.members)) {
          if (!member.up || world.random() < 0.6) continue;
          const own = member.right.kept().own;
          member.right.takeOver(world.now, { fenced: false });
          if (member.right.kept().own !== own) member.tookOver('order');
        }
        await runWorld(world, 400).catch((error) => {
          throw new Error(`seed ${seed + 1000}: ${(error as Error).message}`);
        });
      }
      takeOvers += world.log.length;
    }
    expect(takeOvers).toBeGreaterThan(RUNS / 2);
  }, 60_000);
});
