/**
 * UDP in batches: `recvmmsg` and `sendmmsg` through koffi, for a thread that does nothing else.
 *
 * Node makes one system call for each datagram and one callback for each; a batch of 64 makes two system calls for all
 * of them, and that is the difference between a third and the whole of what a name server in C answers. The buffers, the
 * iovec and the mmsghdr arrays are made once. Receiving blocks its thread: never use this on the main one. Linux on 64
 * bits, little-endian; elsewhere, or without koffi, `openBatchSocket` returns `undefined` and dgram has to do.
 */
import {
  createBatch,
  IOVEC_WORDS,
  MMSGHDR_BYTES,
  MMSGHDR_WORDS,
  MSG,
  SOCKADDR_IN_BYTES,
  SOCKADDR_IN6_BYTES,
  socketName,
  VECTOR_LENGTH,
} from './datagram-layout.ts';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  int32,
  type Libc,
  loadLibc,
  MSG_WAITFORONE,
  openDatagramSocket,
  SO_RCVBUF,
  SO_RCVTIMEO,
  SO_REUSEPORT,
  SO_SNDBUF,
  SOL_SOCKET,
} from './libc.ts';

const BATCH = 64;
/** Questions are small; a longer datagram is cut off by the kernel and then malformed. */
export const RECEIVE_BYTES = 2048;
const SEND_BYTES = 1536;

/** Room for either family. */
const NAME_BYTES = SOCKADDR_IN6_BYTES;
const IPPROTO_IP = 0;
const IP_FREEBIND = 15;
const IPV6_FREEBIND = 78;
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;

export interface BatchSocket {
  readonly fd: number;
  /** Datagram `i` of the last batch is `received` from `i * RECEIVE_BYTES`, `sizes[i]` octets long. */
  readonly received: Uint8Array;
  readonly sizes: Int32Array;
  /** Reply `n` is written to `replies` at `n * SEND_BYTES`. */
  readonly replies: Uint8Array;
  /** The sender's address, as 4 or 16 octets of `names` at `addressAt(i)`. */
  readonly names: Uint8Array;
  readonly addressAt: (index: number) => number;
  readonly addressBytes: 4 | 16;
  portOf(index: number): number;
  /** Waits for at least one datagram, or for `waitMs`. @returns how many came, 0 after the wait */
  receive(): number;
  /** Makes the next reply of this batch, `length` octets, go to the sender of datagram `index`. */
  reply(index: number, length: number): void;
  /** Where the next reply is to be written. */
  nextReplyAt(): number;
  /** Sends the replies of this batch; what the kernel will not take is given up. */
  flush(): void;
  close(): void;
  /**
   * What the kernel writes to and reads from by address. The collector cannot see those addresses: memory that only
   * they lead to would be freed under the kernel's hands, so it is held here.
   */
  readonly memory: readonly Uint8Array[];
}

export interface BatchTarget {
  /** Dotted or colon form. */
  readonly address: string;
  readonly port: number;
  /** How long `receive` blocks. */
  readonly waitMs: number;
}

/** Whether batches can be had at all on this machine. */
export function batchesAvailable(): boolean {
  return loadLibc() !== undefined;
}

/** Sends one datagram through a descriptor of another thread: a late answer must leave by the port that was asked. */
export function openSender():
  | ((fd: number, bytes: Uint8Array, name: Uint8Array) => void)
  | undefined {
  const libc = loadLibc();
  return libc && ((fd, bytes, name) => libc.sendto(fd, bytes, bytes.length, 0, name, name.length));
}

/** @throws Error naming the call that failed; `undefined` where there is no koffi */
export function openBatchSocket(target: BatchTarget): BatchSocket | undefined {
  const libc = loadLibc();
  return libc && wrap(libc, openDescriptor(libc, target), target.address.includes(':') ? 16 : 4);
}

