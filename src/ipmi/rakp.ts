/**
 * The payloads of the RMCP+ handshake (IPMI 2.0 sections 13.17 to 13.24): open session, and RAKP messages 1 to 4.
 *
 * Session ids are four bytes that nobody interprets; they are read and written little-endian everywhere, so that they
 * enter the hashes in the order of the wire. A refusal may be cut off after its status, as real BMCs do: decoding stops
 * there and gives the status alone.
 */
import { Reader, Writer } from '../wire/cursor.ts';
import { type Decoded, decoded, malformed } from '../wire/result.ts';
import { authCode, KEY_BYTES, padded } from './crypto.ts';
import {
  AUTH_NUMBER,
  type CipherSuite,
  CONFIDENTIALITY_NUMBER,
  INTEGRITY_NUMBER,
  RAKP4_CODE_BYTES,
} from './suites.ts';

/** Bit 4 of the role byte: look the user up by name alone, not by name and privilege (section 13.20). */
export const NAME_ONLY_LOOKUP = 0x10;

/** Privilege levels (section 6.8). */
export const PRIVILEGE = { callback: 1, user: 2, operator: 3, administrator: 4, oem: 5 } as const;
export type Privilege = keyof typeof PRIVILEGE;

/** Table 13-15, in words that an operator can act on. */
export const RAKP_STATUS: Readonly<Record<number, string>> = {
  0: 'no errors',
  1: 'insufficient resources to create a session',
  2: 'invalid session id',
  3: 'invalid payload type',
  4: 'invalid authentication algorithm',
  5: 'invalid integrity algorithm',
  6: 'no matching authentication payload',
  7: 'no matching integrity payload',
  8: 'inactive session id',
  9: 'invalid role',
  10: 'unauthorised role or privilege level',
  11: 'insufficient resources to create a session at that role',
  12: 'invalid name length',
  13: 'unauthorised name',
  14: 'unauthorised GUID',
  15: 'invalid integrity check value',
  16: 'invalid confidentiality algorithm',
  17: 'no cipher suite match with proposed security algorithms',
  18: 'illegal or unrecognised parameter',
};

export type HandshakeFault = 'too-short' | 'not-a-suite';

export interface OpenRequest {
  readonly tag: number;
  /** 0 asks for the highest that the suite allows. */
  readonly privilege: number;
  readonly consoleId: number;
  /** Algorithm numbers: authentication, integrity, confidentiality. */
  readonly algorithms: readonly [number, number, number];
}

export interface OpenResponse extends OpenRequest {
  readonly status: number;
  readonly bmcId: number;
}

/** What a status other than 0 leaves readable. */
export interface Refusal {
  readonly tag: number;
  readonly status: number;
  /** Absent where it was cut off before it. */
  readonly consoleId?: number;
}

export function algorithmsOf(suite: CipherSuite): readonly [number, number, number] {
  return [
    AUTH_NUMBER[suite.auth],
    INTEGRITY_NUMBER[suite.integrity],
    CONFIDENTIALITY_NUMBER[suite.confidentiality],
  ];
}

function algorithmPayloads(writer: Writer, algorithms: readonly number[]): Writer {
  for (const [type, algorithm] of algorithms.entries()) {
    writer.bytes(Uint8Array.of(type, 0, 0, 8, algorithm, 0, 0, 0));
  }
  return writer;
}

function readAlgorithms(reader: Reader): [number, number, number] {
  const [auth, integrity, confidentiality] = [0, 1, 2].map(() => reader.take(8)[4] ?? 0);
  return [auth ?? 0, integrity ?? 0, confidentiality ?? 0];
}

export function encodeOpenRequest(request: OpenRequest): Uint8Array {
  const writer = new Writer(32).u8(request.tag).u8(request.privilege).zeros(2);
  return algorithmPayloads(writer.u32Le(request.consoleId), request.algorithms).finish();
}

export function decodeOpenRequest(bytes: Uint8Array): Decoded<OpenRequest, HandshakeFault> {
  const reader = new Reader(bytes);
  const tag = reader.u8();
  const privilege = reader.u8() & 0x0f;
  reader.take(2);
  const consoleId = reader.u32Le();
  const algorithms = readAlgorithms(reader);
  if (reader.failedAt !== undefined) return malformed('too-short', reader.failedAt);
  return decoded({ tag, privilege, consoleId, algorithms });
}

export function encodeOpenResponse(response: OpenResponse): Uint8Array {
  const writer = new Writer(36).u8(response.tag).u8(response.status).u8(response.privilege).u8(0);
  writer.u32Le(response.consoleId);
  if (response.status !== 0) return writer.finish();
  return algorithmPayloads(writer.u32Le(response.bmcId), response.algorithms).finish();
}

/** A refusal of any handshake payload starts with tag and status; the console's id, where it is, begins at byte 4. */
function decodeRefusal(bytes: Uint8Array): Refusal | undefined {
  const reader = new Reader(bytes);
  const [tag, status] = [reader.u8(), reader.u8()];
  if (reader.failedAt !== undefined || status === 0) return undefined;
  reader.take(2);
  const consoleId = reader.u32Le();
  return { tag, status, ...(reader.failedAt === undefined ? { consoleId } : {}) };
}

export function decodeOpenResponse(
  bytes: Uint8Array,
): Decoded<OpenResponse | Refusal, HandshakeFault> {
  const refusal = decodeRefusal(bytes);
  if (refusal) return decoded(refusal);
  const reader = new Reader(bytes);
  const tag = reader.u8();
  const status = reader.u8();
  const privilege = reader.u8();
  reader.u8();
  const consoleId = reader.u32Le();
  const bmcId = reader.u32Le();
  const algorithms = readAlgorithms(reader);
  if (reader.failedAt !== undefined) return malformed('too-short', reader.failedAt);
  return decoded({ tag, status, privilege, consoleId, bmcId, algorithms });
}

