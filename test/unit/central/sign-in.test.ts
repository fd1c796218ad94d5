/** People who sign in at central as they do at a site: users of the fleet, sessions, and what each may do. */
import { afterEach, describe, expect, it } from 'vitest';
import { limit } from '../../../src/limits.ts';
import { createFleet, type TestFleet } from '../../support/fleet.ts';

let fleet: TestFleet;
afterEach(() => fleet.close());

const PASSWORD = 'correct horse battery';

interface Signed {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  readonly body: any;
  readonly cookie: string;
  call(method: string, path: string, body?: object, headers?: object): Promise<Response>;
}

async function signIn(user: string, password = PASSWORD): Promise<Signed> {
  const at = `http://127.0.0.1:${fleet.central.peoplePort}/api/v1`;
  const answer = await fetch(`${at}/login`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
    body: JSON.stringify({ user, password }),
  });
  const body = (await answer.json()) as { csrf: string };
  const cookie = answer.headers.get('set-cookie') ?? '';
  return {
    ...{ status: answer.status, body, cookie },
    call: (method, path, sent, headers = { 'x-csrf-token': body.csrf }) =>
      fetch(`${at}${path}`, {
        method,
        headers: {
          cookie: cookie.split(';')[0] ?? '',
          ...headers,
          ...(sent && { 'content-type': 'application/json' }),
        },
        ...(sent && { body: JSON.stringify(sent) }),
      }),
  };
}

const user = (name: string, document: object) =>
  fleet.call('PUT', `/users/${name}`, { password: PASSWORD, ...document });

const REQUEST = { role: 'web', image: 'debian-12/stable', count: 1, site: 'lon' };

describe('a user of the fleet', () => {
  it('comes in by a password, is who he is, and leaves', async () => {
    fleet = await createFleet();
    await user('ann', { role: 'operator', squads: { music: 'operator' } });
    const ann = await signIn('ann');
    expect(ann.body).toMatchObject({
      ...{ who: 'ann', kind: 'session', role: 'operator', squads: { music: 'operator' } },
      fleet: true,
    });
    expect(ann.cookie).toMatch(/HttpOnly; SameSite=Strict/);
    const session = (await (await ann.call('GET', '/session')).json()) as { csrf: string };
    expect(session).toEqual(ann.body);
    expect((await ann.call('POST', '/logout')).status).toBe(204);
    expect((await ann.call('GET', '/sites')).status).toBe(401);
  });

  it('writes only from the page that he has signed in on', async () => {
    fleet = await createFleet();
    await user('root', { role: 'admin' });
    const root = await signIn('root');
    const forged = await root.call('POST', '/sites/lon/join-code', undefined, {});
    expect(((await forged.json()) as { code: string }).code).toBe('CSRF_MISSING');
    expect((await root.call('POST', '/sites/lon/join-code')).status).toBe(201);
  });

  it('asks for machines of his squads alone, and of no squad only as the fleet’s operator', async () => {
    fleet = await createFleet();
    await fleet.site('lon');
    for (const name of ['music', 'video']) await fleet.call('PUT', `/squads/${name}`, {});
    await user('ann', { role: 'viewer', squads: { music: 'admin' } });
    await user('bob', { role: 'operator' });
    const [ann, bob] = [await signIn('ann'), await signIn('bob')];
    const ask = async (who: Signed, squad?: string) =>
      (await who.call('POST', '/requests', { ...REQUEST, ...(squad && { squad }) })).status;
    expect([await ask(ann, 'music'), await ask(ann, 'video'), await ask(ann)]).toEqual([
      ...[202, 403, 403],
    ]);
    expect([await ask(bob, 'music'), await ask(bob)]).toEqual([403, 202]);
    // The administration of a squad is none of the fleet.
    expect((await ann.call('PUT', '/squads/music', {})).status).toBe(403);
    expect((await ann.call('GET', '/users')).status).toBe(403);
  });

  it('is out at once when he is disabled, removed, or has another password', async () => {
    fleet = await createFleet();
    const looks = async (change: () => Promise<unknown>) => {
      await user('ann', { role: 'viewer' });
      const ann = await signIn('ann');
      const before = (await ann.call('GET', '/sites')).status;
      await change();
      return [before, (await ann.call('GET', '/sites')).status];
    };
    for (const change of [
      () => fleet.call('PUT', '/users/ann', { role: 'viewer', disabled: true }),
      () => fleet.call('PUT', '/users/ann', { role: 'viewer', password: 'another password' }),
      () => fleet.call('DELETE', '/users/ann'),
    ])
      expect(await looks(change)).toEqual([200, 401]);
  });

  it('is the same at every instance', async () => {
    fleet = await createFleet();
    await user('ann', { role: 'viewer' });
    const ann = await signIn('ann');
    await fleet.restart();
    expect((await ann.call('GET', '/sites')).status).toBe(200);
  });
});

describe('somebody else', () => {
  it('does not come in, is told of, and may not try for ever', async () => {
    fleet = await createFleet();
    await user('ann', { role: 'viewer' });
    await user('dan', { role: 'viewer', disabled: true });
    const tries = [
      await signIn('ann', 'wrong'),
      await signIn('dan'),
      await signIn('nobody'),
      await signIn('ann', 'rvl_x'),
    ];
    expect(tries.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
    expect(tries.every(({ cookie }) => cookie === '')).toBe(true);
    const { notices } = (await fleet.call('GET', '/notices')).body;
    expect(notices).toHaveLength(4);
    expect(notices[0]).toMatchObject({ code: 'LOGIN_FAILED', site: '' });
    for (let n = tries.length; n < limit('loginsPerMinuteMax'); n++) await signIn('eve');
    expect((await signIn('ann')).body.code).toBe('RATE_LIMITED');
  });
});
