import { describe, expect, it } from 'vitest';
import {
  type Answer,
  createPeople,
  type People,
  problemOf,
  SECRET,
  withUser,
} from '../../../support/people.ts';

/** Two squads, each with a machine in use, a credential and a webhook. */
async function twoSquads(): Promise<People> {
  const people = await createPeople();
  people.squad('music', 'search');
  for (const [squad, serial] of [
    ['music', 'MUSIC-1'],
    ['search', 'SEARCH-1'],
  ] as const) {
    await people.admin('POST', '/machines', { body: { serial, squad, state: 'in-use' } });
    await people.admin('PUT', `/credentials/${squad}-bmc`, {
      body: { squad, username: 'root', password: SECRET },
      version: 0,
    });
  }
  await people.admin('POST', '/machines', { body: { serial: 'FREE-1' } });
  return people;
}

describe('coming in', () => {
  it('takes a token, and nothing that only looks like one', async () => {
    const { admin, nobody, withToken } = await createPeople();
    expect((await admin('GET', '/session')).body).toMatchObject({ kind: 'token', role: 'admin' });
    expect(problemOf(await nobody('GET', '/machines'))).toBe('401 UNAUTHENTICATED');
    for (const secret of ['', 'x', `rvl_${'A'.repeat(43)}`, 'rvl_', "rvl_' OR 1=1 --"])
      expect(problemOf(await withToken(secret)('GET', '/machines'))).toBe('401 UNAUTHENTICATED');
  });

  it('lets anybody read where that is configured, and only read', async () => {
    const people = await createPeople({
      settings: { anonymousRead: true, requestsPerSecond: 1000 },
    });
    expect((await people.nobody('GET', '/machines')).status).toBe(200);
    for (const [method, path] of [
      ['POST', '/machines'],
      ['GET', '/users'],
      ['GET', '/tokens'],
      ['GET', '/credentials'],
      ['GET', '/webhooks'],
    ] as const)
      expect(problemOf(await people.nobody(method, path)), path).toBe('401 UNAUTHENTICATED');
  });

  it('is the first administrator’s once, and ends with the second', async () => {
    const people = await createPeople();
    const { access } = people.world.inventory.serverdb;
    for (const { id } of access.tokens()) access.revokeToken(id, 'test');
    const first = access.bootstrap();
    expect(access.bootstrap()).toBeUndefined();
    const call = people.withToken(first ?? '');
    expect((await call('GET', '/users')).status).toBe(200);
    const made = await call('POST', '/tokens', { body: { name: 'mine', role: 'admin' } });
    expect(made.status).toBe(201);
    expect(problemOf(await call('GET', '/users'))).toBe('401 UNAUTHENTICATED');
    expect((await people.withToken(made.body.secret)('GET', '/users')).status).toBe(200);
  });

  it('a token ends when it expires, is revoked, or its user goes', async () => {
    const people = await createPeople();
    await withUser(people, 'negz', 'operator');
    const make = async (more: object) =>
      (await people.admin('POST', '/tokens', { body: { name: 'ci', role: 'admin', ...more } }))
        .body;
    const expiring = await make({ expiresAt: people.world.clock() + 1000 });
    const [revoked, users] = [await make({}), await make({ user: 'negz' })];
    const status = async (made: { secret: string }) =>
      (await people.withToken(made.secret)('GET', '/users')).status;
    expect(await status(expiring)).toBe(200);
    expect(await status(users)).toBe(403);
    people.world.pass(1001);
    expect(await status(expiring)).toBe(401);
    await people.admin('DELETE', `/tokens/${revoked.token.id}`);
    expect(await status(revoked)).toBe(401);
    await people.admin('DELETE', '/users/negz');
    expect(await status(users)).toBe(401);
  });

  it('keeps no secret that could be read back', async () => {
    const people = await twoSquads();
    const made = await people.admin('POST', '/tokens', { body: { name: 'ci', role: 'viewer' } });
    await withUser(people, 'negz');
    const login = { user: 'negz', password: SECRET };
    const session = await people.nobody('POST', '/login', { body: login });
    const hook = await people.admin('POST', '/webhooks', { body: { url: 'http://127.0.0.1:9/' } });
    const everything = Buffer.concat(
      people.world.db
        .prepare<[], { name: string }>(
          `SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%fts5%'`,
        )
        .all()
        .map(({ name }) => {
          const rows = people.world.db.prepare(`SELECT * FROM "${name}"`).all();
          return Buffer.from(
            JSON.stringify(rows, (_key, value) =>
              value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value,
            ),
          );
        }),
    ).toString();
    const cookie = /reveille_session=([^;]+)/.exec(String(session.headers['set-cookie']))?.[1];
    for (const secret of [SECRET, made.body.secret, cookie, hook.body.secret]) {
      expect(String(secret).length).toBeGreaterThan(20);
      expect(everything).not.toContain(secret);
    }
    expect(people.world.inventory.serverdb.credentials.open('music-bmc').password).toBe(SECRET);
  });
});

