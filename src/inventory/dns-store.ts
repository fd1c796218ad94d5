/**
 * Where generations of zones are kept: the last good one survives the process, and so does the way from one to the next.
 *
 * A generation is committed before it is served, with its event, in one transaction. Secondaries that were away are
 * brought up to date from the differences in here, also over a restart. After a number of generations the zones are
 * written whole (dns-snapshots.ts) and the oldest differences go: what is left always covers at least that number.
 */
import type { Database } from 'better-sqlite3';
import type { Fault } from '../dns/check.ts';
import { replay } from '../dns/generation.ts';
import { type DnsName, formatName, fromOctets, toOctets } from '../dns/name.ts';
import type {
  GenerationRow,
  GenerationStore,
  RecordEdit,
  StaticRecord,
  ZoneSteps,
} from '../dns/ports.ts';
import { decodeDiff, encodeDiff } from '../dns/record-log.ts';
import { type SoaSettings, withSerial, type ZoneDiff, type Zones } from '../dns/zones.ts';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import { type DnsSnapshots, openDnsSnapshots } from './dns-snapshots.ts';
import type { EventStore } from './event-store.ts';

interface DiffRow {
  generation: number;
  zone: Uint8Array;
  serial_from: number | null;
  serial_to: number | null;
  body: Uint8Array;
}

interface HeadRow {
  id: number;
  at: number;
  cause: string;
  status: GenerationRow['status'];
  faults: string;
  added: number;
  removed: number;
}

export interface DnsStoreParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly events: EventStore;
  readonly transaction: <T>(run: () => T) => T;
  /** SOA of zones that differences bring in. */
  readonly soa: SoaSettings;
}

export function openDnsStore(parts: DnsStoreParts): GenerationStore {
  const statements = prepare(parts.db);
  const snapshots = openDnsSnapshots(parts.db, parts.transaction);
  return {
    load: () => loadZones({ statements, snapshots }, parts.soa),
    commit(head, diffs, zones) {
      const id = parts.transaction(() => {
        if (head.edit) keepEdit(parts, statements, head.edit);
        keepState(statements, head, zones);
        return commit(parts, statements, { ...head, diffs });
      });
      if (head.status === 'served') snapshots.begin(id, zones);
      return id;
    },
    advance: snapshots.advance,
    list: (count, below = Number.MAX_SAFE_INTEGER) =>
      statements.heads.all(below, count).map(toGeneration),
    diffs: (generation) => statements.diffsOf.all(generation).map(toDiff),
    chain: (zone, from, to) => chain(statements, { zone, from, to }),
    statics: () => statements.statics.all(),
    edit: (edit) => parts.transaction(() => keepEdit(parts, statements, edit)),
    held() {
      const value = statements.state.get('held')?.value;
      return value === undefined ? undefined : Number(value);
    },
    signed: () => JSON.parse(statements.state.get('signed')?.value ?? '[]') as DnsName[],
    resume: () => void parts.transaction(() => statements.dropState.run('held')),
  };
}

type Statements = ReturnType<typeof prepare>;

function prepare(db: Database) {
  return {
    putHead: db.prepare(
      `INSERT INTO dns_generations (at, cause, status, faults, added, removed)
       VALUES (?, ?, ?, ?, ?, ?)`,
    ),
    putDiff: db.prepare('INSERT INTO dns_diffs VALUES (?, ?, ?, ?, ?)'),
    since: db.prepare<[number], DiffRow>(
      `SELECT dns_diffs.* FROM dns_diffs JOIN dns_generations ON id = generation
       WHERE generation > ? AND status = 'served' ORDER BY generation, zone`,
    ),
    heads: db.prepare<[number, number], HeadRow>(
      'SELECT * FROM dns_generations WHERE id < ? ORDER BY id DESC LIMIT ?',
    ),
    lastServed: db.prepare<[], { id: number }>(
      `SELECT coalesce(max(id), 0) AS id FROM dns_generations WHERE status = 'served'`,
    ),
    diffsOf: db.prepare<[number], DiffRow>(
      'SELECT * FROM dns_diffs WHERE generation = ? ORDER BY zone',
    ),
    ofZone: db.prepare<[Uint8Array], Omit<DiffRow, 'body'> & { bytes: number }>(
      `SELECT generation, zone, serial_from, serial_to, length(body) AS bytes FROM dns_diffs
       JOIN dns_generations ON id = generation
       WHERE zone = ? AND status = 'served' ORDER BY generation DESC`,
    ),
    diff: db.prepare<[number, Uint8Array], DiffRow>(
      'SELECT * FROM dns_diffs WHERE generation = ? AND zone = ?',
    ),
    statics: db.prepare<[], StaticRecord>(
      'SELECT id, name, type, ttl, data, note FROM dns_records ORDER BY id',
    ),
    putStatic: db.prepare('INSERT INTO dns_records VALUES (?, ?, ?, ?, ?, ?, ?)'),
    dropStatic: db.prepare('DELETE FROM dns_records WHERE id = ?'),
    state: db.prepare<[string], { value: string }>('SELECT value FROM dns_state WHERE key = ?'),
    putState: db.prepare('INSERT OR REPLACE INTO dns_state VALUES (?, ?)'),
    dropState: db.prepare('DELETE FROM dns_state WHERE key = ?'),
  };
}

