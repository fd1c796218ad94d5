/**
 * The leases of one segment in memory: by address, by MAC, and the order in which free addresses are given out.
 *
 * Rules that hold whatever the callers do: an address has one entry; a MAC has one current entry. A MAC that is offered
 * another address while its lease still runs keeps that lease (`former`) until the new address is bound: an offer is
 * a proposal, and the client may not take it.
 *
 * Given out first is what was never used, lowest first, so that a returning machine finds its old address; then what
 * has been free for longest. Memory only, no clock.
 */
import type { Lease, Quarantines, Segment } from '../dhcp/ports.ts';
import { limit } from '../limits.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';
import { createExpiryHeap } from './expiry-heap.ts';
import { createGuestCounts } from './guest-counts.ts';

export interface HeldLease extends Lease {
  /** When it was last given or changed. */
  readonly lastAt: number;
}

export interface Picking {
  readonly mac: Mac;
  readonly wanted: Ipv4 | undefined;
  readonly usable?: ((address: Ipv4) => boolean) | undefined;
}

export interface LeaseBook {
  byMac(mac: Mac, now: Millis): HeldLease | undefined;
  byAddress(address: Ipv4): HeldLease | undefined;
  /** A dynamic address for this MAC, in the order of `LeaseView.pick`. */
  pick(segment: Segment, client: Picking, now: Millis): Ipv4 | undefined;
  /** Enters a lease; returns what takes the change back. */
  enter(lease: HeldLease, now: Millis): () => void;
  /** How many addresses this MAC has in quarantine. */
  quarantined(mac: Mac, now: Millis): number;
  /** How many addresses are in quarantine here, and behind the port of this one; counted once a second. */
  quarantinesBeside(address: Ipv4, now: Millis): Quarantines;
  /** How many running leases and offers machines without a record have behind a relay port; counted once a second. */
  guestsBehind(port: string, now: Millis): number;
  size(): number;
  /** The pools of the segment are others from now on. */
  repooled(): void;
}

/** The name of no port: all of a segment. */
const WHOLE = '';

export function createLeaseBook(): LeaseBook {
  const addresses = new Map<number, HeldLease>();
  const macs = new Map<Mac, HeldLease>();
  /** The addresses in quarantine, and those whose quarantine is over but which nobody has taken since. */
  const declined = new Map<Mac, Set<Ipv4>>();
  /** In the order of offering; one whose acknowledgement was rolled back comes last again. */
  const offers = new Set<Ipv4>();
  const expiresAt = (address: number) => addresses.get(address)?.expiresAt;
  const guests = createGuestCounts(expiresAt);
  const refused = createGuestCounts(expiresAt);
  const fresh = createFresh((address) => addresses.has(address));
  const heap = createExpiryHeap(expiresAt, () => addresses.values());

  const disown = (address: Ipv4): void => {
    const before = addresses.get(address);
    if (!before) return;
    const { mac } = before;
    if (macs.get(mac) === before) makeCurrent(macs, mac, heldBeside(before, addresses));
    const of = declined.get(mac);
    if (of?.delete(address) && of.size === 0) declined.delete(mac);
    offers.delete(address);
    guests.remove(before.guestOf, address);
    refused.remove(before.guestOf, address);
    refused.remove(WHOLE, address);
  };
  const set = (lease: HeldLease): void => {
    disown(lease.address);
    addresses.set(lease.address, lease);
    if (lease.state !== 'declined') macs.set(lease.mac, lease);
    else {
      declined.set(lease.mac, (declined.get(lease.mac) ?? new Set()).add(lease.address));
      refused.add(lease.guestOf, lease.address);
      refused.add(WHOLE, lease.address);
    }
    if (lease.state === 'offered') offers.add(lease.address);
    guests.add(lease.guestOf, lease.address);
    heap.add(lease);
  };
  const replace = (lease: HeldLease): void => {
    addresses.set(lease.address, lease);
    macs.set(lease.mac, lease);
    if (lease.state === 'offered') offers.add(lease.address);
    else offers.delete(lease.address);
    heap.add(lease);
  };
  const remove = (address: Ipv4): void => {
    disown(address);
    addresses.delete(address);
    fresh.freed(address);
  };
  const byMac = (mac: Mac, now: Millis): HeldLease | undefined => {
    const held = macs.get(mac);
    return !held || held.expiresAt > now ? held : (heldBeside(held, addresses) ?? held);
  };
  return {
    byMac,
    byAddress: (address) => addresses.get(address),
    pick(segment, { mac, wanted, usable = () => true }, now) {
      const fits = (address: Ipv4) => segment.isDynamic(address) && usable(address);
      const own = byMac(mac, now);
      if (own && fits(own.address)) return own.address;
      // It was offered what it may not have any more.
      const beside = own && heldBeside(own, addresses);
      if (beside && fits(beside.address)) return beside.address;
      if (wanted !== undefined && fits(wanted)) {
        const held = addresses.get(wanted);
        if (!held || held.expiresAt <= now || (held.mac === mac && held.state !== 'declined')) {
          return wanted;
        }
      }
      const belongs = (address: number) => segment.isDynamic(address as Ipv4);
      const expired = () =>
        heap.first(now, { belongs, usable: (address) => fits(address as Ipv4) })?.address;
      return (
        fresh.lowest(segment, usable) ??
        (expired() as Ipv4 | undefined) ??
        leftOver(offers, addresses, { fits, now })
      );
    },
    enter(lease, now) {
      const before = addresses.get(lease.address);
      // An offer never shortens the lease that its client still holds.
      if (lease.state === 'offered' && before?.mac === lease.mac && runs(before, now)) {
        return () => undefined;
      }
      if (goesOn(before, lease, now) && macs.get(lease.mac) === before) {
        replace(lease);
        return () => replace(before);
      }
      // A quarantined address belongs to nobody: it changes nothing of what the MAC holds elsewhere.
      const own = lease.state === 'declined' ? undefined : macs.get(lease.mac);
      if (!before && !own) {
        set(lease);
        return () => remove(lease.address);
      }
      const former = lease.state === 'offered' ? runningElsewhere(own, lease, now) : undefined;
      // Not always those whose entries change: who loses the address may be offered another one.
      const currents = [lease, before ?? lease].map(({ mac }) => [mac, macs.get(mac)] as const);
      const gone = givenUp(own, former, lease).flatMap((address) => {
        const entry = addresses.get(address);
        return entry?.mac === lease.mac && entry.state !== 'declined' ? [entry] : [];
      });
      for (const entry of gone) remove(entry.address);
      set(former === undefined ? lease : { ...lease, former });
      return () => {
        remove(lease.address);
        for (const entry of [...gone, before]) if (entry) set(entry);
        for (const [mac, entry] of currents) makeCurrent(macs, mac, entry);
      };
    },
    quarantined(mac, now) {
      let count = 0;
      for (const address of declined.get(mac) ?? []) {
        if ((addresses.get(address)?.expiresAt ?? 0) > now) count += 1;
      }
      return count;
    },
    quarantinesBeside(address, now) {
      const port = addresses.get(address)?.guestOf;
      return {
        inSegment: refused.count(WHOLE, now),
        behindPort: port === undefined ? 0 : refused.count(port, now),
      };
    },
    guestsBehind: guests.count,
    size: () => addresses.size,
    repooled: heap.refill,
  };
}

