/**
 * Zones as values: names with record sets, a serial, and what changed from one to the next.
 *
 * A zone is immutable; a change makes the next one, which shares what did not change, together with the difference as
 * records, which is what IXFR sends, the log keeps and people read. The SOA is part of the apex like any other record,
 * but never of a difference: its serial is the difference.
 */
import { type DnsName, isWithin, parentOf } from './name.ts';
import type { Rdata } from './rdata.ts';
import { bigEndian } from './rdata-text.ts';
import { ShardMap } from './shard-map.ts';
import { TYPE } from './types.ts';

export interface ZoneRecord {
  readonly name: DnsName;
  readonly type: number;
  readonly ttl: number;
  readonly rdata: Rdata;
}

/** All records of one name and type; they have one TTL (RFC 2181 section 5.2) and a fixed order. */
export interface Rrset {
  readonly type: number;
  readonly ttl: number;
  readonly rdatas: readonly Rdata[];
}

/** Record sets by ascending type. */
export type ZoneNode = readonly Rrset[];

/** What an SOA says besides the serial (RFC 1035 section 3.3.13). Times are in seconds. */
export interface SoaSettings {
  readonly ttl: number;
  readonly mname: DnsName;
  readonly rname: DnsName;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}

export interface Zone {
  readonly name: DnsName;
  readonly serial: number;
  readonly soa: SoaSettings;
  readonly nodes: ShardMap<DnsName, ZoneNode>;
  /** Records, the SOA included. */
  readonly records: number;
}

export type Zones = ReadonlyMap<DnsName, Zone>;

export interface ZoneDiff {
  readonly zone: DnsName;
  /** `undefined`: the zone is new. */
  readonly from: number | undefined;
  /** `undefined`: the zone is gone. */
  readonly to: number | undefined;
  readonly removed: readonly ZoneRecord[];
  readonly added: readonly ZoneRecord[];
}

export function soaRdata({ soa, serial }: Pick<Zone, 'soa' | 'serial'>): Rdata {
  const numbers = [serial, soa.refresh, soa.retry, soa.expire, soa.minimum];
  return (soa.mname + soa.rname + numbers.map((n) => bigEndian(n, 4)).join('')) as Rdata;
}

export function soaRecord(zone: Pick<Zone, 'name' | 'soa' | 'serial'>): ZoneRecord {
  return { name: zone.name, type: TYPE.SOA, ttl: zone.soa.ttl, rdata: soaRdata(zone) };
}

/** Sorts records into sets. The lowest TTL of a set is the set's; equal records are one. */
export function nodeOf(records: Iterable<ZoneRecord>): ZoneNode {
  const byType = new Map<number, { ttl: number; rdatas: Set<Rdata> }>();
  for (const { type, ttl, rdata } of records) {
    const set = byType.get(type);
    if (set) {
      set.ttl = Math.min(set.ttl, ttl);
      set.rdatas.add(rdata);
    } else byType.set(type, { ttl, rdatas: new Set([rdata]) });
  }
  return [...byType]
    .sort(([a], [b]) => a - b)
    .map(([type, { ttl, rdatas }]) => ({ type, ttl, rdatas: [...rdatas].sort() }));
}

export function recordsOf(name: DnsName, node: ZoneNode): ZoneRecord[] {
  return node.flatMap(({ type, ttl, rdatas }) =>
    rdatas.map((rdata) => ({ name, type, ttl, rdata })),
  );
}

export function* zoneRecords(zone: Zone): IterableIterator<ZoneRecord> {
  for (const [name, node] of zone.nodes) yield* recordsOf(name, node);
}

export function rrsetOf(node: ZoneNode | undefined, type: number): Rrset | undefined {
  return node?.find((rrset) => rrset.type === type);
}

export function sameNode(a: ZoneNode | undefined, b: ZoneNode | undefined): boolean {
  if (a === b) return true;
  if (a?.length !== b?.length || !a || !b) return false;
  return a.every((rrset, i) => {
    const other = b[i];
    return (
      other?.type === rrset.type &&
      other.ttl === rrset.ttl &&
      other.rdatas.length === rrset.rdatas.length &&
      rrset.rdatas.every((rdata, j) => rdata === other.rdatas[j])
    );
  });
}

/** A new zone of these records; an SOA among them is replaced by the settings'. */
export function makeZone(
  head: { name: DnsName; soa: SoaSettings; serial: number },
  records: Iterable<ZoneRecord>,
): Zone {
  const byName = new Map<DnsName, ZoneRecord[]>([[head.name, []]]);
  for (const record of records) {
    if (record.type === TYPE.SOA) continue;
    const list = byName.get(record.name);
    if (list) list.push(record);
    else byName.set(record.name, [record]);
  }
  const soa = { name: head.name, type: TYPE.SOA, ttl: head.soa.ttl, rdata: soaRdata(head) };
  byName.get(head.name)?.push(soa);
  let count = 0;
  const nodes: [DnsName, ZoneNode][] = [];
  for (const [name, list] of byName) {
    const node = nodeOf(list);
    count += countRecords(node);
    nodes.push([name, node]);
  }
  return { ...head, nodes: ShardMap.from(nodes), records: count };
}

