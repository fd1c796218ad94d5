/**
 * Recorder: what the flight recorder costs DHCP and TFTP, by turns with it and without it, on the same machine in the same run.
 *
 * The figure is the server's CPU time for one exchange or one transfer, all threads, at a rate that is no strain: rates themselves
 * would show the generator. Guests are operating systems, whose packets belong to no boot: it is they who play in `dhcp.ts`, so that
 * they and the transfers are what those benches would lose by the recorder. Firmware is asked beyond that, because guests alone would
 * show nothing of what a recorder does: it begins a boot with its
 * DISCOVER, and the recorder keeps its packets: it packs and writes them when a boot has been quiet, which is a second here
 * instead of two minutes, and the figure of firmware ends when the last of them is on disk. Without the recorder the same time is
 * waited for. Which of the two goes first changes from round to round; each is compared with the other of its own round, so that a
 * machine that grows slower meanwhile tells nothing; the verdict is about the mean of these, and its interval of confidence is told.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { limit } from '../src/limits.ts';
import { lightLoad } from './dhcp-loads.ts';
import { SERVER_ADDRESS } from './dhcp-servers.ts';
import { type OurDaemon, startDaemon } from './support/daemon.ts';
import { createPair, ip, type Pair } from './support/network.ts';
import { cpuSecondsOf, runToEnd } from './support/process.ts';
import { requirePrograms } from './support/programs.ts';
import { type Scope, withScope } from './support/scope.ts';
import { median, round } from './support/stats.ts';
import { atMost, type TopicOptions, type TopicResult } from './support/topic.ts';
import type { Plan, Result } from './tftp-client.ts';
import { makeRoot } from './tftp-servers.ts';

/** Percent of the CPU time without it. */
const COST_PERCENT_MAX = 5;
const RELAY_ADDRESS = '10.99.0.2';
const POOL = { first: '10.99.16.0', last: '10.99.255.250' };
const FILE_BYTES = 2 ** 20;
const TFTP_PORT = 6969;
const TFTP_CLIENTS = 16;
const QUIET_SECONDS = 1;
const ROUNDS = 8;
/** Of the boots that were begun: the last ones may have been cut off with the load. */
const WRITTEN_SHARE_MIN = 0.95;

interface Bench extends TopicOptions {
  readonly pair: Pair;
}

interface Workload {
  readonly name: string;
  readonly unit: string;
  /** The recorder writes a record for each unit, some time afterwards. */
  readonly recorded: boolean;
  /** @returns how many units were done */
  run(bench: Bench, load: { readonly seconds: number; readonly warmUp: boolean }): Promise<number>;
}

const WORKLOADS: readonly Workload[] = [dhcp('guests'), dhcp('firmware'), tftp()];

function dhcp(kind: 'guests' | 'firmware'): Workload {
  return {
    name: `dhcp ${kind}`,
    unit: 'exchange',
    recorded: kind === 'firmware',
    async run({ pair }, { seconds, warmUp }) {
      const { completed, wrong } = await lightLoad.run({
        ...{ pair, server: SERVER_ADDRESS, relay: RELAY_ADDRESS, pool: POOL, seconds },
        ...{ rate: kind === 'guests' ? 3000 : 1000, clients: 50_000 },
        ...{ firmware: kind === 'firmware', warmUp },
      });
      if (wrong > 0) throw new Error(`${wrong} wrong replies`);
      return completed;
    },
  };
}

function tftp(): Workload {
  return {
    name: 'tftp',
    unit: 'transfer of 1 MiB',
    recorded: false,
    async run({ pair }, { seconds }) {
      const addresses = Array.from({ length: TFTP_CLIENTS }, (_, n) => `10.99.1.${n + 1}`);
      const plan: Plan = {
        ...{ server: SERVER_ADDRESS, port: TFTP_PORT, file: 'file.bin', sizeBytes: FILE_BYTES },
        ...{ addresses, blksize: 1468, windowsize: 1, verify: false, loss: 0, timeoutMs: 60_000 },
      };
      let transfers = 0;
      for (const until = Date.now() + seconds * 1000; Date.now() < until; ) {
        const output = await withScope((scope) =>
          runToEnd({
            ...{ scope, namespace: pair.client },
            command: [
              process.execPath,
              join(import.meta.dirname, 'tftp-client.ts'),
              JSON.stringify(plan),
            ],
          }),
        );
        const { failures } = JSON.parse(output) as Result;
        if (failures.length > 0) throw new Error(`transfers failed: ${failures.join(', ')}`);
        transfers += TFTP_CLIENTS;
      }
      return transfers;
    },
  };
}

export async function run(options: TopicOptions): Promise<TopicResult> {
  requirePrograms('ip');
  return withScope(async (scope) => {
    const pair = createPair(scope, {
      serverAddress: `${SERVER_ADDRESS}/16`,
      clientAddress: `${RELAY_ADDRESS}/16`,
    });
    for (let n = 1; n <= TFTP_CLIENTS; n++) {
      ip('-n', pair.client, 'address', 'add', `10.99.1.${n}/16`, 'dev', pair.clientIface);
    }
    const bench = { ...options, pair };
    const root = makeRoot(scope, { 'file.bin': randomBytes(FILE_BYTES) });
    const costs = new Map<string, number[]>();
    const rounds = options.quick ? 1 : ROUNDS;
    for (let turn = 0; turn < rounds; turn++) {
      for (const load of WORKLOADS) {
        for (const enabled of turn % 2 === 0 ? [true, false] : [false, true]) {
          const key = `${load.name} ${enabled ? 'on' : 'off'}`;
          const micros = await withScope((one) => costOf(one, bench, { load, enabled, root }));
          costs.set(key, [...(costs.get(key) ?? []), micros]);
          options.log(`round ${turn + 1}, ${key}: ${round(micros, 1)} µs per ${load.unit}`);
        }
      }
    }
    return summarise(costs);
  });
}

