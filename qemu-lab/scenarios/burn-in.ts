/**
 * Two machines of the capacity are burned in. One is sound and switched off: its BMC boots it into pxeimage, every processor,
 * its memory and both of its disks are tested, and what was measured is kept. The other waits in pxeimage and has a disk that
 * cannot be read in one place: it fails for that reason, with the disk and the place named, and is no capacity any more.
 *
 * The fault is QEMU's (blkdebug), so that the kernel sees the input/output error that a worn disk gives.
 */
import type { LabVm } from '../lab.ts';
import { type LabPeople, openPeople } from '../people.ts';
import { eventsOf, machineOf, type Scenario, type ScenarioRun } from '../scenario.ts';
import { checkRecords, everyBmcIsProven, everyoneRegisters } from './ingest.ts';

const CREDENTIAL = 'lab-bmc';
const SIZE_MB = 96;
const CPUS = 2;
/** Behind what the firmware and a look at the partitions read. */
const BAD_MIB = 70;
const SECTORS_PER_MIB = 2048;
/** Each test for a moment: what is shown is that they are made, and that they find what is wrong. */
const SHORT = ['cpuSeconds=2', 'memoryPercent=15', 'memoryRounds=1', 'diskPercent=100'];
/** A boot from off and a test: a minute and a half when nothing else runs. */
const TESTED_MS = 420_000;

export const burnIn: Scenario = {
  name: 'burn-in',
  about:
    'machines burned in: one is sound and its figures are kept, one has a disk that cannot be read',
  byCommand: true,
  sick: ['worn'],
  config: { jobs: { bmcSetup: { credential: CREDENTIAL } } },
  rack: {
    machines: [
      {
        ...{ name: 'sound', serial: 'SN-9001', bmc: 'fake', cpus: CPUS },
        disks: [
          { serial: 'DISK-9001', sizeMb: SIZE_MB },
          { serial: 'DISK-9002', sizeMb: SIZE_MB, interface: 'nvme' },
        ],
      },
      {
        ...{ name: 'worn', serial: 'SN-9003', bmc: 'fake' },
        disks: [
          { serial: 'DISK-9003', sizeMb: SIZE_MB },
          {
            ...{ serial: 'DISK-9004', sizeMb: SIZE_MB, interface: 'ahci' },
            failReads: { sector: BAD_MIB * SECTORS_PER_MIB },
          },
        ],
      },
    ],
  },
  async run(run) {
    const people = await openPeople(run.lab);
    await people.reveille(['credentials', 'put', CREDENTIAL, 'admin'], 'secret');
    for (const vm of run.lab.vms) run.lab.powerOn(vm);
    await everyoneRegisters(run);
    await checkRecords(run);
    await everyBmcIsProven(run);
    const [sound, worn] = run.lab.vms;
    if (!sound || !worn) throw new Error('the rack has lost a machine');
    await run.lab.powerOff(sound);
    const beganAt = Date.now();
    const ended = async (vm: LabVm, job: string) => {
      const document = await run.until(`the burn-in of ${vm.machine.name}`, TESTED_MS, async () => {
        const found = await people.ask('jobs', 'show', job);
        return found.job.ended_at === null ? undefined : found;
      });
      run.times[`${vm.machine.name} tested`] = Math.round((Date.now() - beganAt) / 100) / 10;
      return document;
    };
    const jobs = [await ask(run, people, sound), await ask(run, people, worn)] as const;
    const [soundJob, wornJob] = [await ended(sound, jobs[0]), await ended(worn, jobs[1])];
    await judgeSound(run, people, { vm: sound, document: soundJob });
    await judgeWorn(run, people, { vm: worn, document: wornJob });
  },
};

interface Ended {
  readonly vm: LabVm;
  // biome-ignore lint/suspicious/noExplicitAny: the API's own document
  readonly document: any;
}

async function nameOf(run: ScenarioRun, vm: LabVm): Promise<string> {
  return machineOf(vm, await run.client.machines())?.hardwarename ?? '';
}

async function ask(run: ScenarioRun, people: LabPeople, vm: LabVm): Promise<string> {
  const params = SHORT.flatMap((param) => ['--param', param]);
  const name = await nameOf(run, vm);
  return (await people.ask('jobs', 'create', 'burn-in', name, ...params)).id;
}

async function judgeSound(run: ScenarioRun, people: LabPeople, { vm, document }: Ended) {
  const { check } = run;
  const { status, code, detail, result } = document.job;
  check(status === 'finished', `sound: ${status} ${code} ${detail}`);
  check(result?.call?.warm === false, 'sound: it was off, and yet it took its work where it was');
  check(vm.starts.at(-1)?.cause === 'command', `sound: started by ${vm.starts.at(-1)?.cause}`);
  const measured = result?.keep ?? {};
  run.say(`sound: ${JSON.stringify(measured)}`);
  check(measured['cpu-count'] === CPUS, `sound: ${measured['cpu-count']} processors`);
  check(measured['cpu-rounds'] >= CPUS, `sound: ${measured['cpu-rounds']} digests`);
  check(measured['memory-bytes'] >= 32 * 2 ** 20, `sound: ${measured['memory-bytes']} B of memory`);
  check(measured['memory-patterns'] === 4, `sound: ${measured['memory-patterns']} patterns`);
  check(measured['disk-count'] === 2, `sound: ${measured['disk-count']} disks`);
  for (const disk of ['vda', 'nvme0n1'])
    check(measured[`disk-${disk}-mib-per-s`] > 0, `sound: nothing measured of ${disk}`);
  const record = machineOf(vm, await run.client.machines());
  check(record?.state === 'available', `sound is ${record?.state}: ${record?.stateWhy}`);
  const name = record?.hardwarename ?? '';
  const shown = await people.ask('machines', 'show', name);
  check(
    shown.burnIn?.status === 'finished' && shown.burnIn.measured['cpu-count'] === CPUS,
    `machines show ${name}: ${JSON.stringify(shown.burnIn)}`,
  );
  const words = await people.reveille(['machines', 'show', name]);
  check(/^burn-in: finished .*cpu-count=2/m.test(words), `machines show ${name}: ${words}`);
}

async function judgeWorn(run: ScenarioRun, people: LabPeople, { vm, document }: Ended) {
  const { check } = run;
  const { status, code, detail } = document.job;
  run.say(`worn: ${status} ${code} ${detail}`);
  const cause = new RegExp(`\\(serial DISK-9004\\) cannot be read at MiB ${BAD_MIB}: .*error`, 'i');
  check(status === 'failed' && code === 'DISK_FAILED', `worn: ${status} ${code}`);
  check(cause.test(detail), `worn: failed for ${detail}`);
  const record = machineOf(vm, await run.client.machines());
  check(record?.state === 'broken', `worn is ${record?.state}`);
  check(cause.test(record?.stateWhy ?? ''), `worn is broken because: ${record?.stateWhy}`);
  const told = eventsOf(vm, await run.client.events()).find(({ name }) => name === 'agent.failed');
  check(told?.name === 'agent.failed' && /DISK-9004/.test(told.data.detail), 'worn: no event');
  // What the kernel said of it goes along.
  const log = told?.name === 'agent.failed' ? told.data.log : '';
  check(/I\/O error/i.test(log), `worn: the agent's log has no error: ${log}`);
  const shown = await people.ask('machines', 'show', await nameOf(run, vm));
  check(shown.burnIn?.code === 'DISK_FAILED', `worn: shown as ${JSON.stringify(shown.burnIn)}`);
  check(vm.starts.length === 1, `worn was started ${vm.starts.length} times: it was waiting`);
}
