/**
 * Leases as the table has them, asked for one by one: for who serves from a copy that another connection writes to, and gives
 * nobody a new address. The store that the packet path is made for (`leases.ts`) reads the table once.
 */
import type { Database } from 'better-sqlite3';
import type { Lease, LeaseView } from '../dhcp/ports.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';

interface Row {
  readonly address: number;
  readonly mac: string;
  readonly state: Lease['state'];
  readonly expires_at: number;
  readonly last_at: number;
}

/** @param aheadMs by how much our time of day is ahead of the one that the table is kept by, in milliseconds */
export function openLeaseRows(db: Database, aheadMs: () => number): LeaseView {
  const of = (where: string) =>
    db.prepare<[string, string | number], Row>(
      `SELECT address, mac, state, expires_at, last_at FROM leases WHERE segment = ? AND ${where}`,
    );
  const byAddress = of('address = ?');
  const byMac = of(`mac = ? AND state <> 'declined'`);
  const lease = (row: Row | undefined): Lease | undefined =>
    row && {
      address: row.address as Ipv4,
      mac: row.mac as Mac,
      state: row.state,
      expiresAt: (row.expires_at + aheadMs()) as Millis,
      lastAt: row.last_at + aheadMs(),
    };
  return {
    byMac: (segment, mac) => lease(byMac.get(segment, mac)),
    byAddress: (segment, address) => lease(byAddress.get(segment, address)),
    pick: () => undefined,
    guestsBehind: () => 0,
    quarantined: () => 0,
    quarantinesBeside: () => ({ inSegment: 0, behindPort: 0 }),
  };
}
