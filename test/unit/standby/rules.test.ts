/** The table of docs/standby.md about addresses, and the witness's rules, one by one. */
import { describe, expect, it } from 'vitest';
import { type Given, mayGive, type Standing, secondsMax } from '../../../src/standby/gate.ts';
import { createFrames, encodeFrame } from '../../../src/standby/protocol.ts';
import { afterStart, afterSteppingDown, TOGETHER } from '../../../src/standby/standing.ts';
import { judge, nextEpoch, type Question, type WitnessRow } from '../../../src/standby/witness.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import type { Millis } from '../../../src/wire/time.ts';

const NOW = 100_000 as Millis;
const [ONE, TWO] = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as Mac[] as [Mac, Mac];
const EVEN = 10 as Ipv4;
const ODD = 11 as Ipv4;
const half: Standing = {
  ...{ mode: 'half', member: 'a', since: 90_000 as Millis, lostAt: 91_000 as Millis },
  knownAt: 91_000 as Millis,
  ...{ ranAt: 90_000 as Millis, other: 'silent', quiet: false },
};
const nothing: Given = {
  ...{ isUnsure: () => false, isOurs: () => false, isNew: () => false },
  ...{ formerly: () => [] as const, isToldAnother: () => false },
};
const apart: Standing = { mode: 'read-only', follows: true, inTouch: false, quiet: false };
const following: Standing = { ...apart, inTouch: true };
const alone = { mode: 'whole', heard: false, alone: true, quiet: false } as const;
const together: Standing = { mode: 'whole', heard: true, alone: false, quiet: false };
const bound = (mac: Mac, expiresAt: number, lastAt = 80_000) =>
  ({ address: EVEN, mac, state: 'bound', expiresAt: expiresAt as Millis, lastAt }) as const;
const wish = (address: Ipv4, held?: ReturnType<typeof bound>, reserved = false) => ({
  ...{ segment: 's', address, mac: ONE, reserved, held, dynamic: true },
});

describe('which addresses may be given', () => {
  it.each([
    ['its own half, free', half, wish(EVEN), true],
    ["the other one's half, free", half, wish(ODD), false],
    ["the other one's half, what its client has", half, wish(ODD, bound(ONE, 200_000)), true],
    ["the other one's half, given after the loss", half, wish(ODD, bound(ONE, 2e5, 95_000)), false],
    ['what another had when they lost touch', half, wish(EVEN, bound(TWO, 95_000)), false],
    ['what had ended before', half, wish(EVEN, bound(TWO, 89_000)), true],
    [
      'what had run when they lost touch, and is over since',
      half,
      wish(ODD, bound(ONE, 90_500)),
      false,
    ],
    ["a reserved one of the other one's half", half, wish(ODD, undefined, true), true],
    ['apart: nothing new', apart, wish(EVEN), false],
    ['apart: what it knows', apart, wish(ODD, bound(ONE, 200_000)), true],
    ['apart, once active', { ...apart, follows: false }, wish(ODD, bound(ONE, 200_000)), false],
    ['following: what is reserved', following, wish(ODD, undefined, true), true],
    ['following: no lease', following, wish(ODD, bound(ONE, 200_000)), false],
    ['catching up: nothing', { ...following, follows: false }, wish(ODD, undefined, true), false],
    ['quiet: not what is reserved', { ...apart, quiet: true }, wish(ODD, undefined, true), false],
    ['quiet: nothing of its half', { ...half, quiet: true }, wish(EVEN), false],
    ['quiet: nothing of the pools', { ...together, quiet: true }, wish(ODD), false],
    ['together: anything', together, wish(ODD), true],
  ] as const)('%s', (_what, standing, asked, may) => {
    expect(mayGive(standing, asked, nothing, NOW)).toBe(may);
  });

  it('gives nobody what was promised without a word of the other one', () => {
    const unsure = { ...nothing, isUnsure: () => true };
    expect(mayGive(half, wish(EVEN), unsure, NOW)).toBe(false);
    expect(mayGive(half, wish(ODD, bound(ONE, 200_000)), unsure, NOW)).toBe(false);
    const quiet = { ...together, quiet: true };
    expect(mayGive(quiet, wish(ODD, bound(ONE, 200_000)), unsure, NOW)).toBe(false);
    expect(mayGive(quiet, wish(ODD, bound(ONE, 200_000)), nothing, NOW)).toBe(true);
  });

  it('holds to reservations as the other one knows them, until it knows more', () => {
    const [moved, made] = [TWO, ''].map((was) => ({ ...nothing, formerly: () => [was as Mac] }));
    const asked = wish(ODD, undefined, true);
    for (const standing of [together, half, apart, following])
      expect(mayGive(standing, asked, moved as Given, NOW)).toBe(false);
    // Of one that is alone these are its own words and nothing else.
    expect(mayGive(alone, asked, moved as Given, NOW)).toBe(false);
    expect(mayGive(alone, asked, nothing, NOW)).toBe(true);
    expect(mayGive(apart, { ...asked, dynamic: false }, made as Given, NOW)).toBe(false);
    // Of a half, like any other address that the other one may give.
    expect(mayGive(half, asked, made as Given, NOW)).toBe(false);
    expect(mayGive(half, { ...asked, dynamic: false }, made as Given, NOW)).toBe(true);
    for (const other of ['owes', 'rival'] as const)
      expect(mayGive({ ...half, other }, { ...asked, dynamic: false }, made as Given, NOW)).toBe(
        false,
      );
    const ownStatic = { ...asked, address: EVEN, dynamic: false };
    expect(mayGive({ ...half, other: 'rival' }, ownStatic, made as Given, NOW)).toBe(true);
    // An operator of the other one may have made it somebody else's while that was active.
    expect(mayGive({ ...half, other: 'owes' }, ownStatic, made as Given, NOW)).toBe(false);
    expect(mayGive(half, { ...asked, address: EVEN }, made as Given, NOW)).toBe(true);
  });

  it('bounds leases by what the other one may not know', () => {
    const options = { now: NOW, mcltSeconds: 600 };
    expect(secondsMax(together, wish(EVEN), options)).toBeUndefined();
    expect(secondsMax(alone, wish(EVEN), options)).toBe(600);
    expect(secondsMax({ ...half, quiet: true }, wish(EVEN, bound(ONE, 160_000)), options)).toBe(58);
    expect(secondsMax(half, wish(EVEN), options)).toBe(600);
    expect(secondsMax(apart, wish(EVEN, bound(ONE, 160_000)), options)).toBe(58);
    expect(secondsMax(apart, wish(EVEN), options)).toBe(120);
  });
});

