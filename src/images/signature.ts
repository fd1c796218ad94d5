/**
 * Says whether a version was signed by somebody whom this site trusts.
 *
 * What is signed is a text of a few lines that follows from the version alone (`manifestOf`): its name, number, kind,
 * what its kernel is told, and the hash of each file. Ed25519 only, in the two forms that people have tools for:
 * minisign's, and the bare signature that openssl makes, as base64. Pure: keys and signatures are handed in.
 *
 * Formats: minisign(1), https://jedisct1.github.io/minisign/ "Signature format"; RFC 8032; RFC 8410 for the PEM.
 */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { FileRole, ImageDoc, ImageKind } from '../inventory/images.ts';

export interface TrustedKey {
  readonly name: string;
  readonly key: KeyObject;
  /** minisign's, in hex; '' for a bare key. */
  readonly id: string;
}

export interface Signed {
  readonly name: string;
  readonly version: string;
  readonly kind: ImageKind;
  readonly doc: Pick<ImageDoc, 'format' | 'kernelArguments'>;
  readonly files: readonly { readonly role: FileRole; readonly sha256: string }[];
}

/** The bytes that are signed; lines end in a newline, the last one too. */
export function manifestOf({ name, version, kind, doc, files }: Signed): string {
  const { format, kernelArguments } = doc;
  return [
    'reveille-image 1',
    `name ${name}`,
    `version ${version}`,
    `kind ${kind}`,
    ...(format === undefined ? [] : [`format ${format}`]),
    ...(kernelArguments === '' ? [] : [`kernel-arguments ${kernelArguments}`]),
    ...files.map(({ role, sha256 }) => `${role} ${sha256}`).sort(),
    '',
  ].join('\n');
}

/** SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 section 4), up to its 32 bytes. */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');
const KEY_BYTES = 32;
const ID_BYTES = 8;
const SIGNATURE_BYTES = 64;
const ALGORITHM_BYTES = 2;

/** A PEM public key, or the file that `minisign -G` writes. @throws Error that says what is wrong with it */
export function parseKey(name: string, text: string): TrustedKey {
  if (text.includes('-----BEGIN')) {
    const key = createPublicKey(text);
    if (key.asymmetricKeyType !== 'ed25519')
      throw new Error(`it is of type ${key.asymmetricKeyType} and not Ed25519`);
    return { name, key, id: '' };
  }
  const bytes = Buffer.from(lastLine(text), 'base64');
  if (
    bytes.length !== ALGORITHM_BYTES + ID_BYTES + KEY_BYTES ||
    bytes.toString('latin1', 0, 2) !== 'Ed'
  )
    throw new Error('it is neither PEM nor a key of minisign');
  const raw = bytes.subarray(ALGORITHM_BYTES + ID_BYTES);
  const key = createPublicKey({
    key: Buffer.concat([SPKI_HEAD, raw]),
    format: 'der',
    type: 'spki',
  });
  return { name, key, id: bytes.toString('hex', ALGORITHM_BYTES, ALGORITHM_BYTES + ID_BYTES) };
}

/** @returns the name of the key that made it; `undefined` when none of them did */
export function signerOf(
  manifest: string,
  signature: string,
  keys: readonly TrustedKey[],
): string | undefined {
  const message = Buffer.from(manifest, 'utf8');
  const lines = signature.trim().split(/\r?\n/);
  if (lines.length === 1) {
    const bytes = decode(lines[0] ?? '', SIGNATURE_BYTES);
    return bytes && keys.find(({ key }) => verify(null, message, key, bytes))?.name;
  }
  return minisigner(message, lines, keys);
}

/** Four lines: a comment, the signature, a comment that counts, and the signature of both. */
function minisigner(
  message: Buffer,
  lines: readonly string[],
  keys: readonly TrustedKey[],
): string | undefined {
  const [untrusted = '', first = '', trusted = '', second = ''] = lines;
  const bytes = decode(first, ALGORITHM_BYTES + ID_BYTES + SIGNATURE_BYTES);
  const whole = decode(second, SIGNATURE_BYTES);
  const prefix = 'trusted comment: ';
  if (!untrusted.startsWith('untrusted comment:') || !trusted.startsWith(prefix)) return undefined;
  if (!bytes || !whole) return undefined;
  const algorithm = bytes.toString('latin1', 0, ALGORITHM_BYTES);
  const id = bytes.toString('hex', ALGORITHM_BYTES, ALGORITHM_BYTES + ID_BYTES);
  const made = bytes.subarray(ALGORITHM_BYTES + ID_BYTES);
  if (algorithm !== 'Ed' && algorithm !== 'ED') return undefined;
  const signed = algorithm === 'ED' ? createHash('blake2b512').update(message).digest() : message;
  const comment = Buffer.concat([made, Buffer.from(trusted.slice(prefix.length), 'utf8')]);
  return keys.find(
    (one) =>
      one.id === id && verify(null, signed, one.key, made) && verify(null, comment, one.key, whole),
  )?.name;
}

function decode(text: string, length: number): Buffer | undefined {
  const bytes = /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : undefined;
  return bytes?.length === length ? bytes : undefined;
}

function lastLine(text: string): string {
  return text.trim().split(/\r?\n/).at(-1) ?? '';
}
