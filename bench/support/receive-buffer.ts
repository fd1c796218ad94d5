/**
 * Gives a UDP socket of another program a longer receive buffer: for programs that leave it as it comes, 212 KB, and have no option.
 *
 * A generator that is kept from its processor for ten milliseconds, by the very server that it measures, loses what comes meanwhile
 * from a buffer of that length, and counts it against the server. The descriptor is fetched out of the program (pidfd_getfd(2), Linux
 * 5.6): nothing else of the machine is touched, and no other socket of it.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { int32, loadLibc, SOL_SOCKET } from '../../src/platform/libc.ts';

/** As in include/uapi/asm-generic: the same on every architecture. */
const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;
const SO_RCVBUFFORCE = 33;
const WAIT_MS = 1000;
const LOOK_MS = 2;

/** Resolves when the program's socket on that port has it. @throws Error when there is none within a second, or without root and koffi */
export async function lengthenReceiveBuffer(pid: number, port: number, bytes: number) {
  const libc = loadLibc();
  if (!libc) throw new Error('a longer receive buffer needs koffi');
  const fd = fetchDescriptor(pid, await socketOf(pid, port));
  const value = int32(bytes);
  const failed = libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, value, value.length) !== 0;
  libc.close(fd);
  if (failed) throw new Error('a longer receive buffer needs root');
}

/** @returns its number in the program */
async function socketOf(pid: number, port: number): Promise<number> {
  for (const until = performance.now() + WAIT_MS; performance.now() < until; ) {
    const inodes = inodesOn(readFileSync(`/proc/${pid}/net/udp`, 'latin1'), port);
    const found = readdirSync(`/proc/${pid}/fd`).find((fd) => inodes.has(inodeOf(pid, fd)));
    if (found !== undefined) return Number(found);
    await new Promise((later) => setTimeout(later, LOOK_MS));
  }
  throw new Error(`process ${pid} has no UDP socket on port ${port}`);
}

function inodesOn(table: string, port: number): Set<string> {
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/));
  const on = rows.filter(
    ([, local = '']) => Number.parseInt(local.split(':')[1] ?? '', 16) === port,
  );
  return new Set(on.map((words) => words[9] ?? ''));
}

function inodeOf(pid: number, fd: string): string {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? '';
  } catch {
    return '';
  }
}

function fetchDescriptor(pid: number, theirs: number): number {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const syscall = koffi
    .load('libc.so.6')
    .func('int64_t syscall(int64_t number, int64_t a, int64_t b, int64_t c)');
  const process = Number(syscall(PIDFD_OPEN, pid, 0, 0));
  const fd = process < 0 ? -1 : Number(syscall(PIDFD_GETFD, process, theirs, 0));
  loadLibc()?.close(process);
  if (fd < 0) throw new Error(`the descriptors of process ${pid} are not ours to have`);
  return fd;
}
