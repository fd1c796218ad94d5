/** What messages that were under way for an unknown time say about the clock of who sent them. */
import { expect, it } from 'vitest';
import {
  createClockDifference,
  likelyMs,
  NOTHING_HEARD,
  roundTripMs,
  UNKNOWN_MS,
} from '../../../src/standby/clock-difference.ts';

/** Our time of day is ahead by `aheadMs`; messages take the time that they are given. */
function heard(aheadMs: number) {
  const world = { now: 1_000_000, aheadMs, pace: 0 };
  const clocks = createClockDifference(NOTHING_HEARD, world.now);
  return {
    world,
    bounds: () => clocks.bounds(world.now),
    hear(underWayMs: number, roundTripMs?: number): void {
      const sentAt = world.now;
      world.now += underWayMs;
      world.aheadMs += underWayMs * world.pace;
      const ours = world.now + world.aheadMs;
      clocks.heard({ ours, theirs: sentAt, roundTripMs }, world.now);
    },
  };
}

it('a message that answers nothing bounds the difference from above alone', () => {
  const { bounds, hear } = heard(500);
  expect(likelyMs(bounds())).toBe(0);
  hear(20);
  expect(bounds().mostMs).toBeCloseTo(521);
  expect(bounds().leastMs).toBeLessThan(-UNKNOWN_MS / 2);
  expect(likelyMs(bounds())).toBe(521);
});

it('a late message changes nothing of what those in time have said', () => {
  const { bounds, hear } = heard(-30_000);
  hear(2, 4);
  for (const late of [9000, 3000, 40]) hear(late, late + 3);
  const { leastMs, mostMs } = bounds();
  expect(leastMs).toBeLessThanOrEqual(-30_000);
  expect(mostMs).toBeGreaterThanOrEqual(-30_000);
  // Of which is left what the two may have parted by in twelve seconds.
  expect(mostMs - leastMs).toBeLessThan(5000);
  hear(1, 2);
  expect(Math.abs(likelyMs(bounds()) + 30_000)).toBeLessThanOrEqual(2);
});

it('a clock that is set counts from the next message in time on', () => {
  const { world, bounds, hear } = heard(0);
  hear(1, 2);
  world.aheadMs = 60_000;
  hear(1, 2);
  expect(Math.abs(likelyMs(bounds()) - 60_000)).toBeLessThanOrEqual(2);
  world.aheadMs = -60_000;
  // Late itself: what is known of it is as wide as it was late.
  hear(5000, 5001);
  expect(bounds().mostMs).toBeCloseTo(-54_999);
  expect(bounds().leastMs).toBeLessThanOrEqual(-60_000);
  hear(1, 2);
  expect(Math.abs(likelyMs(bounds()) + 60_000)).toBeLessThanOrEqual(2);
});

it('what was known grows uncertain by what two clocks may part in a time', () => {
  const { world, bounds, hear } = heard(100);
  hear(1, 2);
  world.now += 3_600_000;
  expect(bounds().mostMs - bounds().leastMs).toBeGreaterThan(7200);
  expect(bounds().leastMs).toBeLessThan(100);
  expect(bounds().mostMs).toBeGreaterThan(100);
});

it('holds the truth, whatever is late', () => {
  let state = 7;
  const random = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const { world, bounds, hear } = heard(1234);
  for (let step = 0; step < 5000; step += 1) {
    const way = random() < 0.1 ? Math.floor(random() * 20_000) : Math.floor(random() * 5);
    // Slewed in opposite directions, as fast as chrony does it.
    world.pace = (random() - 0.5) * (4 / 11);
    hear(way, random() < 0.2 ? undefined : way + Math.floor(random() * 5));
    const { leastMs, mostMs } = bounds();
    expect(leastMs).toBeLessThanOrEqual(world.aheadMs + 1);
    expect(mostMs).toBeGreaterThanOrEqual(world.aheadMs - 1);
  }
});

it('our own clock that is set back moves what was known with it', () => {
  const clocks = createClockDifference({ leastMs: -5, mostMs: 7 }, 0);
  clocks.set(-60_000, false);
  expect(clocks.bounds(0)).toEqual({ leastMs: -60_005, mostMs: -59_993 });
});

it('one that goes forward was set, or the machine was suspended: both hold', () => {
  const clocks = createClockDifference({ leastMs: -5, mostMs: 7 }, 0);
  clocks.set(66_000, false);
  // And the other one's was slewed meanwhile.
  expect(clocks.bounds(0)).toEqual({ leastMs: -12_005, mostMs: 78_007 });
});

it('what nothing is known of stays so when our own clock is set', () => {
  const clocks = createClockDifference(NOTHING_HEARD, 0);
  for (const byMs of [-60_000, 60_000]) clocks.set(byMs, false);
  expect(clocks.bounds(0)).toEqual(NOTHING_HEARD);
});

it('what the other one held back it measured by its own clock, which may have run faster', () => {
  // Held for a second of ours, in which a clock that is slewed to run by 2/11 faster counts more.
  expect(roundTripMs(10_000, { at: 8000, heldMs: 1000 * (13 / 11) })).toBeCloseTo(1000);
  expect(roundTripMs(10_000, { at: 8000, heldMs: 1000 })).toBeGreaterThan(1000);
});
