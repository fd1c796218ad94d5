/**
 * Free addresses on which nobody answers: a small stock for each segment, so that an offer never waits for a probe.
 *
 * RFC 2131 2.2 and 4.4.1 ask a server to probe an address before it gives it to somebody new. A probe takes a second,
 * and a boot ROM that waits a second for each offer waits too long; so addresses are probed before anybody asks. This
 * file decides which to probe and what the result means; `platform/probe.ts` does the probing on our own wires, and
 * `platform/probe-routed.ts` behind relays.
 *
 * Only addresses that were never given to anybody are probed: one that has a lease on record is answered for by its
 * owner, and one that is reserved is given to nobody else. When the stock is empty (a hall powers on) addresses are given out unprobed: a conflict costs one machine a
 * DECLINE, a wait would cost all of them their boot.
 *
 * Something that answers for whatever is asked makes probing worthless. On a wire it is known by its MAC. Behind a relay nobody's
 * MAC is seen; there the highest free address is asked with the first of the lowest ones, because a pool is used from below: where that one
 * answers as well as all others, it is not their users who do.
 */
import type { NewEvent } from '../events.ts';
import { limit } from '../limits.ts';
import { formatIpv4, type Ipv4 } from '../wire/ipv4.ts';
import { type Mac, NO_MAC } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';
import type { DhcpView, LeaseChange, LeaseView, Segment } from './ports.ts';

/** Who answered on an address; undefined for somebody behind a relay. */
export type Answers = ReadonlyMap<Ipv4, Mac | undefined>;

export interface Conflict {
  /** Takes the address out of use for as long as a declined one. */
  readonly lease: LeaseChange;
  readonly event: NewEvent;
}

export interface Judgement {
  readonly conflicts: readonly Conflict[];
  /** Why probing says nothing on this segment: it ends there. */
  readonly hopeless: string | undefined;
}

export interface QuietStock {
  /** A free address that was silent a moment ago, of those that are `usable`; it stays in stock until it is given out. */
  candidate(segment: Segment, now: Millis, usable?: (address: Ipv4) => boolean): Ipv4 | undefined;
  /** The addresses to probe next: empty when the stock is full and fresh. */
  next(segment: Segment, now: Millis): Ipv4[];
  judge(
    segment: Segment,
    probe: { readonly addresses: readonly Ipv4[]; readonly answers: Answers },
    now: Millis,
  ): Judgement;
}

interface Stocked {
  readonly address: Ipv4;
  readonly at: Millis;
}

interface SegmentStock {
  /** What is known is known of these. */
  readonly pools: Segment['pools'];
  list: Stocked[];
  /** For how many addresses a MAC has answered. */
  readonly answered: Map<Mac, number>;
  hopeless: boolean;
}

type Leases = Pick<LeaseView, 'byAddress' | 'quarantinesBeside'>;

/** @param reservedAt whom the inventory keeps an address for: it is nobody else's to be given, and its owner may be on it */
export function createQuietStock(
  leases: Leases,
  reservedAt: NonNullable<DhcpView['reservedAt']> = () => undefined,
): QuietStock {
  const stocks = new Map<string, SegmentStock>();
  const isFree = ({ name }: Segment, address: Ipv4): boolean =>
    leases.byAddress(name, address) === undefined && reservedAt(name, address) === undefined;
  const stockOf = ({ name, pools }: Segment): SegmentStock => {
    const known = stocks.get(name);
    if (known && samePools(known.pools, pools)) return known;
    const list = known?.list ?? [];
    const made = { pools, list, answered: new Map<Mac, number>(), hopeless: false };
    stocks.set(name, made);
    return made;
  };
  const isFresh = (segment: Segment, { address, at }: Stocked, now: Millis): boolean =>
    now - at <= limit('probeFreshMs') && segment.isDynamic(address) && isFree(segment, address);

  return {
    candidate(segment, now, usable = () => true) {
      const stock = stocks.get(segment.name);
      while (stock?.list[0] && !isFresh(segment, stock.list[0], now)) stock.list.shift();
      return stock?.list.find((one) => usable(one.address) && isFresh(segment, one, now))?.address;
    },
    next(segment, now) {
      const stock = stockOf(segment);
      if (stock.hopeless || !segment.conflictProbe) return [];
      stock.list = stock.list.filter((entry) => isFresh(segment, entry, now));
      const known = new Set(stock.list.map(({ address }) => address));
      const wanted = Math.min(limit('probeStockMax') - known.size, limit('probeBatchMax'));
      const skip = (address: Ipv4): boolean => known.has(address) || !isFree(segment, address);
      const lowest = neverGiven(segment, wanted, skip);
      const wantsControl = segment.conflictProbe === 'routed' && known.size === 0;
      return wantsControl ? withHighest(segment, lowest, skip) : lowest;
    },
    judge(segment, { addresses, answers }, now) {
      const stock = stockOf(segment);
      // Who was given an address while the probe was on its way answers for it by right.
      const free = addresses.filter((address) => isFree(segment, address));
      const taken = free.flatMap((address) =>
        answers.has(address) ? [{ address, by: answers.get(address) }] : [],
      );
      for (const address of free) if (!answers.has(address)) stock.list.push({ address, at: now });
      stock.list.sort((a, b) => a.address - b.address);
      const routed = segment.conflictProbe === 'routed';
      const liar = routed ? whoAnswersAll(stock, taken) : whoAnswersMuch(stock, taken);
      if (liar !== undefined) {
        stock.hopeless = true;
        stock.list = [];
        return { conflicts: [], hopeless: `${liar} answers for every free address` };
      }
      // What was silent stays in stock, and what answered goes as far as it may: both are true whoever answers.
      const room = routed ? quarantineRoom(segment, taken, leases) : taken.length;
      stock.hopeless = taken.length > room;
      return {
        conflicts: taken.slice(0, room).map((found) => conflict(segment, found, now)),
        hopeless: stock.hopeless
          ? `more than ${segment.quarantinedMax} free addresses answer`
          : undefined,
      };
    },
  };
}

