/**
 * Keeps the zones: what is served, what is wanted, and the step from one to the other.
 *
 * A step is always the same: compute the next generation, check it, commit it with its event, change the image, tell the
 * secondaries. A refused one is recorded once and changes nothing; what it wanted stays wanted, so the next good state
 * of the inventory goes through by itself. While a person holds an older generation, nothing is stepped.
 *
 * Steps of one machine take under a millisecond of the thread that also answers DHCP. What the whole site needs now and
 * then (a comparison with the inventory, a larger image, a snapshot) is done in slices, by `fill` and `advance`.
 */
import { randomBytes } from 'node:crypto';
import { Assembly } from '../dns/assembly.ts';
import { checkGeneration, type Fault } from '../dns/check.ts';
import { contribute, type DnsPlan, NOTHING } from '../dns/generate.ts';
import {
  generationOf,
  leaveUnserved,
  movedOn,
  type NextGeneration,
  nextGeneration,
  returnTo,
  rewind,
  withSoa,
} from '../dns/generation.ts';
import type { DnsName } from '../dns/name.ts';
import { withNetworks } from '../dns/plan.ts';
import type { EditCause, NamedMachine, RecordEdit, StaticRecord } from '../dns/ports.ts';
import { ZoneSizes } from '../dns/shrink.ts';
import { ZoneImage } from '../dns/zone-image.ts';
import type { Zones } from '../dns/zones.ts';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { KeeperOptions, Pending, Served } from './keeper-parts.ts';
import { refusal, Statics } from './statics.ts';

/** Zones smaller than this may shrink as they like: half of ten records is a day's work. */
const SHRINK_FLOOR_RECORDS = 50;
/** Machines that are read before others have their turn: a millisecond's work. */
const PAGE = 25;
/** Names that are compared before others have their turn. */
const NAMES_PIECE = 500;
/** With more names waiting than this, a refused generation is not looked at anew at each change. */
const HEAVY_NAMES = 2000;
const NOT_FILLED = 'The inventory is still being read: try again in a moment.';
/** What a person removes is no loss to ask about. */
const AS_A_PERSON_SAYS = { shrinkShareMax: 1, shrinkFloor: 0, acceptShrink: true };

export class Keeper {
  readonly assembly: Assembly;
  private readonly options: KeeperOptions;
  private served: Zones;
  private seen: Zones;
  private image: ZoneImage;
  private generation: number;
  private cursor = 0;
  private refusedAs = '';
  private readonly statics: Statics;
  /** Not before the whole inventory has been read once: half of it would look like a shrunken zone. */
  private filled = false;
  private readonly sizes = new ZoneSizes(limit('dnsShrinkWindowMs') / 1000);
  /** Steps that are committed, and that the image does not show yet. */
  private unseen: Served[] = [];
  private postponed = false;
  private stale = false;
  private looked: { at: string; next: Pending } | undefined;

  /** Serves the last good generation from here on; the inventory has not been looked at yet. */
  constructor(options: KeeperOptions) {
    this.options = options;
    const loaded = options.store.load();
    this.generation = loaded.generation;
    this.served = loaded.zones;
    this.seen = loaded.zones;
    this.assembly = new Assembly(withNetworks(options.plan, options.source.networks()));
    this.statics = new Statics(options.plan, this.assembly);
    this.image = new ZoneImage(this.served, options.signing);
  }

  get buffer(): SharedArrayBuffer {
    return this.image.writer.buffer;
  }

  zones(): Zones {
    return this.served;
  }

  /** What the image shows: a larger step is committed a while before, and `onServed` tells of it when it is seen. */
  shown(): Zones {
    return this.seen;
  }

  currentGeneration(): number {
    return this.generation;
  }

  /** Serves the last good generation of the store anew: another appliance's, of which this one has a copy. */
  reload(): void {
    const loaded = this.options.store.load();
    if (loaded.generation === this.generation) return;
    this.generation = loaded.generation;
    this.served = loaded.zones;
    this.seen = loaded.zones;
    this.image = new ZoneImage(this.served, this.options.signing);
    this.options.onImage(this.buffer);
  }

  /** Reads the whole inventory, a page at a time so that nobody waits, then takes the first step. */
  async fill(pause: () => Promise<void>): Promise<void> {
    const { source } = this.options;
    this.cursor = this.options.lastEvent();
    this.stale = false;
    const plan = withNetworks(this.options.plan, source.networks());
    const as = ({ networks }: DnsPlan) => JSON.stringify(networks);
    if (as(plan) !== as(this.assembly.plan)) this.assembly.usePlan(plan);
    const there = new Set<string>();
    for (let after = ''; ; ) {
      const page = source.page(after, PAGE);
      for (const machine of page) {
        there.add(ownerOf(machine.hardwarename));
        this.assembly.set(ownerOf(machine.hardwarename), contribute(machine, plan));
      }
      const last: NamedMachine | undefined = page.at(-1);
      if (!last) break;
      after = last.hardwarename;
      await pause();
    }
    let left = NAMES_PIECE;
    for (const owner of this.assembly.ownersLike(MACHINE)) {
      // One that came behind the page that would have shown it is there all the same.
      const gone = !there.has(owner) && !source.machine(owner.slice(MACHINE.length));
      if (gone) this.assembly.set(owner, NOTHING);
      if (--left > 0) continue;
      left = NAMES_PIECE;
      await pause();
    }
    this.statics.read(this.options.store.statics());
    if (!this.filled) await leaveUnserved(this.assembly, this.served, pause);
    this.filled = true;
    this.step('reconciled with the inventory', false);
  }

