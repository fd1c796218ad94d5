/**
 * Many UDP datagrams in one system call, in both directions (recvmmsg and sendmmsg, Linux).
 *
 * Node makes one call for each datagram; at thousands of requests a second those calls cost more than the answers. The
 * records that the kernel reads (mmsghdr, iovec, sockaddr_in) are laid out once in memory that never moves, so a call
 * passes one pointer (`datagram-layout.ts`). Received bytes lie in the arena and are overwritten by the next receive: whoever keeps them
 * copies them. IPv4 only.
 */
import {
  type Batch,
  createBatch,
  IOVEC_WORDS,
  MMSGHDR_WORDS,
  MSG,
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

export type DatagramHandler = (
  bytes: Uint8Array,
  source: { address: string; port: number },
) => void;

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

export function openUdpBatch(libc: Libc, fd: number): UdpBatch {
  const plan = { count: SLOTS, slotBytes: SLOT_BYTES, nameBytes: SOCKADDR_IN_BYTES };
  const incoming = createBatch(libc, plan);
  const outgoing = createBatch(libc, plan);
  return {
    receive: (handler) => receive(libc, { fd, arena: incoming }, handler),
    send: (datagrams, refused) => {
      for (let from = 0; from < datagrams.length; ) {
        const part = datagrams.slice(from, from + SLOTS);
        const taken = sendPart(libc, { fd, arena: outgoing }, part);
        from += taken.count;
        if (taken.full) return datagrams.slice(from);
        // A call that sent some says nothing of the one it stopped at: the next call begins there, and does.
        const bad = taken.count === 0 ? datagrams[from] : undefined;
        if (bad) {
          refused(bad);
          from += 1;
        }
      }
      return [];
    },
  };
}

interface Channel {
  readonly fd: number;
  readonly arena: Batch;
}

function receive(libc: Libc, { fd, arena }: Channel, handler: DatagramHandler): number {
  const { headers, words, names, slots } = arena;
  const count = libc.recvmmsg(fd, headers, SLOTS, MSG_DONTWAIT, null);
  for (let index = 0; index < count; index++) {
    const message = index * MMSGHDR_WORDS;
    const length = words[message + MSG.length] ?? 0;
    const name = index * SOCKADDR_IN_BYTES;
    const port = names.readUInt16BE(name + 2);
    const address = `${names[name + 4]}.${names[name + 5]}.${names[name + 6]}.${names[name + 7]}`;
    words[message + MSG.nameBytes] = SOCKADDR_IN_BYTES;
    const at = index * SLOT_BYTES;
    if (length > 0 && port !== 0) handler(slots.subarray(at, at + length), { address, port });
  }
  return Math.max(count, 0);
}

function sendPart(
  libc: Libc,
  { fd, arena }: Channel,
  part: readonly Outgoing[],
): { count: number; full: boolean } {
  const { headers, vectorWords, names, slots } = arena;
  for (const [index, { bytes, port, address }] of part.entries()) {
    slots.set(
      bytes.length > SLOT_BYTES ? bytes.subarray(0, SLOT_BYTES) : bytes,
      index * SLOT_BYTES,
    );
    vectorWords[index * IOVEC_WORDS + VECTOR_LENGTH] = Math.min(bytes.length, SLOT_BYTES);
    const name = index * SOCKADDR_IN_BYTES;
    names.writeUInt16LE(AF_INET, name);
    names.writeUInt16BE(port, name + 2);
    writeAddress(names, name + 4, address);
  }
  for (;;) {
    const count = libc.sendmmsg(fd, headers, part.length, MSG_DONTWAIT);
    if (count >= 0) return { count, full: false };
    const errno = libc.errno();
    if (errno !== ERRNO.EINTR) return { count: 0, full: errno === ERRNO.EAGAIN };
  }
}

function writeAddress(into: Buffer, at: number, dotted: string): void {
  let byte = 0;
  let offset = at;
  for (let index = 0; index < dotted.length; index++) {
    const code = dotted.charCodeAt(index);
    if (code === 0x2e) {
      into[offset++] = byte;
      byte = 0;
    } else byte = byte * 10 + (code - 0x30);
  }
  into[offset] = byte;
}
