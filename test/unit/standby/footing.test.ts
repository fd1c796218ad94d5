/** What is kept of a right and what follows from it for addresses are one writing: a crash finds both or neither. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openFooting, withRight } from '../../../src/daemon/standby-footing.ts';
import { openPairState } from '../../../src/daemon/standby-state.ts';
import { FRESH } from '../../../src/standby/kept-right.ts';
import { createRight } from '../../../src/standby/right.ts';

const MCLT_MS = 60_000;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reveille-footing-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function started(file = join(folder, 'standby')) {
  const state = openPairState(file);
  const right = createRight(
    {
      ...{ member: 'a', witness: true, leaseMs: 4000, canServe: () => true, ask: () => undefined },
      keep: (kept, from) => state.put(withRight(state.get(), kept, { mcltMs: MCLT_MS, ...from })),
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

it('a clock that is set while it runs ends no lead time, and the line is to begin anew', () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] });
  try {
    const { state, right } = started();
    const until = Date.now() + MCLT_MS;
    state.put({ touchAt: Date.now(), fenced: true, wholeFrom: until, quietUntil: until });
    const settings = { member: 'a', witness: true } as const;
    const log = pino({ level: 'silent' });
    const footing = openFooting({ settings, mcltMs: MCLT_MS, state, log, right });
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
  } finally {
    vi.useRealTimers();
  }
});
