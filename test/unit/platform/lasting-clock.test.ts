/** A clock that no setting of the time of day moves, and no suspension of the machine stops. */
import { uptime } from 'node:os';
import { expect, it } from 'vitest';
import { aheadOf, createLastingClock, lastingMs } from '../../../src/platform/lasting-clock.ts';

function machine() {
  const now = { awake: 500, wall: 1_700_000_000_000, boot: 90_000, asked: 0 };
  const go = (ms: number, suspended = false): void => {
    if (!suspended) now.awake += ms;
    now.wall += ms;
    now.boot += ms;
  };
  const clock = createLastingClock({
    awakeMs: () => now.awake,
    wallMs: () => now.wall,
    bootMs() {
      now.asked += 1;
      // In hundredths of a second, as the file says it.
      return Math.floor(now.boot / 10) * 10;
    },
  });
  return { now, go, clock };
}

it('goes on with the machine, and while that is suspended', () => {
  const { go, clock } = machine();
  const from = clock();
  go(1000);
  expect(clock() - from).toBe(1000);
  for (const suspendedMs of [600, 3_600_000]) {
    const before = clock();
    go(suspendedMs, true);
    go(250);
    expect(Math.abs(clock() - before - suspendedMs - 250)).toBeLessThanOrEqual(10);
  }
});

it('is moved by nobody who sets the time of day, forward or back, also by as much as it slept', () => {
  const { now, go, clock } = machine();
  const from = clock();
  for (const byMs of [3_600_000, -7_200_000, 400]) {
    now.wall += byMs;
    go(100);
  }
  expect(clock() - from).toBe(300);
  go(5000, true);
  now.wall += 60_000;
  expect(Math.abs(clock() - from - 5300)).toBeLessThanOrEqual(10);
});

it('reads no file while the time of day goes with it', () => {
  const { now, go, clock } = machine();
  const { asked } = now;
  for (let time = 0; time < 100; time += 1) {
    go(50);
    clock();
  }
  expect(now.asked).toBe(asked);
});

it('reads clocks so often at most between which something always comes, and goes by the closest', () => {
  const now = { awake: 0, asked: 0 };
  const delays = [40, 9, 12, 30];
  const other = () => {
    const there = now.awake + 1000;
    now.awake += delays[now.asked % delays.length] ?? 0;
    now.asked += 1;
    return there;
  };
  expect(aheadOf(() => now.awake, other)).toBe(1000);
  expect(now.asked).toBe(20);
  // Held up before the other one is read: by no more than in the reading in which it was held up least.
  let time = 0;
  const late = () => {
    time += 20 + (time % 7);
    return time + 1000;
  };
  expect(aheadOf(() => time, late)).toBeLessThanOrEqual(1027);
});

it('knows of a suspension on a machine that is never free, too', () => {
  const now = { awake: 0, wall: 1_700_000_000_000, boot: 0 };
  const go = (ms: number): void => {
    now.awake += ms;
    now.wall += ms;
    now.boot += ms;
  };
  const slow = (of: 'awake' | 'wall' | 'boot') => () => {
    go(7);
    return now[of];
  };
  const clock = createLastingClock({
    ...{ awakeMs: slow('awake'), wallMs: slow('wall'), bootMs: slow('boot') },
  });
  const from = clock() - now.awake;
  now.wall += 3_600_000;
  now.boot += 3_600_000;
  const since = clock() - now.awake - from;
  expect(Math.abs(since - 3_600_000)).toBeLessThan(50);
});

it('is the one of the machine', async () => {
  // The machine's own before and after it, however long that takes.
  const look = () => [uptime() * 1000, lastingMs(), uptime() * 1000] as const;
  const [first, before, then] = look();
  await new Promise((resolve) => setTimeout(resolve, 200));
  const [from, after, to] = look();
  expect(after - before).toBeGreaterThan(from - then - 50);
  expect(after - before).toBeLessThan(to - first + 50);
});
