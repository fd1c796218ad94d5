/** How far a job is, out of its log: waits that were given more time, rounds that begin anew, and how long it will still take. */
import { describe, expect, it } from 'vitest';
import { foldJob, type JobEntry, type LoggedEntry } from '../../../src/jobs/fold.ts';
import { describeJob } from '../../../src/jobs/progress.ts';
import type { Job, JobStore } from '../../../src/jobs/store.ts';
import { judgeWait } from '../../../src/jobs/waits.ts';
import { limit } from '../../../src/limits.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { definitionOf } from '../../support/job-trials.ts';

const definition = definitionOf('install');
const job = { kind: 'install', target: 'M', endedAt: 0 } as unknown as Job;
const BEGAN = 1_000_000;

type Timed = readonly [seconds: number, entry: JobEntry];
const log = (...entries: readonly Timed[]): LoggedEntry[] =>
  entries.map(([seconds, entry], index) => ({
    ...{ seq: index + 1, at: (BEGAN + 1000 * seconds) as Millis },
    entry,
  }));
const done = (step: string, from: number, to: number): Timed[] => [
  [from, { is: 'started', step, attempt: 1, cursor: 0, deadlineAt: BEGAN + 1e9 }],
  [to, { is: 'succeeded', step, output: {} }],
];
const waiting = (step: string, at: number): Timed => [
  at,
  { is: 'waiting', step, cursor: 0, deadlineAt: BEGAN + 1000 * (at + 180) },
];
const untilTaken = (from = 0): Timed[] => [
  ...['arm', 'call', 'look', 'power-off', 'discharge', 'pxe-once', 'power-on'].flatMap((step) =>
    done(step, from, from + 1),
  ),
  waiting('taken', from + 1),
];
const installing: Timed[] = [
  ...done('prepare', 0, 0),
  ...untilTaken(),
  [60, { is: 'matched', step: 'taken', event: 7 }],
  waiting('installed', 60),
  waiting('installed', 240),
  waiting('installed', 420),
];
const describedAt = (seconds: number, entries: readonly Timed[], ownMs?: number) =>
  describeJob(job, {
    ownMs,
    ...{ definition, log: log(...entries), now: (BEGAN + 1000 * seconds) as Millis },
    ...{ blocked: undefined, pausedMs: 0 },
    // A minute for each step, ten for the copy.
    medianMs: (step) => (step === 'installed' ? 600_000 : 60_000),
  });

describe('a wait that is given more time', () => {
  it('is one attempt, and has lasted since it began', () => {
    const installed = describedAt(430, installing).steps.find(({ name }) => name === 'installed');
    expect(installed).toMatchObject({ status: 'waiting', attempts: 1, startedAt: BEGAN + 60_000 });
  });

  it('took as long as all of it together', () => {
    const fold = foldJob(definition, log(...installing));
    const at = (BEGAN + 500_000) as Millis;
    const event = { id: 9, at, name: 'agent.finished', data: {} };
    const store = { machineEvents: () => [event], lastEventAt: () => 0 } as unknown as JobStore;
    expect(judgeWait(store, { job, definition, fold }, { now: at, pausedMs: 0 })).toEqual({
      entry: { is: 'matched', step: 'installed', event: 9 },
      details: { durationMs: 440_000 },
    });
  });
});

describe('the time that is left', () => {
  it('is what the present step and those after it usually take, less what this one has had', () => {
    // 600 s for the copy, of which 370 have gone by, and 60 s for the start.
    expect(describedAt(430, installing).remainingMs).toBe(600_000 - 370_000 + 60_000);
  });

  it('is no less than the machine itself says of its copy, which may share its uplink with many', () => {
    expect(describedAt(430, installing, 400_000).remainingMs).toBe(400_000 + 60_000);
    expect(describedAt(430, installing, 5000).remainingMs).toBe(230_000 + 60_000);
  });

  it('counts the steps of another round anew', () => {
    const again: Timed[] = [
      ...installing,
      [600, { is: 'again', step: 'installed', from: 'arm', detail: 'silent' }],
      ...done('arm', 600, 600),
      ...done('call', 600, 610),
      [610, { is: 'started', step: 'look', attempt: 1, cursor: 0, deadlineAt: BEGAN + 1e9 }],
    ];
    expect(describedAt(630, again).steps.map(({ name, status }) => `${name} ${status}`)).toEqual([
      ...['prepare done', 'arm done', 'call done', 'look running', 'power-off to-do'],
      ...['discharge to-do', 'pxe-once to-do', 'power-on to-do', 'taken to-do'],
      ...['installed retrying', 'started to-do'],
    ]);
    // look, power-off, discharge, pxe-once, power-on, taken, then the copy and the start.
    expect(describedAt(630, again).remainingMs).toBe(6 * 60_000 - 20_000 + 600_000 + 60_000);
  });

  /** Nothing was seen here yet but the power, in jobs of another kind. */
  const first = (seconds: number, entries: readonly Timed[], pacedMs?: number) =>
    describeJob(job, {
      ...{ definition, log: log(...entries), now: (BEGAN + 1000 * seconds) as Millis },
      ...{ blocked: undefined, pausedMs: 0, pacedMs, medianMs: () => undefined },
      medianElsewhereMs: (step) => (step === 'power-on' ? 20_000 : undefined),
    });
  const bytes = 3_000_000_000;
  const prepared: Timed[] = [
    [0, { is: 'started', step: 'prepare', attempt: 1, cursor: 0, deadlineAt: BEGAN + 1e9 }],
    [0, { is: 'succeeded', step: 'prepare', output: { bytes } }],
  ];

  it('is guessed for the first install of a site: by the bytes, and by what other jobs took', () => {
    const cold = first(0, prepared);
    expect(cold.isGuess).toBe(true);
    // Both boots of a server, 20 s for the image, a minute for the rest, and the steps at the BMC.
    const steps = 1000 + 1000 + 5000 + limit('powerOffPauseMs') + 1000 + 20_000;
    expect(cold.remainingMs).toBe(steps + 240_000 + bytes / 150_000 + 60_000 + 240_000);
    const warm = prepared.concat(done('arm', 0, 0), [
      [0, { is: 'started', step: 'call', attempt: 1, cursor: 0, deadlineAt: BEGAN + 1e9 }],
      [1, { is: 'succeeded', step: 'call', output: { warm: true } }],
    ]);
    // It is listening: no power, no boot before the work.
    expect(first(1, warm).remainingMs).toBe(1000 + bytes / 150_000 + 60_000 + 240_000);
  });

  it('follows the machine as soon as its pace tells more than a guess', () => {
    const entries = [...prepared, ...installing.slice(2)];
    expect(first(100, entries).remainingMs).toBe(20_000 + 60_000 - 40_000 + 240_000);
    expect(first(100, entries, 300_000).remainingMs).toBe(300_000 + 240_000);
    expect(describedAt(430, installing).isGuess).toBe(false);
  });

  it('is not told of a kind that has no guess', () => {
    const recycle = definitionOf('recycle');
    const none = { blocked: undefined, pausedMs: 0, medianMs: () => undefined };
    const shown = describeJob(job, { definition: recycle, log: [], now: BEGAN as Millis, ...none });
    expect([shown.remainingMs, shown.isGuess]).toEqual([undefined, false]);
  });
});
