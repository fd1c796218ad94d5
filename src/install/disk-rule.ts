/**
 * Which disks a system is installed on: a rule, applied to the disks that the machine has now.
 *
 * An install overwrites what it is given, so a rule never guesses. It names how many disks it wants; when more fit and the
 * rule does not say which of them come first, or two that are equal stand on either side of the line, nothing is chosen and
 * the answer says which disks are in question and what would tell them apart. Kernel names (sda) are no part of a rule: they
 * change from boot to boot. Pure.
 */
import { z } from 'zod';
import { limit } from '../limits.ts';

/** A disk as the agent sees it; the form of the recon report. */
export interface SeenDisk {
  /** Kernel name in this boot, e.g. `nvme0n1`. */
  readonly name: string;
  readonly model?: string | undefined;
  readonly serial?: string | undefined;
  readonly wwn?: string | undefined;
  readonly sizeBytes: number;
  readonly rotational?: boolean | undefined;
  readonly interface?: string | undefined;
  /** `pci-0000:00:04.0` */
  readonly path?: string | undefined;
  readonly firmware?: string | undefined;
}

const name = z.string().trim().min(1).max(limit('reportTextCharsMax'));
const gigabytes = z.number().positive().max(1_000_000);

const ruleObject = z.strictObject({
  kind: z
    .enum(['any', 'ssd', 'hdd', 'nvme'])
    .default('any')
    .describe('ssd: does not rotate, nvme included'),
  serials: z.array(name).min(1).max(16).optional(),
  wwns: z.array(name).min(1).max(16).optional(),
  model: name.optional().describe('Part of the model, in any case'),
  paths: z.array(name).min(1).max(16).optional().describe('pci-0000:00:04.0'),
  sizeMinGb: gigabytes.optional().describe('10^9 bytes'),
  sizeMaxGb: gigabytes.optional(),
  pick: z
    .enum(['only', 'smallest', 'largest', 'first'])
    .default('only')
    .describe('only: just these fit; first: the lowest PCI address'),
});

export type DiskRule = z.output<typeof ruleObject>;

export const ANY_ONE_DISK: DiskRule = { kind: 'any', pick: 'only' };

/** `smallest ssd`, `only nvme`, `serial=ABC`, `wwn=0x5000…`: the short forms of a rule. */
const SHORT = /^(?:(only|smallest|largest|first) )?(any|ssd|hdd|nvme|disk)$/;

/** @returns undefined for words that are no rule */
export function parseShortRule(text: string): DiskRule | undefined {
  const [, sign, value = ''] = /^(serial|wwn)=(\S.*)$/.exec(text) ?? [];
  if (sign === 'serial') return { kind: 'any', serials: [value], pick: 'only' };
  if (sign === 'wwn') return { kind: 'any', wwns: [value], pick: 'only' };
  const [whole, pick = 'only', kind = 'any'] = SHORT.exec(text.trim().toLowerCase()) ?? [];
  if (whole === undefined) return undefined;
  return ruleObject.parse({ pick, kind: kind === 'disk' ? 'any' : kind });
}

const shortRule = z
  .string()
  .max(200)
  .transform((text, context): DiskRule => {
    const rule = parseShortRule(text);
    if (rule) return rule;
    const message = 'say for example: smallest ssd, only nvme, first disk, serial=ABC, wwn=0x5000';
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });

/** A rule, or one of its short forms. */
export const diskRuleSchema = z.union([ruleObject, shortRule]);

export type DiskChoice =
  | { readonly ok: true; readonly disks: readonly SeenDisk[] }
  | {
      readonly ok: false;
      readonly code: 'DISK_NONE' | 'DISK_AMBIGUOUS';
      readonly detail: string;
    };

