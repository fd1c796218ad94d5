/**
 * Two machines that are in service are handed back. One has a pattern on each of its three disks, on three interfaces: it comes
 * back as capacity, the pattern is nowhere on the disks' files as the host reads them, and its certificate is checked by the
 * command line and by OpenSSL. The other has a disk that takes no write: it ends broken, with that disk named, and its
 * certificate says that it failed.
 *
 * The lab and not the appliance looks at the disks, byte by byte; nothing that an agent reports is taken for true.
 */
import { mkdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LabVm } from '../lab.ts';
import { countPattern, diskFilesOf, writePattern } from '../pattern.ts';
import { type LabPeople, openPeople } from '../people.ts';
import { eventsOf, machineOf, type Scenario, type ScenarioRun } from '../scenario.ts';
import { everyBmcIsProven } from './ingest.ts';

const CREDENTIAL = 'lab-bmc';
const SIZE_MB = 64;
/** Where the pattern is written from: what is before it boots. */
const FROM_BYTES = 8 * 2 ** 20;
const REGISTERED_MS = 300_000;
/** Measured at under three minutes on a busy computer, under emulation; three times that. */
const RECYCLED_MS = 600_000;

const owned = (name: string, serial: string) => ({
  ...{ name, serial, bmc: 'fake' as const, bootFirst: 'network' as const },
});

export const recycle: Scenario = {
  name: 'recycle',
  about: 'machines handed back: one erased, proven and certified; one with a bad disk kept out',
  sick: ['stubborn'],
  tools: ['openssl'],
  config: { jobs: { bmcSetup: { credential: CREDENTIAL } } },
  rack: {
    machines: [
      {
        ...owned('clean', 'SN-8001'),
        disks: [
          { serial: 'DISK-8001', sizeMb: SIZE_MB, boots: true },
          { serial: 'DISK-8002', sizeMb: SIZE_MB, interface: 'ahci' },
          { serial: 'DISK-8003', sizeMb: SIZE_MB, interface: 'nvme' },
        ],
      },
      {
        ...owned('stubborn', 'SN-8002'),
        disks: [
          { serial: 'DISK-8004', sizeMb: SIZE_MB, boots: true },
          { serial: 'DISK-8005', sizeMb: SIZE_MB, interface: 'ahci', failWrites: true },
        ],
      },
    ],
  },
  async run(run) {
    const people = await openPeople(run.lab);
    await people.reveille(['credentials', 'put', CREDENTIAL, 'admin'], 'secret');
    for (const vm of run.lab.vms) await fill(vm, run);
    await enterService(run, people);
    const beganAt = Date.now();
    for (const vm of run.lab.vms) {
      const name = await nameOf(run, vm);
      // Each sample is a few processes in the ramdisk, which are slow under emulation.
      const few = ['--param', 'samples=32'];
      await people.reveille(['jobs', 'create', 'recycle', name, '--release', ...few]);
    }
    for (const vm of run.lab.vms) {
      await judge(run, people, vm);
      run.times[`${vm.machine.name} recycled`] = Math.round((Date.now() - beganAt) / 100) / 10;
    }
  },
};

async function nameOf(run: ScenarioRun, vm: LabVm): Promise<string> {
  return machineOf(vm, await run.client.machines())?.hardwarename ?? '';
}

/** Up to its last byte: what lies at the end of a disk is forgotten most easily. */
async function fill(vm: LabVm, run: ScenarioRun): Promise<void> {
  for (const file of diskFilesOf(run.lab, vm)) {
    await writePattern(file, FROM_BYTES, SIZE_MB * 2 ** 20 - FROM_BYTES);
    run.check((await countPattern(file)) > 0, `${file} does not hold the pattern to begin with`);
  }
}

