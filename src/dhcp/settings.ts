/**
 * The `dhcp:` part of the configuration. Every rule that one look at the text can check is checked here, with a sentence
 * that names the place; what comes out is ready for `createSegments`.
 *
 * A segment is one subnet. Segments on the same interface, or with the same `sharedNetwork` behind a relay, are one wire.
 */
import { z } from 'zod';
import { contains, formatIpv4, type Ipv4 } from '../wire/ipv4.ts';
import {
  type AddressRange,
  cidrSchema,
  ipv4Schema,
  macSchema,
  rangeSchema,
} from '../wire/schema.ts';
import { optionsSchema } from './option-settings.ts';
import { labelsOf } from './option-values.ts';

const seconds = (max: number) => z.number().int().min(60).max(max);
const iface = z.string().min(1).max(15);
const hostname = z
  .string()
  .max(63)
  .refine((name) => labelsOf(name)?.length === 1, 'is not one label of a host name');
const poolSchema = z
  .strictObject({ first: ipv4Schema, last: ipv4Schema })
  .refine(({ first, last }) => first <= last, 'first is above last');

const reservationSchema = z.strictObject({
  mac: macSchema,
  address: ipv4Schema,
  hostname: hostname.optional(),
});

/** Lease seconds for each state of a machine; a state that is not named has `leaseSeconds`. */
const leaseByState = z.strictObject({
  unknown: seconds(604_800).optional(),
  available: seconds(604_800).optional(),
  installing: seconds(604_800).optional(),
  'in-use': seconds(604_800).optional(),
  recycling: seconds(604_800).optional(),
  broken: seconds(604_800).optional(),
  held: seconds(604_800).optional(),
  retired: seconds(604_800).optional(),
});

const DEFAULT_POOL = { first: '10.77.0.100', last: '10.77.0.250' };

const segmentSchema = z
  .strictObject({
    name: z.string().min(1).max(63).default('provisioning'),
    kind: z.enum(['provisioning', 'production', 'out-of-band']).default('provisioning'),
    mode: z.enum(['server', 'proxy']).default('server'),
    iface: iface.default('prov0'),
    relayed: z.boolean().default(false),
    sharedNetwork: z.string().min(1).max(63).optional(),
    address: ipv4Schema.prefault('10.77.0.1'),
    cidr: cidrSchema.prefault('10.77.0.0/24'),
    pool: poolSchema.optional(),
    pools: z.array(poolSchema).optional(),
    exclude: z.array(rangeSchema).default([]),
    reservations: z.array(reservationSchema).default([]),
    unknownMachines: z.boolean().optional(),
    authoritative: z.boolean().default(true),
    conflictProbe: z.boolean().default(true),
    portSharePercent: z.number().int().min(1).max(100).default(75),
    routers: z.array(ipv4Schema).default([]),
    dns: z.array(ipv4Schema).default([]),
    domain: z.string().max(253).default('lab.example'),
    options: optionsSchema.prefault({}),
    leaseSeconds: z.number().int().min(120).max(604_800).default(3600),
    unknownLeaseSeconds: z.number().int().min(120).max(86_400).default(600),
    leaseSecondsByState: leaseByState.prefault({}),
    leaseSecondsMin: seconds(86_400).default(120),
    leaseSecondsMax: seconds(604_800).default(86_400),
  })
  .transform((segment, context) => {
    const pools = poolsOf(segment);
    if (segment.pool && segment.pools) {
      context.addIssue({
        code: 'custom',
        path: ['pools'],
        message: 'give pool or pools, not both',
      });
    }
    if (segment.mode === 'proxy' && (segment.pools ?? segment.pool)) {
      const message = 'a proxy segment leases nothing: another server has the pool';
      context.addIssue({ code: 'custom', path: [segment.pools ? 'pools' : 'pool'], message });
    }
    for (const { path, address } of placesOf({ ...segment, pools })) {
      if (!contains(segment.cidr, address)) {
        context.addIssue({ code: 'custom', path: [...path], message: 'lies outside cidr' });
      }
    }
    for (const [index, { address }] of segment.reservations.entries()) {
      if (address !== segment.address) continue;
      const message = 'is the address of the appliance';
      context.addIssue({ code: 'custom', path: ['reservations', index, 'address'], message });
    }
    const { pool: _pool, ...rest } = segment;
    return { ...rest, pools };
  });

type WrittenSegment = {
  readonly mode: 'server' | 'proxy';
  readonly pool?: AddressRange | undefined;
  readonly pools?: readonly AddressRange[] | undefined;
};

function poolsOf({ mode, pool, pools }: WrittenSegment): readonly AddressRange[] {
  if (pools) return pools;
  if (pool) return [pool];
  return mode === 'proxy' ? [] : [poolSchema.parse(DEFAULT_POOL)];
}

