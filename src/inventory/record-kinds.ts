/**
 * The small records that machines refer to: racks, subnets, naming rules, hardware types, squads, roles. Each kind has one
 * schema, which the API, the CSV sheet and the table share; unknown keys are refused.
 */
import { z } from 'zod';
import { optionsSchema } from '../dhcp/option-settings.ts';
import { QUIRK_NAMES } from '../ipmi/quirks.ts';
import { limit } from '../limits.ts';
import { type Cidr, contains, type Ipv4, parseCidr, parseIpv4 } from '../wire/ipv4.ts';
import { roleSchema } from './role-record.ts';

export const text = z.string().trim().max(limit('fieldTextCharsMax'));
/** A name in a URL: letters, digits, and . _ - inside. */
export const recordName = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/, 'letters, digits, and . _ - inside');
const notes = z.string().max(limit('notesCharsMax'));

const ipv4Text = z
  .string()
  .max(15)
  .refine((value) => parseIpv4(value) !== undefined, 'not an IPv4 address');
const cidrText = z
  .string()
  .max(18)
  .refine((value) => parseCidr(value) !== undefined, 'not a network such as 10.77.0.0/24');

export const rackSchema = z.strictObject({
  site: text.default(''),
  hall: text.default(''),
  row: text.default(''),
  units: z.number().int().min(1).max(100).default(42),
  /** Names of the switches in it, as LLDP tells them: a machine on one of them is in this rack. */
  switches: z.array(text.min(1)).max(16).default([]),
  /** Where a cable leads, when the switch's ports are patched in order: port name to unit. */
  ports: z.record(text.min(1), z.number().int().min(1).max(100)).default({}),
  notes: notes.default(''),
});

const SUBNET_USES = ['provisioning', 'production', 'out-of-band'] as const;

const poolSchema = z.strictObject({ first: ipv4Text, last: ipv4Text });

export const subnetSchema = z
  .strictObject({
    cidr: cidrText,
    use: z.enum(SUBNET_USES).default('production'),
    site: text.default(''),
    vlan: z.number().int().min(0).max(4094).default(0),
    gateway: ipv4Text.or(z.literal('')).default(''),
    dns: z.array(ipv4Text).max(8).default([]),
    domain: z.string().max(253).default(''),
    /** Where `allocate` takes addresses from; empty: the whole network but its ends. */
    first: ipv4Text.or(z.literal('')).default(''),
    last: ipv4Text.or(z.literal('')).default(''),
    /** What DHCP gives to whoever has no address of his own; empty: what the segment of its name has. */
    pools: z.array(poolSchema).max(64).default([]),
    /** More of what DHCP tells its clients, as `options` of a segment in docs/configuration.md. */
    options: z.record(z.string().max(32), z.unknown()).default({}),
    /** DHCP serves it through relays, without a segment in the configuration. */
    relayed: z.boolean().default(false),
    /** The address of the appliance that clients behind relays are told; empty: that of its first segment. */
    server: ipv4Text.or(z.literal('')).default(''),
    notes: notes.default(''),
  })
  .superRefine((value, context) => {
    const options = optionsSchema.safeParse(value.options);
    for (const { path, message } of options.error?.issues ?? [])
      context.addIssue({ code: 'custom', path: ['options', ...path], message });
    const network = parseCidr(value.cidr);
    if (!network) return;
    for (const key of ['gateway', 'first', 'last'] as const) {
      const address = value[key] === '' ? undefined : parseIpv4(value[key]);
      if (address !== undefined && !contains(network, address))
        context.addIssue({ code: 'custom', path: [key], message: 'lies outside cidr' });
    }
    const [first = 0, last = 0xffffffff] = [parseIpv4(value.first), parseIpv4(value.last)];
    if (first > last)
      context.addIssue({ code: 'custom', path: ['first'], message: 'is above last' });
    addPoolIssues(value.pools, network, context);
  });

function addPoolIssues(
  pools: readonly { readonly first: string; readonly last: string }[],
  network: Cidr,
  context: z.RefinementCtx,
): void {
  const ranges = pools.map(({ first, last }) => [parseIpv4(first) ?? 0, parseIpv4(last) ?? 0]);
  for (const [index, [first = 0, last = 0]] of ranges.entries()) {
    const fault = (message: string) =>
      context.addIssue({ code: 'custom', path: ['pools', index], message });
    if (first > last) fault('first is above last');
    if (![first, last].every((address) => contains(network, address as Ipv4)))
      fault('lies outside cidr');
    const earlier = ranges.slice(0, index);
    if (earlier.some(([from = 0, to = 0]) => from <= last && first <= to))
      fault('overlaps another pool');
  }
}

