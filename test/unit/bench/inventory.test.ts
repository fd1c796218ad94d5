import { describe, expect, it } from 'vitest';
import { verdictsOf } from '../../../bench/inventory.ts';

const timing = (p99Ms: number) => ({ p50Ms: 0.5, p99Ms });
const GOOD = { get: timing(5), search: timing(50), startSeconds: 2, rssBytes: 500e6 };

describe('the targets of the inventory bench', () => {
  it('are four, each met or missed by its own figure', () => {
    const missed = (figures: object) =>
      verdictsOf({ ...GOOD, ...figures }, false).flatMap(({ met, what }) => (met ? [] : [what]));
    expect(verdictsOf(GOOD, false)).toHaveLength(4);
    expect(missed({})).toEqual([]);
    expect(missed({ get: timing(5.1) })).toEqual(['get, p99 in ms']);
    expect(missed({ search: timing(50.1) })).toEqual(['search, p99 in ms']);
    expect(missed({ startSeconds: 2.01 })).toEqual(['start in seconds']);
    expect(missed({ rssBytes: 501e6 })).toEqual(['MB of memory while asked']);
  });

  it('of a quick run are those that another size does not change', () => {
    const slow = { ...GOOD, get: timing(500), rssBytes: 501e6 };
    expect(verdictsOf(slow, true)).toMatchObject([
      { what: 'MB of memory while asked', met: false },
    ]);
  });
});
