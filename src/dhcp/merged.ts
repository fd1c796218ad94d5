/**
 * Replies that a kernel carries as one datagram until they leave: equally long, to one place, cut apart by the network card
 * or by whoever receives them (UDP_SEGMENT, udp(7)). A capture that is made on the sending machine shows them whole, as it shows
 * TCP; no client ever sees that.
 */
import { BOOTREPLY, OPTIONS_AT } from './packet.ts';

/** No reply is longer by itself, and none is shorter than BOOTP's minimum. */
const ONE_BYTES_MAX = 1472;
const ONE_BYTES_MIN = 300;
const MAGIC = [0x63, 0x82, 0x53, 0x63] as const;

/** @returns the messages that it is made of: itself, unless it shows to be several */
export function unmerge(payload: Uint8Array): Uint8Array[] {
  if (payload.length <= ONE_BYTES_MAX) return [payload];
  for (let length = ONE_BYTES_MIN; length <= ONE_BYTES_MAX; length++) {
    if (payload.length % length !== 0) continue;
    const pieces = Array.from({ length: payload.length / length }, (_, index) =>
      payload.subarray(index * length, (index + 1) * length),
    );
    if (pieces.every(isReply)) return pieces;
  }
  return [payload];
}

function isReply(bytes: Uint8Array): boolean {
  return (
    bytes[0] === BOOTREPLY &&
    MAGIC.every((byte, index) => bytes[OPTIONS_AT - MAGIC.length + index] === byte)
  );
}
