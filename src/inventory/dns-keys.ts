/**
 * Where the keys of signed zones are kept: each step of a key's life with its time and its event, in one transaction.
 * Secrets are sealed (secrets.ts), bound to the key's id, and erased with the key's removal.
 */
import { randomBytes } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { dnskeyRdata, generateKey, type KeyRole, keyTag } from '../dns/dnssec.ts';
import type { KeyRow, KeyStep } from '../dns/key-plan.ts';
import { fromOctets, toOctets } from '../dns/name.ts';
import type { KeyStore } from '../dns/ports.ts';
import { AppError } from '../errors.ts';
import type { EventStore } from './event-store.ts';
import type { SecretBox } from './secrets.ts';

interface Row {
  id: string;
  role: KeyRole;
  tag: number;
  public_key: Uint8Array;
  sealed: Uint8Array | null;
  published_at: number;
  active_at: number | null;
  retired_at: number | null;
  removed_at: number | null;
}

export interface DnsKeysParts {
  readonly db: Database;
  readonly events: EventStore;
  readonly secrets: SecretBox;
  readonly transaction: <T>(run: () => T) => T;
}

const DONE = { publish: 'published', activate: 'active', retire: 'retired', remove: 'removed' };

export function openDnsKeys({ db, events, secrets, transaction }: DnsKeysParts): KeyStore {
  const all = db.prepare<[], Row>('SELECT * FROM dns_keys ORDER BY published_at, id');
  const one = db.prepare<[string], Row>('SELECT * FROM dns_keys WHERE id = ?');
  const put = db.prepare(
    `INSERT INTO dns_keys (id, role, tag, public_key, sealed, published_at, active_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );
  const marks = {
    activate: db.prepare('UPDATE dns_keys SET active_at = ? WHERE id = ?'),
    retire: db.prepare('UPDATE dns_keys SET retired_at = ? WHERE id = ?'),
    remove: db.prepare('UPDATE dns_keys SET removed_at = ?, sealed = NULL WHERE id = ?'),
  };
  const found = (id: string): Row => {
    const row = one.get(id);
    if (!row) throw new AppError('NOT_FOUND', { detail: `No DNSSEC key ${id}.` });
    return row;
  };
  const add = (role: KeyRole, now: number, sign: boolean): Row => {
    const { publicKey, secret } = generateKey();
    const id = randomBytes(6).toString('hex');
    const tag = keyTag(dnskeyRdata(role, publicKey));
    const sealed = secrets.seal(secret, bound(id));
    put.run(id, role, tag, fromOctets(publicKey), sealed, now, sign ? now : null);
    return found(id);
  };
  return {
    rows: () => all.all().map(toKey),
    secretOf(id) {
      const { sealed } = found(id);
      if (!sealed) throw new AppError('NOT_FOUND', { detail: `DNSSEC key ${id} was removed.` });
      return secrets.open(sealed, bound(id));
    },
    take: (step: KeyStep, now: number) =>
      transaction(() => {
        const row = step.kind === 'publish' ? add(step.role, now, step.sign) : found(step.id);
        if (step.kind !== 'publish') marks[step.kind].run(now, step.id);
        const data = { role: row.role, tag: row.tag, step: DONE[step.kind], why: step.why };
        events.append({ name: 'dns.rekeyed', data });
      }),
  };
}

function bound(id: string): string {
  return `dns-key:${id}`;
}

function toKey(row: Row): KeyRow {
  return {
    ...{ id: row.id, role: row.role, tag: row.tag, publicKey: toOctets(row.public_key) },
    ...{ publishedAt: row.published_at, activeAt: row.active_at },
    ...{ retiredAt: row.retired_at, removedAt: row.removed_at },
  };
}
