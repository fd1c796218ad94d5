/**
 * Gathers what one socket has to send, and sends it with one system call.
 *
 * A run of TFTP blocks becomes one message that the kernel cuts into datagrams (UDP_SEGMENT, udp(7), Linux 4.18): headers
 * and file bytes are named where they lie and copied once, by the kernel. Where a device or a route refuses that, the
 * run that met the refusal is lost once, which its transfer repairs, and from then on every block is a message.
 */
import { blockNumber } from '../wire/block-number.ts';
import type { DatagramCalls } from './datagram-calls.ts';
import {
  IOVEC_BYTES,
  IOVEC_WORDS,
  MMSGHDR_BYTES,
  MMSGHDR_WORDS,
  MSG,
  putPointer,
  room,
  SOCKADDR_IN_BYTES,
  VECTOR_LENGTH,
  wordsOf,
} from './datagram-layout.ts';
import { AF_INET, ERRNO } from './libc.ts';

const MESSAGES_MAX = 256;
const VECTORS_MAX = 8192;
const TEXT_BYTES = 64 * 1024;
const HEADER_BYTES = 4;
/** UDP_MAX_SEGMENTS of older kernels, and what fits into one IP packet. */
const SEGMENTS_MAX = 64;
const SEGMENTED_BYTES_MAX = 65_000;
const CONTROL_BYTES = 24;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const OPCODE_DATA = 3;
const RETRIES_MAX = 16;

export interface Destination {
  /** In host order. */
  readonly ip: number;
  readonly port: number;
}

export interface Blocks {
  readonly first: number;
  readonly count: number;
  readonly blksizeBytes: number;
  readonly rollover: 0 | 1;
  readonly sizeBytes: number;
  readonly chunk: Uint8Array;
  readonly chunkOffset: number;
  readonly next: Uint8Array | undefined;
}

export interface DatagramSender {
  packet(to: Destination, bytes: Uint8Array): void;
  blocks(to: Destination, run: Blocks): void;
  flush(): void;
}

/** @param onUnsent told how many messages the kernel refused: a run that leaves as one is one */
export function createSender(
  calls: DatagramCalls,
  fd: number,
  onUnsent: (count: number) => void = () => undefined,
): DatagramSender {
  return new BatchSender(calls, fd, onUnsent);
}

class BatchSender implements DatagramSender {
  private readonly calls: DatagramCalls;
  private readonly fd: number;
  private readonly onUnsent: (count: number) => void;
  private readonly names = room(MESSAGES_MAX * SOCKADDR_IN_BYTES);
  private readonly control = room(MESSAGES_MAX * CONTROL_BYTES);
  private readonly headers = room(VECTORS_MAX * HEADER_BYTES);
  private readonly text = room(TEXT_BYTES);
  private readonly vectorBytes = room(VECTORS_MAX * IOVEC_BYTES);
  private readonly vectors = wordsOf(this.vectorBytes);
  private readonly messageBytes = room(MESSAGES_MAX * MMSGHDR_BYTES);
  private readonly messages = wordsOf(this.messageBytes);
  private readonly at: { control: number; headers: number; text: number; vectors: number };
  private readonly messagesAt: bigint;
  private readonly places = new WeakMap<Uint8Array, number>();
  private segmentation = true;
  /** What is gathered: messages, vectors, headers, bytes of text. */
  private messageCount = 0;
  private vectorCount = 0;
  private headerCount = 0;
  private textLength = 0;
  /** The kernel reads by address: what it is to read must outlive the cache's interest in it. */
  private readonly kept: Uint8Array[] = [];

  constructor(calls: DatagramCalls, fd: number, onUnsent: (count: number) => void) {
    this.calls = calls;
    this.fd = fd;
    this.onUnsent = onUnsent;
    const at = (bytes: Uint8Array) => Number(calls.addressOf(bytes));
    const names = at(this.names);
    this.messagesAt = calls.addressOf(this.messageBytes);
    this.at = {
      control: at(this.control),
      headers: at(this.headers),
      text: at(this.text),
      vectors: at(this.vectorBytes),
    };
    for (let index = 0; index < MESSAGES_MAX; index++) {
      this.names.writeUInt16LE(AF_INET, index * SOCKADDR_IN_BYTES);
      const word = index * MMSGHDR_WORDS;
      putPointer(this.messages, word + MSG.name, names + index * SOCKADDR_IN_BYTES);
      this.messages[word + MSG.nameBytes] = SOCKADDR_IN_BYTES;
      putPointer(this.messages, word + MSG.control, this.at.control + index * CONTROL_BYTES);
      // struct cmsghdr: length of header and data, level, type; the data is the size of a segment.
      this.control.writeUInt32LE(18, index * CONTROL_BYTES);
      this.control.writeUInt32LE(SOL_UDP, index * CONTROL_BYTES + 8);
      this.control.writeUInt32LE(UDP_SEGMENT, index * CONTROL_BYTES + 12);
    }
  }

