/**
 * A socket of this process in another network namespace. The thread enters the namespace, opens the socket, and goes back
 * before anything else runs; the socket stays where it was opened. So one process has the BMCs of a whole rack, each on its
 * own link, and their knobs in its hands.
 */
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { AF_INET, loadLibc, openDatagramSocket } from '../src/platform/libc.ts';

const CLONE_NEWNET = 0x40000000;

type SetNs = (fd: number, kind: number) => number;

/** A UDP socket bound to every address of the namespace; its descriptor. @throws Error */
export function openUdpIn(ns: string, port: number): number {
  const libc = loadLibc();
  if (!libc) throw new Error('sockets in namespaces need koffi, which cannot be loaded here');
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const setns = koffi.load('libc.so.6').func('int setns(int fd, int kind)') as unknown as SetNs;
  const home = openSync('/proc/thread-self/ns/net', 'r');
  const there = openSync(`/run/netns/${ns}`, 'r');
  const enter = (fd: number) => {
    if (setns(fd, CLONE_NEWNET) !== 0) throw new Error(`setns: error ${libc.errno()}`);
  };
  try {
    enter(there);
    const name = new Uint8Array(16);
    new DataView(name.buffer).setUint16(0, AF_INET, true);
    new DataView(name.buffer).setUint16(2, port);
    return openDatagramSocket(libc, { family: AF_INET, options: [], name });
  } finally {
    enter(home);
    closeSync(there);
    closeSync(home);
  }
}
