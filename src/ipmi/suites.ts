/**
 * Cipher suites of IPMI 2.0 (section 13.15 and table 22-19): which algorithms each one names, and how long their codes are.
 *
 * Suites 3 and 17 are offered. Suites 0 to 2, 15 and 16 lack encryption or integrity: they are known, so that what other
 * programs say can be decoded and a BMC that offers them can be reported, but `chooseSuites` never picks one. The
 * suites with RC4 and with plain MD5 (4, 5, 9 to 14, 18, 19) are not here at all.
 */
import { Reader } from '../wire/cursor.ts';

export type AuthAlgorithm = 'none' | 'hmac-sha1' | 'hmac-md5' | 'hmac-sha256';
export type IntegrityAlgorithm = 'none' | 'hmac-sha1-96' | 'hmac-md5-128' | 'hmac-sha256-128';
export type Confidentiality = 'none' | 'aes-cbc-128';

export interface CipherSuite {
  readonly id: number;
  readonly auth: AuthAlgorithm;
  readonly integrity: IntegrityAlgorithm;
  readonly confidentiality: Confidentiality;
}

const suite = (
  id: number,
  auth: AuthAlgorithm,
  integrity: IntegrityAlgorithm,
  confidentiality: Confidentiality,
): CipherSuite => ({ id, auth, integrity, confidentiality });

export const CIPHER_SUITES: readonly CipherSuite[] = [
  suite(0, 'none', 'none', 'none'),
  suite(1, 'hmac-sha1', 'none', 'none'),
  suite(2, 'hmac-sha1', 'hmac-sha1-96', 'none'),
  suite(3, 'hmac-sha1', 'hmac-sha1-96', 'aes-cbc-128'),
  suite(6, 'hmac-md5', 'none', 'none'),
  suite(7, 'hmac-md5', 'hmac-md5-128', 'none'),
  suite(8, 'hmac-md5', 'hmac-md5-128', 'aes-cbc-128'),
  suite(15, 'hmac-sha256', 'none', 'none'),
  suite(16, 'hmac-sha256', 'hmac-sha256-128', 'none'),
  suite(17, 'hmac-sha256', 'hmac-sha256-128', 'aes-cbc-128'),
];

/** Tried in this order: SHA-256 first, because new BMCs disable suite 3 (iDRAC 10, OpenBMC, Intel M50CYP). */
export const SUITES_OFFERED: readonly number[] = [17, 3];

export function cipherSuite(id: number): CipherSuite | undefined {
  return CIPHER_SUITES.find((each) => each.id === id);
}

/** Numbers on the wire: tables 13-17, 13-18 and 13-19. */
export const AUTH_NUMBER: Record<AuthAlgorithm, number> = {
  none: 0,
  'hmac-sha1': 1,
  'hmac-md5': 2,
  'hmac-sha256': 3,
};
export const INTEGRITY_NUMBER: Record<IntegrityAlgorithm, number> = {
  none: 0,
  'hmac-sha1-96': 1,
  'hmac-md5-128': 2,
  'hmac-sha256-128': 4,
};
export const CONFIDENTIALITY_NUMBER: Record<Confidentiality, number> = {
  none: 0,
  'aes-cbc-128': 1,
};

/** Bytes of the trailing authentication code of a packet. */
export const INTEGRITY_CODE_BYTES: Record<IntegrityAlgorithm, number> = {
  none: 0,
  'hmac-sha1-96': 12,
  'hmac-md5-128': 16,
  'hmac-sha256-128': 16,
};

/** Bytes of the check value in RAKP 4, which is truncated where those of RAKP 2 and 3 are whole. */
export const RAKP4_CODE_BYTES: Record<AuthAlgorithm, number> = {
  none: 0,
  'hmac-sha1': 12,
  'hmac-md5': 16,
  'hmac-sha256': 16,
};

const START_STANDARD = 0xc0;
const START_OEM = 0xc1;

/**
 * The suite ids in the records of Get Channel Cipher Suites (section 22.15.1), in the order of the BMC.
 * Algorithm bytes are skipped, not believed: the tag bits in them are wrong on Sun boards. A cut record ends the list.
 */
export function decodeSuiteRecords(bytes: Uint8Array): readonly number[] {
  const reader = new Reader(bytes);
  const ids: number[] = [];
  while (reader.remaining >= 2) {
    const start = reader.u8();
    if (start !== START_STANDARD && start !== START_OEM) continue;
    const id = reader.u8();
    if (start === START_OEM) reader.take(3);
    if (reader.failedAt === undefined && !ids.includes(id)) ids.push(id);
  }
  return ids;
}

/** The record of a standard suite, as a BMC lists it. */
export function encodeSuiteRecord(each: CipherSuite): Uint8Array {
  const record = [START_STANDARD, each.id, AUTH_NUMBER[each.auth]];
  if (each.integrity !== 'none') record.push(0x40 | INTEGRITY_NUMBER[each.integrity]);
  if (each.confidentiality !== 'none')
    record.push(0x80 | CONFIDENTIALITY_NUMBER[each.confidentiality]);
  return Uint8Array.from(record);
}

/**
 * What to try, best first. The BMC's list only puts the order right and never adds a weak suite; a BMC that lists none of
 * ours, or no list at all, is still asked for each, because such lists are often wrong or missing.
 */
export function chooseSuites(wanted: readonly number[], listed: readonly number[]): number[] {
  const both = wanted.filter((id) => listed.includes(id));
  return [...both, ...wanted.filter((id) => !both.includes(id))];
}