  /** A change concerns all machines: the whole inventory is to be read again (`fill`). */
  get outdated(): boolean {
    return this.stale;
  }

  /**
   * Does a slice of what needs no answer at once: the next image, the next snapshot.
   * @returns whether there is more to do
   */
  advance(): boolean {
    const { options, image } = this;
    const did = image.advance();
    if (did === 'replaced') {
      options.onImage(this.buffer);
      const unseen = this.unseen;
      this.unseen = [];
      this.seen = this.served;
      const renewed = unseen.some((change) => change.renewed);
      // In one go: who takes them up finds the zones as they are after the last of them.
      if (unseen.length > 0) {
        options.onServed({ renewed, diffs: unseen.flatMap(({ diffs }) => diffs) });
      }
    }
    return options.store.advance() || did === 'more';
  }

  /** Looks at what changed since the last look. @returns whether there may be more */
  follow(): boolean {
    if (!this.filled) return false;
    const { source } = this.options;
    const { plan } = this.assembly;
    const { eventId, machines, networks } = source.changedSince(this.cursor);
    this.stale ||= networks;
    const more = eventId > this.cursor;
    this.cursor = eventId;
    for (const hardwarename of machines) {
      const machine = source.machine(hardwarename);
      this.assembly.set(ownerOf(hardwarename), machine ? contribute(machine, plan) : NOTHING);
    }
    const cause = machines.length === 1 ? (machines[0] ?? '') : `${machines.length} machines`;
    if (machines.length > 0 && this.heavy) this.postponed = true;
    else if (machines.length > 0) this.step(cause, false);
    return more;
  }

  private get heavy(): boolean {
    return this.refusedAs !== '' && this.assembly.touched.size > HEAVY_NAMES;
  }

  /** Looks again at a large generation that was refused, if the inventory changed since; to be called now and then. */
  again(): void {
    if (this.postponed) this.step('the inventory changed', false);
  }

  /** Adds a record of a person's. @throws AppError DNS_REFUSED, with nothing kept */
  addStatic(record: Omit<StaticRecord, 'id'>, cause: EditCause): StaticRecord {
    const after = { ...record, id: randomBytes(6).toString('hex') };
    this.edit({ ...cause, after });
    return after;
  }

  /** @returns false when there is none with this id. @throws AppError DNS_REFUSED when something points to it */
  removeStatic(id: string, cause: EditCause): boolean {
    const before = this.options.store.statics().find((record) => record.id === id);
    if (before) this.edit({ ...cause, before });
    return before !== undefined;
  }

  /**
   * A person's change: checked against what is served, then kept in one transaction with the generation that shows it. It
   * does not wait for what the inventory wants, and is no loss to ask about: a person has said so. While a generation is
   * held it is kept only, like what the inventory wants.
   */
  private edit(edit: RecordEdit): void {
    const { options, assembly } = this;
    const { store } = options;
    if (!this.filled) throw new AppError('DNS_REFUSED', { detail: NOT_FILLED });
    const { names, undo } = this.statics.stage(edit, new Set(this.served.keys()));
    try {
      const next = generationOf(assembly, { before: this.served, names }, options.nowSeconds());
      const faults = checkGeneration({ ...this.change(next), largest: () => 0 }, AS_A_PERSON_SAYS);
      if (faults.length > 0) throw refusal(faults);
      const { name, type } = edit.after ?? edit.before ?? { name: '', type: '' };
      const cause = `record ${name} ${type} ${edit.after ? 'added' : 'removed'} by ${edit.who}`;
      if (next.diffs.length === 0 || store.held() !== undefined) store.edit(edit);
      else this.serve(next, cause, { edit });
    } catch (error) {
      undo();
      throw error;
    }
    this.statics.read(store.statics());
    // What only this stood against.
    if (this.heavy) this.postponed = true;
    else this.step(`a record was changed by ${edit.who}`, false);
  }

  /** Takes the step that was refused for shrinking. @throws AppError DNS_REFUSED for any other fault, or while held */
  accept(who: string): void {
    const held = this.options.store.held();
    if (held !== undefined) {
      throw new AppError('DNS_REFUSED', { detail: `Generation ${held} is held: resume first.` });
    }
    const faults = this.step(`accepted by ${who}`, true);
    if (faults.length > 0) throw refusal(faults);
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
    const next = returnTo(
      { current: this.served, target, between: diffs },
      this.options.nowSeconds(),
    );
    this.serve(next, `rolled back to ${generation} by ${who}`, { hold: generation });
    this.sizes.forget();
    // What the inventory wants instead, once it decides again.
    for (const name of next.touched) this.assembly.touched.add(name);
  }

