/**
 * Requests on disk: a row each and their logs. `append` writes an entry, what lists show of it, the claim that it makes or
 * ends, and its event, in the caller's transaction.
 */
import type { Database } from 'better-sqlite3';
import type { EventStore } from '../inventory/event-store.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock, Millis } from '../wire/time.ts';
import {
  applyRequestEntry,
  foldRequest,
  type LoggedRequestEntry,
  type RequestEntry,
  type RequestFold,
  wantedPlaces,
} from './fold.ts';
import type { RequestDoc } from './request.ts';
import { eventOfEntry } from './tell.ts';

export const REQUEST_STATUSES = [
  'working',
  'waiting',
  'cancelling',
  'fulfilled',
  'cancelled',
] as const;
export type RequestStatus = (typeof REQUEST_STATUSES)[number];

export interface ProvisioningRequest {
  readonly number: number;
  /** UUID. */
  readonly id: string;
  /** '' for one that people asked for. */
  readonly pool: string;
  readonly role: string;
  readonly site: string;
  readonly squad: string;
  readonly requester: string;
  readonly priority: number;
  /** As many as it is to bring: fewer than were asked for (`doc.count`) once some are wanted no more. */
  readonly count: number;
  readonly doc: RequestDoc;
  readonly createdAt: Millis;
  /** 0: not yet. */
  readonly endedAt: number;
  readonly status: RequestStatus;
  readonly done: number;
  readonly failed: number;
  readonly why: string;
}

export type NewRequest = Pick<ProvisioningRequest, 'id' | 'pool' | 'requester' | 'doc' | 'count'>;

export interface RequestFilter {
  readonly status?: readonly RequestStatus[] | undefined;
  readonly pool?: string | undefined;
  readonly role?: string | undefined;
  readonly squad?: string | undefined;
  /** Numbers below this one: the cursor. */
  readonly below?: number | undefined;
}

export interface RequestStore {
  insert(request: NewRequest): ProvisioningRequest;
  byId(id: string): ProvisioningRequest | undefined;
  byNumber(number: number): ProvisioningRequest | undefined;
  /** By falling priority, oldest first. */
  open(): ProvisioningRequest[];
  openOfPool(pool: string): ProvisioningRequest[];
  /** Newest first. */
  page(filter: RequestFilter, count: number): ProvisioningRequest[];
  logOf(number: number): LoggedRequestEntry[];
  foldOf(request: ProvisioningRequest): RequestFold;
  /** @param fold as it is before the entry. @returns as it is behind it */
  append(request: ProvisioningRequest, fold: RequestFold, entry: RequestEntry): RequestFold;
  /** Installs that run for requests, in all. */
  claims(): number;
  claimOf(hardwarename: Hardwarename): { request: number; place: number } | undefined;
  /**
   * Some that ended before, with their logs; those that central has asked for by a time of their own.
   *
   * @returns whether there may be more
   */
  forget(before: Millis, ofCentral: Millis): boolean;
  /** When the request ended behind which there are so many newer ones, without central's; 0 when there are not so many. */
  endedBeyond(count: number): number;
}

interface Row {
  number: number;
  id: string;
  pool: string;
  role: string;
  site: string;
  squad: string;
  requester: string;
  priority: number;
  count: number;
  doc: string;
  created_at: number;
  ended_at: number;
  status: string;
  done: number;
  failed: number;
  why: string;
}

function fromRow({ created_at, ended_at, ...row }: Row): ProvisioningRequest {
  return {
    ...row,
    doc: JSON.parse(row.doc),
    createdAt: created_at as Millis,
    endedAt: ended_at,
    status: row.status as RequestStatus,
  };
}

export function openRequestStore(db: Database, clock: Clock, events: EventStore): RequestStore {
  const sql = prepare(db);
  const one = (row: Row | undefined) => row && fromRow(row);
  const logOf = (number: number): LoggedRequestEntry[] =>
    sql.logOf.all(number).map(({ seq, at, entry }) => ({
      ...{ seq, at: at as Millis },
      entry: JSON.parse(entry),
    }));
  const foldOf = ({ number, doc }: ProvisioningRequest) => foldRequest(doc.count, logOf(number));
  const store: RequestStore = {
    logOf,
    foldOf,
    insert({ id, pool, requester, doc, count }) {
      const { role, site, squad, priority } = doc;
      const values = [id, pool, role, site, squad, requester, priority, count, JSON.stringify(doc)];
      sql.insert.run(...values, clock());
      const made = one(sql.byId.get(id));
      if (!made) throw new Error(`request ${id} vanished inside its own transaction`);
      store.append(made, foldRequest(count, []), { is: 'asked' });
      return made;
    },
    append(request, before, entry) {
      const at = clock();
      const after = applyRequestEntry(before, at, entry);
      sql.log.run(request.number, request.number, at, JSON.stringify(entry));
      if (entry.is === 'claimed')
        sql.claim.run(entry.machine, request.number, entry.place, entry.job);
      if (entry.is === 'installed' || entry.is === 'failed')
        sql.unclaim.run(request.number, entry.place);
      const done = after.places.filter(({ is }) => is === 'done').length;
      const why = after.waiting?.why ?? '';
      const endedAt = after.ended === undefined ? 0 : at;
      const counts = [wantedPlaces(after), done, after.failed.length];
      sql.update.run(statusOf(after), ...counts, why, endedAt, request.number);
      events.append(eventOfEntry(request, before, entry));
      return after;
    },
    byId: (id) => one(sql.byId.get(id)),
    byNumber: (number) => one(sql.byNumber.get(number)),
    open: () => sql.open.all().map(fromRow),
    openOfPool: (pool) => sql.openOfPool.all(pool).map(fromRow),
    page: (filter, count) => pageOf(db, filter, count),
    claims: () => sql.claims.get()?.count ?? 0,
    claimOf: (hardwarename) => sql.claimOf.get(hardwarename),
    forget(before, ofCentral) {
      const old = sql.old.all(before, ofCentral, limit('requestForgetMax'));
      let entries = 0;
      for (const request of old) {
        if (entries >= limit('requestForgetEntriesMax')) return true;
        sql.forget.run(request.number);
        entries += request.entries;
      }
      return old.length === limit('requestForgetMax');
    },
    endedBeyond: (count) => sql.beyond.get(count)?.ended_at ?? 0,
  };
  return store;
}

