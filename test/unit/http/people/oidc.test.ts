/** Signing in at an identity provider that nobody here wrote, as a browser does it: redirects, cookies, and nothing else. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createOidcDesk, identityOf } from '../../../../src/http/people/oidc.ts';
import { oidcSchema, rightsOf } from '../../../../src/http/people/oidc-settings.ts';
import { ownPath } from '../../../../src/http/people/routes/sign-in.ts';
import { startIdentityProvider, type TestProvider } from '../../../support/identity-provider.ts';
import { createPeople, type People } from '../../../support/people.ts';

const REDIRECT = 'http://127.0.0.1:8081/api/v1/login/oidc/callback';
let provider: TestProvider;
let people: People;

beforeAll(async () => {
  provider = await startIdentityProvider(REDIRECT);
});
afterAll(() => provider.close());
beforeEach(async () => {
  people = await withProvider();
  provider.person = person('u-1', 'jane', ['staff']);
});

const person = (sub: string, name: string, groups: string[]) => ({
  sub,
  claims: { preferred_username: name, groups },
});

async function withProvider(settings: object = {}): Promise<People> {
  const world = (await createPeople()).world;
  const parsed = oidcSchema.parse({
    ...{ issuer: provider.issuer, clientId: provider.clientId, redirectUrl: REDIRECT },
    groups: [
      { group: 'staff', role: 'technician' },
      { group: 'search-sre', squads: { search: 'operator' } },
      { group: 'root', role: 'admin' },
    ],
    ...settings,
  });
  const oidc = createOidcDesk(parsed, provider.clientSecret, world.clock);
  return createPeople({ oidc }, world);
}

interface Visit {
  readonly status: number;
  readonly to: string;
  readonly cookies: Map<string, string>;
}

/** One request of the browser to us. */
async function visit(
  at: People,
  path: string,
  cookies = new Map<string, string>(),
): Promise<Visit> {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const answer = await at.app.inject({ method: 'GET', url: path, headers: { cookie } });
  const next = new Map(cookies);
  for (const set of [answer.headers['set-cookie'] ?? []].flat()) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
    if (value === '') next.delete(name);
    else next.set(name, value);
  }
  return { status: answer.statusCode, to: String(answer.headers.location ?? ''), cookies: next };
}

/** The browser at the provider: follows redirects, keeps its cookies, and stops where it is sent back to us. */
async function atProvider(from: string): Promise<string> {
  const cookies = new Map<string, string>();
  let url = from;
  for (let hops = 0; hops < 10; hops++) {
    if (url.startsWith(REDIRECT)) return url.slice(REDIRECT.length);
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, { redirect: 'manual', headers: { cookie } });
    for (const set of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      cookies.set(name, value);
    }
    const location = answer.headers.get('location');
    if (!location)
      throw new Error(`the provider stops at ${answer.status}: ${await answer.text()}`);
    url = new URL(location, url).href;
  }
  throw new Error('the provider redirects without end');
}

async function signIn(at: People = people, returnTo = '/'): Promise<Visit> {
  const begun = await visit(at, `/api/v1/login/oidc?return=${encodeURIComponent(returnTo)}`);
  const query = await atProvider(begun.to);
  return visit(at, `/api/v1/login/oidc/callback${query}`, begun.cookies);
}

const problemOf = ({ to }: Visit) => new URL(to, 'http://x').searchParams.get('problem');

async function whoAmI(at: People, { cookies }: Visit) {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  return (await at.nobody('GET', '/session', { headers: { cookie } })).body;
}

