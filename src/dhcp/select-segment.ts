/**
 * Which segment is a request about? The order is RFC law: the relay's link selection (RFC 3527 section 3), the client's
 * subnet selection (RFC 3011), `giaddr`, `ciaddr`, the interface that the request came in by (RFC 2131 4.3.1).
 *
 * A selection is believed of a relay that is known, and of a client for its own wire. One that names a network which is not served ends in no segment, never in the next rule: an address of the
 * wrong subnet is worse than none. `ciaddr` is believed only for the wire that the request came in by, and for segments
 * behind relays, whose clients renew by unicast through a router; a client that carried its address to another VLAN is
 * judged by where it is now, and refused.
 */
import { contains, IPV4_ANY, type Ipv4 } from '../wire/ipv4.ts';
import { OPTION } from './options.ts';
import { addressInUse, addressOption } from './packet.ts';
import type { DhcpRequest, DhcpView, Segment } from './ports.ts';
import type { RelayAgent } from './relay-agent.ts';

export function selectSegment(
  { packet, iface }: DhcpRequest,
  { segments, trustedRelays }: Pick<DhcpView, 'segments' | 'trustedRelays'>,
  relay: RelayAgent | undefined,
): Segment | 'untrusted' | undefined {
  const { giaddr } = packet;
  const selected = relay?.linkSelection ?? addressOption(packet, OPTION.subnetSelection);
  if (selected !== undefined) {
    const segment = containing(segments, selected);
    const isItsWire = giaddr === IPV4_ANY && segment?.iface === iface;
    const trusted = isTrusted({ giaddr, iface }, { segments, trustedRelays });
    return isItsWire || trusted ? segment : 'untrusted';
  }
  if (giaddr !== IPV4_ANY) {
    const segment = containing(segments, giaddr);
    if (!segment) return undefined;
    return isTrusted({ giaddr, iface }, { segments, trustedRelays }) ? segment : 'untrusted';
  }
  const ciaddr = addressInUse(packet);
  let first: Segment | undefined;
  for (const segment of segments) {
    if (segment.iface !== iface) continue;
    if (ciaddr === IPV4_ANY || contains(segment.cidr, ciaddr)) return segment;
    first ??= segment;
  }
  const routed = ciaddr === IPV4_ANY ? undefined : containing(segments, ciaddr);
  return routed && routed.iface === undefined ? routed : first;
}

/**
 * May this relay speak for its clients? One that the configuration names may, and one with an address in a network that is
 * served, of which two kinds are a client that says it is a relay: an address that is a client's to be given, and an address
 * of one wire of ours in what came in by another. Anybody else could ask for an address of any network by writing a number.
 *
 * Not told by it: whether what came in by the wire that a relay is on was written by that relay (`isFromRelay`).
 */
export function isTrusted(
  { giaddr, iface }: { giaddr: Ipv4; iface: string },
  { segments, trustedRelays = [] }: Pick<DhcpView, 'segments' | 'trustedRelays'>,
): boolean {
  if (giaddr === IPV4_ANY) return false;
  if (trustedRelays.some((cidr) => contains(cidr, giaddr))) return true;
  const segment = containing(segments, giaddr);
  if (!segment) return false;
  // `explain` asks in the name of the network itself, which in one of two addresses may be a client's.
  if (segment.isDynamic(giaddr) && giaddr !== segment.cidr.network) return false;
  const isOnAnotherWire = segment.iface !== undefined && segment.iface !== iface;
  return !isOnAnotherWire || segments.every((one) => one.iface !== iface);
}

/**
 * Did a relay send it? A relay writes one of its addresses into `giaddr` and sends from the same or from another of its own
 * (RFC 2131 4.1, RFC 3046 5): so from `giaddr`, from where the configuration says that relays are, or, as ISC dhcrelay does
 * on its way up, from an address of the wire that it came in by which is no client's. A client of that wire that writes the
 * `giaddr` of another network into what it sends from its own address is none of these.
 *
 * Not told by it: whether the source address is forged as well. That is for the switch and for the kernel's rp_filter.
 */
export function isFromRelay(
  { packet: { giaddr }, iface, source }: DhcpRequest,
  { segments, trustedRelays = [], reservedAt }: SourceView,
): boolean {
  if (giaddr === IPV4_ANY || source === undefined || source === giaddr) return true;
  if (trustedRelays.some((cidr) => contains(cidr, source))) return true;
  const segment = containing(segments, source);
  if (!segment || segment.iface !== iface || segment.isDynamic(source)) return false;
  if (reservedAt?.(segment.name, source) !== undefined) return false;
  for (const address of segment.reservations.values()) if (address === source) return false;
  return true;
}

type SourceView = Pick<DhcpView, 'segments' | 'trustedRelays' | 'reservedAt'>;

function containing(segments: readonly Segment[], address: Ipv4): Segment | undefined {
  for (const segment of segments) if (contains(segment.cidr, address)) return segment;
  return undefined;
}

/** The segment of the same wire that an address belongs to; the client's own one first. */
export function sameWire(
  segments: readonly Segment[],
  segment: Segment,
  address: Ipv4,
): Segment | undefined {
  if (contains(segment.cidr, address)) return segment;
  for (const other of segments) {
    if (other.wire === segment.wire && contains(other.cidr, address)) return other;
  }
  return undefined;
}
