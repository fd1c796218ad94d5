/** From where one reads without a login, and how long a stream lasts for whoever may no longer read it. */
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/config.ts';
import { hashPassword } from '../../../../src/inventory/password.ts';
import { limit } from '../../../../src/limits.ts';
import { type Cidr, parseCidr } from '../../../../src/wire/ipv4.ts';
import { createPeople, type People } from '../../../support/people.ts';

describe('reading without a login', () => {
  const from = async (people: People, ip: string, more = {}) => {
    const answer = await people.app.inject({
      ...{ url: '/api/v1/machines', remoteAddress: ip, headers: more },
    });
    return answer.statusCode;
  };
  const networks = (...texts: string[]) => texts.map((text) => parseCidr(text) as Cidr);

  it('works from the networks that are named, and from nowhere else', async () => {
    const settings = {
      anonymousRead: networks('127.0.0.0/8', '10.20.0.0/16'),
      requestsPerSecond: 1_000_000,
    };
    const people = await createPeople({ settings });
    expect(await from(people, '127.0.0.1')).toBe(200);
    expect(await from(people, '::ffff:10.20.3.4')).toBe(200);
    expect(await from(people, '10.21.0.1')).toBe(401);
    expect(await from(people, 'fe80::1')).toBe(401);
    const login = (ip: string) =>
      people.app
        .inject({ url: '/api/v1/login', remoteAddress: ip })
        .then((answer) => answer.json());
    expect(await login('10.20.3.4')).toMatchObject({ anonymousRead: true });
    expect(await login('10.21.3.4')).toMatchObject({ anonymousRead: false });
  });

  it('is not for whoever comes by a proxy on this machine', async () => {
    const people = await createPeople({
      settings: { anonymousRead: networks('127.0.0.0/8'), requestsPerSecond: 1_000_000 },
    });
    expect(await from(people, '127.0.0.1', { 'x-forwarded-for': '203.0.113.9' })).toBe(401);
    expect(await from(people, '127.0.0.1', { forwarded: 'for=203.0.113.9' })).toBe(401);
  });

  it('is only for the appliance itself, unless the configuration says more', () => {
    expect(parseConfig('').peopleHttp.anonymousRead).toEqual(networks('127.0.0.0/8'));
    const read = (text: string) =>
      parseConfig(`peopleHttp: { anonymousRead: ${text} }`).peopleHttp.anonymousRead;
    expect(read('true')).toBe(true);
    expect(read('[10.20.0.0/16]')).toEqual(networks('10.20.0.0/16'));
    expect(() => read('[10.20.0.0]')).toThrow(/list of networks/);
  });
});

describe('a live feed', () => {
  /** Opens one. `ended` resolves to what it was sent, once the appliance has ended it. */
  async function open(people: People, headers: object) {
    const url = await people.app.listen({ host: '127.0.0.1', port: 0 });
    const answer = await fetch(`${url}/api/v1/events?after=0`, {
      headers: { accept: 'text/event-stream', ...headers },
    });
    expect(answer.status).toBe(200);
    let text = '';
    const ended = (async () => {
      try {
        for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? [])
          text += chunk;
      } catch {
        // Cut off: that is how it ends.
      }
      return text;
    })();
    return { ended };
  }

  it.each([
    'a token that is revoked',
    'a user who is disabled',
    'a session that ends',
    'a token that expires',
  ])('is ended soon, whatever happens or does not, for %s', async (what) => {
    const people = await createPeople();
    const { inventory, pass, clock } = people.world;
    const { access } = inventory.serverdb;
    const passwordHash = await hashPassword('correct horse');
    const user = { name: 'negz', role: 'viewer', squads: {}, disabled: false } as const;
    inventory.transaction(() => access.putUser({ ...user, passwordHash }, { who: 'test' }));
    const expiresAt = clock() + 5000;
    const made = inventory.transaction(() =>
      access.createToken(
        { name: 't', role: 'viewer', squads: {}, user: 'negz', expiresAt },
        'test',
      ),
    );
    const { secret: session } = await access.login('negz', 'correct horse');
    const isSession = what.includes('session');
    const headers = isSession
      ? { cookie: `reveille_session=${session}` }
      : { authorization: `Bearer ${made.secret}` };
    try {
      const { ended } = await open(people, headers);
      if (isSession) access.logout(session);
      else if (what.includes('expires')) pass(5000);
      else if (what.includes('user'))
        inventory.transaction(() => access.putUser({ ...user, disabled: true }, { who: 'test' }));
      else inventory.transaction(() => access.revokeToken(made.token.id, 'test'));
      const text = await ended;
      expect(limit('accessLookMs')).toBeLessThanOrEqual(1000);
      await people.admin('POST', '/machines', { body: { serial: 'LATER-1' } });
      expect(text).not.toContain('LATER-1');
    } finally {
      await people.app.close();
    }
  });
});
