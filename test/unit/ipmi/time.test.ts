/** The time of day as text, beside the one that the runtime makes. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatUtc } from '../../../src/wire/time.ts';

it('is what a Date says, for any second of nine thousand years', () => {
  const bounds = { min: Date.UTC(1000, 0, 1) / 1000, max: Date.UTC(9999, 11, 31) / 1000 };
  fc.assert(
    fc.property(fc.integer(bounds), (seconds) => {
      expect(formatUtc(seconds)).toBe(new Date(seconds * 1000).toISOString().replace('.000Z', 'Z'));
    }),
    { numRuns: 2000 },
  );
  for (const day of ['2000-02-29', '2100-02-28', '2100-03-01', '2024-12-31', '2400-02-29'])
    expect(formatUtc(Date.parse(`${day}T23:59:59Z`) / 1000)).toBe(`${day}T23:59:59Z`);
});
