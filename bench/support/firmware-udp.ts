/**
 * The simulated machines' TFTP sockets: a few ports shared by all machines, each of which still has its own address.
 *
 * Thousands of sockets with a system call for each datagram would make the simulator the bound. Here every datagram
 * carries its local address (IP_PKTINFO), so one socket serves all addresses of its namespace (which must be local to
 * it: a `local` route), and datagrams move in batches. The sockets are looked at once a millisecond, or at once when the
 * last look found a full batch: a machine's answer is up to a millisecond late, the same for every server under test.
 */
import { type Libc, loadLibc } from '../../src/platform/libc.ts';

export interface Arrived {
  /** Valid during the call only. */
  readonly bytes: Buffer;
  /** The machine's own address and port. */
  readonly address: number;
  readonly channel: number;
  readonly sourcePort: number;
}

export interface Channels {
  /** Queues a datagram from `address` by `channel`; it leaves at the end of the current look. */
  send(datagram: {
    channel: number;
    address: number;
    to: number;
    port: number;
    bytes: Uint8Array;
  }): void;
  close(): void;
}

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const IPPROTO_IP = 0;
const IP_PKTINFO = 8;
const MSG_DONTWAIT = 0x40;

const SLOTS = 128;
const SLOT_BYTES = 1536;
/** sizeof: mmsghdr, iovec, sockaddr_in, and a control message that holds an in_pktinfo (Linux on 64 bits). */
const [HEADER, IOVEC, NAME, CONTROL] = [64, 16, 16, 32] as const;
const LOOK_MS = 1;

interface Arena {
  readonly headers: Buffer;
  readonly iovecs: Buffer;
  readonly names: Buffer;
  readonly controls: Buffer;
  readonly slots: Buffer;
}

/** @param ports one channel for each; @throws Error without koffi, or when a port is taken */
export function openChannels(
  ports: readonly number[],
  onArrived: (arrived: Arrived) => void,
): Channels {
  const libc = loadLibc();
  if (!libc) throw new Error('the simulator needs koffi');
  const descriptors = ports.map((port) => bindPort(libc, port));
  const incoming = createArena(libc);
  const queued: number[] = descriptors.map(() => 0);
  const arenas = descriptors.map(() => createArena(libc));
  let closed = false;

  const flush = (channel: number): void => {
    const arena = arenas[channel];
    const [fd, count] = [descriptors[channel], queued[channel]];
    if (!arena || fd === undefined || !count) return;
    libc.sendmmsg(fd, arena.headers, count, MSG_DONTWAIT);
    queued[channel] = 0;
  };
  const look = (): void => {
    if (closed) return;
    let full = false;
    for (const [channel, fd] of descriptors.entries()) {
      const count = receive(libc, { fd, arena: incoming, channel }, onArrived);
      full ||= count === SLOTS;
    }
    for (const channel of descriptors.keys()) flush(channel);
    if (full) setImmediate(look);
    else setTimeout(look, LOOK_MS);
  };
  look();
  return {
    send({ channel, address, to, port, bytes }) {
      const arena = arenas[channel];
      if (!arena) throw new Error(`no channel ${channel}`);
      if (queued[channel] === SLOTS) flush(channel);
      const slot = queued[channel] ?? 0;
      arena.slots.set(bytes, slot * SLOT_BYTES);
      arena.iovecs.writeUInt32LE(bytes.length, slot * IOVEC + 8);
      arena.names.writeUInt16BE(port, slot * NAME + 2);
      arena.names.writeUInt32BE(to, slot * NAME + 4);
      // The in_pktinfo's spec_dst: the source address of what is sent.
      arena.controls.writeUInt32BE(address, slot * CONTROL + 20);
      queued[channel] = slot + 1;
    },
    close() {
      closed = true;
      for (const fd of descriptors) libc.close(fd);
    },
  };
}

function bindPort(libc: Libc, port: number): number {
  const fd = libc.socket(AF_INET, SOCK_DGRAM, 0);
  const name = Buffer.alloc(NAME);
  name.writeUInt16LE(AF_INET, 0);
  name.writeUInt16BE(port, 2);
  const int = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    return bytes;
  };
  const failed =
    fd < 0 ||
    libc.setsockopt(fd, IPPROTO_IP, IP_PKTINFO, int(1), 4) !== 0 ||
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, int(4 * 1024 * 1024), 4) !== 0 ||
    libc.bind(fd, name, NAME) !== 0;
  if (failed) throw new Error(`UDP port ${port}: error ${libc.errno()}`);
  return fd;
}

function createArena(libc: Libc): Arena {
  const room = (bytes: number) => Buffer.allocUnsafeSlow(SLOTS * bytes).fill(0);
  const arena = {
    ...{ headers: room(HEADER), iovecs: room(IOVEC), names: room(NAME) },
    ...{ controls: room(CONTROL), slots: room(SLOT_BYTES) },
  };
  for (let slot = 0; slot < SLOTS; slot++) {
    const at = (bytes: Buffer, size: number) => libc.addressOf(bytes) + BigInt(slot * size);
    const header = slot * HEADER;
    arena.headers.writeBigUInt64LE(at(arena.names, NAME), header);
    arena.headers.writeUInt32LE(NAME, header + 8);
    arena.headers.writeBigUInt64LE(at(arena.iovecs, IOVEC), header + 16);
    arena.headers.writeBigUInt64LE(1n, header + 24);
    arena.headers.writeBigUInt64LE(at(arena.controls, CONTROL), header + 32);
    arena.headers.writeBigUInt64LE(BigInt(CONTROL), header + 40);
    arena.iovecs.writeBigUInt64LE(at(arena.slots, SLOT_BYTES), slot * IOVEC);
    arena.iovecs.writeBigUInt64LE(BigInt(SLOT_BYTES), slot * IOVEC + 8);
    arena.names.writeUInt16LE(AF_INET, slot * NAME);
    // cmsghdr: its length without the padding, then level and type.
    arena.controls.writeBigUInt64LE(28n, slot * CONTROL);
    arena.controls.writeInt32LE(IPPROTO_IP, slot * CONTROL + 8);
    arena.controls.writeInt32LE(IP_PKTINFO, slot * CONTROL + 12);
  }
  return arena;
}

function receive(
  libc: Libc,
  { fd, arena, channel }: { fd: number; arena: Arena; channel: number },
  onArrived: (arrived: Arrived) => void,
): number {
  const { headers, names, controls, slots } = arena;
  const count = libc.recvmmsg(fd, headers, SLOTS, MSG_DONTWAIT, null);
  for (let slot = 0; slot < count; slot++) {
    const length = headers.readUInt32LE(slot * HEADER + 56);
    const at = slot * SLOT_BYTES;
    onArrived({
      bytes: slots.subarray(at, at + length),
      // The in_pktinfo's addr: the destination of what came.
      address: controls.readUInt32BE(slot * CONTROL + 24),
      channel,
      sourcePort: names.readUInt16BE(slot * NAME + 2),
    });
    headers.writeUInt32LE(NAME, slot * HEADER + 8);
    headers.writeBigUInt64LE(BigInt(CONTROL), slot * HEADER + 40);
  }
  return Math.max(count, 0);
}
