/**
 * The life of signing keys: which are made, used and dropped when (RFC 7583). Pure: rows and the time in, steps out.
 *
 * - A zone-signing key is rolled by pre-publication (section 3.2.1): its successor is published, signs once every cache
 *   that has the DNSKEY set has the new one, and the old one goes once no cache has a signature of it.
 * - A key-signing key is rolled by double signature (section 3.3.1): the successor signs beside it from the start; once
 *   caches have it, the parent is asked to take it over (CDS, RFC 7344), which a person confirms; the old one goes when
 *   every server of the parent has the new DS and no cache has the old one (Iret = DprpP + TTLds).
 * - The first keys sign at once: before them no signature is expected.
 *
 * Times are those at which a step was taken, kept in the database: a restart continues where it was, and a step that fell
 * due while we were off is taken late, never early. All zones of a site share its keys.
 */
import type { KeyRole } from './dnssec.ts';

/** A key and what has become of it; times in seconds. */
export interface KeyRow {
  readonly id: string;
  readonly role: KeyRole;
  readonly tag: number;
  /** The point, 64 octets. */
  readonly publicKey: string;
  readonly publishedAt: number;
  /** It signs since then. */
  readonly activeAt: number | null;
  /** Its successor has taken over: a zone key signs no more, the parent points at another key. */
  readonly retiredAt: number | null;
  /** It is not in the zones any more. */
  readonly removedAt: number | null;
}

export interface KeyPolicy {
  /** 0: only when a person says so. */
  readonly zskSeconds: number;
  readonly kskSeconds: number;
  /** Longest time for which a record of ours may be kept by a cache. */
  readonly ttlSeconds: number;
  readonly dnskeyTtlSeconds: number;
  /** TTL of DS at the parent. */
  readonly dsTtlSeconds: number;
  /** Until every secondary has what we have. */
  readonly propagationSeconds: number;
  /** Until every server of the parent has what its primary has. */
  readonly parentPropagationSeconds: number;
}

export type KeyStep =
  | {
      readonly kind: 'publish';
      readonly role: KeyRole;
      readonly sign: boolean;
      readonly why: string;
    }
  | { readonly kind: 'activate' | 'retire' | 'remove'; readonly id: string; readonly why: string };

/**
 * When a published key is in every cache that asks for keys (Ipub of RFC 7583). One that a parent shall point at waits
 * until no cache has an answer from before zones were signed, too.
 */
export function readyAt({ role, publishedAt }: KeyRow, policy: KeyPolicy): number {
  const { dnskeyTtlSeconds, ttlSeconds, propagationSeconds } = policy;
  const ttl = role === 'ksk' ? Math.max(dnskeyTtlSeconds, ttlSeconds) : dnskeyTtlSeconds;
  return publishedAt + ttl + propagationSeconds;
}

/** The keys that are in the zones. */
export function livingKeys(keys: readonly KeyRow[]): KeyRow[] {
  return keys.filter(({ removedAt }) => removedAt === null);
}

/** Those that sign now: every living key-signing key, and the one zone key that is active. */
export function signingKeys(keys: readonly KeyRow[]): KeyRow[] {
  return livingKeys(keys).filter(
    ({ role, activeAt, retiredAt }) => activeAt !== null && (role === 'ksk' || retiredAt === null),
  );
}

/** The key-signing key that parents shall point at: the newest that every cache knows; none while the first is young. */
export function parentKey(
  keys: readonly KeyRow[],
  policy: KeyPolicy,
  now: number,
): KeyRow | undefined {
  return livingKeys(keys)
    .filter(({ role, retiredAt }) => role === 'ksk' && retiredAt === null)
    .sort((a, b) => a.publishedAt - b.publishedAt)
    .findLast((key) => now >= readyAt(key, policy));
}

/** The next thing to do, if any; asked again after it was done, until there is nothing more. */
export function nextKeyStep(
  keys: readonly KeyRow[],
  policy: KeyPolicy,
  now: number,
): KeyStep | undefined {
  const living = livingKeys(keys);
  return zoneKeyStep(living, policy, now) ?? parentKeyStep(living, policy, now);
}

