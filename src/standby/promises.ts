/**
 * What DHCP has promised that the other appliance may not know of, and the rules that follow from it (`gate.ts`).
 *
 * `unsure`: addresses of the other one's half, given while promises waited for its word, whose word has not come. Their
 * acknowledgements have not left. When the line is lost nobody is given them, not even the client that they were meant for: it
 * may ask the other one next, which takes them for free, until nothing runs any more that it may have promised. `ours`: what was given or renewed since both knew everything for the last
 * time.
 */
import type { Lease, LeaseChange, LeaseView, PartnerRules, PartnerWish } from '../dhcp/ports.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';
import { type Given, isInHalf, isTogether, mayGive, type Standing, secondsMax } from './gate.ts';
import type { Moves } from './moves.ts';
import type { Told } from './told.ts';
import type { Member } from './witness.ts';

export interface PromisePorts {
  readonly member: Member;
  readonly mcltSeconds: number;
  readonly leases: Pick<LeaseView, 'byAddress' | 'byMac'>;
  standing(): Standing;
  /** Does what is promised now wait for the other one's word? */
  waits(): boolean;
  /** The place of the log, asked outside of transactions. */
  head(): number;
  /** By how much our time of day is ahead of the one that leases are kept by, in milliseconds; negative: behind. */
  aheadMs(): number;
  readonly moves: Pick<Moves, 'formerly' | 'left'>;
  readonly told: Told;
}

export interface Promises extends PartnerRules {
  /**
   * Before and after a lease is entered, in its transaction. What is entered runs as long as the one before it at least: the
   * other one may let the client go on until then.
   */
  entering<T>(change: LeaseChange, now: Millis, enter: (change: LeaseChange) => T): T;
  /** The other one has everything up to here. */
  acked(to: number): void;
  /** The line is lost, and both knew everything: what is given from here on is ours. */
  apart(): void;
  /** Both know everything. What is ours stays so: it is renewed while what the other one gave before may still run. */
  together(): void;
  /** To be kept over a restart. */
  unsure(): string[];
}

/** Of before the two were apart. */
const BEFORE = Number.POSITIVE_INFINITY;

const keyOf = (segment: string, address: Ipv4): string => `${segment} ${address}`;

/**
 * Of the leases of a database that is no copy, those that may have been entered while promises waited for the other one's word, when a crash
 * has forgotten which.
 *
 * @param knownAt what was entered before then the other one knows
 */
export function unsureOf(
  member: Member,
  leases: Iterable<Promised>,
  { now, knownAt }: { readonly now: number; readonly knownAt: number },
): string[] {
  return [...leases]
    .filter(({ lastAt, expiresAt }) => lastAt > knownAt && expiresAt > now)
    .filter(({ address }) => !isInHalf(member, address))
    .map(({ segment, address }) => keyOf(segment, address));
}

/** A lease that a client may have. */
export interface Promised {
  readonly segment: string;
  readonly address: Ipv4;
  readonly mac: Mac;
  readonly expiresAt: number;
  readonly lastAt: number;
}

export function createPromises(ports: PromisePorts, unsureBefore: readonly string[]): Promises {
  const { member, mcltSeconds, leases } = ports;
  /** By the place of the log where the other one has them; one that nothing was heard since has none yet: its row is written last. */
  const unsure = new Map<string, number | undefined>(unsureBefore.map((key) => [key, BEFORE]));
  /** The other one has what was before the two were apart, too. */
  let met = false;
  const ours = new Map<string, 'new' | 'renewed'>();
  const given: Given = {
    isUnsure: (segment, address) => unsure.has(keyOf(segment, address)),
    isOurs: (segment, address) => ours.has(keyOf(segment, address)),
    isNew: (segment, address) => ours.get(keyOf(segment, address)) === 'new',
    formerly: ports.moves.formerly,
    isToldAnother: ports.told.isAnothers,
  };
  const wishOf = (wish: PartnerWish) => ({
    ...wish,
    held: leases.byAddress(wish.segment, wish.address),
  });
  return {
    isReadOnly() {
      const { mode, quiet } = ports.standing();
      return mode === 'read-only' || quiet;
    },
    standsBackSeconds: () => 0,
    mayGive(wish, now) {
      const standing = ports.standing();
      const by = standing.mode === 'read-only' ? ((now - ports.aheadMs()) as Millis) : now;
      return mayGive(standing, wishOf(wish), given, by);
    },
    secondsMax(wish, now) {
      const at = (now - ports.aheadMs()) as Millis;
      const standing = ports.standing();
      const by = standing.mode === 'read-only' ? at : now;
      return secondsMax(standing, wishOf(wish), { now: by, mcltSeconds });
    },
    entering(change, now, enter) {
      const { segment, address, mac, state, expiresAt } = change;
      if (state !== 'bound' && state !== 'released') return enter(change);
      const before = leases.byAddress(segment, address);
      const renews = before?.state === 'bound' && before.mac === mac && before.expiresAt > now;
      if (state === 'bound' && ports.standing().mode === 'read-only')
        ports.told.tell(segment, address, { mac, seconds: (expiresAt - now) / 1000 });
      const left = state === 'released' ? before : leaseOf(leases, segment, mac);
      const runsOn = renews && state === 'bound' && before.expiresAt > change.expiresAt;
      const result = enter(runsOn ? { ...change, expiresAt: before.expiresAt } : change);
      const standing = ports.standing();
      const isHalf = standing.mode === 'half';
      const key = keyOf(segment, address);
      if (isHalf && state === 'bound' && !ours.has(key)) {
        const isFree = !before || before.state === 'offered' || before.expiresAt <= standing.ranAt;
        ours.set(key, isFree ? 'new' : 'renewed');
      }
      if (ports.waits() && state === 'bound' && !renews && !isInHalf(member, address))
        unsure.set(key, undefined);
      if (!left || (left.address === address && state === 'bound')) return result;
      ours.delete(keyOf(segment, left.address));
      // What ran when the two lost touch the other one may have renewed, although it is over here.
      const ranAt = standing.mode === 'half' ? Math.min(now, standing.ranAt) : now;
      if (left.state === 'bound' && left.mac === mac && left.expiresAt > ranAt)
        ports.moves.left(segment, left.address, { mac, leftMs: left.expiresAt - now });
      return result;
    },
    acked(to) {
      if (unsure.size === 0) return;
      const isOver = met && isTogether(ports.standing());
      const head = ports.head();
      for (const [key, at = head] of unsure) {
        if (at <= to || (isOver && at === BEFORE)) unsure.delete(key);
        else unsure.set(key, at);
      }
    },
    apart() {
      ours.clear();
      met = false;
      for (const key of unsure.keys()) unsure.set(key, BEFORE);
    },
    together() {
      met = true;
    },
    unsure: () => [...unsure.keys()],
  };
}

/** What a client leaves when it takes another address: its lease, also beside the offer of that address. */
function leaseOf(leases: PromisePorts['leases'], segment: string, mac: Mac): Lease | undefined {
  const current = leases.byMac(segment, mac);
  if (current?.former === undefined) return current;
  const held = leases.byAddress(segment, current.former);
  return held?.mac === mac && held.state === 'bound' ? held : current;
}
