/**
 * What somebody wants of a machine's hardware, in its JSON form, and whether a machine has it.
 *
 * Every number is a minimum unless it says `atMost`: who asks for 256 GB is content with 512. Disks are counted apart: one
 * disk never meets two demands, which is a matching and not a count. An NVMe disk is an SSD as well; what hangs on USB or is
 * a memory card is no disk to install on. `hardware-text.ts` is the same in words. Pure.
 */
import { z } from 'zod';
import { recordName } from '../inventory/record-kinds.ts';

const DISK_KINDS = ['nvme', 'ssd', 'hdd'] as const;
export type DiskKind = (typeof DISK_KINDS)[number];

const bytes = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const count = z.number().int().min(1).max(4096);
const words = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^[^,]+$/, 'a comma divides demands');

const range = <Value extends z.ZodType<number>>(value: Value) =>
  z
    .strictObject({ atLeast: value.optional(), atMost: value.optional() })
    .refine(({ atLeast, atMost }) => atLeast !== undefined || atMost !== undefined, {
      message: 'needs atLeast or atMost',
    })
    .refine(({ atLeast = 0, atMost = Number.MAX_SAFE_INTEGER }) => atLeast <= atMost, {
      message: 'atLeast is above atMost',
    });

const diskDemand = z.strictObject({
  count: z.number().int().min(1).max(64),
  kind: z.enum(DISK_KINDS).optional(),
  sizeBytes: range(bytes).optional(),
});

const nicDemand = z.strictObject({
  count: z.number().int().min(1).max(64),
  speedMbps: range(z.number().int().min(1).max(10_000_000)).optional(),
});

export const hardwareSchema = z
  .strictObject({
    type: recordName.optional().describe('A hardware type of ServerDb'),
    manufacturer: words.optional().describe('Is part of what the report says, in any case'),
    product: words.optional(),
    cpus: range(count).optional(),
    cores: range(count).optional(),
    threads: range(count).optional(),
    gpus: range(z.number().int().min(0).max(4096)).optional(),
    memoryBytes: range(bytes).optional(),
    disks: z.array(diskDemand).max(8).optional(),
    nics: z.array(nicDemand).max(8).optional(),
  })
  .refine(({ disks = [] }) => disks.reduce((sum, one) => sum + one.count, 0) <= 64, 'over 64 disks')
  .refine(({ nics = [] }) => nics.reduce((sum, one) => sum + one.count, 0) <= 64, 'over 64 NICs');

export type Hardware = z.output<typeof hardwareSchema>;
export type Range = { readonly atLeast?: number | undefined; readonly atMost?: number | undefined };

export interface HardwareFacts {
  readonly type: string;
  readonly manufacturer: string;
  readonly product: string;
  readonly cpus: number;
  readonly cores: number;
  readonly threads: number;
  readonly gpus: number;
  readonly memoryBytes: number;
  /** `other`: the report does not say whether it turns. */
  readonly disks: readonly { readonly kind: DiskKind | 'other'; readonly sizeBytes: number }[];
  /** Megabits a second, 0 where that is not known. */
  readonly nics: readonly number[];
}

/** @param bus as the report names it; `rotational` undefined where the report does not say */
export function diskKindOf(bus: string, rotational: boolean | undefined): DiskKind | 'other' {
  if (bus === 'nvme') return 'nvme';
  if (rotational === undefined) return 'other';
  return rotational ? 'hdd' : 'ssd';
}

/** Why a machine is not what is wanted, as a short phrase that groups with others; `undefined` when it is. */
export function unmet(wanted: Hardware, has: HardwareFacts): string | undefined {
  const { type, manufacturer, product } = wanted;
  if (type !== undefined && type !== has.type) return `is of type ${has.type || 'unknown'}`;
  if (manufacturer !== undefined && !includes(has.manufacturer, manufacturer))
    return `is not made by ${manufacturer}`;
  if (product !== undefined && !includes(has.product, product)) return `is no ${product}`;
  for (const [name, called] of COUNTED) {
    const fault = outside(wanted[name], has[name]);
    if (fault) return `has too ${fault} ${called}`;
  }
  const memory = outside(wanted.memoryBytes, has.memoryBytes);
  if (memory) return `has too ${memory === 'few' ? 'little' : 'much'} memory`;
  if (!canServe(wanted.disks ?? [], has.disks, fitsDisk)) return 'lacks the disks';
  if (!canServe(wanted.nics ?? [], has.nics, fitsNic)) return 'lacks the NICs';
  return undefined;
}

const COUNTED = [
  ['cpus', 'CPUs'],
  ['cores', 'cores'],
  ['threads', 'threads'],
  ['gpus', 'GPUs'],
] as const;

const includes = (text: string, part: string): boolean =>
  text.toLowerCase().includes(part.toLowerCase());

function outside(range: Range | undefined, value: number): 'few' | 'many' | undefined {
  if (range?.atLeast !== undefined && value < range.atLeast) return 'few';
  if (range?.atMost !== undefined && value > range.atMost) return 'many';
  return undefined;
}

type DiskDemand = z.output<typeof diskDemand>;
type NicDemand = z.output<typeof nicDemand>;

function fitsDisk({ kind, sizeBytes }: DiskDemand, disk: HardwareFacts['disks'][number]): boolean {
  const isKind =
    kind === undefined || kind === disk.kind || (kind === 'ssd' && disk.kind === 'nvme');
  return isKind && outside(sizeBytes, disk.sizeBytes) === undefined;
}

const fitsNic = ({ speedMbps }: NicDemand, mbps: number): boolean =>
  outside(speedMbps, mbps) === undefined;

/**
 * Whether every demand can be served, each by parts of its own: augmenting paths, because a demand that takes what fits it
 * first may take the only part that fits another.
 */
function canServe<Demand extends { readonly count: number }, Part>(
  demands: readonly Demand[],
  parts: readonly Part[],
  fits: (demand: Demand, part: Part) => boolean,
): boolean {
  const single = demands.flatMap((demand) => Array.from({ length: demand.count }, () => demand));
  if (single.length > parts.length) return false;
  const servedBy = new Array<number | undefined>(parts.length).fill(undefined);
  const serve = (index: number, seen: Set<number>): boolean => {
    const demand = single[index];
    for (const [at, part] of parts.entries()) {
      if (!demand || seen.has(at) || !fits(demand, part)) continue;
      seen.add(at);
      const other = servedBy[at];
      if (other !== undefined && !serve(other, seen)) continue;
      servedBy[at] = index;
      return true;
    }
    return false;
  };
  return single.every((_, index) => serve(index, new Set()));
}
