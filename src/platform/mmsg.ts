/**
 * UDP in batches: `recvmmsg` and `sendmmsg` through koffi, for a thread that does nothing else.
 *
 * Node makes one system call for each datagram and one callback for each; a batch of 64 makes two system calls for all
 * of them, and that is the difference between a third and the whole of what a name server in C answers. The buffers, the
 * iovec and the mmsghdr arrays are made once. Receiving blocks its thread: never use this on the main one. Linux on 64
 * bits, little-endian; elsewhere, or without koffi, `openBatchSocket` returns `undefined` and dgram has to do.
 */
import { createRequire } from 'node:module';

export const BATCH = 64;
/** Questions are small; a longer datagram is cut off by the kernel and then malformed. */
export const RECEIVE_BYTES = 2048;
export const SEND_BYTES = 1536;

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_SNDBUF = 7;
const SO_REUSEPORT = 15;
const SO_RCVTIMEO = 20;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const MSG_WAITFORONE = 0x10000;
/** sizeof(struct mmsghdr): msghdr of 56 bytes, then msg_len. */
const HEADER_BYTES = 64;
const NAME_BYTES = 28;
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

interface Calls {
  socket(domain: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  recvmmsg(fd: number, headers: bigint, count: number, flags: number, timeout: null): number;
  sendmmsg(fd: number, headers: bigint, count: number, flags: number): number;
  sendto(
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: number,
  ): bigint | number;
  close(fd: number): number;
  errno(): number;
  address(buffer: Uint8Array): bigint;
}

function loadCalls(): Calls | undefined {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return undefined;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const lib = koffi.load('libc.so.6');
    const options = 'int fd, int level, int name, const void *value, uint32_t length';
    return {
      socket: lib.func('int socket(int domain, int type, int protocol)'),
      setsockopt: lib.func(`int setsockopt(${options})`),
      bind: lib.func('int bind(int fd, const void *address, uint32_t length)'),
      recvmmsg: lib.func(
        'int recvmmsg(int fd, uintptr_t headers, unsigned int count, int flags, void *timeout)',
      ),
      sendmmsg: lib.func('int sendmmsg(int fd, uintptr_t headers, unsigned int count, int flags)'),
      sendto: lib.func(
        'int64_t sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint32_t size)',
      ),
      close: lib.func('int close(int fd)'),
      errno: () => koffi.errno(),
      address: (buffer) => koffi.address(buffer) as bigint,
    };
  } catch {
    return undefined;
  }
}

/** Whether batches can be had at all on this machine. */
export function batchesAvailable(): boolean {
  return loadCalls() !== undefined;
}

/** Sends one datagram through a descriptor of another thread: a late answer must leave by the port that was asked. */
export function openSender():
  | ((fd: number, bytes: Uint8Array, name: Uint8Array) => void)
  | undefined {
  const calls = loadCalls();
  return (
    calls && ((fd, bytes, name) => calls.sendto(fd, bytes, bytes.length, 0, name, name.length))
  );
}

/** @throws Error naming the call that failed; `undefined` where there is no koffi */
export function openBatchSocket(target: BatchTarget): BatchSocket | undefined {
  const calls = loadCalls();
  return calls && wrap(calls, openDescriptor(calls, target), target.address.includes(':') ? 16 : 4);
}

function openDescriptor(calls: Calls, { address, port, waitMs }: BatchTarget): number {
  const six = address.includes(':');
  const fd = calls.socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) throw new Error(`socket: error ${calls.errno()}`);
  const wait = Buffer.alloc(16);
  wait.writeBigInt64LE(BigInt(Math.floor(waitMs / 1000)), 0);
  wait.writeBigInt64LE(BigInt((waitMs % 1000) * 1000), 8);
  const name = socketName(address, port);
  const set = (level: number, option: number, value: Uint8Array) => () =>
    calls.setsockopt(fd, level, option, value, value.length);
  const steps: (readonly [string, () => number])[] = [
    ['SO_REUSEPORT', set(SOL_SOCKET, SO_REUSEPORT, int32(1))],
    ['SO_RCVBUF', set(SOL_SOCKET, SO_RCVBUF, int32(SOCKET_BUFFER_BYTES))],
    ['SO_SNDBUF', set(SOL_SOCKET, SO_SNDBUF, int32(SOCKET_BUFFER_BYTES))],
    ['SO_RCVTIMEO', set(SOL_SOCKET, SO_RCVTIMEO, wait)],
  ];
  if (six) steps.push(['IPV6_V6ONLY', set(IPPROTO_IPV6, IPV6_V6ONLY, int32(1))]);
  steps.push(['bind', () => calls.bind(fd, name, name.length)]);
  for (const [step, run] of steps) {
    if (run() === 0) continue;
    const errno = calls.errno();
    calls.close(fd);
    throw new Error(`${step}: ${errno === 98 ? 'address already in use' : `error ${errno}`}`);
  }
  return fd;
}

