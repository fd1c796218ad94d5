/**
 * Whether a DHCP server has a lease on disk before it acknowledges it, seen from outside: strace attaches to the running
 * server, perfdhcp makes one exchange at a time, and the order of the calls tells. It says nothing about a disk that lies
 * about its cache; and a lease that was written but not synced survives the death of the process, though not of the machine.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDir } from './support/daemon.ts';
import type { Load } from './support/perfdhcp.ts';
import { start } from './support/process.ts';
import type { Scope } from './support/scope.ts';
import { round } from './support/stats.ts';

export interface Durability {
  readonly exchanges: number;
  readonly fsyncs: number;
  /** Share of the ACKs that left after a sync that came after their REQUEST, 0 to 1. */
  readonly ackAfterSync: number;
}

const TRACED =
  'fsync,fdatasync,sync_file_range,msync,sendto,sendmsg,sendmmsg,recvfrom,recvmsg,recvmmsg';

export async function lookAtDurability(options: {
  scope: Scope;
  strace: string;
  pid: number;
  load(): Promise<Load>;
}): Promise<Durability> {
  const { scope, strace, pid, load } = options;
  const file = join(temporaryDir(scope), 'trace');
  const tracer = start({
    scope,
    command: [
      ...([strace, '-f', '-p', String(pid), '-o', file, '-e', `trace=${TRACED}`] as const),
      // Whole packets in hexadecimal: the message type is what tells an ACK from an OFFER.
      ...['-e', 'signal=none', '-xx', '-s', '1600'],
    ],
  });
  await tracer.line(/attached/);
  const { completed } = await load();
  await tracer.stop('SIGINT');
  return { exchanges: completed, ...readTrace(readFileSync(file, 'utf8')) };
}

/** DHCP's magic cookie, then option 53 of length 1 somewhere behind it: our servers all put it first. */
const MESSAGE_TYPE = /\\x63\\x82\\x53\\x63(?:\\x[0-9a-f]{2})*?\\x35\\x01\\x0([0-9a-f])/;
const DHCPREQUEST = '3';
const DHCPACK = '5';

/** Pure: the calls in the order in which they returned (a call that began earlier is listed where it was resumed). */
export function readTrace(trace: string): Omit<Durability, 'exchanges'> {
  let fsyncs = 0;
  let syncedSinceRequest = false;
  const acks = { all: 0, synced: 0 };
  for (const line of trace.split('\n')) {
    if (/\b(fsync|fdatasync|sync_file_range|msync)\b.* = 0/.test(line)) {
      fsyncs += 1;
      syncedSinceRequest = true;
    }
    const type = MESSAGE_TYPE.exec(line)?.[1];
    if (type === DHCPREQUEST && /\brecv\w+/.test(line)) syncedSinceRequest = false;
    if (type === DHCPACK && /\bsend\w+/.test(line)) {
      acks.all += 1;
      if (syncedSinceRequest) acks.synced += 1;
    }
  }
  if (acks.all === 0) throw new Error('the trace shows no ACK: the server sends by other calls');
  return { fsyncs, ackAfterSync: round(acks.synced / acks.all, 3) };
}
