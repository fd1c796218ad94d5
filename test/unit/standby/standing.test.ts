/** What is made of the other one's word when the two meet. */
import { expect, it } from 'vitest';
import {
  afterClockSet,
  afterMeeting,
  afterStart,
  afterTakeOver,
  mayHaveServed,
  NEVER,
  standingOf,
  TOGETHER,
} from '../../../src/standby/standing.ts';

const OURS = { own: 2, witness: false };

it.each([
  ['is active by an older right', { own: 1, epoch: 1, active: true }, true],
  ['was started anew, and has not heard of ours', { own: 1, epoch: 1, active: false }, true],
  ['has heard of ours', { own: 1, epoch: 2, active: false }, false],
  ['never had a right', { own: 0, epoch: 1, active: false }, false],
  ['is active by a newer right', { own: 3, epoch: 3, active: true }, false],
])('one that %s: may it have served unheard? without a witness', (_, hello, may) => {
  expect(mayHaveServed(hello, OURS)).toBe(may);
});

it('one that was started anew had no right any more when a witness gave us ours', () => {
  const hello = { own: 1, epoch: 1, active: false };
  expect(mayHaveServed(hello, { ...OURS, witness: true })).toBe(false);
});

const TAKING = {
  by: 'order',
  now: 90_000,
  touchAt: 50_000,
  mcltMs: 30_000,
  doubtMs: 3000,
} as const;

it('one that takes over in a copy counts all of it as known to the other one, in its own database what that one had', () => {
  const kept = { ...TOGETHER, knownAt: 41_000 };
  const copy = afterTakeOver(kept, { ...TAKING, stale: false, original: false });
  expect(copy).toMatchObject({ lostAt: 92_000, knownAt: 92_000 });
  const own = afterTakeOver(kept, { ...TAKING, stale: true, original: true });
  expect(own).toMatchObject({ lostAt: 92_000, knownAt: 41_000, quietUntil: 120_000 });
});

it('a crash is between the last touch and the start: no lease that ended meanwhile goes on, and none is known that was given meanwhile', () => {
  const kept = { ...TOGETHER, since: 10_000, lostAt: 20_000, knownAt: 20_000 };
  const started = afterStart(kept, { now: 80_000, touchAt: 50_000, doubtMs: 3000 });
  expect(started).toMatchObject({ since: 47_000, lostAt: 80_000, knownAt: 47_000 });
  // It has had everything since, and nobody has noted when.
  const early = afterStart(kept, { now: 80_000, touchAt: 21_000, doubtMs: 3000 });
  expect(early).toMatchObject({ since: 18_000, lostAt: 80_000, knownAt: 20_000 });
});

const NOW = { member: 'a', active: true, current: false, follows: false, inTouch: false } as const;

const RUN = { runMs: 90_000, longestMs: 0 };

it.each([60_000, -60_000])('a clock that is set by %d ms ends no lead time sooner', (byMs) => {
  const kept = { ...afterMeeting(TOGETHER, { ...TAKING, wasActive: true }), touchAt: 50_000 };
  const quiet = { ...kept, fenced: true, quietUntil: 110_000 };
  const set = afterClockSet(quiet, { ...RUN, byMs, now: 95_000 + byMs });
  const at = (now: number) => standingOf(set, { ...NOW, witness: true, now: now + byMs });
  expect(at(109_000)).toMatchObject({ mode: 'half', quiet: true });
  expect(at(111_000)).toMatchObject({ mode: 'half', quiet: false });
  expect(at(119_000).mode).toBe('half');
  expect(at(121_000).mode).toBe('whole');
  expect(set.touchAt).toBe(50_000 + byMs);
  const unmet = afterClockSet({ ...quiet, wholeFrom: NEVER }, { ...RUN, byMs, now: 95_000 + byMs });
  expect(unmet.wholeFrom).toBe(NEVER);
});

it('after an order the lead time begins when the other one has heard of it, not when it is heard', () => {
  const ordered = { ...TOGETHER, wholeFrom: NEVER };
  const met = { now: 60_000, mcltMs: 20_000 };
  const unheard = afterMeeting(ordered, { ...met, wasActive: true });
  expect(unheard.wholeFrom).toBe(NEVER);
  // It crashes, and serves by its own right again before it hears of ours.
  const heard = afterMeeting(unheard, { ...met, now: 70_000, wasActive: false });
  expect(heard.wholeFrom).toBe(90_000);
  expect(afterMeeting(heard, { ...met, now: 80_000, wasActive: false })).toBe(heard);
});