function ofRole(living: readonly KeyRow[], role: KeyRole) {
  const rows = living
    .filter((key) => key.role === role)
    .sort((a, b) => a.publishedAt - b.publishedAt);
  const current = rows.filter(({ retiredAt }) => retiredAt === null);
  return {
    first: current[0],
    next: current[1],
    retired: rows.find((key) => key.retiredAt !== null),
  };
}

function zoneKeyStep(
  living: readonly KeyRow[],
  policy: KeyPolicy,
  now: number,
): KeyStep | undefined {
  const { first, next, retired } = ofRole(living, 'zsk');
  if (!first) return { kind: 'publish', role: 'zsk', sign: true, why: 'zones have no key' };
  if (first.activeAt === null) {
    return { kind: 'activate', id: first.id, why: 'no other key signs the zones' };
  }
  if (next && now >= readyAt(next, policy)) {
    return next.activeAt === null
      ? { kind: 'activate', id: next.id, why: 'every cache knows it' }
      : { kind: 'retire', id: first.id, why: 'its successor signs' };
  }
  if (retired && now >= (retired.retiredAt ?? 0) + policy.ttlSeconds + policy.propagationSeconds) {
    return { kind: 'remove', id: retired.id, why: 'no cache has a signature of it' };
  }
  const lead = policy.dnskeyTtlSeconds + policy.propagationSeconds;
  const due = first.activeAt + policy.zskSeconds - lead;
  if (!next && policy.zskSeconds > 0 && now >= due) {
    return { kind: 'publish', role: 'zsk', sign: false, why: 'the zone key grows old' };
  }
  return undefined;
}

/**
 * From a person's word that the parent has the new DS until the old one is nowhere any more (Iret of RFC 7583 section 3.3.1).
 * A person sees one server of the parent; others may still give the old DS away. Zones of ours below zones of ours have
 * their DS from us: with our TTL, and by our secondaries.
 */
function dsGoneSeconds(policy: KeyPolicy): number {
  const { parentPropagationSeconds, dsTtlSeconds } = policy;
  const { propagationSeconds, dnskeyTtlSeconds } = policy;
  return Math.max(parentPropagationSeconds + dsTtlSeconds, propagationSeconds + dnskeyTtlSeconds);
}

function parentKeyStep(
  living: readonly KeyRow[],
  policy: KeyPolicy,
  now: number,
): KeyStep | undefined {
  const { first, next, retired } = ofRole(living, 'ksk');
  if (!first)
    return { kind: 'publish', role: 'ksk', sign: true, why: 'parents have nothing to point at' };
  if (retired && now >= (retired.retiredAt ?? 0) + dsGoneSeconds(policy)) {
    return { kind: 'remove', id: retired.id, why: 'no cache has a DS of it' };
  }
  if (!next && !retired && policy.kskSeconds > 0 && now >= first.publishedAt + policy.kskSeconds) {
    return { kind: 'publish', role: 'ksk', sign: true, why: 'the key-signing key grows old' };
  }
  return undefined;
}

export type Rollover = { readonly ok: true } | { readonly ok: false; readonly why: string };

/** Whether a rollover that a person asks for can begin. */
export function canRoll(keys: readonly KeyRow[], role: KeyRole): Rollover {
  const { first, next, retired } = ofRole(livingKeys(keys), role);
  if (!first) return { ok: false, why: 'there is no key yet' };
  if (next || retired) return { ok: false, why: 'a rollover of that role is under way' };
  return { ok: true };
}

/** The key that the parent points at no more, when a person confirms that its DS was changed. */
export function confirmed(
  keys: readonly KeyRow[],
  policy: KeyPolicy,
  now: number,
): { readonly retire: KeyRow } | { readonly why: string } {
  const { first, next } = ofRole(livingKeys(keys), 'ksk');
  if (!first || !next) return { why: 'no rollover of the key-signing key is under way' };
  if (now < readyAt(next, policy)) {
    const minutes = Math.ceil((readyAt(next, policy) - now) / 60);
    return { why: `caches may not know the new key yet; wait ${minutes} minutes` };
  }
  return { retire: first };
}
