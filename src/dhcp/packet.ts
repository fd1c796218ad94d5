/**
 * The DHCPv4 wire format (RFC 2131 section 2, RFC 2132, RFC 3396): bytes in, value out, and back.
 *
 * Strict and total: any input ends in a value or in a code with an offset, never in an exception. Options that mean
 * nothing to us survive as raw bytes in the order they came. An option that was split over several instances (RFC 3396),
 * or moved into `file` or `sname` by option 52, comes out as one value; joining follows the order options, file, sname.
 *
 * Encoding is for replies: option 53 first (some ROMs require it), option 82 last (RFC 3046 2.1), zero padding to the
 * 300 bytes of BOOTP. What does not fit the client's maximum is left out from the end, never option 82.
 */
import { limit } from '../limits.ts';
import { Reader, Writer } from '../wire/cursor.ts';
import { IPV4_ANY, type Ipv4, ipv4FromBytes } from '../wire/ipv4.ts';
import { type Mac, macFromBytes } from '../wire/mac.ts';
import { type Decoded, decoded, malformed } from '../wire/result.ts';
import { OPTION } from './options.ts';

export const BOOTREQUEST = 1;
export const BOOTREPLY = 2;
/** `flags` bit 15: the client cannot take a unicast before it has an address (RFC 2131 section 2). */
export const BROADCAST_FLAG = 0x8000;
export const HTYPE_ETHERNET = 1;

const MAGIC = 0x63825363;
const HEADER_BYTES = 240;
const SNAME_BYTES = 64;
const FILE_BYTES = 128;
const OPTION_BYTES_MAX = 255;

export interface DhcpPacket {
  readonly op: number;
  readonly htype: number;
  readonly hlen: number;
  readonly hops: number;
  readonly xid: number;
  readonly secs: number;
  readonly flags: number;
  readonly ciaddr: Ipv4;
  readonly yiaddr: Ipv4;
  readonly siaddr: Ipv4;
  readonly giaddr: Ipv4;
  /** All 16 bytes of the field; the first `hlen` are the address. */
  readonly chaddr: Uint8Array;
  /** Up to the first NUL; empty when the field was used for options. */
  readonly sname: string;
  readonly file: string;
  /** Code to value, split options joined. */
  readonly options: ReadonlyMap<number, Uint8Array>;
}

export type PacketFault =
  | 'too-short'
  | 'bad-magic'
  | 'bad-op'
  | 'bad-hlen'
  | 'option-overruns'
  | 'no-end-option';

/** @returns the packet, or why it is none and the offset of the byte that shows it. */
export function decodePacket(bytes: Uint8Array): Decoded<DhcpPacket, PacketFault> {
  if (bytes.length < HEADER_BYTES) return malformed('too-short', bytes.length);
  const reader = new Reader(bytes);
  const op = reader.u8();
  if (op !== BOOTREQUEST && op !== BOOTREPLY) return malformed('bad-op', 0);
  const [htype, hlen, hops] = [reader.u8(), reader.u8(), reader.u8()];
  if (hlen > 16) return malformed('bad-hlen', 2);
  const xid = reader.u32();
  const [secs, flags] = [reader.u16(), reader.u16()];
  const address = () => reader.u32() as Ipv4;
  const [ciaddr, yiaddr, siaddr, giaddr] = [address(), address(), address(), address()];
  const chaddr = reader.take(16);
  const sname = reader.take(SNAME_BYTES);
  const file = reader.take(FILE_BYTES);
  if (reader.u32() !== MAGIC) return malformed('bad-magic', HEADER_BYTES - 4);

  const options = new Map<number, Uint8Array>();
  const main = readOptions(
    bytes,
    { from: HEADER_BYTES, to: bytes.length, needsEnd: false },
    options,
  );
  if (main !== undefined) return main;
  const overload = options.get(OPTION.overload)?.[0] ?? 0;
  const fileAt = 108;
  if (overload & 1) {
    const fault = readOptions(
      bytes,
      { from: fileAt, to: fileAt + FILE_BYTES, needsEnd: true },
      options,
    );
    if (fault !== undefined) return fault;
  }
  if (overload & 2) {
    const fault = readOptions(bytes, { from: 44, to: 44 + SNAME_BYTES, needsEnd: true }, options);
    if (fault !== undefined) return fault;
  }
  return decoded({
    ...{ op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, options },
    chaddr: chaddr.slice(),
    sname: overload & 2 ? '' : textUntilNul(sname),
    file: overload & 1 ? '' : textUntilNul(file),
  });
}

interface Field {
  readonly from: number;
  readonly to: number;
  /** An overloaded field must end with option 255 (RFC 2132 9.3); the main one may just stop. */
  readonly needsEnd: boolean;
}