  /** Ends a hold: the inventory decides again. */
  resume(who: string): Fault[] {
    this.options.store.resume();
    return this.step(`resumed by ${who}`, false);
  }

  /** What would be served next, and what speaks against it; of a large one that was refused, as of the last minute. */
  pending(): Pending {
    const now = this.options.nowSeconds();
    const version = () => (this.heavy ? 'large' : this.assembly.version);
    const at = () => `${this.generation} ${version()} ${Math.floor(now / 60)}`;
    if (this.looked?.at !== at()) {
      const found = nextGeneration(this.assembly, this.served, now);
      const pending = { diffs: found.diffs, faults: this.check(found, false) };
      this.looked = { at: at(), next: pending };
    }
    return this.looked.next;
  }

  private check(next: NextGeneration, acceptShrink: boolean): Fault[] {
    const { assembly, options } = this;
    const first = this.generation === 0;
    return [
      ...assembly.clashes(),
      ...this.statics.faults,
      ...checkGeneration(
        { ...this.change(next), largest: (zone) => this.sizes.largest(zone, this.served) },
        {
          shrinkShareMax: options.shrinkShareMax,
          shrinkFloor: SHRINK_FLOOR_RECORDS,
          acceptShrink: acceptShrink || first,
        },
      ),
    ];
  }

  private change({ zones, diffs }: NextGeneration) {
    const pointers = (target: DnsName) => this.assembly.pointers(target);
    return { after: zones, diffs, pointers };
  }

  /** @returns the faults that speak against it; none: it is served, or nothing changed, or a generation is held */
  private step(cause: string, acceptShrink: boolean): Fault[] {
    const { options, assembly } = this;
    this.postponed = false;
    if (!this.filled || options.store.held() !== undefined) return [];
    const now = options.nowSeconds();
    const next = withSoa(nextGeneration(assembly, this.served, now), options.plan.soa, now);
    const faults = this.check(next, acceptShrink);
    if (faults.length > 0) {
      // Not by the numbers that it names: those move with every change while one mistake lasts.
      const as = JSON.stringify(faults.map(({ code, name }) => [code, name]).sort());
      if (as !== this.refusedAs) {
        options.store.commit({ cause, status: 'refused', faults }, next.diffs, this.served);
      }
      this.refusedAs = as;
      return faults;
    }
    this.refusedAs = '';
    // A commit that fails (a full disk) leaves all as it was, to be tried again.
    this.postponed = true;
    if (next.diffs.length > 0) this.serve(next, cause);
    this.postponed = false;
    assembly.touched.clear();
    if (acceptShrink) this.sizes.forget();
    return [];
  }

  /**
   * Signed zones say something else although the inventory does not: new keys, or new signatures for secondaries. Their
   * serials move, so that secondaries fetch it; a hold holds content, not this.
   */
  renew(cause: string): void {
    const next = movedOn(this.served, this.signedOf(this.served), {
      nowSeconds: this.options.nowSeconds(),
    });
    if (next.diffs.length > 0) this.serve(next, cause, { renewed: true });
  }

  /** To be called before anybody is answered: zones that are signed otherwise than before the start move on. */
  settleSigned(): void {
    const { store, nowSeconds } = this.options;
    const before = new Set(store.signed());
    const now = new Set(this.signedOf(this.served));
    const changed = [...this.served.keys()].filter((zone) => before.has(zone) !== now.has(zone));
    if (changed.length === 0) return;
    const next = movedOn(this.served, changed, { nowSeconds: nowSeconds(), cut: true });
    this.serve(next, 'zones are signed that were not, or no longer', { renewed: true });
  }

  private signedOf(zones: Zones): DnsName[] {
    return [...zones.keys()].filter((zone) => this.options.signing?.signed(zone));
  }

  private serve(
    next: NextGeneration,
    cause: string,
    { renewed = false, hold, edit }: { renewed?: boolean; hold?: number; edit?: RecordEdit } = {},
  ): void {
    const { options, image, served } = this;
    const comeOrGone = next.diffs.some(({ from, to }) => from === undefined || to === undefined);
    const signed = renewed || comeOrGone ? this.signedOf(next.zones) : undefined;
    const head = { cause, status: 'served', faults: [], hold, signed, edit } as const;
    this.generation = options.store.commit(head, next.diffs, next.zones);
    if (edit) this.sizes.lessen(next.diffs);
    else this.sizes.note(served, next.diffs, options.nowSeconds());
    this.served = next.zones;
    image.update(next.zones, new Set([...next.touched, ...next.diffs.map(({ zone }) => zone)]));
    const change = { renewed, diffs: next.diffs };
    if (image.behind) this.unseen.push(change);
    else {
      this.seen = next.zones;
      options.onServed(change);
    }
    options.onWork();
  }
}

const MACHINE = 'machine:';

function ownerOf(hardwarename: string): string {
  return `${MACHINE}${hardwarename}`;
}
