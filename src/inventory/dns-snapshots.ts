/**
 * Snapshots of the zones in the database: what a start begins with, so that it replays few differences.
 *
 * A snapshot is written a part at a time between other work, each part in a transaction of its own, because the thread
 * that writes it also answers DHCP. It counts once its last part is in; until then, and after a crash or a failed write
 * on the way, the older one does. Then what is older than the snapshot before it is forgotten, also in parts.
 */
import type { Database } from 'better-sqlite3';
import { type DnsName, formatName, fromOctets, toOctets } from '../dns/name.ts';
import { decodeRecords, encodeRecords } from '../dns/record-log.ts';
import { TYPE } from '../dns/types.ts';
import {
  makeZone,
  type SoaSettings,
  type Zone,
  type ZoneRecord,
  type Zones,
  zoneRecords,
} from '../dns/zones.ts';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';

/** Records in one part, and rows or generations that are deleted in one: some milliseconds of work each. */
const PART_RECORDS = 1024;
const FORGET_ROWS = 8;
const FORGET_GENERATIONS = 64;

interface SnapshotRow {
  zone: Uint8Array;
  serial: number;
  soa: string;
  body: Uint8Array;
}

export interface DnsSnapshots {
  /** The generation that the last complete snapshot shows; 0 without one. */
  at(): number;
  /** The zones of that generation. @throws AppError DATABASE_FAILED */
  load(): Zones;
  /** Begins a snapshot of `zones`, which is what generation `id` serves, if one is due and none is under way. */
  begin(id: number, zones: Zones): void;
  /** Writes the next part. @returns whether there is more; a part that fails ends the snapshot, and throws */
  advance(): boolean;
}

export function openDnsSnapshots(db: Database, transaction: <T>(run: () => T) => T): DnsSnapshots {
  const statements = prepare(db);
  let parts: Iterator<void> | undefined;
  const at = () => Number(statements.complete.get()?.value ?? 0);
  return {
    at,
    load: () => load(statements, at()),
    begin(id, zones) {
      const last = at();
      if (id - last >= limit('dnsGenerationsMax')) parts ??= write(statements, { id, last, zones });
    },
    advance() {
      const running = parts;
      parts = undefined;
      if (!running) return false;
      const { done } = transaction(() => running.next());
      if (!done) parts = running;
      return !done;
    },
  };
}

function prepare(db: Database) {
  return {
    complete: db.prepare<[], { value: string }>(
      `SELECT value FROM dns_state WHERE key = 'snapshot'`,
    ),
    setComplete: db.prepare(`INSERT OR REPLACE INTO dns_state VALUES ('snapshot', ?)`),
    put: db.prepare('INSERT INTO dns_snapshot_parts VALUES (?, ?, ?, ?, ?)'),
    parts: db.prepare<[number], SnapshotRow>(
      'SELECT zone, serial, soa, body FROM dns_snapshot_parts WHERE generation = ? ORDER BY rowid',
    ),
    drop: db.prepare(
      `DELETE FROM dns_snapshot_parts WHERE rowid IN
       (SELECT rowid FROM dns_snapshot_parts WHERE generation <> ? LIMIT ${FORGET_ROWS})`,
    ),
    oldest: db.prepare<[], { id: number }>(
      'SELECT coalesce(min(id), 0) AS id FROM dns_generations',
    ),
    forgetDiffs: db.prepare('DELETE FROM dns_diffs WHERE generation <= ?'),
    forgetHeads: db.prepare('DELETE FROM dns_generations WHERE id <= ?'),
  };
}

type Statements = ReturnType<typeof prepare>;

function* write(
  statements: Statements,
  { id, last, zones }: { id: number; last: number; zones: Zones },
): Generator<void> {
  let written = 0;
  for (const zone of zones.values()) {
    const head = [id, fromOctets(zone.name), zone.serial, JSON.stringify(zone.soa)] as const;
    let part: ZoneRecord[] = [];
    for (const record of zoneRecords(zone)) {
      if (record.type !== TYPE.SOA) part.push(record);
      if (part.length < PART_RECORDS) continue;
      statements.put.run(...head, encodeRecords(part));
      part = [];
      yield;
    }
    statements.put.run(...head, encodeRecords(part));
    // Small zones share a transaction: a thousand of them are not a thousand waits for the disk.
    written += part.length + 16;
    if (written < PART_RECORDS) continue;
    written = 0;
    yield;
  }
  statements.setComplete.run(String(id));
  yield;
  const oldest = statements.oldest.get()?.id ?? 0;
  for (let to = oldest; to < last + FORGET_GENERATIONS; to += FORGET_GENERATIONS) {
    statements.forgetDiffs.run(Math.min(to, last));
    statements.forgetHeads.run(Math.min(to, last));
    yield;
  }
  while (statements.drop.run(id).changes > 0) yield;
}

function load(statements: Statements, generation: number): Zones {
  const whole = new Map<DnsName, { row: SnapshotRow; records: ZoneRecord[] }>();
  for (const row of statements.parts.iterate(generation)) {
    const name = toOctets(row.zone) as DnsName;
    const records = decodeRecords(row.body);
    if (!records.ok) {
      const detail = `The snapshot of ${formatName(name)} cannot be read.`;
      throw new AppError('DATABASE_FAILED', { detail });
    }
    const begun = whole.get(name);
    if (begun) for (const record of records.value) begun.records.push(record);
    else whole.set(name, { row, records: records.value });
  }
  const zones = new Map<DnsName, Zone>();
  for (const [name, { row, records }] of whole) {
    const head = { name, soa: JSON.parse(row.soa) as SoaSettings, serial: row.serial };
    zones.set(name, makeZone(head, records));
  }
  return zones;
}
