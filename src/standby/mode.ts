/**
 * What a member of a pair is to be now: which part of the daemon runs on it, and over which file.
 *
 * Who has the right is active. Everybody else serves from a copy while the active one is there; what is served when it is gone
 * for long is in docs/standby.md.
 */

export type Mode = 'active' | 'following' | 'apart' | 'waiting';

export interface Situation {
  /** It has the right, and has heard how things are. */
  readonly isActive: boolean;
  /** What it is. */
  readonly mode: Mode;
  /** The line to the other one: there, and of one that says that it is active. */
  readonly line: 'none' | 'open' | 'active';
  /** There is a file to serve from. */
  readonly hasCopy: boolean;
  /** The copy has been whole. */
  readonly wasWhole: boolean;
  /** Since it started, and since the active one was heard of: the shorter of the two. */
  readonly silentMs: number;
  /** Somebody has said how things are since the start, or nobody for long enough. */
  readonly oriented: boolean;
}

/** @param leaseMs how long a right lasts: the other one's has ended for certain after half as long again */
export function modeFor(now: Situation, leaseMs: number): Mode {
  if (now.isActive) return 'active';
  if (now.line === 'active') return 'following';
  if (!now.hasCopy) return 'waiting';
  switch (now.mode) {
    case 'active':
      return now.line === 'none' ? 'apart' : 'following';
    case 'apart':
      return 'apart';
    case 'following':
    case 'waiting':
      if (now.wasWhole && now.silentMs > 1.5 * leaseMs && now.oriented) return 'apart';
      return now.wasWhole ? 'following' : now.mode;
  }
}
