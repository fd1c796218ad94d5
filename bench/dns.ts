/**
 * Authoritative DNS beside Knot, NSD, BIND and PowerDNS: one site of 50,000 machines, the same zones in each.
 *
 * Every server has one thread for UDP, then as many as there are cores; the load is dnsperf over loopback, one generator,
 * one question in three for an address, a PTR and a name that does not exist. Servers take turns in each round, so that a
 * busy moment of the machine meets all of them; medians are compared. Where cores are few the generator takes what the
 * servers could use, so the CPU time that a server spent for a million answers is given beside the rate. Then: TCP, and the
 * time from a change to its answer while questions come at half the top rate.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { type PeerKind, startPeer } from '../test/support/dns-peers.ts';
import { temporaryDir } from './support/daemon.ts';
import { cpuTimes, memoryOf, type Program, runToEnd, start, treeOf } from './support/process.ts';
import { requirePrograms } from './support/programs.ts';
import { type Scope, withScope } from './support/scope.ts';
import { median, round } from './support/stats.ts';
import {
  atLeast,
  atMost,
  type TopicOptions,
  type TopicResult,
  type Verdict,
} from './support/topic.ts';

const MACHINES = 50_000;
const ADDRESS = '127.0.0.1';
const PEERS: readonly PeerKind[] = ['knot', 'nsd', 'bind', 'powerdns'];
const ZONES = ['lab.example', '10.in-addr.arpa'];

interface Server {
  readonly name: string;
  readonly port: number;
  readonly program: Program;
}

interface Run {
  readonly qps: number;
  readonly lostShare: number;
  readonly cpuSecondsPerMillion: number;
}

interface Figures {
  readonly qps: number;
  readonly cpuSecondsPerMillion: number;
  readonly lostShare: number;
}

export async function run(options: TopicOptions): Promise<TopicResult> {
  requirePrograms('dig', 'dnsperf', 'knotd', 'nsd', 'named', 'pdns_server');
  const cores = cpus().length;
  const single = await withScope((scope) => compare(scope, options, { threads: 1, extras: true }));
  const all = await withScope((scope) =>
    compare(scope, options, { threads: cores, extras: false }),
  );
  const ratio: Record<string, number> = {};
  const over = (name: string, ours?: Figures, theirs?: Figures) => {
    if (ours && theirs) ratio[name] = round(ours.qps / theirs.qps);
  };
  const cpu = (name: string, ours?: Figures, theirs?: Figures) => {
    if (ours && theirs)
      ratio[name] = round(theirs.cpuSecondsPerMillion / ours.cpuSecondsPerMillion);
  };
  const peers: Record<string, object> = {};
  for (const kind of PEERS) {
    over(`${kind} udp`, single.udp.get('ours'), single.udp.get(kind));
    cpu(`${kind} udp per cpu second`, single.udp.get('ours'), single.udp.get(kind));
    over(`${kind} tcp`, single.tcp.get('ours'), single.tcp.get(kind));
    over(`${kind} udp all cores`, all.udp.get('ours'), all.udp.get(kind));
    peers[kind] = {
      ...{ udp: single.udp.get(kind), tcp: single.tcp.get(kind), udpAllCores: all.udp.get(kind) },
      rssMiB: single.rssMiB.get(kind),
    };
  }
  return {
    topic: 'dns',
    ours: {
      ...{ udp: single.udp.get('ours'), tcp: single.tcp.get('ours') },
      udpAllCores: all.udp.get('ours'),
      ...{ changes: single.changes, rssMiB: single.rssMiB.get('ours') },
    },
    ...{ peers, ratio },
    verdicts: verdictsOf(ratio, single.changes),
    notes: [
      `zones of ${MACHINES} machines: ${2 * MACHINES} addresses, ${MACHINES} PTR; questions: A, PTR and NXDOMAIN in equal parts`,
      'loopback, one dnsperf; on few cores it competes with the server: see cpuSecondsPerMillion',
      'no rate limiting in any server; the answer caches of PowerDNS are on',
      'changes: from the moment the name server is told to the new answer on the wire, under half the top rate; its own commit to disk is in it, the inventory’s is not',
    ],
  };
}

/** What is asked of us, beside what was measured in this run. */
function verdictsOf(
  ratio: Readonly<Record<string, number>>,
  changes: Changes | undefined,
): Verdict[] {
  const verdicts = [
    atLeast('UDP beside Knot, for the same CPU time', 1, ratio['knot udp per cpu second'] ?? 0),
    atLeast('UDP beside Knot, one thread', 1, ratio['knot udp'] ?? 0),
    atLeast('UDP beside Knot, all cores', 1, ratio['knot udp all cores'] ?? 0),
    atLeast('TCP beside BIND', 1, ratio['bind tcp'] ?? 0),
  ];
  if (!changes) return verdicts;
  verdicts.push(
    atMost('from a change to its answer, p99 in ms', 100, changes.p99Ms),
    atMost('questions lost meanwhile', 0, changes.questionsLost),
  );
  const { pauses } = changes;
  if (pauses) verdicts.push(atMost('a change keeps the thread, CPU ms', 20, pauses.maxCpuMs));
  return verdicts;
}

