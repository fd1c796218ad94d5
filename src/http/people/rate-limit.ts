/**
 * Token buckets: so many requests a second for each key, and a burst of twice that. The number of keys is bounded, the
 * one that was idle longest is forgotten first, so that guessed tokens and spoofed addresses cost no memory.
 */
import { limit } from '../../limits.ts';
import type { Clock } from '../../wire/time.ts';

export interface RateLimit {
  /** Takes one; 0 when it was there, else the seconds until it will be. */
  take(key: string): number;
  /** How many a key has left, whole ones, and in how many seconds it has all of them again. */
  left(key: string): { readonly left: number; readonly fullInSeconds: number };
}

export function createRateLimit(
  clock: Clock,
  { perSecond, burst }: { perSecond: number; burst: number },
): RateLimit {
  const buckets = new Map<string, { left: number; at: number }>();
  /** A clock that was put back brings nothing, and takes nothing. */
  const filled = ({ left, at }: { left: number; at: number }, now: number): number =>
    Math.min(burst, left + (Math.max(0, now - at) / 1000) * perSecond);
  return {
    left(key) {
      const at = clock();
      const now = filled(buckets.get(key) ?? { left: burst, at }, at);
      return { left: Math.floor(now), fullInSeconds: Math.ceil((burst - now) / perSecond) };
    },
    take(key) {
      const now = clock();
      const left = filled(buckets.get(key) ?? { left: burst, at: now }, now);
      buckets.delete(key);
      buckets.set(key, { left: left >= 1 ? left - 1 : left, at: now });
      if (buckets.size > limit('accessTrackedMax')) {
        const [oldest] = buckets.keys();
        if (oldest !== undefined) buckets.delete(oldest);
      }
      return left >= 1 ? 0 : Math.max(1, Math.ceil((1 - left) / perSecond));
    },
  };
}
