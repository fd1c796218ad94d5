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
  /** The other one was not told more after that: what ran longer it does not think to be over. */
  readonly lostAt: number;
  /** What was given before, and is not unsure, it knows. */
  readonly knownAt: number;
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
    knownAt: 0,
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
    knownAt: kept.knownAt as Millis,
    ranAt: ranAt(kept, state) as Millis,
  };
}

/** What ran then the other one may have renewed: nothing, once it is known to be silent, beyond what the clocks differ by. */
function ranAt(kept: Apartness, { witness, now }: Pick<Now, 'witness' | 'now'>): number {
  if (now < kept.wholeFrom) return Math.min(kept.owedSince, kept.since);
  return witness ? now - DOUBT_MS : kept.since;
}

const DOUBT_MS = 2000;

/**
 * After a crash nobody noted the loss: it was no sooner than when the two were surely in touch, and no later than now. What was entered
 * between the two is taken for unknown to the other one, and what ended between them for over.
 */
export function afterStart(
  kept: Apartness,
  { now, touchAt, doubtMs }: Pick<TakingOver, 'now' | 'touchAt' | 'doubtMs'>,
): Apartness {
  if (touchAt === 0 || kept.fenced || kept.unheard) return kept;
  const at = touchAt - doubtMs;
  // Nor was it sooner than they were in touch, when the clock is behind.
  const lostAt = Math.max(kept.lostAt, now, touchAt);
  const known = { knownAt: Math.max(kept.knownAt, at), lostAt };
  if (at <= kept.since) return { ...kept, ...known };
  return { ...kept, ...known, since: at, owedSince: owedSince(kept, at) };
}

/** While something may run that the other one has promised unheard, it may be more than what ran at this loss. */
const owedSince = (kept: Apartness, at: number): number =>
  at < kept.wholeFrom ? Math.min(kept.owedSince, at) : at;

/**
 * At a start, when the time of day may be behind (of a machine whose clock has no battery, by years): nothing is ever to last for longer than the
 * maximum client lead time. What is put off when that clock is set right then lasts no longer than it would have from the start on.
 */
export function afterBoot<Kept extends Apartness>(
  kept: Kept,
  { now, mcltMs }: Pick<TakingOver, 'now' | 'mcltMs'>,
): Kept {
  const latest = now + mcltMs;
  return {
    ...kept,
    wholeFrom: kept.wholeFrom === NEVER ? NEVER : Math.min(kept.wholeFrom, latest),
    quietUntil: Math.min(kept.quietUntil, latest),
  };
}

/** The other one has everything. No loss of before was later than now, whatever a clock that was set forward and back has noted of it. */
export function afterWhole(
  { lostAt }: Pick<Apartness, 'lostAt'>,
  now: number,
): Pick<Apartness, 'fenced' | 'off' | 'unheard' | 'lostAt'> {
  return { fenced: false, off: false, unheard: false, lostAt: Math.min(lostAt, now) };
}

/**
 * Somebody else is active now, and our database is going to be a copy of that one's. Until it is, it is our own, and what was given last
 * in it the other one may never have heard of.
 */
export function afterSteppingDown(
  kept: Apartness,
  { now, mcltMs, touchAt, doubtMs }: Pick<TakingOver, 'now' | 'mcltMs' | 'touchAt' | 'doubtMs'>,
): Apartness {
  if (kept.unheard) return { ...kept, unheard: false, quietUntil: now + mcltMs };
  return { ...kept, knownAt: Math.max(kept.knownAt, touchAt - doubtMs) };
}

/**
 * Our time of day was set to `now`, forward by `byMs` or (negative) back. What has to last goes on for as long as it would have, and moments with which
 * leases are compared go with those (`lease-clock.ts`): what is of the future when it is set forward was noted by a clock that was right.
 * Set back, leases of before the start stay, and none of those is to seem to have run at the loss that did not.
 *
 * @param runMs for how long this program runs
 * @param longestMs no lease is longer
 */
export function afterClockSet<Kept extends Apartness & { readonly touchAt: number }>(
  kept: Kept,
  { byMs, now, runMs, longestMs }: ClockSet,
): Kept {
  const put = (until: number) => (until === 0 || until === NEVER ? until : until + byMs);
  const moved = (at: number) => (at === 0 || (byMs > 0 && at > now - byMs) ? at : at + byMs);
  const { since, owedSince, lostAt, knownAt, touchAt } = kept;
  // It was no later than now, and what runs for longer is all that this is asked for.
  const lost =
    byMs > 0
      ? Math.max(lostAt, Math.min(lostAt + byMs, now + DOUBT_MS))
      : Math.min(lostAt, Math.max(lostAt + byMs, now - runMs + longestMs));
  return {
    ...{ ...kept, quietUntil: put(kept.quietUntil), wholeFrom: put(kept.wholeFrom) },
    ...{ since: moved(since), owedSince: moved(owedSince), knownAt: moved(knownAt) },
    ...{ lostAt: lostAt === 0 ? 0 : lost, touchAt: moved(touchAt) },
  };
}

interface ClockSet {
  readonly byMs: number;
  readonly now: number;
  readonly runMs: number;
  readonly longestMs: number;
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
  /**
   * Our database is no copy: we have served in it before. What we entered since the other one last had everything it does not
   * know, nor does the client, where the acknowledgement did not leave.
   */
  readonly original: boolean;
}

/** What a member keeps when it becomes active. */
export function afterTakeOver(
  kept: Apartness,
  { by, now, touchAt, mcltMs, doubtMs, stale, original }: TakingOver,
): Apartness {
  const quietUntil = stale ? Math.max(kept.quietUntil, now + mcltMs) : kept.quietUntil;
  const since = (by === 'handed' ? now : touchAt) - doubtMs;
  const wholeFrom = by === 'handed' ? 0 : by === 'order' ? NEVER : now + mcltMs;
  const fenced = by === 'witness' || by === 'fenced';
  // What ends this very moment by the other one's clock is over. All that is in a copy that one knows.
  const lostAt = now + DOUBT_MS;
  const knownAt = original ? Math.min(kept.knownAt, now) : lostAt;
  const unknown = { since, owedSince: since, lostAt, knownAt, wholeFrom, unheard: true };
  return { ...unknown, quietUntil, fenced, off: by === 'fenced' };
}

/** What the active one keeps when the line is lost. */
export function afterLoss(
  kept: Apartness,
  { now, touchAt, doubtMs }: Pick<TakingOver, 'now' | 'touchAt' | 'doubtMs'>,
): Apartness {
  const since = Math.min(now, touchAt) - doubtMs;
  const lost = { lostAt: now, knownAt: now, unheard: true };
  return { ...kept, ...lost, since, owedSince: owedSince(kept, since) };
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
  const isUnmet = kept.wholeFrom === NEVER;
  // What it said is late: until it says that it has heard of our right, it may go on by its own.
  if (wasActive && isUnmet) return { ...kept, off: false, fenced: false };
  return {
    ...{ ...kept, off: false, wholeFrom: wasActive || isUnmet ? now + mcltMs : kept.wholeFrom },
    fenced: wasActive ? false : kept.fenced,
  };
}
