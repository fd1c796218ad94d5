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
  /** Two round trips: how long a better ACK than an ambiguous one may take. Never more than `waitMs(tries)`. */
  holdMs(tries: number): number;
  /** The wait before the repetition number `tries` (0 is the first), at most `ceilingMs`. */
  waitMs(tries: number): number;
}

/** @param ceilingMs what the client asked for, or the default. */
export function createRetransmitTimer(ceilingMs: number): RetransmitTimer {
  return new RetransmitClock(ceilingMs);
}

/** Fields, and no variables of a closure: each sample writes two numbers, which there would be two new objects. */
class RetransmitClock implements RetransmitTimer {
  private readonly ceilingMs: number;
  private readonly shortestMs = limit('tftpShortestWaitMs');
  private measured = false;
  private smooth = Number.NaN;
  private variation = Number.NaN;
  private latest = Number.NaN;

  constructor(ceilingMs: number) {
    this.ceilingMs = ceilingMs;
  }

  get smoothedMs(): number | undefined {
    return this.measured ? this.smooth : undefined;
  }

  sample(roundTripMs: number): void {
    this.latest = roundTripMs;
    if (!this.measured) {
      this.measured = true;
      this.smooth = roundTripMs;
      this.variation = roundTripMs / 2;
      return;
    }
    this.variation += (Math.abs(this.smooth - roundTripMs) - this.variation) / 4;
    this.smooth += (roundTripMs - this.smooth) / 8;
  }

  holdMs(tries: number): number {
    if (!this.measured) return this.waitMs(tries);
    // A first window takes longer than the options did before it, which the smoothed value is slow to tell.
    const ms = Math.max(limit('tftpHoldShortestMs'), 2 * this.smooth, 2 * this.latest);
    return Math.min(ms * 2 ** Math.min(tries, 16), this.waitMs(tries));
  }

  waitMs(tries: number): number {
    const base = this.measured
      ? Math.max(this.shortestMs, this.smooth + 4 * this.variation)
      : limit('tftpFirstWaitMs');
    return Math.min(tries === 0 ? base : base * 2 ** Math.min(tries, 16), this.ceilingMs);
  }
}
