/**
 * The one socket of all TFTP clients of a run, each of which has an address of its own (IP_PKTINFO, ip(7)).
 *
 * What came is taken with one recvmmsg(2) and answered with few sendmmsg(2), so that a client costs less than any server
 * does: with a socket of its own and two calls for each block, clients took as long as servers, and all servers measured alike.
 *
 * Several clients ask again for a moment before they sleep: machines of a hall have processors of their own, and who sends to them
 * does not pay for waking those. One client alone sleeps: it may share a processor with its server.
 */
import { endianness } from 'node:os';
import type { DatagramCalls } from '../src/platform/datagram-calls.ts';
import {
  createBatch,
  IOVEC_WORDS,
  MMSGHDR_BYTES,
  MMSGHDR_WORDS,
  MSG,
  SOCKADDR_IN_BYTES,
  socketName,
  VECTOR_LENGTH,
  wordsOf,
} from '../src/platform/datagram-layout.ts';
import {
  AF_INET,
  int32,
  type Libc,
  MSG_DONTWAIT,
  MSG_WAITFORONE,
  openDatagramSocket,
  SO_RCVTIMEO,
  SOL_SOCKET,
} from '../src/platform/libc.ts';
import type { Ipv4 } from '../src/wire/ipv4.ts';

export interface CrowdPlan {
  /** One for each client. */
  readonly addresses: readonly Ipv4[];
  readonly server: Ipv4;
  /** The longest datagram that can be taken whole. */
  readonly datagramBytes: number;
}

export interface CrowdSocket {
  /** Makes client number `index` say this with the next flush. */
  send(index: number, port: number, bytes: Uint8Array): void;
  flush(): void;
  /** Waits up to 100 ms for datagrams, hands each over, and sends what was said meanwhile. @returns how many came */
  receive(hear: (index: number, bytes: Uint8Array, port: number) => void): number;
  close(): void;
}

const SLOTS = 64;
/** Answers that leave together: enough to share a call, few enough that the server works while the rest is made. */
const ANSWERS_PER_FLUSH = 8;
const SAID_BYTES = 512;
const IPPROTO_IP = 0;
const IP_PKTINFO = 8;
/** socket(7): beyond net.core.rmem_max, which is meant for one client. */
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
/** Windows of 64 clients, with the kernel's own needs. */
const BUFFER_BYTES = 8 * 1024 * 1024;
/** A cmsghdr, and struct in_pktinfo: interface, the address of ours, and where a datagram was sent to. */
const CONTROL_BYTES = 32;
const CONTROL_LENGTH = 28;
const CONTROL_WORDS = CONTROL_BYTES / 4;
const [SPEC_DST, ADDR] = [5, 6];
const NAME_WORDS = SOCKADDR_IN_BYTES / 4;
const WAIT_MS = 100;
const ASK_AGAIN_MS = 0.1;

