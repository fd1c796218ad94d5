/**
 * API tokens: made, ended, and what each may do by now.
 *
 * A token that a token made is within it, for good: it ends with that one and may never do more than that one may now. So
 * whoever ends a token that leaked has ended all that came of it. That is looked up with each call, and ending one also marks
 * what it made, so that people see it.
 */
import { randomBytes } from 'node:crypto';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Millis } from '../wire/time.ts';
import type { AccessParts, ApiToken, NewToken, Principal } from './access.ts';
import {
  type AccessStatements,
  ENABLED,
  sha256,
  type TokenRow,
  type UserRow,
  userFromRow,
} from './access-statements.ts';
import { type Rights, within } from './roles.ts';

const TOKEN_PREFIX = 'rvl_';

const tokenFromRow = (row: TokenRow): ApiToken => ({
  id: row.id,
  name: row.name,
  user: row.user,
  role: row.role,
  squads: JSON.parse(row.squads),
  parent: row.parent || null,
  createdBy: row.created_by,
  createdAt: row.created_at,
  expiresAt: row.expires_at || null,
  lastUsedAt: row.last_used_at || null,
  revokedAt: row.revoked_at || null,
});

/** Ends a token and all that came of it, with an event for each. */
export function revoke(
  { clock, events }: AccessParts,
  sql: AccessStatements,
  by: { id: string; who: string },
) {
  const { id, who } = by;
  const tell = (one: string, change: string) =>
    events.append({ name: 'access.changed', data: { kind: 'token', id: one, change, who } });
  const others = sql.madeBy.all(id);
  sql.revoke.run(clock(), id);
  tell(id, 'revoked');
  for (const other of others) {
    sql.revoke.run(clock(), other.id);
    tell(other.id, `revoked with ${id}, which made it`);
  }
}

export function openTokens(parts: AccessParts, sql: AccessStatements) {
  const { clock, events } = parts;
  const make = (token: NewToken, who: string, bootstrap: boolean) => {
    const secret = TOKEN_PREFIX + randomBytes(32).toString('base64url');
    const id = randomBytes(6).toString('hex');
    const { name, role, squads, user = '', parent = '', expiresAt = 0 } = token;
    sql.putToken.run(
      ...[id, sha256(secret), name, user, role, JSON.stringify(squads)],
      ...[bootstrap ? 1 : 0, parent, who, clock(), expiresAt],
    );
    const data = { kind: 'token', id, change: `created: ${name}, ${role}`, who };
    events.append({ name: 'access.changed', data });
    return { secret, token: tokenFromRow(sql.token.get(id) as TokenRow) };
  };
  const userOf = (row: TokenRow): UserRow | undefined | 'none' =>
    row.user === '' ? 'none' : sql.user.get(row.user);
  /** What a token may do now: never more than the one that made it, and nothing once that has ended. */
  const rightsOf = (row: TokenRow, now: number): Rights | undefined => {
    if (row.revoked_at > 0 || (row.expires_at > 0 && row.expires_at <= now)) return undefined;
    const user = userOf(row);
    if (user === undefined || (user !== 'none' && user.disabled !== ENABLED)) return undefined;
    const own: Rights = { role: row.role, squads: JSON.parse(row.squads) };
    const rights = user === 'none' ? own : within(own, userFromRow(user));
    if (row.parent === '') return rights;
    const parent = sql.token.get(row.parent);
    const above = parent && rightsOf(parent, now);
    return above && within(rights, above);
  };
  /** @throws AppError UNAUTHENTICATED when it ended since its call began, FORBIDDEN when it is the last of a long line */
  const assertMakes = (id: string): void => {
    let row = sql.token.get(id);
    if (!row || !rightsOf(row, clock()))
      throw new AppError('UNAUTHENTICATED', { detail: 'This token is not valid.' });
    let generations = 1;
    for (; row && row.parent !== ''; row = sql.token.get(row.parent)) generations += 1;
    const most = limit('tokenGenerationsMax');
    if (generations >= most)
      throw new AppError('FORBIDDEN', {
        detail: `Tokens made by tokens go ${most} deep and no deeper.`,
      });
  };
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
      if (token.parent) assertMakes(token.parent);
      const made = make(token, who, false);
      if (token.role === 'admin') sql.endBootstrap.run(clock());
      return made;
    },
    revokeToken(id: string, who: string): void {
      if (!sql.token.get(id)) throw new AppError('NOT_FOUND', { detail: `No token ${id}.` });
      revoke(parts, sql, { id, who });
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
      const rights = row && rightsOf(row, now);
      if (!row || !rights) return undefined;
      used.set(row.id, now);
      const { id, name, user, bootstrap, expires_at } = row;
      const who = user === '' ? `token:${name}` : user;
      const endsAt = expires_at > 0 ? { endsAt: expires_at as Millis } : {};
      // The first start's token is there to make one that stays.
      const makes = bootstrap === 0 ? { within: { token: id, ...endsAt } } : {};
      return { who, kind: 'token', id, ...rights, ...makes };
    },
  };
}
