/**
 * The plan of an install: what the agent does to which disk, one action a line, in order.
 *
 * Everything that can be decided is decided here, in a pure function over what the job wants and what the agent sees, so
 * that the shell in the ramdisk chooses nothing: it carries out verbs with plain arguments and stops at the first that
 * fails. Fields are divided by tabs and hold only letters, digits and a few signs; what may hold anything (files, tables)
 * is base64. The verbs are in docs/install.md and pxeimage/agent/install.sh.
 */
import { createHash } from 'node:crypto';
import { AppError } from '../errors.ts';
import type { ImageFile } from '../inventory/images.ts';
import { unreachable } from '../wire/result.ts';
import type { InstallDetail } from './detail.ts';
import { chooseDisks, type SeenDisk } from './disk-rule.ts';
import { SYSTEM_LINKS, systemFiles } from './files.ts';
import { disksOf, LAYOUTS } from './layout.ts';
import type { Seen } from './seen.ts';
import { type Storage, storageOf } from './storage.ts';

export interface PlanInput {
  readonly detail: InstallDetail;
  readonly seen: Seen;
  readonly job: string;
  readonly hardwarename: string;
  /** The appliance, as the agent has reached it. */
  readonly url: string;
  /** Of this work: the image is fetched with it. */
  readonly token: string;
  readonly metadataToken: string;
}

export type Verb =
  | 'plan'
  | 'step'
  | 'disk'
  | 'clear'
  | 'table'
  | 'raid'
  | 'lvm'
  | 'volume'
  | 'mkfs'
  | 'swap'
  | 'mount'
  | 'raw'
  | 'untar'
  | 'grow'
  | 'file'
  | 'link'
  | 'hostkeys'
  | 'initramfs'
  | 'boot-bios'
  | 'boot-uefi'
  | 'esp-copy'
  | 'network-first'
  | 'verify';

export type PlanLine = readonly [Verb, ...(string | number)[]];

/** Version of the verbs: an agent that does not know it refuses. */
const PLAN_VERSION = 1;

/** @throws AppError DISK_NONE, DISK_AMBIGUOUS, REQUEST_INVALID for an image that this cannot install */
export function planFor(input: PlanInput): string {
  return renderPlan(planLines(input));
}

export function planLines(input: PlanInput): PlanLine[] {
  const { detail, seen } = input;
  const { kind } = detail.image;
  const layout = detail.layout ?? LAYOUTS.plain;
  const choice = chooseDisks(seen.disks, detail.disks, kind === 'raw' ? 1 : disksOf(layout));
  if (!choice.ok) throw new AppError(choice.code, { detail: choice.detail });
  switch (kind) {
    case 'raw':
      return rawPlan(input, choice.disks);
    case 'tarball':
      return tarballPlan(input, storageOf(layout, choice.disks, seedOf(input)), choice.disks);
    case 'installer':
      throw new AppError('REQUEST_INVALID', {
        detail: 'An image of kind installer is booted, not written.',
      });
    default:
      return unreachable(kind);
  }
}

function rawPlan(input: PlanInput, disks: readonly SeenDisk[]): PlanLine[] {
  const { detail, seen } = input;
  const [disk] = disks;
  if (!disk) throw new Error('a choice of one disk without a disk');
  const file = fileOf(detail, 'disk');
  if (file.contentSize > disk.sizeBytes) throw tooSmall(disk, file);
  const device = `/dev/${disk.name}`;
  return [
    ['plan', PLAN_VERSION],
    ['step', 'partition', 1],
    claim(disk),
    ['clear', device],
    ['step', 'copy', 2],
    ['raw', device, ...stream(file), detail.verify],
    ['step', 'grow', 80],
    ['grow', device],
    ['step', 'configure', 86],
    ...configure(input),
    ['step', 'bootloader', 92],
    ...(seen.bootMode === 'uefi' ? [['network-first'] as PlanLine] : []),
    ['step', 'verify', 95],
    ['verify', 'raw', device],
  ];
}

