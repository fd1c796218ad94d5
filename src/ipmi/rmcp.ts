/**
 * RMCP datagrams (IPMI 2.0 section 13.1): ASF presence ping and pong, IPMI 1.5 sessions and RMCP+ sessions.
 *
 * Decoding is structure only and needs no key: lengths, types, ids, and which bytes a code covers. Whether the code is
 * right is asked of `channel.ts`. Everything in a session header is little-endian; ASF is big-endian.
 */
import { limit } from '../limits.ts';
import { Reader, Writer } from '../wire/cursor.ts';
import { type Decoded, decoded, malformed } from '../wire/result.ts';

const RMCP_VERSION = 6;
const NO_ACK = 0xff;
const CLASS_ASF = 6;
const CLASS_IPMI = 7;
const ASF_IANA = 4542;
const ASF_PING = 0x80;
const ASF_PONG = 0x40;

/** Authentication types of the session header (table 13-8). */
export const AUTH_TYPE = { none: 0, md2: 1, md5: 2, password: 4, oem: 5, rmcpPlus: 6 } as const;

/** Payload types (table 13-16). */
export const PAYLOAD = {
  ipmi: 0,
  sol: 1,
  oem: 2,
  openRequest: 0x10,
  openResponse: 0x11,
  rakp1: 0x12,
  rakp2: 0x13,
  rakp3: 0x14,
  rakp4: 0x15,
} as const;

export interface PongPacket {
  readonly kind: 'pong';
  readonly tag: number;
  /** Whether the BMC says that it speaks IPMI. */
  readonly ipmi: boolean;
}

/** A packet of an IPMI 1.5 session, or of no session (`authType` none, ids 0). */
export interface Lan15Packet {
  readonly kind: 'lan15';
  readonly authType: number;
  readonly sequence: number;
  readonly sessionId: number;
  /** 16 bytes, absent without authentication. */
  readonly code?: Uint8Array;
  readonly payload: Uint8Array;
}

export interface RmcpPlusPacket {
  readonly kind: 'rmcp+';
  readonly payloadType: number;
  readonly encrypted: boolean;
  readonly authenticated: boolean;
  /** IANA number and payload id of an OEM payload. */
  readonly oem?: { readonly iana: number; readonly id: number };
  readonly sessionId: number;
  readonly sequence: number;
  /** As on the wire: still encrypted. */
  readonly payload: Uint8Array;
  /** From the authentication type to the end, trailer included: what the code is part of. */
  readonly signed: Uint8Array;
}

export type RmcpPacket =
  | { readonly kind: 'ping'; readonly tag: number }
  | PongPacket
  | Lan15Packet
  | RmcpPlusPacket;

export type RmcpFault =
  | 'too-short'
  | 'too-long'
  | 'not-rmcp'
  | 'ack'
  | 'unknown-class'
  | 'not-asf'
  | 'bad-length'
  | 'bad-auth-type';

export function decodeRmcp(bytes: Uint8Array): Decoded<RmcpPacket, RmcpFault> {
  if (bytes.length > limit('ipmiDatagramBytesMax')) return malformed('too-long', bytes.length);
  const reader = new Reader(bytes);
  const version = reader.u8();
  reader.u8();
  reader.u8();
  const messageClass = reader.u8();
  if (reader.failedAt !== undefined) return malformed('too-short', bytes.length);
  if (version !== RMCP_VERSION) return malformed('not-rmcp', 0);
  if (messageClass & 0x80) return malformed('ack', 3);
  if (messageClass === CLASS_ASF) return decodeAsf(reader);
  if (messageClass !== CLASS_IPMI) return malformed('unknown-class', 3);
  const authType = reader.u8();
  return authType === AUTH_TYPE.rmcpPlus
    ? decodeRmcpPlus(reader, bytes.subarray(4))
    : decodeLan15(reader, authType);
}

function decodeAsf(reader: Reader): Decoded<RmcpPacket, RmcpFault> {
  const iana = reader.u32();
  const type = reader.u8();
  const tag = reader.u8();
  reader.u8();
  const data = reader.take(reader.u8());
  if (reader.failedAt !== undefined) return malformed('too-short', reader.failedAt);
  if (iana !== ASF_IANA) return malformed('not-asf', 4);
  if (type === ASF_PING) return decoded({ kind: 'ping', tag });
  if (type !== ASF_PONG) return malformed('not-asf', 8);
  return decoded({ kind: 'pong', tag, ipmi: ((data[8] ?? 0) & 0x80) !== 0 });
}