export interface Rakp1 {
  readonly tag: number;
  readonly bmcId: number;
  /** 16 random bytes of the console. */
  readonly consoleRandom: Uint8Array;
  /** Privilege, and `NAME_ONLY_LOOKUP`: the whole byte enters the hashes. */
  readonly role: number;
  readonly name: Uint8Array;
}

export function encodeRakp1(message: Rakp1): Uint8Array {
  return new Writer(44)
    .u8(message.tag)
    .zeros(3)
    .u32Le(message.bmcId)
    .bytes(message.consoleRandom)
    .u8(message.role)
    .zeros(2)
    .u8(message.name.length)
    .bytes(message.name)
    .finish();
}

export function decodeRakp1(bytes: Uint8Array): Decoded<Rakp1, HandshakeFault> {
  const reader = new Reader(bytes);
  const tag = reader.u8();
  reader.take(3);
  const bmcId = reader.u32Le();
  const consoleRandom = reader.take(16);
  const role = reader.u8();
  reader.take(2);
  const name = reader.take(reader.u8());
  if (reader.failedAt !== undefined) return malformed('too-short', reader.failedAt);
  return decoded({ tag, bmcId, consoleRandom, role, name });
}

export interface Rakp2 {
  readonly tag: number;
  readonly status: number;
  readonly consoleId: number;
  readonly bmcRandom: Uint8Array;
  readonly guid: Uint8Array;
  readonly code: Uint8Array;
}

export function encodeRakp2(message: Rakp2): Uint8Array {
  const writer = new Writer(72)
    .u8(message.tag)
    .u8(message.status)
    .zeros(2)
    .u32Le(message.consoleId);
  if (message.status !== 0) return writer.finish();
  return writer.bytes(message.bmcRandom).bytes(message.guid).bytes(message.code).finish();
}

export function decodeRakp2(bytes: Uint8Array): Decoded<Rakp2 | Refusal, HandshakeFault> {
  const refusal = decodeRefusal(bytes);
  if (refusal) return decoded(refusal);
  const reader = new Reader(bytes);
  const tag = reader.u8();
  const status = reader.u8();
  reader.take(2);
  const consoleId = reader.u32Le();
  const bmcRandom = reader.take(16);
  const guid = reader.take(16);
  if (reader.failedAt !== undefined) return malformed('too-short', reader.failedAt);
  return decoded({ tag, status, consoleId, bmcRandom, guid, code: reader.rest() });
}

/** RAKP 3 goes to the BMC with its id, RAKP 4 to the console with that one's; otherwise they are alike. */
export interface RakpCode {
  readonly tag: number;
  readonly status: number;
  readonly id: number;
  readonly code: Uint8Array;
}

export function encodeRakpCode(message: RakpCode): Uint8Array {
  const writer = new Writer(40).u8(message.tag).u8(message.status).zeros(2).u32Le(message.id);
  return message.status === 0 ? writer.bytes(message.code).finish() : writer.finish();
}

export function decodeRakpCode(bytes: Uint8Array): Decoded<RakpCode | Refusal, HandshakeFault> {
  const refusal = decodeRefusal(bytes);
  if (refusal) return decoded(refusal);
  const reader = new Reader(bytes);
  const tag = reader.u8();
  const status = reader.u8();
  reader.take(2);
  const id = reader.u32Le();
  if (reader.failedAt !== undefined) return malformed('too-short', reader.failedAt);
  return decoded({ tag, status, id, code: reader.rest() });
}

/** What both sides know after RAKP 2, and what all codes and keys are computed from. */
export interface Exchange {
  readonly suite: CipherSuite;
  readonly consoleId: number;
  readonly bmcId: number;
  readonly consoleRandom: Uint8Array;
  readonly bmcRandom: Uint8Array;
  readonly guid: Uint8Array;
  readonly role: number;
  readonly name: Uint8Array;
  readonly password: Uint8Array;
  /** The BMC key; absent when the BMC has none, and the password takes its place (section 13.31). */
  readonly kg?: Uint8Array | undefined;
}

const id = (value: number) => new Writer(4).u32Le(value).finish();
const roleAndName = ({ role, name }: Exchange) =>
  new Writer(18).u8(role).u8(name.length).bytes(name).finish();

/** The code in RAKP 2, whole (section 13.21). */
export function rakp2Code(x: Exchange): Uint8Array {
  const ids = [id(x.consoleId), id(x.bmcId)];
  const randoms = [x.consoleRandom, x.bmcRandom, x.guid];
  return authCode(x.suite.auth, passwordKey(x), ...ids, ...randoms, roleAndName(x));
}

/** The code in RAKP 3, whole (section 13.22). */
export function rakp3Code(x: Exchange): Uint8Array {
  return authCode(x.suite.auth, passwordKey(x), x.bmcRandom, id(x.consoleId), roleAndName(x));
}

/** The session integrity key (section 13.31). */
export function sessionKey(x: Exchange): Uint8Array {
  const key = x.kg ? padded(x.kg, KEY_BYTES) : passwordKey(x);
  return authCode(x.suite.auth, key, x.consoleRandom, x.bmcRandom, roleAndName(x));
}

/** The check value in RAKP 4 (section 13.23). */
export function rakp4Code(x: Exchange, sik: Uint8Array): Uint8Array {
  const code = authCode(x.suite.auth, sik, x.consoleRandom, id(x.bmcId), x.guid);
  return code.subarray(0, RAKP4_CODE_BYTES[x.suite.auth]);
}

function passwordKey(x: Exchange): Uint8Array {
  return padded(x.password, KEY_BYTES);
}
