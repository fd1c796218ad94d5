/**
 * Failures that need more than a machine switched on: one that is known, and that a job then starts.
 *
 * Two of them have an operating system on their disk, put there by hand after they were registered: the same Debian that the
 * install scenario installs, which asks for an address when it starts. The third is made to start its installer over and over,
 * by the reset button, as a machine does whose power supply gives way when its disks spin.
 */
import { execFile } from 'node:child_process';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LabVm } from '../lab.ts';
import { type LabPeople, openPeople } from '../people.ts';
import type { RackDescription } from '../rack.ts';
import { eventsOf, machineOf, type ScenarioRun } from '../scenario.ts';
import { bmcIsProven } from './ingest.ts';
import { addImages, SNAPSHOT } from './install.ts';

const exec = promisify(execFile);
export const CREDENTIAL = 'lab-bmc';
/** Half a minute on a computer that has nothing else to do; emulation beside three others takes ten times that. */
const REGISTERED_MS = 600_000;
const LOADED_MS = 600_000;
/** Two boots that came to nothing, and the one that is judged. */
const LOOPED = 3;

/** Their order of boot is their own: an empty disk is passed over, and they register from the network. */
const supervised = { bmc: 'fake', bootFirst: 'disk', memoryMb: 768 } as const;
export const POWER_FAILURES: Readonly<
  Record<string, Omit<RackDescription['machines'][number], 'name'>>
> = {
  'boot-override-ignored': { ...supervised, disks: [{ sizeMb: 1024 }] },
  'wrong-boot-order': { ...supervised, disks: [{ sizeMb: 1024 }] },
  'install-loop': { ...supervised, bootFirst: 'network', disks: [{ sizeMb: 1024 }] },
};

/** A BMC needs a login before a job can use it; asked for once in a run. */
export function powerStage(run: ScenarioRun): () => Promise<LabPeople> {
  let people: Promise<LabPeople> | undefined;
  const open = async () => {
    const opened = await openPeople(run.lab);
    await opened.reveille(['credentials', 'put', CREDENTIAL, 'admin'], 'secret');
    return opened;
  };
  return () => {
    people ??= open();
    return people;
  };
}

/** Brings the machine to the point from which it fails by itself. */
export async function setPowerStage(run: ScenarioRun, people: LabPeople, vm: LabVm): Promise<void> {
  const { name } = vm.machine;
  run.lab.powerOn(vm);
  const { hardwarename } = await run.until(`${name} to be registered`, REGISTERED_MS, async () => {
    const found = machineOf(vm, await run.client.machines());
    return found?.state === 'available' ? found : undefined;
  });
  await bmcIsProven(run, vm);
  if (name === 'install-loop') return startOver(run, people, { vm, hardwarename });
  await run.lab.powerOff(vm);
  await putSystem(run, vm);
  if (name === 'boot-override-ignored') {
    if (vm.bmc) vm.bmc.fake.knobs.ignoresBootFlags = true;
    await people.reveille(['jobs', 'create', 'netboot', hardwarename]);
  } else await people.reveille(['jobs', 'create', 'power-cycle', hardwarename]);
}

async function putSystem({ lab }: ScenarioRun, vm: LabVm): Promise<void> {
  const { raw } = SNAPSHOT;
  const file = join(lab.dir, vm.machine.name, 'disk0.img');
  await exec('zstd', ['-q', '-d', '-f', '--sparse', raw, '-o', file]);
  await truncate(file, (vm.machine.disks[0]?.sizeMb ?? 0) * 2 ** 20);
}

/** Reset as soon as pxeimage runs with the installer's order, until it was served for the third time. */
async function startOver(
  run: ScenarioRun,
  people: LabPeople,
  { vm, hardwarename }: { vm: LabVm; hardwarename: string },
): Promise<void> {
  await addImages(people);
  await run.lab.powerOff(vm);
  const job = ['jobs', 'create', 'install', hardwarename, '--param', 'image=debian-12-raw/stable'];
  await people.reveille([...job, '--param', 'hostname=loop', '--param', 'role=web']);
  const scripts = async () =>
    eventsOf(vm, await run.client.events()).filter(
      (event) => event.name === 'ipxe.script' && event.data.mode === 'install',
    );
  for (let round = 1; round < LOOPED; round++) {
    const script = await run.until(`installer ${round} to be served`, LOADED_MS, async () =>
      (await scripts()).at(round - 1),
    );
    await run.until(`installer ${round} to run`, LOADED_MS, async () =>
      eventsOf(vm, await run.client.events()).find(
        ({ name, boot }) => name === 'work.taken' && boot === script.boot,
      ),
    );
    await vm.reset('soft-reset');
  }
  await run.until('the installer to be served again', LOADED_MS, async () =>
    (await scripts()).at(LOOPED - 1),
  );
}
