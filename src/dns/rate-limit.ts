/**
 * Response rate limiting: what keeps a name server from being the amplifier of somebody's attack.
 *
 * Equal answers to one network (/24 or /56) are counted, not questions: a resolver that asks for many names is never
 * limited, a forged source that asks for one name is. Above the rate every second answer is an empty one with TC, with
 * which a real client comes back over TCP, and the others are not sent. Buckets are a fixed table without chains: two
 * keys that collide take turns, which lets a little more through and never blocks the innocent for long.
 */
const BUCKETS = 65_536;

export type RateVerdict = 'send' | 'slip' | 'drop';

export class RateLimiter {
  private readonly perSecond: number;
  private readonly keys = new Int32Array(BUCKETS);
  private readonly stamps = new Int32Array(BUCKETS);
  private readonly tokens = new Int32Array(BUCKETS);

  /** @param perSecond equal answers to one network; 0 turns limiting off */
  constructor(perSecond: number) {
    this.perSecond = perSecond;
  }

  /** @param answer a number that is the same for equal answers */
  check(address: Uint8Array, answer: number, nowSeconds: number): RateVerdict {
    const { perSecond, keys, stamps, tokens } = this;
    if (perSecond === 0) return 'send';
    let key = Math.imul(answer ^ 0x9e3779b9, 0x85ebca6b);
    const prefixBytes = address.length === 4 ? 3 : 7;
    for (let i = 0; i < prefixBytes; i++) key = Math.imul(key ^ (address[i] ?? 0), 0x01000193);
    key ^= key >>> 15;
    const slot = key & (BUCKETS - 1);
    const elapsed = nowSeconds - (stamps[slot] ?? 0);
    if (keys[slot] !== key || elapsed !== 0) {
      const left = keys[slot] === key ? (tokens[slot] ?? 0) : perSecond;
      keys[slot] = key;
      stamps[slot] = nowSeconds;
      tokens[slot] = Math.min(perSecond, left + Math.min(elapsed, 60) * perSecond);
    }
    const left = (tokens[slot] ?? 0) - 1;
    // A debt of at most a few seconds: who stops is served again soon.
    tokens[slot] = Math.max(left, -4 * perSecond);
    if (left >= 0) return 'send';
    return (left & 1) === 0 ? 'slip' : 'drop';
  }
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
