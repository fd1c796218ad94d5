/**
 * A virtual rack, described in one YAML file: which machines stand in it and what is in them. Parsed strictly; MACs and
 * UUIDs that are not given follow from the machine's name, so that a rack is the same at each start.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { type Mac, parseMac } from '../src/wire/mac.ts';
import { DEFAULT_USERS, type FakeKnobs, type FakeUser } from './fake-bmc-state.ts';

const nic = z.strictObject({
  model: z.enum(['virtio-net-pci', 'e1000', 'e1000e', 'rtl8139']).default('virtio-net-pci'),
  mac: z.string().optional(),
  /** The NIC that the firmware boots from; the first one when none says so. */
  boot: z.boolean().default(false),
});

const disk = z.strictObject({
  sizeMb: z.number().int().min(1).max(65_536).default(1024),
  serial: z.string().max(20).optional(),
  interface: z.enum(['virtio', 'ahci', 'nvme']).default('virtio'),
  /** Holds a small program that says on the serial port that it runs, and echoes what is typed (test-disk.ts). */
  boots: z.boolean().default(false),
  /** Writes fail with an input/output error: all of them, or those that touch this sector of 512 bytes. */
  failWrites: z
    .union([z.boolean(), z.strictObject({ sector: z.number().int().min(0) })])
    .default(false),
  /** The same for reads. */
  failReads: z
    .union([z.boolean(), z.strictObject({ sector: z.number().int().min(0) })])
    .default(false),
});

/** A BMC of the lab: RMCP+ on the out-of-band network, and the guest's own way to it. */
const fakeBmc = z.strictObject({
  /** `dhcp`: asks for one on the out-of-band network; else one of 10.79.0.2 to 10.79.0.99. */
  address: z.union([z.literal('dhcp'), z.ipv4()]).default('dhcp'),
  mac: z.string().optional(),
  users: z
    .array(
      z.strictObject({
        name: z.string().max(16),
        password: z.string().max(20),
        /** 2 user, 3 operator, 4 administrator. */
        privilege: z.number().int().min(2).max(4),
      }),
    )
    .max(9)
    .default([...DEFAULT_USERS]),
  suites: z.array(z.number().int()).default([3, 17]),
  /** K_G as hexadecimal digits. */
  kg: z
    .string()
    .regex(/^([0-9a-f]{2}){1,20}$/i)
    .optional(),
  /** It answers nobody any more, this long after its machine was first switched on. */
  diesAfterSeconds: z.number().min(0).optional(),
  knobs: z
    .strictObject({
      lossRate: z.number().min(0).max(1).optional(),
      delayMs: z.number().int().min(0).optional(),
      sessionsMax: z.number().int().min(0).optional(),
      hang: z.boolean().optional(),
      dead: z.boolean().optional(),
      duplicates: z.boolean().optional(),
      cannotCycle: z.boolean().optional(),
      forgetsBootFlags: z.boolean().optional(),
      ignoresBootFlags: z.boolean().optional(),
      lieAboutPower: z.boolean().optional(),
    })
    .default({}),
});

/** What is wrong with a machine's cable: see faulty-link.ts. */
const linkFault = z.strictObject({
  lossPercent: z.number().min(0).max(100).optional(),
  mtuBytes: z.number().int().min(68).optional(),
  cutAfterBytes: z.number().int().min(0).optional(),
  filters: z.array(z.enum(['tcp', 'tcp-of-linux', 'tftp-answers', 'dhcp-answers'])).optional(),
});

const machine = z.strictObject({
  /** `%d` counts from 1 when `count` is above 1. */
  name: z.string().regex(/^[a-z0-9%-]{1,32}$/),
  count: z.number().int().min(1).max(64).default(1),
  firmware: z.enum(['bios', 'uefi']).default('bios'),
  /** UEFI only: whose firmware. `ia32` is UEFI of 32 bits on the same PC, `arm64` another machine altogether. */
  arch: z.enum(['x64', 'ia32', 'arm64']).default('x64'),
  /**
   * `rom`: the card's ROM is iPXE. `chain`: plain PXE, which is handed iPXE over TFTP. UEFI is always the latter, but
   * with `http` or `https`: then its firmware asks for nothing but HTTP Boot.
   */
  netboot: z.enum(['rom', 'chain', 'http', 'https']).default('rom'),
  /** UEFI only: the firmware starts nothing that is not signed by whom it trusts. */
  secureBoot: z.boolean().default(false),
  /** UEFI only: whether it tries PXE over IPv6 when IPv4 has failed, for a minute in which nobody answers. */
  ipv6Boot: z.boolean().default(true),
  link: linkFault.optional(),
  nics: z.array(nic).min(1).max(4).prefault([{}]),
  disks: z.array(disk).max(8).prefault([{}]),
  serial: z.string().max(64).optional(),
  uuid: z.uuid().optional(),
  manufacturer: z.string().max(64).default('LabCorp'),
  product: z.string().max(64).default('Model-X'),
  asset: z.string().max(64).optional(),
  memoryMb: z.number().int().min(256).max(8192).default(512),
  cpus: z.number().int().min(1).max(16).default(1),
  /**
   * `true`: a BMC that only the machine itself can ask (QEMU's own, without a network). `fake`, or what is different about
   * it: one of the lab's, on the out-of-band network.
   */
  bmc: z.union([z.boolean(), z.literal('fake'), fakeBmc]).default(false),
  /** What its firmware tries first when its BMC has not been told otherwise. */
  bootFirst: z.enum(['network', 'disk']).default('network'),
  /** Whether `lab create` switches it on. */
  power: z.enum(['on', 'off']).default('on'),
});

