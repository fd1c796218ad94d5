/**
 * Signing in at a site's own identity provider: OpenID Connect Core 1.0, authorization code flow (section 3.1) with PKCE
 * (RFC 7636), state and nonce; `openid-client` speaks the protocol.
 *
 * Each attempt is bound to the browser that began it by a cookie of its own, is good for one answer, and ends after ten
 * minutes; how many are open is bounded. The provider is asked for its metadata at the first sign-in and not at the start:
 * a provider that is down keeps nobody out who has a password or a token, and no machine from booting. What comes back is
 * an identity; what it may do is for oidc-settings.ts.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  type Configuration,
  calculatePKCECodeChallenge,
  discovery,
  enableNonRepudiationChecks,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client';
import { AppError } from '../../errors.ts';
import { limit } from '../../limits.ts';
import type { Clock } from '../../wire/time.ts';
import type { OidcSettings } from './oidc-settings.ts';

export interface Identity {
  /** Issuer and subject: the only name of a person that never goes to another. */
  readonly subject: string;
  readonly name: string;
  readonly groups: readonly string[];
}

export interface OidcDesk {
  readonly label: string;
  /** What the provider's groups may do here. */
  readonly rules: Pick<OidcSettings, 'groups' | 'everyone'>;
  /** Whether cookies of this sign-in travel over TLS only. */
  readonly secure: boolean;
  /** @throws AppError IDENTITY_PROVIDER_DOWN */
  begin(returnTo: string): Promise<{ readonly to: string; readonly cookie: string }>;
  /**
   * @param query of the provider's answer, with its `?`
   * @throws AppError SIGN_IN_FAILED, IDENTITY_PROVIDER_DOWN
   */
  finish(
    query: string,
    cookie: string | undefined,
  ): Promise<{ readonly identity: Identity; readonly returnTo: string }>;
}

interface Attempt {
  readonly cookieHash: Buffer;
  readonly nonce: string;
  readonly verifier: string;
  readonly returnTo: string;
  readonly endsAt: number;
}

const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest();

export function createOidcDesk(
  settings: OidcSettings,
  clientSecret: string | undefined,
  clock: Clock,
): OidcDesk {
  const attempts = new Map<string, Attempt>();
  const provider = createProvider(settings, clientSecret, clock);
  const take = (state: string, cookie: string | undefined): Attempt => {
    const attempt = attempts.get(state);
    if (!attempt || cookie === undefined || attempt.endsAt <= clock())
      throw failed('it was begun too long ago, or in another browser');
    if (!timingSafeEqual(attempt.cookieHash, hashOf(cookie)))
      throw failed('it was begun in another browser');
    attempts.delete(state);
    return attempt;
  };
  return {
    label: settings.label,
    rules: settings,
    secure: settings.redirectUrl.startsWith('https:'),
    async begin(returnTo) {
      const configuration = await provider();
      const [state, nonce, verifier] = [randomState(), randomNonce(), randomPKCECodeVerifier()];
      const cookie = randomBytes(32).toString('base64url');
      const endsAt = clock() + limit('signInMs');
      attempts.set(state, { cookieHash: hashOf(cookie), nonce, verifier, returnTo, endsAt });
      // In the order of beginning: the oldest is forgotten, so that attempts nobody finishes cost no memory.
      const [oldest] = attempts.keys();
      if (attempts.size > limit('signInsOpenMax') && oldest !== undefined) attempts.delete(oldest);
      const to = buildAuthorizationUrl(configuration, {
        redirect_uri: settings.redirectUrl,
        scope: settings.scopes.join(' '),
        ...{ state, nonce, code_challenge_method: 'S256' },
        code_challenge: await calculatePKCECodeChallenge(verifier),
      });
      return { to: to.href, cookie };
    },
    async finish(query, cookie) {
      const state = new URLSearchParams(query).get('state') ?? '';
      const { nonce, verifier, returnTo } = take(state, cookie);
      const answered = new URL(settings.redirectUrl);
      answered.search = query;
      const tokens = await authorizationCodeGrant(await provider(), answered, {
        ...{ expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier },
        idTokenExpected: true,
      }).catch((cause: unknown) => {
        throw failed(whyOf(cause), cause);
      });
      return { identity: identityOf(tokens.claims() ?? {}, settings), returnTo };
    },
  };
}

/** The provider's metadata, read when it is first needed, and again after an hour or a failure. */
function createProvider(
  { issuer, clientId }: OidcSettings,
  clientSecret: string | undefined,
  clock: Clock,
): () => Promise<Configuration> {
  let known: { configuration: Promise<Configuration>; readAt: number } | undefined;
  return () => {
    if (known && clock() - known.readAt < limit('signInMetadataMs')) return known.configuration;
    const execute = [enableNonRepudiationChecks];
    if (issuer.startsWith('http:')) execute.push(allowInsecureRequests);
    const options = { execute, timeout: limit('signInProviderMs') / 1000 };
    const configuration = discovery(new URL(issuer), clientId, clientSecret, undefined, options);
    const reading = { configuration, readAt: clock() };
    known = reading;
    return configuration.catch((cause: unknown) => {
      if (known === reading) known = undefined;
      throw new AppError('IDENTITY_PROVIDER_DOWN', { detail: whyOf(cause), cause });
    });
  };
}

/** @throws AppError SIGN_IN_FAILED when the claim that names people is missing, or cannot be a name here */
export function identityOf(
  claims: Readonly<Record<string, unknown>>,
  settings: OidcSettings,
): Identity {
  const { userClaim, userDomain, groupsClaim } = settings;
  const { iss, sub, [userClaim]: said, [groupsClaim]: groups = [] } = claims;
  if (typeof said !== 'string') throw failed(`the provider sends no claim ${userClaim}`);
  const suffix = userDomain === undefined ? '' : `@${userDomain}`;
  if (!said.endsWith(suffix)) throw failed(`${userClaim} does not end in ${suffix}`);
  const name = said.slice(0, said.length - suffix.length);
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(name))
    throw failed(`${userClaim} is no name that can be used here; see peopleHttp.oidc.userClaim`);
  const list = Array.isArray(groups) ? groups : [groups];
  return {
    subject: `${String(iss)} ${String(sub)}`,
    name,
    groups: list.filter((group) => typeof group === 'string'),
  };
}

function failed(why: string, cause?: unknown): AppError {
  return new AppError('SIGN_IN_FAILED', { detail: `Signing in failed: ${why}.`, cause });
}

/** The provider's own words where it has some; never a token, which no message of these libraries holds. */
function whyOf(cause: unknown): string {
  const { error_description: said, error, message } = cause as Record<string, unknown>;
  return String(said ?? error ?? message ?? cause).slice(0, 200);
}