/**
 * The zone after a change. `changes` holds whole names, without the SOA; an empty node or `undefined` removes the name.
 * @returns the same zone and no difference when nothing really changes
 */
export function changeZone(
  zone: Zone,
  changes: ReadonlyMap<DnsName, ZoneNode | undefined>,
  serial: number,
): { zone: Zone; diff: ZoneDiff | undefined } {
  const removed: ZoneRecord[] = [];
  const added: ZoneRecord[] = [];
  const next = new Map<DnsName, ZoneNode | undefined>();
  for (const [name, wanted] of changes) {
    const old = withoutSoa(zone.nodes.get(name));
    const node = wanted ?? [];
    if (sameNode(old, node)) continue;
    diffNodes(name, { old, node, removed, added });
    next.set(name, node.length === 0 ? undefined : node);
  }
  if (removed.length === 0 && added.length === 0) return { zone, diff: undefined };
  const head = { name: zone.name, soa: zone.soa, serial };
  const apex = next.has(zone.name)
    ? (next.get(zone.name) ?? [])
    : withoutSoa(zone.nodes.get(zone.name));
  const soa = { type: TYPE.SOA, ttl: zone.soa.ttl, rdatas: [soaRdata(head)] };
  next.set(
    zone.name,
    [...apex, soa].sort((a, b) => a.type - b.type),
  );
  const records = zone.records + added.length - removed.length;
  return {
    zone: { ...head, nodes: zone.nodes.with(next), records },
    diff: { zone: zone.name, from: zone.serial, to: serial, removed, added },
  };
}

/** The same content under another serial. */
export function withSerial(zone: Zone, serial: number): Zone {
  const soa = { type: TYPE.SOA, ttl: zone.soa.ttl, rdatas: [soaRdata({ soa: zone.soa, serial })] };
  const apex = [...withoutSoa(zone.nodes.get(zone.name)), soa].sort((a, b) => a.type - b.type);
  return { ...zone, serial, nodes: zone.nodes.with(new Map([[zone.name, apex]])) };
}

function diffNodes(
  name: DnsName,
  into: { old: ZoneNode; node: ZoneNode; removed: ZoneRecord[]; added: ZoneRecord[] },
): void {
  const key = ({ type, ttl, rdata }: ZoneRecord) => `${type} ${ttl} ${rdata}`;
  const before = recordsOf(name, into.old);
  const after = recordsOf(name, into.node);
  const had = new Set(before.map(key));
  const has = new Set(after.map(key));
  into.removed.push(...before.filter((record) => !has.has(key(record))));
  into.added.push(...after.filter((record) => !had.has(key(record))));
}

export function withoutSoa(node: ZoneNode | undefined): ZoneNode {
  return node?.some(({ type }) => type === TYPE.SOA)
    ? node.filter(({ type }) => type !== TYPE.SOA)
    : (node ?? []);
}

function countRecords(node: ZoneNode): number {
  return node.reduce((sum, { rdatas }) => sum + rdatas.length, 0);
}

/** The deepest of these zones that the name is in. */
export function zoneFor(
  name: DnsName,
  zones: { has(zone: DnsName): boolean },
): DnsName | undefined {
  for (let at: DnsName | undefined = name; at !== undefined; at = parentOf(at)) {
    if (zones.has(at)) return at;
  }
  return undefined;
}

/** Applies a difference to a zone that has its `from` serial, or takes it back from one that has its `to` serial. */
export function applyDiff(zone: Zone, diff: ZoneDiff, direction: 'forward' | 'back'): Zone {
  const forward = direction === 'forward';
  const gone = forward ? diff.removed : diff.added;
  const come = forward ? diff.added : diff.removed;
  const serial = (forward ? diff.to : diff.from) ?? zone.serial;
  const key = ({ type, ttl, rdata }: ZoneRecord) => `${type} ${ttl} ${rdata}`;
  const byName = new Map<DnsName, Map<string, ZoneRecord>>();
  for (const { name } of [...gone, ...come]) {
    if (byName.has(name) || !isWithin(name, zone.name)) continue;
    const records = recordsOf(name, withoutSoa(zone.nodes.get(name)));
    byName.set(name, new Map(records.map((record) => [key(record), record])));
  }
  for (const record of gone) byName.get(record.name)?.delete(key(record));
  for (const record of come) byName.get(record.name)?.set(key(record), record);
  const changes = new Map<DnsName, ZoneNode>();
  for (const [name, records] of byName) changes.set(name, nodeOf(records.values()));
  const changed = changeZone(zone, changes, serial);
  // A serial that moved alone (new signatures, another SOA) is a step as any other.
  return changed.diff ? changed.zone : withSerial(zone, serial);
}
