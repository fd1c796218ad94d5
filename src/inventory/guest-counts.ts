/**
 * How many addresses machines without a record have behind each relay port. In memory alone: after a restart, of which a standby that takes
 * over is one, leases are known and ports are not, so a port that had its share may take it once more.
 *
 * Addresses whose time is over are taken out once a second and not with each question, which a flood would ask thousands of
 * times: between two of those counts a port may be held to have more than it has, never less.
 */
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Millis } from '../wire/time.ts';

export interface GuestCounts {
  add(port: string | undefined, address: Ipv4): void;
  remove(port: string | undefined, address: Ipv4): void;
  count(port: string, now: Millis): number;
}

const RECOUNT_MS = 1000;

export function createGuestCounts(expiresAt: (address: Ipv4) => Millis | undefined): GuestCounts {
  const ports = new Map<string, { readonly addresses: Set<Ipv4>; countedAt: number }>();
  return {
    add(port, address) {
      if (port === undefined) return;
      const known = ports.get(port);
      if (known) known.addresses.add(address);
      else ports.set(port, { addresses: new Set([address]), countedAt: 0 });
    },
    remove(port, address) {
      const known = port === undefined ? undefined : ports.get(port);
      if (port === undefined || !known) return;
      known.addresses.delete(address);
      if (known.addresses.size === 0) ports.delete(port);
    },
    count(port, now) {
      const known = ports.get(port);
      if (!known) return 0;
      if (now - known.countedAt >= RECOUNT_MS) {
        known.countedAt = now;
        for (const address of known.addresses) {
          if ((expiresAt(address) ?? 0) <= now) known.addresses.delete(address);
        }
        if (known.addresses.size === 0) ports.delete(port);
      }
      return known.addresses.size;
    },
  };
}
