/** Lists that ask what is in a machine: its disks, modules, devices, as its last report tells them. */
import { beforeAll, describe, expect, it } from 'vitest';
import { createPeople, type People } from '../../../support/people.ts';
import { bytesOf, type Report, report } from '../../../support/reports.ts';
import { dhcpPacket, mac } from '../../../support/world.ts';

const DEVICE = { class: '0x030000', vendor: '0x10de', device: '0x20b0' };

const names = (answer: { body: { machines: { hardwarename: string }[] } }) =>
  answer.body.machines.map(({ hardwarename }) => hardwarename);

describe('filters on parts', () => {
  const PARTS: Readonly<Record<string, Partial<Report>>> = {
    'AAA-1': {
      disks: [
        { name: 'sda', model: 'SAMSUNG MZ7', firmware: 'GXA5302Q', serial: 'S1', sizeBytes: 1 },
        { name: 'sdb', model: 'INTEL S4510', firmware: 'XCV10132', serial: 'S2', sizeBytes: 1 },
      ],
      pci: [
        { ...DEVICE, slot: '1', name: 'A100', gpu: true },
        { ...DEVICE, slot: '2', name: 'Virtio', gpu: false },
      ],
    },
    'BBB-1': {
      disks: [
        { name: 'sda', model: 'SAMSUNG MZ7', firmware: 'GXA5402Q', serial: 'S3', sizeBytes: 1 },
      ],
      memory: { totalBytes: 1, modules: [{ sizeBytes: 1, part: 'M393A2G40', serial: 'D1' }] },
      pci: [{ ...DEVICE, slot: '1', name: 'A100 audio', gpu: false }],
    },
  };

  let people: People;
  beforeAll(async () => {
    people = await createPeople();
    const { inventory } = people.world;
    const entries = Array.from({ length: 120 }, (_, n) => ({ serial: `ZZZ-${n}` }));
    await people.admin('POST', '/machines/import', { body: { machines: entries } });
    for (const [n, [serial, parts]] of Object.entries(PARTS).entries()) {
      const nic = mac(`52:54:00:77:00:0${n}`);
      people.world.dhcp(dhcpPacket({ mac: nic, type: 1, client: 'ipxe' }));
      const boot = inventory.boots.latest(nic);
      if (!boot) throw new Error('no boot');
      const token = inventory.tokens.mint(boot.id, nic, 'boot');
      const body = report({ serial, uuid: '', macs: [nic], ...parts });
      inventory.ingest({ token, body: bytesOf(body) });
    }
  });

  it.each([
    ['disk.model.like=SAMSUNG*', ['AAA-1', 'BBB-1']],
    ['disk.model.like=SAMSUNG*&disk.firmware=GXA5302Q', ['AAA-1']],
    // Of one disk: AAA-1 has this firmware on another.
    ['disk.model.like=SAMSUNG*&disk.firmware=XCV10132', []],
    ['disk.serial=S2,S3', ['AAA-1', 'BBB-1']],
    ['disk.serial=S2,S3&state=in-use', []],
    ['memory.part=M393A2G40', ['BBB-1']],
    ['pci.name.like=A100*', ['AAA-1', 'BBB-1']],
    ['gpu.name.like=A100*', ['AAA-1']],
    ['gpu.name=A100&disk.firmware=XCV10132', ['AAA-1']],
    ['cpu.model=QEMU&sort=-hardwarename', ['BBB-1', 'AAA-1']],
    ['cpu.model=QEMU&sort=-diskCount', ['AAA-1', 'BBB-1']],
    ['adapter.driver=virtio_net&limit=1', ['AAA-1']],
  ])('%s', async (query, expected) => {
    expect(names(await people.admin('GET', `/machines?${query}`))).toEqual(expected);
    if (/sort|limit/.test(query)) return;
    const { body } = await people.admin('GET', `/machines/count?${query}`);
    expect(body.count).toBe(expected.length);
  });
});
