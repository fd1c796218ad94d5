/**
 * Keeps the zone image in step with a generation of zones.
 *
 * The image is one flat map of names, each in the deepest zone that holds it: at the name of a zone that we serve, the
 * parent's delegation is not written (the child answers), except for DS, which only the parent can answer. Names that
 * exist only because something is below them get an empty node.
 *
 * A change rewrites the touched names and nothing else. What would take long is done beside the image that is served, a
 * slice at a time, because the thread that does it also answers DHCP: a successor is filled with every name, gets the
 * changes of the meantime, and takes over when it shows the last of them. While there is still room, readers see those
 * changes in the old image too (`behind` is false). A change that the old image has no room for, that touches more names
 * than a moment allows, or by which a delegation to somebody else comes or goes, is seen with the successor: readers have
 * one whole generation until then, never a mixture.
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
/** What a name is taken to need in an image that is sized before it is written. */
const NAME_BYTES = 128;
/** Names that one slice writes: under five milliseconds. */
const SLICE_NAMES = 256;
/** Names that a change writes at once; readers wait for the writing, some milliseconds. */
const AT_ONCE_NAMES = 2048;
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

/** An image with the numbers that its zones have in it. */
interface Numbered {
  readonly writer: ImageWriter;
  readonly numbers: Map<DnsName, number>;
}

interface Successor extends Numbered {
  /** Names that were there when it was begun. */
  readonly left: Iterator<DnsName>;
  readonly changed: Set<DnsName>;
  /** Walks `changed` as it grows. */
  readonly changedLeft: Iterator<DnsName>;
}

/** What a name is to hold, its zone by name. */
interface Content extends Omit<ImageNode, 'zone'> {
  readonly zone: DnsName;
}

export class ZoneImage {
  private shown: Numbered;
  private zones: Zones;
  private readonly signing: ZoneSigning;
  /** How many names with records are below a name, inside its zone. */
  private readonly below = new Map<DnsName, number>();
  private successor: Successor | undefined;
  private isBehind = false;

  constructor(zones: Zones, signing: ZoneSigning = UNSIGNED) {
    this.zones = zones;
    this.signing = signing;
    this.shown = this.build();
  }

  /** The image that readers are to have. */
  get writer(): ImageWriter {
    return this.shown.writer;
  }

  /** Readers do not see the last `update` yet; they do once `advance` has said that another image took over. */
  get behind(): boolean {
    return this.isBehind;
  }

  /** Makes the image show `zones`; `touched` are the names that may differ, each with every zone that has or had it. */
  update(zones: Zones, touched: ReadonlySet<DnsName>): void {
    const before = this.zones;
    this.zones = zones;
    const dirty = this.recount(before, touched);
    // What is below a delegation changes with it, and is not among the touched.
    if ([...touched].some((name) => isCut(before, name) !== isCut(zones, name))) {
      this.successor = this.succeed();
      this.isBehind = true;
      return;
    }
    if (!this.isBehind) this.isBehind = !this.patch(dirty);
    if (this.successor) for (const name of dirty) this.successor.changed.add(name);
    else if (this.isBehind || this.writer.nearlyFull) this.successor = this.succeed();
  }

  /** @returns false when that would take too long, or there is no room: then nothing is written */
  private patch(dirty: ReadonlySet<DnsName>): boolean {
    const { shown } = this;
    if (dirty.size > AT_ONCE_NAMES) return false;
    const nodes = [...dirty].map((name) => [name, this.node(name)] as const);
    const bytes = nodes.reduce((sum, [name, node]) => sum + (node ? sizeOf(name, node) : 0), 0);
    for (const [, node] of nodes) if (node) numberOf(shown, node.zone);
    if (!hasRoom(shown, nodes.length, bytes)) return false;
    const names = nodes.map(([name]) => name);
    const staged = nodes.map(([name, node]) => (node ? stage(shown, name, node) : 0));
    const { writer } = shown;
    writer.begin();
    try {
      for (let i = 0; i < names.length; i++) {
        const at = staged[i] ?? 0;
        if (at !== 0) writer.link(at);
        else writer.unlink(names[i] ?? '');
      }
    } finally {
      // Readers wait for this: without it they would wait for ever.
      writer.end();
    }
    return true;
  }

