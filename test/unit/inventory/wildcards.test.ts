import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Filter, openMachineQuery, rowsOf } from '../../../src/inventory/machine-query.ts';
import { addWildcards, compileWildcards, wildcardWork } from '../../../src/inventory/wildcards.ts';
import { spentMs } from '../../support/spent.ts';

const is = (text: string, pattern: string): boolean => compileWildcards(pattern)(text);

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
      fc.property(
        letters(''),
        letters('*?*'),
        fc.constantFrom(0, 25, 30, 31, 62, 100),
        (text, pattern, more) => {
          // Long ones too: their bits fill several words.
          const [long, like] = ['a'.repeat(more) + text, 'a'.repeat(more) + pattern];
          const row = both.get(long, like.replaceAll('[', '[[]'), long, like);
          expect(row?.ours).toBe(row?.theirs);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('begin, end and may be nothing but what the pattern says', () => {
    expect(is('', '')).toBe(true);
    expect(is('', '**')).toBe(true);
    expect(is('', '?')).toBe(false);
    expect(is('a', '')).toBe(false);
    expect(is('a'.repeat(253), '?'.repeat(253))).toBe(true);
    expect(is('a'.repeat(254), '?'.repeat(253))).toBe(false);
  });

  it('take no time for a page of notes, whatever the pattern', () => {
    const notes = 'a'.repeat(4096);
    const hard = [`${'*a'.repeat(60)}*b`, `*${'a'.repeat(126)}b`, `*${'a?'.repeat(125)}b`];
    const matchers = hard.map(compileWildcards);
    const took = spentMs(() => {
      for (let row = 0; row < 200; row++)
        for (const matches of matchers) expect(matches(notes)).toBe(false);
    });
    // Going back to the newest star took 2 ms and more for each of these 600.
    expect(took).toBeLessThan(600);
    expect(is(notes, `${'*a'.repeat(60)}*`)).toBe(true);
  });

  it('cost more where they are long', () => {
    expect(wildcardWork(253, 'fancydb*')).toBe(253);
    expect(wildcardWork(4096, `*${'a'.repeat(126)}b`)).toBe(4096 * 5);
  });
});

describe('a step of a list', () => {
  const like = (field: Filter['field'], ...values: string[]): Filter => ({
    ...{ field, op: 'like', values },
  });
  const hard = `*${'a'.repeat(126)}b`;

  it('has fewer rows where patterns are looked for in long texts', () => {
    expect(rowsOf([])).toBe(1000);
    expect(rowsOf([like('hostname', 'fancydb*')])).toBe(1000);
    expect(rowsOf([like('hostname', ...Array(20).fill(hard))])).toBe(10);
    expect(rowsOf([like('notes', 'loose*')])).toBe(62);
    expect(rowsOf([like('notes', ...Array(20).fill(hard))])).toBe(1);
    expect(rowsOf([like('disk.model', 'SAMSUNG*')])).toBe(50);
    expect(rowsOf([like('disk.model', 'SAMSUNG*', 'MICRON*')])).toBe(31);
  });

  it('is short with the hardest patterns and the longest notes', () => {
    const db = new Sqlite(':memory:');
    db.exec(
      'CREATE TABLE machines (id INTEGER PRIMARY KEY, hardwarename, notes, rack, site, role)',
    );
    const insert = db.prepare('INSERT INTO machines (hardwarename, notes) VALUES (?, ?)');
    for (let row = 0; row < 100; row++) insert.run(`m${row}`, 'a'.repeat(4096));
    const patterns = Array.from({ length: 20 }, (_, at) => `*${'a'.repeat(126 - at)}b`);
    const steps = openMachineQuery(db).count([like('notes', ...patterns)]);
    const took: number[] = [];
    for (let done: boolean | undefined; !done; ) {
      const look = () => {
        done = steps.next().done;
      };
      took.push(spentMs(look));
    }
    expect(took.length).toBeGreaterThan(100);
    // The middle one: a step may meet the garbage collector.
    expect(took.sort((a, b) => a - b)[50]).toBeLessThan(10);
  });
});
