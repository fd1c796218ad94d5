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
import { openLeaseTable } from './lease-table.ts';
import type { Kept } from './transactions.ts';

export interface LeaseStore extends LeaseView, Kept {
  /** Inside a transaction of the inventory, else it throws. @returns the MAC that had the address until now, when it was another */
  apply(change: LeaseChange): Mac | undefined;
  /** The MAC that an address was last given to, on any segment: for traffic that carries no other name (TFTP). */
  macAt(address: Ipv4): Mac | undefined;
  /** Addresses that are or were given to somebody, offers included. */
  count(): number;
  /** The pools of segments are others from now on: addresses that were in none may be in one again. */
  repooled(): void;
  /**
   * The table was changed by another hand, and committed: what is in memory is read anew, and offers are forgotten. Behind which
   * relay port a guest is stands in memory alone: as far as it has its address still, it is kept.
   */
  reload(): void;
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
  const table = openLeaseTable(db, clock);
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
  const load = (before?: ReadonlyMap<string, LeaseBook>): void => {
    for (const row of db.prepare<[], LeaseRow>('SELECT * FROM leases').iterate()) {
      const lease = fromRow(row);
      const known = before?.get(row.segment)?.byAddress(lease.address);
      const guestOf = known?.mac === lease.mac ? known.guestOf : undefined;
      bookOf(row.segment).enter(guestOf === undefined ? lease : { ...lease, guestOf }, clock());
      writtenOf(row.segment).add(row.address);
    }
  };
  load();
  const takeBack = (from: number): void => {
    table.forget();
    for (const back of undo?.splice(from).reverse() ?? []) back();
  };
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
      if (!undo) throw new Error('leases are entered within a transaction');
      const { segment, address, mac, state, expiresAt } = change;
      const now = clock();
      const book = bookOf(segment);
      const known = book.byAddress(address);
      const guestOf = guestOfNow(change, known);
      // An offer overwrites the copy, so only the row still says whose the address was; a renewal needs not ask.
      const renews = known?.mac === mac && known.state === 'bound';
      const back = book.enter({ address, mac, state, expiresAt, guestOf, lastAt: now }, now);
      undo.push(back);
      if (state === 'offered') return undefined;
      const clientId = change.clientId ? Buffer.from(change.clientId) : null;
      const { hostname, boot = null } = change;
      if (renews && state === 'bound') {
        const row = [clientId, hostname, boot, expiresAt, now, segment, address, mac];
        if (table.renew(row)) return undefined;
      }
      const rows = writtenOf(segment);
      if (state === 'bound' && !renews && !rows.has(address)) {
        rows.add(address);
        table.first({ segment, address, mac, clientId, hostname, boot, expiresAt });
        return undefined;
      }
      const before = renews ? mac : rows.has(address) ? table.holder(segment, address) : undefined;
      rows.add(address);
      table.put([segment, address, mac, state, clientId, hostname, boot, expiresAt, now, now]);
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
    reload() {
      const before = new Map(books);
      books.clear();
      written.clear();
      load(before);
    },
    count: () => [...books.values()].reduce((sum, book) => sum + book.size(), 0),
    begin() {
      undo = [];
    },
    settle: table.settle,
    commit() {
      undo = undefined;
    },
    rollback() {
      takeBack(0);
      undo = undefined;
    },
    mark() {
      const from = undo?.length ?? 0;
      return () => takeBack(from);
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
