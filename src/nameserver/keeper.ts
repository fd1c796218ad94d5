/**
 * Keeps the zones: what is served, what is wanted, and the step from one to the other.
 *
 * A step is always the same: compute the next generation, check it, commit it with its event, change the image, tell the
 * secondaries. A refused one is recorded once and changes nothing; what it wanted stays wanted, so the next good state
 * of the inventory goes through by itself. While a person holds an older generation, nothing is stepped.
 */
import { Assembly } from '../dns/assembly.ts';
import { checkGeneration, type Fault } from '../dns/check.ts';
import { contribute, type DnsPlan, NOTHING } from '../dns/generate.ts';
import {
  contentOf,
  type NextGeneration,
  nextGeneration,
  nextSerial,
  returnTo,
  rewind,
} from '../dns/generation.ts';
import { type DnsName, parseName } from '../dns/name.ts';
import type { DnsSource, GenerationStore, NamedMachine, StaticRecord } from '../dns/ports.ts';
import { parseRdata, splitWords } from '../dns/rdata-text.ts';
import { isMetaType, parseType, TYPE } from '../dns/types.ts';
import { ZoneImage, type ZoneSigning } from '../dns/zone-image.ts';
import { makeZone, withSerial, type ZoneDiff, type Zones, zoneFor } from '../dns/zones.ts';
import { AppError } from '../errors.ts';

export interface KeeperOptions {
  readonly plan: DnsPlan;
  readonly store: GenerationStore;
  readonly source: DnsSource;
  readonly shrinkShareMax: number;
  /** What DNSSEC adds; without it no zone is signed. */
  readonly signing?: ZoneSigning | undefined;
  /** The number of the newest event. */
  lastEvent(): number;
  nowSeconds(): number;
  /** After a step: the image is another one (`replaced`) or was changed in place. */
  onServed(change: { replaced: boolean; renewed: boolean; diffs: readonly ZoneDiff[] }): void;
}

/** Zones smaller than this may shrink as they like: half of ten records is a day's work. */
const SHRINK_FLOOR_RECORDS = 50;
const PAGE = 200;

export class Keeper {
  readonly assembly: Assembly;
  private readonly options: KeeperOptions;
  private served: Zones;
  private readonly image: ZoneImage;
  private generation: number;
  private cursor = 0;
  private refusedAs = '';
  private staticFaults: Fault[] = [];
  /** Not before the whole inventory has been read once: half of it would look like a shrunken zone. */
  private filled = false;

  /** Serves the last good generation from here on; the inventory has not been looked at yet. */
  constructor(options: KeeperOptions) {
    this.options = options;
    const loaded = options.store.load();
    this.generation = loaded.generation;
    this.served = loaded.zones;
    this.assembly = new Assembly(options.plan);
    this.image = new ZoneImage(this.served, options.signing);
  }

  get buffer(): SharedArrayBuffer {
    return this.image.writer.buffer;
  }

  zones(): Zones {
    return this.served;
  }

  currentGeneration(): number {
    return this.generation;
  }

  /** Reads the whole inventory, a page at a time so that nobody waits, then takes the first step. */
  async fill(pause: () => Promise<void>): Promise<void> {
    const { source, plan } = this.options;
    this.cursor = this.options.lastEvent();
    const gone = new Set(this.assembly.ownersLike('machine:'));
    for (let after = ''; ; ) {
      const page = source.page(after, PAGE);
      for (const machine of page) {
        gone.delete(ownerOf(machine.hardwarename));
        this.assembly.set(ownerOf(machine.hardwarename), contribute(machine, plan));
      }
      const last: NamedMachine | undefined = page.at(-1);
      if (!last) break;
      after = last.hardwarename;
      await pause();
    }
    for (const owner of gone) this.assembly.set(owner, NOTHING);
    this.readStatics();
    if (!this.filled) for (const name of this.namesServed()) this.assembly.touched.add(name);
    this.filled = true;
    this.step('reconciled with the inventory', false);
  }

  private *namesServed(): IterableIterator<DnsName> {
    for (const zone of this.served.values()) for (const [name] of zone.nodes) yield name;
    yield* this.assembly.names();
  }

