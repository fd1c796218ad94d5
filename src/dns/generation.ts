/**
 * From what is served to what is wanted: the next generation, its differences, and the way back.
 *
 * Only touched names are looked at. A zone's serial moves exactly when its content does, to the time in seconds or one
 * more than before, whichever is newer (RFC 1982): never backwards, also when the content goes back.
 */
import type { Assembly } from './assembly.ts';
import { type DnsName, isWithin } from './name.ts';
import { parentZone } from './site.ts';
import { serialNewer, TYPE } from './types.ts';
import {
  applyDiff,
  changeZone,
  makeZone,
  recordsOf,
  type SoaSettings,
  sameNode,
  withoutSoa,
  withSerial,
  type Zone,
  type ZoneDiff,
  type ZoneNode,
  type ZoneRecord,
  type Zones,
  zoneFor,
  zoneRecords,
} from './zones.ts';

export interface NextGeneration {
  readonly zones: Zones;
  readonly diffs: readonly ZoneDiff[];
  /** Names that the image must look at again. */
  readonly touched: ReadonlySet<DnsName>;
}

/** Serials count from a zone's old one, or from the time. */
export function nextSerial(before: number | undefined, nowSeconds: number): number {
  const time = nowSeconds >>> 0;
  if (before === undefined) return time === 0 ? 1 : time;
  return serialNewer(time, before) ? time : (before + 1) >>> 0;
}

/** What is wanted now, against what is served. */
export function nextGeneration(
  assembly: Assembly,
  before: Zones,
  nowSeconds: number,
): NextGeneration {
  const wanted = assembly.zones();
  const moved = [
    ...[...wanted].filter((zone) => !before.has(zone)),
    ...[...before.keys()].filter((zone) => !wanted.has(zone)),
  ];
  if (moved.length > 0) {
    assembly.setSite();
    rehome(assembly, moved);
  }
  const touched = new Set(assembly.touched);
  const changes = new Map<DnsName, Map<DnsName, ZoneNode>>();
  const put = (zone: DnsName, name: DnsName, node: ZoneNode) => {
    const map = changes.get(zone) ?? new Map<DnsName, ZoneNode>();
    changes.set(zone, map.set(name, node));
  };
  for (const name of touched) {
    const zone = zoneFor(name, wanted);
    const old = zoneFor(name, before);
    if (zone !== undefined) put(zone, name, assembly.node(name));
    if (old !== undefined && old !== zone && wanted.has(old)) put(old, name, []);
    const parent = wanted.has(name) ? parentZone(name, wanted) : undefined;
    if (parent !== undefined) put(parent, name, assembly.delegationNode(name));
  }
  return { ...carryOut(before, changes, { wanted, soa: assembly.plan.soa, nowSeconds }), touched };
}

/** Only these names as they are wanted, in the zones that are served: whatever else is wanted may wait. */
export function generationOf(
  assembly: Assembly,
  { before, names }: { before: Zones; names: ReadonlySet<DnsName> },
  nowSeconds: number,
): NextGeneration {
  const wanted = new Set(before.keys());
  const changes = new Map<DnsName, Map<DnsName, ZoneNode>>();
  for (const name of names) {
    const zone = zoneFor(name, wanted);
    if (zone === undefined) continue;
    const map = changes.get(zone) ?? new Map<DnsName, ZoneNode>();
    changes.set(zone, map.set(name, assembly.node(name)));
  }
  const { soa } = assembly.plan;
  return { ...carryOut(before, changes, { wanted, soa, nowSeconds }), touched: names };
}

/** Whether a name is served as it is wanted; when in doubt, it is not. */
function isServed(assembly: Assembly, before: Zones, name: DnsName): boolean {
  const wanted = assembly.zones();
  const zone = zoneFor(name, wanted);
  if (zone !== zoneFor(name, before)) return false;
  const has = (at: DnsName | undefined) =>
    withoutSoa(at === undefined ? undefined : before.get(at)?.nodes.get(name));
  if (zone !== undefined && !sameNode(has(zone), assembly.node(name))) return false;
  const parent = zone === name ? parentZone(name, wanted) : undefined;
  return parent === undefined || sameNode(has(parent), assembly.delegationNode(name));
}

