/**
 * On what footing a member of a pair gives addresses: `standing.ts` over the file that it keeps. Each step is on disk before
 * anything is promised that follows from it.
 */
import { limit } from '../limits.ts';
import { aheadOf, lastingMs } from '../platform/lasting-clock.ts';
import type { Log } from '../platform/log.ts';
import {
  afterSet,
  type ClockBounds,
  type ClockDifference,
  createClockDifference,
  NOTHING_HEARD,
} from '../standby/clock-difference.ts';
import type { Standing } from '../standby/gate.ts';
import { isNewest, type KeptRight } from '../standby/kept-right.ts';
import type { Right } from '../standby/right.ts';
import type { StandbySettings } from '../standby/settings.ts';
import {
  afterBoot,
  afterClockSet,
  afterLoss,
  afterMeeting,
  afterStart,
  afterSteppingDown,
  afterTakeOver,
  afterWhole,
  type Now,
  standingOf,
  type TakingOver,
} from '../standby/standing.ts';
import type { PairState, PairStateFile } from './standby-state.ts';

export interface FootingParts {
  readonly settings: Pick<StandbySettings, 'member' | 'witness'>;
  readonly mcltMs: number;
  /** No lease is longer. */
  readonly longestMs: number;
  readonly state: PairStateFile;
  readonly right: Pick<Right, 'kept' | 'follows' | 'source'>;
  readonly log: Pick<Log, 'warn'>;
  readonly clocks?: FootingClocks;
}

export interface FootingClocks {
  /** The time of day. */
  wall(): number;
  /** Of one that does not jump. */
  mono(): number;
}

const SYSTEM: FootingClocks = { wall: () => Date.now(), mono: lastingMs };

export interface Footing {
  /** Before anything is written with a time of day that has to last: whether that was set. */
  look(): void;
  /**
   * Was our time of day set since this was last asked? What lasts until a time of day was put off by as much, so that no clock that
   * somebody sets forward ends it sooner; the other one has to measure the difference anew.
   */
  wasSet(): boolean;
  /** `active`: as the active daemon that runs here; `inTouch`: with the one that is. */
  standing(now: Pick<Now, 'active' | 'current' | 'inTouch'>): Standing;
  /** Another line begins: the clock of either may have been set since the last one. */
  begins(): void;
  /** Something was heard of the other one. `inStepAt`: and each had what the other one has then, by the clock that does not jump. */
  touched(reading: Reading, inStepAt: number | undefined): void;
  /** By how much our time of day is ahead of the one by which our copy may have been written: the other one's now, or of before this line. */
  ahead(): ClockBounds;
  /** By how much it is ahead of the other one's, as it is now. */
  aheadNow(): ClockBounds;
  /** Our copy has everything, by the time of day that was measured on this line. */
  copied(): void;
  /** It has become the newest epoch's. */
  tookOver(by: TakingOver['by'], why: string): void;
  /**
   * The line is gone, under an active daemon, since so long: it may not have been possible to note it at once. `unsure`: promised without
   * the other one's word, if it had everything else.
   */
  lost(unsure: string[] | undefined, agoMs?: number): void;
  /** As the active one: the line is there again. */
  met(wasActive: boolean): void;
  /** The follower has everything. */
  whole(): void;
}

/** What the other one says of its time of day. */
export interface Reading {
  readonly clock: number;
  readonly roundTripMs: number | undefined;
}

const DOUBT_MS = limit('standbyDoubtMs');
/** A difference of the clocks that is news; and by how much ours has moved against the one that does not jump when it was set. */
const CLOCK_MS = 500;

/** By how much the time of day is ahead of the clock that does not jump. */
const offsetMs = ({ wall, mono }: FootingClocks): number => aheadOf(mono, wall);

/**
 * A right is on disk with what follows from it. A new epoch of our own with the least that it can mean: a crash before it is known why
 * it was begun promises nothing. One that is lost with what was promised here and not heard of, which is not forgotten with the
 * database.
 */
export function withRight(
  state: PairState,
  right: KeptRight,
  { mcltMs, now, ...from }: Pick<TakingOver, 'mcltMs' | 'now' | 'stale' | 'original'>,
): Partial<PairState> {
  const longest = Math.max(mcltMs, state.leadMs);
  const how = { touchAt: state.touchAt, doubtMs: DOUBT_MS, now, mcltMs: longest };
  if (right.own === state.right.own) {
    const isLost = isNewest(state.right) && !isNewest(right);
    return { ...(isLost && afterSteppingDown(state, how)), right };
  }
  return { ...afterTakeOver(state, { ...how, ...from, by: 'order' }), right };
}

/** What was promised under a longer lead time runs for that, also after a start with a shorter one, until all that was unheard is over. */
function leadOf({ leadMs, wholeFrom, quietUntil }: PairState, mcltMs: number, now: number): number {
  return now < Math.max(wholeFrom, quietUntil) ? Math.max(leadMs, mcltMs) : mcltMs;
}

