/**
 * How an appliance becomes a site of the fleet: by a code that is good once, and names the authority that it may trust.
 *
 * A code is a secret of 128 bits and the fingerprint of the fleet's authority: the secret proves the appliance to central,
 * the fingerprint central to the appliance, before either has a certificate of the other. Codes are kept as SHA-256.
 */
import { createHash, randomBytes } from 'node:crypto';
import { AppError } from '../errors.ts';
import { fingerprintOf } from '../federation/certificates.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import { type IssuedCertificate, issueAppliance, type KeyAndCertificate } from './authority.ts';
import { forgetTold } from './records.ts';
import type { FleetDatabase, Sql } from './sql.ts';

export interface Joining {
  /** For one appliance of this site; a site that has joined before may do so again, with a new appliance. */
  makeCode(site: string, who: string): Promise<string>;
  /** @throws AppError JOIN_REFUSED for a code that is unknown, used, or over, or whose site is being removed; CERTIFICATE_REFUSED */
  join(of: {
    readonly secret: string;
    readonly request: string;
  }): Promise<IssuedCertificate & { site: string }>;
  /** @returns undefined for a site that is shut out: a line may not have heard of it yet */
  renew(site: string, request: string): Promise<IssuedCertificate | undefined>;
  /** Its appliance has come with this one: those of before end. */
  arrived(site: string, serial: string): Promise<void>;
  /** The site of a certificate that ended because its site was removed from the fleet. */
  removedSiteOf(serial: string): Promise<string | undefined>;
  /** The site of a certificate that is known and not revoked. */
  siteOf(serial: string): Promise<string | undefined>;
  revoke(site: string): Promise<number>;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export function openJoining(
  db: FleetDatabase,
  authority: KeyAndCertificate,
  clock: Clock,
): Joining {
  const keep = (sql: Sql, site: string, { serial, notAfter }: IssuedCertificate) =>
    sql.run('INSERT INTO certificates (serial, site, not_after, issued_at) VALUES (?, ?, ?, ?)', [
      ...[serial, site, notAfter, clock()],
    ]);
  return {
    async makeCode(site, who) {
      const secret = randomBytes(16).toString('base64url');
      const expires = clock() + limit('joinCodeMs');
      await db.run('INSERT INTO join_codes (hash, site, made_by, expires_at) VALUES (?, ?, ?, ?)', [
        sha256(secret),
        site,
        who,
        expires,
      ]);
      return `${secret}.${fingerprintOf(authority.certificate)}`;
    },
    async join({ secret, request }) {
      return db.transaction(async (sql) => {
        const now = clock();
        const used = await sql.run(
          'UPDATE join_codes SET used_at = ? WHERE hash = ? AND used_at = 0 AND expires_at > ?',
          [now, sha256(secret), now],
        );
        const [code] = await sql.all<{ site: string }>(
          'SELECT site FROM join_codes WHERE hash = ?',
          [sha256(secret)],
        );
        if (used === 0 || !code) throw new AppError('JOIN_REFUSED');
        const issued = await issueAppliance(authority, { site: code.site, request }, now);
        // Another appliance for a site that was there: what is known of it is read anew, and its old line is closed.
        await sql.run(
          `INSERT INTO sites (name, joined_at) VALUES (?, ?)
           ON CONFLICT (name) DO UPDATE SET appliance = '', line = '', feed_cursor = NULL, mark = '', joined_at = excluded.joined_at`,
          [code.site, now],
        );
        // It was removed, and is there again.
        await sql.run('DELETE FROM removals WHERE site = ? AND ended_at > 0', [code.site]);
        const removing = await sql.all('SELECT site FROM removals WHERE site = ?', [code.site]);
        if (removing.length > 0)
          throw new AppError('JOIN_REFUSED', { detail: 'Its site is being removed; try again.' });
        await forgetTold(sql, code.site);
        await sql.run('UPDATE certificates SET revoked_at = ? WHERE site = ? AND revoked_at = 0', [
          now,
          code.site,
        ]);
        await keep(sql, code.site, issued);
        return { ...issued, site: code.site };
      });
    },
    async renew(site, request) {
      const issued = await issueAppliance(authority, { site, request }, clock());
      return db.transaction(async (sql) => {
        // Who shuts it out in this moment waits, or was first.
        const living = await sql.run(
          'UPDATE certificates SET site = site WHERE site = ? AND revoked_at = 0 AND not_after > ?',
          [site, clock()],
        );
        if (living === 0) return undefined;
        await keep(sql, site, issued);
        return issued;
      });
    },
    async arrived(site, serial) {
      await db.run(
        `UPDATE certificates SET revoked_at = ? WHERE site = ? AND revoked_at = 0
           AND issued_at < (SELECT issued_at FROM certificates WHERE serial = ?)`,
        [clock(), site, serial.toLowerCase()],
      );
    },
    async removedSiteOf(serial) {
      const [row] = await db.all<{ site: string }>(
        'SELECT c.site AS site FROM certificates c JOIN removals r ON r.site = c.site WHERE c.serial = ?',
        [serial.toLowerCase()],
      );
      return row?.site;
    },
    async siteOf(serial) {
      const [row] = await db.all<{ site: string }>(
        'SELECT site FROM certificates WHERE serial = ? AND revoked_at = 0 AND not_after > ?',
        [serial.toLowerCase(), clock()],
      );
      return row?.site;
    },
    revoke: (site) =>
      db.run('UPDATE certificates SET revoked_at = ? WHERE site = ? AND revoked_at = 0', [
        ...[clock(), site],
      ]),
  };
}
