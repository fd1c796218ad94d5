/**
 * DHCP: the rate of 4-way exchanges that is sustained, beside Kea and dnsmasq.
 *
 * perfdhcp plays a relay with 50,000 clients. Every run starts a server with an empty lease store and warms it with some
 * other clients, so each exchange makes a new lease until the clients repeat. A rate is sustained when fewer than one
 * exchange in a thousand is lost and the mean delay shows that no queue grows: a server with a long receive buffer could
 * otherwise hide its backlog until the end of the run. The searches take turns, step by step, so whatever else happens on the
 * machine happens to all; then the same is done again from the result of the round before, and the median counts.
 *
 * It also looks whether an acknowledged lease is on disk when its ACK leaves: the traced calls of a quiet server, one exchange
 * at a time (bench/dhcp-durability.ts).
 */
import { type Durability, lookAtDurability } from './dhcp-durability.ts';
import { type DhcpServer, dhcpServers, SERVER_ADDRESS } from './dhcp-servers.ts';
import { createPair, type Pair, udpBufferDrops } from './support/network.ts';
import { type Load, runLoad } from './support/perfdhcp.ts';
import { cpuSeconds, memoryOf, type Program } from './support/process.ts';
import { requirePrograms } from './support/programs.ts';
import { type Scope, withScope } from './support/scope.ts';
import { createSearch, type Search } from './support/search.ts';
import { median, round } from './support/stats.ts';
import type { TopicOptions, TopicResult } from './support/topic.ts';

const CLIENTS = 50_000;
const LOST_MAX = 0.001;
/** A quiet server answers in well under a millisecond: a mean above this is a queue. */
const DELAY_MS_MAX = 100;
/** Of the rate that was asked for; below, perfdhcp itself had no time to send. */
const SENT_MIN = 0.97;
const RATE_MAX = 40_000;

interface Run extends Load {
  readonly rate: number;
  readonly sustained: boolean;
  readonly generatorBound: boolean;
  readonly cpuMsPerExchange: number;
  readonly peakBytes: number;
  /** Requests that the server's kernel dropped because the server did not read them in time. */
  readonly serverDrops: number;
}

interface Bench extends TopicOptions {
  readonly pair: Pair;
  readonly perfdhcp: string;
  readonly seconds: number;
}

export async function run(options: TopicOptions): Promise<TopicResult> {
  const programs = requirePrograms('ip', 'perfdhcp', 'kea-dhcp4', 'dnsmasq', 'strace');
  return withScope(async (scope) => {
    const pair = createPair(scope, {
      serverAddress: `${SERVER_ADDRESS}/16`,
      clientAddress: '10.99.0.2/16',
    });
    const bench = { ...options, pair, perfdhcp: programs.perfdhcp, seconds: options.quick ? 3 : 6 };
    const servers = dhcpServers(programs);
    const rounds: Map<string, Run>[] = [];
    for (let round = 1; round <= (options.quick ? 1 : 3); round++) {
      options.log(`round ${round}`);
      rounds.push(await searchAll(bench, servers, rounds.at(-1)));
    }
    const durability = new Map<string, Durability>();
    for (const server of servers) {
      durability.set(server.name, await durabilityOf(bench, server, programs.strace));
    }
    return summarise(servers, rounds, durability);
  });
}

/** One round: every server's best run, found by searches that take turns. */
async function searchAll(
  bench: Bench,
  servers: readonly DhcpServer[],
  before: Map<string, Run> | undefined,
): Promise<Map<string, Run>> {
  const searches = new Map<DhcpServer, Search>(
    servers.map((server) => [
      server,
      createSearch({
        from: before?.get(server.name)?.rate ?? server.guess,
        precision: bench.quick ? 1.5 : 1.07,
        max: RATE_MAX,
      }),
    ]),
  );
  const best = new Map<string, Run>();
  for (let going = true; going; ) {
    going = false;
    for (const [server, search] of searches) {
      const rate = search.next();
      if (rate === undefined) continue;
      going = true;
      const outcome = await tryRate(bench, server, rate);
      search.record(rate, outcome.sustained);
      if (outcome.sustained && rate >= (best.get(server.name)?.rate ?? 0)) {
        best.set(server.name, outcome);
      }
    }
  }
  return best;
}

/** A rate that fails is tried once more: one hiccup of the machine must not stand for a server. */
async function tryRate(bench: Bench, server: DhcpServer, rate: number): Promise<Run> {
  const first = await measure(bench, server, rate);
  if (first.sustained || bench.quick) return first;
  return measure(bench, server, rate);
}