/** Adds what stands in one field to `options`; returns the fault that stopped it. */
function readOptions(
  bytes: Uint8Array,
  { from, to, needsEnd }: Field,
  options: Map<number, Uint8Array>,
): { ok: false; code: PacketFault; at: number } | undefined {
  let at = from;
  while (at < to) {
    const code = bytes[at] ?? OPTION.end;
    if (code === OPTION.end) return undefined;
    if (code === OPTION.pad) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1];
    if (at + 1 >= to || length === undefined || at + 2 + length > to) {
      return malformed('option-overruns', at);
    }
    const value = bytes.slice(at + 2, at + 2 + length);
    const before = options.get(code);
    options.set(code, before ? concat(before, value) : value);
    at += 2 + length;
  }
  return needsEnd ? malformed('no-end-option', to) : undefined;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

function textUntilNul(field: Uint8Array): string {
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString('latin1');
}

/** The client's Ethernet address, or `undefined` for another kind of hardware address. */
export function macOf(packet: DhcpPacket): Mac | undefined {
  return packet.htype === HTYPE_ETHERNET && packet.hlen === 6
    ? macFromBytes(packet.chaddr)
    : undefined;
}

/**
 * The bytes of a packet, at most `bytesMax` long (option 57 of the request, see `replyBytesMax`). Options go out in the
 * order of the map, except that 53 comes first and 82 last; an option that does not fit is left out.
 */
export function encodePacket(
  packet: DhcpPacket,
  bytesMax: number = limit('dhcpReplyBytesMax'),
): Uint8Array {
  const writer = new Writer(limit('dhcpReplyBytesMin'));
  writer.u8(packet.op).u8(packet.htype).u8(packet.hlen).u8(packet.hops);
  writer.u32(packet.xid).u16(packet.secs).u16(packet.flags);
  writer.u32(packet.ciaddr).u32(packet.yiaddr).u32(packet.siaddr).u32(packet.giaddr);
  writer.bytes(fixed(packet.chaddr, 16));
  writer.bytes(fixed(Buffer.from(packet.sname, 'latin1'), SNAME_BYTES - 1)).u8(0);
  writer.bytes(fixed(Buffer.from(packet.file, 'latin1'), FILE_BYTES - 1)).u8(0);
  writer.u32(MAGIC);
  const relay = packet.options.get(OPTION.relayAgent);
  const reserved = 1 + (relay ? encodedBytes(relay) : 0);
  const ordered = [...packet.options].filter(([code]) => code !== OPTION.relayAgent);
  ordered.sort(([a], [b]) => Number(b === OPTION.messageType) - Number(a === OPTION.messageType));
  for (const [code, value] of ordered) {
    if (writer.offset + encodedBytes(value) + reserved > bytesMax) continue;
    writeOption(writer, code, value);
  }
  if (relay) writeOption(writer, OPTION.relayAgent, relay);
  writer.u8(OPTION.end);
  writer.zeros(Math.max(0, limit('dhcpReplyBytesMin') - writer.offset));
  return writer.finish();
}

/** One option, split into instances of 255 bytes where it is longer (RFC 3396 section 5). */
function writeOption(writer: Writer, code: number, value: Uint8Array): void {
  let at = 0;
  do {
    const part = value.subarray(at, at + OPTION_BYTES_MAX);
    writer.u8(code).u8(part.length).bytes(part);
    at += part.length;
  } while (at < value.length);
}

function encodedBytes(value: Uint8Array): number {
  return value.length + 2 * Math.max(1, Math.ceil(value.length / OPTION_BYTES_MAX));
}

function fixed(bytes: Uint8Array, length: number): Uint8Array {
  const field = new Uint8Array(length);
  field.set(bytes.subarray(0, length));
  return field;
}

/**
 * How long a reply to this client may be, in bytes of UDP payload: option 57 counts the IP and UDP headers (28 bytes)
 * and is clamped at both ends, because edk2 sends 65280 in its REQUEST and ignores what is above 1472.
 */
export function replyBytesMax(request: DhcpPacket): number {
  const option = request.options.get(OPTION.maxMessageSize);
  const announced =
    option && option.length === 2 ? ((option[0] ?? 0) << 8) | (option[1] ?? 0) : 576;
  return Math.min(Math.max(announced, 576) - 28, limit('dhcpReplyBytesMax'));
}

/** An all-empty reply skeleton to a request, with what RFC 2131 table 3 says is copied. */
export function replyTo(request: DhcpPacket): DhcpPacket {
  return {
    op: BOOTREPLY,
    htype: request.htype,
    hlen: request.hlen,
    hops: 0,
    xid: request.xid,
    secs: 0,
    flags: request.flags,
    ciaddr: IPV4_ANY,
    yiaddr: IPV4_ANY,
    siaddr: IPV4_ANY,
    giaddr: request.giaddr,
    chaddr: request.chaddr,
    sname: '',
    file: '',
    options: new Map(),
  };
}

export function addressOption(packet: DhcpPacket, code: number): Ipv4 | undefined {
  const value = packet.options.get(code);
  return value?.length === 4 ? ipv4FromBytes(value) : undefined;
}
