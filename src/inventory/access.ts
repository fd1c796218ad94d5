/**
 * Who may come in: users, API tokens and sessions. Nothing in here can be turned back into a secret.
 *
 * An API token is 256 random bits, so its SHA-256 is enough to keep and to look it up by; a password is not random and
 * is kept as scrypt (RFC 7914). A token that names a user ends with that user, and one that a token made ends with that one
 * and may never do more than it: who ends a token that leaked has ended all that came of it. A machine depends on none.
 * What a principal may do is decided in http/people/access-rules.ts.
 */
import { randomBytes } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { NewEvent } from '../events.ts';
import { limit } from '../limits.ts';
import type { Clock, Millis } from '../wire/time.ts';
import {
  type AccessStatements,
  DISABLED,
  DISABLED_BY_PROVIDER,
  ENABLED,
  prepareAccess,
  sha256,
  type UserRow,
  userFromRow,
} from './access-statements.ts';
import { openTokens, revoke } from './api-tokens.ts';
import type { EventStore } from './event-store.ts';
import { verifyPassword } from './password.ts';
import { assertVersion } from './records.ts';
import type { Role, SquadRoles } from './roles.ts';

export { ROLES, type Role, type SquadRoles } from './roles.ts';

export interface Principal {
  /** For events: a user's name, or `token:NAME`. */
  readonly who: string;
  readonly kind: 'token' | 'session' | 'anonymous' | 'local';
  /** On machines that no squad owns, and on what belongs to all. */
  readonly role: Role;
  readonly squads: SquadRoles;
  /** Rate limits and idempotency keys are counted for each. */
  readonly id: string;
  /** What the tokens that it makes end with: the token that it came in with, but for the first start's. */
  readonly within?: { readonly token: string; readonly endsAt?: Millis | undefined } | undefined;
}

export interface User {
  readonly name: string;
  readonly role: Role;
  readonly squads: SquadRoles;
  readonly hasPassword: boolean;
  readonly disabled: boolean;
  /** Comes in by the site's identity provider, which says anew at each sign-in what this user may do. */
  readonly external: boolean;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface ApiToken {
  readonly id: string;
  readonly name: string;
  readonly user: string;
  readonly role: Role;
  readonly squads: SquadRoles;
  /** The token that made it, which it ends with. */
  readonly parent: string | null;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly lastUsedAt: number | null;
  readonly revokedAt: number | null;
}

export interface NewToken {
  readonly name: string;
  readonly role: Role;
  readonly squads: SquadRoles;
  readonly user?: string | undefined;
  /** The token that makes it. */
  readonly parent?: string | undefined;
  readonly expiresAt?: number | undefined;
}

export interface Access {
  users(): User[];
  user(name: string): User | undefined;
  /** Makes or replaces; a password that is absent stays as it is. @throws AppError VERSION_CONFLICT */
  putUser(
    user: {
      name: string;
      role: Role;
      squads: SquadRoles;
      disabled: boolean;
      /** As `hashPassword` made it. */
      passwordHash?: string | undefined;
    },
    cause: { who: string; version?: number | undefined },
  ): User;
  removeUser(name: string, who: string): void;
  tokens(): ApiToken[];
  /**
   * The only moment at which the token itself exists.
   * @throws AppError REQUEST_INVALID when its user is unknown or has enough of them; UNAUTHENTICATED when its parent has ended;
   * FORBIDDEN when that one is the last of a long line
   */
  createToken(token: NewToken, who: string): { secret: string; token: ApiToken };
  /** With all that it made. @throws AppError NOT_FOUND */
  revokeToken(id: string, who: string): void;
  /** A first administrator's token, if nobody can come in yet. It ends when another administrator exists. */
  bootstrap(): string | undefined;
  /** `undefined`: unknown, expired, revoked, or of a user who is gone, or made by a token of which that is so. */
  byToken(secret: string): Principal | undefined;
  /** @throws AppError LOGIN_FAILED, always after the same work */
  login(name: string, password: string): Promise<{ secret: string; csrf: string; user: User }>;
  /**
   * Somebody whom the identity provider knows: makes or updates the user, and opens a session.
   *
   * @param rights undefined: none of this person's groups may come in
   * @returns undefined without rights: then sessions have ended, and the user is disabled until there are some
   * @throws AppError SIGN_IN_REFUSED when the name belongs to somebody else, or an administrator has disabled the user
   */
  signIn(
    identity: { readonly name: string; readonly subject: string },
    rights: { readonly role: Role; readonly squads: SquadRoles } | undefined,
  ): { secret: string; csrf: string; user: User } | undefined;
  bySession(secret: string): { principal: Principal; csrf: string } | undefined;
  logout(secret: string): void;
  /** Writes down when tokens were last used: nobody waits for that, and no reading ends with a full disk because of it. */
  noteUsed(): void;
  /** Another number after each change that may take a right away. */
  changes(): number;
  /** Ends what has expired, and forgets tokens that ended long ago. */
  sweep(): void;
}

export interface AccessParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly events: Pick<EventStore, 'append'>;
}