describe('the witness', () => {
  const row: WitnessRow = { epoch: 1, holder: 'a', untilMs: 5000, mayTake: true, n: 7 };
  const asked: Question = {
    ...{ kind: 'take', member: 'b', epoch: 2, leaseMs: 4000, mayTake: false, n: 1 },
  };
  it.each([
    ['a right that runs', row, asked, 4999, 'held'],
    ['a copy that is not current', { ...row, mayTake: false }, asked, 6000, 'not-current'],
    ['an epoch of before', { ...row, epoch: 3 }, asked, 6000, 'superseded'],
    ['a site it knows nothing of', undefined, asked, 6000, 'unknown'],
    [
      'a renewal after another took over',
      { ...row, epoch: 2, holder: 'b' as const },
      { ...asked, kind: 'renew' as const, member: 'a' as const, epoch: 1, n: 9 },
      1,
      'superseded',
    ],
    [
      'a question that was overtaken',
      row,
      { ...asked, kind: 'renew' as const, member: 'a' as const, epoch: 1, n: 7 },
      1,
      'late',
    ],
  ] as const)('refuses %s', (_what, was, question, now, why) => {
    expect(judge(was, question, now)).toMatchObject({ answer: { granted: false, why } });
    expect(judge(was, question, now).row).toBeUndefined();
  });

  it('gives the next right when the last one is over', () => {
    expect(judge(row, asked, 5000).row).toEqual({
      ...{ epoch: 2, holder: 'b', untilMs: 10_000, mayTake: false, n: 1 },
    });
  });

  it('numbers the rights of the two apart', () => {
    expect([nextEpoch('a', 0), nextEpoch('b', 0), nextEpoch('a', 1), nextEpoch('b', 1)]).toEqual([
      1, 2, 3, 2,
    ]);
  });
});

it('finds frames in any pieces', () => {
  const wire = Buffer.concat([encodeFrame('{"a":1}'), encodeFrame(new Uint8Array([1, 2]))]);
  for (const size of [1, 3, 7, wire.length]) {
    const frames = createFrames();
    const found = [];
    for (let at = 0; at < wire.length; at += size)
      found.push(...frames.push(wire.subarray(at, at + size)));
    expect(
      found.map((frame) => (frame.kind === 'message' ? frame.text : [...frame.bytes])),
    ).toEqual(['{"a":1}', [1, 2]]);
  }
  expect(() => createFrames().push(Buffer.alloc(5, 255))).toThrow('bytes');
});

it('owes nothing for a crash in which nothing was promised unheard', () => {
  const touch = { touchAt: 50_000, doubtMs: 3000 };
  const kept = afterStart(TOGETHER, { ...touch, now: 55_000 });
  expect(kept).toMatchObject({ since: 47_000, lostAt: 55_000, knownAt: 47_000 });
  const step = { ...touch, now: 60_000, mcltMs: 30_000 };
  expect(afterSteppingDown(kept, step).quietUntil).toBe(0);
  expect(afterSteppingDown({ ...kept, unheard: true }, step).quietUntil).toBe(90_000);
});
