/**
 * Two machines, BIOS and UEFI, from capacity to use: a Debian is put into the image store and installed by `reveille jobs`,
 * one of them where it waits in pxeimage, the other switched on by its BMC for it. Each starts the installed system from its
 * disk by itself, calls home, has its name in DNS and takes the key that the job was given.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Built } from '../../bench/support/built.ts';
import type { StoredEvent } from '../../src/events.ts';
import type { LabVm } from '../lab.ts';
import { type LabPeople, openPeople } from '../people.ts';
import { eventsOf, machineOf, type Scenario, type ScenarioRun } from '../scenario.ts';
import { everyBmcIsProven, everyoneRegisters } from './ingest.ts';

const exec = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '..', '..');
const CREDENTIAL = 'lab-bmc';
/** Of the configuration of scenarios whose machines are looked up by name. */
export const DOMAIN = 'lab.test';
export const SNAPSHOT = {
  tarball: join(ROOT, 'build/images/debian-12.tar.zst'),
  raw: join(ROOT, 'build/images/debian-12.raw.zst'),
};
export const SNAPSHOT_BUILT: readonly Built[] = Object.values(SNAPSHOT).map((file) => [
  file,
  'make snapshots',
]);
const ANSWER_MS = 60_000;

export const install: Scenario = {
  name: 'install',
  about: 'two machines, BIOS and UEFI, installed by jobs: one where it waits, one by its BMC',
  tools: ['dig', 'ssh', 'ssh-keygen'],
  built: SNAPSHOT_BUILT,
  config: { jobs: { bmcSetup: { credential: CREDENTIAL } }, dns: { domain: DOMAIN } },
  rack: {
    machines: [
      {
        name: 'bios',
        serial: 'SN-7001',
        ...{ bmc: 'fake', bootFirst: 'disk', memoryMb: 768 },
        disks: [{ serial: 'DISK-7001', sizeMb: 2048 }],
      },
      {
        name: 'uefi',
        firmware: 'uefi',
        serial: 'SN-7002',
        ...{ bmc: 'fake', bootFirst: 'disk', memoryMb: 768 },
        disks: [{ serial: 'DISK-7002', sizeMb: 2048 }],
      },
    ],
  },
  async run(run) {
    const people = await openPeople(run.lab);
    await people.reveille(['credentials', 'put', CREDENTIAL, 'admin'], 'secret');
    const key = await makeKey(run);
    const added = addImages(people);
    for (const vm of run.lab.vms) run.lab.powerOn(vm);
    await everyoneRegisters(run);
    await everyBmcIsProven(run);
    await added;
    const cold = run.lab.vms.find(({ machine }) => machine.firmware === 'uefi');
    if (cold) await switchOff(run, people, cold);
    const image = { bios: 'debian-12-tar/stable', uefi: 'debian-12-raw/stable' };
    await Promise.all(
      run.lab.vms.map((vm) =>
        installOne(run, people, { vm, key, image: image[vm.machine.firmware] }),
      ),
    );
    for (const vm of run.lab.vms) await checkInstalled(run, people, { vm, key });
  },
};

export async function addImages(people: LabPeople): Promise<void> {
  const { tarball, raw } = SNAPSHOT;
  await people.reveille([
    ...['images', 'add', 'debian-12-tar@1', '--root', tarball, '--channel', 'stable'],
  ]);
  await people.reveille([
    ...['images', 'add', 'debian-12-raw@1', '--disk', raw, '--channel', 'stable'],
  ]);
}

export interface Key {
  readonly file: string;
  readonly line: string;
}

