/**
 * By how much our time of day is ahead of the other appliance's: bounds, from what it says its time of day is.
 *
 * What it says is late by an unknown part of its way, which may be many seconds (behind the bytes of a copy, or of a network that
 * sends them again). So one message alone says only that we are ahead by no more than it seems. One that answers a word of ours says that
 * it was under way for no longer than the round trip, so the difference is no less than that either (as NTP has it, RFC 5905, 8). What
 * several say holds of all of them, as far as the two clocks keep pace. A message that cannot be true beside the ones before says
 * that a clock was set: it counts from there on, and they do not.
 */
export interface ClockReading {
  /** Times of day, in milliseconds: ours when it came, its own when it was sent. */
  readonly ours: number;
  readonly theirs: number;
  /** From when we said what it answers, without the time in which it had that (`roundTripMs`); undefined when it answers nothing. */
  readonly roundTripMs: number | undefined;
}

/** From `at` until `now` by our clock, without `heldMs` by the other one's, which may run faster than ours. */
export function roundTripMs(now: number, heard: { readonly at: number; readonly heldMs: number }) {
  return now - heard.at - heard.heldMs / (1 + DRIFT_SHARE);
}

/** Milliseconds; `least` is as low as `UNKNOWN_MS` below when nothing bounds it. */
export interface ClockBounds {
  readonly leastMs: number;
  readonly mostMs: number;
}

export interface ClockDifference {
  heard(reading: ClockReading, now: number): void;
  bounds(now: number): ClockBounds;
  /** Our own clock was set, as `afterSet` has it. */
  set(byMs: number, isKept: boolean): void;
}

/** Longer than any lease of which it could be asked whether it still runs. */
export const UNKNOWN_MS = 400 * 86_400_000;

/**
 * How much faster or slower than true time a clock may run while it is slewed: chrony's `maxslewrate` is 83,333 parts in a million
 * unless somebody sets it higher (chrony.conf(5)). The kernel's own discipline and adjtime(3), which systemd-timesyncd and ntpd use, slew by 500. The
 * clock that does not jump is slewed with the time of day.
 */
const SLEW_SHARE = 1 / 12;
/** By how much two clocks may part in a time that one of them measures, slewed in opposite directions, the measuring one slowly: 2/11. */
const DRIFT_SHARE = (2 * SLEW_SHARE) / (1 - SLEW_SHARE);
/** What is lost of a time of day in whole milliseconds. */
const ROUNDING_MS = 1;

/** @param from what was known, at this time of a clock that does not jump (`at`, as every `now` here) */
export function createClockDifference(from: ClockBounds, at: number): ClockDifference {
  let known = from;
  let knownAt = at;
  const bounds = (now: number): ClockBounds => {
    const driftMs = Math.max(0, now - knownAt) * DRIFT_SHARE;
    return { leastMs: known.leastMs - driftMs, mostMs: known.mostMs + driftMs };
  };
  return {
    bounds,
    heard({ ours, theirs, roundTripMs: wayMs = UNKNOWN_MS }, now) {
      const before = bounds(now);
      const mostMs = ours - theirs + ROUNDING_MS;
      const leastMs = mostMs - 2 * ROUNDING_MS - Math.max(0, wayMs) * (1 + DRIFT_SHARE);
      const both = {
        leastMs: Math.max(before.leastMs, leastMs),
        mostMs: Math.min(before.mostMs, mostMs),
      };
      known = both.leastMs <= both.mostMs ? both : { leastMs, mostMs };
      knownAt = now;
    },
    set(byMs, isKept) {
      known = afterSet(known, byMs, isKept);
    },
  };
}

/**
 * Our time of day went on by `byMs` more than the clock that does not jump; negative: by less, which is only when it was set back.
 * Forward it may have been set, or a virtual machine was paused, and the other clock went on, too: both hold of what is left, with what the
 * two may have parted by meanwhile. What was unknown stays so.
 *
 * @param isKept measured before the start, whose clock may have been ahead: set back it may be right again, and then so is what was measured
 */
export function afterSet(
  { leastMs, mostMs }: ClockBounds,
  byMs: number,
  isKept: boolean,
): ClockBounds {
  const driftMs = Math.max(0, byMs) * DRIFT_SHARE;
  return {
    leastMs: leastMs <= -UNKNOWN_MS ? leastMs : leastMs + Math.min(0, byMs) - driftMs,
    mostMs: mostMs >= UNKNOWN_MS || (isKept && byMs < 0) ? mostMs : mostMs + byMs + driftMs,
  };
}

/** For people: what it is most likely to be; 0 when nothing is known. */
export function likelyMs({ leastMs, mostMs }: ClockBounds): number {
  if (mostMs >= UNKNOWN_MS) return 0;
  return Math.round(mostMs - leastMs < UNKNOWN_MS / 2 ? (leastMs + mostMs) / 2 : mostMs);
}

/** Nothing has been heard of the other one. */
export const NOTHING_HEARD: ClockBounds = { leastMs: -UNKNOWN_MS, mostMs: UNKNOWN_MS };
