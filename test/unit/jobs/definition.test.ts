/** Lists of steps that cannot work are refused when the program starts, not when a machine is in the middle of one. */
import { describe, expect, it } from 'vitest';
import { defineJob, type JobStep, step, wait } from '../../../src/jobs/definition.ts';

const params = { safeParse: (data: unknown) => ({ success: true, data }) } as never;
const named = (name: string) =>
  step(name, { timeoutMs: 1, withinMs: 1, run: async () => undefined });
const waits = (since: string, from?: string) =>
  wait('w', {
    ...{ withinMs: 1, event: 'work.taken', since },
    ...(from === undefined ? {} : { again: { from, timesMax: 1 } }),
    overdue: { code: 'JOB_NO_EVENT', detail: '' },
  });
const define = (steps: readonly JobStep<unknown>[]) =>
  defineJob('k', 1, {
    ...{ says: '', params, allowedFrom: [], interrupts: false, destructive: false },
    steps,
  });

describe('a kind', () => {
  it.each([
    ['a name that is given twice', [named('a'), named('a')], /is taken/],
    ['a wait that looks back to what comes after it', [waits('a'), named('a')], /not before it/],
    ['a wait that goes back to nothing', [named('a'), waits('a', 'b')], /not before it/],
    [
      'another round that would see the events of the one before',
      [named('arm'), named('call'), waits('arm', 'call')],
      /sees the events of the one before/,
    ],
  ])('is refused for %s', (_what, steps, message) => {
    expect(() => define(steps)).toThrow(message);
  });

  it.each([
    ['the step that its events count from', [named('arm'), named('call'), waits('arm', 'arm')]],
    ['one before it', [named('off'), named('on'), waits('on', 'off')]],
  ])('may go back to %s', (_what, steps) => {
    expect(define(steps).steps).toHaveLength(3);
  });
});
