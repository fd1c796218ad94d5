/**
 * The keys of a site's signed zones as the name server has them: what stands in the zones, what signs, what is due.
 *
 * Rules are those of dns/key-plan.ts; this carries their steps out against the store and remembers the result, so that
 * nothing reads the database while it answers.
 */
import { dnskeyRdata, dsRdata, type KeyRole, readSecret, type SigningKey } from '../dns/dnssec.ts';
import {
  canRoll,
  confirmed,
  type KeyPolicy,
  type KeyRow,
  livingKeys,
  nextKeyStep,
  parentKey,
  readyAt,
  signingKeys,
} from '../dns/key-plan.ts';
import type { DnsName } from '../dns/name.ts';
import type { KeyStore } from '../dns/ports.ts';
import { formatRdata } from '../dns/rdata.ts';
import type { SigningKeys } from '../dns/signer.ts';
import { TYPE } from '../dns/types.ts';
import type { ZoneSigning } from '../dns/zone-image.ts';
import type { Rrset } from '../dns/zones.ts';
import { AppError } from '../errors.ts';

export interface KeyringOptions {
  readonly store: KeyStore;
  readonly policy: KeyPolicy;
  readonly validitySeconds: number;
  /** Whether a zone is to be signed; asked for any name, so it may not change. */
  signed(zone: DnsName): boolean;
  nowSeconds(): number;
}

/** A key as people see it. */
export interface ShownKey {
  readonly tag: number;
  readonly role: KeyRole;
  readonly state: 'published' | 'active' | 'retired' | 'removed';
  /** For a key-signing key: from when on parents may point at it; seconds. */
  readonly readyAt: number;
  readonly publishedAt: number;
  readonly activeAt: number | null;
  readonly retiredAt: number | null;
  readonly removedAt: number | null;
  readonly dnskey: string;
}

/** One DS record for a parent to have. */
export interface ShownDs {
  readonly tag: number;
  readonly data: string;
  /** Seconds; before it, caches may have answers that the key does not vouch for. */
  readonly notBefore: number;
  /** The parent shall have it: of several keys the newest that is known everywhere. */
  readonly wanted: boolean;
}

export class Keyring implements ZoneSigning {
  private readonly options: KeyringOptions;
  private rows: readonly KeyRow[] = [];
  private signing: SigningKey[] = [];
  private parents: KeyRow | undefined;
  private seen = '';

  /** Makes the first keys if there are none. @throws AppError SECRET_KEY_INVALID */
  constructor(options: KeyringOptions) {
    this.options = options;
    this.advance();
  }

  /** Takes every step that is due. @returns what changed in words, `undefined` when nothing did */
  advance(): string | undefined {
    const { store, policy, nowSeconds } = this.options;
    const now = nowSeconds();
    const done: string[] = [];
    this.rows = store.rows();
    for (;;) {
      const step = nextKeyStep(this.rows, policy, now);
      if (!step) break;
      store.take(step, now);
      this.rows = store.rows();
      done.push(`${step.kind} (${step.why})`);
    }
    this.parents = parentKey(this.rows, policy, now);
    const active = signingKeys(this.rows);
    const living = livingKeys(this.rows).map(({ id }) => id);
    const as = JSON.stringify([living, active.map(({ id }) => id), this.parents?.id]);
    if (as === this.seen) return undefined;
    this.seen = as;
    this.signing = active.map(({ id, role, tag }) => {
      return { role, tag, privateKey: readSecret(store.secretOf(id)) };
    });
    return `signing keys: ${done.join(', ') || 'parents are pointed at another one'}`;
  }

  keys(): SigningKeys {
    return { keys: this.signing, validitySeconds: this.options.validitySeconds };
  }

  signed(zone: DnsName): boolean {
    return this.options.signed(zone);
  }

  apexSets(zone: DnsName): Rrset[] {
    if (!this.signed(zone)) return [];
    const ttl = this.options.policy.dnskeyTtlSeconds;
    const dnskeys = livingKeys(this.rows).map((key) => dnskeyRdata(key.role, key.publicKey));
    const sets: Rrset[] = [{ type: TYPE.DNSKEY, ttl, rdatas: dnskeys.sort() }];
    if (!this.parents) return sets;
    const wanted = dnskeyRdata('ksk', this.parents.publicKey);
    sets.push({ type: TYPE.CDS, ttl, rdatas: [dsRdata(zone, wanted)] });
    sets.push({ type: TYPE.CDNSKEY, ttl, rdatas: [wanted] });
    return sets;
  }

  delegationSets(zone: DnsName): Rrset[] {
    if (!this.signed(zone) || !this.parents) return [];
    const dnskey = dnskeyRdata('ksk', this.parents.publicKey);
    const { dnskeyTtlSeconds: ttl } = this.options.policy;
    return [{ type: TYPE.DS, ttl, rdatas: [dsRdata(zone, dnskey)] }];
  }

  shown(): ShownKey[] {
    return this.rows.map((key) => ({
      ...{ tag: key.tag, role: key.role, state: stateOf(key) },
      readyAt: readyAt(key, this.options.policy),
      ...{ publishedAt: key.publishedAt, activeAt: key.activeAt },
      ...{ retiredAt: key.retiredAt, removedAt: key.removedAt },
      dnskey: formatRdata(TYPE.DNSKEY, dnskeyRdata(key.role, key.publicKey)),
    }));
  }

  ds(zone: DnsName): ShownDs[] {
    return livingKeys(this.rows)
      .filter(({ role }) => role === 'ksk')
      .map((key) => ({
        tag: key.tag,
        data: formatRdata(TYPE.DS, dsRdata(zone, dnskeyRdata('ksk', key.publicKey))),
        notBefore: readyAt(key, this.options.policy),
        wanted: key.id === this.parents?.id,
      }));
  }

  /** Publishes a successor; the rest follows by itself, but for the parent of a key-signing key. @throws AppError */
  roll(role: KeyRole, who: string): void {
    const verdict = canRoll(this.rows, role);
    if (!verdict.ok) throw new AppError('DNS_REFUSED', { detail: `${capital(verdict.why)}.` });
    const { store, nowSeconds } = this.options;
    const step = { kind: 'publish', role, sign: role === 'ksk', why: `asked by ${who}` } as const;
    store.take(step, nowSeconds());
  }

  /** A person has seen the new DS at the parent. @throws AppError DNS_REFUSED */
  confirm(who: string): void {
    const { store, policy, nowSeconds } = this.options;
    const verdict = confirmed(this.rows, policy, nowSeconds());
    if ('why' in verdict) throw new AppError('DNS_REFUSED', { detail: `${capital(verdict.why)}.` });
    const why = `the parent's DS was confirmed by ${who}`;
    store.take({ kind: 'retire', id: verdict.retire.id, why }, nowSeconds());
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function stateOf(key: KeyRow): ShownKey['state'] {
  if (key.removedAt !== null) return 'removed';
  if (key.retiredAt !== null) return 'retired';
  return key.activeAt === null ? 'published' : 'active';
}