describe('sessions', () => {
  const cookieOf = (answer: { headers: Record<string, unknown> }) =>
    String(answer.headers['set-cookie']).split(';')[0] ?? '';

  it('are a cookie that scripts cannot read, and write with their own token only', async () => {
    const people = await createPeople();
    await withUser(people, 'negz', 'admin');
    const login = await people.nobody('POST', '/login', {
      body: { user: 'negz', password: SECRET },
    });
    expect(login.headers['set-cookie']).toMatch(/HttpOnly.*SameSite=Strict/);
    const cookie = cookieOf(login);
    expect((await people.nobody('GET', '/users', { headers: { cookie } })).status).toBe(200);
    const put = (headers: Record<string, string>) =>
      people.nobody('PUT', '/squads/music', { body: {}, version: 0, headers });
    expect(problemOf(await put({ cookie }))).toBe('403 CSRF_MISSING');
    expect(problemOf(await put({ cookie, 'x-csrf-token': 'guess' }))).toBe('403 CSRF_MISSING');
    expect((await put({ cookie, 'x-csrf-token': login.body.csrf })).status).toBe(200);
    const headers = { cookie, 'x-csrf-token': login.body.csrf };
    expect((await people.nobody('POST', '/logout', { headers })).status).toBe(204);
    expect(problemOf(await people.nobody('GET', '/users', { headers: { cookie } }))).toBe(
      '401 UNAUTHENTICATED',
    );
  });

  it('end after a day’s work, with a new password, and with the user', async () => {
    const people = await createPeople();
    await withUser(people, 'negz', 'admin');
    const login = async () =>
      cookieOf(await people.nobody('POST', '/login', { body: { user: 'negz', password: SECRET } }));
    const status = async (cookie: string) =>
      (await people.nobody('GET', '/users', { headers: { cookie } })).status;
    const first = await login();
    await withUser(people, 'negz', 'admin');
    expect(await status(first)).toBe(401);
    const second = await login();
    people.world.pass(43_200_001);
    expect(await status(second)).toBe(401);
  });

  it('answers a wrong password and an unknown user alike, and slows both down', async () => {
    const people = await createPeople();
    await withUser(people, 'negz');
    const tries = [];
    for (let n = 0; n < 6; n++)
      for (const user of ['negz', 'nobody'])
        tries.push(
          problemOf(await people.nobody('POST', '/login', { body: { user, password: 'x' } })),
        );
    expect(tries.slice(0, 2)).toEqual(['401 LOGIN_FAILED', '401 LOGIN_FAILED']);
    expect(tries.at(-1)).toBe('429 RATE_LIMITED');
  });
});

