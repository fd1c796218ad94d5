/** Recon reports for tests: a small, complete machine, with whatever a test changes. */

import type { z } from 'zod';
import type { reportSchema } from '../../src/inventory/report.ts';

export type Report = z.input<typeof reportSchema>;

export function report(
  changes: Partial<Report> & { serial?: string; uuid?: string; macs?: string[] } = {},
): Report {
  const {
    serial = 'SN-0001',
    uuid = '4c4c4544-0042-3510-8052-b4c04f4e3732',
    macs = ['52:54:00:77:00:01'],
    ...rest
  } = changes;
  return {
    schema: 1,
    agent: { version: '0.1.0', profile: 'lab', kernel: '6.1.0', bootMode: 'bios' },
    bootMac: macs[0] ?? '',
    dmi: {
      manufacturer: 'LabCorp',
      product: 'Model-X',
      serial,
      uuid,
      bios: { vendor: 'SeaBIOS', version: '1.16.2' },
    },
    cpus: [{ socket: 0, model: 'QEMU', cores: 2, threads: 2 }],
    memory: { totalBytes: 2 ** 29, modules: [{ slot: 'DIMM 0', sizeBytes: 2 ** 29 }] },
    disks: [{ name: 'vda', serial: 'DISK-1', sizeBytes: 2 ** 31, interface: 'virtio' }],
    nics: macs.map((mac, index) => ({
      name: `eth${index}`,
      mac,
      permanentMac: mac,
      driver: 'virtio_net',
      link: true,
    })),
    pci: [
      { slot: '0000:00:03.0', class: '0x020000', vendor: '0x1af4', device: '0x1000', gpu: false },
    ],
    ...rest,
  };
}

export const bytesOf = (value: unknown): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(value));
