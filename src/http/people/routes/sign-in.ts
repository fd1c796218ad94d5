/**
 * How one may come in, and the two steps of signing in at an identity provider. Both are visited by a browser and not called
 * by a program: they answer with redirects, a failure too, which the sign-in page explains.
 */
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import { limit } from '../../../limits.ts';
import { mayReadUnnamed, setSessionCookie } from '../authenticate.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import type { OidcDesk } from '../oidc.ts';
import { OIDC_CALLBACK, rightsOf } from '../oidc-settings.ts';
import { createRateLimit } from '../rate-limit.ts';
import { answers } from '../schemas.ts';

const BEGIN = '/api/v1/login/oidc';
const ATTEMPT_COOKIE = 'reveille_sign_in';
/** The page of the board that asks for a name and password, and explains what went wrong. */
const SIGN_IN_PAGE = '/sign-in';

export function addSignInRoutes(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/login',
    config: { access: 'open' },
    schema: {
      tags: ['access'],
      summary: 'How one may sign in here',
      response: answers(
        z.object({
          anonymousRead: z.boolean().describe('Reading needs no login from where you are'),
          password: z.boolean(),
          oidc: z.object({ label: z.string(), url: z.string() }).nullable(),
        }),
      ),
    },
    handler: async (request) => ({
      anonymousRead: mayReadUnnamed(context, request),
      password: true,
      oidc: context.oidc ? { label: context.oidc.label, url: BEGIN } : null,
    }),
  });
  const { oidc } = context;
  if (oidc) addOidcRoutes(app, context, oidc);
}

function addOidcRoutes(app: PeopleServer, context: PeopleContext, oidc: OidcDesk): void {
  const perMinute = limit('loginsPerMinuteMax');
  const begun = createRateLimit(context.clock, { perSecond: perMinute / 60, burst: perMinute });
  const cookie = {
    path: BEGIN,
    httpOnly: true,
    secure: oidc.secure,
    // The answer comes by a navigation from the provider's site, which `strict` would leave without the cookie.
    sameSite: 'lax',
  } as const;
  const explain = (reply: FastifyReply, error: unknown) => {
    if (!(error instanceof AppError)) throw error;
    context.log.warn({ err: error }, 'somebody could not sign in');
    const why = new URLSearchParams({ problem: error.code, detail: error.detail ?? '' });
    return reply.redirect(`${SIGN_IN_PAGE}?${why}`, 303);
  };
  app.route({
    method: 'GET',
    url: BEGIN,
    config: { access: 'open' },
    schema: {
      tags: ['access'],
      summary: 'Sign in at the identity provider: a redirect to it',
      querystring: z.strictObject({ return: z.string().max(512).default('/') }),
    },
    handler: async (request, reply) => {
      const seconds = begun.take(request.ip);
      if (seconds > 0) {
        reply.header('retry-after', seconds);
        throw new AppError('RATE_LIMITED');
      }
      try {
        const attempt = await oidc.begin(ownPath(request.query.return));
        const maxAge = limit('signInMs') / 1000;
        reply.setCookie(ATTEMPT_COOKIE, attempt.cookie, { ...cookie, maxAge });
        return reply.redirect(attempt.to, 303);
      } catch (error) {
        return explain(reply, error);
      }
    },
  });
  app.route({
    method: 'GET',
    url: OIDC_CALLBACK,
    config: { access: 'open' },
    schema: { tags: ['access'], summary: 'Where the identity provider sends the browser back to' },
    handler: async (request, reply) => {
      try {
        const query = request.url.slice(OIDC_CALLBACK.length);
        const { identity, returnTo } = await oidc.finish(query, request.cookies[ATTEMPT_COOKIE]);
        const rights = rightsOf(identity.groups, oidc.rules);
        const session = await context.durably(() =>
          context.inventory.serverdb.access.signIn(identity, rights),
        );
        if (!session) {
          const detail = `None of the groups of ${identity.name} may come in.`;
          throw new AppError('SIGN_IN_REFUSED', { detail });
        }
        setSessionCookie(reply, session.secret, oidc.secure);
        return reply.clearCookie(ATTEMPT_COOKIE, cookie).redirect(returnTo, 303);
      } catch (error) {
        return explain(reply, error);
      }
    },
  });
}

/** A path of this appliance and nothing else: no other site is reached through a sign-in here (RFC 9700, section 4.11). */
export function ownPath(wanted: string): string {
  const here = 'http://here.invalid';
  if (!wanted.startsWith('/') || !URL.canParse(wanted, here)) return '/';
  const url = new URL(wanted, here);
  // A path that begins with two slashes would be read as another site by the browser.
  const isOwn = url.origin === here && !url.pathname.startsWith('//');
  return isOwn ? url.pathname + url.search + url.hash : '/';
}
