/**
 * Response rate limiting: what keeps a name server from being the amplifier of somebody's attack.
 *
 * Equal answers to one network (/24 or /56) are counted, not questions: a resolver that asks for many names is never
 * limited, a forged source that asks for one name is. Above the rate every second answer is an empty one with TC, with
 * which a real client comes back over TCP, and the others are not sent. Buckets are a fixed table without chains, found by
 * a seed that nobody else knows: keys that collide share one bucket, so taking turns gains nothing, and one key in
 * 65,536 is limited with that of a flood.
 */
import { randomBytes } from 'node:crypto';

const BUCKETS = 65_536;

export type RateVerdict = 'send' | 'slip' | 'drop';

export class RateLimiter {
  private readonly perSecond: number;
  private readonly seed: number;
  private readonly stamps = new Int32Array(BUCKETS);
  private readonly tokens = new Int32Array(BUCKETS);

  /** @param perSecond equal answers to one network; 0 turns limiting off */
  constructor(perSecond: number, seed = randomBytes(4).readInt32LE()) {
    this.perSecond = perSecond;
    this.seed = seed;
  }

  /** @param answer a number that is the same for equal answers */
  check(address: Uint8Array, answer: number, nowSeconds: number): RateVerdict {
    const { perSecond, stamps, tokens } = this;
    if (perSecond === 0) return 'send';
    let key = mixed(answer ^ this.seed);
    const prefixBytes = address.length === 4 ? 3 : 7;
    for (let i = 0; i < prefixBytes; i++) key = Math.imul(key ^ (address[i] ?? 0), 0x01000193);
    const slot = mixed(key) & (BUCKETS - 1);
    const elapsed = nowSeconds - (stamps[slot] ?? 0);
    if (elapsed !== 0) {
      stamps[slot] = nowSeconds;
      const earned = Math.max(0, Math.min(elapsed, 60)) * perSecond;
      tokens[slot] = Math.min(perSecond, (tokens[slot] ?? 0) + earned);
    }
    const left = (tokens[slot] ?? 0) - 1;
    // A debt of at most a few seconds: who stops is served again soon.
    tokens[slot] = Math.max(left, -4 * perSecond);
    if (left >= 0) return 'send';
    return (left & 1) === 0 ? 'slip' : 'drop';
  }
}

/** Every bit of the result depends on every bit of the number: MurmurHash3's last step. */
function mixed(number: number): number {
  let hash = number ^ (number >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** So many of a kind in each second. */
export class EachSecond {
  private readonly max: number;
  private second = 0;
  private left = 0;

  constructor(max: number) {
    this.max = max;
  }

  /** @returns whether there is room for one more */
  take(nowSeconds: number): boolean {
    if (nowSeconds !== this.second) {
      this.second = nowSeconds;
      this.left = this.max;
    }
    this.left -= 1;
    return this.left >= 0;
  }
}
