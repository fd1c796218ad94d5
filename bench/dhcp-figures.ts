/** What one run of bench/dhcp.ts measured, and what a reader is told of all of them. Pure. */
import type { Durability } from './dhcp-durability.ts';
import type { ProvedLoad } from './dhcp-loads.ts';
import type { DhcpServer } from './dhcp-servers.ts';
import { round } from './support/stats.ts';
import { atLeast, atMost, type TopicResult, type Verdict } from './support/topic.ts';

export interface Run extends ProvedLoad {
  readonly rate: number;
  readonly sustained: boolean;
  readonly generatorBound: boolean;
  /** All threads, and the database where it is a process of its own. */
  readonly cpuMsPerExchange: number;
  readonly peakBytes: number;
  /** Requests that the server's kernel dropped because the server did not read them in time. */
  readonly serverDrops: number;
}

/** `perfdhcp` by one thread; `perfdhcpTwo` by its usual two, which is measured where it is asked for. */
export const GENERATORS = ['light', 'perfdhcp', 'perfdhcpTwo'] as const;
export type GeneratorName = (typeof GENERATORS)[number];
/** What a ratio's key has behind the peer's name. */
const SUFFIX = { light: 'Light', perfdhcp: '', perfdhcpTwo: 'Two' } as const;

/** By generator: the run that confirmed the highest rate, or none when no rate was sustained. */
export type Best = Readonly<Partial<Record<GeneratorName, Run | undefined>>>;

export interface Measured {
  readonly server: Pick<DhcpServer, 'name' | 'settings'>;
  readonly best: Best;
  readonly durability: Durability;
  /** Wrong replies in all runs, sustained or not. */
  readonly wrong: number;
}

/** Of the Kea that has each ACK on disk first, as we have, and of the one that promises less. */
const TIMES_KEA = 2;
/** Of one that is made to wait longer than its manual says. */
const TIMES_PATIENT_KEA = 1;

export interface Asked {
  /** Those that the servers were asked by. */
  readonly generators: readonly GeneratorName[];
  /** What perfdhcp counts from a program that answers and does nothing else. */
  readonly ceiling: Run | undefined;
}

export function summarise(
  measured: readonly Measured[],
  { generators, ceiling }: Asked,
): TopicResult {
  const all = Object.fromEntries(
    measured.map((one) => [one.server.name, figuresOf(one, generators)]),
  );
  const { reveille: ours, ...peers } = all;
  if (!ours) throw new Error('no figures of our own');
  const ratio: Record<string, number> = {};
  for (const [peerName, peer] of Object.entries(peers)) {
    for (const name of generators)
      ratio[`${peerName}${SUFFIX[name]}`] = times(rateOf(ours, name), rateOf(peer, name));
    if (generators.includes('light'))
      ratio[`${peerName}CpuPerExchange`] = times(
        peer.light?.cpuSecondsPer1000,
        ours.light?.cpuSecondsPer1000,
      );
  }
  return {
    ...{ topic: 'dhcp', ours, peers, ratio, ...(ceiling && { ceiling: figuresOfRun(ceiling) }) },
    ...{ verdicts: verdictsOf(ratio, measured), notes: NOTES },
  };
}

function rateOf(figures: Figures, name: GeneratorName): number | undefined {
  return (name === 'perfdhcp' ? figures : figures[name])?.exchangesPerSecond;
}

function times(ours = 0, theirs = 0): number {
  return theirs === 0 ? 0 : round(ours / theirs);
}

/** Of what was measured: a run of some parts says nothing of the others. */
function verdictsOf(ratio: Record<string, number>, measured: readonly Measured[]): Verdict[] {
  const of = (name: string) => measured.find(({ server }) => server.name === name);
  const timesKea = (who: string, key: string, times = TIMES_KEA): Verdict[] => {
    const value = ratio[key];
    return value === undefined ? [] : [atLeast(`times Kea ${who}`, times, value)];
  };
  const durable = (what: string, name: string): Verdict[] => {
    const one = of(name);
    return one
      ? [atLeast(`share of ${what} ACKs after their sync`, 1, one.durability.ackAfterSync)]
      : [];
  };
  return [
    ...timesKea('with a synced database, perfdhcp', 'keaDurable'),
    ...timesKea('with a synced database, light', 'keaDurableLight'),
    ...timesKea('with its memfile, perfdhcp', 'kea'),
    ...timesKea('with its memfile, perfdhcp of two threads', 'keaTwo'),
    ...timesKea('with its memfile, light', 'keaLight'),
    ...timesKea('that is patient, perfdhcp', 'keaPatient', TIMES_PATIENT_KEA),
    ...timesKea('that is patient, light', 'keaPatientLight', TIMES_PATIENT_KEA),
    ...durable('our', 'reveille'),
    ...durable('durable Kea’s', 'keaDurable'),
    // A run with one is never the best: of the best runs alone, the sum could be nothing but 0.
    atMost('wrong replies of ours', 0, of('reveille')?.wrong ?? Number.POSITIVE_INFINITY),
  ];
}

function figuresOf({ server, best, durability }: Measured, generators: Asked['generators']) {
  const of = (name: GeneratorName) =>
    generators.includes(name) ? figuresOfRun(best[name]) : undefined;
  const [light, perfdhcpTwo] = [of('light'), of('perfdhcpTwo')];
  return { ...of('perfdhcp'), light, perfdhcpTwo, durability, settings: server.settings };
}

type Figures = ReturnType<typeof figuresOf>;

/** A server that sustained no rate has none, and no other figures. */
function figuresOfRun(run: Run | undefined) {
  return {
    exchangesPerSecond: run?.rate ?? 0,
    lostPercent: run && round(run.lost * 100, 4),
    meanDelayMs: run && round(run.meanDelayMs, 2),
    cpuSecondsPer1000: run && round(run.cpuMsPerExchange, 4),
    generatorCpuSecondsPer1000: run && round((run.generatorCpuSeconds * 1000) / run.completed, 4),
    generatorDrops: run?.generatorDrops,
    serverDrops: run?.serverDrops,
    peakMiB: run && round(run.peakBytes / 2 ** 20, 1),
  };
}

const NOTES = [
  '4-way exchanges of 200,000 clients through one relay, every run with an empty lease store; sustained: under 0.1 % lost, mean delay (both halves) under 100 ms, a rate that failed a short run tried twice, the highest confirmed by a longer one',
  'server and generator share the cores: a rate is what both together can do on this machine; light is the generator that leaves most of it to the server, and proves each reply',
  'ceiling: what perfdhcp counts from a program that answers each packet from a template and keeps nothing',
  'no server probes addresses for conflicts: the clients are behind a relay',
  'durability: traced, one exchange at a time; ackAfterSync is the share of ACKs that left after an fsync or fdatasync that followed their REQUEST; Kea with its memfile never syncs',
];