function statusOf({ ended, cancelling, waiting }: RequestFold): RequestStatus {
  if (ended !== undefined) return ended;
  if (cancelling) return 'cancelling';
  return waiting ? 'waiting' : 'working';
}

function pageOf(db: Database, filter: RequestFilter, count: number): ProvisioningRequest[] {
  const where: string[] = [];
  const values: (string | number)[] = [];
  const { status, below, ...exact } = filter;
  if (status) {
    where.push(`status IN (${status.map(() => '?').join()})`);
    values.push(...status);
  }
  for (const name of ['pool', 'role', 'squad'] as const) {
    const value = exact[name];
    if (value === undefined) continue;
    where.push(`${name} = ?`);
    values.push(value);
  }
  if (below !== undefined) {
    where.push('number < ?');
    values.push(below);
  }
  const clause = where.length > 0 ? `WHERE ${where.join(' AND ')}` : '';
  return db
    .prepare<(string | number)[], Row>(
      `SELECT * FROM requests ${clause} ORDER BY number DESC LIMIT ?`,
    )
    .all(...values, count)
    .map(fromRow);
}

function prepare(db: Database) {
  return {
    insert: db.prepare(
      `INSERT INTO requests (id, pool, role, site, squad, requester, priority, count, doc, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    byId: db.prepare<[string], Row>('SELECT * FROM requests WHERE id = ?'),
    byNumber: db.prepare<[number], Row>('SELECT * FROM requests WHERE number = ?'),
    open: db.prepare<[], Row>(
      'SELECT * FROM requests WHERE ended_at = 0 ORDER BY priority DESC, number',
    ),
    openOfPool: db.prepare<[string], Row>(
      `SELECT * FROM requests WHERE pool = ? AND pool <> '' AND ended_at = 0 ORDER BY number`,
    ),
    log: db.prepare(
      `INSERT INTO request_log (request, seq, at, entry)
       VALUES (?, (SELECT coalesce(max(seq), 0) + 1 FROM request_log WHERE request = ?), ?, ?)`,
    ),
    logOf: db.prepare<[number], { seq: number; at: number; entry: string }>(
      'SELECT seq, at, entry FROM request_log WHERE request = ? ORDER BY seq',
    ),
    update: db.prepare(
      'UPDATE requests SET status = ?, count = ?, done = ?, failed = ?, why = ?, ended_at = ? WHERE number = ?',
    ),
    claim: db.prepare(
      'INSERT INTO request_claims (hardwarename, request, place, job) VALUES (?, ?, ?, ?)',
    ),
    unclaim: db.prepare('DELETE FROM request_claims WHERE request = ? AND place = ?'),
    claims: db.prepare<[], { count: number }>('SELECT count(*) AS count FROM request_claims'),
    claimOf: db.prepare<[string], { request: number; place: number }>(
      'SELECT request, place FROM request_claims WHERE hardwarename = ?',
    ),
    old: db.prepare<[number, number, number], { number: number; entries: number }>(
      `SELECT number, (SELECT coalesce(max(seq), 0) FROM request_log WHERE request = number) AS entries FROM requests
       WHERE ended_at > 0 AND ended_at < ? AND (ended_at < ? OR requester NOT GLOB 'central:*')
         AND NOT EXISTS (SELECT 1 FROM request_claims WHERE request = number)
       ORDER BY ended_at LIMIT ?`,
    ),
    forget: db.prepare('DELETE FROM requests WHERE number = ?'),
    beyond: db.prepare<[number], { ended_at: number }>(
      `SELECT ended_at FROM requests WHERE ended_at > 0 AND requester NOT GLOB 'central:*'
       ORDER BY ended_at DESC LIMIT 1 OFFSET ?`,
    ),
  };
}
