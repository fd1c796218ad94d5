/**
 * DHCP: the rate of 4-way exchanges that is sustained, beside Kea and dnsmasq.
 *
 * A generator plays a relay with 200,000 clients. Every run starts a server with an empty lease store and warms it with some
 * other clients, so each exchange makes a new lease until the clients repeat. A rate is sustained when fewer than one
 * exchange in a thousand is lost and the mean delay shows that no queue grows: a server with a long receive buffer could
 * otherwise hide its backlog until the end of the run. The highest such rate is searched for by short runs, which take turns
 * server by server, so whatever else happens on the machine happens to all; then each server's rate is confirmed by a longer
 * run, and lowered by a step until one confirms it.
 *
 * There are two generators. perfdhcp is nobody's of ours, but costs as much as a fast server; with the light one the server has
 * nearly the whole machine, and the server's own CPU time for an exchange tells the rest. What perfdhcp counts from a program that
 * answers and does nothing else is its ceiling: no server can show more by it. Kea is measured thrice: with
 * its memfile, where an ACK promises a lease that no disk has, as it comes and as patient as we are; and with a database that syncs
 * each commit, as we do.
 *
 * It also looks whether an acknowledged lease is on disk when its ACK leaves: the traced calls of a quiet server, one exchange
 * at a time (bench/dhcp-durability.ts).
 */
import { type Durability, lookAtDurability } from './dhcp-durability.ts';
import { GENERATORS, type GeneratorName, type Run, summarise } from './dhcp-figures.ts';
import { type LoadGenerator, lightLoad, perfdhcpLoad } from './dhcp-loads.ts';
import {
  bare,
  type DhcpServer,
  dhcpServers,
  POOL,
  type RunningServer,
  SERVER_ADDRESS,
} from './dhcp-servers.ts';
import { createPair, type Pair, udpBufferDrops } from './support/network.ts';
import { cpuSecondsOf, memoryOf } from './support/process.ts';
import { requirePrograms } from './support/programs.ts';
import { type Scope, withScope } from './support/scope.ts';
import { createSearch, type Search } from './support/search.ts';
import { round } from './support/stats.ts';
import type { TopicOptions, TopicResult } from './support/topic.ts';

const CLIENTS = 200_000;
/** As many exchanges as the fastest warm-up makes; both have their addresses in the pool. */
const WARM_UP_CLIENTS = 12_000;
const RELAY_ADDRESS = '10.99.0.2';
const LOST_MAX = 0.001;
/** A quiet server answers in well under a millisecond: a mean above this is a queue. */
const DELAY_MS_MAX = 100;
/** Of the rate that was asked for; below, the generator itself had no time to send. */
const SENT_MIN = 0.97;
const RATE_MAX = 60_000;
const PROBE_SECONDS = 3;
const CONFIRM_SECONDS = 6;
/** So often a rate is lowered that was not confirmed; then none was found. */
const CONFIRMATIONS_MAX = 8;
const PRECISION = 1.1;

interface Bench extends TopicOptions {
  readonly pair: Pair;
}

/** One server under one generator. */
interface Contest {
  readonly server: DhcpServer;
  readonly generator: LoadGenerator;
  /** The highest rate that a short run sustained; 0 before the search, or where it found none. */
  found: number;
  confirmed: Run | undefined;
  /** In every run so far, also the first of a rate that was tried twice. */
  wrong: number;
}

interface Attempt {
  readonly rate: number;
  readonly seconds: number;
}

/** What `--only` may name: generators, and who is measured beside ours. Where none of a kind is named, all of it is measured. */
export const parts = [...GENERATORS, 'kea', 'keaPatient', 'keaDurable', 'dnsmasq', 'bare'];

export async function run(options: TopicOptions): Promise<TopicResult> {
  const programs = requirePrograms(
    ...([
      'ip',
      'perfdhcp',
      'kea-dhcp4',
      'dnsmasq',
      'strace',
      'initdb',
      'postgres',
      'psql',
    ] as const),
  );
  return withScope(async (scope) => {
    const pair = createPair(scope, {
      serverAddress: `${SERVER_ADDRESS}/13`,
      clientAddress: `${RELAY_ADDRESS}/13`,
    });
    const bench = { ...options, pair };
    const { servers, generators } = chosen(dhcpServers(programs), options.only);
    const independent = (['single', 'multi'] as const).map((threads) =>
      perfdhcpLoad(programs.perfdhcp, threads),
    );
    const contests = [lightLoad, ...independent]
      .filter(({ name }) => generators.includes(name))
      .flatMap((generator) =>
        servers
          .filter((server) => server !== bare || generator !== lightLoad)
          .map((server) => contest(server, generator)),
      );
    await searchAll(bench, contests);
    for (const one of contests) await confirm(bench, one);
    const bestOf = (server: DhcpServer, name: GeneratorName) =>
      contests.find((one) => one.server === server && one.generator.name === name)?.confirmed;
    const measured = [];
    for (const server of servers.filter((one) => one !== bare)) {
      measured.push({
        server,
        best: Object.fromEntries(generators.map((name) => [name, bestOf(server, name)])),
        durability: await durabilityOf(bench, server, programs.strace),
        wrong: contests.reduce((sum, one) => sum + (one.server === server ? one.wrong : 0), 0),
      });
    }
    const ceiling = bestOf(bare, 'perfdhcp') ?? bestOf(bare, 'perfdhcpTwo');
    return summarise(measured, { generators, ceiling });
  });
}

