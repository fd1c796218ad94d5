/** What is kept of a right and what follows from it for addresses are one writing: a crash finds both or neither. */
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openFooting, withRight } from '../../../src/daemon/standby-footing.ts';
import { openPairState } from '../../../src/daemon/standby-state.ts';
import { FRESH } from '../../../src/standby/kept-right.ts';
import { createRight } from '../../../src/standby/right.ts';
import { NEVER } from '../../../src/standby/standing.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const MCLT_MS = 60_000;
const HOUR_MS = 3_600_000;
let folder: string;
beforeEach(() => {
  folder = temporaryFolder('footing');
});

function started(file = join(folder, 'standby'), mcltMs = MCLT_MS) {
  const state = openPairState(file);
  const right = createRight(
    {
      ...{ member: 'a', witness: true, leaseMs: 4000, canServe: () => true, ask: () => undefined },
      keep: (kept, from) =>
        state.put(withRight(state.get(), kept, { mcltMs, now: Date.now(), ...from })),
    },
    state.get().right,
    0,
  );
  return { state, right, kept: () => openPairState(file).get() };
}

it('is quiet from the writing on by which its right is lost, when it has promised what nobody heard of', () => {
  const { state, kept } = started();
  state.put({ right: { ...FRESH, epoch: 1, own: 1, copy: 1 }, unheard: true });
  // The first that is heard after a start, by a newer epoch.
  started().right.met({ epoch: 2, own: 2, copy: 2, unbegun: 0, ahead: false, active: true }, 0);
  expect(kept()).toMatchObject({ right: { epoch: 2, own: 1 }, unheard: false });
  expect(kept().quietUntil).toBeGreaterThan(Date.now() + MCLT_MS - 10_000);
});

it('is not, when all that it has promised was heard of', () => {
  const { state, kept } = started();
  state.put({ right: { ...FRESH, epoch: 1, own: 1, copy: 1 } });
  started().right.met({ epoch: 2, own: 2, copy: 2, unbegun: 0, ahead: false, active: true }, 0);
  expect(kept()).toMatchObject({ right: { epoch: 2, own: 1 }, quietUntil: 0 });
});

function footingOf(of: Pick<ReturnType<typeof started>, 'state' | 'right'>, mcltMs = MCLT_MS) {
  const settings = { member: 'a', witness: true } as const;
  const log = pino({ level: 'silent' });
  // Made-up ones, both: what the machine has slept is read from no file.
  const clocks = { wall: () => Date.now(), mono: () => performance.now() };
  return openFooting({ settings, mcltMs, longestMs: 2 * HOUR_MS, log, clocks, ...of });
}