  /**
   * Fills the next slice of the successor.
   * @returns `replaced` when it took over: readers must be handed it
   */
  advance(): 'idle' | 'more' | 'replaced' {
    const { successor } = this;
    if (!successor) return 'idle';
    for (let count = 0; count < SLICE_NAMES; count++) {
      const name = nextName(successor);
      if (name === undefined) {
        this.shown = successor;
        this.successor = undefined;
        this.isBehind = false;
        return 'replaced';
      }
      const node = this.node(name);
      if (node) numberOf(successor, node.zone);
      if (!hasRoom(successor, 1, node ? sizeOf(name, node) : 0)) {
        // It was sized for fewer: the next one has more room.
        this.successor = this.succeed(successor.writer.roomBytes * 2);
        return 'more';
      }
      write(successor, name, node);
    }
    return 'more';
  }

  private succeed(bytesMin = 0): Successor {
    let names = this.below.size;
    for (const zone of this.zones.values()) names += zone.nodes.size;
    const bytes = Math.max(bytesMin, this.writer.liveBytes, names * NAME_BYTES);
    const changed = new Set<DnsName>();
    const left = everyName(this.zones, this.below);
    return { ...this.room(names, bytes), left, changed, changedLeft: changed.values() };
  }

  private room(names: number, bytes: number): Numbered {
    const image = createImage({
      names: Math.ceil(names * SPARE_FACTOR) + 1024,
      arenaBytes: Math.ceil(bytes * SPARE_FACTOR) + SPARE_BYTES,
      zones: Math.max(ZONES_ROOM, this.zones.size * 2),
    });
    return { writer: new ImageWriter(image), numbers: new Map() };
  }

  /** Adjusts the counts of names below, and says which nodes must be written. */
  private recount(before: Zones, touched: ReadonlySet<DnsName>): Set<DnsName> {
    const dirty = new Set<DnsName>();
    const moved = !sameKeys(before, this.zones);
    for (const name of touched) {
      dirty.add(name);
      const had = hasRecords(before, name) ? between(name, before) : [];
      const has = hasRecords(this.zones, name) ? between(name, this.zones) : [];
      for (const above of had) this.count(above, -1, dirty);
      for (const above of has) this.count(above, 1, dirty);
      // An empty name that stays may be in another zone now.
      if (moved) for (const above of has) dirty.add(above);
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
  private node(name: DnsName): Content | undefined {
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
    return { flags, zone: zone.name, rrsets };
  }

  private parentDs(name: DnsName): ZoneNode {
    const above = parentOf(name);
    const parent = above === undefined ? undefined : zoneFor(above, this.zones);
    const node = parent === undefined ? undefined : this.zones.get(parent)?.nodes.get(name);
    const ds = rrsetOf(node, TYPE.DS);
    if (ds) return [ds];
    return parent === undefined ? [] : [...this.signing.delegationSets(name)];
  }

  private build(): Numbered {
    this.below.clear();
    const names = new Set<DnsName>();
    for (const zone of this.zones.values()) for (const [name] of zone.nodes) names.add(name);
    for (const name of [...names]) {
      for (const above of between(name, this.zones)) this.count(above, 1, names);
    }
    let bytes = 0;
    for (const name of names) {
      const node = this.node(name);
      if (node) bytes += sizeOf(name, node);
    }
    const built = this.room(names.size, bytes);
    for (const name of names) write(built, name, this.node(name));
    return built;
  }
}

function numberOf({ numbers }: Numbered, zone: DnsName): number {
  const known = numbers.get(zone);
  if (known !== undefined) return known;
  numbers.set(zone, numbers.size);
  return numbers.size - 1;
}

function hasRoom({ writer, numbers }: Numbered, names: number, bytes: number): boolean {
  return numbers.size <= writer.zoneRoom && writer.hasRoom(names, bytes);
}

function stage(into: Numbered, name: DnsName, node: Content): number {
  return into.writer.stage(name, { ...node, zone: numberOf(into, node.zone) });
}

/** Into an image that nobody reads yet. */
function write(into: Numbered, name: DnsName, node: Content | undefined): void {
  if (node) into.writer.link(stage(into, name, node));
  else into.writer.unlink(name);
}

function nextName({ left, changedLeft, changed }: Successor): DnsName | undefined {
  const old = left.next();
  if (!old.done) return old.value;
  const next = changedLeft.next();
  if (next.done) return undefined;
  // Should it change again, it is walked again.
  changed.delete(next.value);
  return next.value;
}

function sameKeys(a: Zones, b: Zones): boolean {
  if (a.size !== b.size) return false;
  for (const name of a.keys()) if (!b.has(name)) return false;
  return true;
}

/** Walked while they change: what comes or goes in the meantime is among the changed. */
function* everyName(zones: Zones, below: ReadonlyMap<DnsName, number>): IterableIterator<DnsName> {
  for (const zone of zones.values()) for (const [name] of zone.nodes) yield name;
  yield* below.keys();
}

function sizeOf(name: DnsName, { rrsets }: Content): number {
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
