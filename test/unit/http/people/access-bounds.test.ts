/** How long and how far what somebody came in with reaches: tokens by those that made them, logins by the password. */
import { describe, expect, it } from 'vitest';
import { hashPassword } from '../../../../src/inventory/password.ts';
import { limit } from '../../../../src/limits.ts';
import { createPeople, problemOf, SECRET, withUser } from '../../../support/people.ts';

describe('coming in', () => {
  it('a token makes none that outlives it, whoever it acts as', async () => {
    const people = await createPeople();
    await withUser(people, 'negz', 'operator');
    const body = { name: 'short', role: 'operator', user: 'negz' };
    const expiresAt = people.world.clock() + 60_000;
    const short = (await people.admin('POST', '/tokens', { body: { ...body, expiresAt } })).body;
    const call = people.withToken(short.secret);
    const more = { name: 'more', user: 'negz' };
    const made = await call('POST', '/tokens', { body: more });
    expect(made.body.token.expiresAt).toBe(expiresAt);
    const longer = { ...more, expiresAt: expiresAt + 1 };
    expect(problemOf(await call('POST', '/tokens', { body: longer }))).toBe('403 FORBIDDEN');
    const endless = { ...more, expiresAt: 0 };
    expect(problemOf(await call('POST', '/tokens', { body: endless }))).toBe('403 FORBIDDEN');
    const shorter = await call('POST', '/tokens', { body: { ...more, expiresAt: expiresAt - 1 } });
    expect(shorter.body.token.expiresAt).toBe(expiresAt - 1);
    people.world.pass(60_000);
    expect(problemOf(await people.withToken(made.body.secret)('GET', '/session'))).toBe(
      '401 UNAUTHENTICATED',
    );
  });

  it('a user has so many tokens and no more; those that ended are forgotten after a month', async () => {
    const people = await createPeople();
    await withUser(people, 'negz');
    const { access } = people.world.inventory.serverdb;
    const make = () => people.admin('POST', '/tokens', { body: { name: 'ci', user: 'negz' } });
    const made: string[] = [];
    for (let n = 0; n < limit('tokensPerUserMax'); n++) made.push((await make()).body.token.id);
    expect(problemOf(await make())).toBe('400 REQUEST_INVALID /user');
    await people.admin('DELETE', `/tokens/${made[0]}`);
    expect((await make()).status).toBe(201);
    const expiresAt = people.world.clock() + 1000;
    await people.admin('POST', '/tokens', { body: { name: 'brief', expiresAt } });
    const named = (name: string) => access.tokens().filter((token) => token.name === name).length;
    const swept = () => {
      people.world.inventory.transaction(() => access.sweep());
      return [named('ci'), named('brief')];
    };
    const living = limit('tokensPerUserMax');
    people.world.pass(limit('endedTokenKeptMs'));
    expect(swept()).toEqual([living + 1, 1]);
    people.world.pass(1001);
    expect(swept()).toEqual([living, 0]);
  });
});

describe('sessions', () => {
  it('do not begin with a password that was changed, or a user who was disabled, meanwhile', async () => {
    const people = await createPeople();
    const { access } = people.world.inventory.serverdb;
    const user = { name: 'negz', role: 'viewer' as const, squads: {} };
    const other = await hashPassword('another horse battery');
    for (const change of [
      { disabled: false, passwordHash: other },
      { disabled: true },
      { disabled: false, role: 'operator' as const },
    ]) {
      await withUser(people, 'negz');
      // The row is read, and the password is being compared.
      const login = access.login('negz', SECRET);
      access.putUser({ ...user, ...change }, { who: 'test' });
      await expect(login).rejects.toThrow(expect.objectContaining({ code: 'LOGIN_FAILED' }));
    }
    await withUser(people, 'negz');
    expect((await access.login('negz', SECRET)).user.name).toBe('negz');
    const removed = access.login('negz', SECRET);
    access.removeUser('negz', 'test');
    await expect(removed).rejects.toThrow(expect.objectContaining({ code: 'LOGIN_FAILED' }));
  });
});
