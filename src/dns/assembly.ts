/**
 * The assembly: who contributes which records, and what each name should therefore hold.
 *
 * Owners (machines, the site, static records) are set one by one; the assembly remembers which names that touched since
 * the last generation, so that a change of one machine costs one machine. It decides nothing about serving: what it
 * wants is checked first (check.ts), and what is refused stays touched.
 */
import type { Fault } from './check.ts';
import { mustExist } from './check.ts';
import { type Contribution, type DnsPlan, NOTHING } from './generate.ts';
import { type DnsName, formatName } from './name.ts';
import { targetOf } from './rdata.ts';
import { delegation, recordsOfZone, siteRecords, standingZones } from './site.ts';
import { SpreadMap } from './spread-map.ts';
import { TYPE } from './types.ts';
import { nodeOf, type ZoneNode, type ZoneRecord } from './zones.ts';

const SITE = '@site';

function ownerOfZone(zone: DnsName): string {
  return `${SITE} ${formatName(zone)}`;
}

export class Assembly {
  private current: DnsPlan;
  /** Names whose wanted content may differ from what is served. */
  readonly touched = new Set<DnsName>();
  /** Differs after each change of what is wanted. */
  version = 0;
  private readonly contributions = new SpreadMap<string, Contribution>();
  /** Who has records at a name: nearly always one owner, at an alias of a role thousands. */
  private readonly owners = new SpreadMap<DnsName, string | Set<string>>();
  private readonly pointing = new SpreadMap<DnsName, DnsName[]>();
  /** How many owners need a zone. */
  private readonly needed = new Map<DnsName, number>();
  private readonly clashing = new Set<DnsName>();
  private zoneSet: ReadonlySet<DnsName> | undefined;
  /** Zones that have contributed what there is because of them. */
  private settled: ReadonlySet<DnsName> = new Set();

  constructor(plan: DnsPlan) {
    this.current = plan;
    this.setSite();
  }

  get plan(): DnsPlan {
    return this.current;
  }

  /** Another plan; what the owners contribute under it is theirs to say anew. */
  usePlan(plan: DnsPlan): void {
    this.current = plan;
    this.zoneSet = undefined;
    this.version += 1;
    this.setSite();
  }

  /** Replaces what an owner contributes; `NOTHING` for one that is gone. */
  set(owner: string, contribution: Contribution): void {
    const before = this.contributions.get(owner) ?? NOTHING;
    if (sameContribution(before, contribution)) return;
    this.version += 1;
    this.contributions.delete(owner);
    for (const record of recordsIn(before)) this.forget(owner, record);
    if (contribution.own.length + contribution.shared.length > 0) {
      this.contributions.set(owner, contribution);
    }
    for (const record of recordsIn(contribution)) this.note(owner, record);
    this.need(before.zones, -1);
    this.need(contribution.zones, 1);
  }

  contributionOf(owner: string): Contribution {
    return this.contributions.get(owner) ?? NOTHING;
  }

  /** Owners whose name begins like this. */
  *ownersLike(prefix: string): IterableIterator<string> {
    for (const owner of this.contributions.keys()) if (owner.startsWith(prefix)) yield owner;
  }

  names(): IterableIterator<DnsName> {
    return this.owners.keys();
  }

  /** The zones that should exist. */
  zones(): ReadonlySet<DnsName> {
    this.zoneSet ??= new Set([...standingZones(this.plan), ...this.needed.keys()]);
    return this.zoneSet;
  }

  /** Recomputes what the site itself contributes, after the set of zones has changed. */
  setSite(): void {
    const zones = this.zones();
    const records = siteRecords(this.plan, zones);
    const isOwn = ({ type }: ZoneRecord) => type === TYPE.A || type === TYPE.AAAA;
    this.set(SITE, {
      own: records.filter(isOwn),
      shared: records.filter((record) => !isOwn(record)),
      zones: [],
    });
    // Each zone is an owner: one that comes or goes among a thousand costs one.
    for (const zone of this.settled) {
      if (!zones.has(zone)) this.set(ownerOfZone(zone), NOTHING);
    }
    for (const zone of zones) {
      if (this.settled.has(zone)) continue;
      this.set(ownerOfZone(zone), { ...NOTHING, shared: recordsOfZone(zone, this.plan) });
    }
    this.settled = zones;
  }

