/**
 * Which addresses one of two appliances may give while the other may not know of it, and for how long.
 *
 * RFC 2131 has one server. What two of them must keep between them is from draft-ietf-dhc-failover-12: while they are apart
 * each gives new addresses from its own half alone, nobody gives away what the other one may have renewed (what ran when they
 * were last in touch), and no lease runs further beyond what the other one knows than the maximum client lead time (MCLT).
 * After that time everything that was unknown has ended, and whoever knows that the other one is silent has the whole pool.
 *
 * Halves are by the last bit of an address, so that a pool of any form has two. A reserved address is in no half: it is given to
 * its owner by either, whichever of the two is active. So an address that has left a machine counts as that machine's until the other
 * one knows, and what it may have said by then is over; the note of it is in the database, for whoever serves from it (`moves.ts`).
 */
import type { Lease } from '../dhcp/ports.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';
import type { Member } from './witness.ts';

/**
 * `quiet`: what was promised here before may run, and the database is another one; or it is not the newest, and anything may run.
 * Nothing is given meanwhile but what a machine has by this database, and for no longer than it has it.
 */
export type Standing = Footing & { readonly quiet: boolean };

type Footing =
  /**
   * Everything that is promised is known to the other one before (`heard`); or the other one is known to be silent for long enough.
   * `alone`: there is no other one, or a person knows that it is off: it says nothing of reserved addresses either.
   */
  | { readonly mode: 'whole'; readonly heard: boolean; readonly alone: boolean }
  /**
   * Active, and the other one does not hear of it. `since`: up to when it surely knows everything; `lostAt`: what runs longer it
   * keeps for its client, if it was given by `knownAt` and is not unsure. `ranAt`: what ran then it may have renewed.
   */
  | {
      readonly mode: 'half';
      readonly member: Member;
      readonly since: Millis;
      readonly lostAt: Millis;
      readonly knownAt: Millis;
      readonly ranAt: Millis;
      readonly other: Other;
    }
  /**
   * Not active: nothing new is promised. `follows`: the database is a copy of the active one's, which keeps what was known to
   * both as it was while the two are apart; nobody does that for one that was active itself. `inTouch`: the active one is there,
   * and does as it likes with what is not reserved.
   */
  | {
      readonly mode: 'read-only';
      readonly follows: boolean;
      readonly inTouch: boolean;
    };

/**
 * What the other one may be doing unheard. `rival`: there is no witness, so it may be active, too. `owes`: it is not, but what it
 * promised while it was may run. `silent`: it says what its copy says, and nothing else.
 */
export type Other = 'rival' | 'owes' | 'silent';

/** The other one has everything, and nothing runs that only one of the two knows of. */
export const isTogether = (standing: Standing): boolean =>
  standing.mode === 'whole' && standing.heard && !standing.quiet;

/** The other one says what its copy says, and nothing else. */
export const isSilent = (standing: Standing): boolean =>
  standing.mode === 'whole' || (standing.mode === 'half' && standing.other === 'silent');

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
  /** Whose it may be by another word than this database's, '' for nobody's; empty when both know the same. */
  formerly(segment: string, address: Ipv4): readonly (Mac | '')[];
  /** Another machine was told by us that it has it, when we were not active. */
  isToldAnother(segment: string, address: Ipv4, mac: Mac): boolean;
}

export const isInHalf = (member: Member, address: Ipv4): boolean =>
  address % 2 === (member === 'a' ? 0 : 1);

const isBound = (lease: Lease | undefined, mac: Mac, at: Millis): lease is Lease =>
  lease?.state === 'bound' && lease.mac === mac && lease.expiresAt > at;

/** May this client be given this address, as far as the other appliance is concerned? */
export function mayGive(standing: Standing, wish: Wish, given: Given, now: Millis): boolean {
  const { segment, address, mac, held } = wish;
  if (standing.quiet && (!isBound(held, mac, now) || given.isUnsure(segment, address)))
    return false;
  const formerly = given.formerly(segment, address);
  if (formerly.some((owner) => owner !== '' && owner !== mac)) return false;
  if (given.isToldAnother(segment, address, mac)) return false;
  if (standing.mode === 'whole' && standing.alone) return true;
  // The other one takes it for free still: in its pools, and for its own operators.
  const isUnknown = formerly.includes('');
  const reserved = wish.reserved && (!isUnknown || standing.mode === 'whole');
  switch (standing.mode) {
    case 'whole':
      return true;
    case 'read-only':
      if (standing.inTouch) return reserved && standing.follows;
      if (reserved) return true;
      if (given.isUnsure(segment, address)) return false;
      return standing.follows && isBound(held, mac, (now + DOUBT_SECONDS * 1000) as Millis);
    case 'half': {
      const { since, lostAt, knownAt, ranAt, member } = standing;
      const isOurs = given.isOurs(segment, address);
      const isOthers = held !== undefined && held.mac !== mac && held.state !== 'offered';
      // Its last holder may have renewed it at the other one.
      if (isOthers && !given.isNew(segment, address) && held.expiresAt > ranAt) return false;
      if (reserved) return true;
      if (isUnknown && !wish.dynamic) return wish.reserved && mayUseStatic(standing, address);
      if (given.isUnsure(segment, address) && !isOurs) return false;
      if (isOurs && isBound(held, mac, since)) return true;
      if (isBound(held, mac, lostAt) && (held?.lastAt ?? 0) <= knownAt) return true;
      return isInHalf(member, address);
    }
  }
}

/** Outside of the pools, an address of which the other one does not know that it is somebody's: an operator there may give it, too. */
function mayUseStatic({ other, member }: Half, address: Ipv4): boolean {
  return other === 'silent' || (other === 'rival' && isInHalf(member, address));
}

type Half = Extract<Standing, { mode: 'half' }>;

/** How long a lease may be at most, in seconds; undefined: as long as the segment says. */
export function secondsMax(
  standing: Standing,
  { held, mac }: Pick<Wish, 'held' | 'mac'>,
  { now, mcltSeconds }: { readonly now: Millis; readonly mcltSeconds: number },
): number | undefined {
  const unknown = Math.min(mcltSeconds, UNKNOWN_SECONDS);
  const left = isBound(held, mac, now)
    ? Math.max(1, Math.floor((held.expiresAt - now) / 1000) - DOUBT_SECONDS)
    : unknown;
  if (standing.mode === 'read-only')
    // What the active one does with it meanwhile it does not ask for.
    return standing.inTouch ? Math.min(left, unknown) : left;
  if (standing.quiet) return Math.min(left, mcltSeconds);
  return standing.mode === 'whole' && standing.heard ? undefined : mcltSeconds;
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