  packet(to: Destination, bytes: Uint8Array): void {
    if (this.textLength + bytes.length > TEXT_BYTES) this.flush();
    if (bytes.length > TEXT_BYTES) return;
    this.reserve(1, 1);
    this.text.set(bytes, this.textLength);
    this.vector(this.at.text + this.textLength, bytes.length);
    this.textLength += bytes.length;
    this.message(to, { vectors: 1, segmentBytes: 0 });
  }

  blocks(to: Destination, run: Blocks): void {
    const datagramBytes = run.blksizeBytes + HEADER_BYTES;
    const together = Math.min(SEGMENTS_MAX, Math.floor(SEGMENTED_BYTES_MAX / datagramBytes));
    const step = this.segmentation ? Math.max(together, 1) : 1;
    for (let done = 0; done < run.count; done += step) {
      const count = Math.min(step, run.count - done);
      this.reserve(1, count * 3);
      this.kept.push(run.chunk);
      if (run.next) this.kept.push(run.next);
      const before = this.vectorCount;
      for (let index = 0; index < count; index++) this.block(run, run.first + done + index);
      const vectors = this.vectorCount - before;
      this.message(to, { vectors, segmentBytes: count > 1 ? datagramBytes : 0 });
    }
  }

  flush(): void {
    let from = 0;
    let unsent = 0;
    for (let tries = 0; from < this.messageCount && tries < RETRIES_MAX; ) {
      const count = this.messageCount - from;
      const rest = from === 0 ? this.messagesAt : this.messagesAt + BigInt(from * MMSGHDR_BYTES);
      const sent = this.calls.sendmmsg(this.fd, rest, count, 0);
      if (sent > 0) {
        from += sent;
        continue;
      }
      tries += 1;
      const errno = this.calls.errno();
      // An answer of the network to an earlier datagram is reported by the next call: this message was not tried yet.
      if (errno === ERRNO.ECONNREFUSED || errno === ERRNO.EINTR) continue;
      const segmented = (this.messages[from * MMSGHDR_WORDS + MSG.controlBytes] ?? 0) > 0;
      if (segmented && SEGMENTATION_REFUSED.has(errno)) this.segmentation = false;
      from += 1;
      unsent += 1;
    }
    unsent += this.messageCount - from;
    if (unsent > 0) this.onUnsent(unsent);
    this.messageCount = this.vectorCount = this.headerCount = this.textLength = 0;
    while (this.kept.length > 0) this.kept.pop();
  }

  private block(run: Blocks, index: number): void {
    const header = this.headerCount * HEADER_BYTES;
    const number = blockNumber(index, run.rollover);
    this.headers[header] = 0;
    this.headers[header + 1] = OPCODE_DATA;
    this.headers[header + 2] = number >>> 8;
    this.headers[header + 3] = number & 0xff;
    this.headerCount += 1;
    this.vector(this.at.headers + header, HEADER_BYTES);
    const start = (index - 1) * run.blksizeBytes;
    const end = Math.min(start + run.blksizeBytes, run.sizeBytes);
    const seam = Math.min(Math.max(run.chunkOffset + run.chunk.length, start), end);
    if (seam > start) {
      this.vector(this.placeOf(run.chunk) + start - run.chunkOffset, seam - start);
    }
    if (end > seam && run.next) {
      const nextOffset = run.chunkOffset + run.chunk.length;
      this.vector(this.placeOf(run.next) + seam - nextOffset, end - seam);
    }
  }

  private placeOf(bytes: Uint8Array): number {
    let place = this.places.get(bytes);
    if (place === undefined) {
      place = Number(this.calls.addressOf(bytes));
      this.places.set(bytes, place);
    }
    return place;
  }

  private reserve(messages: number, vectors: number): void {
    if (
      this.messageCount + messages > MESSAGES_MAX ||
      this.vectorCount + vectors > VECTORS_MAX ||
      this.headerCount + vectors > VECTORS_MAX
    ) {
      this.flush();
    }
  }

  private vector(address: number, length: number): void {
    const word = this.vectorCount * IOVEC_WORDS;
    putPointer(this.vectors, word, address);
    this.vectors[word + VECTOR_LENGTH] = length;
    this.vectorCount += 1;
  }

  private message(to: Destination, parts: { vectors: number; segmentBytes: number }): void {
    const index = this.messageCount;
    this.names.writeUInt16BE(to.port, index * SOCKADDR_IN_BYTES + 2);
    this.names.writeUInt32BE(to.ip, index * SOCKADDR_IN_BYTES + 4);
    const word = index * MMSGHDR_WORDS;
    const firstVector = this.vectorCount - parts.vectors;
    putPointer(this.messages, word + MSG.vectors, this.at.vectors + firstVector * IOVEC_BYTES);
    this.messages[word + MSG.vectorCount] = parts.vectors;
    this.messages[word + MSG.controlBytes] = parts.segmentBytes > 0 ? CONTROL_BYTES : 0;
    if (parts.segmentBytes > 0) {
      this.control.writeUInt16LE(parts.segmentBytes, index * CONTROL_BYTES + 16);
    }
    this.messageCount += 1;
  }
}

const SEGMENTATION_REFUSED: ReadonlySet<number> = new Set([
  ERRNO.EIO,
  ERRNO.EINVAL,
  ERRNO.EMSGSIZE,
]);
