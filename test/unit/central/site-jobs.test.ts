/** Jobs that sites have begun themselves, at central: seen with those that were asked for there, found, followed and called off. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { type FromCentral, WELCOME_FIELDS } from '../../../src/federation/protocol.ts';
import type { Job } from '../../../src/jobs/store.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { createFleet, type TestFleet, until } from '../../support/fleet.ts';
import { current, type FleetHall, twoHalls as hallsOf } from '../../support/fleet-halls.ts';

const twoHalls = () => hallsOf({ count: 4 });

const begin = ({ hall }: FleetHall, target: string, requester = 'eve'): Job =>
  hall.now.inventory.transaction(() =>
    hall.now.jobs.create({ action: 'power-off', target: target as Hardwarename, requester }),
  );

interface Shown {
  readonly id: string;
  readonly site: string;
  readonly siteJob: string;
  readonly status: string;
  readonly target: string;
}

const listed = async (of: TestFleet, query = '') =>
  (await of.call('GET', `/jobs?${query}`)).body.jobs as Shown[];
const lists = (of: TestFleet, query: string, isSo: (jobs: Shown[]) => boolean) =>
  until(() => listed(of, query), isSo);

describe('a job that a site has begun itself', () => {
  it('is in the list with its site, and on its own with the steps that its events tell', async () => {
    const { fleet, lon } = await twoHalls();
    const { id } = begin(lon, 'SN00000');
    const [first] = await lists(fleet, '', ({ length }) => length === 1);
    expect(first).toMatchObject({
      ...{ id, siteJob: id, site: 'lon', freshness: 'current', action: 'power-off' },
      ...{ target: 'hardwarename=SN00000', requester: 'eve', user: 'eve', version: 1, code: '' },
    });
    await lon.hall.settle();
    await lists(fleet, 'status=finished', ({ length }) => length === 1);
    const { body } = await fleet.call('GET', `/jobs/${id}`);
    expect(body).toMatchObject({
      job: { id, status: 'finished', step: 'switch', ended_at: expect.any(String) },
      steps: [{ name: 'switch', status: 'done', attempts: expect.any(Number) }],
    });
    expect(body.log.at(-1).entry.is).toBe('finished');
  });

  it('is found by site, machine, action, requester, state and id', async () => {
    const { fleet, lon, sto } = await twoHalls();
    const ended = begin(lon, 'SN00000');
    await lon.hall.settle();
    const open = begin(sto, 'SN00100', 'mallory');
    await lists(fleet, 'status=finished', ({ length }) => length === 1);
    await lists(fleet, '', ({ length }) => length === 2);
    const found = async (query: string) => (await listed(fleet, query)).map(({ id }) => id);
    expect(await found('site=lon')).toEqual([ended.id]);
    expect(await found('target=SN00100')).toEqual([open.id]);
    expect(await found('requester=mallory')).toEqual([open.id]);
    expect(await found('status=queued,running')).toEqual([open.id]);
    expect(await found('action=netboot')).toEqual([]);
    expect((await found(`ids=${open.id},${ended.id}`)).sort()).toEqual([ended.id, open.id].sort());
    expect((await fleet.call('GET', '/jobs?cursor=x')).body.code).toBe('REQUEST_INVALID');
  });

  it('is called off by an operator of its squad, and by nobody else', async () => {
    const { fleet, lon } = await twoHalls();
    await fleet.call('PUT', '/squads/music', {});
    await fleet.call('PATCH', '/machines/SN00000', { squad: 'music' }, { 'if-match': '*' });
    const secretOf = async (name: string, squads: object) =>
      (await fleet.call('POST', '/tokens', { name, squads })).body.secret;
    const { id } = begin(lon, 'SN00000', 'token:video');
    await lists(fleet, '', ({ length }) => length === 1);
    const cancel = (call: TestFleet['call']) =>
      call('POST', `/jobs/${id}/cancel`, { why: 'wrong one' });
    // A token of the same name as that of who asked for it at the site is not the same token.
    const video = fleet.as(await secretOf('video', { video: 'operator' }));
    expect((await cancel(video)).body.code).toBe('FORBIDDEN');
    const music = fleet.as(await secretOf('music', { music: 'operator' }));
    expect((await cancel(music)).status).toBe(202);
    await lon.hall.settle();
    expect(lon.hall.now.jobs.get(id)).toMatchObject({ status: 'cancelled' });
    const [event] = lon.hall.now.inventory.events
      .after(0, 1000)
      .filter(({ name }) => name === 'job.cancelling');
    expect(event?.data).toMatchObject({ who: 'central:token:music', why: 'wrong one' });
    await lists(fleet, 'status=cancelled', ({ length }) => length === 1);
    expect((await fleet.call('GET', `/jobs/${id}`)).body.cancelling).toBe(false);
    expect((await cancel(music)).body.code).toBe('JOB_ENDED');
  });

  it('is not called off once its machine is of another squad than central knew', async () => {
    const { fleet, lon } = await twoHalls();
    const { id } = begin(lon, 'SN00000');
    const { inventory, jobs } = lon.hall.now;
    const stop = { kind: 'stop-job', job: id, squad: 'video', why: 'x' };
    await fleet.forge(
      `INSERT INTO intents (id, site, who, body, asked_at) VALUES ('late', 'lon', 'eve', '${JSON.stringify(stop)}', 1)`,
    );
    const { body } = await until(
      () => fleet.call('GET', '/intents/late'),
      (told) => told.body.status !== 'waiting',
    );
    expect([body.status, JSON.parse(body.result).code]).toEqual(['refused', 'VERSION_CONFLICT']);
    expect(inventory.machines.record('SN00000' as Hardwarename)?.squad).toBe('');
    expect(jobs.get(id).endedAt).toBe(0);
  });
});

describe('jobs of both kinds', () => {
  it('are one list behind one cursor, each once', async () => {
    const { fleet, lon, sto } = await twoHalls();
    const own = [begin(lon, 'SN00000'), begin(sto, 'SN00100')].map(({ id }) => id);
    const wanted = { action: 'power-off', targets: ['SN00001', 'SN00101', 'SN00102'] };
    const asked = (await fleet.call('POST', '/jobs/bulk', wanted)).body.results;
    const all = await lists(
      fleet,
      '',
      (jobs) => jobs.length === 5 && jobs.every(({ siteJob }) => siteJob !== ''),
    );
    expect(all.map(({ id }) => id).sort()).toEqual(
      [...own, ...asked.map(({ id }: Shown) => id)].sort(),
    );
    const paged: string[] = [];
    for (let cursor = '', more = true; more; ) {
      const { body } = await fleet.call('GET', `/jobs?limit=2${cursor}`);
      paged.push(...body.jobs.map(({ id }: Shown) => id));
      expect(body.jobs.length).toBeLessThanOrEqual(2);
      more = body.next !== undefined;
      cursor = `&cursor=${body.next}`;
    }
    expect(paged).toEqual(all.map(({ id }) => id));
    // What its site tells of one that was asked for here is under its own id here.
    const here = all.find(({ target }) => target.endsWith('SN00101'));
    await sto.hall.settle();
    await lists(fleet, 'target=SN00101&status=finished', ({ length }) => length === 1);
    const { job } = (await fleet.call('GET', `/jobs/${here?.siteJob}`)).body;
    expect(job).toMatchObject({ id: here?.id, status: 'finished', requester: 'token:first-start' });
    expect((await listed(fleet, 'status=queued,running')).map(({ site }) => site)).toEqual(
      expect.not.arrayContaining(['sto']),
    );
  });

  it('that a snapshot does not mention are gone where they had not ended, and stay where they had', async () => {
    const { fleet, lon } = await twoHalls();
    const { id } = begin(lon, 'SN00000');
    await lists(fleet, '', ({ length }) => length === 1);
    const ghost = (name: string, ended: number) =>
      `INSERT INTO fleet_jobs (site, job, id, action, hardwarename, status, created_at, ended_at, document)
       SELECT site, '${name}', '${name}', action, hardwarename, '${ended > 0 ? 'failed' : 'running'}', 1, ${ended}, document
       FROM fleet_jobs WHERE job = '${id}'`;
    await fleet.forge(ghost('ghost', 0), ghost('old', 2));
    await fleet.forge("UPDATE sites SET feed_cursor = NULL WHERE name = 'lon'");
    await fleet.restart();
    await current(fleet, 'lon', 'sto');
    const of = await lists(fleet, 'site=lon', ({ length }) => length === 2);
    expect(of.map(({ siteJob }) => siteJob).sort()).toEqual([id, 'old'].sort());
  });
});

describe('sites and centrals of two versions', () => {
  /** What central welcomes a site with that dials so. */
  const welcomed = async (of: TestFleet, folder: string, headers: Record<string, string>) => {
    const identity = readFileSync(join(folder, 'appliance.pem'), 'utf8');
    const ca = readFileSync(join(of.folder, 'central', 'authority.pem'), 'utf8');
    const url = `wss://127.0.0.1:${of.central.appliancesPort}/link`;
    const socket = new WebSocket(url, { ca, key: identity, cert: identity, headers });
    await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
    const heard = new Promise<FromCentral>((resolve) =>
      socket.on('message', (data) => resolve(JSON.parse(String(data)))),
    );
    const hello = { kind: 'hello', protocol: 1, site: 'lon', appliance: 'one', program: 'test' };
    socket.send(JSON.stringify({ ...hello, clock: Date.now(), floor: 0, last: 0 }));
    return heard.finally(() => socket.terminate());
  };

  it('say to each other what the older one understands', async () => {
    const fleet = await createFleet();
    onTestFinished(() => fleet.close());
    const { folder } = await fleet.site('lon');
    const old = await welcomed(fleet, folder, {});
    expect(Object.keys(old).sort()).toEqual(['clock', 'cursor', 'kind']);
    const newer = await welcomed(fleet, folder, { 'reveille-welcome': `${WELCOME_FIELDS} more` });
    expect(newer).toMatchObject({ takes: ['jobs', 'answer-events'], lacks: ['pools', 'jobs'] });
  });

  it('tell pools and jobs once when central has none of them, without their machines', async () => {
    const { fleet, lon } = await twoHalls();
    lon.hall.squad('music');
    lon.hall.pool('cache', { role: 'cache', count: 0, health: {} });
    const { id } = begin(lon, 'SN00000');
    await lists(fleet, '', ({ length }) => length === 1);
    const pools = async () => (await fleet.call('GET', '/pools')).body.pools.length as number;
    await until(pools, (count) => count === 1);
    // As after the upgrade of one of them, or of batches that an instance of the version before has taken.
    for (const lost of ["told = ''", 'told_to = 0']) {
      await fleet.forge(
        'DELETE FROM fleet_site_pools',
        'DELETE FROM fleet_jobs',
        `UPDATE sites SET ${lost}, snapshot = 'before'`,
        "UPDATE machines SET snapshot = 'before'",
      );
      expect([await listed(fleet), await pools()]).toEqual([[], 0]);
      await fleet.restart();
      await lists(fleet, '', (jobs) => jobs[0]?.id === id);
      await until(pools, (count) => count === 1);
    }
    await fleet.forge("DELETE FROM machines WHERE snapshot <> 'before'");
    expect((await fleet.call('GET', '/machines/count')).body.count).toBe(8);
  });
});
