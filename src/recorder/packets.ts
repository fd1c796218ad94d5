/**
 * The DHCP packets of boots, stored when a boot is over; and a ring of those of which it is to be found out whose they are.
 *
 * A packet that was answered says which boot it is of. As soon as its answer has left, both are copied behind the others of that boot,
 * in the form in which they are stored: a boot holds one piece of memory, and writing it is one row and no more work. To hold a reference
 * until there is time costs more than the copy: what lives for a second is moved by the collector, and it is all the memory that the
 * packets were cut from. Of a packet that was dropped, somebody has to look for the boot: it waits in the ring for that, which has a
 * fixed number of places and forgets the oldest, so a flood can never hold an answer up. What is in memory when the
 * process dies is lost: events are the record of what was decided, packets are the evidence beside it.
 *
 * A boot token in a packet is overwritten before the packet is held: who may read a record may not speak for a machine. What has
 * the same length leaves every length in the packet true, and the checksums are those of the frame that an export makes.
 *
 * The stored form: one byte that says so; then for each packet a head of 22 bytes (time, direction, drop reason, port,
 * address, port of the other side, length of what follows) and its bytes without their runs of zeros, of which DHCP mostly
 * consists: 1-127 is so many bytes as they are, 128-255 so many zeros less 127. That is a third of the packet, for a fiftieth of
 * the work of deflating it. Records that were kept before are deflated as a whole; no deflated stream begins with that byte (its
 * block type is reserved: RFC 1951, section 3.2.3). Total on hostile bytes: a damaged row ends where it ends.
 */
import { inflateRawSync } from 'node:zlib';
import type { DhcpDrop, DhcpExchange } from '../dhcp/server.ts';
import { limit } from '../limits.ts';
import { formatIpv4, IPV4_ANY, type Ipv4, parseIpv4 } from '../wire/ipv4.ts';

export interface KeptPacket {
  readonly at: number;
  readonly direction: 'in' | 'out';
  /** Of the machine's side, or of the relay. */
  readonly peer: { readonly address: string; readonly port: number };
  /** Our own port: 67, or 4011. */
  readonly port: number;
  readonly drop: string;
  readonly bytes: Uint8Array;
}

export interface PacketRing {
  add(exchange: DhcpExchange): void;
  /** Everything since the last call, oldest first. */
  drain(): DhcpExchange[];
  /** How many were forgotten, ever. */
  dropped(): number;
}

export function createPacketRing(): PacketRing {
  const places: (DhcpExchange | undefined)[] = [];
  const size = limit('flightRingPacketsMax');
  let next = 0;
  let count = 0;
  let dropped = 0;
  return {
    dropped: () => dropped,
    add(exchange) {
      places[next] = exchange;
      next = (next + 1) % size;
      if (count < size) count += 1;
      else dropped += 1;
    },
    drain() {
      const from = (next - count + size) % size;
      const all: DhcpExchange[] = [];
      for (let index = 0; index < count; index++) {
        const at = (from + index) % size;
        const one = places[at];
        if (one) all.push(one);
        places[at] = undefined;
      }
      count = 0;
      return all;
    },
  };
}

export function packetsOf({ at, bytes, source, via, reply, drop }: DhcpExchange): KeptPacket[] {
  const port = via === 'proxy' ? 4011 : 67;
  const asked: KeptPacket = { at, direction: 'in', peer: source, port, drop: drop ?? '', bytes };
  return reply
    ? [asked, { at, direction: 'out', peer: reply, port, drop: '', bytes: reply.bytes }]
    : [asked];
}

/** The packets of one boot in their stored form, to which more can be added. */
export interface PacketLog {
  /** With room at its end. */
  bytes: Buffer;
  used: number;
  count: number;
}

const STORED = 6;
const HEAD_BYTES = 22;
/** Two exchanges take 500, and room is made for the worst that a packet can take: most boots of firmware alone need no more. */
const LOG_BYTES = 1024;

export const openPacketLog = (): PacketLog => {
  const bytes = Buffer.allocUnsafeSlow(LOG_BYTES);
  bytes[0] = STORED;
  return { bytes, used: 1, count: 0 };
};

/** What is stored: valid until the next packet is added. */
export function storedForm(log: PacketLog): Uint8Array {
  trimLog(log);
  return log.bytes.subarray(0, log.used);
}