/** @throws Error naming the step that failed */
export function openCrowdSocket(libc: Libc, calls: DatagramCalls, plan: CrowdPlan): CrowdSocket {
  const { addresses, server, datagramBytes } = plan;
  if (endianness() !== 'LE') throw new Error('the records are laid out for little-endian machines');
  const fd = openDatagramSocket(libc, {
    family: AF_INET,
    options: [
      ['SO_RCVTIMEO', SOL_SOCKET, SO_RCVTIMEO, timeval(WAIT_MS)],
      ['IP_PKTINFO', IPPROTO_IP, IP_PKTINFO, int32(1)],
    ],
    name: socketName('0.0.0.0', 0),
  });
  const buffer = int32(BUFFER_BYTES);
  // Whoever is not root has what rmem_max allows.
  if (libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, buffer, buffer.length) !== 0) {
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, buffer, buffer.length);
  }
  const own = addresses.map(swapped);
  const indexOf = new Map(own.map((address, index) => [address, index]));
  const common = { count: SLOTS, nameBytes: SOCKADDR_IN_BYTES, controlBytes: CONTROL_BYTES };
  const input = createBatch(calls, { ...common, slotBytes: datagramBytes });
  const output = createBatch(calls, { ...common, slotBytes: SAID_BYTES });
  const [inputAt, outputAt] = [input.headers, output.headers].map(calls.addressOf) as [
    bigint,
    bigint,
  ];
  const [inputNames, outputNames] = [wordsOf(input.names), wordsOf(output.names)];
  const [inputControl, outputControl] = [wordsOf(input.control), wordsOf(output.control)];
  for (let slot = 0; slot < SLOTS; slot++) {
    outputControl.set([CONTROL_LENGTH, 0, IPPROTO_IP, IP_PKTINFO, 0, 0, 0], slot * CONTROL_WORDS);
    output.words[slot * MMSGHDR_WORDS + MSG.controlBytes] = CONTROL_BYTES;
    outputNames[slot * NAME_WORDS + 1] = swapped(server);
  }
  /** Nearly all that comes is a full block: the view of one is made once for each slot. */
  const views: Uint8Array[] = [];
  const view = (slot: number): Uint8Array => {
    const length = input.words[slot * MMSGHDR_WORDS + MSG.length] ?? 0;
    const before = views[slot];
    if (before?.length === length) return before;
    const at = slot * datagramBytes;
    const made = input.slots.subarray(at, at + length);
    views[slot] = made;
    return made;
  };
  let pending = 0;
  const flush = (): void => {
    for (let from = 0; from < pending; ) {
      const rest = outputAt + BigInt(from * MMSGHDR_BYTES);
      // What cannot be sent is lost, as on a wire: its client says it again.
      from += Math.max(calls.sendmmsg(fd, rest, pending - from, 0), 1);
    }
    pending = 0;
  };
  const take = (): number => {
    for (let slot = 0; slot < SLOTS; slot++) {
      input.words[slot * MMSGHDR_WORDS + MSG.nameBytes] = SOCKADDR_IN_BYTES;
      input.words[slot * MMSGHDR_WORDS + MSG.controlBytes] = CONTROL_BYTES;
    }
    if (addresses.length > 1) {
      const until = performance.now() + ASK_AGAIN_MS;
      do {
        const count = calls.recvmmsg(fd, inputAt, SLOTS, MSG_DONTWAIT, null);
        if (count > 0) return count;
      } while (performance.now() < until);
    }
    return Math.max(calls.recvmmsg(fd, inputAt, SLOTS, MSG_WAITFORONE, null), 0);
  };
  return {
    flush,
    send(index, port, bytes) {
      if (pending === SLOTS) flush();
      output.slots.set(bytes, pending * SAID_BYTES);
      output.vectorWords[pending * IOVEC_WORDS + VECTOR_LENGTH] = bytes.length;
      outputNames[pending * NAME_WORDS] = familyAndPort(port);
      outputControl[pending * CONTROL_WORDS + SPEC_DST] = own[index] ?? 0;
      pending += 1;
    },
    receive(hear) {
      const count = take();
      for (let slot = 0; slot < count; slot++) {
        const index = indexOf.get(inputControl[slot * CONTROL_WORDS + ADDR] ?? 0);
        const port = swapped(inputNames[slot * NAME_WORDS] ?? 0) & 0xffff;
        if (index !== undefined) hear(index, view(slot), port);
        if (slot % ANSWERS_PER_FLUSH === ANSWERS_PER_FLUSH - 1) flush();
      }
      flush();
      return count;
    },
    close: () => void libc.close(fd),
  };
}

/** The bytes of a 32-bit word the other way round: between this machine's order and that of the network. */
function swapped(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}

/** The first word of a sockaddr_in. */
function familyAndPort(port: number): number {
  return (((port & 0xff) << 24) | ((port & 0xff00) << 8) | AF_INET) >>> 0;
}

function timeval(ms: number): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(Math.floor(ms / 1000), 0);
  bytes.writeUInt32LE((ms % 1000) * 1000, 8);
  return bytes;
}
