/**
 * DNSSEC records as bytes: keys, digests and signatures (RFC 4034, 4509, 6605, 7344), for ECDSA P-256 alone.
 *
 * One algorithm (13) is what every validator has (RFC 8624) and what fits into datagrams: a signature is 64 octets. Node
 * signs with a random nonce, so that two signatures of the same data differ and both are valid.
 */
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { type DnsName, fromOctets, labelsOf, toOctets } from './name.ts';
import type { Rdata } from './rdata.ts';
import { bigEndian } from './rdata-text.ts';
import { CLASS, TYPE } from './types.ts';

const ALGORITHM_P256 = 13;
const PROTOCOL = 3;
const DIGEST_SHA256 = 2;
const PUBLIC_BYTES = 64;
/** RFC 4034 section 2.1.1: a key of the zone; section 2.1.1 and RFC 3757: meant to be pointed at by the parent. */
const KEY_FLAGS = { zsk: 256, ksk: 257 } as const;

export type KeyRole = keyof typeof KEY_FLAGS;

/** A key as the threads that sign have it. */
export interface SigningKey {
  readonly role: KeyRole;
  readonly tag: number;
  readonly privateKey: KeyObject;
}

/** @returns the public point (x, then y) and the private key as PKCS #8 in base64 */
export function generateKey(): { publicKey: string; secret: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const point = Buffer.concat([Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  const secret = privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64');
  return { publicKey: toOctets(point), secret };
}

export function readSecret(secret: string): KeyObject {
  const key = Buffer.from(secret, 'base64');
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

/** @param publicKey 64 octets */
export function dnskeyRdata(role: KeyRole, publicKey: string): Rdata {
  if (publicKey.length !== PUBLIC_BYTES) throw new RangeError('not a point of P-256');
  const head = bigEndian(KEY_FLAGS[role], 2) + String.fromCharCode(PROTOCOL, ALGORITHM_P256);
  return (head + publicKey) as Rdata;
}

/** RFC 4034 appendix B: a sum by which validators find the key among several. */
export function keyTag(dnskey: Rdata): number {
  let sum = 0;
  for (let at = 0; at < dnskey.length; at++) {
    sum += dnskey.charCodeAt(at) << (at & 1 ? 0 : 8);
  }
  return (sum + (sum >>> 16)) & 0xffff;
}

/** DS of a key at a zone's name (RFC 4509: SHA-256); CDS has the same form. */
export function dsRdata(zone: DnsName, dnskey: Rdata): Rdata {
  const digest = toOctets(
    createHash('sha256')
      .update(fromOctets(zone + dnskey))
      .digest(),
  );
  const head = bigEndian(keyTag(dnskey), 2) + String.fromCharCode(ALGORITHM_P256, DIGEST_SHA256);
  return (head + digest) as Rdata;
}

/** What a signature covers and says; times are in seconds. */
export interface SignatureSubject {
  readonly owner: DnsName;
  readonly type: number;
  readonly ttl: number;
  /** In canonical order. */
  readonly rdatas: readonly string[];
  /** The zone that signs. */
  readonly signer: DnsName;
  readonly inception: number;
  readonly expiration: number;
}

/** Labels as RRSIG counts them: neither the root nor a leading `*` (RFC 4034 section 3.1.3). */
function countedLabels(owner: DnsName): number {
  const labels = labelsOf(owner);
  return labels[0] === '*' ? labels.length - 1 : labels.length;
}

/** RRSIG rdata up to the signature (RFC 4034 section 3.1). */
export function signatureHead(subject: SignatureSubject, tag: number): string {
  const { type, ttl, expiration, inception, signer, owner } = subject;
  return (
    bigEndian(type, 2) +
    String.fromCharCode(ALGORITHM_P256, countedLabels(owner)) +
    bigEndian(ttl, 4) +
    bigEndian(expiration, 4) +
    bigEndian(inception, 4) +
    bigEndian(tag, 2) +
    signer
  );
}

/** The octets that are signed (RFC 4034 section 3.1.8.1). */
export function signedOctets(subject: SignatureSubject, head: string): string {
  const { owner, type, ttl, rdatas } = subject;
  const common = owner + bigEndian(type, 2) + bigEndian(CLASS.IN, 2) + bigEndian(ttl, 4);
  let octets = head;
  for (const rdata of rdatas) octets += common + bigEndian(rdata.length, 2) + rdata;
  return octets;
}

/** @returns RRSIG rdata */
export function signRrset(subject: SignatureSubject, key: SigningKey): Rdata {
  const head = signatureHead(subject, key.tag);
  return (head + signOctets(signedOctets(subject, head), key.privateKey)) as Rdata;
}

/** A signature as RFC 6605 section 4 has it: r, then s, 32 octets each. */
export function signOctets(octets: string, privateKey: KeyObject): string {
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
  return toOctets(sign('sha256', fromOctets(octets), key));
}

/** The DNSKEY, CDS and CDNSKEY sets are signed by keys that the parent points at, all else by the zone's (RFC 7344). */
export function roleFor(type: number): KeyRole {
  return type === TYPE.DNSKEY || type === TYPE.CDS || type === TYPE.CDNSKEY ? 'ksk' : 'zsk';
}
