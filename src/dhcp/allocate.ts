/**
 * Which address may this client have (RFC 2131 4.3.1)? In this order: what is reserved for it, what it has or last had,
 * what it asks for if that is free, a free one.
 *
 * A reserved address is out of the dynamic ranges, and is given to its owner alone. While somebody else still holds it
 * (a lease from before the reservation, or a quarantine) its owner is given a dynamic address like anybody, so that a
 * clash costs no boot. On a wire with several subnets the reservation and the old lease count in each of them before a
 * new address is taken in any.
 */
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';
import type { DhcpView, Lease, Segment } from './ports.ts';

export interface Applicant {
  readonly mac: Mac;
  /** The segment that the request came in by. */
  readonly segment: Segment;
  readonly view: DhcpView;
  readonly now: Millis;
}

export interface Place {
  readonly segment: Segment;
  readonly address: Ipv4;
}

/** @returns where the client belongs already: its reservation, else the lease that it has or last had. */
export function establishedPlace(applicant: Applicant): Place | undefined {
  const { segment, view } = applicant;
  const here = establishedIn(applicant, segment);
  if (here) return here;
  for (const other of view.segments) {
    if (other === segment || other.wire !== segment.wire) continue;
    const there = establishedIn(applicant, other);
    if (there) return there;
  }
  return undefined;
}

function establishedIn(applicant: Applicant, segment: Segment): Place | undefined {
  const { mac, view } = applicant;
  const reserved = reservation(view, segment, mac);
  if (reserved !== undefined && isFreeFor(applicant, segment, reserved)) {
    return { segment, address: reserved };
  }
  const held = view.leases.byMac(segment.name, mac);
  const mayGo = held && mayHold(applicant, segment, held.address);
  return mayGo && partnerAllows(applicant, segment, held.address)
    ? { segment, address: held.address }
    : undefined;
}

/** @returns its lease of that address, while it runs; else the lease or offer that it has or last had on the segment */
export function heldAt(
  { mac, view, now }: Applicant,
  segment: Segment,
  address: Ipv4,
): Lease | undefined {
  const held = view.leases.byMac(segment.name, mac);
  if (!held || held.address === address) return held;
  // It may have been offered another one since, which it need not take.
  const there = view.leases.byAddress(segment.name, address);
  const isIts = there?.mac === mac && there.state === 'bound' && there.expiresAt > now;
  return isIts ? there : held;
}

/** @returns a dynamic address that the client did not have before, or `undefined` when there is none. */
export function newPlace(applicant: Applicant, wanted: Ipv4 | undefined): Place | undefined {
  const { segment, view } = applicant;
  const here = newIn(applicant, segment, wanted);
  if (here) return here;
  for (const other of view.segments) {
    if (other === segment || other.wire !== segment.wire) continue;
    const there = newIn(applicant, other, wanted);
    if (there) return there;
  }
  return undefined;
}

function newIn(
  applicant: Applicant,
  segment: Segment,
  wanted: Ipv4 | undefined,
): Place | undefined {
  const { mac, view, now } = applicant;
  if (segment.pools.length === 0) return undefined;
  const usable = (address: Ipv4) =>
    mayHold(applicant, segment, address) && partnerAllows(applicant, segment, address);
  // What a client asks for by name it had before: that is better evidence than our probe of another address.
  const mayHave = wanted !== undefined && usable(wanted) && isFreeFor(applicant, segment, wanted);
  const probed = () =>
    segment.conflictProbe ? view.quietAddress?.(segment, now, usable) : undefined;
  const hint = mayHave ? wanted : probed();
  const address = view.leases.pick(segment, mac, hint, usable);
  return address !== undefined && usable(address) ? { segment, address } : undefined;
}

/** The address that is kept for this NIC on a segment. */
export function reservation(view: DhcpView, segment: Segment, mac: Mac): Ipv4 | undefined {
  return segment.reservations.get(mac) ?? view.reservationFor?.(segment.name, mac);
}

/** Is this address the client's to have: reserved for it, or dynamic and reserved for nobody else? */
export function mayHold(applicant: Applicant, segment: Segment, address: Ipv4): boolean {
  const { mac, view } = applicant;
  if (reservation(view, segment, mac) === address) return true;
  if (!segment.isDynamic(address)) return false;
  const owner = view.reservedAt?.(segment.name, address);
  return owner === undefined || owner === mac;
}

/** Could the other appliance of the site not have given it to somebody else meanwhile? */
export function partnerAllows(applicant: Applicant, segment: Segment, address: Ipv4): boolean {
  const { mac, view, now } = applicant;
  if (!view.partner) return true;
  const reserved = reservation(view, segment, mac) === address;
  const dynamic = segment.isDynamic(address);
  return view.partner.mayGive({ segment: segment.name, address, mac, reserved, dynamic }, now);
}

/** Does nobody else hold it, and is it in no quarantine? */
export function isFreeFor(applicant: Applicant, segment: Segment, address: Ipv4): boolean {
  if (!partnerAllows(applicant, segment, address)) return false;
  const held = applicant.view.leases.byAddress(segment.name, address);
  if (!held || held.expiresAt <= applicant.now) return true;
  return held.mac === applicant.mac && held.state !== 'declined';
}
