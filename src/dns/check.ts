/**
 * Checks a generation before it is served. A fault means: it is not, and the last good one stays.
 *
 * Every check looks at what changed and at what points to it, so that a change of one machine costs one machine. Only
 * the shrink check is a matter of judgement, and so the only one that a person may overrule: it is what stands between
 * a mistake upstream and an empty zone.
 */
import { canBeSignedAround, SIGNABLE_NAME_BYTES_MAX } from './denial.ts';
import { type DnsName, formatName } from './name.ts';
import { targetOf } from './rdata.ts';
import { setBytes, setBytesMax } from './set-size.ts';
import { formatType, serialNewer, TYPE } from './types.ts';
import { rrsetOf, type ZoneDiff, type ZoneNode, type Zones, zoneFor } from './zones.ts';

export type FaultCode =
  /** Two owners have one name. */
  | 'duplicate'
  /** An alias beside other records (RFC 1034 section 3.6.2), or at a zone's name. */
  | 'cname'
  /** A record points to a name of ours that does not exist. */
  | 'dangling'
  /** More of a zone would go than is believed without asking. */
  | 'shrink'
  /** A serial that secondaries would take for older. */
  | 'serial'
  /** A record that a person wrote and that cannot be read, or lies in no zone of ours. */
  | 'static'
  /** A name that denials of a signed zone could not be built around (denial.ts). */
  | 'name'
  /** More records of one type at a name than an answer over TCP can carry (set-size.ts). */
  | 'size';

export interface Fault {
  readonly code: FaultCode;
  /** Presentation form. */
  readonly name: string;
  readonly why: string;
}

export interface CheckOptions {
  /** The share of a zone's records that may go at once, 0 to 1. */
  readonly shrinkShareMax: number;
  /** Zones with fewer records than this may shrink as they like. */
  readonly shrinkFloor: number;
  /** A person has seen it and wants it so. */
  readonly acceptShrink: boolean;
}

/** Who points to a name, of the types whose target must exist. */
export type Pointers = (target: DnsName) => readonly DnsName[];

const MUST_EXIST = new Set<number>([TYPE.CNAME, TYPE.MX, TYPE.SRV, TYPE.NS]);

export function mustExist(type: number): boolean {
  return MUST_EXIST.has(type);
}

export function checkGeneration(
  change: {
    after: Zones;
    diffs: readonly ZoneDiff[];
    pointers: Pointers;
    /** The most records that a zone had of late (shrink.ts). */
    largest(zone: DnsName): number;
  },
  options: CheckOptions,
): Fault[] {
  const faults: Fault[] = [];
  for (const diff of change.diffs) {
    faults.push(...checkSerial(diff), ...checkShrink(change, diff, options));
  }
  const names = new Set(change.diffs.flatMap((diff) => changedNames(diff)));
  for (const name of names) faults.push(...checkName(name, change.after));
  faults.push(...checkTargets(change));
  return faults;
}

function changedNames({ removed, added }: ZoneDiff): DnsName[] {
  return [...removed, ...added].map(({ name }) => name);
}

function checkSerial({ zone, from, to }: ZoneDiff): Fault[] {
  if (from === undefined || to === undefined || serialNewer(to, from)) return [];
  const why = `the serial would go from ${from} to ${to}, which secondaries take for older`;
  return [{ code: 'serial', name: formatName(zone), why }];
}

function checkShrink(
  { largest, after }: { largest(zone: DnsName): number; after: Zones },
  diff: ZoneDiff,
  options: CheckOptions,
): Fault[] {
  const old = largest(diff.zone);
  const lost = old - (after.get(diff.zone)?.records ?? 0);
  const shrinks = diff.removed.length > diff.added.length;
  if (options.acceptShrink || !shrinks || old < options.shrinkFloor) return [];
  if (lost <= old * options.shrinkShareMax) return [];
  const percent = Math.round((lost / old) * 100);
  const most = Math.round(options.shrinkShareMax * 100);
  const why = `${lost} of ${old} records would go (${percent} %; more than ${most} % within an hour needs a person's consent)`;
  return [{ code: 'shrink', name: formatName(diff.zone), why }];
}