/** @param count how many the layout needs */
export function chooseDisks(disks: readonly SeenDisk[], rule: DiskRule, count: number): DiskChoice {
  // A stick in a front port is nobody's system disk, unless it is named.
  const named = rule.serials !== undefined || rule.wwns !== undefined || rule.paths !== undefined;
  const fit = disks.filter(
    (disk) => (named || disk.interface !== 'usb') && fits(disk, rule) && disk.sizeBytes > 0,
  );
  if (fit.length < count) {
    const seen = disks.length === 0 ? 'It has no disk.' : `It has: ${describe(disks)}.`;
    const wanted = `${count} ${count === 1 ? 'disk' : 'disks'} wanted, ${fit.length} fit the rule.`;
    return { ok: false, code: 'DISK_NONE', detail: `${wanted} ${seen}` };
  }
  const twins = sameIdentity(fit);
  if (named && twins.length > 0) return ambiguous('these have one identity', twins);
  if (fit.length === count) return { ok: true, disks: inOrder(fit, rule.pick) };
  if (rule.pick === 'only')
    return ambiguous(`${count} wanted and ${fit.length} fit; the rule does not say which`, fit);
  const ordered = inOrder(fit, rule.pick);
  const [last, next] = [ordered[count - 1], ordered[count]];
  if (last && next && rank(last, rule.pick) === rank(next, rule.pick)) {
    const level = ordered.filter((disk) => rank(disk, rule.pick) === rank(last, rule.pick));
    return ambiguous('these are level', level);
  }
  return { ok: true, disks: ordered.slice(0, count) };
}

function ambiguous(why: string, disks: readonly SeenDisk[]): DiskChoice {
  const detail = `${why}: ${describe(disks)}. Name serials, or another rule.`;
  return {
    ok: false,
    code: 'DISK_AMBIGUOUS',
    detail: `${detail[0]?.toUpperCase()}${detail.slice(1)}`,
  };
}

function fits(disk: SeenDisk, rule: DiskRule): boolean {
  const { kind, serials, wwns, model, paths, sizeMinGb, sizeMaxGb } = rule;
  const gb = disk.sizeBytes / 1e9;
  const among = (list: readonly string[] | undefined, value: string | undefined) =>
    list === undefined || (value !== undefined && list.some((each) => each === value));
  return (
    isOfKind(disk, kind) &&
    among(serials, disk.serial) &&
    among(wwns, disk.wwn) &&
    among(paths, disk.path) &&
    (model === undefined || (disk.model ?? '').toLowerCase().includes(model.toLowerCase())) &&
    (sizeMinGb === undefined || gb >= sizeMinGb) &&
    (sizeMaxGb === undefined || gb <= sizeMaxGb)
  );
}

/** What is not known to rotate is not taken for an SSD, nor for a hard disk. */
function isOfKind(disk: SeenDisk, kind: DiskRule['kind']): boolean {
  switch (kind) {
    case 'any':
      return true;
    case 'nvme':
      return disk.interface === 'nvme';
    case 'ssd':
      return disk.interface === 'nvme' || disk.rotational === false;
    case 'hdd':
      return disk.rotational === true;
  }
}

/** What a pick compares; disks that are level here cannot be told apart by it. */
function rank(disk: SeenDisk, pick: DiskRule['pick']): string {
  switch (pick) {
    case 'smallest':
      return String(disk.sizeBytes).padStart(20, '0');
    case 'largest':
      return String(Number.MAX_SAFE_INTEGER - disk.sizeBytes).padStart(20, '0');
    default:
      return disk.path ?? '';
  }
}

/** By what the pick compares, then by what never changes, so that two agents say the same. */
function inOrder(disks: readonly SeenDisk[], pick: DiskRule['pick']): SeenDisk[] {
  const key = (disk: SeenDisk) =>
    [rank(disk, pick), disk.path ?? '', disk.serial ?? '', disk.name].join('\u0000');
  return disks.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

function sameIdentity(disks: readonly SeenDisk[]): SeenDisk[] {
  const key = ({ serial, wwn }: SeenDisk) => `${serial ?? ''} ${wwn ?? ''}`;
  return disks.filter((disk) => disks.some((other) => other !== disk && key(other) === key(disk)));
}

function describe(disks: readonly SeenDisk[]): string {
  return disks
    .map(({ name, model, serial, sizeBytes }) => {
      const gb = (sizeBytes / 1e9).toFixed(sizeBytes < 1e10 ? 1 : 0);
      return [name, model, serial ? `serial ${serial}` : 'no serial', `${gb} GB`]
        .filter(Boolean)
        .join(' ');
    })
    .join('; ');
}
