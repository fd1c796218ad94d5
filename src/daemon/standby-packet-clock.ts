/**
 * The time of day that leases go by, as packets are told it.
 *
 * It is asked before a transaction, which is when leases are moved that it was set for, and within one, where nothing can be. So a
 * transaction in which it was set fails: it would enter by one time what it has compared by another. The next one begins by the new.
 */
import type { Clock } from '../wire/time.ts';

export interface PacketClockPorts {
  readonly clock: Clock;
  inTransaction(): boolean;
  /** Something comes for which it counts. */
  onPacket(): void;
  /** Moves what is kept by it, when it was set. */
  follow(): void;
  /** Notes when it was set, and no more. */
  look(): void;
  /** By how much it was set in all. */
  setMs(): number | undefined;
  /** Why leases could not be moved. */
  unmoved(): { readonly why: unknown } | undefined;
}

export function createPacketClock(ports: PacketClockPorts): Clock {
  let followedMs: number | undefined;
  return () => {
    if (!ports.inTransaction()) {
      ports.onPacket();
      ports.follow();
      followedMs = ports.setMs();
      return ports.clock();
    }
    const unmoved = ports.unmoved();
    if (unmoved) throw unmoved.why;
    ports.look();
    if (ports.setMs() !== followedMs)
      throw new Error('the time of day was set while packets were served: they are served anew');
    return ports.clock();
  };
}
