/**
 * TFTP: how fast boot files leave, beside tftpd-hpa and dnsmasq, in lockstep and with windows, on a clean link and on a bad one.
 *
 * All servers run at the same time on one end of a veth pair and take turns, transfer by transfer, with the same clients
 * (bench/tftp-client.ts) on the other end; every round measures each server once (where a run is a fraction of a second, three
 * times; the runs with loss, whose repairs take the time, only once), and the median counts. A ratio is that of runs that followed upon each other, and again the median: the
 * machine's speed changes from minute to minute. All clients of a run start together and the time is that of the last one. The window is
 * asked for alike: who ignores it serves in lockstep, which is then what is compared. Before anything is timed, each
 * server's bytes are verified by SHA-256; the runs with loss are verified altogether.
 *
 * A lone client in lockstep measures the scheduler, too: on the same processor as its server it is woken for a microsecond, on
 * another one for twenty and more, and one and the same server then sends 11 to 71 MiB/s. Hence the more runs.
 */
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createPair, ip, type Pair } from './support/network.ts';
import { runToEnd } from './support/process.ts';
import { requirePrograms } from './support/programs.ts';
import { type Scope, withScope } from './support/scope.ts';
import { median, percentile, round } from './support/stats.ts';
import {
  atLeast,
  atMost,
  type TopicOptions,
  type TopicResult,
  type Verdict,
} from './support/topic.ts';
import type { Plan, Result } from './tftp-client.ts';
import { makeRoot, SERVER_ADDRESS, startServers, type TftpServer } from './tftp-servers.ts';

const MIB = 2 ** 20;
const SIZES_MIB = [0.25, 1, 16];
const BLKSIZE = 1468;
const CLIENTS_MAX = 64;
/** 11,000 blocks: fewer, and the clients' code is compiled while the clock runs. */
const WARM_UP_CLIENTS = 16;
/** Runs of a round with one client or a small file: each is a fraction of a second, and the shortest is the least certain. */
const SHORT_RUNS = 3;

interface Case {
  readonly label: string;
  readonly clients: number;
  readonly mib: number;
  readonly windowsize: number;
  readonly loss: number;
}

interface Measured {
  readonly mibPerSecond: number;
  readonly transferMs: number;
  readonly slowestMs: number;
  readonly failures: readonly string[];
  readonly verified: boolean;
  readonly windowGranted: number;
}

interface Bench extends TopicOptions {
  readonly scope: Scope;
  readonly pair: Pair;
  readonly digests: ReadonlyMap<string, string>;
}

export async function run(options: TopicOptions): Promise<TopicResult> {
  const programs = requirePrograms('ip', 'in.tftpd', 'dnsmasq');
  return withScope(async (scope) => {
    const pair = createPair(scope, {
      serverAddress: `${SERVER_ADDRESS}/16`,
      clientAddress: '10.99.0.2/16',
    });
    for (const address of addresses(CLIENTS_MAX)) {
      ip('-n', pair.client, 'address', 'add', `${address}/16`, 'dev', pair.clientIface);
    }
    const files = new Map(SIZES_MIB.map((mib) => [fileOf(mib), randomBytes(mib * MIB)]));
    const root = makeRoot(scope, Object.fromEntries(files));
    const servers = await startServers({ scope, pair, programs, root });
    const digests = new Map(
      [...files].map(([name, bytes]) => [name, createHash('sha256').update(bytes).digest('hex')]),
    );
    const bench = { ...options, scope, pair, digests };
    await verifyAll(bench, servers);
    const cases = casesOf(options.quick);
    const results = new Map(servers.map(({ name }) => [name, new Map<string, Measured[]>()]));
    for (let turn = 1; turn <= (options.quick ? 1 : 3); turn++) {
      for (const one of cases) {
        // Their losses are the same in every round.
        if (one.loss > 0 && turn > 1) continue;
        for (let left = isShort(one) ? SHORT_RUNS : 1; left > 0; left--) {
          for (const server of servers) {
            const measured = await measure(bench, server, one);
            const row = results.get(server.name);
            row?.set(one.label, [...(row.get(one.label) ?? []), measured]);
          }
        }
        options.log(`round ${turn}, ${one.label}: ${lineOf(servers, results, one)}`);
      }
    }
    return summarise(servers, results);
  });
}

function isShort({ clients, mib, loss }: Case): boolean {
  return loss === 0 && (clients === 1 || mib === 1);
}

function casesOf(quick: boolean): Case[] {
  const clean = [1, 16].flatMap((windowsize) =>
    [1, 16].flatMap((mib) =>
      [1, 16, 64].map((clients) => ({
        label: `${clients} clients ${mib} MiB${windowsize > 1 ? ` window ${windowsize}` : ''}`,
        ...{ clients, mib, windowsize, loss: 0 },
      })),
    ),
  );
  const bad = [1, 16].map((windowsize) => ({
    label: `16 clients 256 KiB 1 % loss${windowsize > 1 ? ` window ${windowsize}` : ''}`,
    ...{ clients: 16, mib: 0.25, windowsize, loss: 0.01 },
  }));
  return quick ? [...clean.filter(({ mib }) => mib === 1), ...bad] : [...clean, ...bad];
}

function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `10.99.1.${index + 1}`);
}

function fileOf(mib: number): string {
  return `${mib * 1024}k.bin`;
}

