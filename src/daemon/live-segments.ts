/**
 * The segments that DHCP serves now: the configuration, with the inventory's subnets laid over it (dhcp/subnets.ts).
 *
 * Made at the start and again behind each commit that changed a subnet, in the same turn of the event loop: no packet sees half
 * of a change, none is lost to a restart, and none pays for it. Packets read the list that is there.
 */

import { optionsSchema } from '../dhcp/option-settings.ts';
import type { Segment } from '../dhcp/ports.ts';
import type { DhcpSettings } from '../dhcp/settings.ts';
import { contradiction, type Plan, planSegments, type Subnet } from '../dhcp/subnets.ts';
import type { EventStore } from '../inventory/event-store.ts';
import type { LeaseStore } from '../inventory/leases.ts';
import type { RecordDoc } from '../inventory/record-kinds.ts';
import type { Records, SubnetCheck } from '../inventory/records.ts';
import { formatCidr, formatIpv4, type Ipv4, parseCidr, parseIpv4 } from '../wire/ipv4.ts';

export interface LiveSegments {
  /** The same list until something changes. */
  segments(): readonly Segment[];
  /** They are made anew: what they are made of has changed elsewhere. */
  remake(): void;
  plan(): Plan;
  /** What is in force, for people. */
  served(): ReturnType<typeof servedNow>;
}

export interface LiveParts {
  readonly dhcp: DhcpSettings;
  readonly records: Pick<Records, 'list' | 'subnetChanges'>;
  readonly events: Pick<EventStore, 'follow'>;
  readonly leases: Pick<LeaseStore, 'repooled'>;
}

export function openLiveSegments({ dhcp, records, events, leases }: LiveParts): LiveSegments {
  let seen = records.subnetChanges();
  const make = (): Plan => {
    const subnets = records.list('subnet').flatMap(({ name, doc }) => subnetOf(name, doc) ?? []);
    return planSegments(dhcp, subnets);
  };
  let plan = make();
  events.follow(() => {
    const now = records.subnetChanges();
    if (now === seen) return;
    seen = now;
    plan = make();
    leases.repooled();
  }, 'machines');
  return {
    segments: () => plan.segments,
    remake() {
      plan = make();
    },
    plan: () => plan,
    served: () => servedNow(plan),
  };
}

function servedNow({ served, refused }: Plan) {
  return {
    refused: refused.map((one) => ({ ...one })),
    segments: served.map(({ origin, settings, segment: { pools, iface } }) => ({
      ...{ origin, name: settings.name, kind: settings.kind, mode: settings.mode },
      iface: iface ?? null,
      cidr: formatCidr(settings.cidr),
      server: formatIpv4(settings.address),
      // Without what is excluded, reserved or ours.
      pools: pools.map(({ first, last }) => ({
        ...{ first: formatIpv4(first), last: formatIpv4(last) },
      })),
      addresses: pools.reduce((sum, { first, last }) => sum + last - first + 1, 0),
      routers: settings.routers.map(formatIpv4),
      dns: settings.dns.map(formatIpv4),
      domain: settings.domain,
    })),
  };
}

/** DHCP's word when a subnet is written. */
export function subnetCheck(dhcp: DhcpSettings): SubnetCheck {
  return (name, doc) => {
    const subnet = subnetOf(name, doc);
    return subnet && contradiction(dhcp, subnet);
  };
}

/** A record as DHCP reads it; undefined where its texts do not fit its schema any more. */
function subnetOf(name: string, doc: RecordDoc<'subnet'>): Subnet | undefined {
  const cidr = parseCidr(doc.cidr);
  const options = optionsSchema.safeParse(doc.options);
  if (!cidr || !options.success) return undefined;
  const { use, domain, relayed } = doc;
  const addresses = (list: readonly string[]) => list.flatMap((text) => parseIpv4(text) ?? []);
  return {
    ...{ name, cidr, use, domain, relayed, options: options.data },
    vlan: doc.vlan === 0 ? undefined : doc.vlan,
    gateway: parseIpv4(doc.gateway),
    server: parseIpv4(doc.server),
    dns: addresses(doc.dns),
    pools: doc.pools.flatMap(({ first, last }) => {
      const ends = addresses([first, last]) as [Ipv4, Ipv4];
      return ends.length === 2 ? [{ first: ends[0], last: ends[1] }] : [];
    }),
  };
}
