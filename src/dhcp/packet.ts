/**
 * The DHCPv4 wire format (RFC 2131 section 2, RFC 2132, RFC 3396): bytes in, value out, and back.
 *
 * Strict and total: any input ends in a value or in a code with an offset, never in an exception. Options that mean
 * nothing to us survive as raw bytes in the order they came. An option that was split over several instances (RFC 3396),
 * or moved into `file` or `sname` by option 52, comes out as one value; joining follows the order options, file, sname.
 *
 * Encoding is for replies: option 53 first (some ROMs require it), option 82 last (RFC 3046 2.1), zero padding to the
 * 300 bytes of BOOTP. What does not fit the client's maximum goes into `file` and `sname` where that is permitted, and
 * is left out otherwise, from the end; never option 82.
 */
import { limit } from '../limits.ts';
import { IPV4_ANY, type Ipv4, ipv4FromBytes } from '../wire/ipv4.ts';
import { type Mac, macFromBytes } from '../wire/mac.ts';
import { type Decoded, decoded, malformed } from '../wire/result.ts';
import type { TakeBytes } from '../wire/slab.ts';
import { MESSAGE, OPTION, readText } from './options.ts';
import { encodedBytes, findOptions, optionsAt, writeOption } from './packet-options.ts';
import { ReplyOptions } from './told-alike.ts';

export const BOOTREQUEST = 1;
export const BOOTREPLY = 2;
/** `flags` bit 15: the client cannot take a unicast before it has an address (RFC 2131 section 2). */
export const BROADCAST_FLAG = 0x8000;
export const HTYPE_ETHERNET = 1;

const MAGIC = 0x63825363;
const HEADER_BYTES = 240;
const CHADDR_AT = 28;
const CHADDR_BYTES = 16;
const SNAME_AT = 44;
const SNAME_BYTES = 64;
const FILE_AT = 108;
const FILE_BYTES = 128;
const FILE = { from: FILE_AT, to: FILE_AT + FILE_BYTES, needsEnd: true };
const SNAME = { from: SNAME_AT, to: SNAME_AT + SNAME_BYTES, needsEnd: true };
const FILE_AND_SNAME = 3;
/** Looked up once: they are asked for with every packet. */
const REPLY_BYTES_MIN = limit('dhcpReplyBytesMin');
const REPLY_BYTES_MAX = limit('dhcpReplyBytesMax');

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

export const PACKET_FAULTS = [
  'too-short',
  'bad-magic',
  'bad-op',
  'bad-hlen',
  'option-overruns',
  'no-end-option',
] as const;
export type PacketFault = (typeof PACKET_FAULTS)[number];

/**
 * Values are views of `bytes`, which have to stay as they are while the packet is used.
 * @returns the packet, or why it is none and the offset of the byte that shows it
 */
export function decodePacket(bytes: Uint8Array): Decoded<DhcpPacket, PacketFault> {
  if (bytes.length < HEADER_BYTES) return malformed('too-short', bytes.length);
  const op = bytes[0] ?? 0;
  if (op !== BOOTREQUEST && op !== BOOTREPLY) return malformed('bad-op', 0);
  const [htype, hlen, hops] = [bytes[1] ?? 0, bytes[2] ?? 0, bytes[3] ?? 0];
  if (hlen > 16) return malformed('bad-hlen', 2);
  if (u32At(bytes, HEADER_BYTES - 4) !== MAGIC) return malformed('bad-magic', HEADER_BYTES - 4);

  const starts: number[] = [];
  const main = { from: HEADER_BYTES, to: bytes.length, needsEnd: false };
  const fault = findOptions(bytes, main, starts);
  if (fault !== undefined) return fault;
  let options = optionsAt(bytes, starts);
  const overload = options.get(OPTION.overload)?.[0] ?? 0;
  if (overload & FILE_AND_SNAME) {
    const fault =
      (overload & 1 ? findOptions(bytes, FILE, starts) : undefined) ??
      (overload & 2 ? findOptions(bytes, SNAME, starts) : undefined);
    if (fault !== undefined) return fault;
    options = optionsAt(bytes, starts);
  }
  return decoded({
    op,
    htype,
    hlen,
    hops,
    xid: u32At(bytes, 4),
    secs: u32At(bytes, 8) >>> 16,
    flags: u32At(bytes, 8) & 0xffff,
    ciaddr: u32At(bytes, 12) as Ipv4,
    yiaddr: u32At(bytes, 16) as Ipv4,
    siaddr: u32At(bytes, 20) as Ipv4,
    giaddr: u32At(bytes, 24) as Ipv4,
    chaddr: new Uint8Array(bytes.buffer, bytes.byteOffset + CHADDR_AT, CHADDR_BYTES),
    sname: overload & 2 ? '' : textAt(bytes, SNAME_AT, SNAME_BYTES),
    file: overload & 1 ? '' : textAt(bytes, FILE_AT, FILE_BYTES),
    options,
  });
}

