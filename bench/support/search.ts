/**
 * The search for the highest rate that a server sustains: double or halve (or by another stride, where an answer is expected) until it is bracketed, then
 * bisect.
 *
 * Pure: it says which rate to try next and is told how that went, so that the searches of several servers can take turns
 * and share whatever else the machine is doing.
 */

export interface Search {
  /** The rate to try next; undefined when the bracket is narrow enough. */
  next(): number | undefined;
  record(rate: number, sustained: boolean): void;
  /** The highest rate that was sustained below the lowest one that was not; 0 if none was. */
  best(): number;
}

export interface SearchOptions {
  readonly from: number;
  /** Ends when the bracket's ends are this close: 1.08 is 8 %. */
  readonly precision: number;
  /** By how much a rate is raised or lowered until the answer lies between two; 2 without it. */
  readonly stride?: number;
  /** Rates above are not tried. */
  readonly max: number;
}

/** Below this no server is worth a bisection. */
const RATE_MIN = 10;

export function createSearch({ from, precision, max, stride = 2 }: SearchOptions): Search {
  let good = 0;
  let bad = Number.POSITIVE_INFINITY;
  return {
    next() {
      if (good >= max || bad <= RATE_MIN) return undefined;
      if (good === 0 && bad === Number.POSITIVE_INFINITY) return Math.min(from, max);
      if (good === 0) return Math.max(RATE_MIN, Math.round(bad / stride));
      if (bad === Number.POSITIVE_INFINITY) return Math.min(max, Math.round(good * stride));
      // Rates are whole numbers: between two neighbours there is nothing to try.
      return bad / good <= precision || bad - good <= 1
        ? undefined
        : Math.round(Math.sqrt(good * bad));
    },
    record(rate, sustained) {
      if (sustained) good = Math.max(good, rate);
      else bad = Math.min(bad, rate);
    },
    best: () => (good < bad ? good : 0),
  };
}
