/**
 * Leases: which address belongs to which MAC on which segment.
 *
 * The table is the truth: one row for an address, at most one living row for a MAC, both held by its constraints. The
 * packet path reads a copy in memory that is loaded at start and changed with the table: `apply` writes both, and a
 * transaction that fails takes the copy back to where it was (`lease-book.ts`).
 *
 * An offer lives in the copy alone. Nothing is lost with it: a client whose offer died with the daemon is granted the
 * same address when it asks, as long as nobody else holds it. What was acknowledged, declined or released is a row.
 */
import type { Database } from 'better-sqlite3';
import type { LeaseChange, LeaseView } from '../dhcp/ports.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock, Millis } from '../wire/time.ts';
import { createLeaseBook, type HeldLease, type LeaseBook } from './lease-book.ts';

export interface LeaseStore extends LeaseView {
  /** Inside the caller's transaction. @returns the MAC that had the address until now, when it was another */
  apply(change: LeaseChange): Mac | undefined;
  /** The MAC that an address was last given to, on any segment: for traffic that carries no other name (TFTP). */
  macAt(address: Ipv4): Mac | undefined;
  /** Addresses that are or were given to somebody, offers included. */
  count(): number;
  /** The pools of segments are others from now on: addresses that were in none may be in one again. */
  repooled(): void;
  /** For the transaction runner only: from `begin` on, changes of the copy can be taken back. */
  begin(): void;
  commit(): void;
  rollback(): void;
}

interface LeaseRow {
  segment: string;
  address: number;
  mac: string;
  state: HeldLease['state'];
  expires_at: number;
  last_at: number;
}

export function openLeases(db: Database, clock: Clock): LeaseStore {
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
  /** What every exchange of a client that is here already does: no index is touched by it. */
  const renew = db.prepare(
    `UPDATE leases SET client_id = coalesce(?, client_id), hostname = ?, boot = coalesce(?, boot),
       expires_at = ?, last_at = ? WHERE segment = ? AND address = ? AND mac = ? AND state = 'bound'`,
  );
  const holder = db
    .prepare<[string, number], Mac>(
      `SELECT mac FROM leases WHERE segment = ? AND address = ? AND state <> 'declined'`,
    )
    .pluck();
  const books = new Map<string, LeaseBook>();
  let undo: (() => void)[] | undefined;
  const bookOf = (segment: string): LeaseBook => {
    const known = books.get(segment);
    if (known) return known;
    const book = createLeaseBook();
    books.set(segment, book);
    return book;
  };
  /** Addresses that have a row, and perhaps some more: all others need no look into the table. */
  const written = new Map<string, Set<number>>();
  const writtenOf = (segment: string): Set<number> => {
    const known = written.get(segment) ?? new Set();
    written.set(segment, known);
    return known;
  };
  for (const row of db.prepare<[], LeaseRow>('SELECT * FROM leases').iterate()) {
    bookOf(row.segment).enter(fromRow(row), clock());
    writtenOf(row.segment).add(row.address);
  }

  return {
    byMac: (segment, mac) => books.get(segment)?.byMac(mac, clock()),
    byAddress: (segment, address) => books.get(segment)?.byAddress(address),
    pick: (segment, mac, wanted, usable) =>
      bookOf(segment.name).pick(segment, { mac, wanted, usable }, clock()),
    guestsBehind: (segment, port) => books.get(segment)?.guestsBehind(port, clock()) ?? 0,
    quarantined: (segment, mac) => books.get(segment)?.quarantined(mac, clock()) ?? 0,
    quarantinesBeside: (segment, address) =>
      books.get(segment)?.quarantinesBeside(address, clock()) ?? { inSegment: 0, behindPort: 0 },
    apply(change) {
      const { segment, address, mac, state, expiresAt } = change;
      const now = clock();
      const book = bookOf(segment);
      const known = book.byAddress(address);
      const guestOf = guestOfNow(change, known);
      // An offer overwrites the copy, so only the row still says whose the address was; a renewal needs not ask.
      const renews = known?.mac === mac && known.state === 'bound';
      const back = book.enter({ address, mac, state, expiresAt, guestOf, lastAt: now }, now);
      undo?.push(back);
      if (state === 'offered') return undefined;
      const clientId = change.clientId ? Buffer.from(change.clientId) : null;
      const { hostname, boot = null } = change;
      if (renews && state === 'bound') {
        const row = [clientId, hostname, boot, expiresAt, now, segment, address, mac];
        if (renew.run(row).changes === 1) return undefined;
      }
      const rows = writtenOf(segment);
      const before = renews ? mac : rows.has(address) ? holder.get(segment, address) : undefined;
      rows.add(address);
      const row = [segment, address, mac, state, clientId, hostname, boot, expiresAt, now, now];
      try {
        put.run(row);
      } catch (error) {
        if ((error as { code?: string }).code !== 'SQLITE_CONSTRAINT_UNIQUE') throw error;
        // The MAC has moved: its row on another address goes first. Rare, so it is not asked about each time.
        forget.run(segment, mac, address);
        put.run(row);
      }
      return before === mac ? undefined : before;
    },
    macAt(address) {
      let newest: HeldLease | undefined;
      for (const book of books.values()) {
        const held = book.byAddress(address);
        if (held && held.state !== 'declined' && held.lastAt >= (newest?.lastAt ?? 0))
          newest = held;
      }
      return newest?.mac;
    },
    repooled: () => {
      for (const book of books.values()) book.repooled();
    },
    count: () => [...books.values()].reduce((sum, book) => sum + book.size(), 0),
    begin() {
      undo = [];
    },
    commit() {
      undo = undefined;
    },
    rollback() {
      for (const back of (undo ?? []).reverse()) back();
      undo = undefined;
    },
  };
}

/** A renewal or a refusal past the relay names no port: then its lease is behind the one that it was behind. */
function guestOfNow(change: LeaseChange, before: HeldLease | undefined): string | undefined {
  if (change.guestOf === undefined && before?.mac === change.mac) return before.guestOf;
  return change.guestOf ?? undefined;
}

function fromRow(row: LeaseRow): HeldLease {
  return {
    address: row.address as Ipv4,
    mac: row.mac as Mac,
    state: row.state,
    expiresAt: row.expires_at as Millis,
    lastAt: row.last_at,
  };
}
