/**
 * Writes pcapng: what `pcap.ts` reads, and Wireshark. One section, one Ethernet interface, an enhanced packet block for each
 * frame, each with a comment where there is something to say (draft-ietf-opsawg-pcapng 4.1 to 4.3). Pure.
 *
 * Frames are made around payloads that were kept without their headers: Ethernet, IPv4 and UDP with lengths and the IPv4
 * checksum right, and no UDP checksum, which IPv4 allows (RFC 768).
 */
import { type Ipv4, ipv4ToBytes } from '../wire/ipv4.ts';

export interface WrittenFrame {
  readonly atMs: number;
  readonly bytes: Uint8Array;
  readonly comment?: string;
}

export interface UdpEnds {
  readonly sourceMac: Uint8Array;
  readonly destinationMac: Uint8Array;
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const ENHANCED = 6;
const BYTE_ORDER = 0x1a2b3c4d;
const ETHERNET = 1;
const OPTION = { end: 0, comment: 1, name: 2, application: 4 } as const;
const PACKET_BYTES_MAX = 65_535;

export function encodePcapng(frames: readonly WrittenFrame[], about: string): Uint8Array {
  const section = block(SECTION, [
    words(BYTE_ORDER, 0x0000_0001, 0xffff_ffff, 0xffff_ffff),
    option(OPTION.comment, about),
    option(OPTION.application, 'Reveille'),
    words(OPTION.end),
  ]);
  const iface = block(INTERFACE, [
    words(ETHERNET, PACKET_BYTES_MAX),
    option(OPTION.name, 'recorded'),
    words(OPTION.end),
  ]);
  return Buffer.concat([section, iface, ...frames.map(packetBlock)]);
}

function packetBlock({ atMs, bytes, comment }: WrittenFrame): Buffer {
  const us = BigInt(Math.round(atMs * 1000));
  return block(ENHANCED, [
    words(0, Number(us >> 32n), Number(us & 0xffff_ffffn), bytes.length, bytes.length),
    padded(bytes),
    ...(comment === undefined ? [] : [option(OPTION.comment, comment), words(OPTION.end)]),
  ]);
}

/** Little-endian 32-bit words. */
function words(...values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) buffer.writeUInt32LE(value >>> 0, index * 4);
  return buffer;
}

function option(code: number, text: string): Buffer {
  const value = Buffer.from(text, 'utf8').subarray(0, 2000);
  return Buffer.concat([words(code | (value.length << 16)), padded(value)]);
}

function padded(bytes: Uint8Array): Buffer {
  const buffer = Buffer.alloc(Math.ceil(bytes.length / 4) * 4);
  buffer.set(bytes);
  return buffer;
}

function block(type: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length = body.length + 12;
  return Buffer.concat([words(type, length), body, words(length)]);
}

export function udpFrame(ends: UdpEnds, payload: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(42 + payload.length);
  frame.set(ends.destinationMac, 0);
  frame.set(ends.sourceMac, 6);
  frame.writeUInt16BE(0x0800, 12);
  frame.set([0x45, 0], 14);
  frame.writeUInt16BE(28 + payload.length, 16);
  frame.set([64, 17], 22);
  frame.set(ipv4ToBytes(ends.source), 26);
  frame.set(ipv4ToBytes(ends.destination), 30);
  frame.writeUInt16BE(headerChecksum(frame.subarray(14, 34)), 24);
  frame.writeUInt16BE(ends.sourcePort, 34);
  frame.writeUInt16BE(ends.destinationPort, 36);
  frame.writeUInt16BE(8 + payload.length, 38);
  frame.set(payload, 42);
  return frame;
}

/** RFC 791: the complement of the sum of the header's 16-bit words, its own field being zero. */
function headerChecksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