/** `{role}`, `{site}`, `{n}`, `{n:4}` (padded), `{random:5}`, `{serial}`; the rest stands for itself. */
const pattern = z
  .string()
  .min(1)
  .max(128)
  .refine(
    (value) =>
      /^(?:[a-z0-9.-]|\{(?:role|site|serial|n(?::[1-9])?|random:(?:[3-9]|1[0-6]))\})+$/.test(value),
    'only a-z 0-9 . - and {role} {site} {serial} {n} {n:4} {random:5}',
  )
  .refine((value) => /\{(?:n|random|serial)/.test(value), 'needs {n}, {random} or {serial}');

const namingSchema = z.strictObject({
  /** '' fits every role; likewise for the site. The most precise rule wins. */
  role: text.default(''),
  site: text.default(''),
  pattern,
  first: z.number().int().min(0).max(999_999_999).default(1),
  notes: notes.default(''),
});

/** What rules can ask of a report: the facts of machine-facts.ts, and a few words. */
export const RULE_FACTS = [
  'manufacturer',
  'product',
  'cpuModel',
  'cpuCount',
  'coreCount',
  'threadCount',
  'memoryBytes',
  'diskCount',
  'diskBytes',
  'solidDiskCount',
  'nicCount',
  'gpuCount',
  'fastestNicMbps',
  /** Versions, each once, in order: "GXA5302Q", or "GXA5302Q, GXA5402Q" where not all are alike. */
  'diskFirmware',
  'nicFirmware',
  'bmcFirmware',
  'biosVersion',
] as const;

const condition = z
  .strictObject({
    fact: z.enum(RULE_FACTS),
    atLeast: z.number().min(0).optional(),
    atMost: z.number().min(0).optional(),
    equals: z.union([z.string().max(256), z.number()]).optional(),
    contains: z.string().min(1).max(256).optional(),
  })
  .refine(
    ({ fact: _, ...tests }) =>
      Object.values(tests).filter((test) => test !== undefined).length === 1,
    'exactly one of atLeast, atMost, equals, contains',
  );

const hardwareTypeSchema = z.strictObject({
  /** The first rule that fits, by falling priority, gives the type. */
  priority: z.number().int().min(0).max(10_000).default(100),
  conditions: z.array(condition).min(1).max(16),
  /** The bill of materials: what a machine of this type must have, exactly. */
  expect: z
    .partialRecord(z.enum(RULE_FACTS), z.union([z.string().max(256), z.number()]))
    .default({}),
  /** Hold an available machine that differs from the bill of materials. */
  holdOnMismatch: z.boolean().default(false),
  notes: notes.default(''),
});

const machinesMax = z.number().int().min(0).max(1_000_000);

export const squadSchema = z.strictObject({
  contact: text.default(''),
  /** How many machines it may have by requests and pools: in all, and of one hardware type. */
  quota: z
    .strictObject({
      machines: machinesMax.optional(),
      types: z.record(recordName, machinesMax).optional(),
    })
    .optional(),
  notes: notes.default(''),
});

const policySchema = z.strictObject({
  /** Parts whose loss between two reports holds an available machine (`machine.changed` lists them). */
  holdOnLost: z
    .array(z.enum(['nic', 'disk', 'memory', 'cpu', 'gpu']))
    .max(5)
    .default([]),
  /** Parts whose change does: a module of another size in the same slot, another version of a firmware. */
  holdOnChanged: z
    .array(
      z.enum([
        ...['nic', 'disk', 'memory', 'cpu', 'gpu', 'bios', 'bmc'],
        ...['disk-firmware', 'nic-firmware'],
      ] as const),
    )
    .max(9)
    .default([]),
});

const port = z.number().int().min(1).max(65_535);

/** How BMCs are spoken to: of these machines, else of a hardware type, of a vendor, or all. docs/bmc.md */
export const bmcProfileSchema = z.strictObject({
  machines: z.array(recordName).max(1000).default([]),
  hardwareType: text.default(''),
  /** A part of the vendor's name. */
  vendor: text.default(''),
  driver: z.enum(['auto', 'ipmi', 'redfish']).default('auto'),
  port: port.default(623),
  /** Name of the stored credential whose password is K_G. */
  keyCredential: recordName.or(z.literal('')).default(''),
  /** Cipher suites, best first; empty: 17 and 3. */
  suites: z.array(z.number().int().min(0).max(255)).max(16).default([]),
  ipmi15: z.boolean().default(false),
  quirks: z.array(z.enum(QUIRK_NAMES)).max(QUIRK_NAMES.length).default([]),
  redfishPort: port.default(443),
  /** Which machine, where several are behind one Redfish service. */
  systemId: text.default(''),
  /** `pin`: the certificate that it showed first. `authority`: one that the system trusts. */
  certificate: z.enum(['pin', 'authority']).default('pin'),
  notes: notes.default(''),
});

export const RECORD_SCHEMAS = {
  rack: rackSchema,
  subnet: subnetSchema,
  naming: namingSchema,
  type: hardwareTypeSchema,
  squad: squadSchema,
  policy: policySchema,
  bmc: bmcProfileSchema,
  role: roleSchema,
} as const;

export type RecordKind = keyof typeof RECORD_SCHEMAS;
export type RecordDoc<Kind extends RecordKind> = z.output<(typeof RECORD_SCHEMAS)[Kind]>;
