/**
 * One firmware each, from power-on to registered, judged by the wire: which stages asked, what each was given, what was
 * fetched and with which options. `ingest` has several of them at once and judges the inventory.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Capture } from '../../src/capture/model.ts';
import { saveFixture } from '../fixtures.ts';
import type { LabVm } from '../lab.ts';
import { errorsOf, type Granted, type Negotiated, negotiatedBy } from '../negotiated.ts';
import type { RackDescription } from '../rack.ts';
import type { Scenario, ScenarioRun } from '../scenario.ts';
import { checkRecords, everyoneRegisters } from './ingest.ts';

export interface BootExpectation {
  /** `stage arch`, in the order of the ACKs, Linux included. */
  readonly stages: readonly string[];
  /** What came over TFTP, in its order. */
  readonly tftp?: () => readonly {
    readonly file: string;
    readonly end: string;
    readonly granted: object;
  }[];
  /** What else the wire must show of this machine. */
  readonly also?: (seen: Negotiated, check: ScenarioRun['check']) => void;
}

const SERVER = '10.77.0.1';
const HTTP = `http://${SERVER}:8080`;

function bootScenario(
  name: string,
  about: string,
  {
    machine,
    expected,
  }: { machine: RackDescription['machines'][number]; expected: BootExpectation },
): Scenario {
  return {
    name,
    about,
    rack: { machines: [machine] },
    async run(run) {
      for (const vm of run.lab.vms) run.lab.powerOn(vm);
      await everyoneRegisters(run);
      await checkRecords(run);
      const capture = await run.capture();
      for (const vm of run.lab.vms) {
        checkWire(run, { vm, capture, expected });
        const mac = vm.machine.nics.find(({ boot }) => boot)?.mac ?? '';
        saveFixture(vm.machine.name, join(run.lab.dir, 'bridge.pcap'), mac);
      }
    },
  };
}

/** The parts that every network boot of ours has on the wire; adds what was seen to the result. */
export function checkWire(
  run: ScenarioRun,
  { vm, capture, expected }: { vm: LabVm; capture: Capture; expected: BootExpectation },
): void {
  const { name, nics } = vm.machine;
  const mac = nics.find(({ boot }) => boot)?.mac ?? '';
  const seen = negotiatedBy(capture, mac);
  run.negotiated[name] = seen;
  const check: ScenarioRun['check'] = (holds, what) => run.check(holds, `${name}: ${what}`);
  same(
    check,
    'stages',
    seen.granted.map(({ stage, arch }) => `${stage} ${arch}`.trim()),
    expected.stages,
  );
  same(
    check,
    'TFTP',
    seen.tftp.map(({ file, end, granted }) => ({ file, end, granted })),
    expected.tftp?.() ?? [],
  );
  const addresses = new Set(seen.granted.map(({ address }) => address));
  check(addresses.size === 1, `${addresses.size} addresses on the wire, not 1`);
  for (const part of ['/boot/…/script.ipxe', '/boot/…/vmlinuz', '/boot/…/initrd.img']) {
    const times = seen.http.filter((line) => line.startsWith(`GET ${part} iPXE/`)).length;
    check(times === 1, `${part} was fetched ${times} times`);
  }
  for (const { check: id, detail, frame } of errorsOf(capture, mac)) {
    check(false, `decode finds ${id} in frame ${frame}: ${detail}`);
  }
  expected.also?.(seen, check);
}

export function same(
  check: ScenarioRun['check'],
  what: string,
  found: unknown,
  expected: unknown,
): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  check(a === b, `${what}: ${a}, not ${b}`);
}

export function sizeOf(file: string): string {
  return String(statSync(`build/boot/${file}`).size);
}

function stage(seen: Negotiated, wanted: string): Granted | undefined {
  return seen.granted.find((one) => one.stage === wanted);
}

/** What every client of the lab's segment is given, whatever it boots. */
function checkNetwork(granted: Granted | undefined, check: ScenarioRun['check']): void {
  same(check, 'option 1', granted?.options[1], '255.255.255.0');
  same(check, 'option 51', granted?.options[51], '600 s');
  same(
    check,
    'options 58 and 59',
    [granted?.options[58], granted?.options[59]],
    ['300 s', '525 s'],
  );
  same(
    check,
    'option 54 and sender',
    [granted?.options[54], granted?.from],
    [SERVER, `${SERVER}:67`],
  );
  same(check, 'option 97', granted?.options[97], granted?.asked[97]);
}

