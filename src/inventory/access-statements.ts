/** The rows of users, API tokens and sessions, and every statement about them. */
import { createHash } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import type { User } from './access.ts';
import type { Role } from './roles.ts';

export interface UserRow {
  name: string;
  role: Role;
  squads: string;
  password: string;
  subject: string;
  disabled: number;
  version: number;
  created_at: number;
  updated_at: number;
}

export interface TokenRow {
  id: string;
  name: string;
  user: string;
  role: Role;
  squads: string;
  bootstrap: number;
  /** The id of the token that made it, or ''. */
  parent: string;
  created_by: string;
  created_at: number;
  expires_at: number;
  last_used_at: number;
  revoked_at: number;
}

export type AccessStatements = ReturnType<typeof prepareAccess>;

export function prepareAccess(db: Database) {
  return {
    users: db.prepare<[], UserRow>('SELECT * FROM users ORDER BY name'),
    user: db.prepare<[string], UserRow>('SELECT * FROM users WHERE name = ?'),
    putUser: db.prepare(
      `INSERT INTO users (name, role, squads, password, disabled, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET role = excluded.role, squads = excluded.squads, password = excluded.password,
         disabled = excluded.disabled, version = version + 1, updated_at = excluded.updated_at`,
    ),
    putExternal: db.prepare(
      `INSERT INTO users (name, role, squads, subject, disabled, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET role = excluded.role, squads = excluded.squads, disabled = excluded.disabled,
         version = version + 1, updated_at = excluded.updated_at`,
    ),
    dropUser: db.prepare('DELETE FROM users WHERE name = ?'),
    tokens: db.prepare<[], TokenRow>('SELECT * FROM api_tokens ORDER BY created_at, id'),
    token: db.prepare<[string], TokenRow>('SELECT * FROM api_tokens WHERE id = ?'),
    tokenByHash: db.prepare<[string], TokenRow>('SELECT * FROM api_tokens WHERE hash = ?'),
    putToken: db.prepare(
      `INSERT INTO api_tokens
         (id, hash, name, user, role, squads, bootstrap, parent, created_by, created_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    /** Living tokens of a user. */
    tokensOf: db.prepare<[string, number], { count: number }>(
      `SELECT count(*) AS count FROM api_tokens
       WHERE user = ? AND revoked_at = 0 AND (expires_at = 0 OR expires_at > ?)`,
    ),
    forgetTokens: db.prepare<{ before: number }>(
      `DELETE FROM api_tokens WHERE (revoked_at > 0 AND revoked_at < $before)
         OR (expires_at > 0 AND expires_at < $before)`,
    ),
    revoke: db.prepare('UPDATE api_tokens SET revoked_at = ? WHERE id = ? AND revoked_at = 0'),
    /** Living ones that a token made, and those made them, and so on: the nearest first. */
    madeBy: db.prepare<[string], { id: string }>(
      `WITH RECURSIVE made (id, deep) AS (
         SELECT id, 1 FROM api_tokens WHERE parent = ? AND parent <> ''
         UNION ALL SELECT one.id, deep + 1 FROM api_tokens AS one JOIN made ON one.parent = made.id
         WHERE one.parent <> '')
       SELECT id FROM made JOIN api_tokens USING (id) WHERE revoked_at = 0 ORDER BY deep, id`,
    ),
    livingTokensOf: db.prepare<[string], { id: string }>(
      'SELECT id FROM api_tokens WHERE user = ? AND revoked_at = 0 ORDER BY id',
    ),
    endBootstrap: db.prepare(
      'UPDATE api_tokens SET revoked_at = ? WHERE bootstrap = 1 AND revoked_at = 0',
    ),
    used: db.prepare('UPDATE api_tokens SET last_used_at = ? WHERE id = ?'),
    session: db.prepare<[string], { user: string; csrf: string; expires_at: number }>(
      'SELECT user, csrf, expires_at FROM sessions WHERE hash = ?',
    ),
    putSession: db.prepare(
      'INSERT INTO sessions (hash, user, csrf, created_at, expires_at) VALUES (?, ?, ?, ?, ?)',
    ),
    trimSessions: db.prepare(
      `DELETE FROM sessions WHERE user = ? AND hash NOT IN
         (SELECT hash FROM sessions WHERE user = ? ORDER BY created_at DESC LIMIT ?)`,
    ),
    endSessions: db.prepare('DELETE FROM sessions WHERE user = ?'),
    dropSession: db.prepare('DELETE FROM sessions WHERE hash = ?'),
    sweep: db.prepare('DELETE FROM sessions WHERE expires_at < ?'),
  };
}

/** Values of `users.disabled`: what the provider has taken away, the provider gives back. */
export const ENABLED = 0;
export const DISABLED = 1;
export const DISABLED_BY_PROVIDER = 2;

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export const userFromRow = (row: UserRow): User => ({
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
