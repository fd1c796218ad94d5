/**
 * IPv4 and UDP headers around a payload (RFC 791, RFC 768), with both checksums: for what is sent past the kernel's own stack, and for
 * captures of what was kept without headers. Pure; writes only, `capture/frame.ts` reads.
 *
 * Such a packet is never cut into fragments, because firmware drops them: it is marked so (RFC 6864: then its identification says
 * nothing and is zero), and who sends it hears that it is too long.
 */
import { complement, sumOfWords } from './checksum.ts';
import type { Ipv4 } from './ipv4.ts';

export interface UdpEnds {
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

const IPV4_BYTES = 20;
const UDP_BYTES = 8;
/** What is put before a payload. */
export const UDP_HEADERS_BYTES = IPV4_BYTES + UDP_BYTES;

const VERSION_AND_WORDS = 0x45;
const DO_NOT_FRAGMENT = 0x40;
const TIME_TO_LIVE = 64;
const UDP = 17;

/** @param into at least `UDP_HEADERS_BYTES` longer than the payload @returns how long the packet is */
export function writeUdpPacket(into: Uint8Array, ends: UdpEnds, payload: Uint8Array): number {
  const udpBytes = UDP_BYTES + payload.length;
  const end = IPV4_BYTES + udpBytes;
  into[0] = VERSION_AND_WORDS;
  into[1] = 0;
  putU16(into, 2, end);
  putU16(into, 4, 0);
  into[6] = DO_NOT_FRAGMENT;
  into[7] = 0;
  into[8] = TIME_TO_LIVE;
  into[9] = UDP;
  putU16(into, 10, 0);
  putU32(into, 12, ends.source);
  putU32(into, 16, ends.destination);
  putU16(into, 10, complement(sumOfWords(into, 0, IPV4_BYTES)));
  putU16(into, IPV4_BYTES, ends.sourcePort);
  putU16(into, IPV4_BYTES + 2, ends.destinationPort);
  putU16(into, IPV4_BYTES + 4, udpBytes);
  putU16(into, IPV4_BYTES + 6, 0);
  into.set(payload, UDP_HEADERS_BYTES);
  // The pseudo header: both addresses, the protocol and the length. A sum of zero is sent as its other form: zero means "none".
  const sum = sumOfWords(into, 12, end) + UDP + udpBytes;
  putU16(into, IPV4_BYTES + 6, complement(sum) || 0xffff);
  return end;
}

function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  putU16(bytes, at, value >>> 16);
  putU16(bytes, at + 2, value & 0xffff);
}