/** Copies a packet behind the others, without any boot token. Of too many, the beginning and the newest stay. */
export function addPacket(log: PacketLog, packet: KeptPacket): void {
  const bytes = withoutTokens(packet.bytes);
  // At worst each 127 bytes get one more.
  makeRoom(log, HEAD_BYTES + bytes.length + Math.ceil(bytes.length / LITERAL_MAX) + 1);
  const { bytes: into, used: at } = log;
  into.writeDoubleBE(packet.at, at);
  into[at + 8] = packet.direction === 'in' ? 0 : 1;
  into[at + 9] = packet.drop === '' ? 0 : DROPS.indexOf(packet.drop) + 1;
  into.writeUInt16BE(packet.port, at + 10);
  into.writeUInt32BE(parseIpv4(packet.peer.address) ?? IPV4_ANY, at + 12);
  into.writeUInt16BE(packet.peer.port, at + 16);
  log.used = squeeze(bytes, into, at + HEAD_BYTES);
  into.writeUInt32BE(log.used - at - HEAD_BYTES, at + 18);
  log.count += 1;
  if (log.count >= 2 * limit('flightPacketsPerBootMax')) trimLog(log);
}

/** Adds those of a log that began after this one. */
export function joinLogs(log: PacketLog, later: PacketLog): void {
  makeRoom(log, later.used - 1);
  later.bytes.copy(log.bytes, log.used, 1, later.used);
  log.used += later.used - 1;
  log.count += later.count;
}

/** Keeps the beginning and the newest: what lies between is repetition. */
function trimLog(log: PacketLog): void {
  const max = limit('flightPacketsPerBootMax');
  if (log.count <= max) return;
  const starts: number[] = [];
  for (let at = 1; at < log.used; at += HEAD_BYTES + log.bytes.readUInt32BE(at + 18))
    starts.push(at);
  const beginning = starts[max / 2] ?? log.used;
  const newest = starts[starts.length - max / 2] ?? log.used;
  log.bytes.copy(log.bytes, beginning, newest, log.used);
  log.used = beginning + log.used - newest;
  log.count = max;
}

function makeRoom(log: PacketLog, bytes: number): void {
  if (log.used + bytes <= log.bytes.length) return;
  const wider = Buffer.allocUnsafeSlow(Math.max(2 * log.bytes.length, log.used + bytes));
  log.bytes.copy(wider, 0, 0, log.used);
  log.bytes = wider;
}

const LITERAL_MAX = 127;
const ZEROS_MAX = 128;

/** @returns where it ends */
function squeeze(from: Uint8Array, into: Uint8Array, at: number): number {
  let end = at;
  for (let index = 0; index < from.length; ) {
    const head = end++;
    const first = index;
    const last = Math.min(first + LITERAL_MAX, from.length);
    while (index < last && !(from[index] === 0 && from[index + 1] === 0 && from[index + 2] === 0))
      into[end++] = from[index++] as number;
    if (index > first) {
      into[head] = index - first;
      continue;
    }
    const most = Math.min(first + ZEROS_MAX, from.length);
    while (index < most && from[index] === 0) index += 1;
    into[head] = LITERAL_MAX + index - first;
  }
  return end;
}

/** @param from a part of a stored row. @returns undefined when it would be longer than anything that was kept */
function expand(from: Uint8Array): Uint8Array | undefined {
  let length = 0;
  for (let at = 0; at < from.length; ) {
    const head = from[at] as number;
    length += head > LITERAL_MAX ? head - LITERAL_MAX : head;
    at += head > LITERAL_MAX ? 1 : 1 + head;
  }
  if (length > DATAGRAM_MAX) return undefined;
  const bytes = new Uint8Array(length);
  let end = 0;
  for (let at = 0; at < from.length; ) {
    const head = from[at] as number;
    if (head <= LITERAL_MAX) bytes.set(from.subarray(at + 1, at + 1 + head), end);
    end += head > LITERAL_MAX ? head - LITERAL_MAX : head;
    at += head > LITERAL_MAX ? 1 : 1 + head;
  }
  return bytes;
}

const DATAGRAM_MAX = 65_535;
const SLASH = 47;
const TOKEN_BEFORE = Buffer.from('/boot/');
const TOKEN_CHARS = 32;