/** Zones whose SOA says something else than the configuration now (a new contact, other timers) go along. */
export function withSoa(
  next: NextGeneration,
  soa: SoaSettings,
  nowSeconds: number,
): NextGeneration {
  const parts = Object.keys(soa) as (keyof SoaSettings)[];
  const old = [...next.zones.values()].filter((zone) =>
    parts.some((part) => zone.soa[part] !== soa[part]),
  );
  if (old.length === 0) return next;
  const zones = new Map(next.zones);
  const diffs = [...next.diffs];
  const touched = new Set(next.touched);
  for (const zone of old) {
    const serial = nextSerial(zone.serial, nowSeconds);
    zones.set(zone.name, makeZone({ name: zone.name, soa, serial }, contentOf(zone)));
    touched.add(zone.name);
    const at = diffs.findIndex((diff) => diff.zone === zone.name);
    const diff = diffs[at] ?? { zone: zone.name, from: zone.serial, removed: [], added: [] };
    diffs.splice(at < 0 ? diffs.length : at, at < 0 ? 0 : 1, { ...diff, to: serial });
  }
  return { zones, diffs, touched };
}

/**
 * The same content at other serials: what signing adds to these zones is to be fetched again. With `cut` they are signed
 * from now on, or no longer: a secondary must fetch them whole, as it may hold signatures that no difference takes away.
 * So no difference ends at the serial that this one begins with.
 */
export function movedOn(
  zones: Zones,
  which: readonly DnsName[],
  { nowSeconds, cut = false }: { nowSeconds: number; cut?: boolean },
): NextGeneration {
  const next = new Map(zones);
  const diffs: ZoneDiff[] = [];
  for (const name of which) {
    const zone = zones.get(name);
    if (!zone) continue;
    const from = cut ? (zone.serial + 1) >>> 0 : zone.serial;
    const to = nextSerial(from, nowSeconds);
    next.set(name, withSerial(zone, to));
    diffs.push({ zone: name, from, to, removed: [], added: [] });
  }
  return { zones: next, diffs, touched: new Set() };
}

/** Names that are compared before others have their turn. */
const NAMES_PIECE = 500;

/** Leaves those names touched that are served otherwise than they are wanted. */
export async function leaveUnserved(
  assembly: Assembly,
  served: Zones,
  pause: () => Promise<void>,
): Promise<void> {
  const { touched } = assembly;
  let left = NAMES_PIECE;
  const turn = async () => {
    left = NAMES_PIECE;
    await pause();
  };
  for (const name of namesServed(assembly, served)) {
    touched.add(name);
    if (--left === 0) await turn();
  }
  for (const name of touched) {
    if (isServed(assembly, served, name)) touched.delete(name);
    if (--left === 0) await turn();
  }
}

function* namesServed(assembly: Assembly, served: Zones): IterableIterator<DnsName> {
  for (const zone of served.values()) for (const [name] of zone.nodes) yield name;
  yield* assembly.names();
}

/** Everything at or below a zone that comes or goes may live elsewhere now. */
function rehome(assembly: Assembly, moved: readonly DnsName[]): void {
  for (const zone of moved) assembly.touched.add(zone);
  for (const name of assembly.names()) {
    if (moved.some((zone) => isWithin(name, zone))) assembly.touched.add(name);
  }
}

function carryOut(
  before: Zones,
  changes: ReadonlyMap<DnsName, ReadonlyMap<DnsName, ZoneNode>>,
  to: { wanted: ReadonlySet<DnsName>; soa: SoaSettings; nowSeconds: number },
): { zones: Zones; diffs: ZoneDiff[] } {
  const zones = new Map(before);
  const diffs: ZoneDiff[] = [];
  for (const zone of before.values()) {
    if (to.wanted.has(zone.name)) continue;
    zones.delete(zone.name);
    diffs.push(goneDiff(zone));
  }
  for (const name of to.wanted) {
    const old = before.get(name);
    const serial = nextSerial(old?.serial, to.nowSeconds);
    const nodes = changes.get(name) ?? new Map<DnsName, ZoneNode>();
    if (!old) {
      const records = [...nodes].flatMap(([owner, node]) => recordsOf(owner, node));
      const zone = makeZone({ name, soa: to.soa, serial }, records);
      zones.set(name, zone);
      diffs.push({ zone: name, from: undefined, to: serial, removed: [], added: contentOf(zone) });
      continue;
    }
    const changed = changeZone(old, nodes, serial);
    if (!changed.diff) continue;
    zones.set(name, changed.zone);
    diffs.push(changed.diff);
  }
  return { zones, diffs };
}