/** Every byte of every server, once, before the clock matters. @throws Error when a server sends anything else */
async function verifyAll(bench: Bench, servers: readonly TftpServer[]): Promise<void> {
  for (const server of servers) {
    for (const windowsize of [1, 16]) {
      for (const mib of [1, 16]) {
        const one = { label: '', clients: 2, mib, windowsize, loss: 0 };
        const { verified, failures } = await measure(bench, server, one, true);
        if (!verified) throw new Error(`${server.name} sent wrong bytes: ${failures.join(', ')}`);
      }
    }
  }
}

async function measure(
  bench: Bench,
  server: TftpServer,
  one: Case,
  verify = one.loss > 0,
): Promise<Measured> {
  const file = fileOf(one.mib);
  const plan: Plan = {
    ...{ server: SERVER_ADDRESS, port: server.port, file, sizeBytes: one.mib * MIB },
    ...{ addresses: addresses(one.clients), blksize: BLKSIZE, windowsize: one.windowsize },
    ...{ verify, loss: one.loss, timeoutMs: 60_000 },
    warmUp: { file: fileOf(1), sizeBytes: MIB, addresses: addresses(WARM_UP_CLIENTS) },
  };
  const program = join(import.meta.dirname, 'tftp-client.ts');
  const output = await runToEnd({
    ...{ scope: bench.scope, namespace: bench.pair.client },
    command: [process.execPath, program, JSON.stringify(plan)],
  });
  const result = JSON.parse(output) as Result;
  const right = result.digests.filter((digest) => digest === bench.digests.get(file));
  return {
    mibPerSecond: ((one.clients - result.failures.length) * one.mib) / result.seconds,
    transferMs: result.transferMs.length > 0 ? median(result.transferMs) : Number.NaN,
    slowestMs: result.transferMs.length > 0 ? percentile(result.transferMs, 1) : Number.NaN,
    failures: result.failures,
    verified: verify && right.length === one.clients,
    windowGranted: result.windowsize,
  };
}

function lineOf(
  servers: readonly TftpServer[],
  results: ReadonlyMap<string, ReadonlyMap<string, readonly Measured[]>>,
  { label }: Case,
): string {
  return servers
    .map(({ name }) => {
      const last = results.get(name)?.get(label)?.at(-1);
      const failed = last?.failures.length ? ` (${last.failures.length} failed)` : '';
      return `${name} ${round(last?.mibPerSecond ?? 0, 1)} MiB/s${failed}`;
    })
    .join(', ');
}

function summarise(
  servers: readonly TftpServer[],
  results: ReadonlyMap<string, ReadonlyMap<string, readonly Measured[]>>,
): TopicResult {
  const figures = new Map(
    servers.map(({ name }) => [
      name,
      Object.fromEntries(
        [...(results.get(name) ?? [])].map(([label, rounds]) => [label, figuresOf(label, rounds)]),
      ),
    ]),
  );
  const [us, ...others] = servers;
  const ours = figures.get(us?.name ?? '') ?? {};
  const ratio: Record<string, number> = {};
  for (const { name } of others) {
    for (const [label, mine] of results.get(us?.name ?? '') ?? []) {
      const theirs = results.get(name)?.get(label);
      if (theirs) ratio[`${name} ${label}`] = round(ratioOf(mine, theirs));
    }
  }
  return {
    topic: 'tftp',
    ours,
    peers: Object.fromEntries(others.map(({ name }) => [name, figures.get(name) ?? {}])),
    ratio,
    verdicts: verdictsOf(ours, Object.fromEntries(figures), ratio),
    notes: [
      ...servers.map(({ name, settings }) => `${name}: ${settings}`),
      `blksize ${BLKSIZE}; the figure is all bytes over the time of the slowest client, the median of the rounds; a ratio is the median of those within a turn`,
      'loss is made by the clients, which throw away 1 % of the datagrams in each direction',
    ],
  };
}

/** Of the runs of one turn, which followed upon each other: the median of all turns. */
function ratioOf(mine: readonly Measured[], theirs: readonly Measured[]): number {
  const ratios = mine.map(({ mibPerSecond }, turn) => {
    const peer = theirs[turn]?.mibPerSecond ?? Number.NaN;
    return mibPerSecond / peer;
  });
  return median(ratios);
}

type Figures = Record<string, ReturnType<typeof figuresOf>>;

/** As fast as each peer that is asked alike; twice as fast where we grant a window and the peer does not. */
function verdictsOf(
  ours: Figures,
  all: Record<string, Figures>,
  ratio: Record<string, number>,
): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const [key, value] of Object.entries(ratio)) {
    const [peer = '', ...words] = key.split(' ');
    const label = words.join(' ');
    if (label.includes('loss')) continue;
    const windowed = (ours[label]?.windowGranted ?? 1) > 1;
    const alike = ours[label]?.windowGranted === all[peer]?.[label]?.windowGranted;
    verdicts.push(atLeast(`times ${key}`, windowed && !alike ? 2 : 1, value));
  }
  for (const [label, { failures, verified }] of Object.entries(ours)) {
    const unproved = verified === false ? 1 : 0;
    verdicts.push(atMost(`failed or wrong, ${label}`, 0, failures.length + unproved));
  }
  return verdicts;
}

function figuresOf(label: string, rounds: readonly Measured[]) {
  const loss = label.includes('loss');
  return {
    mibPerSecond: round(median(rounds.map(({ mibPerSecond }) => mibPerSecond)), 1),
    transferMs: round(median(rounds.map(({ transferMs }) => transferMs)), 1),
    slowestMs: round(median(rounds.map(({ slowestMs }) => slowestMs)), 1),
    windowGranted: rounds[0]?.windowGranted ?? 0,
    failures: rounds.flatMap(({ failures }) => failures),
    ...(loss ? { verified: rounds.every(({ verified }) => verified) } : {}),
  };
}
