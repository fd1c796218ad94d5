/**
 * Installs: warm and cold, beside the same snapshot written by hand with `curl | zstd -d | dd`, in turn on one virtual machine.
 *
 * The machine is QEMU's, with a BMC of the lab; the snapshot is the raw Debian 12 of `make snapshots`. Three things are measured
 * on it: a warm install (it waits in pxeimage), cold ones (it is off, its BMC boots it), and the floor: what a person would type in the
 * same ramdisk, who checks nothing, grows nothing, and leaves a system without name, network or key. The floor has no boots of
 * its own; those of the same machine are added to it (from the reset to the answer on port 22, and for a cold install from the power to
 * the agent's work). What is more than that is our overhead: choosing and checking the disk, hashing the stream, growing the file
 * system, writing names and keys, reading back what was written, and the jobs around it.
 *
 * Under emulation everything is slow alike, but not evenly: hashing is dearer than on a processor that has instructions for it.
 */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { createClient } from '../qemu-lab/client.ts';
import { createLab, type Lab, type LabVm } from '../qemu-lab/lab.ts';
import { type LabPeople, openPeople } from '../qemu-lab/people.ts';
import { requirePrerequisites } from '../qemu-lab/prerequisites.ts';
import { expandRack } from '../qemu-lab/rack.ts';
import { machineOf } from '../qemu-lab/scenario.ts';
import { SNAPSHOT, SNAPSHOT_BUILT } from '../qemu-lab/scenarios/install.ts';
import type { StoredEvent } from '../src/events.ts';
import { removeFolder, temporaryFolder } from '../test/support/temporary-folder.ts';
import { BY_HAND, makePxeimageByHand } from './install-by-hand.ts';
import { type Scope, withScope } from './support/scope.ts';
import { median, round } from './support/stats.ts';
import { atMost, type TopicOptions, type TopicResult } from './support/topic.ts';

const CREDENTIAL = 'lab-bmc';
const POLL_MS = 200;
/** Of the floor and the boots. */
const OVERHEAD_MAX = 10;
const WAIT_MS = 900_000;
/** Of a cold install and one by hand; a machine is warm once, before its first. */
const ROUNDS = 3;

interface Site {
  readonly lab: Lab;
  readonly vm: LabVm;
  readonly people: LabPeople;
  readonly name: string;
  events(): Promise<StoredEvent[]>;
  until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T>;
}

interface Installed {
  /** From the job's first word to the answer on port 22. */
  readonly totalSeconds: number;
  /** From its last start to the answer on port 22. */
  readonly bootSeconds: number;
  /** From the power to the agent's work, of a cold one. */
  readonly netbootSeconds: number;
  /** From the agent's first word to its last. */
  readonly agentSeconds: number;
  /** By hand: of the pipe alone. */
  readonly pipeSeconds: number;
  /** Where the agent's time went: seconds by step. */
  readonly steps: Readonly<Record<string, number>>;
}

export async function run({ quick, log }: TopicOptions): Promise<TopicResult> {
  requirePrerequisites({ tools: ['curl', 'cpio'], built: SNAPSHOT_BUILT });
  return withScope(async (scope) => {
    const site = await openSite(scope);
    const install = async (what: string, words: readonly string[], hostname: string) => {
      const found = await installOnce(site, words, hostname);
      log(`${what}: ${found.totalSeconds} s, ${JSON.stringify(found.steps)}`);
      return found;
    };
    const again = ['reinstall', site.name, '--release'];
    const warm = [await install('warm', ['install', site.name], 'web1')];
    const cold: Installed[] = [];
    const hand: Installed[] = [];
    for (let round = 0; round < (quick ? 1 : ROUNDS); round++) {
      await switchOff(site);
      cold.push(await install('cold', again, 'web1'));
      await switchOff(site);
      hand.push(await install('by hand', again, BY_HAND));
    }
    return summary({ warm, cold, hand });
  });
}

