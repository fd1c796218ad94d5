/**
 * How long to wait for an answer before sending again: the estimator of RFC 6298, in milliseconds.
 *
 * A fixed second, as RFC 1350 servers use it, turns 1 % of loss into minutes: a boot file of 1 MiB is 715 blocks, and each
 * lost one would cost a second on a link that answers in a fifth of a millisecond. The wait follows what was measured,
 * doubles with each repetition, and never exceeds what the client asked for with the timeout option (RFC 2349).
 * Only unambiguous samples are given to it: what was sent twice measures nothing (Karn's rule, RFC 6298 section 3).
 */
import { limit } from '../limits.ts';

export interface RetransmitTimer {
  /** Smoothed round trip in milliseconds; `undefined` before the first sample. */
  readonly smoothedMs: number | undefined;
  sample(roundTripMs: number): void;
  /** The wait before the repetition number `tries` (0 is the first), at most `ceilingMs`. */
  waitMs(tries: number): number;
}

/** @param ceilingMs what the client asked for, or the default. */
export function createRetransmitTimer(ceilingMs: number): RetransmitTimer {
  const shortestMs = limit('tftpShortestWaitMs');
  let smoothed: number | undefined;
  let variation = 0;
  return {
    get smoothedMs() {
      return smoothed;
    },
    sample(roundTripMs) {
      if (smoothed === undefined) {
        smoothed = roundTripMs;
        variation = roundTripMs / 2;
        return;
      }
      variation += (Math.abs(smoothed - roundTripMs) - variation) / 4;
      smoothed += (roundTripMs - smoothed) / 8;
    },
    waitMs(tries) {
      const base =
        smoothed === undefined
          ? limit('tftpFirstWaitMs')
          : Math.max(shortestMs, smoothed + 4 * variation);
      return Math.min(base * 2 ** Math.min(tries, 16), ceilingMs);
    },
  };
}
