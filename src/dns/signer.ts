/**
 * Signatures for answers, made when they are first asked for and kept for a while: one signer for each thread.
 *
 * A signature costs 47 µs of an EPYC core, an answer without one 2 µs. So what is asked again is kept: signatures of record sets
 * by their place in the image (a place is never written twice, so it stands for its content), denials of types by their
 * node, denials of names by the name that they cover. Each store is bounded and forgets what it has held longest;
 * a flood of names that do not exist wears out only its own. Nothing is shared between threads and nothing waits.
 *
 * Signatures begin an hour ago, for resolvers whose clocks are late, and are made anew after a day.
 */
import { limit } from '../limits.ts';
import { firstChild, justAfter, justBefore } from './denial.ts';
import { roleFor, type SignatureSubject, type SigningKey, signRrset } from './dnssec.ts';
import { type ImageReader, NEGATIVE_SOA, NODE } from './image.ts';
import { type DnsName, fromOctets } from './name.ts';
import { u16 } from './query.ts';
import { EachSecond } from './rate-limit.ts';
import { bitmapOf } from './rdata-text.ts';
import { TYPE } from './types.ts';

const SKEW_SECONDS = 3600;
const REFRESH_SECONDS = 86_400;

/** What a thread signs with. */
export interface SigningKeys {
  /** Each key that signs now: those of role `ksk` the keys, those of role `zsk` all else. */
  readonly keys: readonly SigningKey[];
  readonly validitySeconds: number;
}

/** RRSIG rdatas that can be sent until a time. */
export interface Signatures {
  readonly from: number;
  readonly until: number;
  readonly rdatas: readonly Uint8Array[];
}

/** An NSEC record with its signatures. */
export interface Denial extends Signatures {
  readonly owner: DnsName;
  readonly rdata: Uint8Array;
  readonly ttl: number;
}

/** Keeps the newest so many; what has run out is made anew by who asks. */
class Kept<K, V extends { readonly from: number; readonly until: number }> {
  private readonly entries = new Map<K, V>();
  private readonly max: number;
  /**
   * One walk from the oldest on that goes on for ever: all before it is gone, and what is set anew moves behind it. A new
   * walk for each would step over everything that was deleted since the table was last made tight: 50 µs at 65,536.
   */
  private oldest: Iterator<K> = this.entries.keys();

  constructor(max: number) {
    this.max = max;
  }

  get(key: K, now: number): V | undefined {
    const entry = this.entries.get(key);
    return entry && now >= entry.from && now < entry.until ? entry : undefined;
  }

  set(key: K, value: V): V {
    this.entries.delete(key);
    if (this.entries.size >= this.max) {
      const { value: oldest, done } = this.oldest.next();
      if (!done) this.entries.delete(oldest);
    }
    this.entries.set(key, value);
    return value;
  }

  clear(): void {
    this.entries.clear();
    this.oldest = this.entries.keys();
  }
}

export class Signer {
  private keys: SigningKeys | undefined;
  private readonly rrsets = new Kept<number, Signatures>(limit('dnsSignaturesMax'));
  private readonly types = new Kept<number, Denial>(limit('dnsSignaturesMax'));
  private readonly denials = new EachSecond(limit('dnsNameDenialsPerSecondMax'));
  private readonly names = new Kept<string, Denial>(limit('dnsNameDenialsMax'));
  /** Signatures made since the start. */
  made = 0;

  get active(): boolean {
    return this.keys !== undefined;
  }

  useKeys(keys: SigningKeys | undefined): void {
    this.keys = keys;
    this.forget();
  }

  /** Another image: places mean something else there. */
  forget(): void {
    this.rrsets.clear();
    this.types.clear();
    this.names.clear();
  }

  /** @param node the name that owns the set; @param apex of the zone that signs */
  rrset(
    image: ImageReader,
    place: { rrset: number; node: number; apex: number },
    now: number,
  ): Signatures {
    const { rrset, node, apex } = place;
    const kept = this.rrsets.get(rrset, now);
    if (kept) return kept;
    const type = image.rrsetType(rrset);
    const records = rdatasOf(image, rrset);
    const subject = { owner: nodeName(image, node), signer: nodeName(image, apex) };
    const { ttl, rdatas } = records;
    return this.rrsets.set(rrset, this.sign({ ...subject, type, ttl, rdatas }, now));
  }

  /** That a name exists without other types than it has: an NSEC at the name, up to its first possible child. */
  missingType(image: ImageReader, place: { node: number; apex: number }, now: number): Denial {
    const { node, apex } = place;
    const kept = this.types.get(node, now);
    if (kept) return kept;
    const owner = nodeName(image, node);
    const denial = { owner, next: firstChild(owner), types: typesOf(image, node) };
    return this.types.set(node, this.deny(image, { ...denial, apex }, now));
  }

