/**
 * Session sequence numbers (IPMI 2.0 sections 6.12.9 and 6.12.13): counted up for each packet sent, repetitions included,
 * and a sliding window over those received.
 *
 * What is outside the window or was seen before is dropped. How far ahead a packet may be is up to the caller: a BMC
 * keeps to 15 as the specification says; a console takes any later number, because it only asks after the code has been
 * verified, and a strict limit would end a session whose replies were lost sixteen times in a row.
 */

/** Counts 1, 2, ... 0xffffffff, 1: zero is kept for packets outside sessions. */
export function createCounter(first = 1): () => number {
  let next = first >>> 0;
  return () => {
    const value = next;
    next = (next + 1) >>> 0 || 1;
    return value;
  };
}

export interface SequenceWindow {
  /** Whether this number is new and inside the window; if so it is remembered. */
  accept(sequence: number): boolean;
}

const BEHIND = 16;
/** Half of the number space: more than this ahead is behind. */
export const ANY_AHEAD = 0x7fffffff;

export function createWindow({ ahead }: { ahead: number }): SequenceWindow {
  let highest: number | undefined;
  /** Bit n: the number `highest - n` was seen. */
  let seen = 0;
  return {
    accept(sequence) {
      if (sequence === 0) return false;
      if (highest === undefined) {
        highest = sequence;
        seen = 1;
        return true;
      }
      const distance = (sequence - highest) | 0;
      if (distance > ahead) return false;
      if (distance > 0) {
        seen = distance > BEHIND ? 1 : ((seen << distance) | 1) & 0x1ffff;
        highest = sequence;
        return true;
      }
      const bit = -distance > BEHIND ? 0 : 1 << -distance;
      if (bit === 0 || seen & bit) return false;
      seen |= bit;
      return true;
    },
  };
}