async function openSite(scope: Scope): Promise<Site> {
  const dir = temporaryFolder('bench');
  scope.defer(() => removeFolder(dir));
  const rack = expandRack({
    machines: [
      {
        ...{ name: 'vm', serial: 'SN-7001', bmc: 'fake', bootFirst: 'disk' },
        ...{ memoryMb: 1024, cpus: 2 },
        disks: [{ serial: 'DISK-7001', sizeMb: 2048 }],
      },
    ],
  });
  const pxeimage = makePxeimageByHand(dir);
  const config = { jobs: { bmcSetup: { credential: CREDENTIAL } } };
  const lab = await createLab(rack, { pxeimage, config });
  scope.defer(() => lab.destroy());
  const [vm] = lab.vms;
  if (!vm) throw new Error('the lab has no machine');
  const client = createClient(lab.api);
  const until: Site['until'] = async (what, probe) => {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const found = await probe();
      if (found !== undefined) return found;
      if (Date.now() > deadline) throw new Error(`waited too long for ${what}`);
      await new Promise((next) => setTimeout(next, POLL_MS));
    }
  };
  const people = await openPeople(lab);
  await people.reveille(['credentials', 'put', CREDENTIAL, 'admin'], 'secret');
  const added = ['images', 'add', 'debian-12@1', '--disk', SNAPSHOT.raw, '--channel', 'stable'];
  await people.reveille(added);
  lab.powerOn(vm);
  const name = await until('the machine, and the proof of its BMC', async () => {
    const record = machineOf(vm, await client.machines());
    const isReady = record?.state === 'available' && record.bmcAddress === vm.bmc?.address();
    return isReady ? record.hardwarename : undefined;
  });
  const events = async () => {
    const all = new Map((await client.events()).map((event) => [event.id, event]));
    return [...all.values()].sort((a, b) => a.id - b.id);
  };
  return { lab, vm, people, name, events, until };
}

/** Cold is off: a machine that runs would have to be switched off first, and its supplies to discharge. */
async function switchOff({ people, name, vm }: Site): Promise<void> {
  const words = ['jobs', 'create', 'power-off', name, '--release', '--watch'];
  await people.reveille([...words, '--param', 'graceSeconds=0']);
  if (vm.isOn) throw new Error('the machine is on after power-off');
}

async function installOnce(
  site: Site,
  words: readonly string[],
  hostname: string,
): Promise<Installed> {
  const { people, vm, until } = site;
  const params = ['image=debian-12/stable', `hostname=${hostname}`];
  const before = (await site.events()).at(-1)?.id ?? 0;
  const { id: job } = await people.ask(
    ...['jobs', 'create', ...words, ...params.flatMap((param) => ['--param', param])],
  );
  const mine = async () => (await site.events()).filter(({ id }) => id > before);
  const finished = await until('the agent', async () => {
    const events = await mine();
    const failed = events.find(({ name }) => name === 'job.failed');
    if (failed) throw new Error(`the install failed: ${JSON.stringify(failed.data)}`);
    return events.find(({ name }) => name === 'agent.finished');
  });
  const address = await until(
    'its system to ask for an address',
    async () =>
      (await mine()).flatMap((event) =>
        event.name === 'dhcp.acked' && event.data.client === 'os' && event.at > finished.at
          ? [event.data.address]
          : [],
      )[0],
  );
  await until('port 22', async () => {
    const open = ['bash', '-c', `exec 3<>/dev/tcp/${address}/22 && head -c 4 <&3`];
    const said = await people.program('timeout', '3', ...open).catch(() => '');
    return said === 'SSH-' ? true : undefined;
  });
  const openAt = Date.now();
  const startedAt = vm.starts.at(-1)?.at ?? 0;
  if (hostname === BY_HAND) await callHomeFor(site, job);
  await until('the job to end', async () =>
    (await mine()).find(({ name }) => name === 'job.finished'),
  );
  const events = await mine();
  // From the job's own first word: what the command took that asked for it is no part of an install.
  const queuedAt = events.find(({ name }) => name === 'job.queued')?.at ?? Number.NaN;
  const takenAt = events.find(({ name }) => name === 'work.taken')?.at ?? 0;
  const start = vm.starts.findLast(({ at }) => at <= takenAt && at >= queuedAt)?.at;
  const { measurements = {} } = finished.name === 'agent.finished' ? finished.data : {};
  return {
    totalSeconds: round((openAt - queuedAt) / 1000, 1),
    bootSeconds: round((openAt - startedAt) / 1000, 1),
    netbootSeconds: start === undefined ? 0 : round((takenAt - start) / 1000, 1),
    agentSeconds: round((finished.at - takenAt) / 1000, 1),
    pipeSeconds: round(Number(measurements['by-hand-centiseconds'] ?? 0) / 100, 1),
    steps: stepsOf(events, finished.at),
  };
}

