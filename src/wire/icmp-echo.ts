/**
 * ICMP echo (RFC 792): the question as bytes, and what came back on a raw socket as an address. Total: whatever is no answer to
 * exactly this question is `undefined`.
 *
 * A raw socket is handed every echo reply that the machine gets, those to anybody's `ping` too, with the IP header before it. The
 * identifier says whose question it was, and the data, which a replier has to send back, that it heard it.
 */
import { complement, sumOfWords } from './checksum.ts';
import { type Ipv4, ipv4FromBytes } from './ipv4.ts';

const REPLY = 0;
const REQUEST = 8;
const ICMP = 1;
const IP_BYTES_MIN = 20;
const HEADER_BYTES = 8;

export interface Echo {
  /** 16 bits. */
  readonly identifier: number;
  /** 16 bits. */
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** An echo request with its checksum. */
export function encodeEcho({ identifier, sequence, data }: Echo): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + data.length);
  bytes.set([REQUEST, 0, 0, 0, identifier >> 8, identifier, sequence >> 8, sequence]);
  bytes.set(data, HEADER_BYTES);
  const sum = complement(sumOfWords(bytes, 0, bytes.length));
  bytes.set([sum >> 8, sum], 2);
  return bytes;
}

/** @returns who answered `asked`, whichever of its sequence it was */
export function decodeEchoReply(
  packet: Uint8Array,
  asked: Pick<Echo, 'identifier' | 'data'>,
): Ipv4 | undefined {
  const [first = 0] = packet;
  const headerBytes = (first & 0x0f) * 4;
  if (first >> 4 !== 4 || headerBytes < IP_BYTES_MIN || packet[9] !== ICMP) return undefined;
  const icmp = packet.subarray(headerBytes);
  const { identifier, data } = asked;
  if (icmp.length !== HEADER_BYTES + data.length || icmp[0] !== REPLY || icmp[1] !== 0)
    return undefined;
  if (((icmp[4] ?? 0) << 8) + (icmp[5] ?? 0) !== identifier) return undefined;
  if (data.some((byte, index) => icmp[HEADER_BYTES + index] !== byte)) return undefined;
  return ipv4FromBytes(packet, 12);
}
