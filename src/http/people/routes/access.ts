/** Login and logout, users, API tokens and stored credentials. No call gives a stored secret out. */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { ApiToken, Principal, Role, SquadRoles, User } from '../../../inventory/access.ts';
import { hashPassword } from '../../../inventory/password.ts';
import { recordName } from '../../../inventory/record-kinds.ts';
import { limit } from '../../../limits.ts';
import { isAtLeast, maySee, needRole, roleIn } from '../access-rules.ts';
import { principalOf, SESSION_COOKIE, setSessionCookie } from '../authenticate.ts';
import { commit, etagOf, versionRead } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { createRateLimit } from '../rate-limit.ts';
import { answers, idParams, nameParams, nothing, role, squadRoles } from '../schemas.ts';

export function addAccessRoutes(app: PeopleServer, context: PeopleContext): void {
  addSessionRoutes(app, context);
  addUserRoutes(app, context);
  addTokenRoutes(app, context);
  addCredentialRoutes(app, context);
}

const password = z.string().min(10).max(256);
const sessionView = z.object({
  who: z.string(),
  kind: z.string(),
  role,
  squads: z.record(z.string(), role),
  csrf: z.string().optional().describe('Send it as X-CSRF-Token with every call that writes'),
  paired: z.boolean().optional().describe('The site has two appliances: see /standby'),
});

const shown = ({ who, kind, role, squads }: Principal) => ({
  who,
  kind,
  role,
  squads: { ...squads },
});

