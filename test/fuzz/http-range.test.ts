/**
 * Mutated conditional and range headers, as a file's route reads them: whatever a client writes, the verdict is one of five, and
 * a part lies within the file. FUZZ_RUNS sets the count (20,000 by default).
 */
import { expect, it } from 'vitest';
import { judge, type Verdict } from '../../src/http/machine/preconditions.ts';
import { mutate, random } from '../support/mutate.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_121);

const ETAG = '"1a2b-6000"';
const MODIFIED = Date.parse('2026-11-20T08:00:00Z');
const DATE = 'Fri, 20 Nov 2026 08:00:00 GMT';
const SEEDS: Readonly<Record<string, readonly string[]>> = {
  range: [
    'bytes=0-0',
    'bytes=-500',
    'bytes=5999-',
    'bytes=0-18446744073709551616',
    'bytes=1-2,4-5',
  ],
  'if-match': [ETAG, '*', `W/${ETAG}, "x"`],
  'if-none-match': [ETAG, `"a", W/${ETAG}`, '*'],
  'if-range': [ETAG, DATE, 'Friday, 20-Nov-26 08:00:00 GMT'],
  'if-modified-since': [DATE, 'Fri Nov 20 08:00:00 2026'],
  'if-unmodified-since': [DATE, 'Sun Nov  1 08:00:00 2026'],
};
const SIZES = [0, 1, 6000, 4_294_967_296];

it(`HTTP range: ${RUNS} mutated requests`, () => {
  const pick = random(SEED + 7);
  const seen = new Map<Verdict['kind'], number>();
  for (let run = 0; run < RUNS; run++) {
    const headers: Record<string, string> = {};
    for (const [name, seeds] of Object.entries(SEEDS)) {
      if (name !== 'range' && pick(4) > 0) continue;
      const seed = Buffer.from(seeds[pick(seeds.length)] ?? '', 'latin1');
      const bytes = pick(4) === 0 ? seed : mutate(seed, pick);
      headers[name] = Buffer.from(bytes).toString('latin1');
    }
    const sizeBytes = SIZES[pick(SIZES.length)] ?? 0;
    const method = pick(8) === 0 ? 'HEAD' : 'GET';
    const file = { etag: ETAG, sizeBytes, modifiedMs: MODIFIED };
    const verdict = judge({ method, headers, now: MODIFIED + 60_000 }, file);
    seen.set(verdict.kind, (seen.get(verdict.kind) ?? 0) + 1);
    if (verdict.kind !== 'part') continue;
    const { first, last } = verdict;
    const isWithin =
      Number.isSafeInteger(first) && Number.isSafeInteger(last) && first >= 0 && first <= last;
    if (!isWithin || last >= sizeBytes || method !== 'GET') {
      expect.fail(`${JSON.stringify(headers)} of ${sizeBytes}: ${first}-${last}`);
    }
  }
  expect([...seen.keys()].sort()).toEqual([
    ...['not-modified', 'part', 'precondition-failed', 'unsatisfiable', 'whole'],
  ]);
});