export function openAccess({ db, clock, events }: AccessParts): Access {
  const sql = prepareAccess(db);
  let changes = 0;
  const counted = {
    append(event: NewEvent) {
      changes += 1;
      return events.append(event);
    },
  };
  const parts = { db, clock, events: counted };
  return {
    ...openUsers(parts, sql),
    ...openTokens(parts, sql),
    ...openSessions(parts, sql),
    changes: () => changes,
  };
}

function openUsers(parts: AccessParts, sql: AccessStatements) {
  const { clock, events } = parts;
  const user = (name: string): User | undefined => {
    const row = sql.user.get(name);
    return row && userFromRow(row);
  };
  const tell = (id: string, change: string, who: string) =>
    events.append({ name: 'access.changed', data: { kind: 'user', id, change, who } });
  return {
    user,
    users: () => sql.users.all().map(userFromRow),
    putUser(
      { name, role, squads, disabled, passwordHash }: Parameters<Access['putUser']>[0],
      { who, version }: Parameters<Access['putUser']>[1],
    ): User {
      const before = sql.user.get(name);
      assertVersion(before?.version ?? 0, version);
      const hash = passwordHash ?? before?.password ?? '';
      const now = clock();
      sql.putUser.run(
        name,
        role,
        JSON.stringify(squads),
        hash,
        disabled ? DISABLED : ENABLED,
        now,
        now,
      );
      if (disabled || passwordHash !== undefined) sql.endSessions.run(name);
      const groups = Object.entries(squads).map(([squad, part]) => `${squad} ${part}`);
      const change = `${before ? 'changed' : 'created'}: ${[role, ...groups].join(', ')}`;
      tell(name, disabled ? `${change}, disabled` : change, who);
      if (role === 'admin' && hash !== '') sql.endBootstrap.run(now);
      return user(name) as User;
    },
    removeUser(name: string, who: string): void {
      if (!sql.user.get(name)) throw new AppError('NOT_FOUND', { detail: `No user ${name}.` });
      sql.endSessions.run(name);
      for (const { id } of sql.livingTokensOf.all(name)) revoke(parts, sql, { id, who });
      sql.dropUser.run(name);
      tell(name, 'removed', who);
    },
  };
}

function openSessions({ clock, events }: AccessParts, sql: AccessStatements) {
  const open = (row: UserRow) => {
    const [secret = '', csrf = ''] = [randomBytes(32), randomBytes(18)].map((bytes) =>
      bytes.toString('base64url'),
    );
    const now = clock();
    sql.trimSessions.run(row.name, row.name, limit('sessionsPerUserMax') - 1);
    sql.putSession.run(sha256(secret), row.name, csrf, now, now + limit('sessionMs'));
    return { secret, csrf, user: userFromRow(row) };
  };
  return {
    async login(name: string, password: string) {
      const row = sql.user.get(name);
      const usable = row !== undefined && row.disabled === ENABLED && row.password !== '';
      const matches = await verifyPassword(password, usable ? row.password : '');
      // A tenth of a second has passed: whoever was changed, disabled or removed meanwhile comes in anew.
      const now = sql.user.get(name);
      const same = now?.version === row?.version && now?.password === row?.password;
      if (!usable || !matches || !same || now?.disabled !== ENABLED)
        throw new AppError('LOGIN_FAILED');
      return open(now);
    },
    signIn(
      { name, subject }: Parameters<Access['signIn']>[0],
      rights: Parameters<Access['signIn']>[1],
    ) {
      const before = sql.user.get(name);
      if (before && before.subject !== subject)
        throw refused(`The name ${name} belongs to another user here; an administrator can help.`);
      if (before?.disabled === DISABLED) throw refused('An administrator has disabled this user.');
      const now = clock();
      const put = (role: Role, squads: string, disabled: number) => {
        const same = before && before.role === role && before.squads === squads;
        if (same && before.disabled === disabled) return;
        sql.putExternal.run(name, role, squads, subject, disabled, now, now);
        const what = disabled === ENABLED ? role : 'no group may come in';
        const data = { kind: 'user', id: name, change: `by the provider: ${what}`, who: name };
        events.append({ name: 'access.changed', data });
      };
      if (!rights) {
        if (before) put(before.role, before.squads, DISABLED_BY_PROVIDER);
        sql.endSessions.run(name);
        return undefined;
      }
      put(rights.role, JSON.stringify(rights.squads), ENABLED);
      return open(sql.user.get(name) as UserRow);
    },
    bySession(secret: string) {
      const session = sql.session.get(sha256(secret));
      const row = session && session.expires_at > clock() ? sql.user.get(session.user) : undefined;
      if (!session || !row || row.disabled !== ENABLED) return undefined;
      const { name, role, squads } = userFromRow(row);
      const principal: Principal = { who: name, kind: 'session', role, squads, id: `user ${name}` };
      return { principal, csrf: session.csrf };
    },
    logout: (secret: string) => void sql.dropSession.run(sha256(secret)),
    sweep(): void {
      sql.sweep.run(clock());
      sql.forgetTokens.run({ before: clock() - limit('endedTokenKeptMs') });
    },
  };
}

const refused = (detail: string) => new AppError('SIGN_IN_REFUSED', { detail });
