/**
 * Free addresses on which nobody answers: a small stock for each segment, so that an offer never waits for a probe.
 *
 * RFC 2131 2.2 and 4.4.1 ask a server to probe an address before it gives it to somebody new. A probe takes a second,
 * and a boot ROM that waits a second for each offer waits too long; so addresses are probed before anybody asks. This
 * file decides which to probe and what the result means; `platform/probe.ts` does the probing.
 *
 * Only addresses that were never given to anybody are probed: one that has a lease on record is answered for by its
 * owner. When the stock is empty (a hall powers on) addresses are given out unprobed: a conflict costs one machine a
 * DECLINE, a wait would cost all of them their boot.
 */
import type { NewEvent } from '../events.ts';
import { limit } from '../limits.ts';
import { formatIpv4, type Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';
import type { LeaseChange, LeaseView, Segment } from './ports.ts';

/** Who answered on an address. */
export type Answers = ReadonlyMap<Ipv4, Mac>;

export interface Conflict {
  /** Takes the address out of use for as long as a declined one. */
  readonly lease: LeaseChange;
  readonly event: NewEvent;
}

export interface Judgement {
  readonly conflicts: readonly Conflict[];
  /** This one answers for whatever is asked: a router doing proxy ARP. Probing says nothing on this segment. */
  readonly answersForAll: Mac | undefined;
}

export interface QuietStock {
  /** A free address that was silent a moment ago; it stays in stock until it is given out. */
  candidate(segment: string, now: Millis): Ipv4 | undefined;
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
  list: Stocked[];
  /** For how many addresses a MAC has answered. */
  readonly answered: Map<Mac, number>;
  hopeless: boolean;
}

export function createQuietStock(leases: Pick<LeaseView, 'byAddress'>): QuietStock {
  const stocks = new Map<string, SegmentStock>();
  const stockOf = (segment: string): SegmentStock => {
    const known = stocks.get(segment);
    if (known) return known;
    const made = { list: [], answered: new Map<Mac, number>(), hopeless: false };
    stocks.set(segment, made);
    return made;
  };
  const isFresh = (segment: string, { address, at }: Stocked, now: Millis): boolean =>
    now - at <= limit('probeFreshMs') && leases.byAddress(segment, address) === undefined;

  return {
    candidate(segment, now) {
      const stock = stocks.get(segment);
      while (stock?.list[0] && !isFresh(segment, stock.list[0], now)) stock.list.shift();
      return stock?.list[0]?.address;
    },
    next(segment, now) {
      const stock = stockOf(segment.name);
      if (stock.hopeless || !segment.conflictProbe) return [];
      stock.list = stock.list.filter((entry) => isFresh(segment.name, entry, now));
      const known = new Set(stock.list.map(({ address }) => address));
      const wanted = Math.min(limit('probeStockMax') - known.size, limit('probeBatchMax'));
      return neverGiven(segment, wanted, (address) => {
        return known.has(address) || leases.byAddress(segment.name, address) !== undefined;
      });
    },
    judge(segment, { addresses, answers }, now) {
      const stock = stockOf(segment.name);
      // Who was given an address while the probe was on its way answers for it by right.
      const free = addresses.filter((address) => !leases.byAddress(segment.name, address));
      const taken = free.flatMap((address) => {
        const by = answers.get(address);
        return by === undefined ? [] : [{ address, by }];
      });
      for (const { by } of taken) {
        const count = (stock.answered.get(by) ?? 0) + 1;
        stock.answered.set(by, count);
        if (count <= limit('probeAnswersPerMacMax')) continue;
        stock.hopeless = true;
        stock.list = [];
        return { conflicts: [], answersForAll: by };
      }
      for (const address of free) if (!answers.has(address)) stock.list.push({ address, at: now });
      const conflicts = taken.map((found) => conflict(segment, found, now));
      return { conflicts, answersForAll: undefined };
    },
  };
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

function conflict(
  { name }: Segment,
  { address, by }: { address: Ipv4; by: Mac },
  now: Millis,
): Conflict {
  const forMs = limit('declineQuarantineMs');
  const data = { address: formatIpv4(address), by, quarantineSeconds: forMs / 1000 };
  return {
    lease: {
      segment: name,
      address,
      // Should it turn out to be a client of ours whose lease was lost, it is the one that may have it back.
      mac: by,
      state: 'declined',
      expiresAt: (now + forMs) as Millis,
      clientId: undefined,
      hostname: '',
      boot: undefined,
    },
    event: { name: 'dhcp.conflict', mac: by, data },
  };
}
