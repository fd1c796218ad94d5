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
  /** Ties go to the lower address: the same history gives the same order. */
  const precedes = (a: number, b: number): boolean => {
    const [left, right] = [heap[a], heap[b]];
    if (!left || !right) return left !== undefined;
    return left.expiresAt === right.expiresAt
      ? left.address < right.address
      : left.expiresAt < right.expiresAt;
  };
  const swap = (a: number, b: number): void => {
    const [left, right] = [heap[a], heap[b]];
    if (left && right) [heap[a], heap[b]] = [right, left];
  };
  const push = ({ address, expiresAt }: Expiring): void => {
    entered.set(address, expiresAt);
    let index = heap.push({ address, expiresAt }) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!precedes(index, parent)) break;
      swap(parent, index);
      index = parent;
    }
  };
  const pop = (): void => {
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    heap[0] = last;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const child = precedes(left + 1, left) ? left + 1 : left;
      if (!precedes(child, index)) break;
      swap(index, child);
      index = child;
    }
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
