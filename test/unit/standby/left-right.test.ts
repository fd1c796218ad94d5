/** The newest right was given to one that heard of it too late: neither of the two has it, and one of them takes the next. */
import { expect, it } from 'vitest';
import { FRESH, isLeftTo, type KeptRight } from '../../../src/standby/kept-right.ts';
import { createRight, type Right } from '../../../src/standby/right.ts';
import type { Member, Question } from '../../../src/standby/witness.ts';

const LEASE_MS = 4000;

function right(member: Member, kept: Partial<KeptRight>, witness = true) {
  const asked: Question[] = [];
  const made: Right = createRight(
    {
      ...{ member, witness, leaseMs: LEASE_MS, keep: () => undefined },
      canServe: () => true,
      ask: (question) => void asked.push(question),
    },
    { ...FRESH, ...kept },
    0,
  );
  return { right: made, asked };
}

const meet = (from: Right, to: Right, now: number) =>
  to.met({ ...from.kept(), active: from.isActive(now) }, now);

/** `b` was given 10, had 8 another way, and left its place to `a` under 9, which hears of 10 from the witness. */
const A = { epoch: 10, own: 9, copy: 9, ahead: true };
const B = { epoch: 9, own: 8, copy: 8 };

it('the one with the newer database takes it when the two have met, and asks for it itself from then on', () => {
  const [{ right: a, asked }, { right: b, asked: askedByB }] = [right('a', A), right('b', B)];
  for (let now = 0; now < 60_000; now += 100) for (const one of [a, b]) one.tick(now);
  expect([...asked, ...askedByB]).toEqual([]);
  meet(b, a, 60_000);
  // It has not heard of 10 yet: it may still come to have it.
  expect(a.isActive(60_000)).toBe(false);
  meet(a, b, 60_000);
  expect(b.isActive(60_000)).toBe(false);
  meet(b, a, 60_500);
  expect(a.isActive(60_500)).toBe(true);
  expect(a.kept()).toMatchObject({ epoch: 11, own: 11, copy: 11 });
  expect(a.source()).toEqual({ stale: true, original: true });
  meet(a, b, 60_500);
  expect(b.kept()).toMatchObject({ epoch: 11, own: 8, copy: 8 });
  a.tick(60_600);
  expect(asked).toMatchObject([{ kind: 'renew', epoch: 11 }]);
  for (let now = 60_600; now < 120_000; now += 100) b.tick(now);
  expect(askedByB).toEqual([]);
});

it('not without a witness, nor beside one that is active', () => {
  const { right: alone } = right('a', A, false);
  alone.met({ ...FRESH, ...B, epoch: 10, active: false }, 0);
  expect(alone.isActive(0)).toBe(false);
  const { right: a } = right('a', A);
  a.met({ ...FRESH, epoch: 10, own: 10, copy: 10, active: true }, 0);
  expect(a.isActive(0)).toBe(false);
});

it('whoever could not begin gives up its right over a database that is still the one of before', () => {
  const [ours, theirs] = [
    { epoch: 12, own: 9, copy: 9, unbegun: 0 },
    { epoch: 12, own: 10, copy: 10, unbegun: 9 },
  ];
  expect(isLeftTo(ours, theirs)).toBe(true);
  expect(isLeftTo(theirs, ours)).toBe(false);
  // It has served in it since.
  expect(isLeftTo({ ...theirs, unbegun: 0 }, ours)).toBe(true);
});

it('a right that is taken again before one could begin changes nothing about that', () => {
  const { right: b } = right('b', { epoch: 9, own: 8, copy: 9 });
  expect(b.takeOver(0, { fenced: true })).toBe('done');
  expect(b.takeOver(0, { fenced: true })).toBe('done');
  expect(b.kept()).toMatchObject({ own: 12, copy: 12, unbegun: 9, ahead: false });
  b.begun();
  expect(b.kept().unbegun).toBe(0);
});

it('never both, whatever the two have', () => {
  const epochs = [0, 1, 2, 3, 4, 5, 6];
  const all = (parity: number) =>
    epochs
      .flatMap((own) =>
        epochs.flatMap((copy) => epochs.map((unbegun) => ({ epoch: 6, own, copy, unbegun }))),
      )
      .filter(({ own, copy, unbegun }) => (own === 0 || own % 2 === parity) && unbegun <= copy);
  let left = 0;
  for (const a of all(1))
    for (const b of all(0)) {
      if (isLeftTo(a, b) && isLeftTo(b, a)) expect.fail(JSON.stringify([a, b]));
      if (isLeftTo(a, b) || isLeftTo(b, a)) left += 1;
    }
  expect(left).toBeGreaterThan(1000);
});