function openDescriptor(libc: Libc, { address, port, waitMs }: BatchTarget): number {
  const six = address.includes(':');
  // struct timeval.
  const wait = Buffer.alloc(16);
  wait.writeBigInt64LE(BigInt(Math.floor(waitMs / 1000)), 0);
  wait.writeBigInt64LE(BigInt((waitMs % 1000) * 1000), 8);
  return openDatagramSocket(libc, {
    family: six ? AF_INET6 : AF_INET,
    options: [
      ['SO_REUSEPORT', SOL_SOCKET, SO_REUSEPORT, int32(1)],
      ['SO_RCVBUF', SOL_SOCKET, SO_RCVBUF, int32(SOCKET_BUFFER_BYTES)],
      ['SO_SNDBUF', SOL_SOCKET, SO_SNDBUF, int32(SOCKET_BUFFER_BYTES)],
      ['SO_RCVTIMEO', SOL_SOCKET, SO_RCVTIMEO, wait],
      // The address may be one of an interface that comes later, or that comes again.
      six
        ? ['IPV6_FREEBIND', IPPROTO_IPV6, IPV6_FREEBIND, int32(1)]
        : ['IP_FREEBIND', IPPROTO_IP, IP_FREEBIND, int32(1)],
      ...(six ? ([['IPV6_V6ONLY', IPPROTO_IPV6, IPV6_V6ONLY, int32(1)]] as const) : []),
    ],
    name: socketName(address, port),
  });
}

function wrap(libc: Libc, fd: number, addressBytes: 4 | 16): BatchSocket {
  const common = { count: BATCH, nameBytes: NAME_BYTES };
  const input = createBatch(libc, { ...common, slotBytes: RECEIVE_BYTES });
  const { slots: received, names } = input;
  const output = createBatch(libc, { ...common, slotBytes: SEND_BYTES, names });
  const { slots: replies, vectorWords } = output;
  const [inputWords, outputWords] = [input.words, output.words];
  const inputAt = libc.addressOf(input.headers);
  const outputAt = libc.addressOf(output.headers);
  const nameBytes = addressBytes === 4 ? SOCKADDR_IN_BYTES : NAME_BYTES;
  const sizes = new Int32Array(BATCH);
  let pending = 0;
  return {
    ...{ fd, received, sizes, replies, names, addressBytes },
    memory: [input.headers, input.vectors, output.headers, output.vectors],
    addressAt: (index) => index * NAME_BYTES + (addressBytes === 4 ? 4 : 8),
    portOf: (index) =>
      ((names[index * NAME_BYTES + 2] ?? 0) << 8) | (names[index * NAME_BYTES + 3] ?? 0),
    receive() {
      for (let i = 0; i < BATCH; i++) inputWords[i * MMSGHDR_WORDS + MSG.nameBytes] = NAME_BYTES;
      const count = libc.recvmmsg(fd, inputAt, BATCH, MSG_WAITFORONE, null);
      for (let i = 0; i < count; i++) sizes[i] = inputWords[i * MMSGHDR_WORDS + MSG.length] ?? 0;
      pending = 0;
      return Math.max(count, 0);
    },
    nextReplyAt: () => pending * SEND_BYTES,
    reply(index, length) {
      // The reply goes back by the very address structure that the kernel filled in.
      const to = pending * MMSGHDR_WORDS;
      const from = index * MMSGHDR_WORDS;
      outputWords[to + MSG.name] = inputWords[from + MSG.name] ?? 0;
      outputWords[to + MSG.name + 1] = inputWords[from + MSG.name + 1] ?? 0;
      outputWords[to + MSG.nameBytes] = nameBytes;
      vectorWords[pending * IOVEC_WORDS + VECTOR_LENGTH] = length;
      pending += 1;
    },
    flush() {
      for (let sent = 0; sent < pending; ) {
        const rest = outputAt + BigInt(sent * MMSGHDR_BYTES);
        const count = libc.sendmmsg(fd, rest, pending - sent, 0);
        // The first of the rest is what the kernel refused (a port 0, no route): the others still go.
        sent += count > 0 ? count : 1;
      }
      pending = 0;
    },
    close: () => void libc.close(fd),
  };
}