describe('two squads', () => {
  const changes: readonly [string, string, object][] = [
    ['PATCH', '/machines/SEARCH-1', { role: 'mine' }],
    ['PATCH', '/machines/SEARCH-1', { squad: 'music' }],
    ['PATCH', '/machines/FREE-1', { squad: 'music' }],
    ['PATCH', '/machines/MUSIC-1', { squad: 'search' }],
    ['PATCH', '/machines/MUSIC-1', { protected: true }],
    ['POST', '/machines/SEARCH-1/transitions', { to: 'recycling', release: 'SEARCH-1', why: 'x' }],
    ['POST', '/machines/SEARCH-1/hostname', { role: 'x' }],
    ['POST', '/machines/SEARCH-1/merge', { gone: 'FREE-1', why: 'x' }],
    ['DELETE', '/machines/FREE-1', {}],
    ['PUT', '/credentials/search-bmc', { squad: 'search', username: 'x', password: 'y' }],
    ['PUT', '/credentials/search-bmc', { squad: 'music', username: 'x', password: 'y' }],
    ['DELETE', '/credentials/search-bmc', {}],
    ['POST', '/webhooks', { url: 'http://127.0.0.1:9/', squad: 'search' }],
    ['POST', '/webhooks', { url: 'http://127.0.0.1:9/' }],
    ['POST', '/tokens', { name: 'x', squads: { search: 'viewer' } }],
    ['PUT', '/users/negz', { role: 'admin' }],
    ['PUT', '/squads/mine', {}],
  ];

  it.each(changes)('an operator of one is refused %s %s %j', async (method, path, body) => {
    const people = await twoSquads();
    const mine = people.as('viewer', { music: 'operator' });
    const before = people.world.inventory.events.lastId();
    const answer = await mine(method, path, {
      ...(method === 'DELETE' ? {} : { body }),
      version: '*',
    });
    expect([answer.status, answer.body.code]).toEqual([403, 'FORBIDDEN']);
    const after = people.world.inventory.events.after(before, 10);
    expect(after.map(({ name }) => name)).toEqual(['access.refused']);
  });

  it('nor by bulk or import, item by item', async () => {
    const people = await twoSquads();
    const mine = people.as('viewer', { music: 'operator' });
    const bulk = await mine('POST', '/machines/bulk', {
      body: { machines: ['MUSIC-1', 'SEARCH-1'], edit: { role: 'mine' }, why: 'x', confirm: 2 },
    });
    expect(bulk.body.results).toMatchObject([{ ok: true }, { ok: false, code: 'FORBIDDEN' }]);
    const imported = await mine('POST', '/machines/import', {
      body: { csv: 'serial,role\nSEARCH-1,mine\nNEW-123,mine\n' },
    });
    expect(imported.body.results).toMatchObject([
      { ok: false, code: 'FORBIDDEN' },
      { ok: false, code: 'FORBIDDEN' },
    ]);
    expect((await people.admin('GET', '/machines/SEARCH-1')).body.machine.role).toBe('');
  });

  it('nor does one see the other’s secrets and webhooks', async () => {
    const people = await twoSquads();
    const hook = { url: 'http://127.0.0.1:9/', squad: 'search' };
    const { webhook } = (await people.admin('POST', '/webhooks', { body: hook })).body;
    const [music, search] = [
      people.as('technician', { music: 'operator' }),
      people.as('technician', { search: 'operator' }),
    ];
    const names = async (call: typeof music) =>
      (await call('GET', '/credentials')).body.credentials.map(
        ({ name }: { name: string }) => name,
      );
    expect(await names(music)).toEqual(['music-bmc']);
    expect(await names(search)).toEqual(['search-bmc']);
    // Who is nothing but the operator of a squad sees what it may put and remove: names, and nothing of the secrets.
    const operator = people.as('viewer', { music: 'operator' });
    expect(await names(operator)).toEqual(['music-bmc']);
    expect(JSON.stringify((await operator('GET', '/credentials')).body)).not.toContain(SECRET);
    expect(await names(people.as('viewer', { music: 'viewer' }))).toEqual([]);
    expect(await names(people.as('viewer'))).toEqual([]);
    expect((await music('GET', '/webhooks')).body.webhooks).toEqual([]);
    expect((await search('GET', '/webhooks')).body.webhooks).toHaveLength(1);
    for (const [method, path, body] of [
      ['GET', `/webhooks/${webhook.id}/dead-letters`, undefined],
      ['DELETE', `/webhooks/${webhook.id}`, undefined],
      ['PATCH', `/webhooks/${webhook.id}`, { enabled: false }],
    ] as const)
      expect(problemOf(await music(method, path, { body }))).toBe('404 NOT_FOUND');
  });

  it('each does what it likes with its own', async () => {
    const people = await twoSquads();
    const mine = people.as('viewer', { music: 'operator' });
    expect(
      (await mine('PATCH', '/machines/MUSIC-1', { body: { role: 'db' }, version: '*' })).status,
    ).toBe(200);
    const released = await mine('POST', '/machines/MUSIC-1/transitions', {
      body: { to: 'recycling', release: 'MUSIC-1', why: 'done' },
    });
    expect(released.body.state).toBe('recycling');
  });
});

