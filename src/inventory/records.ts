/**
 * The store of the small records (record-kinds.ts): a document for each name, a version for optimistic concurrency, and
 * an event for every change. They are few, so what no column can say (overlapping subnets, a switch in two racks, a rack
 * that machines stand in) is checked by reading them.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import {
  broadcastOf,
  type Cidr,
  contains,
  formatIpv4,
  hostsOf,
  type Ipv4,
  parseCidr,
  parseIpv4,
} from '../wire/ipv4.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { EventStore } from './event-store.ts';
import { RECORD_SCHEMAS, type RecordDoc, type RecordKind } from './record-kinds.ts';

export interface StoredRecord<Kind extends RecordKind> {
  readonly name: string;
  readonly version: number;
  readonly doc: RecordDoc<Kind>;
  readonly createdAt: Millis;
  readonly updatedAt: Millis;
}

/** Who changes something and why; `version` is the one that was read, absent for "whatever is there". */
export interface Cause {
  readonly who: string;
  readonly why: string;
  readonly version?: number | undefined;
}

export interface Records {
  get<Kind extends RecordKind>(kind: Kind, name: string): StoredRecord<Kind> | undefined;
  /** By name, from above `after` on. */
  list<Kind extends RecordKind>(
    kind: Kind,
    page?: { after: string; count: number },
  ): StoredRecord<Kind>[];
  /** Makes or replaces it. @throws AppError VERSION_CONFLICT, REQUEST_INVALID */
  put<Kind extends RecordKind>(
    kind: Kind,
    entry: { name: string; doc: RecordDoc<Kind> },
    cause: Cause,
  ): StoredRecord<Kind>;
  /** Differs after each change of a subnet, also one that was taken back. */
  subnetChanges(): number;
  /** @throws AppError NOT_FOUND, VERSION_CONFLICT, STILL_REFERENCED */
  remove(kind: RecordKind, name: string, cause: Cause): void;
}

interface Row {
  name: string;
  version: number;
  doc: string;
  created_at: number;
  updated_at: number;
}

/** Where machines refer to a kind: as long as one does, the record stays. */
const REFERENCES: Partial<Record<RecordKind, string>> = {
  rack: 'SELECT hardwarename AS by FROM machines WHERE rack = ? LIMIT 1',
  squad: 'SELECT hardwarename AS by FROM machines WHERE squad = ? LIMIT 1',
  subnet: 'SELECT hardwarename AS by FROM addresses WHERE subnet = ? LIMIT 1',
};

/** Why a subnet cannot be as it is written, as whoever serves it sees it. */
export type SubnetCheck = (
  name: string,
  doc: RecordDoc<'subnet'>,
) => { readonly path: string; readonly why: string } | undefined;

export interface RecordParts {
  readonly clock: Clock;
  readonly events: EventStore;
  readonly checkSubnet?: SubnetCheck | undefined;
}

export function openRecords(db: Database, { clock, events, checkSubnet }: RecordParts): Records {
  let subnetChanges = 0;
  const get = db.prepare<[string, string], Row>(
    'SELECT * FROM records WHERE kind = ? AND name = ?',
  );
  const list = db.prepare<[string, string, number], Row>(
    'SELECT * FROM records WHERE kind = ? AND name > ? ORDER BY name LIMIT ?',
  );
  const put = db.prepare(
    `INSERT INTO records (kind, name, version, doc, created_at, updated_at) VALUES (?, ?, 1, ?, ?, ?)
     ON CONFLICT (kind, name) DO UPDATE SET version = version + 1, doc = excluded.doc, updated_at = excluded.updated_at`,
  );
  const drop = db.prepare('DELETE FROM records WHERE kind = ? AND name = ?');
  const outside = db.prepare<[string, number, number], { address: number }>(
    'SELECT address FROM addresses WHERE subnet = ? AND address NOT BETWEEN ? AND ? LIMIT 1',
  );
  const reservedAt = db.prepare<[number], { hardwarename: string }>(
    'SELECT hardwarename FROM addresses WHERE address = ?',
  );
  const references = new Map(
    Object.entries(REFERENCES).map(([kind, sql]) => [
      kind,
      db.prepare<[string], { by: string }>(sql),
    ]),
  );
  const fromRow = <Kind extends RecordKind>(kind: Kind, row: Row): StoredRecord<Kind> => ({
    name: row.name,
    version: row.version,
    doc: RECORD_SCHEMAS[kind].parse(JSON.parse(row.doc)) as RecordDoc<Kind>,
    createdAt: row.created_at as Millis,
    updatedAt: row.updated_at as Millis,
  });
  const find = <Kind extends RecordKind>(kind: Kind, name: string) => {
    const row = get.get(kind, name);
    return row && fromRow(kind, row);
  };
  const all = <Kind extends RecordKind>(kind: Kind, page = { after: '', count: -1 }) =>
    list.all(kind, page.after, page.count).map((row) => fromRow(kind, row));

  return {
    get: find,
    list: all,
    subnetChanges: () => subnetChanges,
    put(kind, { name, doc }, { who, why, version }) {
      const before = find(kind, name);
      assertVersion(before?.version ?? 0, version);
      if (kind === 'subnet') {
        const subnet = doc as RecordDoc<'subnet'>;
        assertApart(name, subnet, all('subnet'));
        assertHolds(outside, name, subnet);
        assertEnds(name, subnet, reservedAt);
        const contradiction = checkSubnet?.(name, subnet);
        if (contradiction) throw contradicts(contradiction);
        subnetChanges += 1;
      }
      if (kind === 'rack') assertSwitches(name, doc as RecordDoc<'rack'>, all('rack'));
      const now = clock();
      put.run(kind, name, JSON.stringify(doc), now, now);
      const data = { kind, id: name, who, why, ...(before && { before: before.doc }), after: doc };
      events.append({ name: 'record.changed', data });
      return find(kind, name) as StoredRecord<typeof kind>;
    },
    remove(kind, name, { who, why, version }) {
      const before = find(kind, name);
      if (!before) throw new AppError('NOT_FOUND', { detail: `No ${kind} ${name}.` });
      assertVersion(before.version, version);
      const reference = references.get(kind)?.get(name);
      if (reference) throw new AppError('STILL_REFERENCED', { detail: `By ${reference.by}.` });
      drop.run(kind, name);
      if (kind === 'subnet') subnetChanges += 1;
      events.append({
        name: 'record.changed',
        data: { kind, id: name, who, why, before: before.doc },
      });
    },
  };
}

