/**
 * Passwords as scrypt (RFC 7914) with a salt of their own. Verifying takes the same work whether there is a password to
 * compare with or not, and runs on a thread of Node's pool: a login never holds up a DHCP answer.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** 2^15 x 8 x 128 bytes = 32 MiB, about 100 ms (OWASP's second choice is 2^16; DHCP shares this machine). */
const COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
const HASH_BYTES = 32;
const NOBODY = `scrypt$${'00'.repeat(16)}$${'00'.repeat(HASH_BYTES)}`;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password, salt);
  return `scrypt$${salt.toString('hex')}$${hash.toString('hex')}`;
}

/** @param stored as `hashPassword` made it; '' never matches. */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const [, salt = '', hash = ''] = (stored || NOBODY).split('$');
  const derived = await derive(password, Buffer.from(salt, 'hex'));
  return timingSafeEqual(derived, Buffer.from(hash, 'hex')) && stored !== '';
}

function derive(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, HASH_BYTES, COST, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}
