/** Which disks are chosen, what is made of them, and that nothing of a plan can be taken for more than a word. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  chooseDisks,
  type DiskRule,
  diskRuleSchema,
  type SeenDisk,
} from '../../../src/install/disk-rule.ts';
import { LAYOUTS, layoutObject } from '../../../src/install/layout.ts';
import { planFor, planLines } from '../../../src/install/plan.ts';
import { partition, storageOf } from '../../../src/install/storage.ts';
import { installParams } from '../../../src/jobs/kinds/install-params.ts';
import { installDetail, RAW } from '../../support/work-world.ts';

const GB = 1e9;
const disk = (name: string, changes: Partial<SeenDisk> = {}): SeenDisk => ({
  ...{ name, serial: `S-${name}`, sizeBytes: 480 * GB, rotational: false, interface: 'sata' },
  path: `pci-0000:00:0${name.charCodeAt(2) % 10}.0`,
  ...changes,
});
const rule = (given: unknown): DiskRule => diskRuleSchema.parse(given);
const chosen = (disks: readonly SeenDisk[], given: unknown, count = 1) => {
  const choice = chooseDisks(disks, rule(given), count);
  return choice.ok ? choice.disks.map(({ name }) => name).join() : choice.code;
};

describe('the rule for disks', () => {
  const sda = disk('sda');
  const sdb = disk('sdb');
  const hdd = disk('sdc', { rotational: true, sizeBytes: 4000 * GB });
  const small = disk('sdd', { sizeBytes: 240 * GB });
  const nvme = disk('nvme0n1', { interface: 'nvme', sizeBytes: 960 * GB });
  const stick = disk('sde', { interface: 'usb', sizeBytes: 16 * GB });

  it.each([
    ['the only one', [sda], 'only disk', 'sda'],
    ['none', [], 'only disk', 'DISK_NONE'],
    ['two alike', [sda, sdb], 'only disk', 'DISK_AMBIGUOUS'],
    ['two alike, the smallest', [sda, sdb], 'smallest ssd', 'DISK_AMBIGUOUS'],
    ['two alike and a smaller one', [sda, sdb, small], 'smallest ssd', 'sdd'],
    ['by kind', [sda, hdd], 'only hdd', 'sdc'],
    ['the largest', [sda, hdd, nvme], 'largest any', 'sdc'],
    ['nvme', [sda, nvme], 'only nvme', 'nvme0n1'],
    ['by address', [sdb, sda], 'first disk', 'sda'],
    ['by serial', [sda, sdb], 'serial=S-sdb', 'sdb'],
    ['a serial that is not there', [sda, sdb], 'serial=S-sdx', 'DISK_NONE'],
    ['a stick is no system disk', [stick], 'smallest disk', 'DISK_NONE'],
    ['a stick that is named', [stick], 'serial=S-sde', 'sde'],
    ['by size', [sda, small], { sizeMaxGb: 250 }, 'sdd'],
    ['by model', [sda, disk('sdf', { model: 'INTEL SSD' })], { model: 'intel' }, 'sdf'],
  ])('%s', (_name, disks, given, expected) => expect(chosen(disks, given)).toBe(expected));

  it('does not take one of two that show the same serial', () => {
    const twins = [disk('sda', { serial: 'X' }), disk('sdb', { serial: 'X' })];
    expect(chosen(twins, 'serial=X')).toBe('DISK_AMBIGUOUS');
    expect(chosen(twins, 'serial=X', 2)).toBe('DISK_AMBIGUOUS');
  });

  it('takes two for a mirror, and says which are in question', () => {
    expect(chosen([sda, sdb, hdd], 'only ssd', 2)).toBe('sda,sdb');
    const choice = chooseDisks([sda, sdb], rule('only disk'), 1);
    expect(choice).toMatchObject({
      ok: false,
      detail: expect.stringContaining('sdb serial S-sdb'),
    });
  });

  it('never depends on the order in which the kernel found them, nor on their names', () => {
    const seen = fc.record({
      serial: fc.option(fc.constantFrom('A', 'B', 'C', 'D'), { nil: undefined }),
      sizeBytes: fc.constantFrom(240 * GB, 480 * GB, 960 * GB),
      rotational: fc.boolean(),
      interface: fc.constantFrom('sata', 'nvme', 'usb', 'sas'),
      path: fc.constantFrom('pci-1', 'pci-2', 'pci-3'),
    });
    const rules = fc.constantFrom(
      'only ssd',
      'smallest ssd',
      'largest disk',
      'first nvme',
      'serial=A',
    );
    fc.assert(
      fc.property(
        fc.array(seen, { maxLength: 6 }),
        rules,
        fc.integer({ min: 1, max: 2 }),
        (list, text, count) => {
          const named = list.map((each, index) => ({ ...each, name: `sd${index}` }) as SeenDisk);
          const other = list
            .toReversed()
            .map((each, index) => ({ ...each, name: `sd${index}` }) as SeenDisk);
          const [a, b] = [named, other].map((disks) => chooseDisks(disks, rule(text), count));
          expect(a?.ok).toBe(b?.ok);
          if (!a?.ok || !b?.ok) return;
          expect(a.disks).toHaveLength(count);
          // Where it chose, what tells the chosen from the others is the same both times.
          const facts = (disks: readonly SeenDisk[]) =>
            disks
              .map(({ sizeBytes, path }) => (text.startsWith('first') ? path : sizeBytes))
              .sort();
          expect(facts(a.disks)).toEqual(facts(b.disks));
        },
      ),
    );
  });

  it.each(['', 'sda', '/dev/sda', 'smallest', 'serial=', 'biggest ssd'])('has no form %j', (text) =>
    expect(diskRuleSchema.safeParse(text).success).toBe(false),
  );
});

describe('layouts', () => {
  const seed = (name: string) => new TextEncoder().encode(name.padEnd(32, '.'));
  const nvme = disk('nvme0n1');

  it('name partitions as the kernel does', () => {
    expect(partition({ name: 'sda' }, 3)).toBe('/dev/sda3');
    expect(partition({ name: 'nvme0n1' }, 3)).toBe('/dev/nvme0n1p3');
    expect(partition({ name: 'vdaa' }, 12)).toBe('/dev/vdaa12');
  });

  it('boot by BIOS and by UEFI, whatever the machine is today', () => {
    for (const layout of Object.values(LAYOUTS)) {
      const { tables } = storageOf(
        layout,
        [disk('sda'), disk('sdb')].slice(0, layout.raid1 ? 2 : 1),
        seed,
      );
      for (const { table } of tables) {
        expect(table).toMatch(/size=2048, type=21686148-6449-6E6F-744E-656564454649/);
        expect(table).toMatch(/type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B/);
      }
    }
  });

  it('plain: one root behind the two', () => {
    const storage = storageOf(LAYOUTS.plain, [nvme], seed);
    expect(storage.formats.map(({ fs, device }) => `${fs} ${device}`)).toEqual([
      'vfat /dev/nvme0n1p2',
      'ext4 /dev/nvme0n1p3',
    ]);
    expect(storage.mounts).toEqual([
      { device: '/dev/nvme0n1p3', path: '/' },
      { device: '/dev/nvme0n1p2', path: '/boot/efi' },
    ]);
    const root = storage.formats[1]?.id;
    expect(storage.fstab).toContain(`UUID=${root} / ext4 errors=remount-ro 0 1\n`);
    expect(storage.needs).toEqual([]);
  });

  it('lvm: a group on the third partition, the volume without a size last', () => {
    const storage = storageOf(LAYOUTS.lvm, [disk('sda')], seed);
    expect(storage.lvm).toEqual([{ group: 'system', device: '/dev/sda3' }]);
    expect(storage.lvmVolumes.map(({ name, sizeMb }) => `${name} ${sizeMb}`)).toEqual([
      'root 1200',
      'var 0',
    ]);
    expect(storage.checks).toEqual(['/dev/system/root', '/dev/system/var']);
    expect(storage.needs).toEqual(['lvm2']);
  });

  it('raid1: both disks alike, each with a loader of its own', () => {
    const storage = storageOf(LAYOUTS.raid1, [disk('sda'), nvme], seed);
    expect(storage.raids).toEqual([
      { device: '/dev/md0', name: 'root', members: ['/dev/sda3', '/dev/nvme0n1p3'] },
    ]);
    expect(storage.espCopies).toEqual(['/dev/nvme0n1p2']);
    expect(storage.fstab).toContain('nofail');
    const ids = storage.tables.map(({ table }) => /label-id: (\S+)/.exec(table)?.[1]);
    expect(new Set(ids).size).toBe(2);
  });

  it.each([
    ['no root', { volumes: [{ mount: '/var' }] }],
    ['two that take the rest', { volumes: [{ mount: '/' }, { mount: '/var' }] }],
    ['none that takes the rest', { volumes: [{ mount: '/', sizeMb: 900 }] }],
    ['one mount point twice', { volumes: [{ mount: '/' }, { mount: '/', sizeMb: 90 }] }],
    ['a path that leaves', { volumes: [{ mount: '/' }, { mount: '/a/../b', sizeMb: 90 }] }],
    ['what the kernel provides', { volumes: [{ mount: '/' }, { mount: '/proc', sizeMb: 90 }] }],
    ['signs', { volumes: [{ mount: '/' }, { mount: '/a b', sizeMb: 90 }] }],
  ])('are refused: %s', (_name, layout) =>
    expect(layoutObject.safeParse(layout).success).toBe(false),
  );

  it('give every volume a name of its own', () => {
    const volumes = ['/srv/application-a', '/srv/application-b', '/'].map((mount, index) => ({
      ...{ mount, fs: 'ext4' as const },
      ...(index < 2 ? { sizeMb: 100 } : {}),
    }));
    const { lvmVolumes } = storageOf({ ...LAYOUTS.lvm, volumes }, [nvme], seed);
    expect(new Set(lvmVolumes.map(({ name }) => name)).size).toBe(3);
  });
});

describe('a plan', () => {
  const input = (changes: Parameters<typeof installDetail>[0] = {}) => ({
    detail: installDetail(changes),
    seen: {
      bootMode: 'uefi' as const,
      disks: [disk('sda', { serial: 'WD "x"; rm -rf /\t$(id)' })],
    },
    ...{ job: 'job', hardwarename: 'HW1', url: 'http://10.77.0.1:8080' },
    ...{ token: 'w'.repeat(32), metadataToken: 'm'.repeat(32) },
  });

  it('is plain words whatever names, keys, serials and data hold', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const detail = { userData: text, role: text, metadata: { x: text }, sshKeys: [text] };
        const plan = planFor(input(detail));
        for (const line of plan.trimEnd().split('\n'))
          expect(line).toMatch(/^[a-z0-9-]+(\t[A-Za-z0-9._/:=+@,-]+)*$/);
      }),
    );
  });

  it('ends with the verification, and mounts before it copies', () => {
    for (const image of [installDetail().image, RAW]) {
      const verbs = planLines(input({ image })).map(([verb]) => verb);
      expect(verbs.at(-1)).toBe('verify');
      expect(verbs.indexOf('disk')).toBeLessThan(verbs.indexOf('clear'));
      expect(verbs).toContain('network-first');
      const copy = verbs.indexOf(image.kind === 'raw' ? 'raw' : 'untar');
      expect(verbs.indexOf('clear')).toBeLessThan(copy);
      expect(verbs.indexOf('file')).toBeGreaterThan(copy);
    }
  });

  it('refuses a disk that the image does not fit on', () => {
    const [file] = RAW.files;
    if (!file) throw new Error('no file');
    const image = { ...RAW, files: [{ ...file, contentSize: 481 * GB }] };
    expect(() => planLines(input({ image }))).toThrow(/481\.0 GB/);
  });

  it('finds the NIC by its address, never by a name that the next kernel may give to another', () => {
    const unit = planLines(input()).find(([, path]) => String(path).endsWith('.network'));
    const text = Buffer.from(String(unit?.[3]), 'base64').toString();
    expect(text).toContain('PermanentMACAddress=52:54:00:00:00:0a');
    expect(text).not.toMatch(/^Name=/m);
  });
});

describe('what an install is asked for with', () => {
  const key =
    'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq3xkk6lNqoUSuTH0zhQyRoJ5IYbHpl0V5WmnTTmJ7m a@b';
  it.each([
    [{ image: 'debian-12/stable' }, true],
    [{ image: 'debian-12@1', sshKeys: [key], layout: 'raid1', disks: 'smallest ssd' }, true],
    [{ image: 'debian-12' }, false],
    [{ image: 'debian-12/stable', sshKeys: [`${key}\nssh-ed25519 x`] }, false],
    [{ image: 'debian-12/stable', sshKeys: ['-----BEGIN OPENSSH PRIVATE KEY-----'] }, false],
    [{ image: 'debian-12/stable', hostname: 'Web_1' }, false],
    [{ image: 'debian-12/stable', layout: 'zfs' }, false],
    [{ image: 'debian-12/stable', network: { kind: 'static', address: '10.0.0.300/24' } }, false],
    [{ image: 'debian-12/stable', network: { kind: 'static', address: '10.0.0.3/24' } }, true],
    [{ image: 'debian-12/stable', wipe: true }, false],
  ])('%j: %j', (params, good) => expect(installParams.safeParse(params).success).toBe(good));
});
