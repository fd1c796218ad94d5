/**
 * Before every handler: who is asking, may they call this at all, and how often.
 *
 * A request proves who it is by an API token or by a session's cookie; a session that writes also proves, by a header that
 * no other site can set, that its own page is asking (CSRF). Every refusal is audited as an event, up to a rate beyond
 * which it is only counted: a flood of guesses must not fill the disk.
 */
import fastifyCookie from '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError, type ErrorCode } from '../../errors.ts';
import type { Principal } from '../../inventory/access.ts';
import { limit } from '../../limits.ts';
import { contains, parseIpv4 } from '../../wire/ipv4.ts';
import { isAtLeast } from './access-rules.ts';
import type { PeopleContext, PeopleServer, RouteAccess } from './context.ts';
import { maskPath } from './mask.ts';
import { createRateLimit } from './rate-limit.ts';

export const SESSION_COOKIE = 'reveille_session';

const ANONYMOUS = { who: 'anonymous', kind: 'anonymous', role: 'viewer', squads: {} } as const;

/** Codes that mean "you may not": what the audit wants to know. */
const REFUSALS: readonly ErrorCode[] = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'CSRF_MISSING',
  'LOGIN_FAILED',
  'RATE_LIMITED',
];

export async function installAccess(app: PeopleServer, context: PeopleContext): Promise<void> {
  const { settings, clock } = context;
  await app.register(fastifyCookie);
  app.decorateRequest('principal', null);
  app.decorateRequest('sessionSecret', null);
  app.decorateRequest('refusedItem', null);
  const rates = createRateLimit(clock, {
    perSecond: settings.requestsPerSecond,
    burst: settings.requestsPerSecond * 2,
  });
  const guesses = createRateLimit(clock, {
    perSecond: limit('invalidTokensPerMinuteMax') / 60,
    burst: limit('invalidTokensPerMinuteMax'),
  });
  /**
   * Who shows a token that is not valid waits, and nobody else behind the same address does: a token is looked up before the
   * address is counted.
   */
  const identified = (request: FastifyRequest, reply: FastifyReply): Principal | null => {
    try {
      return identify(context, request);
    } catch (error) {
      const isGuess = error instanceof AppError && error.code === 'UNAUTHENTICATED';
      const waitSeconds = isGuess ? guesses.take(request.ip) : 0;
      if (waitSeconds === 0) throw error;
      reply.header('retry-after', waitSeconds);
      throw new AppError('RATE_LIMITED');
    }
  };
  app.addHook('onRequest', async (request, reply) => {
    const access = request.routeOptions.config.access ?? 'open';
    if (access === 'open') return;
    const principal = identified(request, reply);
    request.principal = principal;
    const who = principal?.id ?? `address ${request.ip}`;
    const waitSeconds = rates.take(who);
    const { left, fullInSeconds } = rates.left(who);
    reply.headers({
      'ratelimit-limit': settings.requestsPerSecond * 2,
      'ratelimit-remaining': left,
      'ratelimit-reset': fullInSeconds,
    });
    if (waitSeconds > 0) {
      reply.header('retry-after', waitSeconds);
      throw new AppError('RATE_LIMITED');
    }
    admit(principal, access, { request, readable: mayReadUnnamed(context, request) });
  });
  const audit = createRateLimit(clock, {
    perSecond: limit('refusalEventsPerMinuteMax') / 60,
    burst: limit('refusalEventsPerMinuteMax'),
  });
  app.addHook('onError', async (request, _reply, error) => {
    if (error instanceof AppError && REFUSALS.includes(error.code) && audit.take('all') === 0)
      record(context, request, error.code);
  });
  app.addHook('onResponse', async (request) => {
    if (request.refusedItem && audit.take('all') === 0)
      record(context, request, request.refusedItem);
  });
}

/** A call about many things succeeds as a whole: what was refused of it is audited once, when it has been answered. */
export function noteRefused(
  request: FastifyRequest,
  results: readonly { readonly code?: ErrorCode | undefined }[],
): void {
  request.refusedItem = results.find(({ code }) => code && REFUSALS.includes(code))?.code ?? null;
}

/** The principal of a request that got past the hook. */
export function principalOf(request: FastifyRequest): Principal {
  if (!request.principal) throw new AppError('UNAUTHENTICATED');
  return request.principal;
}