/** As boot/render-dhcp.ts writes it, in the file field (RFC 2131) or in option 67 (RFC 2132). @returns a copy, where there is one */
function withoutTokens(bytes: Uint8Array): Uint8Array {
  let clean = bytes;
  for (let at = bytes.indexOf(SLASH); at >= 0; at = bytes.indexOf(SLASH, at + 1)) {
    if (!TOKEN_BEFORE.every((byte, index) => bytes[at + index] === byte)) continue;
    const from = at + TOKEN_BEFORE.length;
    let to = from;
    while (isTokenChar(bytes[to])) to += 1;
    if (to - from !== TOKEN_CHARS) continue;
    if (clean === bytes) clean = Uint8Array.from(bytes);
    clean.fill(DOT, from, to);
  }
  return clean;
}

const DOT = 46;
const IS_TOKEN_CHAR = Array.from({ length: 256 }, (_, byte) =>
  /[A-Za-z0-9_-]/.test(String.fromCharCode(byte)),
);
const isTokenChar = (byte: number | undefined): boolean => IS_TOKEN_CHAR[byte ?? 0] === true;

/**
 * By their place in here, drop reasons are kept in records: one that is new goes to the end, and none is ever moved.
 */
export const KEPT_DROPS: readonly DhcpDrop[] = [
  ...(['not-a-request', 'no-message-type', 'unknown-message-type'] as const),
  ...(['no-ethernet-address', 'too-many-hops', 'unknown-segment', 'untrusted-relay'] as const),
  ...(['for-another-server', 'unknown-client', 'not-its-lease', 'pool-exhausted'] as const),
  ...(['port-has-its-share', 'not-authoritative', 'not-a-boot-client', 'not-for-a-proxy'] as const),
  ...(['too-short', 'bad-magic', 'bad-op', 'bad-hlen', 'option-overruns'] as const),
  ...(['no-end-option', 'superseded', 'overflow', 'waited-too-long', 'rate-limited'] as const),
  ...(['failed', 'not-from-its-relay', 'newcomers-limited', 'the-partners'] as const),
];
const DROPS: readonly string[] = KEPT_DROPS;

/** A row as it is stored, to be added to. */
export function logOf(stored: Uint8Array): PacketLog {
  if (stored[0] !== STORED) {
    const log = openPacketLog();
    for (const packet of inflated(stored)) addPacket(log, packet);
    return log;
  }
  const bytes = Buffer.from(stored);
  let used = 1;
  let count = 0;
  while (used + HEAD_BYTES <= bytes.length) {
    const end = used + HEAD_BYTES + bytes.readUInt32BE(used + 18);
    if (end > bytes.length) break;
    used = end;
    count += 1;
  }
  return { bytes, used, count };
}

export function packetsIn(stored: Uint8Array): KeptPacket[] {
  if (stored[0] !== STORED) return inflated(stored);
  const { bytes, used } = logOf(stored);
  const packets: KeptPacket[] = [];
  for (let at = 1; at < used; ) {
    const begin = at + HEAD_BYTES;
    const length = bytes.readUInt32BE(at + 18);
    const data = expand(bytes.subarray(begin, begin + length));
    if (!data) break;
    packets.push(headed(bytes, at, data));
    at = begin + length;
  }
  return packets;
}

/** What both forms begin a packet with. */
function headed(from: Buffer, at: number, bytes: Uint8Array): KeptPacket {
  return {
    at: from.readDoubleBE(at),
    direction: from[at + 8] === 0 ? 'in' : 'out',
    drop: DROPS[(from[at + 9] ?? 0) - 1] ?? '',
    port: from.readUInt16BE(at + 10),
    peer: {
      address: formatIpv4(from.readUInt32BE(at + 12) as Ipv4),
      port: from.readUInt16BE(at + 16),
    },
    bytes,
  };
}

const DEFLATED_HEAD_BYTES = 24;

/** As records were kept before: deflated as a whole, the length of each packet at 20. */
function inflated(stored: Uint8Array): KeptPacket[] {
  const packets: KeptPacket[] = [];
  let buffer: Buffer;
  try {
    buffer = inflateRawSync(stored, { maxOutputLength: limit('flightPackedBytesMax') });
  } catch {
    return packets;
  }
  for (let at = 0; at + DEFLATED_HEAD_BYTES <= buffer.length; ) {
    const begin = at + DEFLATED_HEAD_BYTES;
    const length = buffer.readUInt32BE(at + 20);
    if (begin + length > buffer.length) break;
    packets.push(headed(buffer, at, new Uint8Array(buffer.subarray(begin, begin + length))));
    at = begin + length;
  }
  return packets;
}
