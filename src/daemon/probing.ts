/**
 * Keeps the stock of silent addresses filled, in the background: one round for each segment after another, then a pause.
 * What answers on a free address is quarantined and reported, in one transaction.
 */
import type { LeaseChange, Segment } from '../dhcp/ports.ts';
import type { QuietStock } from '../dhcp/quiet-stock.ts';
import type { NewEvent } from '../events.ts';
import { limit } from '../limits.ts';
import type { Log } from '../platform/log.ts';
import { openProber, type Prober } from '../platform/probe.ts';
import type { Clock } from '../wire/time.ts';

export interface ProbingOptions {
  /** Asked anew for each round. */
  segments(): readonly Segment[];
  readonly stock: QuietStock;
  readonly clock: Clock;
  readonly log: Log;
  transaction(run: () => void): void;
  applyLease(change: LeaseChange): void;
  append(event: NewEvent): void;
}

/** @returns the way to stop. */
export function startProbing(options: ProbingOptions): () => void {
  const { log } = options;
  const probers = new Map<string, Prober>();
  for (const { iface, conflictProbe } of options.segments()) {
    if (!conflictProbe || iface === undefined || probers.has(iface)) continue;
    const prober = openProber({ iface, waitMs: limit('probeWaitMs'), log });
    if (prober) probers.set(iface, prober);
  }
  let stopped = probers.size === 0;
  let timer: NodeJS.Timeout | undefined;
  const again = async (): Promise<void> => {
    const busy = await round(options, probers, () => stopped).catch((err: unknown) => {
      if (!stopped) log.error({ err }, 'probing free addresses failed');
      return false;
    });
    if (stopped) return;
    // A stock that is being filled is filled without a pause; the probes themselves take their time.
    timer = setTimeout(() => void again(), busy ? 0 : limit('probeEveryMs'));
    timer.unref();
  };
  if (!stopped) void again();
  return () => {
    stopped = true;
    clearTimeout(timer);
    for (const prober of probers.values()) prober.close();
  };
}

/** @returns whether anything was probed. A prober that was closed on the way is asked nothing more. */
async function round(
  options: ProbingOptions,
  probers: ReadonlyMap<string, Prober>,
  isStopped: () => boolean,
): Promise<boolean> {
  let busy = false;
  for (const segment of options.segments()) {
    const prober = segment.iface === undefined ? undefined : probers.get(segment.iface);
    const addresses = prober ? options.stock.next(segment, options.clock()) : [];
    if (!prober || addresses.length === 0) continue;
    busy = true;
    const answers = await prober.probe(addresses);
    if (isStopped()) return false;
    const { clock, log } = options;
    const judged = options.stock.judge(segment, { addresses, answers }, clock());
    if (judged.answersForAll !== undefined) {
      const fields = { segment: segment.name, mac: judged.answersForAll };
      log.warn(fields, 'answers for every free address: addresses of this segment are not probed');
    }
    if (judged.conflicts.length === 0) continue;
    options.transaction(() => {
      for (const { lease, event } of judged.conflicts) {
        options.applyLease(lease);
        options.append(event);
      }
    });
  }
  return busy;
}
