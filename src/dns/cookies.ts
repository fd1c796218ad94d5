/**
 * DNS cookies (RFC 7873) with server cookies of the interoperable form (RFC 9018 section 4): version 1, three reserved
 * octets, a 32-bit time, and SipHash-2-4 over client cookie, those eight octets and the client's address.
 *
 * A client that shows a good cookie is not spoofed: rate limiting lets it pass. Nobody is refused for having none.
 */
import { SipHash } from './siphash.ts';

const CLIENT_COOKIE_BYTES = 8;
export const COOKIE_BYTES = 24;

/** RFC 9018 section 4.3: an hour old is too old, five minutes ahead is not a clock. */
const AGE_SECONDS_MAX = 3600;
const AHEAD_SECONDS_MAX = 300;

export class Cookies {
  private readonly hash: SipHash;
  private readonly input = new Uint8Array(CLIENT_COOKIE_BYTES + 8 + 16);
  private readonly expected = new Uint8Array(8);

  /** @param secret 16 random octets, the same in all threads */
  constructor(secret: Uint8Array) {
    this.hash = new SipHash(secret);
  }

  /** Writes client cookie and fresh server cookie, `COOKIE_BYTES` in all. */
  write(
    client: { bytes: Uint8Array; cookieAt: number; address: Uint8Array; nowSeconds: number },
    out: Uint8Array,
    outAt: number,
  ): void {
    const { bytes, cookieAt, nowSeconds } = client;
    for (let i = 0; i < CLIENT_COOKIE_BYTES; i++) out[outAt + i] = bytes[cookieAt + i] ?? 0;
    out[outAt + 8] = 1;
    out[outAt + 9] = 0;
    out[outAt + 10] = 0;
    out[outAt + 11] = 0;
    for (let i = 0; i < 4; i++) out[outAt + 12 + i] = nowSeconds >>> (8 * (3 - i));
    this.digest(out, outAt, client.address, out, outAt + 16);
  }

  /** Whether a whole cookie of 24 octets is one that this server gave to this address not long ago. */
  valid(client: {
    bytes: Uint8Array;
    cookieAt: number;
    address: Uint8Array;
    nowSeconds: number;
  }): boolean {
    const { bytes, cookieAt, nowSeconds } = client;
    if (bytes[cookieAt + 8] !== 1) return false;
    let time = 0;
    for (let i = 0; i < 4; i++) time = (time << 8) | (bytes[cookieAt + 12 + i] ?? 0);
    const age = (nowSeconds - time) | 0;
    if (age > AGE_SECONDS_MAX || age < -AHEAD_SECONDS_MAX) return false;
    this.digest(bytes, cookieAt, client.address, this.expected, 0);
    let difference = 0;
    for (let i = 0; i < 8; i++) {
      difference |= (this.expected[i] ?? 0) ^ (bytes[cookieAt + 16 + i] ?? 0);
    }
    return difference === 0;
  }

  private digest(
    cookie: Uint8Array,
    at: number,
    address: Uint8Array,
    out: Uint8Array,
    outAt: number,
  ): void {
    const { input } = this;
    for (let i = 0; i < 16; i++) input[i] = cookie[at + i] ?? 0;
    input.set(address, 16);
    this.hash.digest(input, 0, 16 + address.length, out, outAt);
  }
}
