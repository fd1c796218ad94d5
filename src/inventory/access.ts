/**
 * Who may come in: users, API tokens and sessions. Nothing in here can be turned back into a secret.
 *
 * An API token is 256 random bits, so its SHA-256 is enough to keep and to look it up by; a password is not random and
 * is kept as scrypt (RFC 7914). A token that names a user ends with that user, but a machine never depends on either.
 * What a principal may do is decided in http/people/access-rules.ts.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Clock, Millis } from '../wire/time.ts';
import {
  type AccessStatements,
  prepareAccess,
  type TokenRow,
  type UserRow,
} from './access-statements.ts';
import type { EventStore } from './event-store.ts';
import { verifyPassword } from './password.ts';
import { assertVersion } from './records.ts';

export const ROLES = ['viewer', 'technician', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];
export type SquadRoles = Readonly<Record<string, Role>>;

export interface Principal {
  /** For events: a user's name, or `token:NAME`. */
  readonly who: string;
  readonly kind: 'token' | 'session' | 'anonymous' | 'local';
  /** On machines that no squad owns, and on what belongs to all. */
  readonly role: Role;
  readonly squads: SquadRoles;
  /** Rate limits and idempotency keys are counted for each. */
  readonly id: string;
  /** When what it came in with ends, where that binds what it makes: a token's, but for the first start's. */
  readonly endsAt?: Millis | undefined;
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
   * @throws AppError REQUEST_INVALID when its user is unknown or has enough of them
   */
  createToken(token: NewToken, who: string): { secret: string; token: ApiToken };
  /** @throws AppError NOT_FOUND */
  revokeToken(id: string, who: string): void;
  /** A first administrator's token, if nobody can come in yet. It ends when another administrator exists. */
  bootstrap(): string | undefined;
  /** `undefined`: unknown, expired, revoked, or of a user who is gone. */
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
  /** Ends what has expired, and forgets tokens that ended long ago. */
  sweep(): void;
}

/** Values of `users.disabled`: what the provider has taken away, the provider gives back. */
const ENABLED = 0;
const DISABLED = 1;
const DISABLED_BY_PROVIDER = 2;

const TOKEN_PREFIX = 'rvl_';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const userFromRow = (row: UserRow): User => ({
  name: row.name,
  role: row.role,
  squads: JSON.parse(row.squads),
  hasPassword: row.password !== '',
  disabled: row.disabled !== ENABLED,
  external: row.subject !== '',
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

const tokenFromRow = (row: TokenRow): ApiToken => ({
  id: row.id,
  name: row.name,
  user: row.user,
  role: row.role,
  squads: JSON.parse(row.squads),
  createdBy: row.created_by,
  createdAt: row.created_at,
  expiresAt: row.expires_at || null,
  lastUsedAt: row.last_used_at || null,
  revokedAt: row.revoked_at || null,
});

interface Parts {
  readonly db: Database;
  readonly clock: Clock;
  readonly events: EventStore;
}

export function openAccess(parts: Parts): Access {
  const sql = prepareAccess(parts.db);
  return { ...openUsers(parts, sql), ...openTokens(parts, sql), ...openSessions(parts, sql) };
}

function openUsers({ clock, events }: Parts, sql: AccessStatements) {
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
      sql.revokeTokensOf.run(clock(), name);
      sql.dropUser.run(name);
      tell(name, 'removed', who);
    },
  };
}

