/**
 * Receives up to 64 datagrams with one system call, into slots that are used again with the next call: whoever wants to
 * keep bytes copies them. The error queue of a socket (IP_RECVERR, ip(7)) is read the same way; it tells whose port is closed,
 * which a socket that is not connected has no other way to know.
 */
import type { DatagramCalls } from './datagram-calls.ts';
import {
  type Batch,
  createBatch,
  MMSGHDR_WORDS,
  MSG,
  SOCKADDR_IN_BYTES,
} from './datagram-layout.ts';
import { ERRNO, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_WAITFORONE } from './libc.ts';

export const SLOTS = 64;
/** A TFTP client sends at most 512 bytes; what is longer is seen to be longer. */
const REQUEST_BYTES = 640;
/** One cmsghdr with struct sock_extended_err and the address of who complained. */
const CONTROL_BYTES = 64;
const CMSG_DATA = 16;

export interface Sender {
  /** In host order. */
  readonly ip: number;
  readonly port: number;
}

export interface DatagramReceiver {
  /** @returns how many slots are filled: 0 when there is nothing. */
  receive(fd: number): number;
  /** The same, but waits for the first one, as long as the socket is set to (SO_RCVTIMEO). */
  await(fd: number): number;
  bytes(slot: number): Uint8Array;
  sender(slot: number): Sender;
  /** Empties the error queue. @returns to whom something was sent whose port is closed. */
  refused(fd: number): Sender[];
}

/** @param slotBytes what is longer is cut off at this length. */
export function createReceiver(calls: DatagramCalls, slotBytes = REQUEST_BYTES): DatagramReceiver {
  return new BatchReceiver(calls, slotBytes);
}

class BatchReceiver implements DatagramReceiver {
  private readonly calls: DatagramCalls;
  private readonly slotBytes: number;
  private readonly batch: Batch;
  private readonly headersAt: bigint;
  /** The view that each slot was last read by: nearly all that comes is an ACK, four bytes long. */
  private readonly views: Uint8Array[] = [];
  private filled = SLOTS;

  constructor(calls: DatagramCalls, slotBytes: number) {
    this.calls = calls;
    this.slotBytes = slotBytes;
    this.batch = createBatch(calls, {
      ...{ count: SLOTS, slotBytes, nameBytes: SOCKADDR_IN_BYTES, controlBytes: CONTROL_BYTES },
    });
    this.headersAt = calls.addressOf(this.batch.headers);
  }

  receive(fd: number): number {
    return this.fill(fd, MSG_DONTWAIT);
  }

  await(fd: number): number {
    return this.fill(fd, MSG_WAITFORONE);
  }

  bytes(slot: number): Uint8Array {
    const length = this.batch.words[slot * MMSGHDR_WORDS + MSG.length] ?? 0;
    const before = this.views[slot];
    if (before?.length === length) return before;
    const start = slot * this.slotBytes;
    const view = this.batch.slots.subarray(start, start + length);
    this.views[slot] = view;
    return view;
  }

  sender(slot: number): Sender {
    const { names } = this.batch;
    return {
      ip: names.readUInt32BE(slot * SOCKADDR_IN_BYTES + 4),
      port: names.readUInt16BE(slot * SOCKADDR_IN_BYTES + 2),
    };
  }

  refused(fd: number): Sender[] {
    const gone: Sender[] = [];
    for (;;) {
      this.prepare(SLOTS, CONTROL_BYTES);
      const flags = MSG_ERRQUEUE | MSG_DONTWAIT;
      const count = this.calls.recvmmsg(fd, this.headersAt, SLOTS, flags, null);
      for (let slot = 0; slot < count; slot++) {
        const errno = this.batch.control.readUInt32LE(slot * CONTROL_BYTES + CMSG_DATA);
        if (errno === ERRNO.ECONNREFUSED) gone.push(this.sender(slot));
      }
      this.filled = SLOTS;
      if (count < SLOTS) return gone;
    }
  }

  private fill(fd: number, flags: number): number {
    this.prepare(this.filled, 0);
    const count = this.calls.recvmmsg(fd, this.headersAt, SLOTS, flags, null);
    this.filled = Math.max(count, 0);
    return this.filled;
  }

  /** The kernel overwrites these lengths with what it used of them. */
  private prepare(count: number, controlBytes: number): void {
    const { words } = this.batch;
    for (let slot = 0; slot < count; slot++) {
      const message = slot * MMSGHDR_WORDS;
      words[message + MSG.nameBytes] = SOCKADDR_IN_BYTES;
      words[message + MSG.controlBytes] = controlBytes;
    }
  }
}
