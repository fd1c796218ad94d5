/**
 * ServerDb with 50,000 machines of four NICs each, entered and asked through the public API while DHCP answers, beside
 * PostgreSQL with the same machines and questions. The client and the load of DHCP are processes in a namespace of their
 * own; PostgreSQL is asked by its own client, and is spared HTTP, authentication, checks and history: it is a yardstick,
 * not a rival.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { benchPostgres } from './inventory-postgres.ts';
import { type OurDaemon, startDaemon, temporaryDir } from './support/daemon.ts';
import { createPair, type Pair } from './support/network.ts';
import { runLoad } from './support/perfdhcp.ts';
import { memoryOf, runToEnd } from './support/process.ts';
import { requirePrograms } from './support/programs.ts';
import { type Scope, withScope } from './support/scope.ts';
import { round } from './support/stats.ts';
import { atMost, type TopicOptions, type TopicResult, type Verdict } from './support/topic.ts';

const SERVER_ADDRESS = '10.99.0.1';
const DHCP_RATE = 100;
const QUESTIONS = ['get', 'list', 'rack', 'sorted', 'search', 'alike', 'patch'] as const;

/** The goals of docs/benchmarks.md. */
const GET_P99_MS_MAX = 5;
const SEARCH_P99_MS_MAX = 50;
const START_SECONDS_MAX = 2;
const MEMORY_MB_MAX = 500;

type Figures = Record<(typeof QUESTIONS)[number], { p50Ms: number; p99Ms: number }> & {
  load: { perSecond: number };
};

interface Ours extends Figures {
  readonly startSeconds: number;
  readonly rssBytes: number;
}

export async function run({ quick, log }: TopicOptions): Promise<TopicResult> {
  const programs = requirePrograms('ip', 'perfdhcp', 'initdb', 'postgres');
  const size = quick ? { machines: 2000, asks: 200 } : { machines: 50_000, asks: 4000 };
  const ours = (await withScope((scope) =>
    benchOurs(scope, { ...size, log, perfdhcp: programs.perfdhcp }),
  )) as Ours;
  log(JSON.stringify(ours));
  const postgres = (await withScope((scope) => benchPostgres(scope, programs, size))) as Figures;
  const ratios = QUESTIONS.map((name) => [
    `${name}P99`,
    round(postgres[name].p99Ms / ours[name].p99Ms, 3),
  ]);
  const imported = ours.load.perSecond / postgres.load.perSecond;
  return {
    topic: 'inventory',
    ours,
    peers: { postgres },
    ratio: { importPerSecond: round(imported, 3), ...Object.fromEntries(ratios) },
    verdicts: verdictsOf(ours, quick),
    notes: [
      `${size.machines} machines with four NICs each; questions one after another by one client`,
      `ours: over HTTP with a token, with checks, history and search index, while perfdhcp runs ${DHCP_RATE} exchanges a second`,
      'postgres: defaults of the package, fsync on, prepared statements over its socket, nothing else running; no history',
      'daemonRanMs and daemonWaitedMs: what one get takes of a processor, and how long it waits for one',
      'sorted is by a field without an index on either side; alike is a serial with one wrong character',
      'a ratio above 1 is better than the yardstick',
    ],
  };
}

/** A quick run is no measurement: what a fleet of another size takes says nothing about speed. */
export function verdictsOf(
  {
    get,
    search,
    startSeconds,
    rssBytes,
  }: Pick<Ours, 'get' | 'search' | 'startSeconds' | 'rssBytes'>,
  quick: boolean,
): Verdict[] {
  const memory = atMost('MB of memory while asked', MEMORY_MB_MAX, round(rssBytes / 1e6, 1));
  if (quick) return [memory];
  return [
    atMost('get, p99 in ms', GET_P99_MS_MAX, get.p99Ms),
    atMost('search, p99 in ms', SEARCH_P99_MS_MAX, search.p99Ms),
    atMost('start in seconds', START_SECONDS_MAX, startSeconds),
    memory,
  ];
}

