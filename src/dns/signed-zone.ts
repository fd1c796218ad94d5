/**
 * A zone with everything that DNSSEC adds to it, for transfers and files: the full chain of NSEC (RFC 4034 section 4) and
 * a signature of every set. Answers of ours do not come from here (signer.ts makes what they need); secondaries, which
 * have no key, serve what they got. Both are valid beside each other: a validator looks at one denial at a time.
 *
 * Pure: which names are in the chain, in what order, and what has to be signed. Who signs, and when, is the caller's.
 */
import { type SignatureSubject, signatureHead, signedOctets } from './dnssec.ts';
import { type DnsName, labelsOf, nameOf, parentOf } from './name.ts';
import type { Rdata } from './rdata.ts';
import { bitmapOf } from './rdata-text.ts';
import type { ShardMap } from './shard-map.ts';
import type { SortedKeys } from './sorted-keys.ts';
import type { Transferable } from './transfer.ts';
import { TYPE } from './types.ts';
import type { ZoneSigning } from './zone-image.ts';
import { recordsOf, rrsetOf, type Zone, type ZoneNode, type ZoneRecord } from './zones.ts';

/** What one name has in the signed zone. */
export interface SignedName {
  /** The next name of the chain; `undefined` for a name that is not in it. */
  readonly next: DnsName | undefined;
  readonly records: readonly ZoneRecord[];
}

export interface SignedZone extends Transferable {
  readonly names: ShardMap<DnsName, SignedName>;
  /** Sort keys of the names in the chain. */
  readonly order: SortedKeys;
  /** When its oldest signature was made; seconds. */
  readonly signedAt: number;
}

/** A text that sorts like the name does (RFC 4034 section 6.1): labels from the right, each closed by a zero. */
export function sortKey(name: DnsName): string {
  let key = '';
  for (const label of labelsOf(name).reverse()) {
    key += `${label.replaceAll('\x01', '\x01\x02').replaceAll('\0', '\x01\x01')}\0`;
  }
  return key;
}

export function nameOfSortKey(key: string): DnsName {
  const labels = key.split('\0').slice(0, -1).reverse();
  const plain = labels.map((label) =>
    label.replaceAll('\x01\x01', '\0').replaceAll('\x01\x02', '\x01'),
  );
  return nameOf(plain) as DnsName;
}

/** Below a delegation or a DNAME: what is there is not the zone's to say. */
export function isOccluded(zone: Zone, name: DnsName): boolean {
  if (name === zone.name) return false;
  for (let at = parentOf(name); at !== undefined && at !== zone.name; at = parentOf(at)) {
    const node = zone.nodes.get(at);
    if (rrsetOf(node, TYPE.NS) || rrsetOf(node, TYPE.DNAME)) return true;
  }
  return false;
}

/** Delegations and DNAMEs change what the names below them are. */
export function ruledBelow(zone: Zone, name: DnsName): boolean {
  const node = name === zone.name ? undefined : zone.nodes.get(name);
  return rrsetOf(node, TYPE.NS) !== undefined || rrsetOf(node, TYPE.DNAME) !== undefined;
}

/** The sets of a name with the keys at the zone's name, and the DS at delegations to zones of ours. */
export function setsAt(zone: Zone, signing: ZoneSigning, name: DnsName): ZoneNode {
  const node = zone.nodes.get(name) ?? [];
  if (name === zone.name) return [...node, ...signing.apexSets(name)];
  if (!rrsetOf(node, TYPE.NS) || rrsetOf(node, TYPE.DS)) return node;
  return [...node, ...signing.delegationSets(name)];
}

export interface ToSign {
  readonly name: DnsName;
  readonly next: DnsName | undefined;
  /** All records but signatures. */
  readonly records: readonly ZoneRecord[];
  readonly subjects: readonly SignatureSubject[];
}

/** @param next the name behind this one in the chain, `undefined` for an occluded name, which nothing vouches for */
export function toSign(
  zone: Zone,
  what: { name: DnsName; sets: ZoneNode; next: DnsName | undefined },
  times: { inception: number; expiration: number },
): ToSign {
  const { name, sets, next } = what;
  const records = recordsOf(name, sets);
  if (next === undefined) return { name, next, records, subjects: [] };
  const isCut = name !== zone.name && rrsetOf(sets, TYPE.NS) !== undefined;
  const own = isCut ? sets.filter(({ type }) => type === TYPE.NS || type === TYPE.DS) : sets;
  const types = [...own.map(({ type }) => type), TYPE.RRSIG, TYPE.NSEC];
  const ttl = Math.min(zone.soa.ttl, zone.soa.minimum);
  const rdata = (next + (bitmapOf(types) ?? '')) as Rdata;
  const nsec = { type: TYPE.NSEC, ttl, rdatas: [rdata] };
  const subjects = [...own, nsec]
    .filter(({ type }) => !isCut || type !== TYPE.NS)
    .map((set) => ({ ...set, ...times, owner: name, signer: zone.name }));
  return { name, next, records: [...records, ...recordsOf(name, [nsec])], subjects };
}

/** One signature to be made: what it says before itself, and what is signed. */
export function work(subject: SignatureSubject, tag: number): { head: string; octets: string } {
  const head = signatureHead(subject, tag);
  return { head, octets: signedOctets(subject, head) };
}

export function signatureRecord(subject: SignatureSubject, rdata: string): ZoneRecord {
  return { name: subject.owner, type: TYPE.RRSIG, ttl: subject.ttl, rdata: rdata as Rdata };
}

/** The name behind this one in the chain; the zone's own behind the last. */
export function nextInChain(order: SortedKeys, name: DnsName, zone: DnsName): DnsName {
  const key = order.after(sortKey(name));
  return key === undefined ? zone : nameOfSortKey(key);
}
