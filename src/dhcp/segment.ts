/**
 * A segment as the packet path wants it: made from the configuration and what the inventory lays over it, immutable, with everything precomputed that
 * does not depend on the packet. No option of a segment or a machine is encoded while a packet waits.
 */
import { limit } from '../limits.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { AddressRange } from '../wire/schema.ts';
import {
  encodeNetwork,
  type NetworkOptions,
  type NetworkSettings,
  overlayOptions,
} from './option-settings.ts';
import { u32 } from './options.ts';
import type { Segment } from './ports.ts';
import { type DhcpSettings, type SegmentSettings, wireOf } from './settings.ts';

/** The segments of a configuration, in its order. */
export function createSegments(settings: DhcpSettings): Segment[] {
  return settings.segments.map((segment) => createSegment(segment, settings.machines));
}

export function createSegment(
  settings: SegmentSettings,
  machines: DhcpSettings['machines'],
): Segment {
  const { name, kind, mode, address: serverAddress, cidr } = settings;
  const reserved = new Set(settings.reservations.map(({ address }) => address));
  const outside = [...settings.exclude, { first: serverAddress, last: serverAddress }];
  const edges = settings.cidr.prefixBits < 31 ? edgesOf(settings) : [];
  const pools = subtract(settings.pools, [
    ...outside,
    ...edges,
    ...[...reserved].map((address) => ({ first: address, last: address })),
  ]);
  return {
    ...{ name, kind, mode, serverAddress, cidr, pools },
    iface: settings.relayed ? undefined : settings.iface,
    wire: wireOf(settings),
    serverId: u32(serverAddress),
    unknownMachines: settings.unknownMachines ?? kind !== 'production',
    authoritative: settings.authoritative,
    conflictProbe: probeOf(settings),
    guestsPerPortMax: Math.max(1, Math.floor((sizeOf(pools) * settings.portSharePercent) / 100)),
    quarantinedMax: Math.max(1, Math.floor(sizeOf(pools) * limit('declinedPoolShareMax'))),
    lease: {
      seconds: settings.leaseSeconds,
      unknownSeconds: settings.leaseSecondsByState.unknown ?? settings.unknownLeaseSeconds,
      byState: settings.leaseSecondsByState,
      minSeconds: settings.leaseSecondsMin,
      maxSeconds: settings.leaseSecondsMax,
    },
    reservations: new Map(settings.reservations.map(({ mac, address }) => [mac, address])),
    network: encodeNetwork(settings),
    machineNetworks: machineNetworks(settings, machines),
    isDynamic: inRanges(pools),
  };
}

function probeOf({ conflictProbe, mode, relayed }: SegmentSettings): Segment['conflictProbe'] {
  if (!conflictProbe || mode === 'proxy') return undefined;
  return relayed ? 'routed' : 'on-link';
}

function sizeOf(pools: readonly AddressRange[]): number {
  return pools.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

/** The network's own address and its broadcast address belong to nobody, wherever the pool is drawn. */
function edgesOf({ cidr }: SegmentSettings): AddressRange[] {
  const last = (cidr.network + 2 ** (32 - cidr.prefixBits) - 1) as Ipv4;
  return [
    { first: cidr.network, last: cidr.network },
    { first: last, last },
  ];
}

function machineNetworks(
  settings: SegmentSettings,
  machines: DhcpSettings['machines'],
): Map<Mac, NetworkOptions> {
  const own = new Map<Mac, NetworkSettings>();
  for (const { mac, hostname } of settings.reservations) {
    if (hostname !== undefined) own.set(mac, { ...settings, hostname });
  }
  for (const { mac, options, hostname, routers, dns, domain } of machines) {
    const base = own.get(mac) ?? settings;
    own.set(mac, {
      cidr: base.cidr,
      routers: routers ?? base.routers,
      dns: dns ?? base.dns,
      domain: domain ?? base.domain,
      hostname: hostname ?? (base as NetworkSettings).hostname,
      options: overlayOptions(base.options, options),
    });
  }
  return new Map([...own].map(([mac, network]) => [mac, encodeNetwork(network)]));
}

/** `from` without `holes`: sorted, not touching, and not overlapping. */
export function subtract(
  from: readonly AddressRange[],
  holes: readonly AddressRange[],
): AddressRange[] {
  const left: { first: number; last: number }[] = [];
  for (const { first, last } of [...from].sort((a, b) => a.first - b.first)) {
    const before = left.at(-1);
    if (before && first <= before.last + 1) before.last = Math.max(before.last, last);
    else left.push({ first, last });
  }
  const cut = [...holes].sort((a, b) => a.first - b.first);
  return left.flatMap(({ first, last }) => {
    const parts: AddressRange[] = [];
    let at = first;
    for (const hole of cut) {
      if (hole.last < at || hole.first > last) continue;
      if (hole.first > at) parts.push({ first: at as Ipv4, last: (hole.first - 1) as Ipv4 });
      at = hole.last + 1;
    }
    if (at <= last) parts.push({ first: at as Ipv4, last: last as Ipv4 });
    return parts;
  });
}

/** Binary search: a segment with a thousand reservations has a thousand ranges. */
function inRanges(ranges: readonly AddressRange[]): (address: Ipv4) => boolean {
  return (address) => {
    let [low, high] = [0, ranges.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const range = ranges[middle];
      if (!range) return false;
      if (address < range.first) high = middle - 1;
      else if (address > range.last) low = middle + 1;
      else return true;
    }
    return false;
  };
}

/** One interface to listen on, and the addresses of the appliance that its clients know. */
export interface Listener {
  readonly iface: string;
  /** One for each subnet on the wire: what a client is served must come from the address that it was told. */
  readonly addresses: readonly Ipv4[];
  /** A segment there is in proxy mode: port 4011 is wanted too. */
  readonly proxy: boolean;
}

/**
 * The interfaces to serve, each once, in the order of the configuration; those for relays only come last, with the addresses of
 * relayed segments: with all of ours where the configuration has no such segment, because the inventory may have one any time.
 * Where relayed requests come in by interfaces with segments of their own, an address that only relayed segments have is with the first.
 */
export function listenersOf(
  segments: readonly Segment[],
  relayInterfaces: readonly string[],
): Listener[] {
  const found = new Map<string, Listener>();
  const add = (iface: string, { serverAddress, mode }: Segment) => {
    const { addresses = [], proxy = false } = found.get(iface) ?? {};
    found.set(iface, {
      iface,
      addresses: addresses.includes(serverAddress) ? addresses : [...addresses, serverAddress],
      proxy: proxy || mode === 'proxy',
    });
  };
  for (const segment of segments) if (segment.iface !== undefined) add(segment.iface, segment);
  const own = new Set(found.keys());
  const relayed = segments.filter(({ iface }) => iface === undefined);
  const any = segments.filter(({ mode }) => mode === 'server');
  for (const iface of relayInterfaces) {
    if (own.has(iface)) continue;
    for (const segment of relayed.length > 0 ? relayed : any) add(iface, segment);
  }
  const [first] = found.keys();
  const isKnown = ({ serverAddress }: Segment) =>
    [...found.values()].some(({ addresses }) => addresses.includes(serverAddress));
  if (first !== undefined) for (const one of relayed) if (!isKnown(one)) add(first, one);
  // They come in by whatever way leads to us.
  const isProxyBehind = relayed.some(({ mode }) => mode === 'proxy');
  return [...found.values()].map((one) => (isProxyBehind ? { ...one, proxy: true } : one));
}