describe('signing in', () => {
  it('gives a session, with what the groups may do, and goes back to the page that was wanted', async () => {
    const done = await signIn(people, '/machines/C0MPUT3?tab=jobs');
    expect([done.status, done.to]).toEqual([303, '/machines/C0MPUT3?tab=jobs']);
    expect(await whoAmI(people, done)).toMatchObject({ who: 'jane', role: 'technician' });
    expect(done.cookies.has('reveille_sign_in')).toBe(false);
  });

  it('sets the rights anew at every sign-in', async () => {
    const before = await signIn();
    provider.person = person('u-1', 'jane', ['root', 'search-sre']);
    const after = await signIn();
    expect(await whoAmI(people, after)).toMatchObject({
      role: 'admin',
      squads: { search: 'operator' },
    });
    expect(await whoAmI(people, before)).toMatchObject({ role: 'admin' });
  });

  it('takes everything from somebody whose groups are gone, and gives it back with them', async () => {
    const before = await signIn();
    provider.person = person('u-1', 'jane', ['guests']);
    const refused = await signIn();
    expect([problemOf(refused), refused.cookies.has('reveille_session')]).toEqual([
      'SIGN_IN_REFUSED',
      false,
    ]);
    expect((await whoAmI(people, before)).code).toBe('UNAUTHENTICATED');
    provider.person = person('u-1', 'jane', ['staff']);
    expect(await whoAmI(people, await signIn())).toMatchObject({ who: 'jane' });
  });

  it('makes nobody of somebody without a group', async () => {
    provider.person = person('u-2', 'joe', []);
    expect(problemOf(await signIn())).toBe('SIGN_IN_REFUSED');
    expect(people.world.inventory.serverdb.access.user('joe')).toBeUndefined();
  });

  it('never hands a user to another person: neither a local name, nor one that has changed hands', async () => {
    await people.admin('PUT', '/users/root', {
      body: { role: 'admin', password: 'long enough to be one' },
      version: '*',
    });
    provider.person = person('u-3', 'root', ['staff']);
    expect(problemOf(await signIn())).toBe('SIGN_IN_REFUSED');
    provider.person = person('u-1', 'jane', ['staff']);
    await signIn();
    provider.person = person('u-9', 'jane', ['root']);
    expect(problemOf(await signIn())).toBe('SIGN_IN_REFUSED');
  });

  it('respects an administrator who has disabled the user', async () => {
    await signIn();
    const body = { role: 'technician', disabled: true };
    await people.admin('PUT', '/users/jane', { body, version: '*' });
    expect(problemOf(await signIn())).toBe('SIGN_IN_REFUSED');
  });

  it('says that the person said no', async () => {
    provider.person = undefined;
    const done = await signIn();
    expect(problemOf(done)).toBe('SIGN_IN_FAILED');
    expect(done.to).toContain('the+person+said+no');
  });

  it('puts no secret of the provider or the session into events', async () => {
    const done = await signIn();
    const events = JSON.stringify(people.world.inventory.events.after(0, 1000));
    expect(events).toContain('by the provider: technician');
    for (const secret of [provider.clientSecret, done.cookies.get('reveille_session')])
      expect(events).not.toContain(String(secret));
  });
});

describe('an answer of the provider', () => {
  it('is good once, for the browser that asked, and for ten minutes', async () => {
    const begun = await visit(people, '/api/v1/login/oidc');
    const query = await atProvider(begun.to);
    const callback = `/api/v1/login/oidc/callback${query}`;
    expect(problemOf(await visit(people, callback))).toBe('SIGN_IN_FAILED');
    const other = await visit(people, '/api/v1/login/oidc');
    expect(problemOf(await visit(people, callback, other.cookies))).toBe('SIGN_IN_FAILED');
    expect((await visit(people, callback, begun.cookies)).to).toBe('/');
    expect(problemOf(await visit(people, callback, begun.cookies))).toBe('SIGN_IN_FAILED');
    const late = await visit(people, '/api/v1/login/oidc');
    const lateQuery = await atProvider(late.to);
    people.world.pass(600_001);
    const answer = await visit(people, `/api/v1/login/oidc/callback${lateQuery}`, late.cookies);
    expect(problemOf(answer)).toBe('SIGN_IN_FAILED');
  });

  it('with another code or state, or none, opens no session', async () => {
    for (const spoil of [
      (query: string) => query.replace(/code=[^&]+/, 'code=guessed'),
      (query: string) => query.replace(/state=[^&]+/, 'state=guessed'),
      (query: string) => query.replace(/iss=[^&]+/, 'iss=https%3A%2F%2Fevil.example'),
      () => '',
      () => '?state=%00&code[]=1',
    ]) {
      people = await withProvider();
      const begun = await visit(people, '/api/v1/login/oidc');
      const query = spoil(await atProvider(begun.to));
      const done = await visit(people, `/api/v1/login/oidc/callback${query}`, begun.cookies);
      expect(problemOf(done)).toBe('SIGN_IN_FAILED');
      expect(done.cookies.has('reveille_session')).toBe(false);
    }
  });
});

