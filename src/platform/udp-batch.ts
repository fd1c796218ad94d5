/**
 * Many UDP datagrams in one system call, in both directions (recvmmsg and sendmmsg, Linux).
 *
 * Node makes one call for each datagram; at thousands of requests a second those calls cost more than the answers. The
 * records that the kernel reads (mmsghdr, iovec, sockaddr_in) are laid out once in memory that never moves, so a call
 * passes one pointer. Received bytes lie in the arena and are overwritten by the next receive: whoever keeps them
 * copies them. IPv4 only; the layout is that of Linux on 64 bits.
 */
import { type Libc, MSG_DONTWAIT } from './libc.ts';

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
  /** Hands over what waits in the socket, at most one arena full, without blocking; says whether there may be more. */
  receive(handler: DatagramHandler): boolean;
  /** Sends in order; returns those that the kernel did not take because its buffer was full. */
  send(datagrams: readonly Outgoing[], refused: (datagram: Outgoing) => void): Outgoing[];
}

const SLOTS = 128;
const HEADER_BYTES = 64;
const IOVEC_BYTES = 16;
const SOCKADDR_BYTES = 16;
/** An Ethernet frame's worth; a longer datagram is cut, and no client sends one. */
const SLOT_BYTES = 2048;
const AF_INET = 2;
const EAGAIN = 11;
const EINTR = 4;

interface Arena {
  readonly headers: Buffer;
  readonly iovecs: Buffer;
  readonly names: Buffer;
  readonly slots: Buffer;
}

export function openUdpBatch(libc: Libc, fd: number): UdpBatch {
  const incoming = createArena(libc);
  const outgoing = createArena(libc);
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

function createArena(libc: Libc): Arena {
  const arena = {
    headers: Buffer.allocUnsafeSlow(SLOTS * HEADER_BYTES).fill(0),
    iovecs: Buffer.allocUnsafeSlow(SLOTS * IOVEC_BYTES).fill(0),
    names: Buffer.allocUnsafeSlow(SLOTS * SOCKADDR_BYTES).fill(0),
    slots: Buffer.allocUnsafeSlow(SLOTS * SLOT_BYTES).fill(0),
  };
  const iovecs = libc.addressOf(arena.iovecs);
  const names = libc.addressOf(arena.names);
  const slots = libc.addressOf(arena.slots);
  for (let index = 0; index < SLOTS; index++) {
    const header = index * HEADER_BYTES;
    arena.headers.writeBigUInt64LE(names + BigInt(index * SOCKADDR_BYTES), header);
    arena.headers.writeUInt32LE(SOCKADDR_BYTES, header + 8);
    arena.headers.writeBigUInt64LE(iovecs + BigInt(index * IOVEC_BYTES), header + 16);
    arena.headers.writeBigUInt64LE(1n, header + 24);
    arena.iovecs.writeBigUInt64LE(slots + BigInt(index * SLOT_BYTES), index * IOVEC_BYTES);
    arena.iovecs.writeBigUInt64LE(BigInt(SLOT_BYTES), index * IOVEC_BYTES + 8);
  }
  return arena;
}

interface Channel {
  readonly fd: number;
  readonly arena: Arena;
}

function receive(libc: Libc, { fd, arena }: Channel, handler: DatagramHandler): boolean {
  const { headers, names, slots } = arena;
  const count = libc.recvmmsg(fd, headers, SLOTS, MSG_DONTWAIT, null);
  for (let index = 0; index < count; index++) {
    const length = headers.readUInt32LE(index * HEADER_BYTES + 56);
    const name = index * SOCKADDR_BYTES;
    const port = names.readUInt16BE(name + 2);
    const address = `${names[name + 4]}.${names[name + 5]}.${names[name + 6]}.${names[name + 7]}`;
    headers.writeUInt32LE(SOCKADDR_BYTES, index * HEADER_BYTES + 8);
    const at = index * SLOT_BYTES;
    if (length > 0 && port !== 0) handler(slots.subarray(at, at + length), { address, port });
  }
  return count === SLOTS;
}

function sendPart(
  libc: Libc,
  { fd, arena }: Channel,
  part: readonly Outgoing[],
): { count: number; full: boolean } {
  const { headers, iovecs, names, slots } = arena;
  for (const [index, { bytes, port, address }] of part.entries()) {
    slots.set(
      bytes.length > SLOT_BYTES ? bytes.subarray(0, SLOT_BYTES) : bytes,
      index * SLOT_BYTES,
    );
    iovecs.writeUInt32LE(Math.min(bytes.length, SLOT_BYTES), index * IOVEC_BYTES + 8);
    const name = index * SOCKADDR_BYTES;
    names.writeUInt16LE(AF_INET, name);
    names.writeUInt16BE(port, name + 2);
    writeAddress(names, name + 4, address);
  }
  for (;;) {
    const count = libc.sendmmsg(fd, headers, part.length, MSG_DONTWAIT);
    if (count >= 0) return { count, full: false };
    const errno = libc.errno();
    if (errno !== EINTR) return { count: 0, full: errno === EAGAIN };
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