function int32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

/** A sockaddr_in or sockaddr_in6. */
export function socketName(address: string, port: number): Uint8Array {
  if (!address.includes(':')) {
    const name = Buffer.alloc(16);
    name.writeUInt16LE(AF_INET, 0);
    name.writeUInt16BE(port, 2);
    for (const [i, octet] of address.split('.').entries()) name[4 + i] = Number(octet);
    return name;
  }
  const name = Buffer.alloc(NAME_BYTES);
  name.writeUInt16LE(AF_INET6, 0);
  name.writeUInt16BE(port, 2);
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const left = groups(head);
  const right = groups(tail);
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  for (const [i, group] of [...left, ...zeros, ...right].entries()) {
    name.writeUInt16BE(Number.parseInt(group, 16), 8 + 2 * i);
  }
  return name;
}

/** Room that the kernel writes to: never inside a pool or the JavaScript heap, where it could move. */
function room(bytes: number): Buffer {
  return Buffer.allocUnsafeSlow(Math.max(bytes, 4096)).fill(0);
}

function headers(
  calls: Calls,
  payload: Uint8Array,
  size: number,
  names: Uint8Array,
): { list: Buffer; vectors: Buffer } {
  const list = room(BATCH * HEADER_BYTES);
  const vectors = room(BATCH * 16);
  const vectorsAt = calls.address(vectors);
  for (let i = 0; i < BATCH; i++) {
    vectors.writeBigUInt64LE(calls.address(payload) + BigInt(i * size), i * 16);
    vectors.writeBigUInt64LE(BigInt(size), i * 16 + 8);
    list.writeBigUInt64LE(calls.address(names) + BigInt(i * NAME_BYTES), i * HEADER_BYTES);
    list.writeUInt32LE(NAME_BYTES, i * HEADER_BYTES + 8);
    list.writeBigUInt64LE(vectorsAt + BigInt(i * 16), i * HEADER_BYTES + 16);
    list.writeBigUInt64LE(1n, i * HEADER_BYTES + 24);
  }
  return { list, vectors };
}

function wordsOf({ buffer, byteOffset, length }: Buffer): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length >> 2);
}

function wrap(calls: Calls, fd: number, addressBytes: 4 | 16): BatchSocket {
  const received = room(BATCH * RECEIVE_BYTES);
  const replies = room(BATCH * SEND_BYTES);
  const names = room(BATCH * NAME_BYTES);
  const input = headers(calls, received, RECEIVE_BYTES, names);
  const output = headers(calls, replies, SEND_BYTES, names);
  const inputWords = wordsOf(input.list);
  const outputWords = wordsOf(output.list);
  const vectorWords = wordsOf(output.vectors);
  const inputAt = calls.address(input.list);
  const outputAt = calls.address(output.list);
  const nameBytes = addressBytes === 4 ? 16 : NAME_BYTES;
  const sizes = new Int32Array(BATCH);
  let pending = 0;
  return {
    ...{ fd, received, sizes, replies, names, addressBytes },
    memory: [input.list, input.vectors, output.list, output.vectors],
    addressAt: (index) => index * NAME_BYTES + (addressBytes === 4 ? 4 : 8),
    portOf: (index) =>
      ((names[index * NAME_BYTES + 2] ?? 0) << 8) | (names[index * NAME_BYTES + 3] ?? 0),
    receive() {
      for (let i = 0; i < BATCH; i++) inputWords[i * 16 + 2] = NAME_BYTES;
      const count = calls.recvmmsg(fd, inputAt, BATCH, MSG_WAITFORONE, null);
      for (let i = 0; i < count; i++) sizes[i] = inputWords[i * 16 + 14] ?? 0;
      pending = 0;
      return Math.max(count, 0);
    },
    nextReplyAt: () => pending * SEND_BYTES,
    reply(index, length) {
      // The reply goes back by the very address structure that the kernel filled in.
      outputWords[pending * 16] = inputWords[index * 16] ?? 0;
      outputWords[pending * 16 + 1] = inputWords[index * 16 + 1] ?? 0;
      outputWords[pending * 16 + 2] = nameBytes;
      vectorWords[pending * 4 + 2] = length;
      pending += 1;
    },
    flush() {
      for (let sent = 0; sent < pending; ) {
        const count = calls.sendmmsg(fd, outputAt + BigInt(sent * HEADER_BYTES), pending - sent, 0);
        // The first of the rest is what the kernel refused (a port 0, no route): the others still go.
        sent += count > 0 ? count : 1;
      }
      pending = 0;
    },
    close: () => void calls.close(fd),
  };
}
