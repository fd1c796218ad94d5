/**
 * Many UDP datagrams in one system call, in both directions (recvmmsg and sendmmsg, Linux).
 *
 * Node makes one call for each datagram; at thousands of requests a second those calls cost more than the answers. The
 * records that the kernel reads (mmsghdr, iovec, sockaddr_in) are laid out once in memory that never moves, so a call
 * passes one pointer (`datagram-layout.ts`). Received bytes lie in the arena and are overwritten by the next receive: whoever keeps them
 * copies them. IPv4 only.
 *
 * A server behind relays, and one whose clients have no address yet, sends most of its answers to one place, and most are
 * equally long. Such a run goes down the stack as one message, which the kernel cuts into the datagrams at the end of it
 * (UDP_SEGMENT, udp(7), Linux 4.18): what reaches the wire is the same. Where a device or a route refuses that, the run is sent
 * again one by one, and when that is taken, so is everything from then on. Where nothing cuts it (`cut-outside.ts`) the caller
 * says so, and there are no runs.
 */
import {
  type Batch,
  createBatch,
  IOVEC_BYTES,
  IOVEC_WORDS,
  MMSGHDR_WORDS,
  MSG,
  putPointer,
  SOCKADDR_IN_BYTES,
  VECTOR_LENGTH,
} from './datagram-layout.ts';
import { AF_INET, ERRNO, type Libc, MSG_DONTWAIT } from './libc.ts';

export interface Outgoing {
  readonly bytes: Uint8Array;
  readonly port: number;
  /** Dotted quad. */
  readonly address: string;
}

export interface DatagramSource {
  readonly address: string;
  readonly port: number;
}

export type DatagramHandler = (bytes: Uint8Array, source: DatagramSource) => void;

export interface UdpBatch {
  /** Hands over what waits in the socket, at most `RECEIVE_SLOTS`, without blocking. @returns how many */
  receive(handler: DatagramHandler): number;
  /** Sends in order; returns those that the kernel did not take because its buffer was full. */
  send(datagrams: readonly Outgoing[], refused: (datagram: Outgoing) => void): Outgoing[];
}

/** One call takes so many; when it does, there may be more. */
export const RECEIVE_SLOTS = 128;
const SLOTS = RECEIVE_SLOTS;
/** An Ethernet frame's worth; a longer datagram is cut, and no client sends one. */
const SLOT_BYTES = 2048;

/** Shorter runs gain nothing, and captures on this machine show each datagram by itself. */
const RUN_MIN = 8;
/** UDP_MAX_SEGMENTS of older kernels, and what fits into one IP packet. */
const RUN_MAX = 64;
const RUN_BYTES_MAX = 65_000;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
/** struct cmsghdr and two bytes of data: the size of a segment. */
const CONTROL_BYTES = 24;
const CONTROL_LENGTH = 18;
const SEGMENTATION_REFUSED: ReadonlySet<number> = new Set([
  ERRNO.EIO,
  ERRNO.EINVAL,
  ERRNO.EMSGSIZE,
]);

/** @param options.runs datagrams may go as one message that is cut later */
export function openUdpBatch(libc: Libc, fd: number, options: { runs: boolean }): UdpBatch {
  const plan = { count: SLOTS, slotBytes: SLOT_BYTES, nameBytes: SOCKADDR_IN_BYTES };
  const incoming = createBatch(libc, plan);
  const outgoing = new Outbox(
    libc,
    createBatch(libc, { ...plan, controlBytes: CONTROL_BYTES }),
    options.runs,
  );
  const sourceOf = sourceReader();
  return {
    receive: (handler) => receive(libc, { fd, arena: incoming, sourceOf }, handler),
    send: (datagrams, refused) => outgoing.send(fd, datagrams, refused),
  };
}

interface Channel {
  readonly fd: number;
  readonly arena: Batch;
  readonly sourceOf: (address: number, port: number) => DatagramSource;
}

function receive(libc: Libc, { fd, arena, sourceOf }: Channel, handler: DatagramHandler): number {
  const { headers, words, names, slots } = arena;
  const count = libc.recvmmsg(fd, headers, SLOTS, MSG_DONTWAIT, null);
  for (let index = 0; index < count; index++) {
    const message = index * MMSGHDR_WORDS;
    const length = words[message + MSG.length] ?? 0;
    const name = index * SOCKADDR_IN_BYTES;
    const source = sourceOf(names.readUInt32BE(name + 4), names.readUInt16BE(name + 2));
    words[message + MSG.nameBytes] = SOCKADDR_IN_BYTES;
    const at = index * SLOT_BYTES;
    handler(new Uint8Array(slots.buffer, slots.byteOffset + at, length), source);
  }
  return Math.max(count, 0);
}

/** What comes from one relay comes by thousands: the last one is remembered. */
function sourceReader(): (address: number, port: number) => DatagramSource {
  let number = 0;
  let last: DatagramSource = { address: '0.0.0.0', port: 0 };
  return (address, port) => {
    if (address !== number) last = { address: dottedQuad(address), port };
    else if (port !== last.port) last = { address: last.address, port };
    number = address;
    return last;
  };
}