interface OurOptions {
  readonly machines: number;
  readonly asks: number;
  readonly perfdhcp: string;
  log(line: string): void;
}

async function benchOurs(scope: Scope, options: OurOptions): Promise<object> {
  const pair = createPair(scope, {
    serverAddress: `${SERVER_ADDRESS}/16`,
    clientAddress: '10.99.0.2/16',
  });
  const dir = temporaryDir(scope);
  const token = await makeToken(scope, dir, pair);
  const first = await startOurs(scope, { dir, pair });
  const load = JSON.parse(
    await client(scope, pair, { token, phase: 'load', pid: first.pid, ...options }),
  );
  const loadedBytes = memoryOf(first.pid).rssBytes;
  await first.stop();
  const before = performance.now();
  const daemon = await startOurs(scope, { dir, pair });
  const startSeconds = round((performance.now() - before) / 1000, 2);
  options.log(`started with ${options.machines} machines in ${startSeconds} s`);
  const dhcp = (seconds: number) =>
    runLoad({
      ...{ perfdhcp: options.perfdhcp, namespace: pair.client, server: SERVER_ADDRESS },
      ...{ rate: DHCP_RATE, seconds, clients: 2000 },
    });
  const alone = await dhcp(3);
  const seconds = Math.max(5, Math.ceil(options.asks / 60));
  const beside = dhcp(seconds);
  const asked = JSON.parse(
    await client(scope, pair, { token, phase: 'ask', pid: daemon.pid, ...options }),
  );
  const during = await beside;
  return {
    load,
    ...asked,
    startSeconds,
    rssBytes: memoryOf(daemon.pid).rssBytes,
    rssPeakBytes: memoryOf(daemon.pid).peakBytes,
    rssAfterLoadBytes: loadedBytes,
    databaseBytes: statSync(daemon.database).size,
    dhcp: {
      exchangesPerSecond: DHCP_RATE,
      aloneMeanMs: round(alone.meanDelayMs, 2),
      besideMeanMs: round(during.meanDelayMs, 2),
      lost: round(during.lost, 5),
    },
  };
}

const CONFIG = {
  dhcp: {
    segments: [
      {
        ...{ name: 'bench', iface: 'prov0', address: SERVER_ADDRESS, cidr: '10.99.0.0/16' },
        ...{ pool: { first: '10.99.1.0', last: '10.99.255.250' }, conflictProbe: false },
      },
    ],
  },
  peopleHttp: { address: SERVER_ADDRESS, requestsPerSecond: 1_000_000, anonymousRead: true },
};

function startOurs(scope: Scope, { dir, pair }: { dir: string; pair: Pair }): Promise<OurDaemon> {
  return startDaemon({ scope, namespace: pair.server, dir, config: CONFIG });
}

/** The daemon makes database and configuration; the token comes from the command line, as on a real appliance. */
async function makeToken(scope: Scope, dir: string, pair: Pair): Promise<string> {
  const daemon = await startOurs(scope, { dir, pair });
  await daemon.stop();
  const text = await runToEnd({
    scope,
    command: [
      ...(['bin/reveille', 'tokens', 'create', 'bench', '--local', '--role', 'admin'] as const),
      ...['--config', join(dir, 'reveille.yaml')],
    ],
  });
  return text.trim();
}

function client(
  scope: Scope,
  pair: Pair,
  {
    token,
    phase,
    machines,
    asks,
    pid,
  }: { token: string; phase: string; machines: number; asks: number; pid: number },
): Promise<string> {
  return runToEnd({
    scope,
    namespace: pair.client,
    command: [
      ...([process.execPath, 'bench/inventory-client.ts'] as const),
      ...[`http://${SERVER_ADDRESS}:8081`, token, phase, String(machines), String(asks)],
      String(pid),
    ],
  }).then((output) => output.trim().split('\n').at(-1) ?? '');
}
