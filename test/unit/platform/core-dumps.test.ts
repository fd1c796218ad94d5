/** A process that dies leaves no core: what the kernel says of one that has asked for that, and of one that has not. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';

/** Runs a process that tells its limit for core files and whether it may be dumped (PR_GET_DUMPABLE is 3). */
function tell(forbid: boolean): { core: string; dumpable: number } {
  const script = `
    import { readFileSync } from 'node:fs';
    import koffi from 'koffi';
    import { forbidCoreDumps } from './src/platform/core-dumps.ts';
    if (${forbid} && !forbidCoreDumps()) throw new Error('the kernel refused');
    const [, core] = /^Max core file size +(\\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    const prctl = koffi.load('libc.so.6').func('int prctl(int, ulong, ulong, ulong, ulong)');
    console.log(JSON.stringify({ core, dumpable: prctl(3, 0, 0, 0, 0) }));`;
  const words = ['--input-type=module-typescript', '--no-warnings', '-e', script];
  return JSON.parse(execFileSync(process.execPath, words, { encoding: 'utf8' }));
}

it('is not dumped, into a file or a pipe, once it has asked for that', () => {
  expect(tell(true)).toEqual({ core: '0', dumpable: 0 });
  expect(tell(false).dumpable).toBe(1);
});
