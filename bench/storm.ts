/**
 * Storm: a hall of machines powered on at once, from PXE to the kernel, beside dnsmasq with nginx.
 *
 * The machines are simulated firmware with firmware's own timers (bench/support/firmware.ts), each with its own MAC and, for TFTP
 * and HTTP, its own leased address. A thousand within one second, in turn against us and against the peers, three rounds;
 * then twenty thousand within a minute against us alone, to see that nobody is lost for good.
 */
import { type Stack, stormStacks } from './storm-stacks.ts';
import { BOOT_FILES, PXEIMAGE, requireBuilt } from './support/built.ts';
import type { Outcome, Plan } from './support/firmware.ts';
import { createPair, ip, type Pair } from './support/network.ts';
import { cpuSeconds, memoryOf, type Program, start, treeOf } from './support/process.ts';
import { requirePrograms } from './support/programs.ts';
import { withScope } from './support/scope.ts';
import { median, round } from './support/stats.ts';
import { atLeast, atMost, type TopicOptions, type TopicResult } from './support/topic.ts';

const SERVER = '10.99.0.1';
const CLIENT = '10.99.255.254';
/** The pool: 28,672 addresses. */
const POOL = { first: '10.99.16.0', last: '10.99.127.255' };
const POOL_NETWORKS = ['10.99.16.0/20', '10.99.32.0/19', '10.99.64.0/18'];

const HEAD_BYTES = 256 * 1024;
const SMALL_HEAD_BYTES = 64 * 1024;

interface Run extends Outcome {
  readonly serverCpuSeconds: number;
  readonly serverPeakMiB: number;
  /** What the server itself counted as not answered, by reason. */
  readonly serverDrops: Readonly<Record<string, number>>;
}

export async function run({ quick, log }: TopicOptions): Promise<TopicResult> {
  const programs = requirePrograms('ip', 'dnsmasq', 'nginx');
  requireBuilt(BOOT_FILES, PXEIMAGE);
  const stacks = stormStacks({ ...programs, server: SERVER, pool: POOL });
  const storm: Plan = {
    ...{ machines: quick ? 200 : 1000, overMs: 1000, deadlineMs: 180_000, server: SERVER },
    headBytes: HEAD_BYTES,
  };
  const runs = new Map<string, Run[]>(stacks.map(({ name }) => [name, []]));
  for (let turn = 1; turn <= (quick ? 1 : 3); turn++) {
    for (const stack of stacks) {
      const result = await runPlan(stack, storm, log);
      runs.get(stack.name)?.push(result);
      log(`round ${turn}, ${stack.name}: ${describe(result)}`);
    }
  }
  const [ours] = stacks;
  if (!ours) throw new Error('nothing to measure');
  const crowd: Plan = {
    ...{ machines: quick ? 2000 : 20_000, overMs: quick ? 6000 : 60_000, server: SERVER },
    ...{ deadlineMs: 240_000, headBytes: SMALL_HEAD_BYTES },
  };
  const crowded = await runPlan(ours, crowd, log);
  log(`${crowd.machines} machines, ${ours.name}: ${describe(crowded)}`);
  return summarise(runs, { storm, crowd, crowded, stacks });
}

function describe({ finished, firstTry, machines, seconds, counts, ...run }: Run): string {
  return (
    `${finished} of ${machines} finished, ${firstTry} at once; p50 ${seconds?.p50} s, p99 ${seconds?.p99} s, last ${seconds?.last} s; ` +
    `CPU ${round(run.serverCpuSeconds)} s, simulator ${run.cpuSeconds} s (late by ${run.ownDelayMs} ms); ${JSON.stringify(counts)}`
  );
}

/** A fresh stack, in namespaces of its own, and the machines against it. */
function runPlan(stack: Stack, plan: Plan, log: (line: string) => void): Promise<Run> {
  return withScope(async (scope) => {
    const pair = createPair(scope, {
      serverAddress: `${SERVER}/16`,
      clientAddress: `${CLIENT}/16`,
    });
    routeMachines(pair);
    const servers = await stack.start(scope, pair);
    const before = cpuOf(servers);
    const firmware = start({
      scope,
      namespace: pair.client,
      command: [
        process.execPath,
        `${import.meta.dirname}/support/firmware.ts`,
        JSON.stringify(plan),
      ],
    });
    const { code } = await firmware.ended;
    const last = firmware.output().trim().split('\n').at(-1) ?? '';
    if (code !== 0) throw new Error(`the simulator ended with ${code}:\n${firmware.output()}`);
    const peak = servers.flatMap(({ pid }) => treeOf(pid)).map((pid) => memoryOf(pid).peakBytes);
    const result = {
      ...(JSON.parse(last) as Outcome),
      serverCpuSeconds: round(cpuOf(servers) - before),
      serverPeakMiB: round(peak.reduce((sum, bytes) => sum + bytes, 0) / 2 ** 20, 1),
      serverDrops: await stack.drops(pair),
    };
    if (result.lost > 0)
      log(`${stack.name} lost ${result.lost}: ${servers[0]?.output().slice(-2000)}`);
    return result;
  });
}

