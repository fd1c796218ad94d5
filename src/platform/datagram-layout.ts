/**
 * The records that recvmmsg(2) and sendmmsg(2) work on: mmsghdr, iovec and socket addresses, as Linux lays them out on 64
 * bits, little-endian. Every sender and receiver of this process that makes batches takes them from here.
 *
 * They lie in memory that is made once and never moves, because the kernel reads and writes by address. The collector
 * cannot see those addresses: whoever makes a batch keeps it for as long as its descriptor is used.
 */
import { AF_INET, AF_INET6, type Libc } from './libc.ts';

/** struct mmsghdr: a msghdr of 56 bytes, and the length that the kernel writes behind it. */
export const MMSGHDR_BYTES = 64;
export const IOVEC_BYTES = 16;
export const SOCKADDR_IN_BYTES = 16;
export const SOCKADDR_IN6_BYTES = 28;

/** The same in 32-bit words, and where in a mmsghdr things are. */
export const MMSGHDR_WORDS = MMSGHDR_BYTES / 4;
export const IOVEC_WORDS = IOVEC_BYTES / 4;
export const MSG = {
  ...{ name: 0, nameBytes: 2, vectors: 4, vectorCount: 6 },
  ...{ control: 8, controlBytes: 10, length: 14 },
} as const;
/** Where in an iovec the length is; the pointer comes first. */
export const VECTOR_LENGTH = 2;

export interface BatchPlan {
  readonly count: number;
  readonly slotBytes: number;
  readonly nameBytes: number;
  /** Of each message; none without it. */
  readonly controlBytes?: number;
  /** The addresses of another batch, where both are about the same peers. */
  readonly names?: Buffer;
}

/** `count` messages of one slot each, pointing at one another and at nothing else. */
export interface Batch {
  /** The mmsghdr records: what the calls take. */
  readonly headers: Buffer;
  readonly words: Uint32Array;
  readonly vectors: Buffer;
  readonly vectorWords: Uint32Array;
  readonly names: Buffer;
  readonly slots: Buffer;
  readonly control: Buffer;
}

export function createBatch(libc: Pick<Libc, 'addressOf'>, plan: BatchPlan): Batch {
  const { count, slotBytes, nameBytes, controlBytes = 0 } = plan;
  const headers = room(count * MMSGHDR_BYTES);
  const vectors = room(count * IOVEC_BYTES);
  const names = plan.names ?? room(count * nameBytes);
  const slots = room(count * slotBytes);
  const control = room(count * controlBytes);
  const [words, vectorWords] = [wordsOf(headers), wordsOf(vectors)];
  const at = (bytes: Uint8Array) => Number(libc.addressOf(bytes));
  const [vectorsAt, namesAt, slotsAt, controlAt] = [at(vectors), at(names), at(slots), at(control)];
  for (let index = 0; index < count; index++) {
    putPointer(vectorWords, index * IOVEC_WORDS, slotsAt + index * slotBytes);
    vectorWords[index * IOVEC_WORDS + VECTOR_LENGTH] = slotBytes;
    const message = index * MMSGHDR_WORDS;
    putPointer(words, message + MSG.name, namesAt + index * nameBytes);
    words[message + MSG.nameBytes] = nameBytes;
    putPointer(words, message + MSG.vectors, vectorsAt + index * IOVEC_BYTES);
    words[message + MSG.vectorCount] = 1;
    if (controlBytes > 0)
      putPointer(words, message + MSG.control, controlAt + index * controlBytes);
  }
  return { headers, words, vectors, vectorWords, names, slots, control };
}

/** Memory that the kernel may be told of: zeroed, in no pool, and never on the JavaScript heap, where it could move. */
export function room(bytes: number): Buffer {
  return Buffer.allocUnsafeSlow(Math.max(bytes, 4096)).fill(0);
}

export function wordsOf({ buffer, byteOffset, length }: Buffer): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length >> 2);
}

/** Writes a pointer into a kernel structure. @param at in 32-bit words; @param address of user memory: 47 bits. */
export function putPointer(words: Uint32Array, at: number, address: number): void {
  words[at] = address % 0x1_0000_0000;
  words[at + 1] = Math.floor(address / 0x1_0000_0000);
}

/** A sockaddr_in or sockaddr_in6. @param address dotted or colon form */
export function socketName(address: string, port: number): Uint8Array {
  if (!address.includes(':')) {
    const name = Buffer.alloc(SOCKADDR_IN_BYTES);
    name.writeUInt16LE(AF_INET, 0);
    name.writeUInt16BE(port, 2);
    for (const [i, octet] of address.split('.').entries()) name[4 + i] = Number(octet);
    return name;
  }
  const name = Buffer.alloc(SOCKADDR_IN6_BYTES);
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
