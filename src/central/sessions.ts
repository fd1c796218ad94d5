/**
 * People who sign in at central: the users of the fleet (records.ts), with the password that they have at every site.
 *
 * A session is a cookie of 256 random bits, kept as SHA-256, in the database that all instances share. It ends with its time, with
 * the user, and with the password that opened it: what the user may do is read anew with each call.
 */
import { randomBytes } from 'node:crypto';
import { AppError } from '../errors.ts';
import type { Role, SquadRoles } from '../inventory/access.ts';
import { verifyPassword } from '../inventory/password.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import { type FleetPrincipal, sha256 } from './access.ts';
import type { FleetRecords } from './records.ts';
import type { FleetDatabase } from './sql.ts';

export interface FleetSession {
  readonly principal: FleetPrincipal;
  /** What shows that the portal's own page is asking. */
  readonly csrf: string;
}

export interface FleetSessions {
  /** @throws AppError LOGIN_FAILED, always after the same work */
  login(name: string, password: string): Promise<FleetSession & { readonly secret: string }>;
  /** `undefined`: unknown, over, or of a user who is gone, disabled, or has another password now. */
  bySession(secret: string): Promise<FleetSession | undefined>;
  logout(secret: string): Promise<void>;
}

interface UserDoc {
  readonly role: Role;
  readonly squads: SquadRoles;
  readonly disabled: boolean;
  readonly passwordHash?: string;
}

export function openFleetSessions(
  db: FleetDatabase,
  records: FleetRecords,
  clock: Clock,
): FleetSessions {
  const usable = async (
    name: string,
  ): Promise<(UserDoc & { passwordHash: string }) | undefined> => {
    const doc = (await records.get('user', name))?.doc as unknown as UserDoc | undefined;
    const { passwordHash } = doc ?? {};
    return doc && !doc.disabled && passwordHash !== undefined
      ? { ...doc, passwordHash }
      : undefined;
  };
  const principalOf = (who: string, { role, squads }: UserDoc): FleetPrincipal => ({
    ...{ who, kind: 'session', role, squads },
  });
  return {
    async login(name, password) {
      const before = await usable(name);
      const matches = await verifyPassword(password, before?.passwordHash ?? '');
      // A tenth of a second has passed: whoever was changed meanwhile comes in anew.
      const user = await usable(name);
      if (!matches || !user || user.passwordHash !== before?.passwordHash)
        throw new AppError('LOGIN_FAILED');
      const [secret = '', csrf = ''] = [32, 18].map((bytes) =>
        randomBytes(bytes).toString('base64url'),
      );
      const now = clock();
      await db.run(
        `DELETE FROM sessions WHERE user_name = ? AND hash NOT IN
           (SELECT hash FROM sessions WHERE user_name = ? ORDER BY made_at DESC LIMIT ?)`,
        [name, name, limit('sessionsPerUserMax') - 1],
      );
      await db.run(
        'INSERT INTO sessions (hash, user_name, csrf, password, made_at, ends_at) VALUES (?, ?, ?, ?, ?, ?)',
        [sha256(secret), name, csrf, sha256(user.passwordHash), now, now + limit('sessionMs')],
      );
      return { secret, csrf, principal: principalOf(name, user) };
    },
    async bySession(secret) {
      const [row] = await db.all<{ user_name: string; csrf: string; password: string }>(
        'SELECT user_name, csrf, password FROM sessions WHERE hash = ? AND ends_at > ?',
        [sha256(secret), clock()],
      );
      const user = row && (await usable(row.user_name));
      if (!row || !user || sha256(user.passwordHash) !== row.password) return undefined;
      return { csrf: row.csrf, principal: principalOf(row.user_name, user) };
    },
    async logout(secret) {
      await db.run('DELETE FROM sessions WHERE hash = ?', [sha256(secret)]);
    },
  };
}
