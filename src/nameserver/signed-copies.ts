/**
 * Signed copies of the zones, for secondaries: kept in step with what is served, a little behind it.
 *
 * A copy is made whole once (in pieces, the signatures on another thread), then follows each generation by the names that
 * changed and their neighbours in the chain. Every copy is immutable and has the serial of the generation that it shows;
 * the way from one to the next is kept in memory, so that a secondary that follows gets differences with exactly the
 * signatures that the others have. After a restart, a change of keys or a renewal it fetches the zone whole.
 */
import type { SignatureSubject, SigningKey } from '../dns/dnssec.ts';
import { roleFor } from '../dns/dnssec.ts';
import { type DnsName, formatName } from '../dns/name.ts';
import type { ZoneSteps } from '../dns/ports.ts';
import { ShardMap } from '../dns/shard-map.ts';
import {
  isOccluded,
  nameOfSortKey,
  nextInChain,
  ruledBelow,
  type SignedName,
  type SignedZone,
  setsAt,
  signatureRecord,
  sortKey,
  type ToSign,
  toSign,
  work,
} from '../dns/signed-zone.ts';
import type { SigningKeys } from '../dns/signer.ts';
import { SortedKeys } from '../dns/sorted-keys.ts';
import { TYPE } from '../dns/types.ts';
import type { ZoneSigning } from '../dns/zone-image.ts';
import type { Zone, ZoneDiff, ZoneRecord, Zones } from '../dns/zones.ts';
import { limit } from '../limits.ts';
import type { Log } from '../platform/log.ts';
import { openSignThread } from './sign-thread.ts';

export interface SignedCopiesOptions {
  readonly signing: ZoneSigning;
  keys(): SigningKeys;
  /** The zones that `follow` was told of last, not those that may be on their way already. */
  zones(): Zones;
  nowSeconds(): number;
  readonly log: Log;
  /** A copy shows another serial now. */
  onReady(zone: DnsName): void;
}

export interface SignedCopies {
  /** Takes up what is served now; `anew`: no signature of before is to be used again. */
  follow(diffs: readonly ZoneDiff[], anew: boolean): void;
  of(zone: DnsName): SignedZone | undefined;
  /** From a serial that a copy had to the copy's; `undefined` when that is not known any more. */
  steps(zone: DnsName, fromSerial: number): ZoneSteps | undefined;
  /** When no copy is behind. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

interface Copy {
  zone: SignedZone;
  steps: ZoneDiff[];
}

interface Wanted {
  readonly names: Set<DnsName>;
  anew: boolean;
}

const SKEW_SECONDS = 3600;
/** Names that are looked at, and signatures that are asked for, before others have their turn. */
const PIECE = 200;
const SORT_PIECE = 4000;

export function openSignedCopies(options: SignedCopiesOptions): SignedCopies {
  const copies = new Map<DnsName, Copy>();
  const wanted = new Map<DnsName, Wanted>();
  const thread = openSignThread();
  let working: Promise<void> | undefined;
  let closed = false;

  const run = async (): Promise<void> => {
    const failed = new Set<DnsName>();
    for (;;) {
      const entry = [...wanted].find(([zone]) => !failed.has(zone));
      if (!entry || closed) return;
      const [name, want] = entry;
      wanted.delete(name);
      try {
        await followZone(name, want);
      } catch (err) {
        if (!closed) options.log.error({ err, zone: formatName(name) }, 'a zone was not signed');
        // With the next change it is made whole: what changed meanwhile cannot be told apart any more.
        failed.add(name);
        wanted.set(name, { names: new Set(), anew: true });
      }
    }
  };
  const followZone = async (name: DnsName, want: Wanted): Promise<void> => {
    const zone = options.zones().get(name);
    if (!zone) {
      copies.delete(name);
      return;
    }
    const before = copies.get(name);
    const maker = new Maker(options, zone, thread.sign);
    const rules = [...want.names].some((changed) => ruledBelow(zone, changed));
    const whole = !before || want.anew || rules;
    const next = whole ? await maker.whole() : await maker.changed(before.zone, want.names);
    // Secondaries take a serial for its content: two copies never share one, but for new signatures at a start.
    if (closed || (!whole && next.zone.serial === before.zone.serial)) return;
    copies.set(name, {
      zone: next.zone,
      steps: whole ? [] : [...before.steps, next.diff].slice(-limit('dnsSignedStepsMax')),
    });
    options.onReady(name);
  };

  return {
    follow(diffs, anew) {
      for (const { zone, removed, added } of diffs) {
        if (!options.signing.signed(zone)) continue;
        const want = wanted.get(zone) ?? { names: new Set<DnsName>(), anew: false };
        for (const { name } of removed) want.names.add(name);
        for (const { name } of added) want.names.add(name);
        // A delegation that goes changes what was below it: it is not in the zone to be seen there.
        want.anew ||= anew || removed.some(({ name, type }) => rules(name, type, zone));
        wanted.set(zone, want);
      }
      working ??= run().finally(() => {
        working = undefined;
      });
    },
    of: (zone) => copies.get(zone)?.zone,
    steps(zone, fromSerial) {
      const { steps = [] } = copies.get(zone) ?? {};
      const at = steps.findIndex(({ from }) => from === fromSerial);
      if (at < 0) return undefined;
      const diffs = steps.slice(at);
      const records = diffs.reduce((sum, diff) => sum + 2 + sizeOf(diff), 0);
      return { records, diffs };
    },
    async settled() {
      while (working) await working;
    },
    async close() {
      closed = true;
      await thread.close();
      await working;
    },
  };
}

function sizeOf({ removed, added }: ZoneDiff): number {
  return removed.length + added.length;
}

function rules(name: DnsName, type: number, zone: DnsName): boolean {
  return name !== zone && (type === TYPE.NS || type === TYPE.DNAME);
}

const pause = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Makes one copy of one zone. */
class Maker {
  private readonly options: SignedCopiesOptions;
  private readonly zone: Zone;
  private readonly keys: readonly SigningKey[];
  private readonly times: { inception: number; expiration: number };
  private readonly now: number;
  private readonly sign: ReturnType<typeof openSignThread>['sign'];

