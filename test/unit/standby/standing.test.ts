/** What is made of the other one's word when the two meet. */
import { expect, it } from 'vitest';
import { mayHaveServed } from '../../../src/standby/standing.ts';

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