  /** Looks at what changed since the last look. @returns whether there may be more */
  follow(): boolean {
    if (!this.filled) return false;
    const { source, plan } = this.options;
    const { eventId, machines } = source.changedSince(this.cursor);
    const more = eventId > this.cursor;
    this.cursor = eventId;
    for (const hardwarename of machines) {
      const machine = source.machine(hardwarename);
      this.assembly.set(ownerOf(hardwarename), machine ? contribute(machine, plan) : NOTHING);
    }
    const cause = machines.length === 1 ? (machines[0] ?? '') : `${machines.length} machines`;
    if (machines.length > 0) this.step(cause, false);
    return more;
  }

  /** @throws AppError DNS_REFUSED for a record that cannot be read */
  addStatic(record: Omit<StaticRecord, 'id'>): StaticRecord {
    const read = readStatic({ ...record, id: '' }, this.options.plan, this.assembly.zones());
    if ('code' in read) throw new AppError('DNS_REFUSED', { detail: `${read.name} ${read.why}.` });
    const stored = this.options.store.addStatic(record);
    this.readStatics();
    const faults = this.step(`record ${record.name} ${record.type} added`, false);
    if (faults.length === 0) return stored;
    this.options.store.removeStatic(stored.id);
    this.readStatics();
    this.step('record taken back', false);
    throw new AppError('DNS_REFUSED', {
      detail: faults.map(({ name, why }) => `${name} ${why}`).join('; '),
    });
  }

  removeStatic(id: string): boolean {
    const removed = this.options.store.removeStatic(id);
    if (removed) {
      this.readStatics();
      this.step(`record ${id} removed`, false);
    }
    return removed;
  }

  private readStatics(): void {
    const { plan, store } = this.options;
    const gone = new Set(this.assembly.ownersLike('record:'));
    this.staticFaults = [];
    for (const record of store.statics()) {
      const read = readStatic(record, plan, this.assembly.zones());
      gone.delete(`record:${record.id}`);
      if ('code' in read) this.staticFaults.push(read);
      else this.assembly.set(`record:${record.id}`, { own: [], shared: [read], zones: [] });
    }
    for (const owner of gone) this.assembly.set(owner, NOTHING);
  }

  /** Takes the step that was refused for shrinking. @throws AppError DNS_REFUSED for any other fault */
  accept(who: string): void {
    const faults = this.step(`accepted by ${who}`, true);
    if (faults.length === 0) return;
    throw new AppError('DNS_REFUSED', {
      detail: faults.map(({ name, why }) => `${name} ${why}`).join('; '),
    });
  }

  /** Serves an older generation's content and holds it. @throws AppError NOT_FOUND */
  rollback(generation: number, who: string): void {
    const { store, plan } = this.options;
    const rows = store.list(-1);
    if (!rows.some(({ id, status }) => id === generation && status === 'served')) {
      throw new AppError('NOT_FOUND', {
        detail: `No generation ${generation} was served and is kept.`,
      });
    }
    const newer = rows.filter(({ id, status }) => id > generation && status === 'served');
    const diffs = newer.flatMap(({ id }) => store.diffs(id));
    const target = rewind(this.served, diffs, plan.soa);
    store.hold(generation);
    this.serve(
      returnTo(this.served, target, this.options.nowSeconds()),
      `rolled back to ${generation} by ${who}`,
    );
  }

  /** Ends a hold: the inventory decides again. */
  resume(who: string): Fault[] {
    this.options.store.hold(undefined);
    for (const name of this.namesServed()) this.assembly.touched.add(name);
    return this.step(`resumed by ${who}`, false);
  }

  /** What would be served next, and what speaks against it. */
  pending(): { diffs: readonly ZoneDiff[]; faults: readonly Fault[] } {
    const next = nextGeneration(this.assembly, this.served, this.options.nowSeconds());
    return { diffs: next.diffs, faults: this.check(next, false) };
  }

  private check(next: NextGeneration, acceptShrink: boolean): Fault[] {
    const { assembly, options } = this;
    const first = this.generation === 0;
    return [
      ...assembly.clashes(),
      ...this.staticFaults,
      ...checkGeneration(
        {
          before: this.served,
          after: next.zones,
          diffs: next.diffs,
          pointers: (target) => assembly.pointers(target),
        },
        {
          shrinkShareMax: options.shrinkShareMax,
          shrinkFloor: SHRINK_FLOOR_RECORDS,
          acceptShrink: acceptShrink || first,
        },
      ),
    ];
  }

