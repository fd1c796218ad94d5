/**
 * Who calls central, and how people sign in: by a token, or by a session's cookie in the shapes of an appliance, so that one
 * portal works against either. `fleet` in a session tells the portal where it is.
 */
import fastifyCookie from '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { createRateLimit } from '../http/people/rate-limit.ts';
import { recordName } from '../inventory/record-kinds.ts';
import { limit } from '../limits.ts';
import { type FleetPrincipal, needFleetRole, principalOf } from './access.ts';
import type { FleetApp, FleetAppParts } from './app.ts';

/** Not the appliance's: two programs at one address have their cookies in common, whatever their ports. */
const COOKIE = 'reveille_fleet';

/** Before every route: who asks, and may they. */
export async function installFleetAccess(
  app: FleetApp,
  { access, sessions }: FleetAppParts,
): Promise<void> {
  await app.register(fastifyCookie);
  app.decorateRequest('fleetPrincipal', null);
  app.decorateRequest('fleetCsrf', '');
  const identify = async (request: FastifyRequest): Promise<FleetPrincipal> => {
    const cookie = request.cookies[COOKIE];
    const { authorization } = request.headers;
    if (authorization !== undefined || cookie === undefined) return access.principal(authorization);
    const session = await sessions.bySession(cookie);
    if (!session) throw new AppError('UNAUTHENTICATED');
    const isReading = request.method === 'GET' || request.method === 'HEAD';
    if (!isReading && request.headers['x-csrf-token'] !== session.csrf)
      throw new AppError('CSRF_MISSING');
    request.fleetCsrf = session.csrf;
    return session.principal;
  };
  app.addHook('onRequest', async (request) => {
    const needed = request.routeOptions.config.fleetRole ?? 'open';
    if (needed === 'open') return;
    const principal = await identify(request);
    request.fleetPrincipal = principal;
    needFleetRole(principal, needed);
  });
}

const shown = (principal: FleetPrincipal, csrf: string) => {
  const { who, kind, role, squads } = principal;
  return {
    ...{ who, kind, role, squads: squads === 'all' ? {} : squads, fleet: true },
    ...(csrf !== '' && { csrf }),
  };
};

export function addSignIn(app: FleetApp, { sessions, fleet, clock, log }: FleetAppParts): void {
  const perMinute = limit('loginsPerMinuteMax');
  const rate = { perSecond: perMinute / 60, burst: perMinute };
  const [logins, told] = [createRateLimit(clock, rate), createRateLimit(clock, rate)];
  const open = { fleetRole: 'open' } as const;
  app.get('/api/v1/login', { config: open }, async () => ({
    ...{ anonymousRead: false, password: true, oidc: null },
  }));
  const body = z.strictObject({ user: recordName, password: z.string().min(1).max(256) });
  app.post('/api/v1/login', { config: open, schema: { body } }, async (request, reply) => {
    const { user: name, password } = request.body;
    const waits = [logins.take(`user ${name}`), logins.take(`address ${request.ip}`)];
    if (waits.some((seconds) => seconds > 0)) {
      reply.header('retry-after', Math.max(...waits));
      throw new AppError('RATE_LIMITED');
    }
    try {
      const { secret, csrf, principal } = await sessions.login(name, password);
      setCookie(reply, secret, isEncrypted(request));
      return shown(principal, csrf);
    } catch (error) {
      if (error instanceof AppError && told.take('all') === 0)
        await fleet
          .notice('', error.code, `Somebody at ${request.ip} could not sign in as ${name}.`)
          .catch((err) => log.error({ err }, 'a refused sign-in could not be noticed'));
      throw error;
    }
  });
  app.get('/api/v1/session', { config: { fleetRole: 'viewer' } }, async (request) =>
    shown(principalOf(request), request.fleetCsrf),
  );
  app.post('/api/v1/logout', { config: { fleetRole: 'viewer' } }, async (request, reply) => {
    const cookie = request.cookies[COOKIE];
    if (cookie !== undefined) await sessions.logout(cookie);
    return reply.clearCookie(COOKIE, { path: '/' }).code(204).send();
  });
}

/** TLS ends at whatever stands before the instances: it says so, and who lies about it harms himself alone. */
const isEncrypted = ({ protocol, headers }: FastifyRequest): boolean =>
  protocol === 'https' || headers['x-forwarded-proto'] === 'https';

function setCookie(reply: FastifyReply, secret: string, secure: boolean): void {
  const maxAge = limit('sessionMs') / 1000;
  reply.setCookie(COOKIE, secret, {
    path: '/',
    httpOnly: true,
    sameSite: 'strict',
    secure,
    maxAge,
  });
}
