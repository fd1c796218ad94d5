import { afterEach, describe, expect, it } from 'vitest';
import { commandLineOf } from '../../support/command-line.ts';
import { createPeople, problemOf } from '../../support/people.ts';
import { createProvisionHall, type ProvisionHallOptions } from '../../support/provision-hall.ts';
import { nameOf } from '../../support/provision-machines.ts';
import type { World } from '../../support/world.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  process.exitCode = 0;
});

async function appliance(options: ProvisionHallOptions = {}) {
  const hall = createProvisionHall(options);
  const { inventory, jobs, desk: provisioning } = hall.now;
  const world = { inventory, jobs, provisioning, clock: hall.clock } as unknown as World;
  const people = await createPeople({}, world);
  closers.push(() => people.app.close());
  return { hall, people };
}

const body = {
  ...{ role: 'fancydb', image: 'debian-12/stable', count: 2, squad: 'music' },
  hostname: { pattern: '{role}-{n}' },
};

describe('the API', () => {
  it('takes a request, shows its places, progress and history, and refuses what is wrong', async () => {
    const { hall, people } = await appliance();
    const post = (change: object) =>
      people.admin('POST', '/requests', { body: { ...body, ...change } });
    const bad = await post({ hardware: '2 NVMe >= 1 parsec' });
    expect(problemOf(bad)).toBe('400 REQUEST_INVALID /hardware');
    expect(bad.body).toMatchObject({
      at: 12,
      detail: expect.stringContaining("at character 13, 'parsec'"),
    });
    expect(problemOf(await post({ count: 0 }))).toBe('400 REQUEST_INVALID /count');
    expect(problemOf(await post({ hardware: { disks: [{ count: 1, kind: 'tape' }] } }))).toContain(
      '400',
    );
    const made = await post({
      hardware: '1 NVMe >= 1 TB, 256 GB memory',
      install: { userData: '#!' },
    });
    expect(made.status).toBe(202);
    expect(made.body).toMatchObject({
      ...{ status: 'working', count: 2, done: 0, image: 'debian-12@1', endedAt: null },
      hardware: 'memory >= 256 GB, 1 NVMe >= 1 TB',
    });
    await hall.time.pass(20_000);
    const path = `/requests/${made.body.id}`;
    const { body: running } = await people.admin('GET', path);
    expect(running.places).toMatchObject([
      {
        status: 'claimed',
        hostname: 'fancydb-1',
        machine: nameOf(0),
        rack: 'R0',
        step: 'install',
        tries: 1,
      },
      { status: 'claimed', hostname: 'fancydb-2', machine: nameOf(1) },
    ]);
    expect(running.asked).toMatchObject({
      imageAsked: 'debian-12/stable',
      install: { userData: '…' },
    });
    await hall.settle();
    const { body: ended } = await people.admin('GET', path);
    expect(ended.request).toMatchObject({ status: 'fulfilled', done: 2 });
    expect(ended.log.map(({ entry }: { entry: { is: string } }) => entry.is)).toEqual([
      ...['asked', 'claimed', 'claimed', 'installed', 'installed', 'ended'],
    ]);
    expect(
      (await people.admin('GET', '/requests?status=fulfilled&role=fancydb')).body.requests,
    ).toMatchObject([{ id: made.body.id }]);
    expect(problemOf(await people.admin('GET', '/requests?status=x'))).toBe(
      '400 REQUEST_INVALID /status',
    );
    expect(problemOf(await people.admin('POST', `${path}/cancel`, { body: { why: 'x' } }))).toBe(
      '409 REQUEST_ENDED',
    );
  });

  it('rehearses without changing anything, and does just what it said', async () => {
    const { hall, people } = await appliance({
      machine: (index) => ({ memoryBytes: (index + 1) * 64e9 }),
    });
    const before = hall.now.inventory.events.lastId();
    const { body: plan } = await people.admin('POST', '/requests/plan', {
      body: { ...body, hardware: '256 GB memory' },
    });
    expect(plan.chosen.map(({ hardwarename }: { hardwarename: string }) => hardwarename)).toEqual([
      nameOf(3),
      nameOf(4),
    ]);
    expect(plan.rejected).toEqual([
      { why: 'fits, and others fit better', count: 5, examples: [nameOf(5), nameOf(6), nameOf(7)] },
      { why: 'has too little memory', count: 3, examples: [nameOf(0), nameOf(1), nameOf(2)] },
    ]);
    expect(hall.now.inventory.events.lastId()).toBe(before);
    await people.admin('POST', '/requests', { body: { ...body, hardware: '256 GB memory' } });
    await hall.settle();
    expect([hall.state(3), hall.state(4), hall.state(5)]).toEqual([
      'in-use',
      'in-use',
      'available',
    ]);
  });

  it('is for operators of the squad; calling off also for who asked', async () => {
    const { people } = await appliance();
    const member = people.as('viewer', { music: 'operator' });
    const other = people.as('operator', { web: 'operator' });
    expect(problemOf(await people.nobody('POST', '/requests', { body }))).toBe(
      '401 UNAUTHENTICATED',
    );
    expect(problemOf(await other('POST', '/requests', { body }))).toBe('403 FORBIDDEN');
    expect(problemOf(await other('POST', '/requests/plan', { body }))).toBe('403 FORBIDDEN');
    const made = await member('POST', '/requests', { body });
    expect(made.status).toBe(202);
    const cancel = { body: { why: 'enough' } };
    expect(problemOf(await other('POST', `/requests/${made.body.id}/cancel`, cancel))).toBe(
      '403 FORBIDDEN',
    );
    expect((await member('POST', `/requests/${made.body.id}/cancel`, cancel)).status).toBe(202);
    expect(problemOf(await member('POST', '/breakers/1/close', cancel))).toBe('403 FORBIDDEN');
    expect(problemOf(await people.admin('POST', '/breakers/1/close', cancel))).toBe(
      '404 NOT_FOUND',
    );
  });
});