export function openFooting(parts: FootingParts): Footing {
  const { settings, state, right, log, clocks: system = SYSTEM } = parts;
  const { wall, mono } = system;
  let notedAt = Number.NEGATIVE_INFINITY;
  let clocks = createClockDifference(...keptClocks(state.get(), system));
  /** Of the line before, until our copy is known to be by the clock as it was measured on this one. */
  let before: ClockDifference | undefined;
  // After a restart the time of day is all that there is to go by.
  let offset = offsetMs(system);
  let isSet = false;
  const startedAt = mono();
  /** Of the difference of the clocks something counts still that was measured before the start. */
  let isKept = true;
  const mcltMs = leadOf(state.get(), parts.mcltMs, wall());
  const ahead = (now: number): ClockBounds => {
    const [is, was] = [clocks.bounds(now), before?.bounds(now)];
    if (!was) return is;
    return { leastMs: Math.min(is.leastMs, was.leastMs), mostMs: Math.max(is.mostMs, was.mostMs) };
  };
  const look = (): void => {
    const now = offsetMs(system);
    const byMs = Math.round(now - offset);
    if (Math.abs(byMs) < CLOCK_MS) return;
    // On disk first: what could not be written is noticed again, and in full.
    const kept = state.get();
    const { leastMs, mostMs } = afterSet(keptBounds(kept), byMs, isKept);
    const bounds = { aheadMs: Math.ceil(mostMs), leastAheadMs: Math.floor(leastMs) };
    const clockSetMs = (kept.clockSetMs ?? 0) + byMs;
    const set = { byMs, now: wall(), runMs: mono() - startedAt, longestMs: parts.longestMs };
    state.put({ ...afterClockSet(kept, set), ...bounds, clockSetMs });
    clocks.set(byMs, isKept && !before);
    before?.set(byMs, isKept);
    [offset, isSet] = [offset + byMs, true];
    log.warn({ byMs }, 'the time of day was set');
  };
  const started = { now: wall(), mcltMs, touchAt: state.get().touchAt, doubtMs: DOUBT_MS };
  state.put({ ...afterStart(afterBoot(state.get(), started), started), leadMs: mcltMs });
  return {
    look,
    wasSet() {
      look();
      const was = isSet;
      isSet = false;
      return was;
    },
    standing(how) {
      look();
      return standingOf(state.get(), {
        ...{ ...how, member: settings.member, witness: settings.witness },
        ...{ now: wall(), follows: right.follows() },
      });
    },
    begins() {
      const now = mono();
      before = createClockDifference(ahead(now), now);
      clocks = createClockDifference(NOTHING_HEARD, now);
    },
    touched({ clock, roundTripMs }, inStepAt) {
      look();
      const now = mono();
      clocks.heard({ ours: wall(), theirs: clock, roundTripMs }, now);
      const { leastMs, mostMs } = ahead(now);
      const next = { aheadMs: Math.ceil(mostMs), leastAheadMs: Math.floor(leastMs) };
      const isDue = inStepAt !== undefined && now - notedAt >= limit('standbyNoteMs');
      if (!isDue && !isNews(state.get(), next)) return;
      if (inStepAt === undefined) return state.put(next);
      notedAt = now;
      state.put({ ...next, touchAt: Math.floor(wall() - now + inStepAt) });
    },
    ahead: () => ahead(mono()),
    aheadNow: () => clocks.bounds(mono()),
    copied() {
      [before, isKept] = [undefined, false];
    },
    tookOver(by, why) {
      look();
      const { touchAt } = state.get();
      const how = { by, touchAt, doubtMs: DOUBT_MS, now: wall(), mcltMs };
      const apart = afterTakeOver(state.get(), { ...how, ...right.source() });
      state.put({ ...apart, why });
      log.warn({ why, epoch: right.kept().epoch }, 'this appliance takes over');
    },
    lost(unsure, agoMs = 0) {
      look();
      if (!unsure) return state.put({ unheard: true });
      const { touchAt } = state.get();
      const loss = { now: wall() - agoMs, touchAt, doubtMs: DOUBT_MS };
      state.put({ ...afterLoss(state.get(), loss), unsure });
    },
    met(wasActive) {
      look();
      const after = afterMeeting(state.get(), { now: wall(), mcltMs, wasActive });
      if (after !== state.get()) state.put(after);
    },
    whole() {
      [before, isKept] = [undefined, false];
      state.put(afterWhole(state.get(), wall()));
    },
  };
}

type KeptClocks = Pick<PairState, 'aheadMs' | 'leastAheadMs' | 'touchAt'>;

const isNews = (before: KeptClocks, now: Pick<KeptClocks, 'aheadMs' | 'leastAheadMs'>): boolean =>
  Math.abs(now.aheadMs - before.aheadMs) >= CLOCK_MS ||
  Math.abs(now.leastAheadMs - before.leastAheadMs) >= CLOCK_MS;

const keptBounds = (kept: Omit<KeptClocks, 'touchAt'>): ClockBounds => ({
  leastMs: kept.leastAheadMs,
  mostMs: kept.aheadMs,
});

/** As they were when the two were in touch last, with what they may have parted since. */
function keptClocks(kept: KeptClocks, { wall, mono }: FootingClocks): [ClockBounds, number] {
  const sinceMs = kept.touchAt === 0 ? 0 : Math.max(0, wall() - kept.touchAt);
  return [keptBounds(kept), mono() - sinceMs];
}