function decodeLan15(reader: Reader, authType: number): Decoded<Lan15Packet, RmcpFault> {
  if (authType !== AUTH_TYPE.none && authType !== AUTH_TYPE.md5) {
    return malformed('bad-auth-type', 4);
  }
  const sequence = reader.u32Le();
  const sessionId = reader.u32Le();
  const code = authType === AUTH_TYPE.none ? undefined : reader.take(16);
  const payload = reader.take(reader.u8());
  if (reader.failedAt !== undefined) return malformed('too-short', reader.failedAt);
  // One byte more is the "legacy pad" that section 13.6 asks for at some sizes.
  if (reader.remaining > 1) return malformed('bad-length', reader.offset);
  const packet = { kind: 'lan15' as const, authType, sequence, sessionId, payload };
  return decoded(code ? { ...packet, code } : packet);
}

function decodeRmcpPlus(reader: Reader, signed: Uint8Array): Decoded<RmcpPlusPacket, RmcpFault> {
  const flags = reader.u8();
  const payloadType = flags & 0x3f;
  const oem = payloadType === PAYLOAD.oem ? readOem(reader) : undefined;
  const sessionId = reader.u32Le();
  const sequence = reader.u32Le();
  const payload = reader.take(reader.u16Le());
  if (reader.failedAt !== undefined) return malformed('too-short', reader.failedAt);
  const authenticated = (flags & 0x40) !== 0;
  if (!authenticated && reader.remaining > 0) return malformed('bad-length', reader.offset);
  const ids = { sessionId, sequence, payload, signed };
  const packet = { kind: 'rmcp+' as const, payloadType, authenticated, ...ids };
  const encrypted = (flags & 0x80) !== 0;
  return decoded(oem ? { ...packet, encrypted, oem } : { ...packet, encrypted });
}

function readOem(reader: Reader): { iana: number; id: number } {
  return { iana: reader.u32Le(), id: reader.u16Le() };
}

function rmcpHeader(messageClass: number): Uint8Array {
  return Uint8Array.of(RMCP_VERSION, 0, NO_ACK, messageClass);
}

/** Section 13.2.3; whether a BMC answers says nothing certain: many have it disabled. */
export function encodePing(tag: number): Uint8Array {
  const asf = [ASF_PING, tag, 0, 0];
  return new Writer(12)
    .bytes(rmcpHeader(CLASS_ASF))
    .u32(ASF_IANA)
    .bytes(Uint8Array.from(asf))
    .finish();
}

export function encodePong(tag: number): Uint8Array {
  return new Writer(28)
    .bytes(rmcpHeader(CLASS_ASF))
    .u32(ASF_IANA)
    .bytes(Uint8Array.of(ASF_PONG, tag, 0, 16))
    .u32(ASF_IANA)
    .u32(0)
    .bytes(Uint8Array.of(0x81, 0))
    .zeros(6)
    .finish();
}

export function encodeLan15(packet: Omit<Lan15Packet, 'kind'>): Uint8Array {
  const writer = new Writer(32 + packet.payload.length)
    .bytes(rmcpHeader(CLASS_IPMI))
    .u8(packet.authType)
    .u32Le(packet.sequence)
    .u32Le(packet.sessionId);
  if (packet.code) writer.bytes(packet.code);
  return writer.u8(packet.payload.length).bytes(packet.payload).finish();
}

/** A message outside any session: IPMI 1.5 framing, as section 13.14 wants for discovery. */
export function encodeSessionless(payload: Uint8Array): Uint8Array {
  return encodeLan15({ authType: AUTH_TYPE.none, sequence: 0, sessionId: 0, payload });
}

/** Header and payload of an RMCP+ packet; a signed one gets its trailer in `channel.ts`. */
export function encodeRmcpPlus(
  packet: Omit<RmcpPlusPacket, 'kind' | 'signed' | 'oem'>,
): Uint8Array {
  const { payloadType, encrypted, authenticated, sessionId, sequence, payload } = packet;
  return new Writer(48 + payload.length)
    .bytes(rmcpHeader(CLASS_IPMI))
    .u8(AUTH_TYPE.rmcpPlus)
    .u8(payloadType | (encrypted ? 0x80 : 0) | (authenticated ? 0x40 : 0))
    .u32Le(sessionId)
    .u32Le(sequence)
    .u16Le(payload.length)
    .bytes(payload)
    .finish();
}

/** A payload of the handshake: session id and sequence are zero (section 13.20 onwards). */
export function encodeHandshake(payloadType: number, payload: Uint8Array): Uint8Array {
  const plain = { encrypted: false, authenticated: false, sessionId: 0, sequence: 0 };
  return encodeRmcpPlus({ payloadType, ...plain, payload });
}
