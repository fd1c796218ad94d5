/**
 * A real OpenID provider on loopback, written by other people (npm `oidc-provider`), whose people sign in at once: the test
 * says who is sitting at the browser. Knobs: what the claims say, and whether the person says no.
 */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider } from 'oidc-provider';

export interface Person {
  readonly sub: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

export interface TestProvider {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Who is at the browser; `undefined`: somebody who presses "no". */
  person: Person | undefined;
  close(): Promise<void>;
}

export async function startIdentityProvider(redirectUrl: string): Promise<TestProvider> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const [clientId, clientSecret] = ['reveille', 'a secret of forty characters, for a test'];
  const people = new Map<string, Person>();
  const provider = new Provider(issuer, {
    clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [redirectUrl] }],
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
    // Everything asked for is in the ID token, as most providers of companies do it.
    conformIdTokenClaims: false,
    ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
    features: { devInteractions: { enabled: false } },
    findAccount: (_context: unknown, sub: string) => ({
      accountId: sub,
      claims: () => ({ sub, ...people.get(sub)?.claims }),
    }),
    cookies: { keys: ['a key of the test'] },
  });
  const answers = provider.callback();
  const test: TestProvider = {
    ...{ issuer, clientId, clientSecret, person: undefined },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  const interaction = interact(provider, test, people);
  server.on('request', (request, response) => {
    const isInteraction = request.url?.startsWith('/interaction/');
    (isInteraction ? interaction : answers)(request, response);
  });
  return test;
}

/** The page at which somebody would type a password, and the one that asks for consent: answered without being shown. */
function interact(
  provider: Provider,
  test: TestProvider,
  people: Map<string, Person>,
): RequestListener {
  return async (request, response) => {
    const { prompt, params, session } = await provider.interactionDetails(request, response);
    if (!test.person) {
      const no = { error: 'access_denied', error_description: 'the person said no' };
      return provider.interactionFinished(request, response, no);
    }
    people.set(test.person.sub, test.person);
    if (prompt.name === 'login') {
      const result = { login: { accountId: test.person.sub } };
      return provider.interactionFinished(request, response, result);
    }
    const grant = new provider.Grant({ accountId: session?.accountId, clientId: params.client_id });
    grant.addOIDCScope(String(params.scope));
    const result = { consent: { grantId: await grant.save() } };
    return provider.interactionFinished(request, response, result);
  };
}