interface Pauses {
  readonly maxMs: number;
  readonly maxCpuMs: number;
}

interface Changes {
  readonly p99Ms: number;
  readonly questionsLost: number;
  readonly pauses?: Pauses;
}

async function compare(
  scope: Scope,
  { quick, log }: TopicOptions,
  { threads, extras }: { threads: number; extras: boolean },
) {
  const folder = temporaryDir(scope);
  const servers = await startAll(scope, folder, threads);
  const questions = join(folder, 'questions');
  writeFileSync(questions, makeQuestions());
  const rounds = quick ? 1 : 5;
  const seconds = quick ? 2 : 5;
  const load = { scope, questions, seconds };
  const udp = await inTurns(servers, rounds, async (server) => {
    const result = await measure(server, {
      ...load,
      words: ['-c', String(4 * threads), '-q', '200'],
    });
    log(
      `${threads} thread(s), UDP, ${server.name}: ${Math.round(result.qps)}/s, ${result.cpuSecondsPerMillion} CPU s per million`,
    );
    return result;
  });
  const tcp = !extras
    ? new Map<string, Figures>()
    : await inTurns(servers, quick ? 1 : 3, async (server) => {
        const result = await measure(server, {
          ...load,
          words: ['-m', 'tcp', '-c', '16', '-q', '200'],
        });
        log(`TCP, ${server.name}: ${Math.round(result.qps)}/s`);
        return result;
      });
  const [ours] = servers;
  const half = Math.round((udp.get('ours')?.qps ?? 0) / 2);
  const changes = extras && ours ? await measureChanges(ours, { ...load, half, quick }) : undefined;
  if (changes) log(`changes under ${half}/s: ${JSON.stringify(changes)}`);
  const rssMiB = new Map(
    servers.map(({ name, program }) => {
      const sizes = treeOf(program.pid).map((pid) => memoryOf(pid).rssBytes);
      return [name, round(sizes.reduce((sum, size) => sum + size, 0) / 2 ** 20, 0)];
    }),
  );
  return { udp, tcp, changes, rssMiB };
}

async function startAll(scope: Scope, folder: string, threads: number): Promise<Server[]> {
  const port = 5300 + threads * 10;
  const words = [folder, String(MACHINES), ADDRESS, String(port), String(threads)];
  const site = join(import.meta.dirname, 'support', 'dns-site.ts');
  const program = start({ scope, command: [process.execPath, site, ...words] });
  await program.line(/^ready/, 120_000);
  const servers: Server[] = [{ name: 'ours', port, program }];
  for (const [index, kind] of PEERS.entries()) {
    const peer = {
      ...{ scope, folder: join(folder, kind), address: ADDRESS, port: port + 1 + index, threads },
      zones: ZONES.map((name) => ({ name, file: join(folder, `${name}.zone`) })),
    };
    servers.push({ name: kind, port: peer.port, program: startPeer(kind, peer) });
  }
  for (const server of servers) await untilServing(server);
  return servers;
}

