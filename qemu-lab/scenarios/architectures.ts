/**
 * UEFI of other processors, and Secure Boot as machines are delivered: real firmware, real binaries, judged by the wire.
 *
 * Firmware of ia32 and ARM64 fetches its own iPXE and starts the disk, because the machines are on record as in use. An ARM64 machine
 * that nobody knows boots by HTTP Boot and is told that pxeimage is not for it; the timeline, the diagnosis and `explain` say the
 * same. An x64 machine with Microsoft's keys and Secure Boot on is registered: Debian's shim starts an iPXE that is signed with the
 * site's key, and the kernel of pxeimage by Debian's. Another one has an override: it is handed the iPXE with drivers of its own.
 *
 * The binaries are made with the lines of docs/boot-files.md, from a copy of iPXE's source, whose folder `src` is named by IPXE_SOURCE.
 * ARCHITECTURES=a,b picks some of the machines.
 */
import { X509Certificate } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runSnippet } from '../../test/support/doc-snippets.ts';
import { saveFixture } from '../fixtures.ts';
import type { LabVm } from '../lab.ts';
import { errorsOf, negotiatedBy } from '../negotiated.ts';
import { type LabPeople, openPeople } from '../people.ts';
import { IPXE_SOURCE } from '../prerequisites.ts';
import type { RackDescription } from '../rack.ts';
import { bootOf, eventsOf, type Scenario, type ScenarioRun } from '../scenario.ts';
import { TEST_DISK_SAYS } from '../test-disk.ts';
import { addVariable, mokList } from '../uefi-variables.ts';
import { same } from './boots.ts';
import { everyoneRegisters } from './ingest.ts';

const PAGE = 'docs/boot-files.md';
const HTTP = 'http://10.77.0.1:8080';
const FULL = '52:54:00:42:00:05';
const UEFI: Omit<RackDescription['machines'][number], 'name'> = { firmware: 'uefi', disks: [] };
const LACK = 'pxeimage is built for x86-64 and does not run on uefi-arm64';
/** From power-on to its disk or its diagnosis, thrice over. */
const THERE_MS = 300_000;
const WRITTEN_MS = 15_000;

interface Expected {
  /** `stage arch file`, in the order of the ACKs, Linux included. */
  readonly stages: readonly string[];
  /** Whole transfers. */
  readonly tftp: readonly string[];
  /** Requests for the file by UEFI HTTP Boot. */
  readonly http?: readonly string[];
  /** Where it ends, seen by itself. */
  readonly ends: (run: ScenarioRun, vm: LabVm, people: LabPeople) => Promise<void>;
}

const SCRIPT = `${HTTP}/boot/…/script.ipxe`;

const MACHINES: Readonly<Record<string, Expected>> = {
  'uefi-ia32': {
    stages: ['firmware uefi-ia32 snponly-ia32.efi', `ipxe uefi-ia32 ${SCRIPT}`],
    tftp: ['snponly-ia32.efi'],
    ends: startsItsDisk,
  },
  'uefi-arm64': {
    stages: ['firmware uefi-arm64 snponly-arm64.efi', `ipxe uefi-arm64 ${SCRIPT}`],
    tftp: ['snponly-arm64.efi'],
    ends: startsItsDisk,
  },
  'uefi-arm64-http': {
    stages: [
      `http-boot uefi-arm64-http ${HTTP}/boot/ipxe/snponly-arm64.efi`,
      `ipxe uefi-arm64 ${SCRIPT}`,
    ],
    tftp: [],
    http: ['HEAD /boot/ipxe/snponly-arm64.efi', 'GET /boot/ipxe/snponly-arm64.efi'],
    ends: isTold,
  },
  'uefi-shim': {
    stages: ['firmware uefi-x64 shimx64.efi', `ipxe uefi-x64 ${SCRIPT}`, 'os'],
    tftp: ['shimx64.efi', 'grubx64.efi'],
    ends: isRegistered,
  },
  'uefi-full': {
    stages: ['firmware uefi-x64 ipxe.efi', `ipxe uefi-x64 ${SCRIPT}`, 'os'],
    tftp: ['ipxe.efi'],
    ends: isRegistered,
  },
};

