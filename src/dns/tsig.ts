/**
 * TSIG (RFC 8945): messages signed with a shared secret, HMAC-SHA256 or HMAC-SHA512, never truncated.
 *
 * A request is checked before anything in it is believed; the reply is signed over the request's MAC, and the messages
 * of a transfer each over the one before. Comparing takes the same time wherever MACs differ. A fault is answered as
 * section 5.2 says: BADKEY and BADSIG without a MAC, BADTIME with one and our clock.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { DecodedMessage } from './message.ts';
import { type DnsName, foldName, fromOctets, nameOf } from './name.ts';
import { bigEndian } from './rdata-text.ts';
import { CLASS, TYPE } from './types.ts';

export interface TsigKey {
  readonly name: DnsName;
  readonly algorithm: TsigAlgorithm;
  readonly secret: Uint8Array;
}

export type TsigAlgorithm = 'hmac-sha256' | 'hmac-sha512';

export const TSIG_ERROR = { none: 0, badSig: 16, badKey: 17, badTime: 18 } as const;

/** RFC 8945 section 10: five minutes. */
const FUDGE_SECONDS = 300;

/** A signature as it came: what the reply's is made of. */
export interface TsigRequest {
  readonly key: TsigKey | undefined;
  readonly keyName: DnsName;
  readonly algorithmName: DnsName;
  readonly mac: Uint8Array;
  readonly signedAt: number;
  readonly originalId: number;
  /** One of `TSIG_ERROR`. */
  readonly error: number;
}

function algorithmName(algorithm: TsigAlgorithm): DnsName {
  return nameOf([algorithm]) as DnsName;
}

interface Fields {
  readonly algorithm: DnsName;
  readonly signedAt: number;
  readonly fudge: number;
  readonly mac: Uint8Array;
  readonly originalId: number;
  readonly error: number;
  readonly other: string;
}

/** Rdata of a TSIG record (section 4.2); `undefined` when it is not whole. */
function parseFields(rdata: string): Fields | undefined {
  let at = 0;
  while (rdata.charCodeAt(at) > 0) at += 1 + rdata.charCodeAt(at);
  const algorithm = foldName(rdata.slice(0, at + 1));
  const u16 = (from: number) => rdata.charCodeAt(from) * 256 + rdata.charCodeAt(from + 1);
  const time = at + 1;
  const macAt = time + 10;
  if (rdata.length < macAt) return undefined;
  const macEnd = macAt + u16(time + 8);
  if (rdata.length < macEnd + 6) return undefined;
  const otherEnd = macEnd + 6 + u16(macEnd + 4);
  if (rdata.length !== otherEnd) return undefined;
  const high = u16(time) * 2 ** 32;
  return {
    algorithm,
    signedAt: high + u16(time + 2) * 65_536 + u16(time + 4),
    fudge: u16(time + 6),
    mac: fromOctets(rdata.slice(macAt, macEnd)),
    originalId: u16(macEnd),
    error: u16(macEnd + 2),
    other: rdata.slice(macEnd + 6, otherEnd),
  };
}

/** The message as it was before the TSIG record: one additional record less, the original id. */
function withoutTsig(bytes: Uint8Array, at: number, originalId: number): Uint8Array {
  // Not `slice`: on a Buffer that is a view, and this must be a copy.
  const copy = new Uint8Array(bytes.subarray(0, at));
  const view = new DataView(copy.buffer);
  view.setUint16(0, originalId);
  view.setUint16(10, view.getUint16(10) - 1);
  return copy;
}

/** Looks at the signature of a request. `undefined`: it has none; `'malformed'`: FORMERR (section 5.1). */
export function checkTsig(
  bytes: Uint8Array,
  message: DecodedMessage,
  with_: { keys: readonly TsigKey[]; nowSeconds: number },
): { request: TsigRequest; unsigned: Uint8Array } | 'malformed' | undefined {
  const record = message.additional.at(-1);
  const count = [...message.answers, ...message.authority, ...message.additional].filter(
    ({ type }) => type === TYPE.TSIG,
  ).length;
  if (count === 0) return undefined;
  if (count > 1 || record?.type !== TYPE.TSIG || record.class !== CLASS.ANY || record.ttl !== 0)
    return 'malformed';
  const fields = parseFields(record.rdata);
  if (!fields) return 'malformed';
  const keyName = foldName(record.name);
  const unsigned = withoutTsig(bytes, message.lastRecordAt, fields.originalId);
  const key = with_.keys.find(
    ({ name, algorithm }) => name === keyName && algorithmName(algorithm) === fields.algorithm,
  );
  const head = {
    ...{ key, keyName, algorithmName: fields.algorithm, mac: fields.mac },
    ...{ signedAt: fields.signedAt, originalId: fields.originalId },
  };
  const refuse = (error: number) => ({ request: { ...head, error }, unsigned });
  if (!key) return refuse(TSIG_ERROR.badKey);
  const expected = macOf(key, [unsigned, variables(key, fields)]);
  if (fields.mac.length !== expected.length || !timingSafeEqual(fields.mac, expected)) {
    return refuse(TSIG_ERROR.badSig);
  }
  const late = Math.abs(with_.nowSeconds - fields.signedAt) > fields.fudge;
  return refuse(late ? TSIG_ERROR.badTime : TSIG_ERROR.none);
}

