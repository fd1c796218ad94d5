/**
 * What one that follows may tell machines while the active one is there: reserved addresses alone, from its copy, and only to who
 * has been asking for some time and so has not been heard, or not been answered, by the active one. It promises nothing that the
 * active one does not hold to: the reservation, for as long as the lease that it knows of runs, or two minutes; and not while the
 * active one notes that another machine may have the address.
 *
 * `secs` is how the DHCP failover draft and Kea's pairs tell who has not been answered (draft-ietf-dhc-failover-12, 5.3). A client that
 * never counts is left to the active one, until the two are apart.
 */
import type { LeaseChange, LeaseView, PartnerRules } from '../dhcp/ports.ts';
import type { Millis } from '../wire/time.ts';
import { type Given, mayGive, type Standing, secondsMax } from './gate.ts';
import type { Moves } from './moves.ts';
import type { Told } from './told.ts';

export interface FollowingPorts {
  readonly mcltSeconds: number;
  readonly standsBackSeconds: number;
  /** As the copy has them, by our time of day. */
  readonly leases: Pick<LeaseView, 'byAddress'>;
  standing(): Standing;
  /** As the copy has them. */
  readonly moves: Pick<Moves, 'formerly'>;
  readonly told: Told;
}

export interface Following extends PartnerRules {
  /** For the DHCP shell: nothing is entered, and what a client is told is remembered. */
  entering(change: LeaseChange, now: Millis): undefined;
}

export function createFollowing(ports: FollowingPorts): Following {
  const { mcltSeconds, leases, standing, told } = ports;
  const given: Given = {
    ...{ isUnsure: () => false, isOurs: () => false, isNew: () => false },
    ...{ formerly: ports.moves.formerly, isToldAnother: told.isAnothers },
  };
  const withLease = <Wish extends Parameters<PartnerRules['mayGive']>[0]>(wish: Wish) => ({
    ...wish,
    held: leases.byAddress(wish.segment, wish.address),
  });
  return {
    isReadOnly: () => true,
    standsBackSeconds: () => ports.standsBackSeconds,
    mayGive: (wish, now) => mayGive(standing(), withLease(wish), given, now),
    entering({ segment, address, mac, state, expiresAt }, now) {
      if (state === 'bound')
        told.tell(segment, address, { mac, seconds: (expiresAt - now) / 1000 });
      return undefined;
    },
    secondsMax: (wish, now) => secondsMax(standing(), withLease(wish), { now, mcltSeconds }),
  };
}
