/**
 * A virtual rack, described in one YAML file: which machines stand in it and what is in them. Parsed strictly; MACs and
 * UUIDs that are not given follow from the machine's name, so that a rack is the same at each start.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { type Mac, parseMac } from '../src/wire/mac.ts';

const nic = z.strictObject({
  model: z.enum(['virtio-net-pci', 'e1000', 'e1000e']).default('virtio-net-pci'),
  mac: z.string().optional(),
  /** The NIC that the firmware boots from; the first one when none says so. */
  boot: z.boolean().default(false),
});

const disk = z.strictObject({
  sizeMb: z.number().int().min(1).max(65_536).default(1024),
  serial: z.string().max(20).optional(),
  interface: z.enum(['virtio', 'ahci', 'nvme']).default('virtio'),
});

const machine = z.strictObject({
  /** `%d` counts from 1 when `count` is above 1. */
  name: z.string().regex(/^[a-z0-9%-]{1,24}$/),
  count: z.number().int().min(1).max(64).default(1),
  firmware: z.enum(['bios', 'uefi']).default('bios'),
  /**
   * `rom`: the card's ROM is iPXE. `chain`: plain PXE, which is handed iPXE over TFTP. UEFI is always the latter, but
   * with `http`: then its firmware asks for nothing but HTTP Boot.
   */
  netboot: z.enum(['rom', 'chain', 'http']).default('rom'),
  nics: z.array(nic).min(1).max(4).prefault([{}]),
  disks: z.array(disk).max(8).prefault([{}]),
  serial: z.string().max(64).optional(),
  uuid: z.uuid().optional(),
  manufacturer: z.string().max(64).default('LabCorp'),
  product: z.string().max(64).default('Model-X'),
  asset: z.string().max(64).optional(),
  memoryMb: z.number().int().min(256).max(8192).default(512),
  cpus: z.number().int().min(1).max(16).default(1),
  /** A BMC that the machine can ask in-band (QEMU's own, without a network). */
  bmc: z.boolean().default(false),
});

const rack = z.strictObject({
  machines: z
    .array(
      machine.refine(({ firmware, netboot }) => firmware === 'uefi' || netboot !== 'http', {
        path: ['netboot'],
        message: 'HTTP Boot needs firmware: uefi',
      }),
    )
    .min(1),
});

export type RackDescription = z.input<typeof rack>;

export interface RackMachine extends Omit<z.output<typeof machine>, 'nics' | 'disks' | 'count'> {
  readonly serial: string;
  readonly uuid: string;
  readonly nics: readonly { readonly model: string; readonly mac: Mac; readonly boot: boolean }[];
  readonly disks: readonly {
    readonly sizeMb: number;
    readonly serial: string;
    readonly interface: string;
  }[];
}

/** Whether this machine's firmware fetches iPXE over TFTP: an e1000's ROM is iPXE under UEFI as under BIOS. */
export function chainsOverTftp({ firmware, netboot, nics }: RackMachine): boolean {
  if (firmware === 'bios') return netboot === 'chain';
  return netboot !== 'http' && nics.some(({ boot, model }) => boot && model === 'virtio-net-pci');
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
    disks: spec.disks.map((entry, index) => ({
      ...entry,
      serial: entry.serial ?? `D${index}-${digest.slice(40, 50)}`,
    })),
  };
}

function macOf(text: string): Mac {
  const mac = parseMac(text);
  if (!mac) throw new Error(`'${text}' is not a MAC address`);
  return mac;
}