function makeCurrent(macs: Map<Mac, HeldLease>, mac: Mac, lease: HeldLease | undefined): void {
  if (lease) macs.set(mac, lease);
  else macs.delete(mac);
}

/** The lease that a client goes on holding, whatever becomes of this offer of another address. */
function heldBeside(
  { mac, former }: HeldLease,
  addresses: ReadonlyMap<number, HeldLease>,
): HeldLease | undefined {
  const held = former === undefined ? undefined : addresses.get(former);
  return held?.mac === mac && held.state !== 'declined' ? held : undefined;
}

interface Reclaiming {
  readonly now: Millis;
  fits(address: Ipv4): boolean;
}

/** The offer that has been waiting for longest, once it has waited long enough: whoever got it is hardly there any more. */
function leftOver(
  offers: Iterable<Ipv4>,
  addresses: ReadonlyMap<number, HeldLease>,
  { now, fits }: Reclaiming,
): Ipv4 | undefined {
  for (const address of offers) {
    if (now - (addresses.get(address)?.lastAt ?? now) < limit('offerReclaimMs')) return undefined;
    if (fits(address)) return address;
  }
  return undefined;
}

/** What was never given out. */
function createFresh(isKnown: (address: number) => boolean) {
  /** For each pool, the lowest address that may never have been given out. */
  const lowest = new Map<number, number>();
  return {
    lowest({ pools }: Segment, usable: (address: Ipv4) => boolean): Ipv4 | undefined {
      for (const { first, last } of pools) {
        let next: number = lowest.get(first) ?? first;
        while (next <= last && isKnown(next)) next += 1;
        lowest.set(first, next);
        // Not moved past what is not usable now: it may be for the next client.
        while (next <= last && (isKnown(next) || !usable(next as Ipv4))) next += 1;
        if (next <= last) return next as Ipv4;
      }
      return undefined;
    },
    freed(address: Ipv4): void {
      for (const [first, next] of lowest) {
        if (address >= first && address < next) lowest.set(first, address);
      }
    },
  };
}

/** Where a MAC may have another lease, which ends with this one. @param former where it may go on */
function givenUp(
  own: HeldLease | undefined,
  former: Ipv4 | undefined,
  { address }: HeldLease,
): Ipv4[] {
  return [own?.address, own?.former].filter(
    (one) => one !== undefined && one !== address && one !== former,
  ) as Ipv4[];
}

/** The same client goes on with the same address, or takes the one it was offered: of all that is kept, only the lease itself is another. */
function goesOn(before: HeldLease | undefined, lease: HeldLease, now: Millis): before is HeldLease {
  return (
    before !== undefined &&
    lease.state === 'bound' &&
    before.mac === lease.mac &&
    before.guestOf === lease.guestOf &&
    before.expiresAt > now &&
    (before.state === 'bound' || (before.state === 'offered' && before.former === undefined))
  );
}

function runs({ state, expiresAt }: HeldLease, now: Millis): boolean {
  return state === 'bound' && expiresAt > now;
}

/** The address of a lease that the MAC of this offer holds and may go on using; never the one that is offered. */
function runningElsewhere(
  own: HeldLease | undefined,
  offer: HeldLease,
  now: Millis,
): Ipv4 | undefined {
  const held = own && runs(own, now) ? own.address : own?.former;
  return held === offer.address ? undefined : held;
}
