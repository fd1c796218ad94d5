/** Who may do what at central, and its API tokens: 256 random bits each, kept as SHA-256. */
import { createHash, randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../errors.ts';
import { type Principal, ROLES, type Role, type SquadRoles } from '../inventory/access.ts';
import type { Clock } from '../wire/time.ts';
import type { FleetDatabase } from './sql.ts';

export interface FleetPrincipal {
  readonly who: string;
  readonly kind: 'token' | 'session';
  /** For what no squad has, and what is of the whole fleet. */
  readonly role: Role;
  /** For each squad's own; of all of them the same as for the fleet. */
  readonly squads: SquadRoles | 'all';
}

export interface FleetToken {
  readonly name: string;
  readonly role: Role;
  /** That it acts for; none: for all of the fleet. */
  readonly squads: readonly string[];
  readonly madeAt: number;
}

export interface FleetAccess {
  /** @throws AppError ALREADY_EXISTS, REQUEST_INVALID for an admin of squads */
  makeToken(name: string, role: Role, squads?: readonly string[]): Promise<string>;
  /** @throws AppError UNAUTHENTICATED */
  principal(header: string | undefined): Promise<FleetPrincipal>;
  /** Those that have not been ended, by name. */
  tokens(): Promise<FleetToken[]>;
  /** @throws AppError NOT_FOUND */
  endToken(name: string): Promise<void>;
  /** A token for the first administrator, when there is none at all. */
  bootstrap(): Promise<string | undefined>;
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

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
      const { name, role } = row;
      const squads = (JSON.parse(row.squads) as string[]).map((squad) => [squad, role] as const);
      const token = { who: `token:${name}`, kind: 'token' } as const;
      return squads.length === 0
        ? { ...token, role, squads: 'all' }
        : { ...token, role: 'viewer', squads: Object.fromEntries(squads) };
    },
    async tokens() {
      const rows = await db.all<{ name: string; role: Role; squads: string; made_at: number }>(
        'SELECT name, role, squads, made_at FROM tokens WHERE revoked_at = 0 ORDER BY name',
      );
      return rows.map(({ name, role, squads, made_at: madeAt }) => ({
        ...{ name, role, madeAt, squads: JSON.parse(squads) as string[] },
      }));
    },
    async endToken(name) {
      // Its name may be given again.
      const ended = await db.run('DELETE FROM tokens WHERE name = ?', [name]);
      if (ended === 0) throw new AppError('NOT_FOUND', { detail: `No token ${name}.` });
    },
    async bootstrap() {
      const [some] = await db.all('SELECT hash FROM tokens LIMIT 1');
      return some ? undefined : access.makeToken('first-start', 'admin');
    },
  };
  return access;
}

const isAtLeast = (role: Role, needed: Role): boolean =>
  ROLES.indexOf(role) >= ROLES.indexOf(needed);

/**
 * The least that a route asks for, somewhere: for which squad is looked at with what it is about (`needSquad`). What takes an
 * administrator takes one of the fleet.
 *
 * @throws AppError FORBIDDEN
 */
export function needFleetRole({ role, squads }: FleetPrincipal, needed: Role): void {
  const inSquads = squads === 'all' || needed === 'admin' ? [] : Object.values(squads);
  if (![role, ...inSquads].some((own) => isAtLeast(own, needed)))
    throw new AppError('FORBIDDEN', { detail: `It takes a fleet ${needed}.` });
}

/**
 * What a squad gets takes its operator, what no squad gets, or is asked of one machine, one of the fleet.
 *
 * @throws AppError FORBIDDEN
 */
export function needSquad({ role, squads }: FleetPrincipal, squad: string | undefined): void {
  const isOfFleet = role === 'admin' || squads === 'all' || squad === undefined || squad === '';
  if (isAtLeast(isOfFleet ? role : (squads[squad] ?? 'viewer'), 'operator')) return;
  const of = squad === undefined || squad === '' ? 'the fleet' : `squad ${squad}`;
  throw new AppError('FORBIDDEN', { detail: `It takes an operator of ${of}.` });
}

/** As the rules of an appliance ask for one: of all squads it is about these. */
export function asPrincipal(
  { who, kind, role, squads }: FleetPrincipal,
  ...named: readonly string[]
): Principal {
  const own = squads === 'all' ? Object.fromEntries(named.map((one) => [one, role])) : squads;
  return { who, id: who, kind, role, squads: own };
}

/** Of a route that says who may call it. @throws AppError UNAUTHENTICATED */
export function principalOf({ fleetPrincipal }: FastifyRequest): FleetPrincipal {
  if (!fleetPrincipal) throw new AppError('UNAUTHENTICATED');
  return fleetPrincipal;
}