function dottedQuad(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

class Outbox {
  private readonly libc: Libc;
  private readonly arena: Batch;
  private readonly vectorsAt: number;
  /** How many datagrams each message of the arena holds. */
  private readonly runs = new Uint8Array(SLOTS);
  private segmentation: boolean;

  constructor(libc: Libc, arena: Batch, runs: boolean) {
    this.segmentation = runs;
    this.libc = libc;
    this.arena = arena;
    this.vectorsAt = Number(libc.addressOf(arena.vectors));
    for (let message = 0; message < SLOTS; message++) {
      const control = message * CONTROL_BYTES;
      arena.names.writeUInt16LE(AF_INET, message * SOCKADDR_IN_BYTES);
      arena.control.writeUInt32LE(CONTROL_LENGTH, control);
      arena.control.writeUInt32LE(SOL_UDP, control + 8);
      arena.control.writeUInt32LE(UDP_SEGMENT, control + 12);
    }
  }

  send(
    fd: number,
    datagrams: readonly Outgoing[],
    refused: (datagram: Outgoing) => void,
  ): Outgoing[] {
    /** Up to here datagrams go one by one: the run that they were was refused. */
    let singlyTo = 0;
    for (let from = 0; from < datagrams.length; ) {
      const messages = this.lay(datagrams, { from, singlyTo });
      const count = this.libc.sendmmsg(fd, this.arena.headers, messages, MSG_DONTWAIT);
      if (count > 0) {
        // What a run may not, each of it may: so it is runs that are refused here.
        if (from < singlyTo) this.segmentation = false;
        for (let message = 0; message < count; message++) from += this.runs[message] ?? 1;
        continue;
      }
      // A call that sent some says nothing of the one it stopped at: the next call begins there, and does.
      const errno = this.libc.errno();
      if (errno === ERRNO.EINTR) continue;
      if (errno === ERRNO.EAGAIN) return datagrams.slice(from);
      const run = this.runs[0] ?? 1;
      if (run > 1 && SEGMENTATION_REFUSED.has(errno)) {
        singlyTo = from + run;
        continue;
      }
      for (const end = from + run; from < end; from++) {
        const bad = datagrams[from];
        if (bad) refused(bad);
      }
    }
    return [];
  }

  /** Lays datagrams into the arena, from that one on, as many as there is room for. @returns how many messages they are */
  private lay(
    datagrams: readonly Outgoing[],
    { from, singlyTo }: { from: number; singlyTo: number },
  ): number {
    const { slots, vectorWords, words, control } = this.arena;
    const end = Math.min(datagrams.length, from + SLOTS);
    let messages = 0;
    for (let index = from; index < end; ) {
      const first = datagrams[index] as Outgoing;
      const bytes = Math.min(first.bytes.length, SLOT_BYTES);
      const runEnd =
        this.segmentation && index >= singlyTo ? this.runEnd(datagrams, index, end) : index + 1;
      const run = runEnd - index;
      const word = messages * MMSGHDR_WORDS;
      putPointer(words, word + MSG.vectors, this.vectorsAt + (index - from) * IOVEC_BYTES);
      words[word + MSG.vectorCount] = run;
      words[word + MSG.controlBytes] = run > 1 ? CONTROL_BYTES : 0;
      control.writeUInt16LE(bytes, messages * CONTROL_BYTES + 16);
      writeName(this.arena.names, messages * SOCKADDR_IN_BYTES, first);
      for (; index < runEnd; index++) {
        const { bytes: one } = datagrams[index] as Outgoing;
        const slot = index - from;
        slots.set(one.length > SLOT_BYTES ? one.subarray(0, SLOT_BYTES) : one, slot * SLOT_BYTES);
        vectorWords[slot * IOVEC_WORDS + VECTOR_LENGTH] = Math.min(one.length, SLOT_BYTES);
      }
      this.runs[messages] = run;
      messages += 1;
    }
    return messages;
  }

  /** Behind the last datagram that goes where this one does and is as long. */
  private runEnd(datagrams: readonly Outgoing[], from: number, end: number): number {
    const { bytes, port, address } = datagrams[from] as Outgoing;
    const { length } = bytes;
    const most = Math.min(RUN_MAX, Math.floor(RUN_BYTES_MAX / Math.max(length, 1)));
    let at = from + 1;
    for (; at < end && at - from < most; at++) {
      const next = datagrams[at] as Outgoing;
      if (next.bytes.length !== length || next.port !== port || next.address !== address) break;
    }
    return length === 0 || at - from < RUN_MIN ? from + 1 : at;
  }
}

function writeName(into: Buffer, at: number, { port, address }: Outgoing): void {
  into.writeUInt16BE(port, at + 2);
  let byte = 0;
  let offset = at + 4;
  for (let index = 0; index < address.length; index++) {
    const code = address.charCodeAt(index);
    if (code === 0x2e) {
      into[offset++] = byte;
      byte = 0;
    } else byte = byte * 10 + (code - 0x30);
  }
  into[offset] = byte;
}
