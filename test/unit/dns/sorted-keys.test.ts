import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SortedKeys } from '../../../src/dns/sorted-keys.ts';

const key = fc.integer({ min: 0, max: 3000 }).map((n) => n.toString(36));

describe('sorted keys in pieces', () => {
  it('hold, find and forget what one sorted list would, and leave older lists alone', () => {
    const changes = fc.array(fc.tuple(key, fc.boolean()), { maxLength: 200, size: 'max' });
    fc.assert(
      fc.property(
        fc.uniqueArray(key, { maxLength: 1500, size: 'max' }),
        changes,
        (start, steps) => {
          let model = [...start].sort();
          let keys = SortedKeys.from(model);
          const [first, before] = [keys, [...model]];
          for (const [text, there] of steps) {
            const without = model.filter((other) => other !== text);
            model = there ? [...without, text].sort() : without;
            keys = keys.with(text, there);
            expect(keys.has(text)).toBe(there);
            expect(keys.after(text)).toBe(model.find((other) => other > text));
            expect(keys.before(text)).toBe(model.findLast((other) => other < text));
          }
          expect([...keys]).toEqual(model);
          expect([...first]).toEqual(before);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('grow from nothing by thousands, in any order', () => {
    let keys = SortedKeys.from([]);
    const all = Array.from({ length: 5000 }, (_, n) =>
      ((n * 7919) % 5000).toString().padStart(4, '0'),
    );
    for (const text of all) keys = keys.with(text, true);
    expect([...keys]).toEqual([...all].sort());
    expect(keys.after('4999')).toBeUndefined();
    expect(keys.before('0000')).toBeUndefined();
    for (const text of all) keys = keys.with(text, false);
    expect([...keys]).toEqual([]);
    expect(keys.after('')).toBeUndefined();
  });
});
