import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addWildcards, matchesWildcards } from '../../../src/inventory/wildcards.ts';

describe('wildcards', () => {
  it('find what the GLOB of SQLite finds', () => {
    const db = new Sqlite(':memory:');
    addWildcards(db);
    const both = db.prepare<[string, string, string, string], { theirs: number; ours: number }>(
      'SELECT ? GLOB ? AS theirs, wildcards(?, ?) AS ours',
    );
    const letters = (more: string) =>
      fc.array(fc.constantFrom(...`ab.[]${more}`), { maxLength: 8 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(letters(''), letters('*?*'), (text, pattern) => {
        const row = both.get(text, pattern.replaceAll('[', '[[]'), text, pattern);
        expect(row?.ours).toBe(row?.theirs);
      }),
      { numRuns: 3000 },
    );
  });

  it('take no time for a page of notes and a pattern full of stars', () => {
    const begin = performance.now();
    expect(matchesWildcards('a'.repeat(4096), `${'*a'.repeat(60)}*b`)).toBe(false);
    expect(matchesWildcards('a'.repeat(4096), `${'*a'.repeat(60)}*`)).toBe(true);
    expect(performance.now() - begin).toBeLessThan(1000);
  });
});
