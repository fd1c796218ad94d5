/**
 * The DHCP packets of boots: a ring that the packet path writes to, sorted into boots a second later, packed when a boot
 * is over.
 *
 * The packet path only keeps a reference: the bytes are the intake's own copy and the datagram that was sent, both cut from memory that many
 * packets share, so what is kept for longer than the ring keeps it is copied. The ring has
 * a fixed number of places and forgets the oldest, so recording can never hold an answer up. What is in memory when the
 * process dies is lost: events are the record of what was decided, packets are the evidence beside it.
 *
 * A boot token in a packet is overwritten before the packet is held: who may read a record may not speak for a machine. What has
 * the same length leaves every length in the packet true, and the checksums are those of the frame that an export makes.
 *
 * The packed form: for each packet a head of 24 bytes (time, direction, port, drop reason, addresses, length), then its bytes,
 * all of it deflated. Total on hostile bytes: a damaged row ends where it ends.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { DhcpDrop, DhcpExchange } from '../dhcp/server.ts';
import { limit } from '../limits.ts';
import { formatIpv4, parseIpv4 } from '../wire/ipv4.ts';

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
  add(exchanges: readonly DhcpExchange[]): void;
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
    add(exchanges) {
      for (const exchange of exchanges) {
        places[next] = exchange;
        next = (next + 1) % size;
        if (count < size) count += 1;
        else dropped += 1;
      }
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
  const asked: KeptPacket = {
    ...{ at, direction: 'in', peer: source, port, drop: drop ?? '' },
    bytes: withoutTokens(bytes),
  };
  if (!reply) return [asked];
  const peer = { address: reply.address, port: reply.port };
  const told = withoutTokens(reply.bytes);
  return [asked, { at, direction: 'out', peer, port, drop: '', bytes: told }];
}

const TOKEN_BEFORE = Buffer.from('/boot/');
/** As boot/render-dhcp.ts writes it, in the file field (RFC 2131) or in option 67 (RFC 2132). */
const TOKEN = /(\/boot\/)[A-Za-z0-9_-]{32}(?![A-Za-z0-9_-])/g;

/** @returns a copy: the packet itself may still be being sent, and its memory is shared */
function withoutTokens(bytes: Uint8Array): Uint8Array {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!view.includes(TOKEN_BEFORE)) return new Uint8Array(bytes);
  const text = view.toString('latin1').replace(TOKEN, `$1${'.'.repeat(32)}`);
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** Keeps the beginning and the newest: what lies between is repetition. */
export function bounded<T>(packets: readonly T[]): readonly T[] {
  const max = limit('flightPacketsPerBootMax');
  if (packets.length <= max) return packets;
  return [...packets.slice(0, max / 2), ...packets.slice(packets.length - max / 2)];
}

const HEAD_BYTES = 24;
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
  ...(['failed', 'not-from-its-relay', 'newcomers-limited'] as const),
];
const DROPS: readonly string[] = KEPT_DROPS;

export function packPackets(packets: readonly KeptPacket[]): Uint8Array {
  const total = packets.reduce((sum, { bytes }) => sum + HEAD_BYTES + bytes.length, 0);
  const buffer = Buffer.alloc(total);
  let at = 0;
  for (const packet of packets) {
    buffer.writeDoubleBE(packet.at, at);
    buffer[at + 8] = packet.direction === 'in' ? 0 : 1;
    buffer[at + 9] = packet.drop === '' ? 0 : DROPS.indexOf(packet.drop) + 1;
    buffer.writeUInt16BE(packet.port, at + 10);
    buffer.writeUInt32BE(parseIpv4(packet.peer.address) ?? 0, at + 12);
    buffer.writeUInt16BE(packet.peer.port, at + 16);
    buffer.writeUInt32BE(packet.bytes.length, at + 20);
    buffer.set(packet.bytes, at + HEAD_BYTES);
    at += HEAD_BYTES + packet.bytes.length;
  }
  return deflateRawSync(buffer, { level: 6 });
}

export function unpackPackets(packed: Uint8Array): KeptPacket[] {
  const packets: KeptPacket[] = [];
  let buffer: Buffer;
  try {
    buffer = inflateRawSync(packed, { maxOutputLength: limit('flightPackedBytesMax') });
  } catch {
    return packets;
  }
  for (let at = 0; at + HEAD_BYTES <= buffer.length; ) {
    const length = buffer.readUInt32BE(at + 20);
    if (at + HEAD_BYTES + length > buffer.length) break;
    packets.push({
      at: buffer.readDoubleBE(at),
      direction: buffer[at + 8] === 0 ? 'in' : 'out',
      drop: DROPS[(buffer[at + 9] ?? 0) - 1] ?? '',
      port: buffer.readUInt16BE(at + 10),
      peer: {
        address: formatIpv4(buffer.readUInt32BE(at + 12) as never),
        port: buffer.readUInt16BE(at + 16),
      },
      bytes: new Uint8Array(buffer.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length)),
    });
    at += HEAD_BYTES + length;
  }
  return packets;
}
