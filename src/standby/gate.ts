/**
 * Which addresses one of two appliances may give while the other may not know of it, and for how long.
 *
 * RFC 2131 has one server. What two of them must keep between them is from draft-ietf-dhc-failover-12: while they are apart
 * each gives new addresses from its own half alone, nobody gives away what the other one may have renewed (what ran when they
 * were last in touch), and no lease runs further beyond what the other one knows than the maximum client lead time (MCLT).
 * After that time everything that was unknown has ended, and whoever knows that the other one is silent has the whole pool.
 *
 * Halves are by the last bit of an address, so that a pool of any form has two. A reserved address is in no half: it is given to
 * its owner by either, whichever of the two is active. So a reservation that was changed here counts as it was before, until the other
 * one knows, and what it may have said by then is over (`moves.ts`).
 */
import type { Lease } from '../dhcp/ports.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';
import type { Member } from './witness.ts';

export type Standing =
  /**
   * Everything that is promised is known to the other one before; or the other one is known to be silent for long enough.
   * `alone`: there is no other one, or a person knows that it is off: it says nothing of reserved addresses either.
   */
  | { readonly mode: 'whole'; readonly alone: boolean }
  /**
   * Active, and the other one does not hear of it. `since`: up to when it surely knows everything; `lostAt`: what was given
   * before, and is not unsure, it knows. `ranAt`: what ran then it may have renewed. `rival`: there is no witness, so the other one may be active, too.
   */
  | {
      readonly mode: 'half';
      readonly member: Member;
      readonly since: Millis;
      readonly lostAt: Millis;
      readonly ranAt: Millis;
      readonly rival: boolean;
    }
  /**
   * Not active: nothing new is promised. `follows`: the database is a copy of the active one's, which keeps what was known to
   * both as it was while the two are apart; nobody does that for one that was active itself. `inTouch`: the active one is there,
   * and does as it likes with what is not reserved. `quiet`: what was promised here before may run, and the database is another one.
   */
  | {
      readonly mode: 'read-only';
      readonly follows: boolean;
      readonly inTouch: boolean;
      readonly quiet: boolean;
    };

export interface Wish {
  readonly segment: string;
  readonly address: Ipv4;
  readonly mac: Mac;
  readonly reserved: boolean;
  /** Somebody without a reservation could have it, if it were not for one. */
  readonly dynamic: boolean;
  /** What is known of the address. */
  readonly held: Lease | undefined;
}

export interface Given {
  /** Promised to the client without the other one's word: it may not have heard of it. */
  isUnsure(segment: string, address: Ipv4): boolean;
  /** Given or renewed here since the other one is away. */
  isOurs(segment: string, address: Ipv4): boolean;
  /** Given here since then, when nobody had it: the other one knows nothing of it. */
  isNew(segment: string, address: Ipv4): boolean;
  /** For whom it is reserved as far as the other one knows, '' for nobody; empty when both know the same. */
  formerly(segment: string, address: Ipv4): readonly (Mac | '')[];
  /** Another machine was told by us that it has it, when we were not active. */
  isToldAnother(segment: string, address: Ipv4, mac: Mac): boolean;
}

export const isInHalf = (member: Member, address: Ipv4): boolean =>
  address % 2 === (member === 'a' ? 0 : 1);

const isBound = (lease: Lease | undefined, mac: Mac, at: Millis): boolean =>
  lease?.state === 'bound' && lease.mac === mac && lease.expiresAt > at;

/** May this client be given this address, as far as the other appliance is concerned? */
export function mayGive(standing: Standing, wish: Wish, given: Given, now: Millis): boolean {
  const { segment, address, mac, held } = wish;
  if (standing.mode === 'whole' && standing.alone) return true;
  const formerly = given.formerly(segment, address);
  if (
    formerly.some((owner) => owner !== '' && owner !== mac) ||
    given.isToldAnother(segment, address, mac)
  )
    return false;
  const reserved = wish.reserved && (!formerly.includes('') || mayUseNewOne(standing, wish));
  switch (standing.mode) {
    case 'whole':
      return true;
    case 'read-only':
      if (standing.quiet && !isBound(held, mac, now)) return false;
      if (standing.inTouch) return reserved && standing.follows;
      if (reserved) return true;
      return standing.follows && isBound(held, mac, (now + DOUBT_SECONDS * 1000) as Millis);
    case 'half': {
      const { since, lostAt, ranAt, member } = standing;
      const isOurs = given.isOurs(segment, address);
      const isOthers = held !== undefined && held.mac !== mac && held.state !== 'offered';
      // Its last holder may have renewed it at the other one.
      if (isOthers && !given.isNew(segment, address) && held.expiresAt > ranAt) return false;
      if (reserved) return true;
      if (given.isUnsure(segment, address) && !isOurs) return false;
      if (isOurs && isBound(held, mac, since)) return true;
      if (isBound(held, mac, lostAt) && (held?.lastAt ?? 0) <= lostAt) return true;
      return isInHalf(member, address);
    }
  }
}

/** The other one takes for free what has become somebody's here: in its pools, and for its own operators where it may be active. */
function mayUseNewOne(standing: Standing, { dynamic }: Pick<Wish, 'dynamic'>): boolean {
  if (standing.mode === 'half') return !dynamic && !standing.rival;
  return standing.mode === 'whole';
}

/** How long a lease may be at most, in seconds; undefined: as long as the segment says. */
export function secondsMax(
  standing: Standing,
  { held, mac }: Pick<Wish, 'held' | 'mac'>,
  { now, mcltSeconds }: { readonly now: Millis; readonly mcltSeconds: number },
): number | undefined {
  switch (standing.mode) {
    case 'whole':
      return undefined;
    case 'half':
      return mcltSeconds;
    case 'read-only': {
      const unknown = Math.min(mcltSeconds, UNKNOWN_SECONDS);
      if (!held || !isBound(held, mac, now)) return unknown;
      const left = Math.max(1, Math.floor((held.expiresAt - now) / 1000) - DOUBT_SECONDS);
      // What the active one does with it meanwhile it does not ask for.
      return standing.inTouch ? Math.min(left, unknown) : left;
    }
  }
}

/** How well the two clocks are known to each other: what is said of one is late by the way that it takes. */
const DOUBT_SECONDS = 2;

/** For a reserved address of which no lease is known, by who is not active. */
const UNKNOWN_SECONDS = 120;

/** For so long an address may be with the machine for which it was reserved as far as the other one knew. */
export const reservedHoldSeconds = (mcltSeconds: number): number =>
  Math.min(mcltSeconds, UNKNOWN_SECONDS) + DOUBT_SECONDS;

/** For so long after the two have met one that was active, too, may have let anybody have an address. */
export const apartHoldSeconds = (mcltSeconds: number): number => mcltSeconds + DOUBT_SECONDS;