function commit(
  { clock, events }: DnsStoreParts,
  statements: Statements,
  next: Parameters<GenerationStore['commit']>[0] & { diffs: readonly ZoneDiff[] },
): number {
  const { cause, status, faults, diffs } = next;
  const count = (side: 'added' | 'removed') =>
    diffs.reduce((sum, diff) => sum + diff[side].length, 0);
  const [added, removed] = [count('added'), count('removed')];
  const head = [clock(), cause, status, JSON.stringify(faults), added, removed];
  const id = Number(statements.putHead.run(...head).lastInsertRowid);
  for (const diff of diffs) {
    const { zone, from = null, to = null } = diff;
    statements.putDiff.run(id, fromOctets(zone), from, to, encodeDiff(diff));
  }
  if (status === 'refused') {
    const [first] = faults as readonly Fault[];
    const why = first ? `${first.name} ${first.why}` : '';
    const data = { generation: id, cause, faults: faults.length, why };
    events.append({ name: 'dns.refused', data });
    return id;
  }
  const summary = diffs.map((diff) => ({ zone: formatName(diff.zone), serial: diff.to ?? 0 }));
  const data = { generation: id, cause, added, removed, zones: summary.slice(0, 20) };
  events.append({ name: 'dns.changed', data });
  return id;
}

function keepEdit(
  { clock, events }: DnsStoreParts,
  statements: Statements,
  { before, after, who, why }: RecordEdit,
): void {
  if (before) statements.dropStatic.run(before.id);
  if (after) {
    const { id, name, type, ttl, data, note } = after;
    statements.putStatic.run(id, name, type, ttl, data, note, clock());
  }
  const record = (after ?? before)?.id ?? '';
  const data = { record, before: seen(before), after: seen(after), who, why };
  events.append({ name: 'dns.edited', data });
}

function seen(record: StaticRecord | undefined) {
  if (!record) return null;
  const { name, type, ttl, data, note } = record;
  return { name, type, ttl, data, note };
}

/** What is true of the generation as a whole goes with it: that it is held, which zones are signed, and their SOA. */
function keepState(
  statements: Statements,
  { status, hold, signed }: Parameters<GenerationStore['commit']>[0],
  zones: Zones,
): void {
  if (hold !== undefined) statements.putState.run('held', String(hold));
  if (signed) statements.putState.run('signed', JSON.stringify(signed));
  if (status === 'refused') return;
  const [zone] = zones.values();
  const soa = JSON.stringify(zone?.soa);
  if (zone && statements.state.get('soa')?.value !== soa) statements.putState.run('soa', soa);
}

function loadZones(
  { statements, snapshots }: { statements: Statements; snapshots: DnsSnapshots },
  configured: SoaSettings,
): { generation: number; zones: Zones } {
  const diffs = statements.since.all(snapshots.at()).map(toDiff);
  // The one that was served, not the configured one: else nobody would see that another is to be served from now on.
  const kept = statements.state.get('soa')?.value;
  const soa = kept === undefined ? configured : (JSON.parse(kept) as SoaSettings);
  const zones = new Map(replay(snapshots.load(), diffs, soa));
  if (kept !== undefined) {
    for (const [name, zone] of zones) {
      if (JSON.stringify(zone.soa) !== kept)
        zones.set(name, withSerial({ ...zone, soa }, zone.serial));
    }
  }
  return { generation: statements.lastServed.get()?.id ?? 0, zones };
}

/** A name, type, TTL and a short rdata, as record-log.ts writes them. */
const RECORD_BYTES = 40;

/** From one serial to another, without a gap; found from the newest back. */
function chain(
  statements: Statements,
  wanted: { zone: DnsName; from: number; to: number },
): ZoneSteps | undefined {
  const key = fromOctets(wanted.zone);
  const found: number[] = [];
  let records = 0;
  let serial: number | null = wanted.to;
  for (const row of statements.ofZone.iterate(key)) {
    if (serial === wanted.from) break;
    if (row.serial_to !== serial || row.serial_from === null) return undefined;
    if (found.length >= limit('dnsGenerationsMax') * 2) return undefined;
    found.push(row.generation);
    // The SOA before and after it are sent too.
    records += 2 + Math.floor(row.bytes / RECORD_BYTES);
    serial = row.serial_from;
  }
  if (serial !== wanted.from) return undefined;
  return { records, diffs: diffsOf(statements, key, found.reverse()) };
}

/** @throws AppError DATABASE_FAILED where one was forgotten meanwhile: the transfer breaks off, and is asked for again */
function* diffsOf(
  statements: Statements,
  zone: Uint8Array,
  generations: readonly number[],
): IterableIterator<ZoneDiff> {
  for (const generation of generations) {
    const row = statements.diff.get(generation, zone);
    if (!row) throw broken(`generation ${generation}`);
    yield toDiff(row);
  }
}

function toDiff(row: DiffRow): ZoneDiff {
  const body = decodeDiff(row.body);
  if (!body.ok) throw broken(`difference of generation ${row.generation}`);
  return {
    zone: toOctets(row.zone) as DnsName,
    from: row.serial_from ?? undefined,
    to: row.serial_to ?? undefined,
    ...body.value,
  };
}

function toGeneration({ faults, ...row }: HeadRow): GenerationRow {
  return { ...row, faults: JSON.parse(faults) as Fault[] };
}

function broken(what: string): AppError {
  return new AppError('DATABASE_FAILED', { detail: `The ${what} cannot be read.` });
}
