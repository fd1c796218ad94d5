/** What people may write about a machine, as schemas made from the table of fields (machine-fields.ts). */
import { z } from 'zod';
import { formatIpv6, parseIpv6 } from '../dns/rdata.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { parseIpv4 } from '../wire/ipv4.ts';
import { isUnicastMac, type Mac, parseMac } from '../wire/mac.ts';
import { isHostname } from './hostnames.ts';
import {
  MACHINE_FIELDS,
  type MachineChanges,
  WRITABLE_NAMES,
  type WritableName,
} from './machine-fields.ts';
import { recordName, text } from './record-kinds.ts';
import { MACHINE_STATES } from './states.ts';

const day = z.iso.date().or(z.literal(''));
const orEmpty = <Schema extends z.ZodType>(schema: Schema) => schema.or(z.literal(''));

/** An address that others can be told: not unspecified, loopback, mapped, link-local or multicast (RFC 4291 section 2.4). */
function isTellable(octets: string): boolean {
  const [first = 0, second = 0] = [octets.charCodeAt(0), octets.charCodeAt(1)];
  const linkLocal = first === 0xfe && (second & 0xc0) === 0x80;
  return !octets.startsWith('\0'.repeat(8)) && first !== 0xff && !linkLocal;
}

/** Takes any spelling of an IPv6 address and gives the one of RFC 5952. */
const ipv6Text = z
  .string()
  .max(45)
  .refine((value) => {
    const octets = parseIpv6(value);
    return octets !== undefined && isTellable(octets);
  }, 'not an IPv6 address of a machine')
  .transform((value) => formatIpv6(parseIpv6(value) ?? ''));

/** Takes any spelling of a MAC and gives the one that we store. */
export const macText = z
  .string()
  .max(32)
  .refine((value) => {
    const mac = parseMac(value);
    return mac !== undefined && isUnicastMac(mac);
  }, 'not a unicast MAC address')
  .transform((value) => parseMac(value) as Mac);

const SPECIAL: Partial<Record<WritableName, z.ZodType>> = {
  hostname: orEmpty(z.string().max(253).refine(isHostname, 'not a lower-case hostname')),
  squad: orEmpty(recordName),
  rack: orEmpty(recordName),
  bmcCredential: orEmpty(recordName),
  bmcMac: orEmpty(macText),
  bmcAddress: orEmpty(
    z
      .string()
      .max(15)
      .refine((value) => parseIpv4(value) !== undefined, 'not an IPv4 address'),
  ),
  notes: z.string().trim().max(limit('notesCharsMax')),
  tags: z
    .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$/, 'letters, digits and . _ : -'))
    .max(limit('tagsMax'))
    .transform((tags) => [...new Set(tags)].sort()),
  ipv6: z
    .array(ipv6Text)
    .max(limit('machineIpv6Max'))
    .transform((addresses) => [...new Set(addresses)].sort()),
  custom: z
    .record(z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,62}$/, 'letters, digits and _'), text)
    .refine((fields) => Object.keys(fields).length <= limit('customFieldsMax'), 'too many fields'),
  unit: z.number().int().min(0).max(100),
  height: z.number().int().min(1).max(50),
};

function schemaOf(name: WritableName): z.ZodType {
  const { type, says } = MACHINE_FIELDS[name];
  const plain =
    type === 'flag'
      ? z.boolean()
      : type === 'date'
        ? day
        : type === 'integer'
          ? z.number().int()
          : text;
  return (SPECIAL[name] ?? plain).describe(says);
}

const fieldSchemas = Object.fromEntries(
  WRITABLE_NAMES.map((name) => [name, schemaOf(name).optional()]),
);

/** A patch of one machine: at least one field. */
export const changesSchema = z.strictObject(fieldSchemas) as unknown as z.ZodType<
  MachineChanges,
  MachineChanges
>;

/** The way of one machine into another state. */
export const moveFields = {
  to: z.enum(MACHINE_STATES),
  release: z
    .string()
    .min(1)
    .max(63)
    .optional()
    .describe('The hardwarename, to release a machine in use: what is on it may be lost'),
  deadlineAt: z.number().int().min(0).optional().describe('Another deadline; 0 for none'),
  next: text.optional().describe('The next step'),
};

const nicEntry = z.strictObject({
  mac: macText,
  name: text.default(''),
  address: z
    .string()
    .max(15)
    .refine((value) => parseIpv4(value) !== undefined, 'not an IPv4 address')
    .optional(),
  /** The subnet of the address; needed with one. */
  subnet: recordName.optional(),
});

export const nicEntries = z.array(nicEntry).max(32);

/** A machine that a person enters: it has a serial or a MAC, so that its first report can find it. */
export const entrySchema = z
  .strictObject({
    serial: text.default(''),
    manufacturer: text.default(''),
    product: text.default(''),
    /** `held` until it reports, or `in-use` when it is in service already. */
    state: z.enum(['held', 'in-use']).default('held'),
    nics: nicEntries.default([]),
    ...fieldSchemas,
  })
  .refine(({ serial, nics }) => serial !== '' || nics.length > 0, 'needs a serial or a NIC');

export interface MachineEntry extends MachineChanges {
  /** As it was called elsewhere (a sheet); absent: after its serial, else after its first NIC. */
  readonly hardwarename?: Hardwarename | undefined;
  readonly serial: string;
  readonly manufacturer: string;
  readonly product: string;
  readonly state: 'held' | 'in-use';
  readonly nics: readonly z.output<typeof nicEntry>[];
}

export const machineEntrySchema = entrySchema as unknown as z.ZodType<
  MachineEntry,
  Partial<MachineEntry>
>;