describe('a clock', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  it('that is set while it runs ends no lead time, and the line is to begin anew', () => {
    const { state, right } = started();
    const until = Date.now() + MCLT_MS;
    state.put({ touchAt: Date.now(), fenced: true, wholeFrom: until, quietUntil: until });
    const footing = footingOf({ state, right });
    const standing = () => footing.standing({ active: true, current: false, inTouch: false });
    expect(footing.wasSet()).toBe(false);
    vi.setSystemTime(Date.now() + 3_600_000);
    // What is asked first notices it.
    expect(standing()).toMatchObject({ mode: 'half', quiet: true });
    expect([footing.wasSet(), footing.wasSet()]).toEqual([true, false]);
    expect(state.get().wholeFrom).toBe(until + 3_600_000);
    vi.setSystemTime(Date.now() - 7_200_000);
    vi.advanceTimersByTime(MCLT_MS - 1000);
    expect(standing()).toMatchObject({ mode: 'half', quiet: true });
    vi.advanceTimersByTime(2000);
    expect(standing()).toMatchObject({ mode: 'whole', quiet: false });
    // A restart finds what was put off.
    expect(openPairState(join(folder, 'standby')).get().wholeFrom).toBe(until - 3_600_000);
  });

  it('one that is behind at a start, and is set right then, makes no lead time longer', () => {
    const now = Date.now();
    const until = now + MCLT_MS;
    const { state } = started();
    state.put({ right: { ...FRESH, epoch: 1, own: 1, copy: 1 }, fenced: true, unheard: true });
    state.put({ touchAt: now - 9000, wholeFrom: until, quietUntil: until });
    vi.setSystemTime(now - 5 * HOUR_MS);
    const first = started();
    const footing = footingOf(first);
    const standing = () => footing.standing({ active: true, current: true, inTouch: true });
    vi.advanceTimersByTime(10_000);
    expect(standing()).toMatchObject({ mode: 'half', quiet: true });
    vi.setSystemTime(now + 10_000);
    expect(standing()).toMatchObject({ mode: 'half', quiet: true });
    expect(first.kept()).toMatchObject({ wholeFrom: until, quietUntil: until });
    vi.advanceTimersByTime(MCLT_MS);
    expect(standing()).toMatchObject({ mode: 'whole', quiet: false });
  });

  it('a shorter lead time than that of before begins when all that was promised under that is over', () => {
    const until = Date.now() + MCLT_MS;
    const { state, right, kept } = started();
    state.put({ right: { ...FRESH, epoch: 1, own: 1, copy: 1 }, touchAt: Date.now() });
    footingOf({ state, right });
    state.put({ fenced: true, wholeFrom: until, quietUntil: until - 5000 });
    vi.advanceTimersByTime(10_000);
    const shorter = footingOf(started(), 30_000);
    expect(kept()).toMatchObject({ wholeFrom: until, quietUntil: until - 5000 });
    // Another one that begins meanwhile is as long.
    shorter.tookOver('witness', '');
    expect(kept().wholeFrom).toBe(until + 10_000);
    const { right: lost } = started(undefined, 30_000);
    lost.met({ epoch: 2, own: 2, copy: 2, unbegun: 0, ahead: false, active: true }, 0);
    expect(kept().quietUntil).toBe(until + 10_000);
    vi.advanceTimersByTime(MCLT_MS);
    footingOf(started(), 30_000).tookOver('witness', '');
    expect(kept().wholeFrom).toBe(Date.now() + 30_000);
  });

  it('what is to last until the two have met does so after a start', () => {
    const { state, right, kept } = started();
    state.put({ wholeFrom: NEVER });
    footingOf({ state, right });
    expect(kept().wholeFrom).toBe(NEVER);
  });

  it('one that was behind at a start after a crash, and is set right then: the loss was no sooner than that start', () => {
    const now = Date.now();
    const { state, kept } = started();
    state.put({ right: { ...FRESH, epoch: 1, own: 1, copy: 1 }, touchAt: now, lostAt: 1000 });
    vi.setSystemTime(now - 5 * HOUR_MS);
    const footing = footingOf(started());
    // It was later than the last touch, whatever the clock says.
    expect(kept().lostAt).toBe(now);
    vi.advanceTimersByTime(60_000);
    vi.setSystemTime(now + HOUR_MS);
    footing.look();
    expect(kept().lostAt).toBeGreaterThanOrEqual(now + HOUR_MS - 60_000);
    expect(kept().lostAt).toBeLessThanOrEqual(now + HOUR_MS + 2000);
    // What was noted by the clock that was right is as it was.
    expect(kept()).toMatchObject({ touchAt: now, since: now - 3000, knownAt: now - 3000 });
  });

  it('moments with which leases are compared go with the leases, forward and back', () => {
    const now = Date.now();
    const { state, right, kept } = started();
    const at = { since: now - 9000, owedSince: now - 8000, lostAt: now - 7000 };
    const then = { ...at, knownAt: now - 6000, touchAt: now - 5000 };
    state.put({ fenced: true, ...then });
    const footing = footingOf({ state, right });
    // Nothing is in force any more that was given before the start.
    vi.advanceTimersByTime(3 * HOUR_MS);
    const lostAt = Date.now() - 7000;
    state.put({ lostAt });
    Object.assign(then, { lostAt });
    let setMs = 0;
    for (const byMs of [HOUR_MS, -3 * HOUR_MS]) {
      vi.setSystemTime(Date.now() + byMs);
      footing.look();
      setMs += byMs;
      for (const [name, was] of Object.entries(then))
        expect([name, kept()[name as 'since']]).toEqual([name, was + setMs]);
      expect(kept().clockSetMs).toBe(setMs);
    }
  });

  it('set back soon after the start, by which it may be right again, makes no lease of before seem to have run at the loss', () => {
    const now = Date.now();
    const { state, right, kept } = started();
    state.put({ fenced: true, lostAt: now - 1000, knownAt: now - 2000, since: now - 3000 });
    const footing = footingOf({ state, right });
    vi.advanceTimersByTime(60_000);
    vi.setSystemTime(Date.now() - HOUR_MS);
    footing.look();
    expect(kept()).toMatchObject({ lostAt: now - 1000, knownAt: now - 2000 - HOUR_MS });
  });

  it('of the other one, as it was measured before a start with ours ahead, holds when ours is set right', () => {
    const { state, right } = started();
    const before = footingOf({ state, right });
    before.begins();
    before.copied();
    before.touched({ clock: Date.now(), roundTripMs: 2 }, performance.now());
    vi.setSystemTime(Date.now() + HOUR_MS);
    const footing = footingOf(started());
    vi.setSystemTime(Date.now() - HOUR_MS);
    footing.look();
    for (const one of [footing, footingOf(started())]) {
      expect(one.ahead().mostMs).toBeGreaterThanOrEqual(0);
      expect(one.ahead().leastMs).toBeLessThanOrEqual(-HOUR_MS);
    }
    // On another line too, until what is in the copy is by what was measured there.
    footing.begins();
    footing.touched({ clock: Date.now(), roundTripMs: 2 }, undefined);
    vi.setSystemTime(Date.now() - HOUR_MS);
    footing.look();
    expect(footing.ahead().mostMs).toBeGreaterThanOrEqual(0);
    expect(footing.aheadNow().mostMs).toBeLessThanOrEqual(-HOUR_MS + 5000);
    footing.copied();
    vi.setSystemTime(Date.now() - HOUR_MS);
    footing.look();
    expect(footing.ahead().mostMs).toBeLessThanOrEqual(-2 * HOUR_MS + 5000);
  });

  it('by how much it is ahead holds after a restart, too', () => {
    const { state, right } = started();
    const before = footingOf({ state, right });
    before.begins();
    before.copied();
    before.touched({ clock: Date.now(), roundTripMs: 2 }, performance.now());
    for (const [byMs, aheadMs] of [
      [600_000, 600_000],
      [-900_000, -300_000],
    ] as const) {
      vi.setSystemTime(Date.now() + byMs);
      before.look();
      for (const footing of [before, footingOf(started())]) {
        expect(footing.ahead().leastMs).toBeLessThanOrEqual(aheadMs);
        expect(footing.ahead().mostMs).toBeGreaterThanOrEqual(aheadMs);
        expect(footing.ahead().mostMs).toBeLessThan(aheadMs + 600_000);
      }
    }
  });

  it('one that goes on while the machine is suspended lets no lease run for longer', () => {
    const footing = footingOf(started());
    footing.begins();
    footing.touched({ clock: Date.now(), roundTripMs: 2 }, performance.now());
    // The clock that does not jump stands still meanwhile.
    vi.setSystemTime(Date.now() + 600_000);
    footing.look();
    expect(footing.ahead().leastMs).toBeLessThanOrEqual(0);
    expect(footing.ahead().mostMs).toBeGreaterThanOrEqual(0);
  });

  it('a loss that a clock noted which was set forward and back is none of the future when the other one has everything', () => {
    const now = Date.now();
    const { state, right, kept } = started();
    state.put({ right: { ...FRESH, epoch: 1, own: 1, copy: 1 }, touchAt: now });
    const footing = footingOf({ state, right });
    vi.setSystemTime(now + 24 * HOUR_MS);
    footing.lost([]);
    vi.setSystemTime(now + 5000);
    footing.look();
    footing.whole();
    expect(kept().lostAt).toBe(now + 5000);
    // That of a real loss is kept: while the lead time runs it is asked for.
    vi.advanceTimersByTime(60_000);
    footing.whole();
    expect(kept().lostAt).toBe(now + 5000);
  });

  it('what cannot be written is noticed again, once and in full, when it can', () => {
    const { state, right, kept } = started(join(folder, 'kept', 'standby'));
    const until = Date.now() + MCLT_MS;
    state.put({ fenced: true, wholeFrom: until });
    const footing = footingOf({ state, right });
    vi.setSystemTime(Date.now() + HOUR_MS);
    // A folder where the new file is to be.
    mkdirSync(join(folder, 'kept', 'standby.new'));
    expect(() => footing.look()).toThrow(/EISDIR/);
    expect(state.get().wholeFrom).toBe(until);
    rmdirSync(join(folder, 'kept', 'standby.new'));
    expect([footing.wasSet(), footing.wasSet()]).toEqual([true, false]);
    expect([state.get().wholeFrom, kept().wholeFrom]).toEqual(Array(2).fill(until + HOUR_MS));
  });
});