interface Place {
  readonly path: readonly (string | number)[];
  readonly address: Ipv4;
}

/** The addresses that must lie in the segment's network, with where they are written. */
function placesOf(segment: {
  readonly address: Ipv4;
  readonly relayed: boolean;
  readonly pool?: AddressRange | undefined;
  readonly pools: readonly AddressRange[];
  readonly exclude: readonly AddressRange[];
  readonly reservations: readonly { readonly address: Ipv4 }[];
}): Place[] {
  const { pools, exclude, reservations } = segment;
  const range = (path: readonly (string | number)[], { first, last }: AddressRange): Place[] => [
    { path: [...path, 'first'], address: first },
    { path: [...path, 'last'], address: last },
  ];
  return [
    // Behind a relay the appliance is reached by routing: its address is in another network.
    ...(segment.relayed ? [] : [{ path: ['address'], address: segment.address }]),
    ...pools.flatMap((pool, index) => range(segment.pool ? ['pool'] : ['pools', index], pool)),
    ...exclude.flatMap(({ first, last }, index) => [
      { path: ['exclude', index], address: first },
      { path: ['exclude', index], address: last },
    ]),
    ...reservations.map(({ address }, index) => ({
      path: ['reservations', index, 'address'],
      address,
    })),
  ];
}

/** Options of one machine, on whatever segment it asks. */
const machineSchema = z.strictObject({
  mac: macSchema,
  hostname: hostname.optional(),
  routers: z.array(ipv4Schema).optional(),
  dns: z.array(ipv4Schema).optional(),
  domain: z.string().max(253).optional(),
  options: optionsSchema.prefault({}),
});

export const dhcpSchema = z
  .strictObject({
    segments: z.array(segmentSchema).min(1).prefault([{}]),
    machines: z.array(machineSchema).default([]),
    relayInterfaces: z.array(iface).default([]),
    trustedRelays: z.array(cidrSchema).default([]),
    serverPort: z.number().int().min(1).max(65_535).default(67),
    clientPort: z.number().int().min(1).max(65_535).default(68),
    proxyPort: z.number().int().min(1).max(65_535).default(4011),
    routerAdvert: z.boolean().default(true),
    segmentation: z.enum(['auto', 'always', 'never']).default('auto'),
  })
  .superRefine(({ segments, machines, relayInterfaces }, context) => {
    const fault = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    twice(segments.map(({ name }) => name)).forEach((index) => {
      fault(['segments', index, 'name'], 'is the name of another segment too');
    });
    twice(machines.map(({ mac }) => mac)).forEach((index) => {
      fault(['machines', index, 'mac'], 'is written twice');
    });
    const wires = new Map(segments.map((segment) => [wireOf(segment), segment.mode]));
    for (const [index, segment] of segments.entries()) {
      const { reservations, cidr, mode, relayed } = segment;
      for (const key of ['mac', 'address'] as const) {
        twice(reservations.map((reservation) => reservation[key])).forEach((at) => {
          fault(['segments', index, 'reservations', at, key], 'is reserved twice');
        });
      }
      const other = segments.findIndex((s) => contains(s.cidr, cidr.network) && s !== segment);
      if (other >= 0) {
        const name = segments[other]?.name ?? '';
        fault(
          ['segments', index, 'cidr'],
          `${formatIpv4(cidr.network)} is in the network of '${name}'`,
        );
      }
      if (wires.get(wireOf(segment)) !== mode) {
        fault(['segments', index, 'mode'], 'one wire has either a server or a proxy');
      }
      if (relayed && relayInterfaces.length === 0 && segments.every((s) => s.relayed)) {
        fault(['relayInterfaces'], 'names no interface, and every segment is relayed');
      }
    }
  });
export type DhcpSettings = z.output<typeof dhcpSchema>;
export type SegmentSettings = DhcpSettings['segments'][number];

/** A segment behind relays that leases nothing yet; everything else is as the file has it where it says nothing. */
export function relayedSegment(named: {
  readonly name: string;
  readonly kind: SegmentSettings['kind'];
  readonly address: string;
  readonly cidr: string;
  readonly domain: string;
}): SegmentSettings {
  return segmentSchema.parse({ ...named, relayed: true, pools: [] });
}

/** Segments on one wire share the discovery of their clients: one interface, or one shared network behind relays. */
export function wireOf(segment: {
  readonly name: string;
  readonly iface: string;
  readonly relayed: boolean;
  readonly sharedNetwork?: string | undefined;
}): string {
  if (segment.sharedNetwork !== undefined) return `shared ${segment.sharedNetwork}`;
  return segment.relayed ? `relayed ${segment.name}` : `interface ${segment.iface}`;
}

/** The places of values that stand earlier in the list already. */
function twice(values: readonly unknown[]): number[] {
  return [...values.keys()].filter((index) => values.indexOf(values[index]) !== index);
}
