/**
 * Secrets at rest: AES-256-GCM under one key that is kept in a file of its own, apart from the database and its backups.
 *
 * A sealed value is nonce (12 bytes), tag (16), ciphertext. The name of what it belongs to is authenticated with it, so
 * that a sealed password moved to another row does not open (NIST SP 800-38D section 5.2.1.1).
 *
 * What has to be recognized again but never read is kept as HMAC-SHA256 (RFC 2104) under a key derived from the same one:
 * a plain hash of a text with a password in it could be tried out by whoever has a backup.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { AppError } from '../errors.ts';

export interface SecretBox {
  seal(plain: string, boundTo: string): Buffer;
  /** @throws AppError SECRET_KEY_INVALID when the key is another one or the value was tampered with */
  open(sealed: Uint8Array, boundTo: string): string;
  /** In hex; equal for equal texts and the same use, as long as the key is the same. @throws AppError SECRET_KEY_INVALID */
  digest(text: string, use: string): string;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
export const SECRET_KEY_BYTES = 32;

/** @param keyOf reads the key when a secret is first sealed or opened: what never does needs none. */
export function createSecretBox(keyOf: () => Uint8Array): SecretBox {
  let known: Uint8Array | undefined;
  const theKey = (): Uint8Array => {
    known ??= keyOf();
    if (known.length !== SECRET_KEY_BYTES) throw new AppError('SECRET_KEY_INVALID');
    return known;
  };
  return {
    seal(plain, boundTo) {
      const key = theKey();
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(boundTo));
      const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open(sealed, boundTo) {
      const key = theKey();
      try {
        const nonce = sealed.subarray(0, NONCE_BYTES);
        const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
        const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
          .setAAD(Buffer.from(boundTo))
          .setAuthTag(tag);
        const body = decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES));
        return Buffer.concat([body, decipher.final()]).toString('utf8');
      } catch (cause) {
        throw new AppError('SECRET_KEY_INVALID', {
          detail: 'A secret does not open: it was sealed under another key.',
          cause,
        });
      }
    },
    digest(text, use) {
      const derived = createHmac('sha256', theKey()).update(`digest ${use}`).digest();
      return createHmac('sha256', derived).update(text).digest('hex');
    },
  };
}