function macOf(key: TsigKey, parts: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac(key.algorithm === 'hmac-sha256' ? 'sha256' : 'sha512', key.secret);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

function timers({ signedAt, fudge }: Pick<Fields, 'signedAt' | 'fudge'>): string {
  return bigEndian(signedAt, 6) + bigEndian(fudge, 2);
}

/** Section 4.3.3: what is signed besides the message. */
function variables(
  key: Pick<TsigKey, 'name' | 'algorithm'>,
  fields: Pick<Fields, 'signedAt' | 'fudge' | 'error' | 'other'>,
): Uint8Array {
  return fromOctets(
    key.name +
      bigEndian(CLASS.ANY, 2) +
      bigEndian(0, 4) +
      algorithmName(key.algorithm) +
      timers(fields) +
      bigEndian(fields.error, 2) +
      bigEndian(fields.other.length, 2) +
      fields.other,
  );
}

function lengthPrefixed(mac: Uint8Array): Uint8Array {
  return Uint8Array.from([mac.length >> 8, mac.length & 255, ...mac]);
}

/** Room that a signature takes at the end of a message. */
export function tsigBytes(key: TsigKey): number {
  return key.name.length + 10 + algorithmName(key.algorithm).length + 16 + 64 + 6;
}

/** Appends a TSIG record to whole message bytes. */
function append(
  message: Uint8Array,
  record: { name: DnsName; algorithm: DnsName } & Omit<Fields, 'algorithm'>,
): Uint8Array {
  const { name, algorithm, mac, originalId, error, other } = record;
  const rdata =
    algorithm +
    timers(record) +
    bigEndian(mac.length, 2) +
    String.fromCharCode(...mac) +
    bigEndian(originalId, 2) +
    bigEndian(error, 2) +
    bigEndian(other.length, 2) +
    other;
  const head = name + bigEndian(TYPE.TSIG, 2) + bigEndian(CLASS.ANY, 2) + bigEndian(0, 4);
  const tail = fromOctets(head + bigEndian(rdata.length, 2) + rdata);
  const signed = new Uint8Array(message.length + tail.length);
  signed.set(message);
  signed.set(tail, message.length);
  const view = new DataView(signed.buffer);
  view.setUint16(10, view.getUint16(10) + 1);
  return signed;
}

/** Signs a request of ours (NOTIFY). */
export function signRequest(message: Uint8Array, key: TsigKey, nowSeconds: number): Uint8Array {
  const fields = { signedAt: nowSeconds, fudge: FUDGE_SECONDS, error: 0, other: '' };
  const mac = macOf(key, [message, variables(key, fields)]);
  const originalId = ((message[0] ?? 0) << 8) | (message[1] ?? 0);
  const algorithm = algorithmName(key.algorithm);
  return append(message, { ...fields, name: key.name, algorithm, mac, originalId });
}

/** Signs the messages of one reply, in order: the first with everything, the others with timers (section 5.3.1). */
export class ReplySigner {
  private readonly request: TsigRequest;
  private previous: Uint8Array;
  private first = true;

  constructor(request: TsigRequest) {
    this.request = request;
    this.previous = request.mac;
  }

  sign(message: Uint8Array, nowSeconds: number): Uint8Array {
    const { key, keyName, algorithmName: algorithm, error, originalId } = this.request;
    const badTime = error === TSIG_ERROR.badTime;
    const signedAt = badTime ? this.request.signedAt : nowSeconds;
    const other = badTime ? bigEndian(nowSeconds, 6) : '';
    const fields = { signedAt, fudge: FUDGE_SECONDS, error, other };
    const record = { ...fields, name: keyName, algorithm, originalId };
    if (!key || error === TSIG_ERROR.badKey || error === TSIG_ERROR.badSig) {
      return append(message, { ...record, mac: new Uint8Array() });
    }
    const scope = this.first ? variables(key, fields) : fromOctets(timers(fields));
    const mac = macOf(key, [lengthPrefixed(this.previous), message, scope]);
    this.first = false;
    this.previous = mac;
    return append(message, { ...record, mac });
  }
}
