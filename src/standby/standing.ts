/**
 * What follows for addresses from how the two stand: pure, over what a member keeps on disk of it.
 *
 * Times are of the member's own time of day. `wholeFrom` is when everything has ended that the other one may have promised
 * unheard; with `fenced`, that it promises nothing more is known without meeting it.
 */
import type { Millis } from '../wire/time.ts';
import type { Other, Standing } from './gate.ts';
import type { Member } from './witness.ts';

export interface Apartness {
  /** While the other one does not hear of what is promised: what it knew for sure was of then. */
  readonly since: number;
  /** What ran then the other one may have renewed unheard, until `wholeFrom`. */
  readonly owedSince: number;
  /** What was given before, and is not unsure, it knows. */
  readonly lostAt: number;
  readonly wholeFrom: number;
  readonly fenced: boolean;
  /** Something was promised since that the other one has not heard of. */
  readonly unheard: boolean;
  /** Until then what was promised unheard may run, although the database that had it was given up. */
  readonly quietUntil: number;
  /** There is no other one, or a person knows that it is off: not that it has no right any more, but that it says nothing. */
  readonly off: boolean;
}

export const TOGETHER: Apartness = {
  ...{
    since: 0,
    owedSince: 0,
    lostAt: 0,
    wholeFrom: 0,
    fenced: false,
    unheard: false,
    quietUntil: 0,
  },
  off: false,
};

/** Not before the other one has been met. */
export const NEVER = Number.MAX_SAFE_INTEGER;

export interface Now {
  readonly member: Member;
  readonly active: boolean;
  /** The other one has everything, and is waited for. */
  readonly current: boolean;
  /** Our database is a copy of the newest active one's. */
  readonly follows: boolean;
  /** Of one that is not active: is the active one there? */
  readonly inTouch: boolean;
  readonly witness: boolean;
  readonly now: number;
}

export function standingOf(kept: Apartness, state: Now): Standing {
  const { member, active, current, follows, inTouch, now } = state;
  const quiet = now < kept.quietUntil;
  if (!active) return { mode: 'read-only', follows, inTouch, quiet };
  if (now >= kept.wholeFrom && (kept.fenced || current))
    return { mode: 'whole', heard: current, alone: kept.off && !current, quiet };
  const other: Other = now < kept.wholeFrom ? 'owes' : 'silent';
  return {
    ...{ mode: 'half', quiet, member, other: state.witness ? other : 'rival' },
    ...{ since: kept.since as Millis, lostAt: kept.lostAt as Millis },
    ranAt: ranAt(kept, state) as Millis,
  };
}

/** What ran then the other one may have renewed: nothing, once it is known to be silent, beyond what the clocks differ by. */
function ranAt(kept: Apartness, { witness, now }: Pick<Now, 'witness' | 'now'>): number {
  if (now < kept.wholeFrom) return Math.min(kept.owedSince, kept.since);
  return witness ? now - DOUBT_MS : kept.since;
}

const DOUBT_MS = 2000;

/** After a crash nobody noted the loss: then it was no later than when the two were surely in touch. */
export function afterStart(
  kept: Apartness,
  { touchAt, doubtMs }: Pick<TakingOver, 'touchAt' | 'doubtMs'>,
): Apartness {
  const at = touchAt - doubtMs;
  if (at <= kept.lostAt || kept.fenced || kept.unheard) return kept;
  return { ...kept, since: at, owedSince: owedSince(kept, at), lostAt: at };
}

/** While something may run that the other one has promised unheard, it may be more than what ran at this loss. */
const owedSince = (kept: Apartness, at: number): number =>
  at < kept.wholeFrom ? Math.min(kept.owedSince, at) : at;

/** Somebody else is active now, and our database is going to be a copy of that one's. */
export function afterSteppingDown(
  kept: Apartness,
  { now, mcltMs }: Pick<TakingOver, 'now' | 'mcltMs'>,
): Apartness {
  return { ...kept, unheard: false, quietUntil: kept.unheard ? now + mcltMs : kept.quietUntil };
}

export interface TakingOver {
  /** The witness gave the right; the other one handed it over; a person knows that it is off; a person wants it. */
  readonly by: 'witness' | 'handed' | 'fenced' | 'order';
  readonly now: number;
  /** When the two were last in touch. */
  readonly touchAt: number;
  readonly mcltMs: number;
  /** By how much less than `touchAt` is surely known. */
  readonly doubtMs: number;
  /** Our database is not surely the newest one: what the other one gave since it knew nothing of us may be anywhere in the pools. */
  readonly stale: boolean;
}

/** What a member keeps when it becomes active. */
export function afterTakeOver(
  kept: Apartness,
  { by, now, touchAt, mcltMs, doubtMs, stale }: TakingOver,
): Apartness {
  const quietUntil = stale ? Math.max(kept.quietUntil, now + mcltMs) : kept.quietUntil;
  const since = (by === 'handed' ? now : touchAt) - doubtMs;
  const wholeFrom = by === 'handed' ? 0 : by === 'order' ? NEVER : now + mcltMs;
  const fenced = by === 'witness' || by === 'fenced';
  // What ends this very moment by the other one's clock is over.
  const lostAt = now + DOUBT_MS;
  const unknown = { since, owedSince: since, lostAt, wholeFrom, unheard: true, quietUntil };
  return { ...unknown, fenced, off: by === 'fenced' };
}

/** What the active one keeps when the line is lost. */
export function afterLoss(
  kept: Apartness,
  { now, touchAt, doubtMs }: Pick<TakingOver, 'now' | 'touchAt' | 'doubtMs'>,
): Apartness {
  const since = Math.min(now, touchAt) - doubtMs;
  return { ...kept, since, owedSince: owedSince(kept, since), lostAt: now, unheard: true };
}

/**
 * Whether the other one, as it says of itself when the two meet, may have promised what we have not heard of. One that had not heard of our
 * right may have served by its own until now; also if it is not active at this moment, because it was started anew. With a witness its own was over before ours began.
 *
 * @param ours the epoch that we had a right of before
 */
export function mayHaveServed(
  {
    own,
    epoch,
    active,
  }: { readonly own: number; readonly epoch: number; readonly active: boolean },
  ours: { readonly own: number; readonly witness: boolean },
): boolean {
  if (active) return own > 0 && epoch <= ours.own;
  return !ours.witness && own > 0 && own === epoch && epoch < ours.own;
}

/**
 * What the active one keeps when it meets the other one: who was active beside us, under whatever right, may have promised what we
 * have not heard of, for as long as the maximum client lead time.
 */
export function afterMeeting(
  kept: Apartness,
  { now, mcltMs, wasActive }: { now: number; mcltMs: number; wasActive: boolean },
): Apartness {
  if (!wasActive && kept.wholeFrom !== NEVER && !kept.off) return kept;
  const owes = wasActive || kept.wholeFrom === NEVER;
  return {
    ...{ ...kept, off: false, wholeFrom: owes ? now + mcltMs : kept.wholeFrom },
    fenced: wasActive ? false : kept.fenced,
  };
}
