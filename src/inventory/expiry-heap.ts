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

/**
 * @param current the living expiry of an address; `undefined` when it has no lease.
 * @param living all living entries, for a rebuild.
 */
export function createExpiryHeap(
  current: (address: number) => number | undefined,
  living: () => Iterable<Expiring>,
): ExpiryHeap {
  let heap: Expiring[] = [];
  /** The expiry of the entry that counts, by address. */
  const entered = new Map<number, number>();
  let sizeMax = 1024;
  /** The order is kept by moving others into the gap that an entry leaves, until it fits there. */
  const push = ({ address, expiresAt }: Expiring): void => {
    entered.set(address, expiresAt);
    const entry = { address, expiresAt };
    let gap = heap.push(entry) - 1;
    while (gap > 0) {
      const parent = (gap - 1) >> 1;
      const above = heap[parent] as Expiring;
      if (!precedes(entry, above)) break;
      heap[gap] = above;
      gap = parent;
    }
    heap[gap] = entry;
  };
  const pop = (): void => {
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let gap = 0;
    for (;;) {
      const left = heap[2 * gap + 1];
      const right = heap[2 * gap + 2];
      const below = right && left && precedes(right, left) ? right : left;
      if (!below || !precedes(below, last)) break;
      heap[gap] = below;
      gap = 2 * gap + (below === left ? 1 : 2);
    }
    heap[gap] = last;
  };
  const refill = (): void => {
    heap = [];
    entered.clear();
    for (const alive of living()) push(alive);
    sizeMax = Math.max(1024, 2 * heap.length);
  };
  return {
    refill,
    add(entry) {
      const before = entered.get(entry.address);
      if (before !== undefined && before <= entry.expiresAt) return;
      push(entry);
      if (heap.length > sizeMax) refill();
    },
    first(now, rules) {
      const refused: Expiring[] = [];
      let found: Expiring | undefined;
      for (let top = heap[0]; top && top.expiresAt <= now; top = heap[0]) {
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

/** Ties go to the lower address: the same history gives the same order. */
function precedes(one: Expiring, other: Expiring): boolean {
  if (one.expiresAt !== other.expiresAt) return one.expiresAt < other.expiresAt;
  return one.address < other.address;
}