/** Ours is always among them: a figure of a peer is told beside it. */
function chosen(
  all: readonly DhcpServer[],
  only: ReadonlySet<string> = new Set(),
): { servers: readonly DhcpServer[]; generators: readonly GeneratorName[] } {
  const servers = [...all, bare];
  const peers = servers.filter(({ name }) => only.has(name));
  const generators = GENERATORS.filter((name) => only.has(name));
  return {
    servers:
      peers.length === 0 ? servers : servers.filter((one) => one === all[0] || peers.includes(one)),
    generators: generators.length === 0 ? ['light', 'perfdhcp'] : generators,
  };
}

function contest(server: DhcpServer, generator: LoadGenerator): Contest {
  return { server, generator, found: 0, confirmed: undefined, wrong: 0 };
}

/** Sets what was found of each contest, by searches that take turns. */
async function searchAll(bench: Bench, contests: readonly Contest[]): Promise<void> {
  const searches = new Map<Contest, Search>(contests.map((one) => [one, searchOf(bench, one)]));
  for (let going = true; going; ) {
    going = false;
    for (const [contest, search] of searches) {
      const rate = search.next();
      if (rate === undefined) continue;
      going = true;
      const { sustained } = await tryRate(bench, contest, { rate, seconds: PROBE_SECONDS });
      search.record(rate, sustained);
    }
  }
  for (const [contest, search] of searches) contest.found = search.best();
}

function searchOf({ quick }: Bench, { server }: Contest): Search {
  const precision = quick || server.farBehind ? 1.5 : PRECISION;
  return createSearch({ from: server.guess, stride: 1.5, precision, max: RATE_MAX });
}

/** The rate that was found, or one of the next below it, for longer. */
async function confirm(bench: Bench, contest: Contest): Promise<void> {
  let rate = contest.found;
  for (let tries = 0; rate > 0 && tries < CONFIRMATIONS_MAX; tries++) {
    const run = await measure(bench, contest, { rate, seconds: CONFIRM_SECONDS });
    if (run.sustained) {
      contest.confirmed = run;
      return;
    }
    rate = Math.round(rate / PRECISION);
  }
}

/** A rate that fails is tried once more: one hiccup of the machine must not stand for a server. */
async function tryRate(bench: Bench, contest: Contest, attempt: Attempt): Promise<Run> {
  const first = await measure(bench, contest, attempt);
  if (first.sustained || bench.quick || contest.server.farBehind) return first;
  return measure(bench, contest, attempt);
}

async function measure(
  { pair, log }: Bench,
  contest: Contest,
  { rate, seconds }: Attempt,
): Promise<Run> {
  const { server, generator } = contest;
  const result = await withScope(async (scope) => {
    const program = await started(scope, pair, { server, generator });
    const cpuBefore = cpuSecondsOf(program.pids());
    const dropsBefore = udpBufferDrops(pair.server);
    const load = { pair, server: SERVER_ADDRESS, relay: RELAY_ADDRESS, pool: POOL };
    const figures = await generator.run({ ...load, rate, seconds, clients: CLIENTS });
    const cpu = cpuSecondsOf(program.pids()) - cpuBefore;
    // A generator starts its first exchange one interval late: one fewer than rate times seconds is all.
    const generatorBound = figures.sentPerSecond * seconds < rate * seconds * SENT_MIN - 1;
    const { lost, meanDelayMs, wrong } = figures;
    return {
      ...{ ...figures, rate, generatorBound },
      sustained: !generatorBound && lost < LOST_MAX && meanDelayMs < DELAY_MS_MAX && wrong === 0,
      cpuMsPerExchange: (cpu * 1000) / Math.max(1, figures.completed),
      peakBytes: memoryOf(program.pid).peakBytes,
      serverDrops: udpBufferDrops(pair.server) - dropsBefore,
    };
  });
  contest.wrong += result.wrong;
  log(
    `${server.name}, ${generator.name} ${rate}/s: ${result.sustained ? 'sustained' : 'not sustained'}, ` +
      `lost ${round(result.lost * 100, 3)} %, mean delay ${round(result.meanDelayMs, 1)} ms, ` +
      `CPU ${round(result.cpuMsPerExchange, 3)} ms per exchange` +
      `${result.wrong > 0 ? `, ${result.wrong} wrong replies` : ''}` +
      `${result.generatorBound ? `, only ${round(result.sentPerSecond, 0)}/s were sent` : ''}`,
  );
  return result;
}

/** A fresh server, warmed up for three seconds by clients that each come once, as the measured ones do: a compiler that runs beside it is done. */
async function started(
  scope: Scope,
  pair: Pair,
  { server, generator }: Pick<Contest, 'server' | 'generator'>,
): Promise<RunningServer> {
  const program = await server.start(scope, pair);
  const load = { pair, server: SERVER_ADDRESS, relay: RELAY_ADDRESS, pool: POOL };
  const rate = server.warmUpRate;
  await generator.run({ ...load, rate, seconds: 3, clients: WARM_UP_CLIENTS, warmUp: true });
  return program;
}

function durabilityOf(bench: Bench, server: DhcpServer, strace: string): Promise<Durability> {
  const { pair } = bench;
  return withScope(async (scope) => {
    const program = await server.start(scope, pair);
    const load = { pair, server: SERVER_ADDRESS, relay: RELAY_ADDRESS, pool: POOL };
    const durability = await lookAtDurability({
      ...{ scope, strace, pids: program.pids() },
      load: () => lightLoad.run({ ...load, clients: 1000, rate: 20, seconds: 3 }),
    });
    bench.log(`${server.name}: ${JSON.stringify(durability)}`);
    return durability;
  });
}
