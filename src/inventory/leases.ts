/**
 * Leases: which address belongs to which MAC on which segment.
 *
 * One row for an address, at most one living row for a MAC: both are constraints of the table, so no address can have
 * two owners whatever the code does. An expired row keeps its mapping: a machine that comes back after a month gets its
 * old address as long as the pool was not used up in between. A declined row has no owner until its quarantine ends.
 */
import type { Database } from 'better-sqlite3';
import type { Lease, LeaseChange, LeaseView, Segment } from '../dhcp/ports.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock, Millis } from '../wire/time.ts';

export interface LeaseStore extends LeaseView {
  /** Inside the caller's transaction. */
  apply(change: LeaseChange): void;
  /** The MAC that an address was last given to, on any segment: for traffic that carries no other name (TFTP). */
  macAt(address: Ipv4): Mac | undefined;
  count(): number;
}

interface LeaseRow {
  segment: string;
  address: number;
  mac: string;
  state: Lease['state'];
  expires_at: number;
}

function fromRow(row: LeaseRow | undefined): Lease | undefined {
  return row
    ? {
        address: row.address as Ipv4,
        mac: row.mac as Mac,
        state: row.state,
        expiresAt: row.expires_at as Millis,
      }
    : undefined;
}

export function openLeases(db: Database, clock: Clock): LeaseStore {
  const byMac = db.prepare<[string, string], LeaseRow>(
    `SELECT * FROM leases WHERE segment = ? AND mac = ? AND state <> 'declined'`,
  );
  const byAddress = db.prepare<[string, number], LeaseRow>(
    'SELECT * FROM leases WHERE segment = ? AND address = ?',
  );
  const taken = db.prepare<[string, number, number], { address: number }>(
    'SELECT address FROM leases WHERE segment = ? AND address BETWEEN ? AND ? ORDER BY address',
  );
  const longestFree = db.prepare<[string, number, number, number], LeaseRow>(
    `SELECT * FROM leases WHERE segment = ? AND address BETWEEN ? AND ? AND expires_at <= ?
     ORDER BY expires_at LIMIT 1`,
  );
  const forget = db.prepare(
    `DELETE FROM leases WHERE segment = ? AND mac = ? AND state <> 'declined' AND address <> ?`,
  );
  const put = db.prepare(
    `INSERT INTO leases (segment, address, mac, state, client_id, hostname, boot, expires_at, first_at, last_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (segment, address) DO UPDATE SET
       first_at = iif(mac = excluded.mac, first_at, excluded.first_at),
       mac = excluded.mac, state = excluded.state, client_id = coalesce(excluded.client_id, client_id),
       hostname = excluded.hostname, boot = coalesce(excluded.boot, boot),
       expires_at = excluded.expires_at, last_at = excluded.last_at`,
  );
  const macAt = db.prepare<[number], { mac: string }>(
    `SELECT mac FROM leases WHERE address = ? AND state <> 'declined' ORDER BY last_at DESC LIMIT 1`,
  );
  const count = db.prepare<[], { count: number }>('SELECT count(*) AS count FROM leases');

  const freeFor = (row: LeaseRow | undefined, mac: Mac): boolean =>
    row === undefined || (row.state !== 'declined' && row.mac === mac) || row.expires_at <= clock();

  return {
    byMac: (segment, mac) => fromRow(byMac.get(segment, mac)),
    byAddress: (segment, address) => fromRow(byAddress.get(segment, address)),
    pick(segment, mac, wanted) {
      const own = byMac.get(segment.name, mac);
      if (own && inPool(segment, own.address)) return own.address as Ipv4;
      if (
        wanted !== undefined &&
        inPool(segment, wanted) &&
        freeFor(byAddress.get(segment.name, wanted), mac)
      ) {
        return wanted;
      }
      let next: number = segment.poolFirst;
      for (const row of taken.iterate(segment.name, segment.poolFirst, segment.poolLast)) {
        if (row.address === segment.serverAddress || row.address === next) next = row.address + 1;
        else break;
      }
      if (next === segment.serverAddress) next += 1;
      if (next <= segment.poolLast) return next as Ipv4;
      return longestFree.get(segment.name, segment.poolFirst, segment.poolLast, clock())?.address as
        | Ipv4
        | undefined;
    },
    apply(change) {
      forget.run(change.segment, change.mac, change.address);
      const now = clock();
      put.run(
        ...[change.segment, change.address, change.mac, change.state],
        ...[
          change.clientId ? Buffer.from(change.clientId) : null,
          change.hostname,
          change.boot ?? null,
        ],
        ...[change.expiresAt, now, now],
      );
    },
    macAt: (address) => macAt.get(address)?.mac as Mac | undefined,
    count: () => count.get()?.count ?? 0,
  };
}

function inPool({ poolFirst, poolLast, serverAddress }: Segment, address: number): boolean {
  return address >= poolFirst && address <= poolLast && address !== serverAddress;
}