export async function makeKey({ lab }: Pick<ScenarioRun, 'lab'>): Promise<Key> {
  const file = join(lab.dir, 'key');
  await exec('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'lab', '-f', file]);
  return { file, line: (await readFile(`${file}.pub`, 'utf8')).trim() };
}

async function switchOff(run: ScenarioRun, people: LabPeople, vm: LabVm): Promise<void> {
  const name = machineOf(vm, await run.client.machines())?.hardwarename ?? '';
  const off = ['jobs', 'create', 'power-off', name, '--watch', '--param', 'graceSeconds=0'];
  await people.reveille(off);
  run.check(!vm.isOn, `${vm.machine.name} is on after power-off`);
}

const hostnameOf = (vm: LabVm) => `web-${vm.machine.name}`;

export interface Wanted {
  readonly vm: LabVm;
  readonly key: Key;
  readonly image: string;
  /** `NAME=VALUE`, beside name, role and key. */
  readonly more?: readonly string[];
}

export async function installOne(
  run: ScenarioRun,
  people: LabPeople,
  { vm, key, image, more = [] }: Wanted,
): Promise<void> {
  const { name } = vm.machine;
  const machine = machineOf(vm, await run.client.machines())?.hardwarename ?? '';
  const params = [
    ...[`image=${image}`, `hostname=${hostnameOf(vm)}`, 'role=web'],
    ...[`sshKeys=${JSON.stringify([key.line])}`, ...more],
  ].flatMap((param) => ['--param', param]);
  await people.reveille(['jobs', 'create', 'install', machine, ...params]);
  let told = '';
  await run.patiently(`${name} to be in use`, async () => {
    const record = machineOf(vm, await run.client.machines());
    if (record?.state === 'in-use') return true;
    const events = eventsOfMachine(machine, await run.client.events());
    const failed = events.find((event) => event.name === 'job.failed');
    if (failed) throw new Error(`${name}: ${JSON.stringify(failed.data)} ${lastLog(events)}`);
    const last = events.findLast((event) => event.name === 'agent.progress');
    const now = last?.name === 'agent.progress' ? last.data.phase : '';
    if (now !== told) run.say(`${name}: ${now}`);
    told = now;
    return undefined;
  });
  run.say(`${name} is in use`);
}

/** Each once: two that read the feed at the same time may both have added a page to what the client keeps. */
export function eventsOfMachine(
  hardwarename: string,
  events: readonly StoredEvent[],
): StoredEvent[] {
  const mine = events.filter((event) => event.hardwarename === hardwarename);
  return [...new Map(mine.map((event) => [event.id, event])).values()];
}

function lastLog(events: readonly StoredEvent[]): string {
  const failed = events.findLast((event) => event.name === 'agent.failed');
  return failed?.name === 'agent.failed' ? failed.data.log : '';
}

/**
 * From the first word of the job to the last: seconds, in the order in which they were reached; and what the machine says by SSH.
 * @returns asks the installed system
 */
export async function checkInstalled(
  run: ScenarioRun,
  people: LabPeople,
  { vm, key }: Pick<Wanted, 'vm' | 'key'>,
): Promise<(command: string) => Promise<string>> {
  const { name } = vm.machine;
  const record = machineOf(vm, await run.client.machines());
  const events = eventsOfMachine(record?.hardwarename ?? '', await run.client.events());
  const states = events.flatMap((event) => (event.name === 'machine.state' ? [event.data.to] : []));
  run.check(
    states.join() === 'available,installing,in-use',
    `${name} went ${states.join(', ')} and not available, installing, in-use`,
  );
  const queuedAt = events.find(
    (event) => event.name === 'job.queued' && event.data.action === 'install',
  )?.at;
  const home = events.find((event) => event.name === 'os.phoned-home');
  const address = home?.name === 'os.phoned-home' ? home.data.address : '';
  const installed = events.find((event) => event.name === 'agent.finished');
  const measured = installed?.name === 'agent.finished' ? installed.data.measurements : {};
  for (const [what, event] of [
    ['taken', events.find((each) => each.name === 'work.taken')],
    ['installed', installed],
    ['home', home],
  ] as const)
    if (queuedAt !== undefined && event)
      run.times[`${name} ${what}`] = Math.round((event.at - queuedAt) / 100) / 10;
  for (const what of ['seconds', 'copy-seconds'])
    run.times[`${name} agent ${what}`] = Number(measured[what]);
  const taken = await run
    .until(`the name of ${name} in DNS`, ANSWER_MS, async () => {
      // No answer within a second is none yet.
      const answer = await people
        .program(
          ...['dig', '+short', '+time=1', '+tries=1', '@10.77.0.1', `${hostnameOf(vm)}.${DOMAIN}`],
        )
        .catch(() => '');
      return answer.trim() === address ? answer : undefined;
    })
    .catch((error: Error) => error);
  run.check(!(taken instanceof Error), `${name} is not in DNS: ${taken}`);
  const ask = (command: string) =>
    people
      .program(
        ...['ssh', '-i', key.file, '-o', 'StrictHostKeyChecking=no', '-o', 'BatchMode=yes'],
        ...['-o', 'UserKnownHostsFile=/dev/null', '-o', 'ConnectTimeout=30'],
        ...[`root@${address}`, command],
      )
      .catch((error: Error) => error.message);
  const said = await ask('hostname; cat /etc/os-release; cat /proc/cmdline; df /');
  run.check(said.startsWith(hostnameOf(vm)), `${name} by SSH: ${said}`);
  run.check(/Debian GNU\/Linux 12/.test(said), `${name} runs something else: ${said}`);
  run.check(!/reveille\.token/.test(said), `${name} still runs pxeimage: ${said}`);
  // From the disk: by nobody's help where the firmware tries that first, else sent there by the decision of its boot.
  const startedAt = vm.poweredOnAt ?? 0;
  const modes = eventsOf(vm, events).flatMap((event) =>
    event.name === 'ipxe.script' && event.at >= startedAt ? [event.data.mode] : [],
  );
  const { bootFirst } = vm.machine;
  run.check(
    vm.starts.at(-1)?.first === bootFirst,
    `${name} was last started to ${vm.starts.at(-1)?.first}`,
  );
  const wanted = bootFirst === 'disk' ? '' : 'local-disk';
  run.check(
    [...new Set(modes)].join() === wanted,
    `${name} was last started by the network: ${modes.join() || 'it asked for no script'}`,
  );
  return ask;
}
