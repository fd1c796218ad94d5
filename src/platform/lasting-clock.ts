/**
 * Milliseconds by a clock that does not jump, and that goes on while the machine is suspended, as true time does.
 *
 * Node's own (`performance.now()`, CLOCK_MONOTONIC) stands still meanwhile. What counts the time of a suspension is CLOCK_BOOTTIME, which
 * `os.uptime()` reads from /proc/uptime: a file, in hundredths of a second. It is asked only when the time of day and Node's clock have
 * parted: they do so at the end of a suspension, which the kernel adds to both CLOCK_BOOTTIME and the time of day, and when somebody sets
 * that, which does not count. A virtual machine whose host has stopped it has no clock that tells: to all of them no time went by.
 */
import { uptime } from 'node:os';

export interface Clocks {
  /** CLOCK_MONOTONIC from any moment on. */
  awakeMs(): number;
  /** The time of day. */
  wallMs(): number;
  /** CLOCK_BOOTTIME. */
  bootMs(): number;
}

const SYSTEM: Clocks = {
  awakeMs: () => performance.now(),
  wallMs: () => Date.now(),
  bootMs: () => uptime() * 1000,
};

/** So little is not looked at. A right that is not renewed is held for others for half a second longer at least (`witness.ts`). */
const PARTED_MS = 100;
/** The reading of a file, and its hundredths of a second; no clock is behind. */
const COARSE_MS = 50;
/** Clocks that were read one after the other, with nothing between them that counts. */
const AT_ONCE_MS = 5;
/** So often they are read at most: on a machine so busy that something comes between each time, the closest reading has to do. */
const READINGS_MAX = 20;

/**
 * By how much another clock is ahead of one, in milliseconds. A process may be held up between the two readings: then they are read
 * again. What it says is too much by as much as was between them, and never too little.
 */
export function aheadOf(one: () => number, other: () => number): number {
  let [closestMs, aheadMs] = [Number.POSITIVE_INFINITY, 0];
  for (let reading = 0; reading < READINGS_MAX; reading += 1) {
    const before = one();
    const there = other();
    const betweenMs = one() - before;
    if (betweenMs < AT_ONCE_MS) return there - before;
    if (betweenMs < closestMs) [closestMs, aheadMs] = [betweenMs, there - before];
  }
  return aheadMs;
}

export function createLastingClock(clocks: Clocks = SYSTEM): () => number {
  const { awakeMs, wallMs, bootMs } = clocks;
  let wallAhead = aheadOf(awakeMs, wallMs);
  const bootAhead = aheadOf(awakeMs, bootMs);
  let suspendedMs = 0;
  return () => {
    const now = awakeMs();
    const aheadMs = wallMs() - now;
    if (Math.abs(aheadMs - wallAhead) >= PARTED_MS) {
      wallAhead = aheadOf(awakeMs, wallMs);
      const sinceMs = aheadOf(awakeMs, bootMs) - bootAhead;
      if (sinceMs - suspendedMs >= COARSE_MS) suspendedMs = sinceMs;
    }
    return awakeMs() + suspendedMs;
  };
}

/** The one of this process. */
export const lastingMs: () => number = createLastingClock();

const startedAt = lastingMs();

/** For how long this process runs. */
export const runMs = (): number => lastingMs() - startedAt;