function addSessionRoutes(app: PeopleServer, context: PeopleContext): void {
  const { access } = context.inventory.serverdb;
  const pair = context.standby ? { paired: true } : {};
  const perMinute = limit('loginsPerMinuteMax');
  const logins = createRateLimit(context.clock, { perSecond: perMinute / 60, burst: perMinute });
  app.route({
    method: 'POST',
    url: '/api/v1/login',
    config: { access: 'open' },
    schema: {
      tags: ['access'],
      summary: 'Log in with a password; the session is a cookie',
      body: z.strictObject({ user: recordName, password: z.string().min(1).max(256) }),
      response: answers(sessionView),
    },
    handler: async (request, reply) => {
      const { user: name, password } = request.body;
      const waits = [logins.take(`user ${name}`), logins.take(`address ${request.ip}`)];
      if (waits.some((seconds) => seconds > 0)) {
        reply.header('retry-after', Math.max(...waits));
        throw new AppError('RATE_LIMITED');
      }
      const { secret, csrf, user } = await access.login(name, password);
      setSessionCookie(reply, secret, request.protocol === 'https');
      const { role, squads } = user;
      return { who: name, kind: 'session', role, squads: { ...squads }, csrf, ...pair };
    },
  });
  app.route({
    method: 'POST',
    url: '/api/v1/logout',
    config: { access: 'any' },
    schema: { tags: ['access'], summary: 'End the session', response: answers(nothing, 204) },
    handler: async (request, reply) => {
      if (request.sessionSecret) access.logout(request.sessionSecret);
      return reply.clearCookie(SESSION_COOKIE, { path: '/' }).code(204).send();
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/session',
    config: { access: 'read' },
    schema: {
      tags: ['access'],
      summary: 'Who am I, and what may I do',
      response: answers(sessionView),
    },
    handler: async (request) => {
      const session = request.sessionSecret ? access.bySession(request.sessionSecret) : undefined;
      const { csrf } = session ?? {};
      return { ...shown(principalOf(request)), ...(csrf !== undefined && { csrf }), ...pair };
    },
  });
}

const userView = z.object({
  name: z.string(),
  role,
  squads: z.record(z.string(), role),
  hasPassword: z.boolean(),
  disabled: z.boolean(),
  external: z
    .boolean()
    .describe("Comes in by the site's identity provider, which sets role and squads"),
  version: z.number().int(),
  createdAt: z.number().int(),
  updatedAt: z.number().int(),
});
const userShown = (user: User) => ({ ...user, squads: { ...user.squads } });

/** @throws AppError REQUEST_INVALID when a squad is not on record */
function needSquads({ inventory }: PeopleContext, squads: SquadRoles): void {
  for (const name of Object.keys(squads)) {
    if (!inventory.serverdb.records.get('squad', name))
      throw new AppError('REQUEST_INVALID', { detail: `No squad ${name}.`, path: '/squads' });
  }
}

function addUserRoutes(app: PeopleServer, context: PeopleContext): void {
  const { access } = context.inventory.serverdb;
  app.route({
    method: 'GET',
    url: '/api/v1/users',
    config: { access: 'admin' },
    schema: {
      tags: ['access'],
      summary: 'Every user',
      response: answers(z.object({ users: z.array(userView) })),
    },
    handler: async () => ({ users: access.users().map(userShown) }),
  });
  app.route({
    method: 'PUT',
    url: '/api/v1/users/:name',
    config: { access: 'admin' },
    schema: {
      tags: ['access'],
      summary: 'Make or replace a user; a password that is left out stays as it is',
      params: nameParams,
      body: z.strictObject({
        role: role.default('viewer'),
        squads: squadRoles.default({}),
        disabled: z.boolean().default(false),
        password: password.optional(),
      }),
      response: answers(userView),
    },
    handler: async (request, reply) => {
      const { who } = principalOf(request);
      const version = versionRead(request);
      const { password, ...rest } = request.body;
      needSquads(context, rest.squads);
      const passwordHash = password === undefined ? undefined : await hashPassword(password);
      return commit(context, { request, reply }, () => {
        const entry = { ...rest, name: request.params.name, passwordHash };
        const user = access.putUser(entry, { who, version });
        return { body: userShown(user), version: user.version };
      });
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/users/:name',
    config: { access: 'admin' },
    schema: {
      tags: ['access'],
      summary: 'One user',
      params: nameParams,
      response: answers(userView),
    },
    handler: async (request, reply) => {
      const user = access.user(request.params.name);
      if (!user) throw new AppError('NOT_FOUND', { detail: `No user ${request.params.name}.` });
      return reply.header('etag', etagOf(user.version)).send(userShown(user));
    },
  });
  app.route({
    method: 'DELETE',
    url: '/api/v1/users/:name',
    config: { access: 'admin' },
    schema: {
      tags: ['access'],
      summary: 'Remove a user, with sessions and tokens; machines stay as they are',
      params: nameParams,
      response: answers(nothing, 204),
    },
    handler: async (request, reply) => {
      const { who } = principalOf(request);
      return commit(context, { request, reply }, () => {
        access.removeUser(request.params.name, who);
        return { status: 204 };
      });
    },
  });
}

const time = z.number().int().nullable();
const tokenView = z.object({
  id: z.string(),
  name: z.string(),
  user: z.string(),
  role,
  squads: z.record(z.string(), role),
  parent: z.string().nullable().describe('The token that made it, which it ends with'),
  createdBy: z.string(),
  createdAt: z.number().int(),
  expiresAt: time,
  lastUsedAt: time,
  revokedAt: time,
});
const tokenShown = (token: ApiToken) => ({ ...token, squads: { ...token.squads } });

function addTokenRoutes(app: PeopleServer, context: PeopleContext): void {
  const { inventory } = context;
  const { access } = inventory.serverdb;
  /** Everybody sees and ends the tokens that act as himself; an administrator all. */
  const isOwn = (principal: Principal, token: ApiToken) =>
    principal.role === 'admin' || (token.user !== '' && token.user === principal.who);
  app.route({
    method: 'GET',
    url: '/api/v1/tokens',
    config: { access: 'any' },
    schema: {
      tags: ['access'],
      summary: 'API tokens: your own, or all for an administrator',
      response: answers(z.object({ tokens: z.array(tokenView) })),
    },
    handler: async (request) => {
      const principal = principalOf(request);
      const tokens = access.tokens().filter((token) => isOwn(principal, token));
      return { tokens: tokens.map(tokenShown) };
    },
  });
  app.route({
    method: 'POST',
    url: '/api/v1/tokens',
    config: { access: 'any' },
    schema: {
      tags: ['access'],
      summary: 'Make an API token; it is shown this once (no Idempotency-Key here)',
      body: z.strictObject({
        name: recordName,
        role: role.default('viewer'),
        squads: squadRoles.default({}),
        user: recordName.optional().describe('The user that it acts as; your own by default'),
        expiresAt: z
          .number()
          .int()
          .min(0)
          .optional()
          .describe('At latest when the token ends that makes it'),
      }),
      response: answers(z.object({ secret: z.string(), token: tokenView }), 201),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const { user, role, squads } = request.body;
      assertGrants(principal, { user, role, squads });
      needSquads(context, squads);
      const own = principal.kind === 'session' ? principal.who : undefined;
      const expiresAt = endOf(principal, request.body.expiresAt);
      const parent = principal.within?.token;
      const entry = { ...request.body, user: user ?? own, parent, expiresAt };
      const made = await context.durably(() => access.createToken(entry, principal.who));
      return reply.code(201).send({ secret: made.secret, token: tokenShown(made.token) });
    },
  });
  app.route({
    method: 'DELETE',
    url: '/api/v1/tokens/:id',
    config: { access: 'any' },
    schema: {
      tags: ['access'],
      summary: 'End a token',
      params: idParams,
      response: answers(nothing, 204),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const token = access.tokens().find(({ id }) => id === request.params.id);
      if (!token || !isOwn(principal, token))
        throw new AppError('NOT_FOUND', { detail: `No token ${request.params.id}.` });
      return commit(context, { request, reply }, () => {
        access.revokeToken(token.id, principal.who);
        return { status: 204 };
      });
    },
  });
}

/** A token makes none that outlives it. @throws AppError FORBIDDEN when that was asked for */
function endOf({ within }: Principal, asked: number | undefined): number | undefined {
  const endsAt = within?.endsAt;
  if (endsAt === undefined) return asked;
  if (asked === undefined) return endsAt;
  // 0 is never.
  if (asked > 0 && asked <= endsAt) return asked;
  throw new AppError('FORBIDDEN', { detail: 'A token may not outlive the one that makes it.' });
}

/** Nobody can make a token that may do more than himself. @throws AppError FORBIDDEN */
function assertGrants(
  principal: Principal,
  grant: { user: string | undefined; role: Role; squads: SquadRoles },
): void {
  if (principal.role === 'admin') return;
  const others = grant.user !== undefined && grant.user !== principal.who;
  const squads = Object.entries(grant.squads).every(([squad, role]) =>
    isAtLeast(roleIn(principal, squad), role),
  );
  const named = principal.kind === 'session' || grant.user === principal.who;
  if (others || !named || !squads || !isAtLeast(principal.role, grant.role))
    throw new AppError('FORBIDDEN', { detail: 'A token may do no more than who makes it.' });
}

const credentialView = z.object({
  name: z.string(),
  squad: z.string(),
  username: z.string(),
  notes: z.string(),
  version: z.number().int(),
  createdAt: z.number().int(),
  updatedAt: z.number().int(),
});

function addCredentialRoutes(app: PeopleServer, context: PeopleContext): void {
  const { credentials, records } = context.inventory.serverdb;
  app.route({
    method: 'GET',
    url: '/api/v1/credentials',
    config: { access: 'any' },
    schema: {
      tags: ['access'],
      summary: 'Stored credentials that you may use, by name, without their passwords',
      response: answers(z.object({ credentials: z.array(credentialView) })),
    },
    handler: async (request) => {
      const principal = principalOf(request);
      return { credentials: credentials.list().filter(({ squad }) => mayUse(principal, squad)) };
    },
  });
  app.route({
    method: 'PUT',
    url: '/api/v1/credentials/:name',
    config: { access: 'any' },
    schema: {
      tags: ['access'],
      summary: 'Make or replace a credential; the password goes in and never comes out',
      params: nameParams,
      body: z.strictObject({
        squad: recordName.or(z.literal('')).default(''),
        username: z.string().max(64),
        password: z.string().min(1).max(256).optional(),
        notes: z.string().max(limit('fieldTextCharsMax')).default(''),
      }),
      response: answers(credentialView),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const { name } = request.params;
      const { squad } = request.body;
      mayWrite(principal, [credentials.get(name)?.squad ?? squad, squad]);
      if (squad !== '' && !records.get('squad', squad))
        throw new AppError('REQUEST_INVALID', { detail: `No squad ${squad}.`, path: '/squad' });
      const version = versionRead(request);
      return commit(context, { request, reply }, () => {
        const body = credentials.put({ name, ...request.body }, { who: principal.who, version });
        return { body, version: body.version };
      });
    },
  });
  app.route({
    method: 'DELETE',
    url: '/api/v1/credentials/:name',
    config: { access: 'any' },
    schema: {
      tags: ['access'],
      summary: 'Delete a credential that no machine uses',
      params: nameParams,
      response: answers(nothing, 204),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const { name } = request.params;
      mayWrite(principal, [credentials.get(name)?.squad ?? '']);
      return commit(context, { request, reply }, () => {
        credentials.remove(name, principal.who);
        return { status: 204 };
      });
    },
  });
}

/** The site's are used by its technicians; a squad's by the squad's. */
function mayUse(principal: Principal, squad: string): boolean {
  return maySee(principal, squad) && isAtLeast(roleIn(principal, squad), 'technician');
}

/** The site's credentials are an administrator's; a squad's, its operators'. */
function mayWrite(principal: Principal, squads: readonly string[]): void {
  for (const squad of squads) needRole(principal, squad, squad === '' ? 'admin' : 'operator');
}