export function checkIpxe(seen: Negotiated, check: ScenarioRun['check']): void {
  const ipxe = stage(seen, 'ipxe');
  checkNetwork(ipxe, check);
  same(check, 'option 67 for iPXE', ipxe?.options[67], `"${HTTP}/boot/…/script.ipxe"`);
  same(check, 'option 175 for iPXE', ipxe?.options[175], '176 no-pxedhcp: 1');
  same(check, 'option 60 for iPXE', ipxe?.options[60], undefined);
}

function checkFirmware(seen: Negotiated, check: ScenarioRun['check'], file: string): void {
  const firmware = stage(seen, 'firmware');
  checkNetwork(firmware, check);
  same(check, 'option 67', firmware?.options[67], `"${file}"`);
  same(check, '`file` and siaddr', [firmware?.file, firmware?.siaddr], [file, SERVER]);
  same(
    check,
    'options 60 and 43',
    [firmware?.options[60], firmware?.options[43]],
    [undefined, undefined],
  );
}

export const undionly = () => [
  {
    file: 'undionly.kpxe',
    end: 'complete',
    granted: { blksize: '1432', tsize: sizeOf('undionly.kpxe') },
  },
];

/** OVMF asks for the size, aborts, and asks again without `tsize`. */
export const snponly = () => [
  {
    file: 'snponly.efi',
    end: 'probe',
    granted: { tsize: sizeOf('snponly.efi'), blksize: '1468', windowsize: '4' },
  },
  { file: 'snponly.efi', end: 'complete', granted: { blksize: '1468', windowsize: '4' } },
];

export const BOOTS: readonly Scenario[] = [
  bootScenario(
    'boot-bios-rom',
    'SeaBIOS, a virtio card whose ROM is iPXE: straight to its script',
    {
      machine: { name: 'bios-rom', serial: 'SN-4001', disks: [] },
      expected: { stages: ['ipxe bios', 'os'], also: checkIpxe },
    },
  ),
  bootScenario('boot-bios-chain', 'BIOS with plain PXE: undionly.kpxe over TFTP, then its script', {
    machine: { name: 'bios-chain', netboot: 'chain', serial: 'SN-4002', disks: [] },
    expected: {
      stages: ['firmware bios', 'ipxe bios', 'os'],
      tftp: undionly,
      also(seen, check) {
        checkFirmware(seen, check, 'undionly.kpxe');
        checkIpxe(seen, check);
      },
    },
  }),
  bootScenario(
    'boot-uefi-pxe',
    "OVMF's own PXE: size probe, snponly.efi over TFTP, then its script",
    {
      machine: { name: 'uefi-pxe', firmware: 'uefi', serial: 'SN-4003', disks: [] },
      expected: {
        stages: ['firmware uefi-x64', 'ipxe uefi-x64', 'os'],
        tftp: snponly,
        also(seen, check) {
          checkFirmware(seen, check, 'snponly.efi');
          checkIpxe(seen, check);
        },
      },
    },
  ),
  bootScenario('boot-uefi-http', "OVMF's HTTP Boot: HEAD and GET of snponly.efi, no TFTP at all", {
    machine: { name: 'uefi-http', firmware: 'uefi', netboot: 'http', serial: 'SN-4004', disks: [] },
    expected: {
      stages: ['http-boot uefi-x64-http', 'ipxe uefi-x64', 'os'],
      also(seen, check) {
        const http = stage(seen, 'http-boot');
        checkNetwork(http, check);
        same(check, 'option 60', http?.options[60], '"HTTPClient"');
        same(check, 'option 67', http?.options[67], `"${HTTP}/boot/ipxe/snponly.efi"`);
        const asked = seen.http
          .filter((line) => line.includes('UefiHttpBoot'))
          .map((line) => line.split(' ', 2).join(' '));
        same(check, 'requests', asked, [
          'HEAD /boot/ipxe/snponly.efi',
          'GET /boot/ipxe/snponly.efi',
        ]);
        checkIpxe(seen, check);
      },
    },
  }),
  bootScenario(
    'boot-uefi-e1000',
    'UEFI on an e1000, which OVMF has no driver for: the iPXE in the card boots',
    {
      machine: {
        name: 'uefi-e1000',
        firmware: 'uefi',
        nics: [{ model: 'e1000' }],
        serial: 'SN-4005',
        disks: [],
      },
      expected: {
        stages: ['ipxe uefi-x64', 'os'],
        also(seen, check) {
          checkIpxe(seen, check);
          const features = stage(seen, 'ipxe')?.asked[175] ?? '';
          check(features.includes('177 bus id: pci 8086:100e'), `the card says ${features}`);
        },
      },
    },
  ),
];
