/**
 * How much may be begun by who is on no record: boots, and first addresses.
 *
 * Whoever makes up MACs makes a row, an event or a record of each of them. Addresses are bounded by their pools; this bounds
 * the rest. Each segment has two buckets, one of boots and one of clients that boot nothing and hold no address. They are as
 * deep as a hall of 20,000 that powers on within a minute needs, the second one as deep as large pools have addresses, so
 * that no real one is ever held up, and they fill up slowly: a flood has what is in them once, and a trickle from then on.
 * Machines on record are never counted, nor is a client that goes on with what it has begun, nor is another segment's.
 *
 * What is refused is dropped without a trace but its count. A client asks again, and has its turn with the trickle.
 */
import { isBootClient } from '../dhcp/client-class.ts';
import type { NewcomerQuery } from '../dhcp/ports.ts';
import type { ClientStage } from '../events.ts';
import type { Boots } from '../inventory/boots.ts';
import { limit } from '../limits.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock } from '../wire/time.ts';

export interface NewcomerParts {
  readonly clock: Clock;
  readonly boots: Pick<Boots, 'begins'>;
  isOnRecord(mac: Mac): boolean;
}

export interface Newcomers {
  /** For `DhcpView.admits`. */
  admits(query: NewcomerQuery): boolean;
  /** The same of a boot client that no segment serves, of which only a person is told. */
  admitsOutside(mac: Mac, client: ClientStage): boolean;
}

/** No segment has this name. */
const OUTSIDE = '';

export function createNewcomers({ clock, boots, isOnRecord }: NewcomerParts): Newcomers {
  const begun = createBuckets(clock, limit('unknownBootsPerSecond'));
  const arrived = createBuckets(clock, limit('newcomersPerSecond'));
  const mayBoot = (mac: Mac, client: ClientStage, where: string): boolean =>
    !boots.begins(mac, client) || begun(where, limit('unknownBootsBurstMax'));
  return {
    admits({ client, mac, segment, established }) {
      if (isOnRecord(mac)) return true;
      if (isBootClient(client)) return mayBoot(mac, client.stage, segment.name);
      return established || arrived(segment.name, arrivalsAtOnce(segment));
    },
    admitsOutside: (mac, client) => isOnRecord(mac) || mayBoot(mac, client, OUTSIDE),
  };
}

function arrivalsAtOnce({ pools }: NewcomerQuery['segment']): number {
  let addresses = 0;
  for (const { first, last } of pools) addresses += last - first + 1;
  return Math.max(limit('newcomersBurstMax'), Math.min(addresses, limit('newcomersOfPoolsMax')));
}

/** One for each segment of the configuration; a client can name none. */
function createBuckets(clock: Clock, perSecond: number) {
  const buckets = new Map<string, { left: number; at: number }>();
  return (of: string, deep: number): boolean => {
    const now = clock();
    const bucket = buckets.get(of) ?? { left: deep, at: now };
    // A clock that is set back fills nothing, and empties nothing either.
    const gained = (Math.max(0, now - bucket.at) / 1000) * perSecond;
    bucket.left = Math.min(deep, bucket.left + gained);
    bucket.at = now;
    buckets.set(of, bucket);
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
  };
}