export const architectures: Scenario = {
  name: 'architectures',
  about:
    'UEFI of ia32 and ARM64, by PXE and HTTP Boot; Secure Boot with Microsoft’s keys, by Debian’s shim',
  byCommand: true,
  sick: ['uefi-arm64-http'],
  tools: [
    'qemu-system-aarch64',
    '/usr/share/AAVMF/AAVMF_CODE.fd',
    '/usr/share/OVMF/OVMF32_CODE_4M.secboot.fd',
    'gcc',
    'aarch64-linux-gnu-gcc',
    'make',
    'openssl',
    'sbsign',
    '/usr/include/lzma.h',
  ],
  built: [IPXE_SOURCE],
  rack: {
    machines: [
      { name: 'uefi-ia32', serial: 'SN-4201', ...UEFI, arch: 'ia32', disks: [{ boots: true }] },
      { name: 'uefi-arm64', serial: 'SN-4202', ...UEFI, arch: 'arm64', disks: [{ boots: true }] },
      { name: 'uefi-arm64-http', serial: 'SN-4203', ...UEFI, arch: 'arm64', netboot: 'http' },
      { name: 'uefi-shim', serial: 'SN-4204', ...UEFI, secureBoot: true },
      { name: 'uefi-full', serial: 'SN-4205', ...UEFI, nics: [{ mac: FULL }] },
    ],
  },
  config(dir) {
    const assets = makeBootFiles(dir);
    return {
      boot: {
        assets,
        secureBoot: { uefiX64: { first: 'shimx64.efi', second: 'snponly-signed.efi' } },
        machines: [{ mac: FULL, binaries: { uefiX64: 'ipxe.efi' } }],
        // The other entries of the firmware, IPv6 and HTTP, would take minutes before it comes to the disk by itself.
        localBoot: 'sanboot',
      },
    };
  },
  async run(run) {
    const people = await openPeople(run.lab);
    const chosen = (process.env.ARCHITECTURES ?? '').split(',').filter(Boolean);
    for (const vm of run.lab.vms) {
      if (chosen.length > 0 && !chosen.includes(vm.machine.name)) continue;
      const expected = MACHINES[vm.machine.name];
      if (!expected) throw new Error(`nothing is expected of ${vm.machine.name}`);
      if (expected.ends === startsItsDisk) await enterInUse(vm, people);
      run.lab.powerOn(vm);
      await expected
        .ends(run, vm, people)
        .then(() => checkWire(run, vm, expected))
        .catch((error: Error) => run.check(false, `${vm.machine.name}: ${error.message}`));
      await run.lab.powerOff(vm);
    }
  },
};

/** Everything of docs/boot-files.md, in a folder of the lab; the firmware of the last machine is told the site's key. */
function makeBootFiles(dir: string): string {
  const source = dirname(IPXE_SOURCE[0]);
  const assets = join(dir, 'boot');
  mkdirSync(assets);
  runSnippet({ page: PAGE, name: 'other-ipxe' }, source, { ASSETS: assets });
  for (const name of ['undionly.kpxe', 'ipxe.efi'])
    copyFileSync(join('build/boot', name), join(assets, name));
  runSnippet({ page: PAGE, name: 'debian-shim' }, dir, { ASSETS: assets });
  runSnippet({ page: PAGE, name: 'site-signature' }, dir, { ASSETS: assets });
  const key = new X509Certificate(readFileSync(join(dir, 'boot.crt')));
  addVariable(join(dir, 'uefi-shim', 'vars.fd'), mokList(key.raw));
  return assets;
}

export async function enterInUse({ machine }: LabVm, people: LabPeople): Promise<void> {
  const nics = machine.nics.map(({ mac }) => mac).join(',');
  const fields = [`serial=${machine.serial}`, `nics=${nics}`, 'state=in-use'];
  await people.reveille(['machines', 'enter', ...fields]);
}