function openTokens({ clock, events }: Parts, sql: AccessStatements) {
  const make = (token: NewToken, who: string, bootstrap: boolean) => {
    const secret = TOKEN_PREFIX + randomBytes(32).toString('base64url');
    const id = randomBytes(6).toString('hex');
    const { name, role, squads, user = '', expiresAt = 0 } = token;
    sql.putToken.run(
      ...[id, sha256(secret), name, user, role, JSON.stringify(squads)],
      ...[bootstrap ? 1 : 0, who, clock(), expiresAt],
    );
    const data = { kind: 'token', id, change: `created: ${name}, ${role}`, who };
    events.append({ name: 'access.changed', data });
    return { secret, token: tokenFromRow(sql.token.get(id) as TokenRow) };
  };
  const userOf = (row: TokenRow): UserRow | undefined | 'none' =>
    row.user === '' ? 'none' : sql.user.get(row.user);
  /** When tokens were used that is not written yet, by their id. */
  const used = new Map<string, number>();
  const shown = (row: TokenRow): ApiToken => {
    const token = tokenFromRow(row);
    return { ...token, lastUsedAt: used.get(row.id) ?? token.lastUsedAt };
  };
  return {
    tokens: () => sql.tokens.all().map(shown),
    noteUsed(): void {
      for (const [id, at] of used) sql.used.run(at, id);
      used.clear();
    },
    createToken(token: NewToken, who: string) {
      if (token.user && !sql.user.get(token.user))
        throw new AppError('REQUEST_INVALID', { detail: `No user ${token.user}.`, path: '/user' });
      const most = limit('tokensPerUserMax');
      const living = token.user ? (sql.tokensOf.get(token.user, clock())?.count ?? 0) : 0;
      if (living >= most)
        throw new AppError('REQUEST_INVALID', {
          detail: `${token.user} has ${most} tokens: end one first.`,
          path: '/user',
        });
      const made = make(token, who, false);
      if (token.role === 'admin') sql.endBootstrap.run(clock());
      return made;
    },
    revokeToken(id: string, who: string): void {
      if (!sql.token.get(id)) throw new AppError('NOT_FOUND', { detail: `No token ${id}.` });
      sql.revoke.run(clock(), id);
      events.append({
        name: 'access.changed',
        data: { kind: 'token', id, change: 'revoked', who },
      });
    },
    bootstrap(): string | undefined {
      const now = clock();
      const admins = sql.users
        .all()
        .some(({ role, password }) => role === 'admin' && password !== '');
      const living = sql.tokens
        .all()
        .some((row) => row.revoked_at === 0 && (row.expires_at === 0 || row.expires_at > now));
      if (admins || living) return undefined;
      const expiresAt = now + limit('bootstrapTokenMs');
      return make(
        { name: 'first-start', role: 'admin', squads: {}, expiresAt },
        'first start',
        true,
      ).secret;
    },
    byToken(secret: string): Principal | undefined {
      if (!secret.startsWith(TOKEN_PREFIX) || secret.length > 64) return undefined;
      const row = sql.tokenByHash.get(sha256(secret));
      const now = clock();
      if (!row || row.revoked_at > 0 || (row.expires_at > 0 && row.expires_at <= now))
        return undefined;
      const user = userOf(row);
      if (user === undefined || (user !== 'none' && user.disabled !== ENABLED)) return undefined;
      used.set(row.id, now);
      const who = user === 'none' ? `token:${row.name}` : row.user;
      const squads: SquadRoles = JSON.parse(row.squads);
      // The first start's token is there to make one that stays.
      const endsAt =
        row.expires_at > 0 && row.bootstrap === 0 ? { endsAt: row.expires_at as Millis } : {};
      const own = { who, kind: 'token' as const, id: row.id, ...endsAt };
      if (user === 'none') return { ...own, role: row.role, squads };
      return {
        ...within({ role: row.role, squads }, userFromRow(user)),
        ...own,
      };
    },
  };
}

/** A user's token can do what both may: the lesser role, and the squads of both. */
function within(
  token: { role: Role; squads: SquadRoles },
  user: { role: Role; squads: SquadRoles },
): { role: Role; squads: SquadRoles } {
  const shared = Object.entries(token.squads).flatMap(([squad, role]) => {
    const own = user.role === 'admin' ? 'admin' : user.squads[squad];
    return own === undefined ? [] : [[squad, lesser(role, own)] as const];
  });
  return { role: lesser(token.role, user.role), squads: Object.fromEntries(shared) };
}

const lesser = (a: Role, b: Role): Role => (ROLES.indexOf(a) < ROLES.indexOf(b) ? a : b);

function openSessions({ clock, events }: Parts, sql: AccessStatements) {
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
