/**
 * Which address has been free for longest: a binary heap of (expiry, address), smallest expiry first.
 *
 * A renewal costs nothing here: the entry stays where it is, before its time, and is put where it belongs when it comes to the
 * top, where `current` is asked. Only an expiry that comes sooner than the entry says makes another one; what is stale then
 * is thrown away at the top, and bounded by rebuilding whenever it outnumbers the living.
 */
export interface Expiring {
  readonly address: number;
  readonly expiresAt: number;
}

export interface Eligibility {
  belongs(address: number): boolean;
  usable(address: number): boolean;
}

export interface ExpiryHeap {
  add(entry: Expiring): void;
  /**
   * The entry that expired first, at or before `now`, and is `usable`; it stays in the heap, as does what is refused: it
   * may be for the next client. What does not `belong` here at all is thrown away, until its lease changes again.
   */
  first(now: number, rules: Eligibility): Expiring | undefined;
  /** What was thrown away because it did not belong is there again: other addresses belong here from now on. */
  refill(): void;
}

const SIZE_LEAST = 1024;

/**
 * @param current the living expiry of an address; `undefined` when it has no lease.
 * @param living all living entries, for a rebuild.
 */
export function createExpiryHeap(
  current: (address: number) => number | undefined,
  living: () => Iterable<Expiring>,
): ExpiryHeap {
  /** By two arrays of numbers, without an object for each entry: 12 bytes of one, and not 60. */
  let addresses = new Uint32Array(SIZE_LEAST);
  let expiries = new Float64Array(SIZE_LEAST);
  let size = 0;
  /** The expiry of the entry that counts, by address. */
  const entered = new Map<number, number>();
  let sizeMax = SIZE_LEAST;
  const move = (from: number, to: number): void => {
    addresses[to] = addresses[from] as number;
    expiries[to] = expiries[from] as number;
  };
  /** Ties go to the lower address: the same history gives the same order. */
  const precedes = (address: number, expiresAt: number, other: number): boolean => {
    const its = expiries[other] as number;
    return expiresAt === its ? address < (addresses[other] as number) : expiresAt < its;
  };
  /** The order is kept by moving others into the gap that an entry leaves, until it fits there. */
  const push = ({ address, expiresAt }: Expiring): void => {
    entered.set(address, expiresAt);
    if (size === addresses.length) [addresses, expiries] = [longer(addresses), longer(expiries)];
    let gap = size;
    size += 1;
    while (gap > 0) {
      const parent = (gap - 1) >> 1;
      if (!precedes(address, expiresAt, parent)) break;
      move(parent, gap);
      gap = parent;
    }
    addresses[gap] = address;
    expiries[gap] = expiresAt;
  };
  const pop = (): void => {
    size -= 1;
    const [address, expiresAt] = [addresses[size] as number, expiries[size] as number];
    let gap = 0;
    for (let below = 1; below < size; below = 2 * gap + 1) {
      const right = below + 1;
      if (right < size && precedes(addresses[right] as number, expiries[right] as number, below))
        below = right;
      if (precedes(address, expiresAt, below)) break;
      move(below, gap);
      gap = below;
    }
    addresses[gap] = address;
    expiries[gap] = expiresAt;
  };
  const refill = (): void => {
    size = 0;
    entered.clear();
    for (const alive of living()) push(alive);
    sizeMax = Math.max(SIZE_LEAST, 2 * size);
  };
  return {
    refill,
    add(entry) {
      const before = entered.get(entry.address);
      if (before !== undefined && before <= entry.expiresAt) return;
      push(entry);
      if (size > sizeMax) refill();
    },
    first(now, rules) {
      const refused: Expiring[] = [];
      let found: Expiring | undefined;
      while (size > 0 && (expiries[0] as number) <= now) {
        const top = { address: addresses[0] as number, expiresAt: expiries[0] as number };
        const counts = entered.get(top.address) === top.expiresAt;
        const expiresAt = counts ? current(top.address) : undefined;
        if (expiresAt === top.expiresAt && rules.usable(top.address)) {
          found = top;
          break;
        }
        pop();
        if (!counts) continue;
        entered.delete(top.address);
        if (expiresAt === undefined) continue;
        if (expiresAt !== top.expiresAt) push({ address: top.address, expiresAt });
        else if (rules.belongs(top.address)) refused.push(top);
      }
      for (const entry of refused) push(entry);
      return found;
    },
  };
}

/** The same with as much room again behind it. */
function longer<Numbers extends Uint32Array | Float64Array>(of: Numbers): Numbers {
  const next = new (of.constructor as new (length: number) => Numbers)(2 * of.length);
  next.set(of);
  return next;
}
