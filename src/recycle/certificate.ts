/**
 * The certificate of a machine that was recycled: a text that names every disk and what was done to it, and a signature
 * that anybody can check without us: `openssl pkeyutl -verify -pubin -inkey KEY -rawin -in TEXT -sigfile SIGNATURE`.
 *
 * It says *sanitized* only when every disk that the machine was known to have was erased by a method of the level that was
 * asked for and no marker was left in any sampled block. What it says otherwise is as true: which disk, and why not. The
 * fields are those of NIST SP 800-88 rev. 1 appendix G that a machine can know. Pure: the key is handed in.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { isMethod, LEVELS, type Level, METHODS } from './methods.ts';
import { missingFrom } from './missing.ts';
import type { Erased } from './seen.ts';

export interface CertificateFacts {
  readonly id: string;
  readonly job: string;
  readonly hardwarename: string;
  readonly manufacturer: string;
  readonly product: string;
  readonly serial: string;
  readonly site: string;
  readonly requester: string;
  /** Milliseconds since 1970. */
  readonly issuedAt: number;
  readonly level: Level;
  /** Serials of the disks that the machine was known to have when the job began. */
  readonly expected: readonly string[];
  readonly disks: readonly (Erased & { readonly finishedAt: number })[];
  /** Of the agent's last word: '' when all went well. */
  readonly failure: string;
}

export interface Certificate {
  readonly result: 'sanitized' | 'failed';
  /** The lowest of any disk; '' when one reached none. */
  readonly level: Level | '';
  readonly text: string;
  /** Ed25519 over the text's bytes, base64. */
  readonly signature: string;
}

/** RFC 8410 section 7: a private key is its 32 bytes behind this head. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

export function signingKey(seed: Uint8Array): KeyObject {
  return createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, seed]),
    format: 'der',
    type: 'pkcs8',
  });
}

/** As PEM, for whoever checks. */
export function publicPem(key: KeyObject): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
}

export function issue(facts: CertificateFacts, key: KeyObject): Certificate {
  const disks = facts.disks.map((disk) => describe(disk, facts.level));
  const known = facts.disks.map(({ serial }) => serial);
  const missing = missingFrom(known, facts.expected);
  const fault =
    facts.failure ||
    disks.find(({ result }) => result !== 'sanitized')?.detail ||
    (missing.length > 0 ? `nothing is known of the disks ${missing.join(', ')}` : '');
  const result = fault === '' ? 'sanitized' : 'failed';
  const level = lowest(disks.map((disk) => disk.level));
  const { id, issuedAt, site, job, requester, hardwarename, manufacturer, product, serial } = facts;
  const document = {
    form: 'reveille-erasure 1',
    certificate: id,
    issuedAt: iso(issuedAt),
    ...{ site, job, requester, hardwarename, manufacturer, product, serial },
    standard: 'NIST SP 800-88',
    levelAsked: facts.level,
    ...{ level, result, fault, disks },
  };
  const text = `${JSON.stringify(document, undefined, 2)}\n`;
  const signature = sign(null, Buffer.from(text, 'utf8'), key).toString('base64');
  return { result, level, text, signature };
}

/** @param pem of the public key */
export function isGenuine(
  { text, signature }: Pick<Certificate, 'text' | 'signature'>,
  key: KeyObject | string,
) {
  const bytes = Buffer.from(signature, 'base64');
  return verify(null, Buffer.from(text, 'utf8'), key, bytes);
}

function describe(disk: CertificateFacts['disks'][number], asked: Level) {
  const { serial, model, sizeBytes, seconds, samples, full, method } = disk;
  const found = isMethod(method) ? METHODS[method] : undefined;
  const reached = disk.ok && found && LEVELS.indexOf(found.level) >= LEVELS.indexOf(asked);
  // Sampling that has seen nothing has shown nothing.
  const clean = Boolean(reached) && samples > 0;
  const why = disk.ok ? 'it did not reach the level that was asked for' : 'it could not be erased';
  return {
    ...{ serial, model, interface: disk.interface, sizeBytes, method },
    technique: found?.says ?? '',
    level: clean && found ? found.level : ('' as const),
    result: clean ? 'sanitized' : 'failed',
    detail: clean ? disk.detail : `${serial || disk.name}: ${disk.detail || why}`,
    verification: { samples, blockBytes: 4096, everyBlock: full },
    seconds,
    finishedAt: iso(disk.finishedAt),
  };
}

function lowest(levels: readonly (Level | '')[]): Level | '' {
  if (levels.length === 0 || levels.includes('')) return '';
  return LEVELS.find((level) => levels.includes(level)) ?? '';
}

/** RFC 3339, UTC, whole seconds. */
function iso(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
