/**
 * Partition layouts as data: which file systems a machine gets, and on what they stand (plain partitions, LVM, RAID 1).
 *
 * Every layout is GPT and boots both ways: a BIOS boot partition and an EFI system partition are made on each disk, whatever
 * firmware the machine has today, because a board that is replaced or a setting that is lost must not cost the system.
 * A layout with RAID 1 takes two disks, and each of them can boot alone. Pure.
 */
import { z } from 'zod';

const FILE_SYSTEMS = ['ext4', 'xfs'] as const;

const mountPoint = z
  .string()
  .max(200)
  .regex(/^\/(?:[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*)?$/, 'an absolute path, plain characters')
  .refine((path) => !path.split('/').includes('..'), 'an absolute path');

const volume = z.strictObject({
  mount: mountPoint,
  fs: z.enum(FILE_SYSTEMS).default('ext4'),
  sizeMb: z
    .number()
    .int()
    .min(16)
    .max(1_000_000_000)
    .optional()
    .describe('2^20 bytes; one volume has none and takes the rest'),
});

export const layoutObject = z
  .strictObject({
    raid1: z.boolean().default(false),
    lvm: z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,30}$/)
      .optional()
      .describe('The name of a volume group that holds the volumes'),
    espMb: z.number().int().min(33).max(4096).default(100),
    swapMb: z.number().int().min(0).max(1_000_000).default(0),
    volumes: z.array(volume).min(1).max(12),
  })
  .superRefine(({ volumes }, context) => {
    const issue = (message: string) => context.addIssue({ code: 'custom', message });
    const mounts = volumes.map(({ mount }) => mount);
    if (!mounts.includes('/')) issue('one volume is mounted at /');
    if (new Set(mounts).size < mounts.length) issue('two volumes have one mount point');
    if (volumes.filter(({ sizeMb }) => sizeMb === undefined).length !== 1)
      issue('exactly one volume has no sizeMb: it takes the rest');
    if (
      mounts.some((mount) => /^\/(proc|sys|dev|run|etc|bin|sbin|lib|boot\/efi)(\/|$)/.test(mount))
    )
      issue('/etc, /boot/efi and what the kernel provides are no mount points of a layout');
  });

export type Layout = z.output<typeof layoutObject>;

const root = { mount: '/', fs: 'ext4' } as const;

/** Layouts that have a name. */
export const LAYOUTS = {
  plain: { raid1: false, espMb: 100, swapMb: 0, volumes: [root] },
  lvm: {
    ...{ raid1: false, lvm: 'system', espMb: 100, swapMb: 0 },
    volumes: [
      { ...root, sizeMb: 1200 },
      { mount: '/var', fs: 'ext4' },
    ],
  },
  raid1: { raid1: true, espMb: 100, swapMb: 0, volumes: [root] },
} as const satisfies Record<string, Layout>;

export type LayoutName = keyof typeof LAYOUTS;
const LAYOUT_NAMES = Object.keys(LAYOUTS) as [LayoutName, ...LayoutName[]];

/** A layout, or the name of one. */
export const layoutSchema = z.union([
  z.enum(LAYOUT_NAMES).transform((name): Layout => LAYOUTS[name]),
  layoutObject,
]);

export function disksOf({ raid1 }: Layout): number {
  return raid1 ? 2 : 1;
}