function contradicts({ path, why }: { path: string; why: string }): AppError {
  const detail = `${why[0]?.toUpperCase()}${why.slice(1)}.`;
  return new AppError('SUBNET_CONFLICT', { detail, path });
}

/** The subnet on record in which this address is none that a machine could have, and why. */
export function unusableIn(
  records: Pick<Records, 'list'>,
  address: Ipv4,
): { readonly subnet: string; readonly why: string } | undefined {
  for (const { name: subnet, doc } of records.list('subnet')) {
    const cidr = parseCidr(doc.cidr);
    if (!cidr || !contains(cidr, address)) continue;
    const [lowest, highest] = hostsOf(cidr);
    if (address === parseIpv4(doc.gateway)) return { subnet, why: 'the gateway' };
    if (address < lowest) return { subnet, why: "the network's own address" };
    if (address > highest) return { subnet, why: 'the broadcast address' };
  }
  return undefined;
}

/** @param there 0 when there is none yet. @throws AppError VERSION_CONFLICT with the version that is there */
export function assertVersion(there: number, read: number | undefined): void {
  if (read === undefined || read === there) return;
  throw new AppError('VERSION_CONFLICT', {
    detail:
      there === 0 ? 'It does not exist.' : `It is at version ${there}, you have read ${read}.`,
    more: { version: there },
  });
}

function assertApart(
  name: string,
  doc: RecordDoc<'subnet'>,
  others: readonly StoredRecord<'subnet'>[],
): void {
  const mine = parseCidr(doc.cidr);
  for (const other of others) {
    const theirs = parseCidr(other.doc.cidr);
    if (!mine || !theirs || other.name === name || !overlap(mine, theirs)) continue;
    const detail = `It overlaps ${other.name}, ${other.doc.cidr}.`;
    throw new AppError('ALREADY_EXISTS', { detail, path: '/cidr' });
  }
}

/** A gateway, and the ends of what is given out, are addresses that a machine could have; the gateway's is nobody else's. */
function assertEnds(
  name: string,
  { cidr: text, ...doc }: RecordDoc<'subnet'>,
  reservedAt: { get(address: number): { hardwarename: string } | undefined },
): void {
  const cidr = parseCidr(text);
  if (!cidr) return;
  const [lowest, highest] = hostsOf(cidr);
  for (const key of ['gateway', 'first', 'last'] as const) {
    const address = parseIpv4(doc[key]);
    if (address === undefined || (address >= lowest && address <= highest)) continue;
    const detail = `${doc[key]} is the network's own address or the broadcast of ${text}.`;
    throw new AppError('REQUEST_INVALID', { detail, path: `/${key}` });
  }
  const gateway = parseIpv4(doc.gateway);
  const there = gateway === undefined ? undefined : reservedAt.get(gateway);
  if (!there) return;
  const detail = `${doc.gateway} is reserved for ${there.hardwarename}; free it before it is the gateway of ${name}.`;
  throw new AppError('STILL_REFERENCED', { detail, path: '/gateway' });
}

/** A network cannot shrink away from the addresses that it has given out. */
function assertHolds(
  outside: { get(subnet: string, first: number, last: number): { address: number } | undefined },
  name: string,
  doc: RecordDoc<'subnet'>,
): void {
  const cidr = parseCidr(doc.cidr);
  const lost = cidr && outside.get(name, cidr.network, broadcastOf(cidr));
  if (lost === undefined) return;
  const detail = `${formatIpv4(lost.address as Ipv4)} is reserved and would lie outside.`;
  throw new AppError('STILL_REFERENCED', { detail, path: '/cidr' });
}

function overlap(a: Cidr, b: Cidr): boolean {
  return a.network <= broadcastOf(b) && b.network <= broadcastOf(a);
}

function assertSwitches(
  name: string,
  doc: RecordDoc<'rack'>,
  others: readonly StoredRecord<'rack'>[],
): void {
  for (const other of others) {
    const shared = doc.switches.find((one) => other.doc.switches.includes(one));
    if (shared === undefined || other.name === name) continue;
    const detail = `Switch ${shared} is in rack ${other.name}.`;
    throw new AppError('ALREADY_EXISTS', { detail, path: '/switches' });
  }
}