/**
 * Looks again whether whoever made this request may still come in, for what lasts longer than an answer: a token may have
 * been revoked since, a session ended, a user disabled. What they may do is read anew, too.
 */
export function stillThere(context: PeopleContext, request: FastifyRequest): boolean {
  try {
    const principal = identify(context, request);
    if (principal) request.principal = principal;
    return principal !== null;
  } catch (err) {
    // Nobody is let stay because a look failed: they come back, and are looked at again.
    if (!(err instanceof AppError)) context.log.error({ err }, 'it is not known who is here');
    return false;
  }
}

/** The same for what is open to the anonymous reader. */
export function mayStay(context: PeopleContext, request: FastifyRequest): boolean {
  if (stillThere(context, request)) return true;
  return request.principal?.kind === 'anonymous' && mayReadUnnamed(context, request);
}

/**
 * Ends what lasts longer than an answer when whoever opened it may no longer be there: it looks once a second, and at once,
 * before anything else is read of the feed, after a change of users or tokens.
 *
 * @returns the way to stop looking
 */
export function whileAllowed(
  { inventory }: Pick<PeopleContext, 'inventory'>,
  allowed: () => boolean,
  end: () => void,
): () => void {
  const { access } = inventory.serverdb;
  let seen = access.changes();
  const look = (): void => {
    seen = access.changes();
    if (!allowed()) end();
  };
  const unfollow = inventory.events.follow(() => {
    if (access.changes() !== seen) look();
  });
  const timer = setInterval(look, limit('accessLookMs')).unref();
  return () => {
    clearInterval(timer);
    unfollow();
  };
}

/**
 * Whether this address reads without a login. A request that came through a proxy is not from where it seems to come.
 */
export function mayReadUnnamed({ settings }: PeopleContext, request: FastifyRequest): boolean {
  const { anonymousRead } = settings;
  if (typeof anonymousRead === 'boolean') return anonymousRead;
  if (request.headers['x-forwarded-for'] !== undefined || request.headers.forwarded !== undefined)
    return false;
  const address = parseIpv4(request.ip.replace(/^::ffff:/i, ''));
  return address !== undefined && anonymousRead.some((cidr) => contains(cidr, address));
}

function identify({ inventory }: PeopleContext, request: FastifyRequest): Principal | null {
  const { access } = inventory.serverdb;
  const [scheme = '', secret = ''] = (request.headers.authorization ?? '').split(' ');
  if (scheme !== '') {
    const principal = /^bearer$/i.test(scheme) ? access.byToken(secret) : undefined;
    if (!principal) throw new AppError('UNAUTHENTICATED', { detail: 'This token is not valid.' });
    return principal;
  }
  const cookie = request.cookies[SESSION_COOKIE];
  const session = cookie === undefined ? undefined : access.bySession(cookie);
  if (!session || cookie === undefined) return null;
  request.sessionSecret = cookie;
  const reads = request.method === 'GET' || request.method === 'HEAD';
  if (!reads && request.headers['x-csrf-token'] !== session.csrf)
    throw new AppError('CSRF_MISSING');
  return session.principal;
}

function admit(
  principal: Principal | null,
  access: RouteAccess,
  { request, readable }: { request: FastifyRequest; readable: boolean },
): void {
  if (principal === null) {
    if (access !== 'read' || !readable) throw new AppError('UNAUTHENTICATED');
    request.principal = { ...ANONYMOUS, id: `address ${request.ip}` };
    return;
  }
  if (access === 'read' || access === 'any' || access === 'open') return;
  if (!isAtLeast(principal.role, access))
    throw new AppError('FORBIDDEN', { detail: `It takes a site ${access}.` });
}

function record({ inventory, log }: PeopleContext, request: FastifyRequest, code: string): void {
  const data = {
    who: request.principal?.who ?? 'nobody',
    from: request.ip,
    method: request.method,
    path: maskPath(request.url),
    code,
  };
  try {
    inventory.transaction(() => inventory.events.append({ name: 'access.refused', data }));
  } catch (err) {
    log.error({ err }, 'a refusal could not be recorded');
  }
}

export function setSessionCookie(reply: FastifyReply, secret: string, secure: boolean): void {
  reply.setCookie(SESSION_COOKIE, secret, {
    path: '/',
    httpOnly: true,
    sameSite: 'strict',
    secure,
    maxAge: limit('sessionMs') / 1000,
  });
}
