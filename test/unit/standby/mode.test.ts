import { expect, it } from 'vitest';
import { type Mode, modeFor, type Situation } from '../../../src/standby/mode.ts';

const LEASE_MS = 1000;
const LONG_MS = 1.5 * LEASE_MS + 1;
/** It has begun, and knows of nothing. */
const FRESH: Situation = {
  ...{ isActive: false, mode: 'waiting', line: 'none', hasCopy: false, wasWhole: false },
  ...{ silentMs: 0, oriented: false },
};
/** It has followed, and the line is gone. */
const LEFT: Situation = {
  ...{ ...FRESH, mode: 'following', hasCopy: true, wasWhole: true },
  ...{ silentMs: LONG_MS, oriented: true },
};

it.each<[string, Situation, Mode]>([
  ['has nothing', FRESH, 'waiting'],
  ['has nothing and is met by one that is not active', { ...FRESH, line: 'open' }, 'waiting'],
  ['is met by the active one', { ...FRESH, line: 'active' }, 'following'],
  ['has the right, whatever else', { ...LEFT, isActive: true, line: 'active' }, 'active'],
  ['has a file that never was whole', { ...FRESH, hasCopy: true, silentMs: LONG_MS }, 'waiting'],
  ['had begun to follow a copy', { ...LEFT, wasWhole: false }, 'following'],
  ['was there before, whole', { ...LEFT, mode: 'waiting', silentMs: 0 }, 'following'],
  [
    'is out of touch for less than the other one keeps its right',
    { ...LEFT, silentMs: LEASE_MS },
    'following',
  ],
  ['is out of touch for longer', LEFT, 'apart'],
  ['is, and has heard from nobody yet', { ...LEFT, oriented: false }, 'following'],
  ['is, after a start', { ...LEFT, mode: 'waiting' }, 'apart'],
  ['is apart, and meets one that is not active', { ...LEFT, mode: 'apart', line: 'open' }, 'apart'],
  ['is apart, and meets the active one', { ...LEFT, mode: 'apart', line: 'active' }, 'following'],
  ['has lost its right, alone', { ...LEFT, mode: 'active' }, 'apart'],
  [
    'has lost its right to nobody, in touch',
    { ...LEFT, mode: 'active', line: 'open' },
    'following',
  ],
  ['has lost its right and its file', { ...LEFT, mode: 'active', hasCopy: false }, 'waiting'],
])('one that %s', (_, situation, mode) => {
  expect(modeFor(situation, LEASE_MS)).toBe(mode);
});