describe('a provider that is down', () => {
  it('is said so, costs nobody else anything, and is asked again', async () => {
    const port = new URL(provider.issuer).port;
    const down = await withProvider({ issuer: provider.issuer.replace(port, '9') });
    expect(problemOf(await visit(down, '/api/v1/login/oidc'))).toBe('IDENTITY_PROVIDER_DOWN');
    expect((await down.admin('GET', '/machines')).status).toBe(200);
  });
});

describe('how one may sign in', () => {
  it('is told to anybody', async () => {
    const oidc = { label: 'Single sign-on', url: '/api/v1/login/oidc' };
    expect((await people.nobody('GET', '/login')).body).toMatchObject({ password: true, oidc });
    expect((await (await createPeople()).nobody('GET', '/login')).body.oidc).toBeNull();
  });

  it('slows down whoever begins over and over', async () => {
    const statuses = [];
    for (let n = 0; n < 12; n++) statuses.push((await visit(people, '/api/v1/login/oidc')).status);
    expect([statuses[0], statuses.at(-1)]).toEqual([303, 429]);
  });
});

describe('what comes back', () => {
  const settings = oidcSchema.parse({
    ...{ issuer: 'https://id.example', clientId: 'x' },
    redirectUrl: 'https://boot.example/api/v1/login/oidc/callback',
    ...{ userClaim: 'email', userDomain: 'acme.example' },
  });
  it.each([
    ['jane@acme.example', 'jane'],
    ['jane@evil.example', undefined],
    ['jane@evil.example@acme.example', undefined],
    ['@acme.example', undefined],
    [undefined, undefined],
    [7, undefined],
  ])('%s is %s', (email, name) => {
    const read = () => identityOf({ iss: 'i', sub: 's', email }, settings).name;
    if (name === undefined) expect(read).toThrow('confirmed');
    else expect(read()).toBe(name);
  });

  it('is the highest role of all groups, of the site and of each squad', () => {
    const rules = oidcSchema.parse({
      ...{ issuer: 'https://id.example', clientId: 'x' },
      redirectUrl: 'https://boot.example/api/v1/login/oidc/callback',
      groups: [
        { group: 'a', role: 'operator', squads: { search: 'viewer' } },
        { group: 'b', squads: { search: 'operator', music: 'technician' } },
      ],
      everyone: {},
    });
    expect(rightsOf(['a', 'b'], rules)).toEqual({
      role: 'operator',
      squads: { search: 'operator', music: 'technician' },
    });
    expect(rightsOf([], rules)).toEqual({ role: 'viewer', squads: {} });
  });

  it.each([
    ['/machines?x=1#y', '/machines?x=1#y'],
    ['//evil.example/', '/'],
    ['/\\evil.example/', '/'],
    ['/..//evil.example', '/'],
    ['https://evil.example/', '/'],
    ['javascript:alert(1)', '/'],
    ['', '/'],
  ])('a browser that wants %j goes to %s', (wanted, path) => {
    expect(ownPath(wanted)).toBe(path);
  });
});

describe('settings', () => {
  it.each([
    [{ issuer: 'http://id.example' }, 'https'],
    [{ redirectUrl: 'https://boot.example/elsewhere' }, 'must end in'],
    [{ groups: [{ group: 'x', role: 'king' }] }, 'role'],
  ])('%j is refused', (wrong, says) => {
    const good = {
      ...{ issuer: 'https://id.example', clientId: 'x' },
      redirectUrl: 'https://boot.example/api/v1/login/oidc/callback',
    };
    const { error } = oidcSchema.safeParse({ ...good, ...wrong });
    expect(JSON.stringify(error?.issues)).toContain(says);
  });
});
