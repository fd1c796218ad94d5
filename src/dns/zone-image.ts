/**
 * Keeps the zone image in step with a generation of zones.
 *
 * The image is one flat map of names, each in the deepest zone that holds it: at the name of a zone that we serve, the
 * parent's delegation is not written (the child answers), except for DS, which only the parent can answer. Names that
 * exist only because something is below them get an empty node. A change rewrites the touched names and nothing else;
 * when the image has no room, or a delegation to somebody else comes or goes, it is built anew.
 */
import {
  createImage,
  type ImageNode,
  type ImageRrset,
  ImageWriter,
  NEGATIVE_SOA,
  NODE,
  nodeBytes,
} from './image.ts';
import { type DnsName, parentOf } from './name.ts';
import { TYPE } from './types.ts';
import { type Rrset, rrsetOf, type ZoneNode, type Zones, zoneFor } from './zones.ts';

/** Zones that an image can number before it is built anew. */
const ZONES_ROOM = 4096;
/** Spare room of a new image: for changes until the next one is due. */
const SPARE_FACTOR = 1.5;
const SPARE_BYTES = 4 * 1024 * 1024;
const WILDCARD = '\x01*';

/** What signing adds to zones. Whether a zone is signed does not change while the image lives; its keys do. */
export interface ZoneSigning {
  signed(zone: DnsName): boolean;
  /** DNSKEY, CDS and CDNSKEY of a signed zone. */
  apexSets(zone: DnsName): readonly Rrset[];
  /** What a parent that is ours has at the delegation of a zone of ours; nothing for one that is not signed. */
  delegationSets(zone: DnsName): readonly Rrset[];
}

export const UNSIGNED: ZoneSigning = {
  signed: () => false,
  apexSets: () => [],
  delegationSets: () => [],
};

export class ZoneImage {
  writer: ImageWriter;
  private zones: Zones;
  private readonly signing: ZoneSigning;
  private readonly numbers = new Map<DnsName, number>();
  /** How many names with records are below a name, inside its zone. */
  private readonly below = new Map<DnsName, number>();

  constructor(zones: Zones, signing: ZoneSigning = UNSIGNED) {
    this.zones = zones;
    this.signing = signing;
    this.writer = this.build();
  }

  /**
   * Makes the image show `zones`; `touched` are the names that may differ, each with every zone that has or had it.
   * @returns true when the image is another one now, which readers must be handed
   */
  update(zones: Zones, touched: ReadonlySet<DnsName>): boolean {
    const before = this.zones;
    this.zones = zones;
    if (!this.canPatch(before, touched)) {
      this.writer = this.build();
      return true;
    }
    const dirty = this.recount(before, touched);
    const nodes = [...dirty].map((name) => [name, this.node(name)] as const);
    const bytes = nodes.reduce((sum, [name, node]) => sum + (node ? sizeOf(name, node) : 0), 0);
    if (!this.writer.hasRoom(nodes.length, bytes)) {
      this.writer = this.build();
      return true;
    }
    this.writer.begin();
    for (const [name, node] of nodes) {
      if (node) this.writer.put(name, node);
      else this.writer.remove(name);
    }
    this.writer.end();
    return false;
  }

  /** A foreign delegation changes what every name below it is; a zone more than the table has changes all. */
  private canPatch(before: Zones, touched: ReadonlySet<DnsName>): boolean {
    for (const name of this.zones.keys()) if (!this.numbers.has(name)) this.number(name);
    if (this.numbers.size > ZONES_ROOM) return false;
    for (const name of touched) {
      if (isCut(before, name) !== isCut(this.zones, name)) return false;
      if (before.has(name) !== this.zones.has(name) && zoneFor(name, before) !== undefined) {
        // A zone that comes or goes inside another re-homes what is below it.
        if ((this.below.get(name) ?? 0) > 0) return false;
      }
    }
    return true;
  }

  private number(name: DnsName): number {
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    const number = this.numbers.size;
    this.numbers.set(name, number);
    return number;
  }

  /** Adjusts the counts of names below, and says which nodes must be written. */
  private recount(before: Zones, touched: ReadonlySet<DnsName>): Set<DnsName> {
    const dirty = new Set<DnsName>();
    for (const name of touched) {
      dirty.add(name);
      const had = hasRecords(before, name);
      const has = hasRecords(this.zones, name);
      if (had) for (const above of between(name, before)) this.count(above, -1, dirty);
      if (has) for (const above of between(name, this.zones)) this.count(above, 1, dirty);
      if (name.startsWith(WILDCARD)) dirty.add(name.slice(2) as DnsName);
    }
    return dirty;
  }