function tarballPlan(input: PlanInput, storage: Storage, disks: readonly SeenDisk[]): PlanLine[] {
  const { detail, seen } = input;
  const file = fileOf(detail, 'root');
  const fstab: PlanLine = ['file', '/etc/fstab', '0644', base64(storage.fstab)];
  return [
    ['plan', PLAN_VERSION],
    ['step', 'partition', 1],
    ...disks.map(claim),
    ...disks.map(({ name }): PlanLine => ['clear', `/dev/${name}`]),
    ...storage.tables.map(({ device, table }): PlanLine => ['table', device, base64(table)]),
    ...storage.raids.map(
      ({ device, name, members }): PlanLine => ['raid', device, name, ...members],
    ),
    ...storage.lvm.map(({ group, device }): PlanLine => ['lvm', group, device]),
    ...storage.lvmVolumes.map(
      ({ group, name, sizeMb }): PlanLine => ['volume', group, name, sizeMb],
    ),
    ['step', 'format', 3],
    ...storage.formats.map(
      ({ fs, device, id, label }): PlanLine =>
        fs === 'swap' ? ['swap', device, id] : ['mkfs', fs, device, id, label],
    ),
    ...storage.mounts.map(({ device, path }): PlanLine => ['mount', device, path]),
    ['step', 'copy', 5],
    ['untar', ...stream(file)],
    ['step', 'configure', 75],
    fstab,
    ...configure(input),
    ...(storage.needs.length > 0 ? [['initramfs', ...storage.needs] as PlanLine] : []),
    ['step', 'bootloader', 82],
    ...disks.map(({ name }): PlanLine => ['boot-bios', `/dev/${name}`]),
    ['boot-uefi'],
    ...storage.espCopies.map((device): PlanLine => ['esp-copy', device]),
    ...(seen.bootMode === 'uefi' ? [['network-first'] as PlanLine] : []),
    ['step', 'verify', 94],
    ['verify', 'tarball', ...storage.checks],
  ];
}

function claim({ name, serial, sizeBytes }: SeenDisk): PlanLine {
  return ['disk', `/dev/${name}`, sizeBytes, base64(serial ?? '')];
}

function stream({ sha256, size, compression, contentSha256, contentSize }: ImageFile) {
  return [sha256, size, compression, contentSha256, contentSize] as const;
}

function configure({ detail, job, hardwarename, url, metadataToken }: PlanInput): PlanLine[] {
  const facts = { job, hardwarename, phoneHome: `${url}/phone-home/${metadataToken}` };
  const [name, ...others] = systemFiles(detail, facts).map(
    ({ path, mode, text }): PlanLine => ['file', path, mode, base64(text)],
  );
  if (!name) throw new Error('a system without a name');
  // Keys bear the name, which is in the first file, and are made while the others are written.
  return [
    name,
    ['hostkeys'],
    ...others,
    ...SYSTEM_LINKS.map(([path, target]): PlanLine => ['link', path, target]),
  ];
}

function fileOf({ image }: InstallDetail, role: ImageFile['role']): ImageFile {
  const file = image.files.find((each) => each.role === role);
  if (file) return file;
  const detail = `${image.name}@${image.version} has no file for ${role}.`;
  throw new AppError('IMAGE_INCOMPLETE', { detail });
}

function tooSmall({ name, serial, sizeBytes }: SeenDisk, { contentSize }: ImageFile): AppError {
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const detail = `${name} (${serial ?? 'no serial'}) has ${gb(sizeBytes)}, the image is ${gb(contentSize)}.`;
  return new AppError('DISK_NONE', { detail });
}

/** What ids of file systems are made from: a plan asked for twice is the same plan. */
function seedOf({ job, token }: PlanInput): (name: string) => Uint8Array {
  return (name) => createHash('sha256').update(`${job}\n${token}\n${name}`).digest();
}

function base64(text: string): string {
  // `-` stands for nothing: a shell that reads fields divided by tabs cannot see an empty one.
  return text === '' ? '-' : Buffer.from(text, 'utf8').toString('base64');
}

/** @throws Error for a field that is not plain: nothing may reach the shell that it could take for more than a word */
function renderPlan(lines: readonly PlanLine[]): string {
  return lines
    .map((line) => {
      for (const field of line)
        if (!/^[A-Za-z0-9._/:=+@,-]+$/.test(String(field)))
          throw new Error(`a field of the plan is not plain: ${JSON.stringify(field)}`);
      return `${line.join('\t')}\n`;
    })
    .join('');
}