/** What was written by hand knows of no appliance: the bench calls for it, so that the machine is in use again. */
async function callHomeFor({ lab, people }: Site, job: string): Promise<void> {
  const db = new Sqlite(join(lab.dir, 'reveille.db'), { readonly: true });
  const row = db
    .prepare<[string], { token: string }>(
      "SELECT token FROM work_tokens WHERE job = ? AND purpose = 'metadata'",
    )
    .get(job);
  db.close();
  const url = `http://10.77.0.1:8080/phone-home/${row?.token}`;
  await people.program('curl', '-s', '-f', '-X', 'POST', url);
}

/** From each step's first word to the next one's. */
function stepsOf(events: readonly StoredEvent[], endAt: number): Record<string, number> {
  const marks: { step: string; at: number }[] = [];
  for (const event of events)
    if (event.name === 'agent.progress' && marks.at(-1)?.step !== event.data.phase)
      marks.push({ step: event.data.phase, at: event.at });
  return Object.fromEntries(
    marks.map(({ step, at }, index) => [
      step,
      round(((marks[index + 1]?.at ?? endAt) - at) / 1000, 1),
    ]),
  );
}

function summary(runs: Record<'warm' | 'cold' | 'hand', readonly Installed[]>): TopicResult {
  const of = (list: readonly Installed[], what: (one: Installed) => number) =>
    round(median(list.map(what)), 1);
  const bootSeconds = of(Object.values(runs).flat(), (one) => one.bootSeconds);
  const pipeSeconds = of(runs.hand, (one) => one.pipeSeconds);
  const shown = (list: readonly Installed[]) => {
    const netbootSeconds = of(list, (one) => one.netbootSeconds);
    const least = pipeSeconds + bootSeconds + netbootSeconds;
    const total = of(list, (one) => one.totalSeconds - one.bootSeconds) + bootSeconds;
    return {
      totalSeconds: round(total, 1),
      agentSeconds: of(list, (one) => one.agentSeconds),
      netbootSeconds,
      floorSeconds: round(least, 1),
      overheadPercent: round(((total - least) / least) * 100, 1),
      installs: list,
    };
  };
  const ours = { warm: shown(runs.warm), cold: shown(runs.cold) };
  const ratioOf = ({ floorSeconds, totalSeconds }: typeof ours.warm) =>
    round(floorSeconds / totalSeconds);
  return {
    topic: 'install',
    ours,
    peers: { 'by hand': { pipeSeconds, bootSeconds } },
    ratio: { 'by hand, warm': ratioOf(ours.warm), 'by hand, cold': ratioOf(ours.cold) },
    verdicts: (['warm', 'cold'] as const).map((kind) =>
      atMost(`overhead of a ${kind} install, percent`, OVERHEAD_MAX, ours[kind].overheadPercent),
    ),
    notes: [
      'Floor: `curl | zstd -d | dd conv=fsync` of the same snapshot in the same machine and ramdisk, and that machine’s boots; nothing checked, grown or configured.',
      'Medians. The start from the disk is the same work after each: one figure, of all of them, stands in floor and install alike.',
      'Cold: the machine is off. One that runs is switched off first, and five seconds more are the pause in which supplies discharge.',
      'Two virtual processors under emulation.',
    ],
  };
}