export async function startsItsDisk(run: ScenarioRun, vm: LabVm): Promise<void> {
  const log = serialLog(run, vm);
  await run.until('its disk to start', THERE_MS, async () =>
    existsSync(log) && readFileSync(log, 'latin1').includes(TEST_DISK_SAYS) ? true : undefined,
  );
  const boot = bootOf(vm, await run.client.boots());
  const script = eventsOf(vm, await run.client.events()).find(({ name }) => name === 'ipxe.script');
  const mode = script?.name === 'ipxe.script' ? script.data.mode : '';
  run.check(mode === 'local-disk', `${vm.machine.name}: its script says ${mode}`);
  run.check(boot?.state === 'over', `${vm.machine.name}: its boot is ${boot?.state}`);
}

async function isTold(run: ScenarioRun, vm: LabVm, people: LabPeople): Promise<void> {
  const { name } = vm.machine;
  const named = await run.until('what is wrong to be named', THERE_MS, async () =>
    eventsOf(vm, await run.client.events()).find((event) => event.name === 'boot.diagnosed'),
  );
  const diagnosis = named.name === 'boot.diagnosed' ? named.data.diagnosis : '';
  run.check(diagnosis === 'no-pxeimage-for-architecture', `${name} is called ${diagnosis}`);
  const kernel = bootOf(vm, await run.client.boots())?.steps.find((one) => one.name === 'kernel');
  const told = kernel?.state === 'failed' && kernel.detail === LACK;
  run.check(told, `${name}: where its kernel would be there is ${kernel?.detail}`);
  const explained = await people.reveille(['explain', vm.machine.nics[0]?.mac ?? '']);
  run.check(explained.includes(LACK), `${name}: explain says\n${explained}`);
  const seen = negotiatedBy(await run.capture(), vm.machine.nics[0]?.mac ?? '');
  const payload = seen.http.filter((line) => /vmlinuz|initrd/.test(line));
  same(run.check, `${name}: kernel and initrd`, payload, []);
}

async function isRegistered(run: ScenarioRun, vm: LabVm): Promise<void> {
  await everyoneRegisters(run, { patiently: true, vms: [vm] });
  const { name, secureBoot } = vm.machine;
  const kernel = readFileSync(serialLog(run, vm), 'latin1');
  const locked = kernel.includes('Kernel is locked down from EFI Secure Boot');
  run.check(locked === secureBoot, `${name}: its kernel sees Secure Boot ${locked ? 'on' : 'off'}`);
}

export const serialLog = ({ lab }: ScenarioRun, { machine }: LabVm): string =>
  join(lab.dir, machine.name, 'serial.log');

async function checkWire(run: ScenarioRun, vm: LabVm, expected: Expected): Promise<void> {
  const { name, nics } = vm.machine;
  const mac = nics[0]?.mac ?? '';
  // tcpdump is handed packets by the block: the last of them come a moment after the machine has gone on.
  const { capture, seen } = await run.until('its script on the wire', WRITTEN_MS, async () => {
    const capture = await run.capture();
    const seen = negotiatedBy(capture, mac);
    return seen.http.some((line) => /\/script\.ipxe /.test(line)) ? { capture, seen } : undefined;
  });
  run.negotiated[name] = seen;
  const check: ScenarioRun['check'] = (holds, what) => run.check(holds, `${name}: ${what}`);
  const stages = seen.granted.map(({ stage, arch, file }) => `${stage} ${arch} ${file}`.trim());
  same(check, 'stages', stages, expected.stages);
  const whole = seen.tftp.filter(({ end }) => end === 'complete');
  same(
    check,
    'TFTP',
    whole.map(({ file }) => file),
    expected.tftp,
  );
  for (const { file, granted } of whole.slice(0, 1))
    same(check, `options for ${file}`, granted, { blksize: '1468', windowsize: '4' });
  const asked = seen.http
    .filter((line) => line.includes('UefiHttpBoot'))
    .map((line) => line.split(' ', 2).join(' '));
  same(check, 'requests of the firmware', asked, expected.http ?? []);
  for (const { options, asked: wanted } of seen.granted.slice(0, 2))
    same(check, 'option 97', options[97], wanted[97]);
  for (const { check: id, detail, frame } of errorsOf(capture, mac))
    check(false, `decode finds ${id} in frame ${frame}: ${detail}`);
  saveFixture(name, join(run.lab.dir, 'bridge.pcap'), mac);
}