/** Within the header, whose length has been checked. */
function u32At(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return ((high << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

/** Mostly empty in requests: nothing is built for that. */
function textAt(bytes: Uint8Array, at: number, length: number): string {
  return bytes[at] === 0 ? '' : readText(bytes.subarray(at, at + length));
}

/**
 * The client's Ethernet address, or `undefined` for another kind of hardware address.
 * @param text the same six bytes as text, from who has made it before
 */
export function macOf(packet: DhcpPacket, text?: Mac): Mac | undefined {
  return packet.htype === HTYPE_ETHERNET && packet.hlen === 6
    ? (text ?? macFromBytes(packet.chaddr))
    : undefined;
}

/** Where the options begin. */
export const OPTIONS_AT = HEADER_BYTES;

/**
 * The bytes of a packet, at most `bytesMax` long (option 57 of the request, see `replyBytesMax`). Options go out in the
 * order of the map, except that 53 comes first and 82 last; an option that does not fit is left out.
 *
 * An option 52 in the map is no option to send but the permission, by its bits, to put what does not fit into `file` (1)
 * and `sname` (2) (RFC 2132 9.3); what is sent says which of them were used. A field that holds text is never used.
 *
 * @param take zeroed memory of that length
 */
export function encodePacket(
  packet: DhcpPacket,
  bytesMax: number = REPLY_BYTES_MAX,
  take: TakeBytes = (count) => new Uint8Array(count),
): Uint8Array {
  const size = OPTIONS_AT + 1 + bytesOf(packet.options);
  const room = Math.max(bytesMax, roomFor(packet.options.get(OPTION.relayAgent)));
  const fits = size <= room;
  const bytes = take(Math.max(REPLY_BYTES_MIN, Math.min(size, room)));
  writeHeader(bytes, packet);
  const at = fits ? writeAll(bytes, packet) : writeWhatFits(bytes, packet, room);
  bytes[at] = OPTION.end;
  return at < bytes.length - 1 && bytes.length > REPLY_BYTES_MIN
    ? bytes.subarray(0, Math.max(REPLY_BYTES_MIN, at + 1))
    : bytes;
}

function bytesOf(options: ReadonlyMap<number, Uint8Array>): number {
  if (options instanceof ReplyOptions) return options.bytes;
  let sum = 0;
  for (const [code, value] of options) if (code !== OPTION.overload) sum += encodedBytes(value);
  return sum;
}

/** What the exchange itself needs beside option 82: types, times, addresses. */
const ESSENTIAL_BYTES = 60;

/** A relay may send more than the client's maximum leaves room for; it takes it off again before the client sees it. */
function roomFor(relay: Uint8Array | undefined): number {
  return relay ? OPTIONS_AT + 1 + ESSENTIAL_BYTES + encodedBytes(relay) : 0;
}

function writeHeader(bytes: Uint8Array, packet: DhcpPacket): void {
  bytes[0] = packet.op;
  bytes[1] = packet.htype;
  bytes[2] = packet.hlen;
  bytes[3] = packet.hops;
  putU32(bytes, 4, packet.xid);
  bytes[8] = packet.secs >>> 8;
  bytes[9] = packet.secs;
  bytes[10] = packet.flags >>> 8;
  bytes[11] = packet.flags;
  putU32(bytes, 12, packet.ciaddr);
  putU32(bytes, 16, packet.yiaddr);
  putU32(bytes, 20, packet.siaddr);
  putU32(bytes, 24, packet.giaddr);
  for (let index = 0; index < CHADDR_BYTES; index++) {
    bytes[CHADDR_AT + index] = packet.chaddr[index] ?? 0;
  }
  putText(bytes, SNAME_AT, packet.sname, SNAME_BYTES - 1);
  putText(bytes, FILE_AT, packet.file, FILE_BYTES - 1);
  putU32(bytes, OPTIONS_AT - 4, MAGIC);
}

/** Everything has room: the order is all there is to mind. */
function writeAll(bytes: Uint8Array, { options }: DhcpPacket): number {
  if (options instanceof ReplyOptions) return options.write(bytes, OPTIONS_AT);
  let at = OPTIONS_AT;
  const type = options.get(OPTION.messageType);
  if (type) at = writeOption(bytes, at, OPTION.messageType, type);
  for (const [code, value] of options) {
    if (code === OPTION.messageType || code === OPTION.relayAgent || code === OPTION.overload) {
      continue;
    }
    at = writeOption(bytes, at, code, value);
  }
  const relay = options.get(OPTION.relayAgent);
  return relay ? writeOption(bytes, at, OPTION.relayAgent, relay) : at;
}

/** One of the places for options: what is written there, and where it ends, its end option included. */
interface Room {
  readonly bit: number;
  at: number;
  readonly to: number;
}

/** Whole options, each where there is room for it: the main field, then `file`, then `sname`. */
function writeWhatFits(bytes: Uint8Array, packet: DhcpPacket, bytesMax: number): number {
  const { options, file, sname } = packet;
  const relay = options.get(OPTION.relayAgent);
  const permitted = options.get(OPTION.overload)?.[0] ?? 0;
  const spare: Room[] = [];
  if (permitted & 1 && file === '') spare.push({ bit: 1, at: FILE_AT, to: FILE_AT + FILE_BYTES });
  if (permitted & 2 && sname === '') {
    spare.push({ bit: 2, at: SNAME_AT, to: SNAME_AT + SNAME_BYTES });
  }
  const reserved = (relay ? encodedBytes(relay) : 0) + (spare.length > 0 ? 3 : 0);
  const main: Room = { bit: 0, at: OPTIONS_AT, to: bytesMax - reserved };
  const put = (code: number, value: Uint8Array) => {
    const need = encodedBytes(value) + 1;
    const room = [main, ...spare].find(({ at, to }) => at + need <= to);
    if (room) room.at = writeOption(bytes, room.at, code, value);
  };
  const type = options.get(OPTION.messageType);
  if (type) put(OPTION.messageType, type);
  for (const [code, value] of options) {
    if (code === OPTION.messageType || code === OPTION.relayAgent || code === OPTION.overload) {
      continue;
    }
    put(code, value);
  }
  let used = 0;
  for (const { bit, at } of spare) {
    if (at === FILE_AT || at === SNAME_AT) continue;
    used |= bit;
    bytes[at] = OPTION.end;
  }
  if (used !== 0) main.at = writeOption(bytes, main.at, OPTION.overload, Uint8Array.of(used));
  return relay ? writeOption(bytes, main.at, OPTION.relayAgent, relay) : main.at;
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Latin-1, cut so that a NUL always follows. */
function putText(bytes: Uint8Array, at: number, value: string, max: number): void {
  const length = Math.min(value.length, max);
  for (let index = 0; index < length; index++) bytes[at + index] = value.charCodeAt(index);
}

/**
 * How long a reply to this client may be, in bytes of UDP payload: option 57 counts the IP and UDP headers (28 bytes)
 * and is clamped at both ends, because edk2 sends 65280 in its REQUEST and ignores what is above 1472.
 */
export function replyBytesMax(request: DhcpPacket): number {
  const option = request.options.get(OPTION.maxMessageSize);
  const announced =
    option && option.length === 2 ? ((option[0] ?? 0) << 8) | (option[1] ?? 0) : 576;
  return Math.min(Math.max(announced, 576) - 28, REPLY_BYTES_MAX);
}

/** The fields of a reply that are its own, as far as they are not empty. */
export type ReplyFields = Pick<DhcpPacket, 'options'> &
  Partial<Pick<DhcpPacket, 'ciaddr' | 'yiaddr' | 'siaddr' | 'file'>>;

/** A reply to a request: these fields, and what RFC 2131 table 3 says is copied. */
export function replyTo(request: DhcpPacket, fields: ReplyFields): DhcpPacket {
  const { ciaddr = IPV4_ANY, yiaddr = IPV4_ANY, siaddr = IPV4_ANY, file = '', options } = fields;
  return {
    op: BOOTREPLY,
    htype: request.htype,
    hlen: request.hlen,
    hops: 0,
    xid: request.xid,
    secs: 0,
    flags: request.flags,
    ciaddr,
    yiaddr,
    siaddr,
    giaddr: request.giaddr,
    chaddr: request.chaddr,
    sname: '',
    file,
    options,
  };
}

/** Does it take an offer (SELECTING, RFC 2131 table 4)? It names the server and the address; a renewal names neither. */
export function takesOffer({ options }: Pick<DhcpPacket, 'options'>): boolean {
  return (
    options.has(OPTION.serverId) &&
    options.get(OPTION.requestedAddress)?.length === 4 &&
    options.get(OPTION.messageType)?.[0] === MESSAGE.request
  );
}

/**
 * The address that a client is using. In a DISCOVER, and where an offer is taken, `ciaddr` has to be zero (RFC 2131 table 5); some
 * clients leave an address of before in it, which is of the network that they were in then. One that asks for the very address
 * may be renewing it: clients of RFC 1541 name the server then, too.
 */
export function addressInUse(packet: DhcpPacket): Ipv4 {
  const { ciaddr, options } = packet;
  if (ciaddr === IPV4_ANY) return ciaddr;
  const discovers = options.get(OPTION.messageType)?.[0] === MESSAGE.discover;
  if (discovers) return IPV4_ANY;
  const isIts = addressOption(packet, OPTION.requestedAddress) === ciaddr;
  return takesOffer(packet) && !isIts ? IPV4_ANY : ciaddr;
}

export function addressOption(packet: DhcpPacket, code: number): Ipv4 | undefined {
  const value = packet.options.get(code);
  return value?.length === 4 ? ipv4FromBytes(value) : undefined;
}