  /** @returns the faults that speak against it; none: it is served, or nothing changed, or a generation is held */
  private step(cause: string, acceptShrink: boolean): Fault[] {
    const { options, assembly } = this;
    if (!this.filled || options.store.held() !== undefined) return [];
    const next = this.withNewSoa(nextGeneration(assembly, this.served, options.nowSeconds()));
    const faults = this.check(next, acceptShrink);
    if (faults.length > 0) {
      const as = JSON.stringify(faults);
      if (as !== this.refusedAs) {
        options.store.commit({ cause, status: 'refused', faults }, next.diffs, this.served);
      }
      this.refusedAs = as;
      return faults;
    }
    this.refusedAs = '';
    assembly.touched.clear();
    if (next.diffs.length > 0) this.serve(next, cause);
    return [];
  }

  /** Zones whose SOA says something else than the configuration now (a new contact, other timers). */
  private withNewSoa(next: NextGeneration): NextGeneration {
    const { soa } = this.options.plan;
    const as = JSON.stringify(soa);
    const old = [...next.zones.values()].filter((zone) => JSON.stringify(zone.soa) !== as);
    if (old.length === 0) return next;
    const zones = new Map(next.zones);
    const diffs = [...next.diffs];
    const touched = new Set(next.touched);
    for (const zone of old) {
      const serial = nextSerial(zone.serial, this.options.nowSeconds());
      zones.set(zone.name, makeZone({ name: zone.name, soa, serial }, contentOf(zone)));
      touched.add(zone.name);
      const at = diffs.findIndex((diff) => diff.zone === zone.name);
      const diff = diffs[at] ?? { zone: zone.name, from: zone.serial, removed: [], added: [] };
      diffs.splice(at < 0 ? diffs.length : at, at < 0 ? 0 : 1, { ...diff, to: serial });
    }
    return { zones, diffs, touched };
  }

  /**
   * Signed zones say something else although the inventory does not: new keys, or new signatures for secondaries. Their
   * serials move, so that secondaries fetch it; a hold holds content, not this.
   */
  renew(cause: string): void {
    const { signing, nowSeconds } = this.options;
    const zones = new Map(this.served);
    const diffs: ZoneDiff[] = [];
    for (const zone of this.served.values()) {
      if (!signing?.signed(zone.name)) continue;
      const serial = nextSerial(zone.serial, nowSeconds());
      zones.set(zone.name, withSerial(zone, serial));
      const serials = { from: zone.serial, to: serial };
      diffs.push({ zone: zone.name, ...serials, removed: [], added: [] });
    }
    if (diffs.length > 0) {
      this.serve({ zones, diffs, touched: new Set() }, cause, { renewed: true });
    }
  }

  private serve(next: NextGeneration, cause: string, { renewed } = { renewed: false }): void {
    const { store, onServed } = this.options;
    const head = { cause, status: 'served', faults: [] } as const;
    this.generation = store.commit(head, next.diffs, next.zones);
    this.served = next.zones;
    const touched = new Set([...next.touched, ...next.diffs.map(({ zone }) => zone)]);
    const replaced = this.image.update(next.zones, touched);
    onServed({ replaced, renewed, diffs: next.diffs });
  }
}

function ownerOf(hardwarename: string): string {
  return `machine:${hardwarename}`;
}

function readStatic(record: StaticRecord, plan: DnsPlan, zones: ReadonlySet<DnsName>) {
  const fault = (why: string): Fault => ({ code: 'static', name: record.name, why });
  const name = parseName(record.name, plan.domain);
  if (name === undefined) return fault('is no name');
  if (zoneFor(name, zones) === undefined) return fault('lies in no zone of ours');
  const type = parseType(record.type);
  if (type === undefined || isMetaType(type) || type === TYPE.SOA) {
    return fault(`cannot have a record of type '${record.type}'`);
  }
  const words = splitWords(record.data);
  const rdata = words && parseRdata(type, words, plan.domain);
  if (rdata === undefined) return fault(`has data that is not valid for ${record.type}`);
  return { name, type, ttl: record.ttl, rdata };
}
