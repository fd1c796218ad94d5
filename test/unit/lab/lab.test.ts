import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { tapNames } from '../../../qemu-lab/lab.ts';
import { lldpFrame } from '../../../qemu-lab/lldp.ts';
import { qemuArguments } from '../../../qemu-lab/qemu.ts';
import { chainsOverTftp, expandRack, loadRack } from '../../../qemu-lab/rack.ts';
import { secondsOf } from '../../../qemu-lab/scenario.ts';
import { SCENARIOS } from '../../../qemu-lab/scenarios/index.ts';
import { isAlive, startTicks } from '../../../qemu-lab/state.ts';
import type { BootTimeline } from '../../../src/inventory/timeline.ts';

const argumentsOf = (machine: object) => {
  const [one] = expandRack({ machines: [{ name: 'm', ...machine }] });
  if (!one) throw new Error('empty rack');
  return qemuArguments(one, {
    dir: '/lab/m',
    taps: ['tap0', 'tap1'],
    ipxeKernel: '/ipxe.lkrn',
  }).join(' ');
};

describe('a rack', () => {
  it('counts, numbers and derives', () => {
    const machines = expandRack({ machines: [{ name: 'web-%d', count: 2, serial: 'S-%d' }] });
    expect(machines.map(({ name, serial }) => [name, serial])).toEqual([
      ['web-1', 'S-1'],
      ['web-2', 'S-2'],
    ]);
    expect(machines[0]?.nics[0]?.mac).toMatch(/^52:54:00:/);
    expect(machines[0]?.nics[0]?.mac).not.toBe(machines[1]?.nics[0]?.mac);
    expect(expandRack({ machines: [{ name: 'web-%d', count: 2, serial: 'S-%d' }] })).toEqual(
      machines,
    );
    expect([...tapNames(machines).values()]).toEqual([['tap0'], ['tap1']]);
  });

  it.each([
    ['an unknown key', { machines: [{ name: 'a', colour: 'red' }] }, /colour/],
    ['a bad MAC', { machines: [{ name: 'a', nics: [{ mac: 'x' }] }] }, /not a MAC/],
    ['one name twice', { machines: [{ name: 'a', count: 2 }] }, /same name/],
    ['no machine', { machines: [] }, /machines/],
    ['HTTP Boot on BIOS', { machines: [{ name: 'a', netboot: 'http' }] }, /needs firmware: uefi/],
  ])('refuses %s', (_what, rack, message) => expect(() => expandRack(rack)).toThrow(message));

  it('every rack that ships is valid', () => {
    for (const name of readdirSync('qemu-lab/racks'))
      expect(loadRack(`qemu-lab/racks/${name}`).length).toBeGreaterThan(0);
    for (const { rack } of SCENARIOS) if (rack) expect(expandRack(rack).length).toBeGreaterThan(0);
  });
});

describe('QEMU', () => {
  it('never uses KVM, and boots from the NIC that says so', () => {
    const line = argumentsOf({ nics: [{ model: 'e1000' }, { boot: true }] });
    expect(line).toContain('-accel tcg');
    expect(line).toMatch(
      /e1000,netdev=net0,mac=[0-9a-f:]+ .*virtio-net-pci,netdev=net1,mac=[0-9a-f:]+,bootindex=1/,
    );
    expect(line).not.toContain('romfile');
  });

  it('takes the ROM out where the firmware itself boots, and imitates plain PXE', () => {
    expect(argumentsOf({ firmware: 'uefi' })).toMatch(/OVMF_CODE.*bootindex=1,romfile=/);
    expect(argumentsOf({ netboot: 'chain' })).toMatch(
      /-kernel \/ipxe\.lkrn -initrd \/lab\/m\/plain-pxe\.ipxe .*romfile=/,
    );
  });

  it('leaves the ROM in an e1000, and turns PXE off for HTTP Boot', () => {
    expect(argumentsOf({ firmware: 'uefi', nics: [{ model: 'e1000' }] })).not.toContain('romfile');
    const http = argumentsOf({ firmware: 'uefi', netboot: 'http' });
    expect(http).toContain('-fw_cfg name=opt/org.tianocore/IPv4PXESupport,string=n');
    expect(http).toContain('-fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=n');
    expect(argumentsOf({ firmware: 'uefi' })).not.toContain('fw_cfg');
  });

  it.each([
    [{ firmware: 'uefi' }, true],
    [{ firmware: 'uefi', netboot: 'http' }, false],
    [{ firmware: 'uefi', nics: [{ model: 'e1000' }] }, false],
    [{ netboot: 'chain' }, true],
    [{}, false],
  ])('%j fetches iPXE over TFTP: %s', (machine, expected) =>
    expect(expandRack({ machines: [{ name: 'm', ...machine }] }).map(chainsOverTftp)).toEqual([
      expected,
    ]),
  );

  it('doubles commas, which end values', () =>
    expect(argumentsOf({ manufacturer: 'A, Inc' })).toContain('manufacturer=A,, Inc'));
});

describe('parts', () => {
  it('seconds are counted from power-on, for steps that were reached', () => {
    const boot = {
      steps: [
        { name: 'offer', state: 'done', at: 3500 },
        { name: 'tftp', state: 'skipped' },
      ],
    } as unknown as BootTimeline;
    expect(secondsOf(boot, 1000)).toEqual({ offer: 2.5 });
    expect(secondsOf(undefined, 1000)).toEqual({});
  });

  it('a process is known by pid and start time', () => {
    const mine = { pid: process.pid, startTicks: startTicks(process.pid) ?? '' };
    expect(isAlive(mine)).toBe(true);
    expect(isAlive({ ...mine, startTicks: '1' })).toBe(false);
    expect(startTicks(2 ** 22 + 1)).toBeUndefined();
  });

  it('an LLDP frame goes to the nearest bridge and names switch and port', () => {
    const frame = lldpFrame('lab-sw1', 'tap0');
    expect(frame.subarray(0, 6).toString('hex')).toBe('0180c200000e');
    expect(frame.readUInt16BE(12)).toBe(0x88cc);
    expect(frame.includes('lab-sw1') && frame.includes('tap0')).toBe(true);
  });
});
