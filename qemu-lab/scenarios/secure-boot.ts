/**
 * Secure Boot as machines are delivered, with Microsoft's keys and with nothing but what Debian signs: shim, GRUB, kernel. One machine
 * that nobody knows is registered through GRUB; one that is on record as in use is sent to its disk, on which a shim and a
 * GRUB of Debian are, as an installed Debian has them. Judged by the wire, and by what the kernel says of its lockdown.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Built } from '../../bench/support/built.ts';
import { saveFixture } from '../fixtures.ts';
import type { LabVm } from '../lab.ts';
import { errorsOf, negotiatedBy } from '../negotiated.ts';
import { type LabPeople, openPeople } from '../people.ts';
import type { RackDescription } from '../rack.ts';
import { bootOf, machineOf, type Scenario, type ScenarioRun } from '../scenario.ts';
import { TEST_DISK_SAYS } from '../test-disk.ts';
import { enterInUse, serialLog, startsItsDisk } from './architectures.ts';
import { same } from './boots.ts';
import { everyoneRegisters } from './ingest.ts';

const MEBIBYTE = 1_048_576;
const SIGNED = ['build/boot/shimx64.efi', 'build/boot/grubnetx64.efi'] as const;
const SECURE: Omit<RackDescription['machines'][number], 'name'> = {
  ...{ firmware: 'uefi', secureBoot: true, memoryMb: 768 },
};
/** Of the configuration of scenarios whose machines take what Debian signs. */
export const CHAIN = { first: 'shimx64.efi', second: 'grubnetx64.efi', loader: 'grub' };
export const SIGNED_BUILT: readonly Built[] = SIGNED.map((file) => [
  file,
  'pxeimage/build.sh boot',
]);
const TOKEN_FOLDER = '/boot/…';
const LOADED = [`${TOKEN_FOLDER}/shimx64.efi`, `${TOKEN_FOLDER}/grubx64.efi`];
const SCRIPTS = ['/grub/grub.cfg', `${TOKEN_FOLDER}/grub.cfg`];
const PAYLOAD = [`${TOKEN_FOLDER}/vmlinuz`, `${TOKEN_FOLDER}/initrd.img`];

export const secureBoot: Scenario = {
  name: 'secure-boot',
  about:
    'Secure Boot with Microsoft’s keys and what Debian signs: registered, and started from disk',
  byCommand: true,
  tools: ['mkfs.vfat', 'mcopy', 'mmd'],
  built: SIGNED_BUILT,
  rack: {
    machines: [
      { name: 'grub-recon', serial: 'SN-4301', ...SECURE, disks: [] },
      { name: 'grub-disk', serial: 'SN-4302', ...SECURE, disks: [{ sizeMb: 64 }] },
    ],
  },
  config(dir) {
    makeSignedDisk(dir);
    return { boot: { secureBoot: { uefiX64: CHAIN } } };
  },
  async run(run) {
    const people = await openPeople(run.lab);
    const [recon, disk] = run.lab.vms;
    if (!recon || !disk) throw new Error('a machine is missing');
    run.lab.powerOn(recon);
    await everyoneRegisters(run, { patiently: true, vms: [recon] });
    await checkRegistered(run, recon, people);
    await run.lab.powerOff(recon);
    await enterInUse(disk, people);
    run.lab.powerOn(disk);
    await startsItsDisk(run, disk);
    await run.lab.powerOff(disk);
    await checkWire(run, recon, [...LOADED, ...SCRIPTS, ...PAYLOAD]);
    await checkWire(run, disk, [...LOADED, ...SCRIPTS]);
  },
};

/** A file system without partitions: shim where firmware looks for a loader, and beside it the GRUB that it starts. */
function makeSignedDisk(dir: string): void {
  const image = join(dir, 'signed-disk.img');
  const config = join(dir, 'signed-disk.cfg');
  writeFileSync(image, Buffer.alloc(64 * MEBIBYTE));
  writeFileSync(config, `echo '${TEST_DISK_SAYS}'\nwhile true; do\n  sleep 3600\ndone\n`);
  execFileSync('mkfs.vfat', [image]);
  for (const folder of ['EFI', 'EFI/BOOT', 'grub', 'grub/x86_64-efi'])
    execFileSync('mmd', ['-i', image, `::${folder}`]);
  for (const [from, to] of [
    [SIGNED[0], 'EFI/BOOT/BOOTX64.EFI'],
    [SIGNED[1], 'EFI/BOOT/grubx64.efi'],
    [config, 'grub/x86_64-efi/grub.cfg'],
  ] as const)
    execFileSync('mcopy', ['-i', image, from, `::${to}`]);
  writeFileSync(join(dir, 'grub-disk', 'disk0.img'), readFileSync(image));
}

async function checkRegistered(run: ScenarioRun, vm: LabVm, people: LabPeople): Promise<void> {
  const { name, nics } = vm.machine;
  const log = serialLog(run, vm);
  const kernel = existsSync(log) ? readFileSync(log, 'latin1') : '';
  run.check(
    kernel.includes('Kernel is locked down from EFI Secure Boot'),
    `${name}: its kernel does not say that it is locked down`,
  );
  const done = bootOf(vm, await run.client.boots())?.steps.map(({ state }) => state) ?? [];
  run.check(
    done.length > 0 && done.every((state) => state === 'done'),
    `${name}: the steps of its boot are ${done.join(', ')}`,
  );
  const record = machineOf(vm, await run.client.machines());
  run.check(
    record?.hardware.agent.secureBoot === true,
    `${name}: its report says of Secure Boot: ${record?.hardware.agent.secureBoot}`,
  );
  const explained = await people.reveille(['explain', nics[0]?.mac ?? '']);
  run.check(
    /GRUB over TFTP as shimx64\.efi/.test(explained),
    `${name}: explain says\n${explained}`,
  );
}

/** Each file once and whole, in this order; what is asked for a second time was looked for before. */
async function checkWire(run: ScenarioRun, vm: LabVm, files: readonly string[]): Promise<void> {
  const { name, nics } = vm.machine;
  const mac = nics[0]?.mac ?? '';
  const capture = await run.capture();
  const seen = negotiatedBy(capture, mac);
  run.negotiated[name] = seen;
  const check: ScenarioRun['check'] = (holds, what) => run.check(holds, `${name}: ${what}`);
  const whole = seen.tftp.filter(({ end }) => end === 'complete');
  const names = whole.map(({ file }) => file);
  same(check, 'TFTP', [...new Set(names)], files);
  const [first] = seen.granted;
  same(check, 'its boot file', first?.file, LOADED[0]);
  for (const { check: id, detail, frame } of errorsOf(capture, mac))
    check(false, `decode finds ${id} in frame ${frame}: ${detail}`);
  saveFixture(name, join(run.lab.dir, 'bridge.pcap'), mac);
}