/**
 * The machines' addresses lie behind the client's, so that the server needs one neighbour entry and not thousands: the
 * kernel's default table holds 1,024, for every server alike. In the client's namespace they are all local.
 */
function routeMachines(pair: Pair): void {
  ip('-n', pair.client, 'route', 'add', 'default', 'dev', pair.clientIface);
  for (const network of POOL_NETWORKS) {
    ip('-n', pair.client, 'route', 'add', 'local', network, 'dev', 'lo');
    ip('-n', pair.server, 'route', 'add', network, 'via', CLIENT);
  }
}

function cpuOf(servers: readonly Program[]): number {
  const pids = servers.flatMap(({ pid }) => treeOf(pid));
  return pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}

function summarise(
  runs: ReadonlyMap<string, readonly Run[]>,
  { storm, crowd, crowded, stacks }: { storm: Plan; crowd: Plan; crowded: Run; stacks: Stack[] },
): TopicResult {
  const [ours, ...peers] = stacks.map(({ name, settings }) => {
    const all = runs.get(name) ?? [];
    const of = (pick: (run: Run) => number) => round(median(all.map(pick)), 3);
    return {
      name,
      figures: {
        machines: storm.machines,
        withinSeconds: storm.overMs / 1000,
        // Of any round: a machine that failed once failed.
        failed: Math.max(...all.map(({ machines, firstTry }) => machines - firstTry)),
        lost: Math.max(...all.map(({ lost }) => lost)),
        p50Seconds: of(({ seconds }) => seconds?.p50 ?? Number.POSITIVE_INFINITY),
        p99Seconds: of(({ seconds }) => seconds?.p99 ?? Number.POSITIVE_INFINITY),
        lastSeconds: of(({ seconds }) => seconds?.last ?? Number.POSITIVE_INFINITY),
        lastRounds: all.map(({ seconds }) => seconds?.last),
        serverCpuSeconds: of((run) => run.serverCpuSeconds),
        simulatorCpuSeconds: of((run) => run.cpuSeconds),
        simulatorDelayMs: of((run) => run.ownDelayMs),
        serverPeakMiB: of((run) => run.serverPeakMiB),
        counts: all.map(({ counts }) => counts),
        settings,
      },
    };
  });
  if (!ours) throw new Error('nothing was measured');
  const [dnsmasq] = peers;
  const { failed, lost, lastSeconds } = ours.figures;
  return {
    topic: 'storm',
    verdicts: [
      atMost(`of ${storm.machines} started over`, 0, failed),
      atMost(`of ${storm.machines} lost`, 0, lost),
      atMost(`of ${crowd.machines} lost`, 0, crowded.lost),
      atLeast(
        `times ${dnsmasq?.name ?? 'nobody'}: the last of ${storm.machines}`,
        1,
        round((dnsmasq?.figures.lastSeconds ?? 0) / lastSeconds),
      ),
    ],
    ours: { ...ours.figures, crowd: { withinSeconds: crowd.overMs / 1000, ...crowded } },
    peers: Object.fromEntries(peers.map(({ name, figures }) => [name, figures])),
    ratio: Object.fromEntries(
      peers.map(({ name, figures }) => [
        `${name}: time of the last of ${storm.machines}`,
        round(figures.lastSeconds / ours.figures.lastSeconds),
      ]),
    ),
    notes: NOTES,
  };
}

const NOTES = [
  'half BIOS (lockstep TFTP, blksize 1432), half UEFI (size probe, blksize 1468, windowsize 4 if granted; 4 s of waiting for more offers, so no UEFI machine can be done in less), then iPXE by DHCP and HTTP; all timers are those of the firmware',
  `the storm fetches the first ${HEAD_BYTES / 1024} KiB of kernel and initrd, the crowd ${SMALL_HEAD_BYTES / 1024} KiB, by Range`,
  'failed: machines that had to start over at least once, in the worst round; lost: never finished',
  'the machines, the servers and the kernel in between share the cores: CPU of both is given, and how late the simulator was',
];