  constructor(
    options: SignedCopiesOptions,
    zone: Zone,
    sign: ReturnType<typeof openSignThread>['sign'],
  ) {
    this.options = options;
    this.zone = zone;
    this.sign = sign;
    const { keys, validitySeconds } = options.keys();
    this.keys = keys;
    this.now = options.nowSeconds();
    this.times = { inception: this.now - SKEW_SECONDS, expiration: this.now + validitySeconds };
  }

  async whole(): Promise<{ zone: SignedZone; diff: ZoneDiff }> {
    const { zone } = this;
    const order = await this.ordered();
    let names = ShardMap.from<DnsName, SignedName>([]);
    let records = 0;
    let piece: ToSign[] = [];
    const flush = async () => {
      const signed = new Map(await this.signAll(piece));
      names = names.with(signed);
      for (const { records: own } of signed.values()) records += own.length;
      piece = [];
      await pause();
    };
    for (const [name] of zone.nodes) {
      const next = isOccluded(zone, name) ? undefined : nextInChain(order, name, zone.name);
      piece.push(this.toSign(name, next));
      if (piece.length >= PIECE) await flush();
    }
    await flush();
    const head = { name: zone.name, serial: zone.serial, soa: zone.soa };
    const diff = { zone: zone.name, from: undefined, to: zone.serial, removed: [], added: [] };
    return { zone: asZone({ ...head, names, order, records, signedAt: this.now }), diff };
  }

  async changed(
    before: SignedZone,
    touched: ReadonlySet<DnsName>,
  ): Promise<{ zone: SignedZone; diff: ZoneDiff }> {
    const { zone } = this;
    let { order } = before;
    const dirty = new Set<DnsName>([zone.name, ...touched]);
    for (const name of touched) {
      const key = sortKey(name);
      const is = zone.nodes.get(name) !== undefined && !isOccluded(zone, name);
      if (order.has(key) === is) continue;
      order = order.with(key, is);
      // Who was before it has another name behind it now.
      const previous = order.before(key);
      dirty.add(previous === undefined ? zone.name : nameOfSortKey(previous));
    }
    const todo = [...dirty].filter((name) => zone.nodes.get(name) !== undefined);
    const changes = new Map<DnsName, SignedName | undefined>();
    for (const name of dirty) changes.set(name, undefined);
    for (let from = 0; from < todo.length; from += PIECE) {
      const piece = todo.slice(from, from + PIECE).map((name) => {
        const next = isOccluded(zone, name) ? undefined : nextInChain(order, name, zone.name);
        return this.toSign(name, next);
      });
      for (const [name, signed] of await this.signAll(piece)) changes.set(name, signed);
    }
    const diff = differenceOf(before, changes, zone);
    const records = before.records + diff.added.length - diff.removed.length;
    const head = { name: zone.name, serial: zone.serial, soa: zone.soa, order, records };
    const names = before.names.with(changes);
    return { zone: asZone({ ...head, names, signedAt: before.signedAt }), diff };
  }

