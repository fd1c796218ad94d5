/**
 * Power status and power cycle of many BMCs: our client beside FreeIPMI's ipmipower and a pool of ipmitool processes.
 *
 * The BMCs are simulated, all in one process on a CPU of its own, and are the same for everybody; each operation is a whole
 * session from discovery to Close Session with cipher suite 17. A round asks all of them once. Ours runs in a process that
 * is up already, as in the daemon; the peers' times hold their own start, which is how they are used. The first round warms
 * everybody up and is not timed. With ours, every machine has to answer and to be cycled exactly once; how many a peer left
 * out or cycled twice (ipmipower repeats the command when the reply is late) is among its figures.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { openSession } from '../src/ipmi/client.ts';
import { chassisControl } from '../src/ipmi/commands/power-control.ts';
import type { SessionSettings } from '../src/ipmi/options.ts';
import { powerIsOn } from '../src/ipmi/power.ts';
import { type BmcPorts, openBmcPorts } from '../src/platform/bmc-udp.ts';
import { bmcAddress, hostRanges } from './support/ipmi-addresses.ts';
import { cpuSeconds, memoryOf, type Program, start, udpSockets } from './support/process.ts';
import { requirePrograms } from './support/programs.ts';
import { withScope } from './support/scope.ts';
import { median, round } from './support/stats.ts';
import {
  atLeast,
  atMost,
  type TopicOptions,
  type TopicResult,
  type Verdict,
} from './support/topic.ts';

const run_ = promisify(execFile);
const SETTINGS: SessionSettings = {
  ...{ user: 'admin', password: 'secret', privilege: 'operator', suites: [17] },
};
/** Sessions of ours at a time; ipmipower's own default is to have all at once. */
const PARALLEL = 256;
const POOL = 16;
/** A thousand processes take over a minute, a round; their rate does not depend on the number. */
const IPMITOOL_MACHINES = 100;

/** As fast as the peer, at least; one socket for all BMCs; what Node needs itself, and some kilobytes for each session. */
const RATIO_MIN = 1;
const SOCKETS_MAX = 1;
const PEAK_MIB_MAX = 384;

type Operation = 'status' | 'cycle';

interface Contender {
  /** How many BMCs it is given: a process for each machine is measured on fewer. */
  readonly count: number;
  /** Runs one operation on all of them and returns how many answered. */
  readonly run: (operation: Operation) => Promise<number>;
}

interface Figures {
  readonly machines: number;
  /** Median of the rounds. */
  readonly statusSeconds: number;
  readonly cycleSeconds: number;
  readonly statusPerSecond: number;
  readonly cyclesPerSecond: number;
  /** Operations that gave no answer, of all rounds. */
  readonly unanswered: number;
  /** Machines that were not cycled exactly once, of all rounds. */
  readonly cycledWrong: number;
}

export async function run({ quick, log }: TopicOptions): Promise<TopicResult> {
  const programs = requirePrograms('ipmipower', 'ipmitool');
  const count = quick ? 100 : 1000;
  const rounds = quick ? 1 : 5;
  return withScope(async (scope) => {
    const bmcs = start({
      scope,
      cpus: '1',
      command: [process.execPath, `${import.meta.dirname}/support/ipmi-bmcs.ts`, String(count)],
    });
    await bmcs.line(/^ready/);
    const ports = await openBmcPorts();
    scope.defer(() => ports.close());
    const few = Math.min(count, IPMITOOL_MACHINES);
    const contenders: Record<string, Contender> = {
      ours: { count, run: (operation) => ours(ports, operation, count) },
      ipmipower: { count, run: (operation) => ipmipower(programs.ipmipower, operation, count) },
      ipmitool: { count: few, run: (operation) => ipmitool(programs.ipmitool, operation, few) },
    };
    const cycledOnce = createCheck(bmcs);
    const cpuBefore = cpuSeconds(process.pid);
    const figures = await measure({ contenders, cycledOnce, rounds, log });
    if (figures.ours?.cycledWrong !== 0 || figures.ours.unanswered !== 0) {
      throw new Error(`ours: ${JSON.stringify(figures.ours)}`);
    }
    const memory = memoryOf(process.pid);
    const sockets = udpSockets(process.pid);
    const { ours: own, ...peers } = figures as Record<'ours' | 'ipmipower' | 'ipmitool', Figures>;
    const ratio = {
      'ipmipower status': round(own.statusPerSecond / peers.ipmipower.statusPerSecond),
      'ipmipower cycle': round(own.cyclesPerSecond / peers.ipmipower.cyclesPerSecond),
      'ipmitool status': round(own.statusPerSecond / peers.ipmitool.statusPerSecond),
      'ipmitool cycle': round(own.cyclesPerSecond / peers.ipmitool.cyclesPerSecond),
    };
    const peakMiB = Math.round(memory.peakBytes / 2 ** 20);
    return {
      topic: 'ipmi',
      ours: {
        ...own,
        sockets,
        cpuSecondsPerRound: round((cpuSeconds(process.pid) - cpuBefore) / (rounds + 1)),
        peakMiB,
      },
      peers,
      ratio,
      verdicts: targetsOf({ quick, ratio, sockets, peakMiB }),
      notes: [
        `${count} BMCs, ${rounds} rounds, turn by turn, medians; all in one process, which is most of the work`,
        `ours: ${PARALLEL} sessions at a time over one socket; ipmitool: a pool of ${POOL} processes; ipmipower: its defaults without its pings`,
        'a cycle is one Chassis Control command, as ipmipower sends it (ours would look at the power first in a job); cpuSecondsPerRound holds one status and one cycle of all',
      ],
    };
  });
}

