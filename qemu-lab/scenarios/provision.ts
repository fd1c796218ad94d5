/**
 * What the scenarios of requests and pools share: the image that their machines are installed with, machines that are ready to
 * be taken, and questions to the event feed.
 *
 * The image is `tiny` (pxeimage/snapshots/tiny): five machines that are installed over and over share two cores under
 * emulation, and what is shown here is about machines, not about what runs on them. Scenario `install` takes a real Debian.
 */
import { join, resolve } from 'node:path';
import type { StoredEvent } from '../../src/events.ts';
import type { LabVm } from '../lab.ts';
import type { LabPeople } from '../people.ts';
import type { Needs } from '../prerequisites.ts';
import type { RackDescription } from '../rack.ts';
import { machineOf, type ScenarioRun } from '../scenario.ts';
import { everyBmcIsProven, everyoneRegisters } from './ingest.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
const CREDENTIAL = 'lab-bmc';

const IMAGE = 'tiny';
export const IMAGE_REF = `${IMAGE}/stable`;
const DISK = join(ROOT, `build/images/${IMAGE}.raw.zst`);

export const PROVISION_NEEDS: Needs = {
  tools: ['curl'],
  built: [[DISK, `make setup-lab pxeimage && pxeimage/snapshots/build.sh ${IMAGE}`]],
};

/** Its BMC's login is found by this, and a silent BMC is given up after a minute: sites wait for five. */
export const PROVISION_CONFIG = {
  jobs: { bmcSetup: { credential: CREDENTIAL }, install: { bmcPatienceMinutes: 1 } },
  // More at once take longer in all: two cores.
  provisioning: { installsMax: 2 },
};

type RackMachine = RackDescription['machines'][number];

export function smallMachine(
  name: string,
  number: number,
  disk: { readonly sizeMb?: number; readonly failWrites?: boolean } = {},
): RackMachine {
  return {
    ...{ name, serial: `SN-${number}`, bmc: 'fake', bootFirst: 'disk' },
    memoryMb: 512,
    disks: [{ serial: `DISK-${number}`, sizeMb: 2048, ...disk }],
  };
}

/**
 * All of the rack on record with their BMCs, and the image in the store. Five machines at once took 140 s on two busy cores: it
 * takes as long as it moves.
 */
export async function capacity(run: ScenarioRun, people: LabPeople): Promise<void> {
  const ready = prepare(people);
  for (const vm of run.lab.vms) run.lab.powerOn(vm);
  await everyoneRegisters(run, { patiently: true });
  await ready;
  await everyBmcIsProven(run, { patiently: true });
}

/** Puts the BMCs' login and the image where the appliance finds them. */
async function prepare(people: LabPeople): Promise<void> {
  await people.reveille(['credentials', 'put', CREDENTIAL, 'admin'], 'secret');
  await people.reveille(['images', 'add', `${IMAGE}@1`, '--disk', DISK, '--channel', 'stable']);
}

export async function nameOf(run: ScenarioRun, vm: LabVm): Promise<string> {
  const name = machineOf(vm, await run.client.machines())?.hardwarename;
  if (name === undefined) throw new Error(`${vm.machine.name} has no record`);
  return name;
}

/** All events so far, each once, in order. */
export async function feedOf(run: ScenarioRun): Promise<StoredEvent[]> {
  const all = new Map((await run.client.events()).map((event) => [event.id, event]));
  return [...all.values()].sort((a, b) => a.id - b.id);
}

/** What a machine answers on port 80: its installed system, and nothing else of the lab, says `ok` there. */
export async function answersByHttp(people: LabPeople, address: string): Promise<boolean> {
  const url = `http://${address}/`;
  const said = await people.program('curl', '-s', '-m', '10', url).catch(() => '');
  return said.trim() === 'ok';
}