  private toSign(name: DnsName, next: DnsName | undefined): ToSign {
    const { zone, options, times } = this;
    const sets = setsAt(zone, options.signing, name);
    return toSign(zone, { name, sets, next }, times);
  }

  /** Sorted in pieces and merged, so that a hundred thousand names hold nobody up. */
  private async ordered(): Promise<SortedKeys> {
    const { zone } = this;
    let runs: string[][] = [];
    let run: string[] = [];
    for (const [name] of zone.nodes) {
      if (!isOccluded(zone, name)) run.push(sortKey(name));
      if (run.length < SORT_PIECE) continue;
      runs.push(run.sort());
      run = [];
      await pause();
    }
    runs.push(run.sort());
    while (runs.length > 1) {
      const merged: string[][] = [];
      for (let i = 0; i < runs.length; i += 2) {
        merged.push(await merge(runs[i] ?? [], runs[i + 1] ?? []));
      }
      runs = merged;
    }
    return SortedKeys.from(runs[0] ?? []);
  }

  private async signAll(pieces: readonly ToSign[]): Promise<[DnsName, SignedName][]> {
    const jobs: { subject: SignatureSubject; head: string; octets: string; key: number }[] = [];
    for (const { subjects } of pieces) {
      for (const subject of subjects) {
        for (const [key, { role, tag }] of this.keys.entries()) {
          if (role === roleFor(subject.type)) jobs.push({ subject, key, ...work(subject, tag) });
        }
      }
    }
    const privateKeys = this.keys.map(({ privateKey }) => privateKey);
    const signatures = await this.sign(
      privateKeys,
      jobs.map(({ octets, key }) => ({ octets, key })),
    );
    const byName = new Map<DnsName, ZoneRecord[]>();
    for (const [index, { subject, head }] of jobs.entries()) {
      const record = signatureRecord(subject, head + (signatures[index] ?? ''));
      byName.set(subject.owner, [...(byName.get(subject.owner) ?? []), record]);
    }
    return pieces.map(({ name, next, records }) => {
      return [name, { next, records: [...records, ...(byName.get(name) ?? [])] }];
    });
  }
}

function asZone(zone: Omit<SignedZone, 'all'>): SignedZone {
  const { names } = zone;
  return {
    ...zone,
    *all() {
      for (const [, { records }] of names) yield* records;
    },
  };
}

async function merge(a: readonly string[], b: readonly string[]): Promise<string[]> {
  const result: string[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = a[i];
    const right = b[j];
    if (right === undefined || (left !== undefined && left < right)) {
      result.push(left ?? '');
      i += 1;
    } else {
      result.push(right);
      j += 1;
    }
    if (result.length % (SORT_PIECE * 8) === 0) await pause();
  }
  return result;
}

/** What a secondary has to take away and to add; SOA go between as in any difference. */
function differenceOf(
  before: SignedZone,
  changes: ReadonlyMap<DnsName, SignedName | undefined>,
  zone: Zone,
): ZoneDiff {
  const removed: ZoneRecord[] = [];
  const added: ZoneRecord[] = [];
  const key = ({ type, ttl, rdata }: ZoneRecord) => `${type} ${ttl} ${rdata}`;
  for (const [name, signed] of changes) {
    const old = before.names.get(name)?.records ?? [];
    const now = signed?.records ?? [];
    const had = new Set(old.map(key));
    const has = new Set(now.map(key));
    removed.push(...old.filter((record) => record.type !== TYPE.SOA && !has.has(key(record))));
    added.push(...now.filter((record) => record.type !== TYPE.SOA && !had.has(key(record))));
  }
  return { zone: zone.name, from: before.serial, to: zone.serial, removed, added };
}
