import { expect, it } from 'vitest';
import {
  countOf,
  firstAnswer,
  lastFailure,
  longestSilence,
  type Outcome,
} from '../../../qemu-lab/standby-outcomes.ts';

const HEARD: readonly Outcome[] = [
  { kind: 'renew', at: 900, ms: 50, server: 'a' },
  { kind: 'renew', at: 1100 },
  { kind: 'renew', at: 2100, ms: 10, server: 'b', refused: true },
  { kind: 'renew', at: 3000, ms: 500, server: 'b' },
  { kind: 'dns', at: 1500, server: 'a' },
  { kind: 'dns', at: 1500, ms: 2, server: 'b' },
];

it('counts what was asked within a stretch, of one server or of both', () => {
  const all = { from: 1000, to: 3000 };
  expect(countOf(HEARD, all, { kind: 'renew' })).toEqual({ asked: 2, failed: 1 });
  expect(countOf(HEARD, all, { kind: 'dns' })).toEqual({ asked: 2, failed: 1 });
  expect(countOf(HEARD, all, { kind: 'dns', server: 'b' })).toEqual({ asked: 1, failed: 0 });
});

it('waits for the first answer of one server, to which a refusal does not count', () => {
  expect(firstAnswer(HEARD, 1000, { kind: 'renew', server: 'b' })).toBe(2.5);
  expect(firstAnswer(HEARD, 1000, { kind: 'renew', server: 'a' })).toBeUndefined();
});

it('finds the longest time without an answer, up to the end of the stretch', () => {
  expect(longestSilence(HEARD, { from: 900, to: 4000 }, ['renew'])).toBe(2.55);
  expect(longestSilence(HEARD, { from: 900, to: 9000 }, ['renew'])).toBe(5.5);
  expect(longestSilence([], { from: 0, to: 1000 }, ['new'])).toBe(1);
});

it('knows when somebody asked in vain for the last time', () => {
  const all = { from: 900, to: 4000 };
  expect(lastFailure(HEARD, all, 'renew')).toBe(0.2);
  expect(lastFailure(HEARD, all, 'new')).toBe(0);
});
