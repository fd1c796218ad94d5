/** Token buckets: a burst, then so many a second; a clock that is put back takes nothing from anybody. */
import { describe, expect, it } from 'vitest';
import { createRateLimit } from '../../../../src/http/people/rate-limit.ts';
import type { Millis } from '../../../../src/wire/time.ts';

function limited(perSecond: number, burst: number) {
  let now = 1_000_000_000;
  const limit = createRateLimit(() => now as Millis, { perSecond, burst });
  const takes = (count: number) => Array.from({ length: count }, () => limit.take('ann'));
  const pass = (ms: number): void => {
    now += ms;
  };
  return { limit, takes, pass };
}

describe('a rate', () => {
  it('gives a burst, and then as many as time brings', () => {
    const { limit, takes, pass } = limited(2, 3);
    expect(takes(4)).toEqual([0, 0, 0, 1]);
    expect(limit.left('ann')).toEqual({ left: 0, fullInSeconds: 2 });
    pass(1000);
    expect(takes(3)).toEqual([0, 0, 1]);
    expect(limit.take('bob')).toBe(0);
  });

  it('outlives a clock that is put back by hours', () => {
    const { limit, takes, pass } = limited(2, 3);
    takes(1);
    pass(-6 * 3_600_000);
    expect(limit.left('ann').left).toBe(2);
    expect(takes(3)).toEqual([0, 0, 1]);
    pass(1000);
    expect(takes(2)).toEqual([0, 0]);
  });
});