  /** What a name should hold in its own zone; SOA aside. */
  node(name: DnsName): ZoneNode {
    const records: ZoneRecord[] = [];
    for (const owner of this.ownersAt(name)) {
      for (const record of recordsIn(this.contributions.get(owner) ?? NOTHING)) {
        if (record.name === name) records.push(record);
      }
    }
    return nodeOf(records);
  }

  /** What the zone above should hold at the name of a zone. */
  delegationNode(zone: DnsName): ZoneNode {
    return delegation(zone, this.plan);
  }

  ownersOf(name: DnsName): readonly string[] {
    return [...this.ownersAt(name)];
  }

  private ownersAt(name: DnsName): Iterable<string> {
    const owners = this.owners.get(name) ?? [];
    return typeof owners === 'string' ? [owners] : owners;
  }

  pointers(target: DnsName): readonly DnsName[] {
    return this.pointing.get(target) ?? [];
  }

  /** Names that two owners claim for themselves. */
  clashes(): Fault[] {
    for (const name of this.touched) {
      const claims = this.claimsOf(name);
      if (claims.length > 1) this.clashing.add(name);
      else this.clashing.delete(name);
    }
    return [...this.clashing].map((name) => ({
      code: 'duplicate',
      name: formatName(name),
      why: `claimed by ${[...this.claimsOf(name)].sort().join(' and ')}`,
    }));
  }

  private claimsOf(name: DnsName): readonly string[] {
    const owners = this.ownersOf(name);
    if (owners.length < 2) return owners;
    return owners.filter((owner) =>
      this.contributions.get(owner)?.own.some((record) => record.name === name),
    );
  }

  private note(owner: string, { name, type, rdata }: ZoneRecord): void {
    this.touched.add(name);
    const owners = this.owners.get(name);
    if (owners === undefined) this.owners.set(name, owner);
    else if (typeof owners !== 'string') owners.add(owner);
    else if (owners !== owner) this.owners.set(name, new Set([owners, owner]));
    const target = mustExist(type) ? targetOf(type, rdata) : undefined;
    if (target === undefined) return;
    const list = this.pointing.get(target);
    if (list) list.push(name);
    else this.pointing.set(target, [name]);
  }

  private forget(owner: string, { name, type, rdata }: ZoneRecord): void {
    this.touched.add(name);
    const owners = this.owners.get(name);
    if (owners === owner) this.owners.delete(name);
    else if (owners instanceof Set) {
      owners.delete(owner);
      const [last] = owners;
      if (owners.size === 1 && last !== undefined) this.owners.set(name, last);
    }
    const target = mustExist(type) ? targetOf(type, rdata) : undefined;
    const list = target === undefined ? undefined : this.pointing.get(target);
    if (target === undefined || !list) return;
    const at = list.indexOf(name);
    if (at >= 0) list.splice(at, 1);
    if (list.length === 0) this.pointing.delete(target);
  }

  private need(zones: readonly DnsName[], by: number): void {
    for (const zone of zones) {
      const count = (this.needed.get(zone) ?? 0) + by;
      if (count > 0) this.needed.set(zone, count);
      else this.needed.delete(zone);
      if (count === 0 || (by > 0 && count === 1)) this.zoneSet = undefined;
    }
  }
}

function* recordsIn({ own, shared }: Contribution): IterableIterator<ZoneRecord> {
  yield* own;
  yield* shared;
}

function sameContribution(a: Contribution, b: Contribution): boolean {
  return (
    sameRecords(a.own, b.own) &&
    sameRecords(a.shared, b.shared) &&
    a.zones.length === b.zones.length &&
    a.zones.every((zone, i) => zone === b.zones[i])
  );
}

function sameRecords(a: readonly ZoneRecord[], b: readonly ZoneRecord[]): boolean {
  return (
    a.length === b.length &&
    a.every((record, i) => {
      const other = b[i];
      return (
        other?.name === record.name &&
        other.type === record.type &&
        other.ttl === record.ttl &&
        other.rdata === record.rdata
      );
    })
  );
}
