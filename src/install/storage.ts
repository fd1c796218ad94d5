/**
 * A layout on real disks: partition tables, RAID, LVM, file systems, mounts, fstab. Pure.
 *
 * Types of partitions are GPT's own GUIDs (UEFI 2.10 section 5.3.3, the Discoverable Partitions Specification for Linux's).
 * Sizes in tables are in sectors of 512 bytes, from 1 MiB on, so that every partition is aligned on every disk.
 */
import type { SeenDisk } from './disk-rule.ts';
import type { Layout } from './layout.ts';

export interface Storage {
  readonly tables: readonly { readonly device: string; readonly table: string }[];
  readonly raids: readonly {
    readonly device: string;
    readonly name: string;
    readonly members: readonly string[];
  }[];
  readonly lvm: readonly { readonly group: string; readonly device: string }[];
  /** `sizeMb` 0: all that is left. */
  readonly lvmVolumes: readonly {
    readonly group: string;
    readonly name: string;
    readonly sizeMb: number;
  }[];
  readonly formats: readonly {
    readonly fs: 'ext4' | 'xfs' | 'vfat' | 'swap';
    readonly device: string;
    /** A UUID; of vfat, eight hex digits. */
    readonly id: string;
    readonly label: string;
  }[];
  /** In the order of mounting. */
  readonly mounts: readonly { readonly device: string; readonly path: string }[];
  readonly fstab: string;
  /** Further EFI system partitions, filled from the first. */
  readonly espCopies: readonly string[];
  /** What the system's initramfs has to know to find its root. */
  readonly needs: readonly ('mdadm' | 'lvm2')[];
  /** Devices whose file systems are checked in the end. */
  readonly checks: readonly string[];
}

const TYPE = {
  bios: '21686148-6449-6E6F-744E-656564454649',
  esp: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  linux: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
  swap: '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F',
  lvm: 'E6D6D379-F507-44C2-A23C-238F2A3DF928',
  raid: 'A19D880F-05FC-4D3B-A006-743F0F84911E',
} as const;

/** Something that holds one file system, before it has a device. */
interface Holder {
  readonly name: string;
  readonly fs: 'ext4' | 'xfs' | 'swap';
  /** '' for swap. */
  readonly mount: string;
  /** 0: the rest. */
  readonly sizeMb: number;
}

/** @param seed makes bytes out of a name: what ids are made from */
export function storageOf(
  layout: Layout,
  disks: readonly SeenDisk[],
  seed: (name: string) => Uint8Array,
): Storage {
  const holders = holdersOf(layout);
  const { lvm, raid1 } = layout;
  // What stands on the disks: the volumes themselves, or one partition for the group that holds them.
  const parts = lvm === undefined ? holders : [{ ...REST, name: lvm }];
  const esp = 2;
  const first = esp + 1;
  const raids = raid1
    ? parts.map(({ name }, index) => ({
        device: `/dev/md${index}`,
        name,
        members: disks.map((disk) => partition(disk, first + index)),
      }))
    : [];
  const below = (index: number): string => {
    const [disk] = disks;
    if (!disk) throw new Error('a layout without a disk');
    return raids[index]?.device ?? partition(disk, first + index);
  };
  const deviceOf = (holder: Holder): string =>
    lvm === undefined ? below(holders.indexOf(holder)) : `/dev/${lvm}/${holder.name}`;
  const espOf = (disk: SeenDisk) => partition(disk, esp);
  const [firstEsp = '', ...espCopies] = disks.map(espOf);
  const espId = hex(seed('esp')).slice(0, 8).toUpperCase();
  const placed = holders.map((holder) => ({
    ...{ holder, device: deviceOf(holder), id: uuid(seed(`fs ${holder.name}`)) },
  }));
  const mounts = placed
    .filter(({ holder }) => holder.mount !== '')
    .map(({ holder, device }) => ({ device, path: holder.mount }))
    .sort((a, b) => depth(a.path) - depth(b.path) || (a.path < b.path ? -1 : 1));
  return {
    tables: disks.map((disk) => ({
      device: `/dev/${disk.name}`,
      table: tableOf(layout, parts, (name) => uuid(seed(`${disk.name} ${name}`))),
    })),
    raids,
    lvm: lvm === undefined ? [] : [{ group: lvm, device: below(0) }],
    lvmVolumes:
      lvm === undefined ? [] : holders.map(({ name, sizeMb }) => ({ group: lvm, name, sizeMb })),
    formats: [
      ...disks.map((disk) => ({
        ...{ fs: 'vfat' as const, device: espOf(disk), id: espId, label: 'ESP' },
      })),
      ...placed.map(({ holder, device, id }) => ({
        ...{ fs: holder.fs, device, id, label: holder.name },
      })),
    ],
    mounts: [...mounts, { device: firstEsp, path: '/boot/efi' }],
    fstab: fstabOf(placed, espId),
    espCopies,
    needs: [
      ...(raid1 ? (['mdadm'] as const) : []),
      ...(lvm === undefined ? [] : (['lvm2'] as const)),
    ],
    checks: placed.filter(({ holder }) => holder.fs !== 'swap').map(({ device }) => device),
  };
}

