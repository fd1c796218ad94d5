/**
 * An active session's packets: sealed on the way out, opened on the way in. One channel speaks RMCP+ with the keys of a
 * cipher suite, the other IPMI 1.5 with MD5; both sides of a session use the same code, with the ids exchanged.
 *
 * The property kept: nothing is handed up that is not of this session, not new, or not as well protected as the suite
 * promises. Order by section 13.28: encrypt, then sign.
 */
import { Writer } from '../wire/cursor.ts';
import { type Decoded, decoded, malformed } from '../wire/result.ts';
import {
  AES_BLOCK_BYTES,
  decryptPayload,
  encryptPayload,
  integrityCode,
  md5Code,
  type SessionKeys,
  sameBytes,
} from './crypto.ts';
import {
  AUTH_TYPE,
  encodeLan15,
  encodeRmcpPlus,
  type Lan15Packet,
  PAYLOAD,
  type RmcpPacket,
  type RmcpPlusPacket,
} from './rmcp.ts';
import { createCounter, createWindow } from './sequence.ts';
import { INTEGRITY_CODE_BYTES } from './suites.ts';

export interface Payload {
  readonly type: number;
  readonly bytes: Uint8Array;
}

export type ChannelFault =
  | 'not-this-session'
  | 'not-protected'
  | 'bad-code'
  | 'bad-cipher-text'
  | 'replayed';

export interface Channel {
  /** Each call takes the next sequence number: a repetition is sealed again. */
  seal(payload: Payload): Uint8Array;
  open(packet: RmcpPacket): Decoded<Payload, ChannelFault>;
  /** The id that Close Session names: the BMC's. */
  readonly bmcId: number;
}

export interface RmcpPlusOptions {
  readonly keys: SessionKeys;
  /** What packets to the other side carry. */
  readonly remoteId: number;
  /** What packets to this side carry. */
  readonly localId: number;
  readonly bmcId: number;
  readonly random: (count: number) => Uint8Array;
  /** How far ahead of the highest number a packet may be. */
  readonly ahead: number;
  readonly firstSequence?: number;
  /** Quirk: replies carry session id 0. */
  readonly idZero?: boolean;
}

const NEXT_HEADER = 7;

export function createRmcpPlusChannel(options: RmcpPlusOptions): Channel {
  const { keys, remoteId, localId, random } = options;
  const nextSequence = createCounter(options.firstSequence);
  const window = createWindow({ ahead: options.ahead });
  const encrypted = keys.suite.confidentiality !== 'none';
  const authenticated = keys.suite.integrity !== 'none';
  return {
    bmcId: options.bmcId,
    seal({ type, bytes }) {
      const payload = encrypted ? encryptPayload(keys.aes, random(AES_BLOCK_BYTES), bytes) : bytes;
      const ids = { sessionId: remoteId, sequence: nextSequence() };
      const flags = { payloadType: type, encrypted, authenticated };
      const packet = encodeRmcpPlus({ ...flags, ...ids, payload });
      return authenticated ? sign(packet, keys) : packet;
    },
    open(packet) {
      if (packet.kind !== 'rmcp+') return malformed('not-this-session', 4);
      const ours = packet.sessionId === localId || (options.idZero && packet.sessionId === 0);
      if (!ours) return malformed('not-this-session', 6);
      if (packet.authenticated !== authenticated || packet.encrypted !== encrypted) {
        return malformed('not-protected', 5);
      }
      if (authenticated && !verify(packet, keys))
        return malformed('bad-code', packet.signed.length);
      if (!window.accept(packet.sequence)) return malformed('replayed', 10);
      const plain = encrypted ? decryptPayload(keys.aes, packet.payload) : decoded(packet.payload);
      return plain.ok ? decoded({ type: packet.payloadType, bytes: plain.value }) : plain;
    },
  };
}

/** Pads to a multiple of four from the authentication type on, then the pad's length, next header and code. */
function sign(packet: Uint8Array, keys: SessionKeys): Uint8Array {
  const padLength = -(packet.length - 4 + 2) & 3;
  const writer = new Writer(packet.length + padLength + 34).bytes(packet);
  for (let at = 0; at < padLength; at++) writer.u8(0xff);
  const covered = writer.u8(padLength).u8(NEXT_HEADER).finish();
  return writer.bytes(integrityCode(keys.suite.integrity, keys.k1, covered.subarray(4))).finish();
}

/**
 * The code is taken from the end, whatever the pad's length: some BMCs leave the two bytes after the pad out of their
 * sum (ipmitool calls them "icts").
 */
export function verify(packet: RmcpPlusPacket, keys: SessionKeys): boolean {
  const { signed } = packet;
  const end = signed.length - INTEGRITY_CODE_BYTES[keys.suite.integrity];
  if (end < 12 + packet.payload.length) return false;
  const code = integrityCode(keys.suite.integrity, keys.k1, signed.subarray(0, end));
  return sameBytes(code, signed.subarray(end));
}

export interface Lan15Options {
  readonly password: Uint8Array;
  readonly sessionId: number;
  readonly firstSequence: number;
  readonly ahead: number;
}

/** IPMI 1.5 with MD5: signed, never encrypted. It carries messages only. */
export function createLan15Channel(options: Lan15Options): Channel {
  const nextSequence = createCounter(options.firstSequence);
  const window = createWindow({ ahead: options.ahead });
  return {
    bmcId: options.sessionId,
    seal: ({ bytes }) =>
      sealLan15(options.password, {
        sessionId: options.sessionId,
        sequence: nextSequence(),
        payload: bytes,
      }),
    open(packet) {
      if (packet.kind !== 'lan15' || packet.sessionId !== options.sessionId) {
        return malformed('not-this-session', 9);
      }
      if (!packet.code) return malformed('not-protected', 4);
      if (!sameBytes(md5Code(options.password, packet), packet.code))
        return malformed('bad-code', 13);
      if (!window.accept(packet.sequence)) return malformed('replayed', 5);
      return decoded({ type: PAYLOAD.ipmi, bytes: packet.payload });
    },
  };
}

/** One MD5 packet; the activation of a session has sequence 0. */
export function sealLan15(
  password: Uint8Array,
  packet: Pick<Lan15Packet, 'sessionId' | 'sequence' | 'payload'>,
): Uint8Array {
  return encodeLan15({ ...packet, authType: AUTH_TYPE.md5, code: md5Code(password, packet) });
}