function goneDiff(zone: Zone): ZoneDiff {
  return { zone: zone.name, from: zone.serial, to: undefined, removed: contentOf(zone), added: [] };
}

/** All records but the SOA. */
function contentOf(zone: Zone): ZoneRecord[] {
  return [...zoneRecords(zone)].filter(({ type }) => type !== TYPE.SOA);
}

/** The content as it was before these differences, newest first; serials are those of then. */
export function rewind(zones: Zones, newestFirst: readonly ZoneDiff[], soa: SoaSettings): Zones {
  const result = new Map(zones);
  for (const diff of newestFirst) {
    const { zone: name, from, to, removed } = diff;
    const zone = result.get(name);
    if (from === undefined) result.delete(name);
    else if (to === undefined) result.set(name, makeZone({ name, soa, serial: from }, removed));
    else if (zone) result.set(name, applyDiff(zone, diff, 'back'));
  }
  return result;
}

/** Replays differences, oldest first, on a snapshot that is older than they are. */
export function replay(zones: Zones, oldestFirst: readonly ZoneDiff[], soa: SoaSettings): Zones {
  const result = new Map(zones);
  for (const diff of oldestFirst) {
    const { zone: name, to, added } = diff;
    const zone = result.get(name);
    if (to === undefined) result.delete(name);
    else if (diff.from === undefined) result.set(name, makeZone({ name, soa, serial: to }, added));
    else if (zone) result.set(name, applyDiff(zone, diff, 'forward'));
  }
  return result;
}

/** Names that differences are about, by zone. */
function namesOf(diffs: readonly ZoneDiff[]): Map<DnsName, Set<DnsName>> {
  const names = new Map<DnsName, Set<DnsName>>();
  for (const { zone, removed, added } of diffs) {
    const own = names.get(zone) ?? new Set();
    for (const { name } of removed) own.add(name);
    for (const { name } of added) own.add(name);
    names.set(zone, own);
  }
  return names;
}

/**
 * Old content as a new generation: the way back goes forward in serials.
 * @param between all differences from one to the other, in any order
 */
export function returnTo(
  { current, target, between }: { current: Zones; target: Zones; between: readonly ZoneDiff[] },
  nowSeconds: number,
): NextGeneration {
  const names = namesOf(between);
  const zones = new Map<DnsName, Zone>();
  const diffs: ZoneDiff[] = [];
  const touched = new Set<DnsName>();
  for (const zone of current.values()) {
    if (target.has(zone.name)) continue;
    diffs.push(goneDiff(zone));
    for (const [name] of zone.nodes) touched.add(name);
  }
  for (const [name, wanted] of target) {
    const old = current.get(name);
    const serial = nextSerial(old?.serial, nowSeconds);
    if (!old) {
      const zone = makeZone({ ...wanted, serial }, contentOf(wanted));
      zones.set(name, zone);
      diffs.push({ zone: name, from: undefined, to: serial, removed: [], added: contentOf(zone) });
      for (const [owner] of zone.nodes) touched.add(owner);
      continue;
    }
    const changes = new Map<DnsName, ZoneNode>();
    for (const owner of names.get(name) ?? []) {
      changes.set(owner, withoutSoa(wanted.nodes.get(owner)));
    }
    const changed = changeZone(old, changes, serial);
    zones.set(name, changed.zone);
    if (!changed.diff) continue;
    diffs.push(changed.diff);
    touched.add(name);
    for (const record of [...changed.diff.removed, ...changed.diff.added]) touched.add(record.name);
  }
  return { zones, diffs, touched };
}
