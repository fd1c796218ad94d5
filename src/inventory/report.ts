/**
 * The recon report, schema 1 (docs/machine-protocol.md): strict, bounded, and refused with the path that failed.
 *
 * A report comes from a machine that nobody has vetted. Every list and string has a limit, unknown fields are refused,
 * MACs come out in one spelling, and a permanent MAC may appear once only.
 */
import { z } from 'zod';
import { limit } from '../limits.ts';
import { isUnicastMac, type Mac, parseMac } from '../wire/mac.ts';

const text = z
  .string()
  .max(limit('reportTextCharsMax'))
  .transform((value) => value.trim());
const word = text.pipe(z.string().min(1));
const count = z.number().int().min(0).max(65_536);
const bytes = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const list = <Item extends z.ZodType>(item: Item) => z.array(item).max(limit('reportItemsMax'));

const mac = z
  .string()
  .max(32)
  .transform((value, context): Mac => {
    const parsed = parseMac(value);
    if (parsed !== undefined && isUnicastMac(parsed)) return parsed;
    context.addIssue({ code: 'custom', message: 'not a unicast MAC address' });
    return z.NEVER;
  });

const lldp = z.strictObject({
  switch: text.optional(),
  port: text.optional(),
  description: text.optional(),
});

const nic = z.strictObject({
  name: word,
  mac,
  permanentMac: mac.optional(),
  driver: text.optional(),
  speedMbps: z.number().int().min(0).max(10_000_000).optional(),
  link: z.boolean().optional(),
  pci: text.optional(),
  /** As its driver tells it: one text, with whatever the vendor puts into it. */
  firmware: text.optional(),
  lldp: lldp.optional(),
});

/** Installation and recycling are told of disks by the same words (`disk_section` of the agent), and take all of them. */
export const reportedDisk = z.strictObject({
  name: word,
  model: text.optional(),
  serial: text.optional(),
  wwn: text.optional(),
  sizeBytes: bytes,
  rotational: z.boolean().optional(),
  interface: z.enum(['nvme', 'sata', 'sas', 'virtio', 'usb', 'scsi', 'ide', 'mmc']).optional(),
  path: text.optional(),
  firmware: text.optional(),
});

const dmi = z.strictObject({
  manufacturer: text.optional(),
  product: text.optional(),
  version: text.optional(),
  serial: text.optional(),
  uuid: text.optional(),
  sku: text.optional(),
  family: text.optional(),
  board: z
    .strictObject({
      manufacturer: text.optional(),
      product: text.optional(),
      serial: text.optional(),
      assetTag: text.optional(),
    })
    .optional(),
  chassis: z
    .strictObject({
      manufacturer: text.optional(),
      type: text.optional(),
      serial: text.optional(),
      assetTag: text.optional(),
    })
    .optional(),
  bios: z
    .strictObject({ vendor: text.optional(), version: text.optional(), date: text.optional() })
    .optional(),
});

const memory = z.strictObject({
  totalBytes: bytes,
  modules: list(
    z.strictObject({
      slot: text.optional(),
      sizeBytes: bytes,
      type: text.optional(),
      speedMts: count.optional(),
      manufacturer: text.optional(),
      serial: text.optional(),
      part: text.optional(),
    }),
  ).default([]),
});

const cpu = z.strictObject({
  socket: count,
  model: text.optional(),
  vendor: text.optional(),
  cores: count,
  threads: count,
  mhz: z.number().min(0).max(100_000).optional(),
});

const bmc = z.strictObject({
  address: text.optional(),
  mac: mac.optional(),
  firmware: text.optional(),
  manufacturer: text.optional(),
  inBand: z.boolean(),
});

const pci = z.strictObject({
  slot: word,
  class: word,
  vendor: word,
  device: word,
  name: text.optional(),
  gpu: z.boolean(),
});

export const reportSchema = z
  .strictObject({
    schema: z.literal(1),
    agent: z.strictObject({
      version: word,
      profile: text.optional(),
      kernel: text.optional(),
      bootMode: z.enum(['bios', 'uefi']).optional(),
      secureBoot: z.boolean().optional(),
    }),
    bootMac: mac,
    dmi,
    cpus: list(cpu),
    memory,
    disks: list(reportedDisk),
    nics: list(nic).min(1),
    bmc: bmc.optional(),
    pci: list(pci),
  })
  .superRefine((report, context) => {
    const seen = new Set<Mac>();
    for (const [index, { mac, permanentMac }] of report.nics.entries()) {
      const identity = permanentMac ?? mac;
      if (seen.has(identity)) {
        const path = ['nics', index, permanentMac ? 'permanentMac' : 'mac'];
        context.addIssue({ code: 'custom', path, message: `${identity} appears twice` });
      }
      seen.add(identity);
    }
  });

export type ReconReport = z.output<typeof reportSchema>;

export type ParsedReport =
  | { readonly ok: true; readonly report: ReconReport }
  | { readonly ok: false; readonly path: string; readonly why: string };

/** @param body the bytes as received. @returns the report, or the JSON pointer of what is wrong and why. */
export function parseReport(body: Uint8Array): ParsedReport {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return { ok: false, path: '', why: 'the body is not JSON in UTF-8' };
  }
  const parsed = reportSchema.safeParse(document);
  if (parsed.success) return { ok: true, report: parsed.data };
  const issue = parsed.error.issues[0];
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const path = [...(issue?.path ?? []), ...unknown].map(
    (part) => `/${escapePointer(String(part))}`,
  );
  return { ok: false, path: path.join(''), why: issue?.message ?? 'wrong form' };
}

/** RFC 6901 section 3; long or strange names, which a hostile report may hold, are cut. */
function escapePointer(part: string): string {
  return part.slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1');
}

/** The addresses that identify a report's NICs: burned-in where known. */
export function macsOf(report: ReconReport): Mac[] {
  return report.nics.map((nic) => nic.permanentMac ?? nic.mac);
}
