/**
 * Keeps the stock of silent addresses filled, in the background: rounds for our own wires, one segment after another, and beside them
 * rounds for what is behind relays, whose segments share theirs: neither waits for the other, because a round behind
 * relays takes as long as its slowest. What answers on a free address is quarantined and reported, in one transaction.
 */
import type { LeaseChange, Segment } from '../dhcp/ports.ts';
import type { QuietStock } from '../dhcp/quiet-stock.ts';
import type { NewEvent } from '../events.ts';
import { limit } from '../limits.ts';
import type { Log } from '../platform/log.ts';
import { openProber, type Probed, type Prober } from '../platform/probe.ts';
import { openRoutedProber } from '../platform/probe-routed.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Clock } from '../wire/time.ts';

export interface ProbingOptions {
  /** Asked anew for each round. */
  segments(): readonly Segment[];
  /** With the first segment of an interface, and with the first of all that is routed: subnets come while we run. */
  open(segment: Segment): Prober | undefined;
  readonly stock: QuietStock;
  readonly clock: Clock;
  readonly log: Log;
  transaction(run: () => void): void;
  applyLease(change: LeaseChange): void;
  append(event: NewEvent): void;
}

type ProbeKind = NonNullable<Segment['conflictProbe']>;
const KINDS: readonly ProbeKind[] = ['on-link', 'routed'];

/** What asks on this segment's wire, or behind its relays. @returns `undefined` where nothing can be probed */
export function openProberOf({ conflictProbe, iface = '' }: Segment, log: Log): Prober | undefined {
  const waitMs = limit('probeWaitMs');
  return conflictProbe === 'routed'
    ? openRoutedProber({ waitMs, log })
    : openProber({ iface, waitMs, log });
}

/** @returns the way to stop. */
export function startProbing(options: ProbingOptions): () => void {
  const stops = KINDS.map((kind) => startRounds(options, kind));
  return () => stops.forEach((stop) => void stop());
}

function startRounds(options: ProbingOptions, kind: ProbeKind): () => void {
  const probers = openProbers(options, kind);
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const again = async (): Promise<void> => {
    const busy = await round(options, probers, () => stopped).catch((err: unknown) => {
      if (!stopped) options.log.error({ err }, 'probing free addresses failed');
      return false;
    });
    if (stopped) return;
    // A stock that is being filled is filled without a pause; the probes themselves take their time.
    timer = setTimeout(() => void again(), busy ? 0 : limit('probeEveryMs'));
    timer.unref();
  };
  void again();
  return () => {
    stopped = true;
    clearTimeout(timer);
    probers.close();
  };
}

interface Probers {
  /** Undefined where nothing is or can be probed, and for segments that are probed in other rounds. */
  of(segment: Segment): Prober | undefined;
  close(): void;
}

function openProbers({ open }: ProbingOptions, kind: ProbeKind): Probers {
  const opened = new Map<string, Prober | undefined>();
  return {
    of(segment) {
      if (segment.conflictProbe !== kind) return undefined;
      const { iface = '' } = segment;
      if (!opened.has(iface)) opened.set(iface, open(segment));
      return opened.get(iface);
    },
    close() {
      for (const prober of opened.values()) prober?.close();
    },
  };
}

interface Due {
  readonly segment: Segment;
  readonly addresses: readonly Ipv4[];
}

/** @returns whether anything was probed. A prober that was closed on the way is asked nothing more. */
async function round(
  options: ProbingOptions,
  probers: Probers,
  isStopped: () => boolean,
): Promise<boolean> {
  let busy = false;
  const due = options.segments().flatMap((segment): Due[] => {
    if (!probers.of(segment)) return [];
    const addresses = options.stock.next(segment, options.clock());
    return addresses.length === 0 ? [] : [{ segment, addresses }];
  });
  for (const [first, ...more] of together(due)) {
    const prober = first && probers.of(first.segment);
    if (!prober) continue;
    const group = [first, ...more];
    const probed = await prober.probe(group.flatMap(({ addresses }) => addresses));
    if (isStopped()) return false;
    busy ||= probed.addresses.length > 0;
    for (const one of group) settle(options, one, probed);
  }
  return busy;
}

/** What is asked at once: a segment on a wire of ours alone, those behind relays as many as a batch has room for. */
function together(due: readonly Due[]): Due[][] {
  const groups: Due[][] = [];
  let routed: Due[] = [];
  let count = 0;
  for (const one of due) {
    if (one.segment.conflictProbe !== 'routed') {
      groups.push([one]);
      continue;
    }
    if (routed.length === 0 || count + one.addresses.length > limit('probeRoutedBatchMax')) {
      routed = [];
      count = 0;
      groups.push(routed);
    }
    routed.push(one);
    count += one.addresses.length;
  }
  return groups;
}

function settle(options: ProbingOptions, { segment, addresses }: Due, probed: Probed): void {
  const { clock, log, stock } = options;
  const asked = addresses.filter((address) => probed.addresses.includes(address));
  const judged = stock.judge(segment, { addresses: asked, answers: probed.answers }, clock());
  if (judged.hopeless !== undefined) {
    const fields = { segment: segment.name, why: judged.hopeless };
    log.warn(fields, 'free addresses of this segment are not probed any more');
  }
  if (judged.conflicts.length === 0) return;
  options.transaction(() => {
    for (const { lease, event } of judged.conflicts) {
      options.applyLease(lease);
      options.append(event);
    }
  });
}