/**
 * Microseconds of CPU for one unit, with a fresh daemon that is warm: after three seconds the compiler is through with what is run for
 * each. Together with what is waited for it must be less than twenty seconds, after which boots stall and are judged.
 */
async function costOf(
  scope: Scope,
  bench: Bench,
  { load, enabled, root }: { load: Workload; enabled: boolean; root: string },
): Promise<number> {
  const daemon = await startOurs(scope, bench.pair, { enabled, root });
  const [warm, seconds] = bench.quick ? [1, 1] : [3, 5];
  const warmed = await load.run(bench, { seconds: warm, warmUp: true });
  if (load.recorded) await sleep(1000 * writingSeconds(warmed));
  const before = cpuSecondsOf([daemon.pid]);
  const done = await load.run(bench, { seconds, warmUp: false });
  if (load.recorded) {
    await sleep(1000 * writingSeconds(done));
    const written = recordsIn(daemon.database);
    if (enabled && written < WRITTEN_SHARE_MIN * (warmed + done))
      throw new Error(`${written} records are written of ${warmed + done} boots`);
  }
  return ((cpuSecondsOf([daemon.pid]) - before) * 1e6) / done;
}

/** How long the recorder takes to write so many records: it begins once a second, and goes on part by part. */
const writingSeconds = (boots: number): number =>
  QUIET_SECONDS + 2 + (2 * limit('flightTicksMs') * boots) / limit('flightWritesMax') / 1000;

function recordsIn(database: string): number {
  const db = new Sqlite(database, { readonly: true });
  try {
    return db.prepare('SELECT count(*) FROM flight_packets').pluck().get() as number;
  } finally {
    db.close();
  }
}

function startOurs(
  scope: Scope,
  { server, serverIface }: Pair,
  { enabled, root }: { enabled: boolean; root: string },
): Promise<OurDaemon> {
  return startDaemon({
    ...{ scope, namespace: server },
    config: {
      recorder: { enabled, quietSeconds: QUIET_SECONDS },
      tftp: { port: TFTP_PORT },
      boot: { assets: root, pxeimage: root },
      dhcp: {
        segments: [
          {
            ...{ name: 'bench', iface: serverIface, address: SERVER_ADDRESS },
            ...{ cidr: '10.99.0.0/16', pool: POOL, conflictProbe: false },
          },
        ],
      },
    },
  });
}

function summarise(costs: ReadonlyMap<string, readonly number[]>): TopicResult {
  const microsOf = (key: string) => round(median(costs.get(key) ?? []), 1);
  const [on, off]: Record<string, number>[] = ['on', 'off'].map((word) =>
    Object.fromEntries(WORKLOADS.map(({ name }) => [name, microsOf(`${name} ${word}`)])),
  );
  if (!on || !off) throw new Error('nothing was measured');
  const added = WORKLOADS.map(({ name }) => {
    const without = costs.get(`${name} off`) ?? [];
    return meanWithin((costs.get(`${name} on`) ?? []).map((one, n) => one / (without[n] ?? 1) - 1));
  });
  return {
    topic: 'recorder',
    ours: on,
    peers: { off },
    ratio: Object.fromEntries(
      WORKLOADS.map(({ name }, n) => [name, round(1 / (1 + (added[n]?.mean ?? 0)), 3)]),
    ),
    verdicts: WORKLOADS.map(({ name }, n) => {
      const percent = round(100 * (added[n]?.mean ?? 0), 1);
      return atMost(`percent of CPU that the recorder adds, ${name}`, COST_PERCENT_MAX, percent);
    }),
    notes: [
      'microseconds of CPU of the whole daemon for one exchange, or one transfer of 1 MiB by TFTP',
      'of firmware, the packing and writing of each boot, and what the daemon does meanwhile, are in both figures',
      ...WORKLOADS.map(({ name }, n) => {
        const { mean, within } = added[n] ?? { mean: 0, within: 0 };
        const [low, high] = [mean - within, mean + within].map((one) => round(100 * one, 1));
        return `${name}: the recorder adds ${low} to ${high} percent (95 % confidence)`;
      }),
    ],
  };
}

/** Two-sided 95 % of Student's t, by degrees of freedom from 1 on. */
const STUDENT = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26];

/** @returns the mean, and how far from it the true one may lie; NaN for a single value */
function meanWithin(values: readonly number[]): { mean: number; within: number } {
  const count = values.length;
  const mean = values.reduce((sum, one) => sum + one, 0) / count;
  const variance = values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (count - 1);
  return { mean, within: (STUDENT[count - 2] ?? 2) * Math.sqrt(variance / count) };
}
