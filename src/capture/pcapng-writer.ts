/**
 * Writes pcapng: what `pcap.ts` reads, and Wireshark. One section, one Ethernet interface, an enhanced packet block for each
 * frame, each with a comment where there is something to say (draft-ietf-opsawg-pcapng 4.1 to 4.3). Pure.
 *
 * Frames are made around payloads that were kept without their headers: Ethernet, IPv4 and UDP as they should have been.
 */
import { UDP_HEADERS_BYTES, type UdpEnds, writeUdpPacket } from '../wire/udp-packet.ts';

export interface WrittenFrame {
  readonly atMs: number;
  readonly bytes: Uint8Array;
  readonly comment?: string;
}

export interface FrameEnds extends UdpEnds {
  readonly sourceMac: Uint8Array;
  readonly destinationMac: Uint8Array;
}

const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const ENHANCED = 6;
const BYTE_ORDER = 0x1a2b3c4d;
const ETHERNET = 1;
const OPTION = { end: 0, comment: 1, name: 2, application: 4 } as const;
const PACKET_BYTES_MAX = 65_535;
const ETHERNET_BYTES = 14;
const ETHERTYPE_IPV4 = [0x08, 0x00];

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

/** Ethernet around a datagram. */
export function udpFrame(ends: FrameEnds, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(ETHERNET_BYTES + UDP_HEADERS_BYTES + payload.length);
  frame.set(ends.destinationMac, 0);
  frame.set(ends.sourceMac, 6);
  frame.set(ETHERTYPE_IPV4, 12);
  writeUdpPacket(frame.subarray(ETHERNET_BYTES), ends, payload);
  return frame;
}
