/**
 * What the inventory's subnets make of the segments: the configuration file is the base, subnets are laid over it.
 *
 * The file alone says how clients are reached: interfaces, addresses of ours, networks, kind, mode, lease times, and what one
 * machine is told. A subnet with the name of a segment replaces what it names: pools, gateway, name servers, domain, and options
 * one by one; what it leaves empty is the file's. A subnet without one may be `relayed`: a segment of its own, which needs no
 * interface, because its clients come through relays to an address of ours that the file has.
 *
 * Where the two contradict each other, nothing is guessed: the subnet is refused when it is written, with the reason; one that
 * is on record already (the file was changed) is left out as a whole, and the file holds. Pure; asked when something changes
 * and never by a packet.
 */
import { type Cidr, contains, formatCidr, formatIpv4, type Ipv4 } from '../wire/ipv4.ts';
import type { AddressRange } from '../wire/schema.ts';
import { vlanNamed } from '../wire/vlan-name.ts';
import { type OptionSettings, overlayOptions } from './option-settings.ts';
import type { Segment } from './ports.ts';
import { createSegment } from './segment.ts';
import { type DhcpSettings, relayedSegment, type SegmentSettings } from './settings.ts';

/** A subnet of the inventory, as DHCP reads it. Empty or undefined: it does not say. */
export interface Subnet {
  readonly name: string;
  readonly cidr: Cidr;
  readonly use: Segment['kind'];
  readonly vlan: number | undefined;
  readonly gateway: Ipv4 | undefined;
  readonly dns: readonly Ipv4[];
  readonly domain: string;
  readonly pools: readonly AddressRange[];
  readonly options: OptionSettings;
  readonly relayed: boolean;
  /** Which address of ours the clients of a relayed one are told. */
  readonly server: Ipv4 | undefined;
}

export interface Contradiction {
  /** The field of the subnet. */
  readonly path: string;
  readonly why: string;
}

/** A segment in force, and where it comes from. */
export interface Served {
  readonly origin: 'file' | 'file and subnet' | 'subnet';
  readonly settings: SegmentSettings;
  readonly segment: Segment;
}

export interface Plan {
  readonly served: readonly Served[];
  readonly segments: readonly Segment[];
  /** Subnets that DHCP would serve but for this. */
  readonly refused: readonly (Contradiction & { readonly subnet: string })[];
}

