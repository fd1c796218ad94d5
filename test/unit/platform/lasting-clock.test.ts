/** A clock that no setting of the time of day moves, and no suspension of the machine stops. */
import { uptime } from 'node:os';
import { expect, it } from 'vitest';
import { createLastingClock, lastingMs } from '../../../src/platform/lasting-clock.ts';

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

it('is the one of the machine', async () => {
  // The machine's own before and after it, however long that takes.
  const look = () => [uptime() * 1000, lastingMs(), uptime() * 1000] as const;
  const [first, before, then] = look();
  await new Promise((resolve) => setTimeout(resolve, 200));
  const [from, after, to] = look();
  expect(after - before).toBeGreaterThan(from - then - 50);
  expect(after - before).toBeLessThan(to - first + 50);
});
