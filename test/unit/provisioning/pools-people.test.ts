import { afterEach, describe, expect, it } from 'vitest';
import { commandLineOf } from '../../support/command-line.ts';
import { createPeople, problemOf } from '../../support/people.ts';
import { createProvisionHall } from '../../support/provision-hall.ts';
import type { World } from '../../support/world.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function appliance() {
  const hall = createProvisionHall();
  const { inventory, jobs, desk: provisioning, pools } = hall.now;
  const world = { inventory, jobs, provisioning, pools, clock: hall.clock } as unknown as World;
  const people = await createPeople({ site: 'lon' }, world);
  closers.push(() => people.app.close());
  return { hall, people };
}

const body = { role: 'web', image: 'debian-12/stable', count: 3, squad: 'music' };

describe('the API', () => {
  it('makes, shows, shrinks with a confirmation, and forgets a pool', async () => {
    const { hall, people } = await appliance();
    const put = (change: object, path = '/pools/web', version: number | '*' = '*') =>
      people.admin('PUT', path, { body: { ...body, ...change }, version });
    expect(problemOf(await put({ hardware: 'fast' }))).toBe('400 REQUEST_INVALID /hardware');
    const elsewhere = { health: { url: 'http://10.0.0.1/' } };
    expect(problemOf(await put(elsewhere))).toBe('400 REQUEST_INVALID /health/url');
    expect((await put({}, '/pools/web', 0)).body).toMatchObject({
      count: 3,
      healthy: 0,
      site: 'lon',
    });
    expect(problemOf(await put({}, '/pools/web', 0))).toBe('412 VERSION_CONFLICT');
    await hall.until(() => hall.members('web').length === 3);
    const { body: shown } = await people.admin('GET', '/pools/web');
    expect(shown.pool).toMatchObject({ healthy: 3, members: 3, why: '' });
    expect(shown.members[0].hostname).toMatch(/^web-/);
    const refused = await put({ count: 1 });
    expect(problemOf(refused)).toBe('409 CONFIRMATION_NEEDED /confirm');
    expect(refused.body.count).toBe(2);
    expect((await put({ count: 1 }, '/pools/web?confirm=2')).status).toBe(200);
    await hall.until(() => hall.members('web').length === 1);
    expect((await people.admin('DELETE', '/pools/web', { version: '*' })).status).toBe(204);
    expect(problemOf(await people.admin('GET', '/pools/web'))).toBe('404 NOT_FOUND');
    await hall.settle();
    const inUse = hall.now.inventory.machines.list().filter(({ hostname }) => hostname !== '');
    expect(inUse.map(({ state }) => state)).toEqual(['in-use']);
  });

  it('changes the size alone, by who has read it, and asks before machines go', async () => {
    const { hall, people } = await appliance();
    const health = { url: 'http://{address}:80/health' };
    await people.admin('PUT', '/pools/web', { body: { ...body, health }, version: 0 });
    await hall.until(() => hall.members('web').length === 3);
    const size = (count: number, query = '', version: number | '*' = '*') =>
      people.admin('PUT', `/pools/web/size${query}`, { body: { count }, version });
    expect(problemOf(await size(2))).toBe('409 CONFIRMATION_NEEDED /confirm');
    expect(problemOf(await size(4, '', 7))).toBe('412 VERSION_CONFLICT');
    expect((await size(2, '?confirm=1&why=less', 1)).body).toMatchObject({ count: 2, version: 2 });
    expect(hall.now.pools.store.pool('web')?.doc).toMatchObject({ role: 'web', health });
    const other = people.as('viewer', { web: 'operator' });
    const foreign = await other('PUT', '/pools/web/size', { body: { count: 9 }, version: '*' });
    expect(problemOf(foreign)).toBe('403 FORBIDDEN');
    const none = await people.admin('PUT', '/pools/no/size', { body: { count: 1 }, version: '*' });
    expect(problemOf(none)).toBe('404 NOT_FOUND');
  });

  it('is for operators of the squad; a whole site is a site operator’s', async () => {
    const { hall, people } = await appliance();
    const member = people.as('viewer', { music: 'operator' });
    const other = people.as('viewer', { web: 'operator' });
    const put = { body, version: '*' as const };
    expect(problemOf(await other('PUT', '/pools/web', put))).toBe('403 FORBIDDEN');
    expect((await member('PUT', '/pools/web', put)).status).toBe(200);
    await hall.until(() => hall.members('web').length === 3);
    const reset = { body: { pool: 'web', why: 'new kernel' } };
    expect(problemOf(await other('POST', '/resets', reset))).toBe('403 FORBIDDEN');
    expect(problemOf(await member('POST', '/resets', { body: { why: 'all' } }))).toBe(
      '403 FORBIDDEN',
    );
    const made = await member('POST', '/resets', reset);
    expect(made.status).toBe(202);
    expect(made.body.machines.length).toBe(3);
    expect(problemOf(await people.admin('POST', '/resets', { body: { why: 'all' } }))).toBe(
      '409 ALREADY_EXISTS',
    );
    const turn = (way: string) => ({
      path: `/resets/${made.body.id}/${way}`,
      body: { body: { why: 'x' } },
    });
    expect(problemOf(await other('POST', turn('pause').path, turn('pause').body))).toBe(
      '403 FORBIDDEN',
    );
    expect((await member('POST', turn('abort').path, turn('abort').body)).body.status).toBe(
      'aborted',
    );
    expect(problemOf(await member('POST', turn('resume').path, turn('resume').body))).toBe(
      '409 REQUEST_ENDED',
    );
  });
});

describe('reveille pool', () => {
  it('makes, shows, resets and forgets', async () => {
    const { hall, people } = await appliance();
    const { run: line } = await commandLineOf(people);
    const run = (...words: string[]) => line(words);
    const wish = ['--role', 'web', '--squad', 'music', '--image', 'debian-12/stable'];
    const url = ['--check-url', 'http://{address}:80/health'];
    expect(await run('pool', 'put', 'web', ...wish, ...url, '--count', '3')).toContain(
      '3 machines',
    );
    await hall.until(() => hall.members('web').length === 3);
    expect(await run('pool', 'list')).toMatch(/web +web +lon +music +3\/3/);
    expect(await run('pools', 'show', 'web')).toMatch(/SN00000 +web-[a-z0-9]{5} +R0/);
    const reset = await run('pool', 'reset', 'web', '--at-once', '2', '--why', 'kernel');
    expect(reset).toContain('of 3 machines runs');
    expect(await run('pool', 'pause-reset', '1')).toContain('is paused');
    expect(await run('pool', 'resume-reset', '1')).toContain('is running');
    await hall.until(() => hall.now.pools.store.reset(1).endedAt > 0);
    expect(await run('pool', 'resets')).toMatch(/1 +web +finished +0 +0 +3 +0/);
    expect(await run('pool', 'remove', 'web')).toContain('forgotten');
    expect(await run('pool', 'list')).toContain('nothing found');
  });
});
