/** What the machines of a simulated site are, and the image that they are installed with. */
import type { Inventory } from '../../src/inventory/inventory.ts';
import type { ReconReport } from '../../src/inventory/report.ts';
import type { Hardwarename } from '../../src/wire/ids.ts';
import type { Mac } from '../../src/wire/mac.ts';

export const GB = 1e9;
export const TB = 1e12;

export const nameOf = (index: number): Hardwarename =>
  `SN${String(index).padStart(5, '0')}` as Hardwarename;

export interface SimHardware {
  readonly type?: string;
  readonly memoryBytes?: number;
  readonly cores?: number;
  readonly disks?: readonly { kind: 'nvme' | 'ssd' | 'hdd'; sizeBytes: number }[];
  readonly rack?: string;
  readonly site?: string;
  readonly switch?: string;
  readonly biosVersion?: string;
}

/** An image of one file, in the channel `stable`. */
export function addImage({ blobs, images }: Inventory, version: string): void {
  const sha256 = 'a'.repeat(64);
  const cause = { who: 'test', why: 'test' };
  blobs.add({ sha256, sizeBytes: 1, compression: 'none', contentSha256: sha256, contentBytes: 1 });
  images.add(
    {
      ...{ name: 'debian-12', version, kind: 'tarball', signedBy: '' },
      ...{ doc: { description: '', kernelArguments: '' }, files: [{ role: 'root', sha256 }] },
    },
    cause,
  );
  images.move({ name: 'debian-12', channel: 'stable', version }, cause);
}

/** One machine as its report has made it, free. */
export function enter(inventory: Inventory, index: number, hardware: SimHardware): void {
  const { machines } = inventory;
  const hardwarename = nameOf(index);
  const mac = `02:00:${(index >> 16).toString(16).padStart(2, '0')}:${((index >> 8) & 255)
    .toString(16)
    .padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}:01` as Mac;
  const report = reportOf(mac, hardwarename, hardware);
  machines.insert(
    {
      ...{ hardwarename, serial: hardwarename, serialKey: hardwarename, uuid: '' },
      ...{ manufacturer: 'LabCorp', product: 'X1', bootMac: mac, hardware: report, digest: '' },
    },
    { state: 'available', why: 'test' },
  );
  machines.setNics(hardwarename, [
    { mac, name: 'eth0', ...(hardware.switch === undefined ? {} : { switch: hardware.switch }) },
  ]);
  machines.write(hardwarename, {
    bmcAddress: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
    rack: hardware.rack ?? `R${Math.floor(index / 10)}`,
    site: hardware.site ?? 'lon',
    hardwareType: hardware.type ?? 'high-io',
  });
}

function reportOf(mac: Mac, serial: string, hardware: SimHardware): ReconReport {
  const { memoryBytes = 256 * GB, cores = 32, disks, biosVersion = '1.0' } = hardware;
  const all = disks ?? [{ kind: 'nvme', sizeBytes: 2 * TB } as const];
  return {
    schema: 1,
    agent: { version: 'test' },
    bootMac: mac,
    dmi: { manufacturer: 'LabCorp', product: 'X1', serial, bios: { version: biosVersion } },
    cpus: [{ socket: 0, cores, threads: cores * 2 }],
    memory: { totalBytes: memoryBytes, modules: [] },
    disks: all.map(({ kind, sizeBytes }, index) => ({
      ...{
        name: `disk${index}`,
        path: `pci-0000:00:0${index}.0`,
        sizeBytes,
        rotational: kind === 'hdd',
      },
      interface: kind === 'nvme' ? 'nvme' : 'sata',
    })),
    nics: [{ name: 'eth0', mac, speedMbps: 25_000 }],
    pci: [],
  } as ReconReport;
}
