/** Whose an address is by a capture: until it runs out, or its machine gives it up. */
import { describe, expect, it } from 'vitest';
import { MESSAGE } from '../../../src/dhcp/options.ts';
import { released } from '../../support/capture-scenes.ts';
import { analyse, ask, exchange, type Shot, WANTED } from '../../support/captures.ts';
import { mac } from '../../support/world.ts';

const other = { machine: mac('52:54:00:00:00:02') };
const ours = exchange('os');
const theirs = exchange('os', {
  discover: other,
  offer: other,
  request: { ...other, options: WANTED },
  ack: other,
});
const declined = (by = {}) => ask(MESSAGE.decline, { client: 'os', options: WANTED, ...by });
const found = (...shots: Shot[]) =>
  analyse(shots).problems.map(({ check, detail }) => `${check}: ${detail}`);

describe('an address', () => {
  const conflict = 'address-conflict: 10.77.0.100 at 52:54:00:00:00:01 and 52:54:00:00:00:02';

  it.each([
    ['released', released()],
    ['declined', declined()],
  ])('is another machine’s to have once it was %s', (_how, gaveUp) => {
    expect(found(...ours, gaveUp, ...theirs)).toEqual([]);
  });

  it('is given up by nobody but its machine', () => {
    expect(found(...ours, released(other), ...theirs)).toEqual([
      'release-of-anothers: 10.77.0.100, which 52:54:00:00:00:01 holds',
      conflict,
    ]);
    expect(found(...ours, declined(other), ...theirs)).toEqual([conflict]);
  });
});
