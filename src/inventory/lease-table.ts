/**
 * How leases are written. An address that was nobody's before is most of what a storm gives: those rows wait for the end of their
 * transaction, many by one statement, or for whatever else is asked of the table before. All of it is inside a transaction.
 */
import type { Database } from 'better-sqlite3';
import type { Mac } from '../wire/mac.ts';
import type { Clock } from '../wire/time.ts';
import { openManyRows } from './many-rows.ts';

export interface LeaseTable {
  /** A bound lease of an address that has no row. */
  first(lease: FirstLease): void;
  /** A lease that goes on: client id, hostname, boot, expiry, now, segment, address, MAC. @returns whether it has such a row */
  renew(row: readonly unknown[]): boolean;
  /** Any row, in the order of the table. */
  put(row: readonly unknown[]): void;
  /** Whose an address is by the table. */
  holder(segment: string, address: number): Mac | undefined;
  /** Writes what waits. */
  settle(): void;
  /** The transaction has failed: nothing waits. */
  forget(): void;
}

export interface FirstLease {
  readonly segment: string;
  readonly address: number;
  readonly mac: Mac;
  readonly clientId: Uint8Array | null;
  readonly hostname: string;
  readonly boot: string | null;
  readonly expiresAt: number;
}

/** First leases of one segment that end together, as most of a batch do: a value that all share is bound once for all. */
interface Alike {
  readonly segment: string;
  readonly expiresAt: number;
  /** Address, MAC, client id, hostname and boot of each. */
  readonly values: unknown[];
}

const FIRST_WIDTH = 5;

const COLUMNS =
  'segment, address, mac, state, client_id, hostname, boot, expires_at, first_at, last_at';

export function openLeaseTable(db: Database, clock: Clock): LeaseTable {
  const putFirst = openManyRows(
    db,
    `INSERT INTO leases (${COLUMNS})`,
    `(@segment, ?, ?, 'bound', ?, ?, ?, @expiresAt, @now, @now)`,
  );
  const forgetMac = db.prepare(
    `DELETE FROM leases WHERE segment = ? AND mac = ? AND state <> 'declined' AND address <> ?`,
  );
  const put = db.prepare(
    `INSERT INTO leases (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
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
  let waiting: Alike[] = [];
  const write = (row: readonly unknown[]): void => {
    try {
      put.run(row);
    } catch (error) {
      if ((error as { code?: string }).code !== 'SQLITE_CONSTRAINT_UNIQUE') throw error;
      // The MAC has moved: its row on another address goes first. Rare, so it is not asked about each time.
      const [segment, address, mac] = row;
      forgetMac.run(segment, mac, address);
      put.run(row);
    }
  };
  const writeFirst = ({ segment, expiresAt, values }: Alike, now: number): void => {
    try {
      putFirst(values, { segment, expiresAt, now });
    } catch (error) {
      if (!(error as { code?: string }).code?.startsWith('SQLITE_CONSTRAINT_')) throw error;
      // The MAC of one of them has moved. Those that were written are written once more, which changes nothing.
      for (let at = 0; at < values.length; at += FIRST_WIDTH) {
        const [address, mac, ...rest] = values.slice(at, at + FIRST_WIDTH);
        write([segment, address, mac, 'bound', ...rest, expiresAt, now, now]);
      }
    }
  };
  const settle = (): void => {
    if (waiting.length === 0) return;
    const groups = waiting;
    waiting = [];
    for (const group of groups) writeFirst(group, clock());
  };
  return {
    first({ segment, expiresAt, address, mac, clientId, hostname, boot }) {
      let group = waiting.find((one) => one.segment === segment && one.expiresAt === expiresAt);
      if (!group) {
        group = { segment, expiresAt, values: [] };
        waiting.push(group);
      }
      group.values.push(address, mac, clientId, hostname, boot);
    },
    renew(row) {
      settle();
      return renew.run(row).changes === 1;
    },
    put(row) {
      settle();
      write(row);
    },
    holder(segment, address) {
      settle();
      return holder.get(segment, address);
    },
    settle,
    forget() {
      waiting = [];
    },
  };
}
