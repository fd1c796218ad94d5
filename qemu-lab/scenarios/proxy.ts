/**
 * The appliance as ProxyDHCP beside dnsmasq, which leases the addresses and knows nothing of booting: BIOS PXE, the iPXE in a
 * card's ROM, OVMF PXE and OVMF HTTP Boot, together, all the way to registered. On the wire no address may come from us
 * and no boot file from dnsmasq.
 */
import { join } from 'node:path';
import { MESSAGE } from '../../src/dhcp/options.ts';
import { saveFixture } from '../fixtures.ts';
import type { LabVm } from '../lab.ts';
import { traceOf } from '../negotiated.ts';
import { addNeighbour } from '../network.ts';
import type { Scenario, ScenarioRun } from '../scenario.ts';
import { type BootExpectation, checkWire, same, snponly, undionly } from './boots.ts';
import { checkRecords, everyoneRegisters } from './ingest.ts';

const OURS = '10.77.0.1';
const DNSMASQ = '10.77.0.5';

const EXPECTED: Readonly<Record<string, BootExpectation>> = {
  'bios-chain': { stages: ['firmware bios', 'ipxe bios', 'os'], tftp: undionly },
  'bios-rom': { stages: ['ipxe bios', 'os'] },
  // The second ACK for the firmware is ours, from port 4011.
  'uefi-pxe': {
    stages: ['firmware uefi-x64', 'firmware uefi-x64', 'ipxe uefi-x64', 'os'],
    tftp: snponly,
    also: (seen, check) => {
      const bootServer = seen.granted.find(({ from }) => from === `${OURS}:4011`);
      same(
        check,
        'port 4011: file, 60',
        [bootServer?.file, bootServer?.options[60]],
        ['snponly.efi', '"PXEClient"'],
      );
    },
  },
  'uefi-http': { stages: ['http-boot uefi-x64-http', 'ipxe uefi-x64', 'os'] },
};

export const proxy: Scenario = {
  name: 'proxy',
  about:
    'ProxyDHCP beside dnsmasq: BIOS, iPXE in ROM, OVMF PXE and HTTP Boot; no address of ours, no file of theirs',
  tools: ['dnsmasq'],
  config: { dhcp: { segments: [{ mode: 'proxy' }] } },
  rack: {
    machines: [
      { name: 'bios-chain', netboot: 'chain', serial: 'SN-5001', disks: [] },
      { name: 'uefi-pxe', firmware: 'uefi', serial: 'SN-5002', disks: [] },
      { name: 'bios-rom', serial: 'SN-5003', disks: [] },
      { name: 'uefi-http', firmware: 'uefi', netboot: 'http', serial: 'SN-5004', disks: [] },
    ],
  },
  async run(run) {
    const { lab } = run;
    const ns = addNeighbour(lab.network, 'dhcp', { address: `${DNSMASQ}/24` });
    const range = '--dhcp-range=10.77.0.150,10.77.0.199,255.255.255.0,600';
    const files = [`--dhcp-leasefile=${join(lab.dir, 'dnsmasq.leases')}`, '--conf-file=/dev/null'];
    lab.start(ns, ['dnsmasq', '-d', '--port=0', '--no-ping', '--user=root', range, ...files]);
    for (const vm of lab.vms) lab.powerOn(vm);
    await everyoneRegisters(run);
    await checkRecords(run, { leasedByUs: false });
    const capture = await run.capture();
    for (const vm of lab.vms) {
      const expected = EXPECTED[vm.machine.name];
      if (expected) checkWire(run, { vm, capture, expected });
      checkSides(run, vm, capture);
      saveFixture(`proxy-${vm.machine.name}`, join(lab.dir, 'bridge.pcap'), macOf(vm));
    }
  },
};

function macOf(vm: LabVm): string {
  return vm.machine.nics.find(({ boot }) => boot)?.mac ?? '';
}

/** Who said what, over every reply: addresses are dnsmasq's, boot files are ours. */
function checkSides(
  run: ScenarioRun,
  vm: LabVm,
  capture: Awaited<ReturnType<ScenarioRun['capture']>>,
): void {
  const { name } = vm.machine;
  const entries = traceOf(capture, macOf(vm))?.boots.flatMap((boot) => boot.entries) ?? [];
  const replies = entries.filter((entry) => entry.kind === 'dhcp' && entry.fromServer);
  const sides = { ours: 0, theirs: 0 };
  for (const reply of replies) {
    if (reply.kind !== 'dhcp') continue;
    const gives = reply.packet.yiaddr !== 0;
    const boots = reply.packet.file !== '' || reply.packet.options.has(67);
    if (reply.from.address === 0x0a4d0001) {
      sides.ours += 1;
      run.check(!gives, `${name}: frame ${reply.frame} from us gives an address`);
      run.check(reply.type !== MESSAGE.nak, `${name}: frame ${reply.frame} from us is a NAK`);
    } else {
      sides.theirs += 1;
      run.check(!boots, `${name}: frame ${reply.frame} from dnsmasq names a boot file`);
    }
  }
  run.check(
    sides.ours > 0 && sides.theirs > 0,
    `${name}: ${sides.ours} replies of ours, ${sides.theirs} of dnsmasq`,
  );
}