/** A quick run is no measurement: one round of a hundred says nothing about speed. */
function targetsOf(reached: {
  readonly quick: boolean;
  readonly ratio: Readonly<Record<string, number>>;
  readonly sockets: number;
  readonly peakMiB: number;
}): Verdict[] {
  const { quick, ratio, sockets, peakMiB } = reached;
  const rates = Object.entries(quick ? {} : ratio);
  return [
    ...rates.map(([of, times]) => atLeast(`times the rate of ${of}`, RATIO_MIN, times)),
    atMost('sockets', SOCKETS_MAX, sockets),
    atMost('MiB of memory at most', PEAK_MIB_MAX, peakMiB),
  ];
}

interface Measuring {
  readonly contenders: Readonly<Record<string, Contender>>;
  readonly cycledOnce: () => Promise<number>;
  readonly rounds: number;
  readonly log: (line: string) => void;
}

/** Turn by turn, so that whatever else the machine does hits everybody alike. */
async function measure(measuring: Measuring): Promise<Record<string, Figures>> {
  const { contenders, cycledOnce, rounds, log } = measuring;
  const tallies = Object.entries(contenders).map(([name, contender]) => ({
    ...{ name, contender, unanswered: 0, cycledWrong: 0 },
    seconds: { status: [] as number[], cycle: [] as number[] },
  }));
  for (let turn = 0; turn <= rounds; turn++) {
    for (const tally of tallies) {
      const { name, contender, seconds } = tally;
      for (const operation of ['status', 'cycle'] as const) {
        const { spent, answered } = await timed(() => contender.run(operation));
        tally.unanswered += contender.count - answered;
        const once = await cycledOnce();
        if (operation === 'cycle') tally.cycledWrong += contender.count - once;
        if (turn > 0) seconds[operation].push(spent);
        log(`${name}: ${operation} of ${contender.count} in ${round(spent)} s`);
      }
    }
  }
  return Object.fromEntries(
    tallies.map(({ name, contender, seconds, unanswered, cycledWrong }) => {
      const machines = contender.count;
      const statusSeconds = round(median(seconds.status), 3);
      const cycleSeconds = round(median(seconds.cycle), 3);
      const statusPerSecond = Math.round(machines / statusSeconds);
      const cyclesPerSecond = Math.round(machines / cycleSeconds);
      const times = { machines, statusSeconds, cycleSeconds, statusPerSecond, cyclesPerSecond };
      return [name, { ...times, unanswered, cycledWrong }];
    }),
  );
}

async function timed(work: () => Promise<number>): Promise<{ spent: number; answered: number }> {
  const from = performance.now();
  const answered = await work();
  return { spent: (performance.now() - from) / 1000, answered };
}

/** Asks the BMCs how many machines were cycled exactly once since the last time. */
function createCheck(bmcs: Program): () => Promise<number> {
  let reports = 0;
  return async () => {
    reports += 1;
    process.kill(bmcs.pid, 'SIGUSR2');
    const line = await bmcs.line(new RegExp(`^report ${reports} `));
    return Number(/once (\d+)/.exec(line)?.[1]);
  };
}

async function ours(ports: BmcPorts, operation: Operation, count: number): Promise<number> {
  let next = 0;
  let answered = 0;
  const worker = async () => {
    while (next < count) {
      const bmc = { address: bmcAddress(next++), port: 623 };
      const session = await openSession(ports, bmc, SETTINGS);
      const done =
        operation === 'status'
          ? await powerIsOn(session)
          : await session.call(chassisControl, { control: 'cycle' }).then(() => true);
      if (done) answered += 1;
      await session.close();
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return answered;
}

async function ipmipower(program: string, operation: Operation, count: number): Promise<number> {
  const login = ['-D', 'LAN_2_0', '-I', '17', '-u', 'admin', '-p', 'secret', '-l', 'OPERATOR'];
  const words = [
    '-h',
    hostRanges(count),
    '--ping-interval=0',
    `--${operation === 'status' ? 'stat' : 'cycle'}`,
  ];
  const { stdout } = await run_(program, [...login, ...words], { maxBuffer: 2 ** 24 }).catch(
    // It ends with a status of 1 when a machine did not answer in time; the others' answers count.
    (error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }),
  );
  return stdout.split('\n').filter((line) => /: (on|ok)$/.test(line)).length;
}

async function ipmitool(program: string, operation: Operation, count: number): Promise<number> {
  let next = 0;
  let answered = 0;
  const login = ['-I', 'lanplus', '-C', '17', '-U', 'admin', '-P', 'secret', '-L', 'OPERATOR'];
  const worker = async () => {
    while (next < count) {
      const words = [...login, '-H', bmcAddress(next++), 'power', operation];
      const { stdout } = await run_(program, words);
      answered += /is on|Control: Cycle/.test(stdout) ? 1 : 0;
    }
  };
  await Promise.all(Array.from({ length: POOL }, worker));
  return answered;
}