  /** That a zone of ours has no DS in its parent, which is ours too. */
  missingDs(image: ImageReader, place: { child: number; apex: number }, now: number): Denial {
    const { child, apex } = place;
    const owner = nodeName(image, child);
    const key = `${image.zone(apex)} DS ${owner}`;
    const kept = this.names.get(key, now);
    if (kept) return kept;
    const types = [TYPE.NS, ...SYNTHETIC_TYPES];
    const denial = { owner, next: firstChild(owner), types, apex };
    return this.names.set(key, this.deny(image, denial, now));
  }

  /**
   * That a name and all below it do not exist. @param encloser the node of the name's parent
   * @returns `undefined` when it would have to be made, and this second's are used up (`bounded`)
   */
  missingName(
    image: ImageReader,
    place: { name: DnsName; encloser: number; apex: number },
    { now, bounded }: { now: number; bounded: boolean },
  ): Denial | undefined {
    const { name, encloser, apex } = place;
    const key = `${image.zone(encloser)} ${name}`;
    const kept = this.names.get(key, now);
    if (kept) return kept;
    if (bounded && !this.denials.take(now)) return undefined;
    const owner = justBefore(name);
    const own = owner.length < name.length && owner === nodeName(image, encloser);
    const next = justAfter(name, nodeName(image, apex));
    const types = own ? typesOf(image, encloser) : SYNTHETIC_TYPES;
    return this.names.set(key, this.deny(image, { owner, next, types, apex }, now));
  }

  private deny(
    image: ImageReader,
    what: { owner: DnsName; next: DnsName; types: readonly number[]; apex: number },
    now: number,
  ): Denial {
    const { owner, next, types, apex } = what;
    // RFC 9077: a denial is kept as long as the negative answer that it proves.
    const { ttl } = rdatasOf(image, image.rrset(apex, NEGATIVE_SOA));
    const rdata = next + (bitmapOf(types) ?? '');
    const signer = nodeName(image, apex);
    const signed = this.sign({ owner, signer, type: TYPE.NSEC, ttl, rdatas: [rdata] }, now);
    return { ...signed, owner, ttl, rdata: fromOctets(rdata) };
  }

  private sign(
    subject: Omit<SignatureSubject, 'inception' | 'expiration'>,
    now: number,
  ): Signatures {
    const { keys = [], validitySeconds = 0 } = this.keys ?? {};
    const times = { inception: now - SKEW_SECONDS, expiration: now + validitySeconds };
    const role = roleFor(subject.type);
    const signing = keys.filter((key) => key.role === role);
    this.made += signing.length;
    const rdatas = signing.map((key) => fromOctets(signRrset({ ...subject, ...times }, key)));
    return { from: now - SKEW_SECONDS, until: now + REFRESH_SECONDS, rdatas };
  }
}

const SYNTHETIC_TYPES = [TYPE.RRSIG, TYPE.NSEC];

export function nodeName(image: ImageReader, node: number): DnsName {
  const at = (node + 3) << 2;
  let name = '';
  for (let i = at, end = at + image.nameLength(node); i < end; i++) {
    name += String.fromCharCode(image.bytes[i] ?? 0);
  }
  return name as DnsName;
}

/** TTL and rdatas of a set, as it lies in the image. */
function rdatasOf(image: ImageReader, rrset: number): { ttl: number; rdatas: string[] } {
  const { bytes } = image;
  const rdatas: string[] = [];
  let at = image.rrsetAt(rrset);
  const ttl = u16(bytes, at + 6) * 65_536 + u16(bytes, at + 8);
  for (let left = image.rrsetSize(rrset); left > 0; left--) {
    const end = at + 12 + u16(bytes, at + 10);
    let rdata = '';
    for (let i = at + 12; i < end; i++) rdata += String.fromCharCode(bytes[i] ?? 0);
    rdatas.push(rdata);
    at = end;
  }
  return { ttl, rdatas };
}

/** Types that the zone itself has at a name: at a delegation not the glue, at a zone's name not the parent's DS. */
function typesOf(image: ImageReader, node: number): number[] {
  const flags = image.flags(node);
  const types: number[] = [...SYNTHETIC_TYPES];
  let rrset = image.firstRrset(node);
  for (let left = image.rrsetCount(node); left > 0; left--) {
    const type = image.rrsetType(rrset);
    const parents = (flags & NODE.apex) !== 0 && type === TYPE.DS;
    const glue = (flags & NODE.cut) !== 0 && type !== TYPE.NS && type !== TYPE.DS;
    if (type !== NEGATIVE_SOA && !parents && !glue) types.push(type);
    rrset = image.nextRrset(rrset);
  }
  return types;
}