/** As a site does that had machines before it had us: entered from its sheet, then looked over once. */
async function enterService(run: ScenarioRun, people: LabPeople): Promise<void> {
  for (const { machine } of run.lab.vms)
    await people.reveille(['machines', 'enter', `serial=${machine.serial}`, 'state=in-use']);
  for (const vm of run.lab.vms) run.lab.powerOn(vm);
  await run.until('both to report, in use', REGISTERED_MS, async () => {
    const machines = await run.client.machines();
    const all = run.lab.vms.every((vm) => {
      const record = machineOf(vm, machines);
      return record?.state === 'in-use' && record.hardware.disks.length > 0;
    });
    return all || undefined;
  });
  await everyBmcIsProven(run);
}

async function judge(run: ScenarioRun, people: LabPeople, vm: LabVm): Promise<void> {
  const { name } = vm.machine;
  const { check } = run;
  const clean = vm.machine.disks.every(({ failWrites }) => failWrites === false);
  const record = await run.until(`${name} to be taken back`, RECYCLED_MS, async () => {
    const found = machineOf(vm, await run.client.machines());
    return found && ['available', 'broken'].includes(found.state) ? found : undefined;
  });
  const { state, stateWhy, hardwarename } = record;
  const counts = await Promise.all(diskFilesOf(run.lab, vm).map(countPattern));
  run.say(`${name} is ${state}: ${stateWhy}; the pattern ${counts.join(', ')} times on its disks`);
  const writable = counts.filter((_, index) => vm.machine.disks[index]?.failWrites === false);
  check(
    writable.every((count) => count === 0),
    `${name}: the pattern is still there: ${counts}`,
  );
  check(state === (clean ? 'available' : 'broken'), `${name} is ${state}: ${stateWhy}`);
  const bad = vm.machine.disks.find(({ failWrites }) => failWrites !== false);
  if (bad) {
    const told = eventsOf(vm, await run.client.events()).find(
      (event) => event.name === 'disk.erased' && event.data.serial === bad.serial,
    );
    check(told?.name === 'disk.erased' && !told.data.ok, `${name}: ${bad.serial} is said clean`);
    check(/cannot be written/.test(stateWhy), `${name} is broken because: ${stateWhy}`);
  }
  await checkCertificate(run, people, { hardwarename, vm, clean });
}

interface Certified {
  readonly hardwarename: string;
  readonly vm: LabVm;
  readonly clean: boolean;
}

async function checkCertificate(
  { lab, check }: ScenarioRun,
  people: LabPeople,
  { hardwarename, vm, clean }: Certified,
): Promise<void> {
  const { name, disks } = vm.machine;
  const folder = join(lab.dir, `certificate-${name}`);
  mkdirSync(folder);
  await people.reveille(['certificates', 'show', hardwarename, '--out', folder]);
  const at = (file: string) => join(folder, file);
  const text = JSON.parse(await readFile(at('certificate.json'), 'utf8'));
  const serials = text.disks.map(({ serial }: { serial: string }) => serial).sort();
  check(serials.join() === disks.map(({ serial }) => serial).join(), `${name}: of ${serials}`);
  check(text.result === (clean ? 'sanitized' : 'failed'), `${name}: ${text.result} ${text.fault}`);
  check(text.requester !== '', `${name}: nobody has asked for it`);
  const verify = ['certificates', 'verify', folder];
  const said = await people.reveille(verify).catch((error: Error) => error.message);
  const words = clean ? /genuine: .* is sanitized/ : /genuine: .* is failed/;
  check(words.test(said) && !/NOT GENUINE/.test(said), `${name}: verify says ${said}`);
  const openssl = () =>
    people
      .program(
        ...['openssl', 'pkeyutl', '-verify', '-pubin', '-inkey', at('key.pem'), '-rawin'],
        ...['-in', at('certificate.json'), '-sigfile', at('certificate.sig')],
      )
      .catch((error: Error) => `refused: ${error.message}`);
  const genuine = await openssl();
  check(/Verified Successfully/.test(genuine), `${name}: openssl says ${genuine}`);
  // The check can fail: one other byte, and it is nobody's certificate.
  await writeFile(at('certificate.json'), `${JSON.stringify(text)}\n`);
  const forged = await openssl();
  check(/^refused/.test(forged), `${name}: openssl takes another text: ${forged}`);
}