  private count(name: DnsName, by: number, dirty: Set<DnsName>): void {
    const was = this.below.get(name) ?? 0;
    const is = was + by;
    if (is === 0) this.below.delete(name);
    else this.below.set(name, is);
    if (was === 0 || is === 0) dirty.add(name);
  }

  /** What the image should hold for a name now; `undefined` for nothing. */
  private node(name: DnsName): ImageNode | undefined {
    const { zones } = this;
    const zoneName = zoneFor(name, zones);
    const zone = zoneName === undefined ? undefined : zones.get(zoneName);
    if (!zone) return undefined;
    const node = zone.nodes.get(name);
    if (!node && !this.below.has(name)) return undefined;
    const rrsets: ImageRrset[] = [...(node ?? [])];
    let flags = cutFlags(name, node, zones);
    if ((flags & NODE.glue) === 0 && this.signing.signed(zone.name)) flags |= NODE.signed;
    if (name === zone.name) {
      flags |= NODE.apex;
      rrsets.push(...this.parentDs(name), ...this.signing.apexSets(name));
      const soa = rrsetOf(node, TYPE.SOA);
      const ttl = Math.min(zone.soa.ttl, zone.soa.minimum);
      if (soa) rrsets.push({ type: NEGATIVE_SOA, ttl, rdatas: soa.rdatas });
    }
    if (zone.nodes.get((WILDCARD + name) as DnsName)) flags |= NODE.wildcardChild;
    if (rrsetOf(node, TYPE.CNAME)) flags |= NODE.cname;
    if (rrsetOf(node, TYPE.DNAME)) flags |= NODE.dname;
    return { flags, zone: this.number(zone.name), rrsets };
  }

  private parentDs(name: DnsName): ZoneNode {
    const above = parentOf(name);
    const parent = above === undefined ? undefined : zoneFor(above, this.zones);
    const node = parent === undefined ? undefined : this.zones.get(parent)?.nodes.get(name);
    const ds = rrsetOf(node, TYPE.DS);
    if (ds) return [ds];
    return parent === undefined ? [] : [...this.signing.delegationSets(name)];
  }

  private build(): ImageWriter {
    this.numbers.clear();
    this.below.clear();
    const names = new Set<DnsName>();
    for (const [zoneName, zone] of this.zones) {
      this.number(zoneName);
      for (const [name] of zone.nodes) names.add(name);
    }
    for (const name of [...names]) {
      for (const above of between(name, this.zones)) this.count(above, 1, names);
    }
    let bytes = 0;
    for (const name of names) {
      const node = this.node(name);
      if (node) bytes += sizeOf(name, node);
    }
    const writer = new ImageWriter(
      createImage({
        names: Math.ceil(names.size * SPARE_FACTOR) + 1024,
        arenaBytes: Math.ceil(bytes * SPARE_FACTOR) + SPARE_BYTES,
        zones: Math.max(ZONES_ROOM, this.numbers.size * 2),
      }),
    );
    for (const name of names) {
      const node = this.node(name);
      if (node) writer.put(name, node);
    }
    return writer;
  }
}

function sizeOf(name: DnsName, { rrsets }: ImageNode): number {
  return nodeBytes(name, rrsets);
}

function hasRecords(zones: Zones, name: DnsName): boolean {
  for (let at: DnsName | undefined = name; at !== undefined; at = parentOf(at)) {
    if (zones.get(at)?.nodes.get(name)) return true;
  }
  return false;
}

/** The names strictly between a name and the zone above it: those that may be empty non-terminals. */
function between(name: DnsName, zones: Zones): DnsName[] {
  const names: DnsName[] = [];
  for (let at = parentOf(name); at !== undefined; at = parentOf(at)) {
    if (zones.has(at)) return names;
    names.push(at);
  }
  return [];
}

/** NS at a name that is no zone of ours: what is there is somebody else's. */
function isCut(zones: Zones, name: DnsName): boolean {
  if (zones.has(name)) return false;
  const zone = zoneFor(name, zones);
  return zone !== undefined && rrsetOf(zones.get(zone)?.nodes.get(name), TYPE.NS) !== undefined;
}

function cutFlags(name: DnsName, node: ZoneNode | undefined, zones: Zones): number {
  if (zones.has(name)) return 0;
  const own = rrsetOf(node, TYPE.NS) ? NODE.cut : 0;
  for (const above of between(name, zones)) if (isCut(zones, above)) return own | NODE.glue;
  return own;
}