async function measure(bench: Bench, server: DhcpServer, rate: number): Promise<Run> {
  const { pair, perfdhcp, seconds, log } = bench;
  const result = await withScope(async (scope) => {
    const program = await started(scope, bench, server);
    const load = { perfdhcp, namespace: pair.client, server: SERVER_ADDRESS, clients: CLIENTS };
    const cpuBefore = cpuSeconds(program.pid);
    const dropsBefore = udpBufferDrops(pair.server);
    const figures = await runLoad({ ...load, rate, seconds });
    const cpu = cpuSeconds(program.pid) - cpuBefore;
    // perfdhcp starts its first exchange one interval late: one fewer than rate times seconds is all.
    const generatorBound = figures.sentPerSecond * seconds < rate * seconds * SENT_MIN - 1;
    return {
      ...figures,
      rate,
      generatorBound,
      sustained: !generatorBound && figures.lost < LOST_MAX && figures.meanDelayMs < DELAY_MS_MAX,
      cpuMsPerExchange: (cpu * 1000) / Math.max(1, figures.completed),
      peakBytes: memoryOf(program.pid).peakBytes,
      serverDrops: udpBufferDrops(pair.server) - dropsBefore,
    };
  });
  log(
    `${server.name} ${rate}/s: ${result.sustained ? 'sustained' : 'not sustained'}, lost ${round(result.lost * 100, 3)} %, ` +
      `mean delay ${round(result.meanDelayMs, 1)} ms, CPU ${round(result.cpuMsPerExchange, 3)} ms per exchange` +
      `${result.generatorBound ? `, perfdhcp sent only ${round(result.sentPerSecond, 0)}/s` : ''}`,
  );
  return result;
}

/** A fresh server, warmed up for four seconds by clients that do not come back: a compiler that runs beside it is done. */
async function started(scope: Scope, bench: Bench, server: DhcpServer): Promise<Program> {
  const program = await server.start(scope, bench.pair);
  await runLoad({
    perfdhcp: bench.perfdhcp,
    namespace: bench.pair.client,
    server: SERVER_ADDRESS,
    clients: 1000,
    rate: server.warmUpRate,
    seconds: 4,
    macBase: '00:0d:00:00:00:00',
  });
  return program;
}

function durabilityOf(bench: Bench, server: DhcpServer, strace: string): Promise<Durability> {
  return withScope(async (scope) => {
    const program = await server.start(scope, bench.pair);
    const durability = await lookAtDurability({
      ...{ scope, strace, pid: program.pid },
      load: () =>
        runLoad({
          perfdhcp: bench.perfdhcp,
          namespace: bench.pair.client,
          server: SERVER_ADDRESS,
          ...{ clients: 1000, rate: 20, seconds: 3 },
        }),
    });
    bench.log(`${server.name}: ${JSON.stringify(durability)}`);
    return durability;
  });
}

function summarise(
  servers: readonly DhcpServer[],
  rounds: readonly Map<string, Run>[],
  durability: ReadonlyMap<string, Durability>,
): TopicResult {
  const figures = new Map(
    servers.map(({ name, settings }) => {
      const runs = rounds.map((best) => best.get(name));
      return [name, { ...figuresOf(runs), durability: durability.get(name), settings }];
    }),
  );
  const { reveille: ours, ...peers } = Object.fromEntries(figures);
  if (!ours) throw new Error('no figures of our own');
  const ratio = Object.fromEntries(
    Object.entries(peers).map(([name, { exchangesPerSecond }]) => [
      name,
      round(ours.exchangesPerSecond / exchangesPerSecond),
    ]),
  );
  return { topic: 'dhcp', ours, peers, ratio, notes: NOTES };
}

/** Medians over the rounds; a round in which no rate was sustained counts as 0, and has no other figures. */
function figuresOf(runs: readonly (Run | undefined)[]) {
  const sustained = runs.filter((one) => one !== undefined);
  const middle = (of: (run: Run) => number, digits: number) =>
    sustained.length === 0 ? undefined : round(median(sustained.map(of)), digits);
  const rates = runs.map((one) => one?.rate ?? 0);
  return {
    exchangesPerSecond: median(rates),
    rounds: rates,
    lostPercent: middle(({ lost }) => lost * 100, 4),
    meanDelayMs: middle(({ meanDelayMs }) => meanDelayMs, 2),
    cpuSecondsPer1000: middle(({ cpuMsPerExchange }) => cpuMsPerExchange, 4),
    generatorCpuSecondsPer1000: middle(
      ({ generatorCpuSeconds, completed }) => (generatorCpuSeconds * 1000) / completed,
      4,
    ),
    peakMiB: middle(({ peakBytes }) => peakBytes / 2 ** 20, 1),
  };
}

const NOTES = [
  `4-way exchanges of ${CLIENTS} clients through one relay, every run with an empty lease store; sustained: under 0.1 % lost, mean delay (both halves) under ${DELAY_MS_MAX} ms, a failed rate tried twice`,
  'server and perfdhcp share the cores: a rate is what both together can do on this machine',
  'no server probes addresses for conflicts: the clients are behind a relay',
  'durability: traced, one exchange at a time; ackAfterSync is the share of ACKs that left after an fsync or fdatasync that followed their REQUEST',
];