/** An address that answered, and who it was, where that is seen. */
interface Taken {
  readonly address: Ipv4;
  readonly by: Mac | undefined;
}

const samePools = (some: Segment['pools'], others: Segment['pools']): boolean =>
  some === others ||
  (some.length === others.length &&
    some.every(({ first, last }, n) => first === others[n]?.first && last === others[n]?.last));

/** On a wire: one NIC on more addresses than any machine has. */
function whoAnswersMuch({ answered }: SegmentStock, taken: readonly Taken[]): string | undefined {
  for (const { by = NO_MAC } of taken) {
    const count = (answered.get(by) ?? 0) + 1;
    answered.set(by, count);
    if (count > limit('probeAnswersPerMacMax')) return by;
  }
  return undefined;
}

/** Behind a relay: no address is silent. */
function whoAnswersAll({ list }: SegmentStock, taken: readonly Taken[]): string | undefined {
  return list.length === 0 && taken.length > limit('probeAnswersPerMacMax')
    ? 'something'
    : undefined;
}

/** How many more addresses answers alone may take out of use: not the whole pool. */
function quarantineRoom(
  { name, quarantinedMax }: Segment,
  [first]: readonly Taken[],
  leases: Leases,
): number {
  if (!first) return 0;
  const { inSegment } = leases.quarantinesBeside(name, first.address);
  return Math.max(0, quarantinedMax - inSegment);
}

/** The lowest dynamic addresses that `skip` does not refuse; a used-up pool is given up after a bounded look. */
function neverGiven({ pools }: Segment, count: number, skip: (address: Ipv4) => boolean): Ipv4[] {
  const found: Ipv4[] = [];
  let looked = 0;
  for (const { first, last } of pools) {
    for (let address: number = first; address <= last; address++) {
      if (found.length >= count || ++looked > limit('probeLookMax')) return found;
      if (!skip(address as Ipv4)) found.push(address as Ipv4);
    }
  }
  return found;
}

/** The same with the highest one that `skip` does not refuse in the place of the last. */
function withHighest(
  { pools }: Segment,
  lowest: readonly Ipv4[],
  skip: (address: Ipv4) => boolean,
): Ipv4[] {
  let looked = 0;
  for (const { first, last } of pools.toReversed()) {
    for (let address: number = last; address >= first; address--) {
      if (++looked > limit('probeLookMax')) return [...lowest];
      if (skip(address as Ipv4)) continue;
      return lowest.includes(address as Ipv4)
        ? [...lowest]
        : [...lowest.slice(0, -1), address as Ipv4];
    }
  }
  return [...lowest];
}

function conflict({ name }: Segment, { address, by }: Taken, now: Millis): Conflict {
  const forMs = limit('declineQuarantineMs');
  const data = { address: formatIpv4(address), by: by ?? '', quarantineSeconds: forMs / 1000 };
  return {
    lease: {
      segment: name,
      address,
      // Should it turn out to be a client of ours whose lease was lost, it is the one that may have it back.
      mac: by ?? NO_MAC,
      state: 'declined',
      expiresAt: (now + forMs) as Millis,
      clientId: undefined,
      hostname: '',
      boot: undefined,
    },
    event: { name: 'dhcp.conflict', mac: by, data },
  };
}
