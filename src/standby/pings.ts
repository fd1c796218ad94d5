/**
 * What the active one says again and again while the line is there, and what an answer to it tells.
 *
 * An answer alone says that the other one was there. That each of the two had everything is known of a moment before it: of the last ping of
 * which the other one has acknowledged all that was committed when it was sent. What was entered after that moment may have been lost
 * with the line, or by a crash.
 */
export interface Pings {
  /** @param mark whether the other one has, by then, all that is committed now; undefined when it is told nothing (`Feeder.mark`) */
  sent(now: number, mark: (() => boolean) | undefined): number;
  answered(n: number): Answered;
}

/** By the clock of `sent`. */
export interface Answered {
  /** undefined: it was none of these, or was too long ago. */
  readonly sentAt: number | undefined;
  /** The last moment of which it is known that each had everything. */
  readonly inStepAt: number | undefined;
}

/** Of pings that were not answered; older ones are not counted upon. */
const PINGS_MAX = 100;

export function createPings(): Pings {
  const pings = new Map<number, { readonly at: number; readonly mark: () => boolean }>();
  let last = 0;
  return {
    sent(now, mark = () => false) {
      last += 1;
      pings.set(last, { at: now, mark });
      const [oldest] = pings.keys();
      if (pings.size > PINGS_MAX && oldest !== undefined) pings.delete(oldest);
      return last;
    },
    answered(n) {
      const sent = pings.get(n);
      const known = [...pings].findLast(([, { mark }]) => mark());
      // Nothing is learned of those before it any more.
      for (const older of pings.keys())
        if (known && older < Math.min(n, known[0])) pings.delete(older);
      return { sentAt: sent?.at, inStepAt: known?.[1].at };
    },
  };
}
