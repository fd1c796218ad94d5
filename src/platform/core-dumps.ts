/**
 * No core dumps of this process.
 *
 * Passwords of BMCs are opened for each session and kept nowhere, but a string of JavaScript cannot be wiped: its bytes stay in
 * memory until they are collected and written over. A core dump would put them on a disk, where they stay for good. So the
 * process says to the kernel that it is not to be dumped (prctl(2), PR_SET_DUMPABLE), which holds for dumps into a file and
 * for those that are piped to a collector, and sets the limit for core files to nothing. Neither keeps root from reading the
 * memory of a process that runs; nothing does.
 */
import { createRequire } from 'node:module';

const PR_SET_DUMPABLE = 4;
const RLIMIT_CORE = 4;

/** @returns whether the kernel has taken it; false without koffi, or where the system is not Linux */
export function forbidCoreDumps(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const libc = koffi.load('libc.so.6');
    const prctl = libc.func('int prctl(int, ulong, ulong, ulong, ulong)');
    const setrlimit = libc.func('int setrlimit(int, const uint64_t *)');
    const none = new BigUint64Array(2);
    return setrlimit(RLIMIT_CORE, none) === 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) === 0;
  } catch {
    return false;
  }
}