describe('roles', () => {
  const put = { version: '*' } as const;
  it.each([
    ['viewer', 'PATCH', { notes: 'x' }, 403],
    ['technician', 'PATCH', { rack: 'R9' }, 200],
    ['technician', 'PATCH', { role: 'x' }, 403],
    ['operator', 'PATCH', { role: 'x' }, 200],
    ['operator', 'PATCH', { protected: true }, 403],
    ['admin', 'PATCH', { protected: true }, 200],
  ] as const)('a %s may %s %j of capacity: %i', async (role, method, body, status) => {
    const people = await twoSquads();
    expect((await people.as(role)(method, '/machines/FREE-1', { body, ...put })).status).toBe(
      status,
    );
  });

  it('only an administrator says at which BMCs a stored secret is used', async () => {
    const people = await twoSquads();
    const credential = { squad: 'music', username: 'kg', password: 'music-secret' };
    await people.admin('PUT', '/credentials/music-kg', { body: credential, version: 0 });
    const operator = people.as('operator', { search: 'operator' });
    const write = (call: typeof operator, body: object) =>
      call('PUT', '/bmc-profiles/p', { body, version: '*' });
    const forbidden = '403 FORBIDDEN /keyCredential';
    expect(problemOf(await write(operator, { keyCredential: 'music-kg' }))).toBe(forbidden);
    expect((await write(operator, { vendor: 'labcorp' })).status).toBe(200);
    expect(problemOf(await write(people.admin, { keyCredential: 'no-such' }))).toBe(
      '400 REQUEST_INVALID /keyCredential',
    );
    expect((await write(people.admin, { keyCredential: 'music-kg' })).status).toBe(200);
    // Nor does he send it elsewhere.
    const elsewhere = { keyCredential: 'music-kg', machines: ['FREE-1'] };
    expect(problemOf(await write(operator, elsewhere))).toBe(forbidden);
  });

  it('a technician places any machine, but not what a squad does with it', async () => {
    const people = await twoSquads();
    const call = people.as('technician');
    const patch = (body: object) => call('PATCH', '/machines/MUSIC-1', { body, version: '*' });
    expect((await patch({ rack: 'R9', unit: 3 })).status).toBe(200);
    expect(problemOf(await patch({ hostname: 'x' }))).toBe('403 FORBIDDEN /hostname');
  });

  it('nobody makes a token that may do more than himself', async () => {
    const people = await createPeople();
    await withUser(people, 'negz', 'operator');
    const made = await people.admin('POST', '/tokens', {
      body: { name: 'ci', role: 'operator', user: 'negz' },
    });
    const call = people.withToken(made.body.secret);
    const grant = async (body: object) =>
      (await call('POST', '/tokens', { body: { name: 'more', user: 'negz', ...body } })).status;
    expect(await grant({ role: 'admin' })).toBe(403);
    expect(await grant({ role: 'viewer', user: undefined })).toBe(403);
    expect(await grant({ role: 'viewer' })).toBe(201);
  });
});

describe('limits', () => {
  it('slows one token down without touching another, and audits it', async () => {
    const people = await createPeople({ settings: { anonymousRead: false, requestsPerSecond: 5 } });
    const [busy, other] = [people.as('viewer'), people.as('viewer')];
    const answers: Answer[] = [];
    for (let n = 0; n < 12; n++) answers.push(await busy('GET', '/session'));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(answers.at(-1)?.headers['retry-after']).toBe('1');
    const told = (n: number) =>
      ['limit', 'remaining', 'reset'].map((word) => answers.at(n)?.headers[`ratelimit-${word}`]);
    expect([told(0), told(9), told(-1)]).toEqual([
      ['10', '9', '1'],
      ['10', '0', '2'],
      ['10', '0', '2'],
    ]);
    expect((await other('GET', '/session')).status).toBe(200);
    people.world.pass(1000);
    expect((await busy('GET', '/session')).status).toBe(200);
    const refused = people.world.inventory.events
      .after(0, 1000)
      .filter(({ name }) => name === 'access.refused');
    expect(refused[0]?.data).toMatchObject({ code: 'RATE_LIMITED', path: '/api/v1/session' });
  });

  it('slow down whoever shows invalid tokens, and nobody else behind the same address', async () => {
    const people = await createPeople();
    const valid = people.as('viewer');
    const guess = async (n: number) => await people.withToken(`rvl_${n}`)('GET', '/machines');
    const answers = [];
    for (let n = 0; n < 70; n++) answers.push(problemOf(await guess(n)));
    expect(answers.slice(0, 60)).toEqual(Array(60).fill('401 UNAUTHENTICATED'));
    expect(answers.slice(60)).toEqual(Array(10).fill('429 RATE_LIMITED'));
    expect((await guess(99)).headers['retry-after']).toBe('1');
    expect((await valid('GET', '/machines')).status).toBe(200);
    people.world.pass(1000);
    expect(problemOf(await guess(100))).toBe('401 UNAUTHENTICATED');
  });

  it('a flood of guesses does not fill the disk', async () => {
    const people = await createPeople();
    for (let n = 0; n < 300; n++) await people.withToken(`rvl_${n}`)('GET', '/machines');
    const refused = people.world.inventory.events
      .after(0, 1000)
      .filter(({ name }) => name === 'access.refused');
    expect(refused).toHaveLength(120);
  });
});
