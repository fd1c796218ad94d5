/**
 * Who gets a transfer when there are more requests than transfers.
 *
 * - A machine that has its share already is taken to have started over: its transfer that was silent longest ends.
 * - When all transfers are taken, one whose client has been silent for a while ends: it is most likely switched off.
 * - When all their clients are alive, the request waits, and the newest is served first: its client is surely still
 *   there, while the oldest has perhaps given up. A client that asks again is the newest again; and every fourth turn
 *   goes to the one that has waited longest, so that nobody starves however many come after.
 * - Nobody is refused with an ERROR for lack of room: firmware takes that for the end, and silence for a reason to ask again.
 */
import { limit } from '../limits.ts';
import type { Ipv4 } from '../wire/ipv4.ts';

export interface Contender {
  readonly ip: Ipv4;
  /** When its client was last heard. */
  readonly heardAt: number;
}

export type Admission<T> =
  | { readonly kind: 'admit' }
  | { readonly kind: 'instead-of'; readonly loser: T; readonly why: string }
  | { readonly kind: 'wait' };

export const SHARE_TAKEN = 'the same machine has begun newer ones';

/**
 * @param table who runs, and how many there are with those that are about to.
 * @param now milliseconds of the clock that `heardAt` was read from.
 */
export function admit<T extends Contender>(
  table: { readonly running: Iterable<T>; readonly count: number },
  ip: Ipv4,
  now: number,
): Admission<T> {
  let mine = 0;
  let quietestOfMine: T | undefined;
  let quietest: T | undefined;
  for (const one of table.running) {
    if (!quietest || one.heardAt < quietest.heardAt) quietest = one;
    if (one.ip !== ip) continue;
    mine += 1;
    if (!quietestOfMine || one.heardAt < quietestOfMine.heardAt) quietestOfMine = one;
  }
  if (quietestOfMine && mine >= limit('tftpTransfersPerAddressMax')) {
    return {
      kind: 'instead-of',
      loser: quietestOfMine,
      why: SHARE_TAKEN,
    };
  }
  if (table.count < limit('tftpTransfersMax')) return { kind: 'admit' };
  if (quietest && now - quietest.heardAt >= limit('tftpShedSilenceMs')) {
    return { kind: 'instead-of', loser: quietest, why: 'its client was silent and others ask' };
  }
  return { kind: 'wait' };
}

/**
 * Of an address with more than its share, the transfer that was silent longest. `admit` cannot see that: files are looked
 * up meanwhile, and a burst of requests finds nothing running yet.
 */
export function beyondShare<T extends Contender>(running: Iterable<T>, ip: Ipv4): T | undefined {
  let mine = 0;
  let quietest: T | undefined;
  for (const one of running) {
    if (one.ip !== ip) continue;
    mine += 1;
    if (!quietest || one.heardAt < quietest.heardAt) quietest = one;
  }
  return mine > limit('tftpTransfersPerAddressMax') ? quietest : undefined;
}

/**
 * How many transfers an address has begun in this second. Each costs two events and the look-up of a file, whatever becomes of
 * it, so a client that begins over and over would fill the record: what is above the limit is not answered, and a client that
 * means it asks again a second later.
 */
export function createBeginnings(): { allow(ip: Ipv4, now: number): boolean } {
  const counts = new Map<Ipv4, number>();
  let since = Number.NEGATIVE_INFINITY;
  return {
    allow(ip, now) {
      // As many addresses as begin within a second, at most one for each datagram: it needs no bound of its own.
      if (now - since >= 1000) {
        counts.clear();
        since = now;
      }
      const count = (counts.get(ip) ?? 0) + 1;
      counts.set(ip, count);
      return count <= limit('tftpBegunPerAddressPerSecond');
    },
  };
}

export interface WaitingRoom<T> {
  readonly size: number;
  /** Comes in, or comes in again: then only its place changes. @returns whether somebody had to leave for it. */
  enter(key: number, request: T, now: number): boolean;
  /** Takes out whose turn it is. */
  next(): T | undefined;
  /** Removes whoever waited too long. @returns how many. */
  expire(now: number): number;
  leave(key: number): void;
}

const OLDEST_EVERY = 4;

export function createWaitingRoom<T>(): WaitingRoom<T> {
  /** In the order of the last asking. */
  const waiting = new Map<number, { request: T; firstAt: number; lastAt: number }>();
  let turns = 0;

  const expire = (now: number): number => {
    let count = 0;
    for (const [key, { lastAt }] of waiting) {
      if (now - lastAt < limit('tftpQueueMs')) break;
      waiting.delete(key);
      count += 1;
    }
    return count;
  };
  return {
    get size() {
      return waiting.size;
    },
    enter(key, request, now) {
      const before = waiting.get(key);
      waiting.delete(key);
      waiting.set(key, { request, firstAt: before?.firstAt ?? now, lastAt: now });
      const [oldest] = waiting.size > limit('tftpQueuedMax') ? waiting.keys() : [];
      return oldest !== undefined && waiting.delete(oldest);
    },
    next() {
      const entries = [...waiting];
      turns += 1;
      const chosen =
        turns % OLDEST_EVERY === 0
          ? entries.reduce<(typeof entries)[number] | undefined>(
              (best, one) => (best && best[1].firstAt <= one[1].firstAt ? best : one),
              undefined,
            )
          : entries.at(-1);
      if (chosen) waiting.delete(chosen[0]);
      return chosen?.[1].request;
    },
    expire,
    leave: (key) => void waiting.delete(key),
  };
}
