/**
 * Installs under Secure Boot, with Microsoft's keys and with nothing but what Debian signs. Firmware that starts nothing else takes shim,
 * GRUB and pxeimage's kernel from the network; a Debian with a shim and a signed GRUB is installed, as a tarball and as a raw disk; and
 * the same firmware starts it from the disk: one machine by itself, the other by way of the network, whose GRUB sends it there. What
 * they say by SSH of Secure Boot is the installed kernel's word.
 *
 * A third machine is asked to take a Debian whose GRUB nobody has signed. It is refused before it is told to start from it.
 */
import { join, resolve } from 'node:path';
import type { Built } from '../../bench/support/built.ts';
import type { LabVm } from '../lab.ts';
import { type LabPeople, openPeople } from '../people.ts';
import { machineOf, type Scenario, type ScenarioRun } from '../scenario.ts';
import { everyBmcIsProven, everyoneRegisters } from './ingest.ts';
import {
  checkInstalled,
  DOMAIN,
  eventsOfMachine,
  installOne,
  makeKey,
  SNAPSHOT,
  SNAPSHOT_BUILT,
} from './install.ts';
import { CHAIN, SIGNED_BUILT } from './secure-boot.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
const CREDENTIAL = 'lab-bmc';
const FOLDER = 'build/secure-boot';
const BUILD = `OUT=${FOLDER} INCLUDE="shim-signed grub-efi-amd64-signed" pxeimage/snapshots/build.sh debian-12`;
const SIGNED = ['tar', 'raw'].map((form) => `${FOLDER}/images/debian-12.${form}.zst`);
const CHOSEN = (process.env.SECURE_BOOT_INSTALL ?? '').split(',').filter(Boolean);

/** By machine. */
const IMAGES: Readonly<Record<string, string>> = {
  tarball: 'signed-tar/stable',
  raw: 'signed-raw/stable',
  unsigned: 'unsigned-raw/stable',
};

/** What the firmware says of Secure Boot to the installed system, and what its kernel made of it. */
const ASK = 'mokutil --sb-state; cat /sys/kernel/security/lockdown; dmesg | grep -i "secure boot"';
const SAYS = [
  /^SecureBoot enabled$/m,
  /^none \[integrity\] confidentiality$/m,
  /Secure boot enabled/,
  /Kernel is locked down from EFI Secure Boot/,
];

const machine = (name: string, number: number, bootFirst: 'disk' | 'network') => ({
  ...{ name, bootFirst, serial: `SN-${number}`, firmware: 'uefi' as const, secureBoot: true },
  ...{ bmc: 'fake' as const, memoryMb: 768 },
  disks: [{ serial: `DISK-${number}`, sizeMb: 2048 }],
});

const MACHINES = [
  machine('tarball', 4401, 'disk'),
  machine('raw', 4402, 'network'),
  machine('unsigned', 4403, 'network'),
];

export const secureBootInstall: Scenario = {
  name: 'secure-boot-install',
  about:
    'Secure Boot with Microsoft’s keys: installed and started from disk; an unsigned image refused',
  byCommand: true,
  sick: ['unsigned'],
  tools: ['dig', 'ssh', 'ssh-keygen'],
  built: [...SIGNED_BUILT, ...SIGNED.map((file): Built => [file, BUILD]), ...SNAPSHOT_BUILT],
  config: {
    boot: { secureBoot: { uefiX64: CHAIN } },
    jobs: { bmcSetup: { credential: CREDENTIAL } },
    dns: { domain: DOMAIN },
  },
  rack: { machines: MACHINES.filter(({ name }) => CHOSEN.length === 0 || CHOSEN.includes(name)) },
  async run(run) {
    const people = await openPeople(run.lab);
    await people.reveille(['credentials', 'put', CREDENTIAL, 'admin'], 'secret');
    const key = await makeKey(run);
    const added = addImages(people);
    // One after the other: three that unpack their initrd at once on two busy cores are silent for longer than a healthy machine.
    for (const vm of run.lab.vms) {
      run.lab.powerOn(vm);
      await everyoneRegisters(run, { patiently: true, vms: [vm] });
    }
    await everyBmcIsProven(run, { patiently: true });
    await added;
    await Promise.all(
      run.lab.vms.map((vm) => {
        const { name } = vm.machine;
        if (name === 'unsigned') return isRefused(run, people, vm);
        return installOne(run, people, { vm, key, image: IMAGES[name] ?? '' });
      }),
    );
    for (const vm of run.lab.vms) {
      if (vm.machine.name === 'unsigned') continue;
      await checkSecure(run, vm, await checkInstalled(run, people, { vm, key }));
    }
  },
};

async function addImages(people: LabPeople): Promise<void> {
  const [tarball = '', raw = ''] = SIGNED.map((file) => join(ROOT, file));
  for (const [name, option, file] of [
    ['signed-tar', '--root', tarball],
    ['signed-raw', '--disk', raw],
    ['unsigned-raw', '--disk', SNAPSHOT.raw],
  ] as const)
    await people.reveille(['images', 'add', `${name}@1`, option, file, '--channel', 'stable']);
}

type Ask = (command: string) => Promise<string>;

async function checkSecure(run: ScenarioRun, vm: LabVm, ask: Ask): Promise<void> {
  const { name } = vm.machine;
  const said = await ask(ASK);
  for (const wanted of SAYS)
    run.check(wanted.test(said), `${name} does not say ${wanted} of Secure Boot: ${said}`);
  run.say(`${name}: ${said.split('\n')[0]}`);
}

/** Its disk was written, so it is not capacity any more; nobody has started it from there. */
async function isRefused(run: ScenarioRun, people: LabPeople, vm: LabVm): Promise<void> {
  const { name } = vm.machine;
  const hardwarename = machineOf(vm, await run.client.machines())?.hardwarename ?? '';
  const params = [`image=${IMAGES[name]}`, 'hostname=web-unsigned', 'role=web'];
  const words = params.flatMap((param) => ['--param', param]);
  await people.reveille(['jobs', 'create', 'install', hardwarename, ...words]);
  const failed = await run.patiently(`the install of ${name} to fail`, async () =>
    eventsOfMachine(hardwarename, await run.client.events()).find(
      (event) => event.name === 'job.failed' || event.name === 'os.phoned-home',
    ),
  );
  const told = JSON.stringify(failed.data);
  run.check(failed.name === 'job.failed', `${name} has started what nobody has signed`);
  run.check(/INSTALL_UNVERIFIED/.test(told), `${name} failed with ${told}`);
  run.check(/the loader of the image has no signature/.test(told), `${name}: it says ${told}`);
  const record = machineOf(vm, await run.client.machines());
  run.check(record?.state === 'broken', `${name} is ${record?.state}: ${record?.stateWhy}`);
  run.say(`${name} is ${record?.state}: ${record?.stateWhy}`);
}