const rack = z.strictObject({
  machines: z
    .array(
      machine
        .refine(({ firmware, netboot }) => firmware === 'uefi' || !netboot.startsWith('http'), {
          path: ['netboot'],
          message: 'HTTP Boot needs firmware: uefi',
        })
        .refine(({ firmware, arch }) => firmware === 'uefi' || arch === 'x64', {
          path: ['arch'],
          message: 'another processor needs firmware: uefi',
        }),
    )
    .min(1),
});

export type RackDescription = z.input<typeof rack>;

export interface FakeBmcPlan {
  /** `dhcp`, or an IPv4 address. */
  readonly address: string;
  readonly mac: Mac;
  readonly users: readonly FakeUser[];
  readonly suites: readonly number[];
  readonly kg?: string | undefined;
  readonly diesAfterSeconds?: number | undefined;
  readonly knobs: { readonly [Name in keyof FakeKnobs]?: FakeKnobs[Name] | undefined };
}

export interface RackMachine
  extends Omit<z.output<typeof machine>, 'nics' | 'disks' | 'count' | 'bmc'> {
  readonly bmc: 'none' | 'internal' | FakeBmcPlan;
  readonly serial: string;
  readonly uuid: string;
  readonly nics: readonly { readonly model: string; readonly mac: Mac; readonly boot: boolean }[];
  readonly disks: readonly {
    readonly sizeMb: number;
    readonly serial: string;
    readonly interface: string;
    readonly boots: boolean;
    readonly failWrites: boolean | { readonly sector: number };
    readonly failReads: boolean | { readonly sector: number };
  }[];
}

/** Whether this machine's firmware fetches iPXE over TFTP: an e1000's ROM is iPXE under UEFI as under BIOS. */
export function chainsOverTftp({ firmware, netboot, nics }: RackMachine): boolean {
  if (firmware === 'bios') return netboot === 'chain';
  return (
    !netboot.startsWith('http') &&
    nics.some(({ boot, model }) => boot && model === 'virtio-net-pci')
  );
}

export function loadRack(file: string): RackMachine[] {
  return expandRack(parse(readFileSync(file, 'utf8')));
}

/** @throws Error that names each wrong place */
export function expandRack(description: unknown): RackMachine[] {
  const parsed = rack.safeParse(description);
  if (!parsed.success) throw new Error(`the rack is not valid:\n${z.prettifyError(parsed.error)}`);
  const machines = parsed.data.machines.flatMap((spec) =>
    Array.from({ length: spec.count }, (_, index) => expand(spec, index + 1)),
  );
  const names = new Set(machines.map(({ name }) => name));
  if (names.size < machines.length) throw new Error('two machines of the rack have the same name');
  return machines;
}

function expand({ count: _count, ...spec }: z.output<typeof machine>, number: number): RackMachine {
  const numbered = (text: string) => text.replaceAll('%d', String(number));
  const name = numbered(spec.name);
  const digest = createHash('sha256').update(name).digest('hex');
  const bootIndex = Math.max(
    0,
    spec.nics.findIndex(({ boot }) => boot),
  );
  return {
    ...spec,
    name,
    serial: numbered(spec.serial ?? `SN-${name.toUpperCase()}`),
    uuid:
      spec.uuid ??
      `${digest.slice(0, 8)}-${digest.slice(8, 12)}-4${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`,
    nics: spec.nics.map((entry, index) => ({
      model: entry.model,
      mac: macOf(entry.mac ?? `52:54:00:${digest.slice(32, 34)}:${digest.slice(34, 36)}:0${index}`),
      boot: index === bootIndex,
    })),
    bmc: bmcPlan(spec.bmc, `02:bc:00:${digest.slice(44, 46)}:${digest.slice(46, 48)}:01`),
    disks: spec.disks.map((entry, index) => ({
      ...entry,
      serial: entry.serial ?? `D${index}-${digest.slice(40, 50)}`,
    })),
  };
}

function bmcPlan(bmc: z.output<typeof machine>['bmc'], ownMac: string): RackMachine['bmc'] {
  if (typeof bmc === 'boolean') return bmc ? 'internal' : 'none';
  const plan = bmc === 'fake' ? fakeBmc.parse({}) : bmc;
  return { ...plan, mac: macOf(plan.mac ?? ownMac) };
}

/** The plan of a machine's BMC of the lab; undefined where it has none of those. */
export function fakeBmcOf({ bmc }: Pick<RackMachine, 'bmc'>): FakeBmcPlan | undefined {
  return typeof bmc === 'string' ? undefined : bmc;
}

function macOf(text: string): Mac {
  const mac = parseMac(text);
  if (!mac) throw new Error(`'${text}' is not a MAC address`);
  return mac;
}
