import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createFilter } from '../../../qemu-lab/faulty-link.ts';
import { tapNames } from '../../../qemu-lab/lab.ts';
import { lldpFrame } from '../../../qemu-lab/lldp.ts';
import { qemuArguments, qemuProgram } from '../../../qemu-lab/qemu.ts';
import { chainsOverTftp, expandRack, fakeBmcOf, loadRack } from '../../../qemu-lab/rack.ts';
import { falseDiagnoses, secondsOf } from '../../../qemu-lab/scenario.ts';
import { SCENARIOS } from '../../../qemu-lab/scenarios/index.ts';
import { isAlive, startTicks } from '../../../qemu-lab/state.ts';
import { drawBoard } from '../../../qemu-lab/table.ts';
import { type BootTimeline, STEP_NAMES } from '../../../src/inventory/timeline.ts';

const argumentsOf = (machine: object, first: 'network' | 'disk' = 'network') => {
  const [one] = expandRack({ machines: [{ name: 'm', ...machine }] });
  if (!one) throw new Error('empty rack');
  return qemuArguments(one, {
    dir: '/lab/m',
    taps: ['tap0', 'tap1'],
    ipxeKernel: '/ipxe.lkrn',
    first,
  }).join(' ');
};

describe('the board in a terminal', () => {
  const steps = STEP_NAMES.map((name) => ({ name, state: 'done', tookMs: 12_300 }));
  const machine = { hardwarename: 'C0MPUT3', state: 'available', disks: [], nics: [] };
  const rows = [{ timeline: { mac: 'x', steps }, machine: { ...machine, threads: 1 } }] as never;

  it('has no line that a terminal would break, and still says who and how far', () => {
    for (const columns of [40, 80, 132]) {
      const lines = drawBoard(rows, 0, columns).split('\n');
      expect(lines.map((line) => line.length).every((length) => length <= columns)).toBe(true);
      expect(lines[1]).toMatch(/^C0MPUT3 +●/);
    }
    expect(drawBoard(rows, 0, 80)).toContain('● available');
    expect(drawBoard(rows, 0)).toContain('● 12.3');
  });
});

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

  it('has BMCs: none, the machine alone, or one of the lab with a MAC that stays', () => {
    const bmcs = (bmc: unknown) => expandRack({ machines: [{ name: 'a', bmc }] }).map(fakeBmcOf);
    expect(bmcs(false)).toEqual([undefined]);
    expect(bmcs(true)).toEqual([undefined]);
    expect(bmcs('fake')).toEqual([
      expect.objectContaining({ address: 'dhcp', suites: [3, 17], knobs: {} }),
    ]);
    expect(bmcs('fake')).toEqual(bmcs('fake'));
    const named = bmcs({ address: '10.79.0.7', mac: '02:00:00:00:00:07', knobs: { hang: true } });
    expect(named).toEqual([
      expect.objectContaining({ address: '10.79.0.7', mac: '02:00:00:00:00:07' }),
    ]);
    expect(named[0]?.knobs).toEqual({ hang: true });
  });

  it.each([
    ['a knob that no BMC has', { machines: [{ name: 'a', bmc: { knobs: { x: 1 } } }] }, /knobs/],
    ['an unknown key', { machines: [{ name: 'a', colour: 'red' }] }, /colour/],
    ['a bad MAC', { machines: [{ name: 'a', nics: [{ mac: 'x' }] }] }, /not a MAC/],
    ['one name twice', { machines: [{ name: 'a', count: 2 }] }, /same name/],
    ['no machine', { machines: [] }, /machines/],
    [
      'BIOS on ARM64',
      { machines: [{ name: 'a', arch: 'arm64' }] },
      /processor needs firmware: uefi/,
    ],
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
    const without6 = argumentsOf({ firmware: 'uefi', ipv6Boot: false });
    expect(without6).toContain('-fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=n');
    expect(without6).not.toContain('IPv4PXESupport');
  });

  it('gives each processor its board and its firmware, and ia32 the guarded variables that it stops without', () => {
    const arm64 = argumentsOf({ firmware: 'uefi', arch: 'arm64' });
    expect(arm64).toMatch(/-cpu cortex-a57 .*-machine virt,graphics=off .*AAVMF_CODE\.fd/);
    const ia32 = argumentsOf({ firmware: 'uefi', arch: 'ia32' });
    expect(ia32).toMatch(/-machine q35,graphics=off,smm=on .*secure,value=on .*OVMF32_CODE/);
    expect(argumentsOf({ firmware: 'uefi', secureBoot: true })).toContain('OVMF_CODE_4M.ms.fd');
    expect(qemuProgram({ arch: 'arm64' })).toBe('qemu-system-aarch64');
    expect(qemuProgram({ arch: 'ia32' })).toBe('qemu-system-x86_64');
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

  it('orders what is booted by what is first, and leaves resets to the supervisor', () => {
    const disk = argumentsOf({ bmc: 'fake' }, 'disk');
    expect(disk).toMatch(/virtio-net-pci,[^ ]*,bootindex=2 /);
    expect(disk).toMatch(/virtio-blk-pci,[^ ]*,bootindex=1 /);
    expect(disk).toContain('-no-reboot');
    expect(disk).toContain('path=/lab/m/bmc,reconnect=1 -device ipmi-bmc-extern');
    expect(argumentsOf({ bmc: true })).not.toContain('-no-reboot');
    expect(argumentsOf({ bmc: true })).toContain('ipmi-bmc-sim');
    expect(argumentsOf({ netboot: 'chain' }, 'disk')).not.toContain('-kernel');
  });

  it('lets the writes of a disk fail, all or those to one sector', () => {
    const all = argumentsOf({ disks: [{ failWrites: true }] });
    expect(all).toContain('file.driver=blkdebug');
    expect(all).not.toContain('sector=');
    const one = argumentsOf({ disks: [{ failWrites: { sector: 4096 } }] });
    expect(one).toContain('file.inject-error.0.sector=4096');
    expect(argumentsOf({})).not.toContain('blkdebug');
  });

  it('lets reads fail the same way, beside writes', () => {
    const reads = argumentsOf({ disks: [{ failReads: { sector: 2048 } }] });
    expect(reads).toContain('file.inject-error.0.iotype=read');
    expect(reads).toContain('file.inject-error.0.sector=2048');
    const both = argumentsOf({ disks: [{ failReads: true, failWrites: true }] });
    expect(both).toContain('file.inject-error.0.iotype=write');
    expect(both).toContain('file.inject-error.1.iotype=read');
  });

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

describe('a diagnosis in the lab', () => {
  const vm = (name: string, mac: string) => ({ machine: { name, nics: [{ mac }] as never } });
  const vms = [vm('well', '52:54:00:00:00:01'), vm('ill', '52:54:00:00:00:02')];
  const diagnosed = (mac: string) =>
    ({
      ...{ id: 1, at: 1, name: 'boot.diagnosed', mac },
      data: { diagnosis: 'kernel-panic', evidence: ['it says so'] },
    }) as never;
  it('fails the scenario by its name, where nothing was done to the machine', () => {
    const events = [diagnosed('52:54:00:00:00:01'), diagnosed('52:54:00:00:00:02')];
    expect(falseDiagnoses(vms, events, new Set(['ill']))).toEqual([
      'well is healthy, and is called kernel-panic: it says so',
    ]);
    expect(falseDiagnoses(vms, events, new Set(['ill', 'well']))).toEqual([]);
    const stranger = falseDiagnoses(vms, [diagnosed('02:00:00:00:00:09')], new Set(['ill']));
    expect(stranger[0]).toMatch(/^02:00:00:00:00:09 is healthy/);
  });
  it('is expected of machines that there are, in scenarios that make machines fail', () => {
    for (const { name, sick = [], rack } of SCENARIOS) {
      const names = rack ? expandRack(rack).map((one) => one.name) : [];
      for (const one of sick === 'all' ? [] : sick) expect(names, name).toContain(one);
    }
    const all = SCENARIOS.filter(({ sick }) => sick === 'all').map(({ name }) => name);
    expect(all).toEqual(['failures', 'quirk', 'override']);
  });
});

describe('a cable that is cut', () => {
  const frame = (to: number, from: number) => Buffer.alloc(100).fill(to, 0, 6).fill(from, 6, 12);
  it('counts what its own machine is sent, and nothing that a bridge floods', () => {
    const passes = createFilter({ cutAfterBytes: 250 }, () => 1);
    for (let n = 0; n < 100; n++) expect(passes(frame(7, 8), true)).toBe(true);
    expect(passes(frame(255, 1), false)).toBe(true);
    expect(passes(frame(7, 8), true)).toBe(true);
    expect([1, 2, 3].map(() => passes(frame(1, 8), true))).toEqual([true, true, false]);
    expect(passes(frame(8, 1), false)).toBe(false);
  });
});