describe('the command line', () => {
  it('asks, rehearses, follows, lists, calls off and counts capacity', async () => {
    const { hall, people } = await appliance({
      machine: (index) => ({ type: index < 6 ? 'high-io' : 'web' }),
    });
    const { run: line } = await commandLineOf(people);
    const run = (...words: string[]) => line(words);
    const wish = [
      '--role',
      'fancydb',
      '--type',
      'high-io',
      '--site',
      'lon',
      '--image',
      'debian-12/stable',
    ];
    const create = [
      'request',
      'create',
      ...wish,
      '--squad',
      'music',
      '--hostname',
      '{role}-{n}',
      '--count',
    ];
    const plan = await run(...create, '8', '--dry-run');
    expect(plan).toMatch(/SN00005 +R0 +the smallest that fits/);
    expect(plan).toContain('2 missing: capacity: 6 free that fit');
    expect(plan).toMatch(/ 4 {2}is of type web \(SN00006, SN00007, SN00008\)/);
    expect(process.exitCode).toBe(1);
    process.exitCode = 0;
    expect(await run('capacity')).toMatch(/lon +high-io +6 +6 +0 +0 +available 6\n.*web +4 +4/);
    const made = JSON.parse(await run(...create, '2', '--json'));
    await hall.settle();
    expect(await run('request', 'watch', made.id)).toMatch(
      /asked.*\n.*claimed {2}SN00000 {2}fancydb-1/,
    );
    expect(process.exitCode).toBe(0);
    expect(await run('requests', 'show', made.id)).toContain('[x] fancydb-2  SN00001');
    const other = JSON.parse(await run(...create, '8', '--json'));
    await hall.until(() => hall.request(other.id).done === 4);
    expect(await run('request', 'list', '--status', 'waiting')).toMatch(
      /4\/8.*capacity: 0 free that fit/,
    );
    expect(await run('request', 'cancel', other.id, '--why', 'enough')).toContain('is cancelling');
    await hall.settle();
    await run('request', 'watch', other.id);
    expect(process.exitCode).toBe(1);
    expect(await run('capacity', '--hardware', 'type web')).not.toContain('high-io');
    expect(await run('breakers', 'list')).toContain('nothing found');
  });
});