/** Waits until a server answers for the last machine. @throws Error with what it printed after a minute */
async function untilServing({ name, port, program }: Server): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (const zone of ZONES) {
    while (!hasSoa(port, zone)) {
      if (Date.now() > deadline) throw new Error(`${name} does not serve:\n${program.output()}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

function hasSoa(port: number, zone: string): boolean {
  const words = [`@${ADDRESS}`, '-p', String(port), zone, 'SOA', '+short', '+time=1', '+tries=1'];
  try {
    return execFileSync('dig', words, { encoding: 'utf8' }).includes('hostmaster');
  } catch {
    return false;
  }
}

/** A hundred thousand questions, the same in every run. */
function makeQuestions(): string {
  let state = 1;
  const pick = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const lines: string[] = [];
  for (let i = 0; i < 100_000; i++) {
    const n = pick(MACHINES);
    const at = n + 256;
    const kinds = [
      `web${n}.lab.example A`,
      `${at & 255}.${(at >> 8) & 255}.${(at >> 16) & 255}.10.in-addr.arpa PTR`,
      `nobody${pick(1_000_000)}.lab.example A`,
    ];
    lines.push(kinds[i % 3] ?? '');
  }
  return `${lines.join('\n')}\n`;
}

async function inTurns(
  servers: readonly Server[],
  rounds: number,
  once_: (server: Server) => Promise<Run>,
): Promise<Map<string, Figures>> {
  const runs = new Map<string, Run[]>(servers.map(({ name }) => [name, []]));
  for (let turn = 0; turn < rounds; turn++) {
    for (const server of servers) runs.get(server.name)?.push(await once_(server));
  }
  return new Map(
    [...runs].map(([name, list]) => [
      name,
      {
        qps: Math.round(median(list.map(({ qps }) => qps))),
        cpuSecondsPerMillion: round(median(list.map((one) => one.cpuSecondsPerMillion))),
        lostShare: round(Math.max(...list.map(({ lostShare }) => lostShare)), 5),
      },
    ]),
  );
}

interface Load {
  readonly scope: Scope;
  readonly questions: string;
  readonly seconds: number;
  readonly words: readonly string[];
}

async function measure({ port, program }: Server, load: Load): Promise<Run> {
  const cpu = () => treeOf(program.pid).reduce((sum, pid) => sum + cpuTimes(pid).own, 0);
  const before = cpu();
  const output = await dnsperf(load, port);
  const spent = cpu() - before;
  const number = (pattern: RegExp) => Number(pattern.exec(output)?.[1]);
  const completed = number(/Queries completed:\s+(\d+)/);
  const lost = number(/Queries lost:\s+(\d+)/);
  const noerror = number(/NOERROR (\d+)/);
  // A server that answers wrongly is not fast: two of three questions have an answer.
  if (!(noerror > completed * 0.6 && noerror < completed * 0.72)) {
    throw new Error(`port ${port} answered wrongly:\n${output}`);
  }
  return {
    qps: number(/Queries per second:\s+([\d.]+)/),
    lostShare: lost / (completed + lost),
    cpuSecondsPerMillion: round((spent / completed) * 1e6),
  };
}

function dnsperf({ scope, questions, seconds, words }: Load, port: number): Promise<string> {
  const to = ['-s', ADDRESS, '-p', String(port), '-d', questions, '-l', String(seconds), '-T', '1'];
  return runToEnd({ scope, command: ['dnsperf', ...to, ...words] });
}

async function measureChanges(
  ours: Server,
  load: Omit<Load, 'words'> & { half: number; quick: boolean },
): Promise<Changes> {
  const words = ['-c', '4', '-q', '200', '-Q', String(load.half)];
  const pressure = dnsperf({ ...load, seconds: load.quick ? 10 : 20, words }, ours.port);
  process.kill(ours.program.pid, 'SIGUSR2');
  const line = await ours.program.line(/^changes /, 120_000);
  const output = await pressure;
  const pauses = load.quick ? undefined : await measurePauses(ours);
  const lost = Number(/Queries lost:\s+(\d+)/.exec(output)?.[1]);
  const atRate = Number(/Queries per second:\s+([\d.]+)/.exec(output)?.[1]);
  return {
    ...JSON.parse(line.slice('changes '.length)),
    questionsLost: lost,
    atRate: Math.round(atRate),
    ...(pauses ? { pauses } : {}),
  };
}

/** How long changes keep the thread that makes them, which is the one that answers DHCP. */
async function measurePauses({ program }: Server): Promise<Pauses> {
  process.kill(program.pid, 'SIGUSR2');
  const line = await program.line(/^pauses /, 240_000);
  return JSON.parse(line.slice('pauses '.length));
}
