/**
 * Whether a DHCP server has a lease on disk before it acknowledges it, seen from outside: strace attaches to the running
 * server, perfdhcp makes one exchange at a time, and the order of the calls tells. It says nothing about a disk that lies
 * about its cache; and a lease that was written but not synced survives the death of the process, though not of the machine.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MESSAGE, OPTION } from '../src/dhcp/options.ts';
import { decodePacket } from '../src/dhcp/packet.ts';
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
  /** All processes that may sync: the server's, and its database's. */
  pids: readonly number[];
  load(): Promise<Load>;
}): Promise<Durability> {
  const { scope, strace, pids, load } = options;
  const file = join(temporaryDir(scope), 'trace');
  const tracer = start({
    scope,
    command: [
      ...([
        strace,
        '-f',
        ...pids.flatMap((pid) => ['-p', String(pid)]),
        '-o',
        file,
        '-e',
        `trace=${TRACED}`,
      ] as const),
      // Whole packets in hexadecimal: the message type is what tells an ACK from an OFFER.
      ...['-e', 'signal=none', '-xx', '-s', '1600'],
    ],
  });
  await tracer.line(/attached/);
  const { completed } = await load();
  await tracer.stop('SIGINT');
  return { exchanges: completed, ...readTrace(readFileSync(file, 'utf8')) };
}

/**
 * Pure. An ACK counts as synced when a sync began after its REQUEST (told by the transaction id) was received and returned
 * before the ACK was sent. Lines are in the order in which calls began or, where another thread cut in, were resumed.
 */
export function readTrace(trace: string): Omit<Durability, 'exchanges'> {
  let fsyncs = 0;
  const requested = new Set<number>();
  const synced = new Set<number>();
  /** Transactions that a running sync covers, by thread. */
  const covered = new Map<string, readonly number[]>();
  const acks = { all: 0, synced: 0 };
  for (const line of trace.split('\n')) {
    const thread = line.split(' ', 1)[0] ?? '';
    if (SYNC_BEGINS.test(line)) covered.set(thread, [...requested]);
    if (SYNC_RETURNS.test(line)) {
      fsyncs += 1;
      for (const xid of covered.get(thread) ?? []) synced.add(xid);
    }
    for (const { type, xid } of messagesIn(line)) {
      if (type === MESSAGE.request && /\brecv/.test(line)) requested.add(xid);
      if (type !== MESSAGE.ack || !/\bsend/.test(line)) continue;
      acks.all += 1;
      if (synced.has(xid)) acks.synced += 1;
    }
  }
  if (acks.all === 0) throw new Error('the trace shows no ACK: the server sends by other calls');
  return { fsyncs, ackAfterSync: round(acks.synced / acks.all, 3) };
}

const SYNC_BEGINS = /^\d+ +(fsync|fdatasync|sync_file_range|msync)\(/;
const SYNC_RETURNS = /\b(fsync|fdatasync|sync_file_range|msync)\b.*\) += 0/;
/** Bytes as `strace -xx` writes them; what is shorter than a DHCP packet is an address or a control message. */
const PACKET = /"((?:\\x[0-9a-f]{2}){240,})"/g;

function messagesIn(line: string): { type: number | undefined; xid: number }[] {
  return [...line.matchAll(PACKET)].flatMap(([, bytes = '']) => {
    const packet = decodePacket(Buffer.from(bytes.replaceAll('\\x', ''), 'hex'));
    if (!packet.ok) return [];
    const { xid, options } = packet.value;
    return [{ type: options.get(OPTION.messageType)?.[0], xid }];
  });
}
