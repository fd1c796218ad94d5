import { expect, it } from 'vitest';
import { limit } from '../../../src/limits.ts';
import { inSlices } from '../../../src/nameserver/slices.ts';

it('work that failed in one slice goes on by itself, and ends when it is done', async () => {
  const left = ['more', 'full', 'full', 'more', 'done'];
  const errors: unknown[] = [];
  await new Promise<void>((resolve) => {
    const slices = inSlices(
      () => {
        const next = left.shift();
        if (next === 'full') throw new Error('disk is full');
        if (left.length === 0) resolve();
        return next === 'more';
      },
      { onError: (error) => void errors.push(error), againMs: 1 },
    );
    slices.wake();
    slices.wake();
  });
  expect(left).toEqual([]);
  expect(errors).toHaveLength(2);
});

it('what is closed in the middle goes on no more', async () => {
  let times = 0;
  const slices = inSlices(
    () => {
      times += 1;
      slices.close();
      return true;
    },
    { onError: () => undefined, againMs: 1 },
  );
  slices.wake();
  await new Promise((next) => setTimeout(next, 20 * limit('dnsSliceGapMs')));
  expect(times).toBe(1);
});