const REST: Omit<Holder, 'name'> = { fs: 'ext4', mount: '', sizeMb: 0 };

/** Swap first, then those with a size, the one that takes the rest last: only the last partition can be grown later. */
function holdersOf({ volumes, swapMb }: Layout): Holder[] {
  const names = volumes.map(({ mount }) => nameOf(mount));
  const all: Holder[] = volumes.map(({ mount, fs, sizeMb = 0 }, index) => {
    const base = names[index] ?? '';
    const name = names.indexOf(base) === index ? base : `${base.slice(0, 10)}${index}`;
    return { name, mount, fs, sizeMb };
  });
  const swap: Holder[] =
    swapMb > 0 ? [{ name: 'swap', fs: 'swap', mount: '', sizeMb: swapMb }] : [];
  return [
    ...swap,
    ...all.filter(({ sizeMb }) => sizeMb > 0),
    ...all.filter(({ sizeMb }) => sizeMb === 0),
  ];
}

/** ext4 has sixteen characters for a label, XFS twelve. */
function nameOf(mount: string): string {
  const name = mount === '/' ? 'root' : mount.slice(1).replace(/[^A-Za-z0-9]+/g, '_');
  return name.slice(0, 12).toLowerCase();
}

function tableOf(
  { espMb, raid1, lvm }: Layout,
  parts: readonly Pick<Holder, 'name' | 'fs' | 'sizeMb'>[],
  id: (name: string) => string,
): string {
  const typeOf = (fs: Holder['fs']): string => {
    if (raid1) return TYPE.raid;
    if (lvm !== undefined) return TYPE.lvm;
    return fs === 'swap' ? TYPE.swap : TYPE.linux;
  };
  const line = (name: string, type: string, sizeMb: number) =>
    [
      ...(sizeMb > 0 ? [`size=${sizeMb * 2048}`] : []),
      ...[`type=${type}`, `uuid=${id(name).toUpperCase()}`, `name=${name}`],
    ].join(', ');
  return [
    'label: gpt',
    `label-id: ${id('disk').toUpperCase()}`,
    'first-lba: 2048',
    '',
    line('bios', TYPE.bios, 1),
    line('esp', TYPE.esp, espMb),
    ...parts.map(({ name, fs, sizeMb }) => line(name, typeOf(fs), sizeMb)),
    '',
  ].join('\n');
}

function fstabOf(
  placed: readonly { readonly holder: Holder; readonly id: string }[],
  espId: string,
): string {
  const lines = placed.map(({ holder: { fs, mount }, id }) => {
    if (fs === 'swap') return `UUID=${id} none swap sw 0 0`;
    const options = mount === '/' && fs === 'ext4' ? 'errors=remount-ro' : 'defaults';
    return `UUID=${id} ${mount} ${fs} ${options} 0 ${mount === '/' ? 1 : 2}`;
  });
  // A disk of a mirror may be gone: its EFI system partition must not keep the system from starting.
  const esp = `UUID=${espId.slice(0, 4)}-${espId.slice(4)} /boot/efi vfat umask=0077,nofail 0 1`;
  return `# Written by the installer.\n${[...lines, esp].join('\n')}\n`;
}

/** `sda` -> `/dev/sda3`, `nvme0n1` -> `/dev/nvme0n1p3`. */
export function partition({ name }: Pick<SeenDisk, 'name'>, number: number): string {
  return `/dev/${name}${/\d$/.test(name) ? 'p' : ''}${number}`;
}

const depth = (path: string) => (path === '/' ? 0 : path.split('/').length);

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** RFC 9562 version 8: made from what we like, here a hash. */
function uuid(bytes: Uint8Array): string {
  const digits = hex(bytes);
  const variant = ((Number.parseInt(digits[16] ?? '0', 16) & 3) | 8).toString(16);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `8${digits.slice(13, 16)}`,
    `${variant}${digits.slice(17, 20)}`,
    digits.slice(20, 32),
  ].join('-');
}
