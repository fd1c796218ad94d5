/** API tokens of central: 256 random bits each, kept as SHA-256. */
import { createHash, randomBytes } from 'node:crypto';
import { AppError } from '../errors.ts';
import { ROLES, type Role } from '../inventory/access.ts';
import type { Clock } from '../wire/time.ts';
import type { FleetDatabase } from './sql.ts';

export interface FleetPrincipal {
  readonly who: string;
  readonly role: Role;
  /** Those that it acts for; none: for all of the fleet. */
  readonly squads: readonly string[];
}

export interface FleetAccess {
  /** @throws AppError ALREADY_EXISTS, REQUEST_INVALID for an admin of squads */
  makeToken(name: string, role: Role, squads?: readonly string[]): Promise<string>;
  /** @throws AppError UNAUTHENTICATED */
  principal(header: string | undefined): Promise<FleetPrincipal>;
  /** A token for the first administrator, when there is none at all. */
  bootstrap(): Promise<string | undefined>;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export function openFleetAccess(db: FleetDatabase, clock: Clock): FleetAccess {
  const access: FleetAccess = {
    async makeToken(name, role, squads = []) {
      if (role === 'admin' && squads.length > 0)
        throw new AppError('REQUEST_INVALID', { detail: 'An admin is one of all of the fleet.' });
      const secret = `rvl_${randomBytes(32).toString('base64url')}`;
      const made = await db.run(
        `INSERT INTO tokens (hash, name, role, made_at, squads) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (name) DO NOTHING`,
        [sha256(secret), name, role, clock(), JSON.stringify(squads)],
      );
      if (made === 0) throw new AppError('ALREADY_EXISTS', { detail: `A token named ${name}.` });
      return secret;
    },
    async principal(header = '') {
      const [, secret = ''] = /^bearer (\S{1,64})$/i.exec(header) ?? [];
      const [row] = await db.all<{ name: string; role: Role; squads: string }>(
        'SELECT name, role, squads FROM tokens WHERE hash = ? AND revoked_at = 0',
        [sha256(secret)],
      );
      if (!row) throw new AppError('UNAUTHENTICATED');
      return { who: `token:${row.name}`, role: row.role, squads: JSON.parse(row.squads) };
    },
    async bootstrap() {
      const [some] = await db.all('SELECT hash FROM tokens LIMIT 1');
      return some ? undefined : access.makeToken('first-start', 'admin');
    },
  };
  return access;
}

/** @throws AppError FORBIDDEN */
export function needFleetRole({ role }: FleetPrincipal, needed: Role): void {
  if (ROLES.indexOf(role) < ROLES.indexOf(needed))
    throw new AppError('FORBIDDEN', { detail: `It takes a fleet ${needed}.` });
}

/**
 * A token of squads asks for nothing but for them; what no squad gets, or what is asked of one machine, takes one of the fleet.
 *
 * @throws AppError FORBIDDEN
 */
export function needSquad({ squads }: FleetPrincipal, squad: string | undefined): void {
  if (squads.length === 0 || (squad !== undefined && squads.includes(squad))) return;
  throw new AppError('FORBIDDEN', { detail: `This token acts for ${squads.join(', ')}.` });
}
