/**
 * Receives up to 64 datagrams with one system call, into slots that are used again with the next call: whoever wants to
 * keep bytes copies them. The error queue of a socket (IP_RECVERR, ip(7)) is read the same way; it tells whose port is closed,
 * which a socket that is not connected has no other way to know.
 */
import {
  type DatagramCalls,
  ERRNO,
  IOVEC_BYTES,
  MMSGHDR_BYTES,
  MSG_ERRQUEUE,
  putPointer,
  SOCKADDR_IN_BYTES,
} from './datagram-calls.ts';
import { MSG_DONTWAIT } from './libc.ts';

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
  bytes(slot: number): Uint8Array;
  sender(slot: number): Sender;
  /** Empties the error queue. @returns to whom something was sent whose port is closed. */
  refused(fd: number): Sender[];
}

/** @param slotBytes what is longer is cut off at this length. */
export function createReceiver(calls: DatagramCalls, slotBytes = REQUEST_BYTES): DatagramReceiver {
  return new BatchReceiver(calls, slotBytes);
}

/** The kernel writes by address: every buffer is a field, so that it lives as long as the receiver. */
class BatchReceiver implements DatagramReceiver {
  private readonly calls: DatagramCalls;
  private readonly slotBytes: number;
  private readonly data: Buffer;
  private readonly names = Buffer.alloc(SLOTS * SOCKADDR_IN_BYTES);
  private readonly control = Buffer.alloc(SLOTS * CONTROL_BYTES);
  private readonly vectors = new Uint32Array((SLOTS * IOVEC_BYTES) / 4);
  private readonly messages = new Uint32Array((SLOTS * MMSGHDR_BYTES) / 4);
  private readonly messageBytes = new Uint8Array(this.messages.buffer);
  /** The view that each slot was last read by: nearly all that comes is an ACK, four bytes long. */
  private readonly views: Uint8Array[] = [];
  private filled = SLOTS;

  constructor(calls: DatagramCalls, slotBytes: number) {
    this.calls = calls;
    this.slotBytes = slotBytes;
    this.data = Buffer.alloc(SLOTS * slotBytes);
    const data = calls.addressOf(this.data);
    const names = calls.addressOf(this.names);
    const control = calls.addressOf(this.control);
    const vectors = calls.addressOf(new Uint8Array(this.vectors.buffer));
    for (let slot = 0; slot < SLOTS; slot++) {
      const vector = (slot * IOVEC_BYTES) / 4;
      putPointer(this.vectors, vector, data + slot * slotBytes);
      this.vectors[vector + 2] = slotBytes;
      const message = (slot * MMSGHDR_BYTES) / 4;
      putPointer(this.messages, message, names + slot * SOCKADDR_IN_BYTES);
      putPointer(this.messages, message + 4, vectors + slot * IOVEC_BYTES);
      this.messages[message + 6] = 1;
      putPointer(this.messages, message + 8, control + slot * CONTROL_BYTES);
    }
  }

  receive(fd: number): number {
    this.prepare(this.filled, 0);
    const count = this.calls.recvmmsg(fd, this.messageBytes, SLOTS, MSG_DONTWAIT, null);
    this.filled = Math.max(count, 0);
    return this.filled;
  }

  bytes(slot: number): Uint8Array {
    const length = this.messages[(slot * MMSGHDR_BYTES) / 4 + 14] ?? 0;
    const before = this.views[slot];
    if (before?.length === length) return before;
    const start = slot * this.slotBytes;
    const view = this.data.subarray(start, start + length);
    this.views[slot] = view;
    return view;
  }

  sender(slot: number): Sender {
    return {
      ip: this.names.readUInt32BE(slot * SOCKADDR_IN_BYTES + 4),
      port: this.names.readUInt16BE(slot * SOCKADDR_IN_BYTES + 2),
    };
  }

  refused(fd: number): Sender[] {
    const gone: Sender[] = [];
    for (;;) {
      this.prepare(SLOTS, CONTROL_BYTES);
      const flags = MSG_ERRQUEUE | MSG_DONTWAIT;
      const count = this.calls.recvmmsg(fd, this.messageBytes, SLOTS, flags, null);
      for (let slot = 0; slot < count; slot++) {
        const errno = this.control.readUInt32LE(slot * CONTROL_BYTES + CMSG_DATA);
        if (errno === ERRNO.ECONNREFUSED) gone.push(this.sender(slot));
      }
      this.filled = SLOTS;
      if (count < SLOTS) return gone;
    }
  }

  /** The kernel overwrites these lengths with what it used of them. */
  private prepare(count: number, controlBytes: number): void {
    for (let slot = 0; slot < count; slot++) {
      const message = (slot * MMSGHDR_BYTES) / 4;
      this.messages[message + 2] = SOCKADDR_IN_BYTES;
      this.messages[message + 10] = controlBytes;
    }
  }
}