function checkName(name: DnsName, zones: Zones): Fault[] {
  const zone = zoneFor(name, zones);
  const node = zone === undefined ? undefined : zones.get(zone)?.nodes.get(name);
  if (node && !canBeSignedAround(name)) {
    const why = `is longer than ${SIGNABLE_NAME_BYTES_MAX} octets, or holds the octet 255`;
    return [{ code: 'name', name: formatName(name), why }];
  }
  if (!node || zone === undefined) return [];
  return [...checkSizes(name, node, zone), ...checkAlias(name, node)];
}

function checkSizes(name: DnsName, node: ZoneNode, zone: DnsName): Fault[] {
  const most = setBytesMax(name, zone);
  return node.flatMap((set) => {
    const bytes = setBytes(set);
    if (bytes <= most) return [];
    const { rdatas, type } = set;
    const fit = Math.floor((most / bytes) * rdatas.length);
    const why = `has ${rdatas.length} records of type ${formatType(type)} (${bytes} octets); one answer carries about ${fit} of them (${most} octets)`;
    return [{ code: 'size', name: formatName(name), why }];
  });
}

function checkAlias(name: DnsName, node: ZoneNode): Fault[] {
  const cname = rrsetOf(node, TYPE.CNAME);
  if (!cname) return [];
  const others = node.filter(({ type }) => !BESIDE_CNAME.has(type)).map(({ type }) => type);
  if (others.length > 0) {
    const why = `an alias (CNAME) cannot stand beside ${others.map(formatType).join(', ')}`;
    return [{ code: 'cname', name: formatName(name), why }];
  }
  if (cname.rdatas.length > 1) {
    return [
      { code: 'cname', name: formatName(name), why: 'a name can be an alias of one name only' },
    ];
  }
  return [];
}

const BESIDE_CNAME = new Set<number>([TYPE.CNAME, TYPE.RRSIG, TYPE.NSEC]);

/** What was added must point to something; what went must not be pointed to. */
function checkTargets({
  after,
  diffs,
  pointers,
}: {
  after: Zones;
  diffs: readonly ZoneDiff[];
  pointers: Pointers;
}): Fault[] {
  const faults = new Map<string, Fault>();
  const note = (name: DnsName, target: DnsName) => {
    const why = `points to ${formatName(target)}, which does not exist`;
    faults.set(`${name} ${target}`, { code: 'dangling', name: formatName(name), why });
  };
  for (const { added, removed } of diffs) {
    for (const { name, type, rdata } of added) {
      const target = mustExist(type) ? targetOf(type, rdata) : undefined;
      if (target !== undefined && isMissing(target, after)) note(name, target);
    }
    for (const { name: target } of removed) {
      if (!isMissing(target, after)) continue;
      for (const name of pointers(target)) note(name, target);
    }
  }
  return [...faults.values()];
}

/** In a zone of ours, and neither there nor covered by a wildcard nor delegated to somebody else. */
function isMissing(target: DnsName, zones: Zones): boolean {
  const zoneName = zoneFor(target, zones);
  const zone = zoneName === undefined ? undefined : zones.get(zoneName);
  if (!zone) return false;
  if (zone.nodes.get(target)) return false;
  for (let at: string = target; at.length > zone.name.length; ) {
    at = at.slice(1 + at.charCodeAt(0));
    if (zone.nodes.get(`\x01*${at}` as DnsName)) return false;
    const node: ZoneNode | undefined = zone.nodes.get(at as DnsName);
    if (at !== zone.name && rrsetOf(node, TYPE.NS)) return false;
    if (rrsetOf(node, TYPE.DNAME)) return false;
  }
  return true;
}
