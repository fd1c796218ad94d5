/** What the portal of central says of what its sites have not answered yet. */
import { describe, expect, it } from 'vitest';
import { changeWords, sizeWords } from '../../../src/ui/asked-words.ts';

const waiting = (site: string) => ({ site, status: 'waiting' });

describe('what is told of a change', () => {
  it.each([
    ['by an appliance, and by a site that has answered', { version: 2 }, 'It is changed.'],
    ['of which nothing is answered', undefined, 'It is changed.'],
    [
      'of a site that is away',
      { asked: waiting('lon') },
      'lon has not answered yet: it is asked for when it is heard of.',
    ],
    [
      'of several, one of which has done it',
      { asked: [waiting('lon'), { site: 'par', status: 'done' }, waiting('sto')] },
      'lon, sto have not answered yet: it is asked for when they are heard of.',
    ],
    [
      'that is done, and not shown yet',
      { asked: [{ site: 'lon', status: 'done' }] },
      'lon has done it; what is shown is from before.',
    ],
  ])('%s', (_, answer, words) => {
    expect(changeWords(answer, 'It is changed.')).toBe(words);
  });
});

describe('what is told of the size of a pool', () => {
  const told = 'web has another size.';
  const at = (freshness: string, status: string) => ({ site: 'lon', freshness, status });

  it.each([
    ['of an appliance', {}, told],
    ['of the fleet, at a site that hears of it now', { sites: [at('current', 'waiting')] }, told],
    ['of the fleet, at a site that has it already', { sites: [at('away', 'done')] }, told],
    [
      'of the fleet, at a site that is away',
      { sites: [at('away', 'waiting')] },
      'lon has not answered yet: it is asked for when it is heard of.',
    ],
    [
      'of a site’s own, whichever others there are',
      { sites: [at('away', 'own')], asked: [waiting('lon')] },
      'lon has not answered yet: it is asked for when it is heard of.',
    ],
  ])('%s', (_, answer, words) => {
    expect(sizeWords(answer, told)).toBe(words);
  });
});
