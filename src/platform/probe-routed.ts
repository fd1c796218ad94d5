/**
 * Asks machines behind routers who uses an address: ICMP echoes, whose answers are read. What `probe.ts` looks up in the
 * kernel's table of neighbours is beyond a router, so this sees less: that somebody answers, and not who. Who drops echoes
 * looks like nobody.
 *
 * Each address is asked twice, because a router that has to find the last hop's MAC first may drop what it was sent for it.
 * What the kernel cannot send, for want of a route, counts as not asked.
 *
 * Needs koffi and CAP_NET_RAW; without them nothing is probed, which is said once.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { decodeEchoReply, encodeEcho } from '../wire/icmp-echo.ts';
import { type Ipv4, ipv4ToBytes } from '../wire/ipv4.ts';
import {
  AF_INET,
  int32,
  type Libc,
  loadLibc,
  SO_RCVBUF,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_SOCKET,
} from './libc.ts';
import type { Log } from './log.ts';
import { createWaits, IPPROTO_ICMP, type Prober } from './probe.ts';

const SOL_RAW = 255;
const ICMP_FILTER = 1;
/** A bit for each type that is kept from the socket: all but type 0, the echo reply (linux/icmp.h). */
const ALL_BUT_REPLIES = Uint8Array.of(0xfe, 0xff, 0xff, 0xff);
const ROUNDS = 2;
/** The longest IP header and an echo reply as long as ours. */
const PACKET_BYTES_MAX = 128;
/**
 * The kernel counts some 2300 bytes for an answer that a NIC received, whatever its length, and gives less than is asked for where
 * net.core.rmem_max says so: 416 KiB as it comes, which are a whole round of answers and half of another.
 */
const BUFFER_BYTES = 1 << 20;

/** @returns `undefined` where nothing can be probed. */
export function openRoutedProber(options: { waitMs: number; log: Log }): Prober | undefined {
  const { waitMs, log } = options;
  const libc = loadLibc();
  const fd = libc ? libc.socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP) : -1;
  if (!libc || fd < 0) {
    log.warn('addresses behind relays are not probed: raw sockets need CAP_NET_RAW and koffi');
    return undefined;
  }
  libc.setsockopt(fd, SOL_RAW, ICMP_FILTER, ALL_BUT_REPLIES, ALL_BUT_REPLIES.length);
  const buffer = int32(BUFFER_BYTES);
  libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, buffer, buffer.length);
  const waits = createWaits();
  let isOpen = true;
  const asked = { identifier: randomInt(0x1_0000), data: Uint8Array.from(randomBytes(8)) };
  return {
    async probe(addresses) {
      // What came since the last round answers nobody's question any more.
      readReplies(libc, fd, () => undefined);
      const sent = new Set<Ipv4>();
      const answers = new Map<Ipv4, undefined>();
      for (let sequence = 0; sequence < ROUNDS; sequence++) {
        const echo = encodeEcho({ ...asked, sequence });
        for (const address of addresses) if (send(libc, fd, { echo, address })) sent.add(address);
        await waits.wait(waitMs / ROUNDS);
        // The number of a closed socket may be another's by now.
        if (!isOpen) return { addresses: [], answers: new Map() };
        // After each round: an answer for which there is no room is somebody who looks like nobody.
        readReplies(libc, fd, (packet) => {
          const from = decodeEchoReply(packet, asked);
          if (from !== undefined && sent.has(from)) answers.set(from, undefined);
        });
      }
      return { addresses: addresses.filter((address) => sent.has(address)), answers };
    },
    close() {
      isOpen = false;
      libc.close(fd);
      waits.end();
    },
  };
}

function send(
  libc: Libc,
  fd: number,
  { echo, address }: { echo: Uint8Array; address: Ipv4 },
): boolean {
  const to = Buffer.alloc(16);
  to.writeUInt16LE(AF_INET, 0);
  to.set(ipv4ToBytes(address), 4);
  return libc.sendto(fd, echo, echo.length, 0, to, to.length) === echo.length;
}

/** Everything that waits in the socket; its buffer bounds how much that is. */
function readReplies(libc: Libc, fd: number, take: (packet: Uint8Array) => void): void {
  const room = Buffer.alloc(PACKET_BYTES_MAX);
  for (;;) {
    const length = libc.read(fd, room, room.length);
    if (length <= 0) return;
    take(room.subarray(0, length));
  }
}
