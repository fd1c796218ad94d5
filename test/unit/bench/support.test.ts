import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cpuSeconds, memoryOf, start, treeOf } from '../../../bench/support/process.ts';
import { PROGRAM_PACKAGES } from '../../../bench/support/programs.ts';
import { withScope } from '../../../bench/support/scope.ts';
import { median, percentile } from '../../../bench/support/stats.ts';

describe('statistics', () => {
  it('takes the middle, of an even number the mean of the two', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow('no values');
  });
  it('takes percentiles by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([0, 0.5, 0.99, 1].map((share) => percentile(values, share))).toEqual([1, 50, 99, 100]);
  });
});

describe('programs', () => {
  it('come from packages that `make setup-bench` installs', () => {
    const makefile = readFileSync('Makefile', 'utf8');
    const packages = /^BENCH_PACKAGES := (.*)$/m.exec(makefile)?.[1]?.split(' ');
    for (const name of Object.values(PROGRAM_PACKAGES)) expect(packages).toContain(name);
  });
});

describe('a scope', () => {
  it('closes in reverse order, also when the work fails, and goes on after a close that fails', async () => {
    const closed: string[] = [];
    const work = withScope(async (scope) => {
      scope.defer(() => closed.push('first'));
      scope.defer(() => Promise.reject(new Error('a close that fails, on purpose')));
      scope.defer(() => closed.push('last'));
      throw new Error('work');
    });
    await expect(work).rejects.toThrow('work');
    expect(closed).toEqual(['last', 'first']);
  });
});

describe('a program', () => {
  it('is waited for by its output, measured, and ended with its scope', async () => {
    const { program, seconds, tree, bytes } = await withScope(async (scope) => {
      const busy = "console.log('up'); const end = Date.now() + 60_000; while (Date.now() < end);";
      const program = start({ scope, command: [process.execPath, '-e', busy] });
      expect(await program.line(/^up$/)).toBe('up');
      while (cpuSeconds(program.pid) < 0.05) await new Promise(setImmediate);
      const [seconds, tree] = [cpuSeconds(program.pid), treeOf(process.pid)];
      return { program, seconds, tree, bytes: memoryOf(program.pid) };
    });
    expect(seconds).toBeGreaterThan(0);
    expect(tree).toContain(program.pid);
    expect(bytes.rssBytes).toBeGreaterThan(1_000_000);
    expect(bytes.peakBytes).toBeGreaterThanOrEqual(bytes.rssBytes);
    expect(await program.ended).toEqual({ code: null, signal: 'SIGTERM' });
  });
  it('that ends before the awaited line says what it printed', async () => {
    await withScope(async (scope) => {
      const program = start({ scope, command: ['sh', '-c', 'echo oh no; exit 3'] });
      await expect(program.line(/^up$/)).rejects.toThrow(/ended\noh no/);
      expect(await program.ended).toEqual({ code: 3, signal: null });
    });
  });
});