/** The segments of the file in its order, then those of subnets by name. */
export function planSegments(dhcp: DhcpSettings, subnets: readonly Subnet[]): Plan {
  const byName = new Map(subnets.map((subnet) => [subnet.name, subnet]));
  const refused = subnets.flatMap((subnet) => {
    const found = contradiction(dhcp, subnet);
    return found ? [{ subnet: subnet.name, ...found }] : [];
  });
  const isRefused = new Set(refused.map(({ subnet }) => subnet));
  const made = (origin: Served['origin'], settings: SegmentSettings): Served => ({
    ...{ origin, settings, segment: createSegment(settings, dhcp.machines) },
  });
  const ofFile = dhcp.segments.map((base) => {
    const subnet = byName.get(base.name);
    return subnet && !isRefused.has(base.name) && says(subnet)
      ? made('file and subnet', laidOver(base, subnet))
      : made('file', base);
  });
  const own = subnets
    .filter(({ name, relayed }) => relayed && !isRefused.has(name) && !segmentNamed(dhcp, name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((subnet) => made('subnet', laidOver(relayedBase(dhcp, subnet), subnet)));
  const served = [...ofFile, ...own];
  return { served, refused, segments: served.map(({ segment }) => segment) };
}

/** Why DHCP cannot serve this subnet as it is written; undefined too for one that is none of DHCP's. */
export function contradiction(dhcp: DhcpSettings, subnet: Subnet): Contradiction | undefined {
  const base = segmentNamed(dhcp, subnet.name);
  return base ? againstSegment(base, subnet) : onItsOwn(dhcp, subnet);
}

const segmentNamed = ({ segments }: DhcpSettings, wanted: string) =>
  segments.find(({ name }) => name === wanted);

/** Names anything that could differ from the file. */
function says({ gateway, dns, domain, pools, options }: Subnet): boolean {
  const named = pools.length + dns.length + Object.keys(options).length;
  return gateway !== undefined || domain !== '' || named > 0;
}

function againstSegment(base: SegmentSettings, subnet: Subnet): Contradiction | undefined {
  const { cidr, use, pools, relayed, server, vlan } = subnet;
  const of = `segment ${base.name} of the configuration`;
  if (formatCidr(cidr) !== formatCidr(base.cidr))
    return { path: '/cidr', why: `${of} is ${formatCidr(base.cidr)}` };
  if (use !== base.kind) return { path: '/use', why: `${of} is ${base.kind}` };
  if (relayed && !base.relayed)
    return { path: '/relayed', why: `${of} is on interface ${base.iface}` };
  if (server !== undefined && server !== base.address)
    return { path: '/server', why: `${of} is served by ${formatIpv4(base.address)}` };
  const tag = base.relayed ? undefined : vlanNamed(base.iface)?.tag;
  if (vlan !== undefined && tag !== undefined && vlan !== tag)
    return { path: '/vlan', why: `${of} is on interface ${base.iface}, which is VLAN ${tag}` };
  if (base.mode === 'proxy' && pools.length > 0)
    return { path: '/pools', why: `${of} is in proxy mode: another server leases there` };
  return inPools(subnet);
}

function onItsOwn(dhcp: DhcpSettings, subnet: Subnet): Contradiction | undefined {
  const { pools, relayed, server, options, cidr } = subnet;
  if (!relayed) {
    const given = [
      ['/pools', pools.length > 0],
      ['/options', Object.keys(options).length > 0],
      ['/server', server !== undefined],
    ] as const;
    const [first] = given.filter(([, is]) => is);
    const why =
      'DHCP would not serve it: no segment of the configuration has this name, and it is not relayed';
    return first && { path: first[0], why };
  }
  const other = dhcp.segments.find((one) => overlap(one.cidr, cidr));
  if (other)
    return {
      path: '/cidr',
      why: `it overlaps segment ${other.name} of the configuration, ${formatCidr(other.cidr)}`,
    };
  const isOurs = ({ address, mode }: SegmentSettings) => mode === 'server' && address === server;
  if (server !== undefined && !dhcp.segments.some(isOurs))
    return { path: '/server', why: 'no segment of the configuration has this address of ours' };
  return inPools(subnet);
}

/** Addresses that somebody has for good are no part of a pool; of ours, `createSegment` takes them out by itself. */
function inPools({ pools, gateway, dns }: Subnet): Contradiction | undefined {
  const fixed: [string, Ipv4][] = [
    ...(gateway === undefined ? [] : ([['the gateway', gateway]] as [string, Ipv4][])),
    ...dns.map((address): [string, Ipv4] => ['a name server', address]),
  ];
  for (const [index, { first, last }] of pools.entries()) {
    for (const [what, address] of fixed)
      if (address >= first && address <= last)
        return { path: `/pools/${index}`, why: `${formatIpv4(address)} in it is ${what}` };
  }
  return undefined;
}

function laidOver(base: SegmentSettings, subnet: Subnet): SegmentSettings {
  const { gateway, dns, domain, pools, options } = subnet;
  return {
    ...base,
    pools: pools.length > 0 ? pools : base.pools,
    routers: gateway === undefined ? base.routers : [gateway],
    dns: dns.length > 0 ? [...dns] : base.dns,
    domain: domain === '' ? base.domain : domain,
    options: overlayOptions(base.options, options),
  };
}

/** A relayed segment as the file would have it with nothing but a name, a network and a kind. */
function relayedBase(dhcp: DhcpSettings, { name, cidr, use, server }: Subnet): SegmentSettings {
  const ours = dhcp.segments.filter(({ mode }) => mode === 'server');
  // What comes from relays is received at the addresses of relayed segments, where the file has one (`listenersOf`).
  const [first] = dhcp.segments;
  const home = ours.find(({ relayed }) => relayed) ?? ours[0] ?? first;
  return relayedSegment({
    ...{ name, kind: use, cidr: formatCidr(cidr), domain: first?.domain ?? '' },
    address: formatIpv4(server ?? home?.address ?? (0 as Ipv4)),
  });
}

function overlap(a: Cidr, b: Cidr): boolean {
  return contains(a, b.network) || contains(b, a.network);
}
