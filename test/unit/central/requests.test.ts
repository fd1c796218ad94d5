import { afterEach, describe, expect, it } from 'vitest';
import { commandLine } from '../../support/command-line.ts';
import { createFleet, type TestFleet, until } from '../../support/fleet.ts';
import { current, hallAt, inUse } from '../../support/fleet-halls.ts';
import { addImage } from '../../support/provision-machines.ts';

let fleet: TestFleet | undefined;
afterEach(async () => {
  await fleet?.close();
  fleet = undefined;
});

async function twoHalls(counts: { lon: number; sto: number } = { lon: 6, sto: 6 }) {
  fleet = await createFleet();
  const lon = await hallAt(fleet, 'lon', { from: 0, count: counts.lon });
  const sto = await hallAt(fleet, 'sto', { from: 100, count: counts.sto });
  await fleet.call('PUT', '/squads/music', { contact: 'music@example.org' });
  return { fleet, lon, sto };
}

const asked = {
  ...{ role: 'fancydb', image: 'debian-12/stable', count: 4, squad: 'music' },
  hostname: { pattern: '{role}-{n}' },
};

const ask = async (of: TestFleet, body: object = {}) => {
  const made = await of.call('POST', '/requests', { ...asked, ...body });
  expect([made.status, made.body.code]).toEqual([202, undefined]);
  return made.body;
};

// biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
const becomes = (of: TestFleet, id: string, isSo: (request: any) => boolean) =>
  until(
    async () => (await of.call('GET', `/requests/${id}`)).body,
    ({ request }) => isSo(request),
  );

const hasStatus = (status: string) => (request: { status: string }) => request.status === status;

/** Every open part has been taken on by its site. */
const isTaken = ({ parts }: { parts: { status: string }[] }) =>
  parts.every(({ status }) => status !== 'asked');

describe('a request over two sites', () => {
  it('ends in use at both, and is told of as one', async () => {
    const { fleet, lon, sto } = await twoHalls();
    lon.site.connect();
    sto.site.connect();
    await current(fleet, 'lon', 'sto');
    const { id, parts } = await ask(fleet, { siteSpread: { even: true } });
    expect(parts).toMatchObject([
      { site: 'lon', count: 2, freshness: 'current' },
      { site: 'sto', count: 2, freshness: 'current' },
    ]);
    await becomes(fleet, id, isTaken);
    await Promise.all([lon.hall.settle(), sto.hall.settle()]);
    const { request, places } = await becomes(fleet, id, hasStatus('fulfilled'));
    expect(request).toMatchObject({ count: 4, done: 4, failed: 0, squad: 'music' });
    const has = [...inUse(lon), ...inUse(sto)];
    expect(has.map(({ squad, role }) => `${squad} ${role}`)).toEqual(
      Array(4).fill('music fancydb'),
    );
    expect(places.map(({ machine }: { machine: string }) => machine).sort()).toEqual(
      has.map(({ hardwarename }) => hardwarename as string).sort(),
    );
    for (const { status } of places) expect(status).toBe('done');
    const { body } = await fleet.call('GET', '/machines?state=in-use&squad=music');
    expect(body.machines).toHaveLength(4);
    const squad = (await fleet.call('GET', '/squads/music')).body;
    expect(squad).toMatchObject({ has: 4, promised: 0 });
  });

  it('waits for a site that is away, and is carried out there once, whatever is lost', async () => {
    const { fleet, lon } = await twoHalls();
    const { id } = await ask(fleet, { site: 'lon', count: 3 });
    let leave = lon.site.connect();
    await becomes(fleet, id, isTaken);
    leave();
    // The answer was lost on the way: central asks again.
    await fleet.forge(
      "UPDATE intents SET status = 'waiting', result = ''",
      "UPDATE fleet_parts SET status = 'asked', accepted_at = 0",
    );
    await lon.hall.settle();
    leave = lon.site.connect();
    const { request } = await becomes(fleet, id, hasStatus('fulfilled'));
    expect(request.done).toBe(3);
    leave();
    expect(inUse(lon)).toHaveLength(3);
    expect(lon.hall.now.desk.store.page({}, 10)).toHaveLength(1);
  });

  it('goes to the other where one refuses, with the reason kept', async () => {
    const { fleet, lon, sto } = await twoHalls({ lon: 9, sto: 6 });
    const { inventory } = sto.hall.now;
    inventory.transaction(() => addImage(inventory, '2'));
    lon.site.connect();
    sto.site.connect();
    await current(fleet, 'lon', 'sto');
    const { id, parts } = await ask(fleet, { image: 'debian-12@2' });
    expect(parts).toMatchObject([{ site: 'lon', count: 4 }]);
    await becomes(fleet, id, ({ parts }) => parts.length === 2 && isTaken({ parts }));
    await sto.hall.settle();
    const { request } = await becomes(fleet, id, hasStatus('fulfilled'));
    expect(request.parts).toMatchObject([
      { site: 'lon', status: 'refused', why: expect.stringContaining('REQUEST_INVALID') },
      { site: 'sto', status: 'fulfilled', done: 4 },
    ]);
    expect([inUse(lon).length, inUse(sto).length]).toEqual([0, 4]);
  });

  it('is short when every site refuses', async () => {
    const { fleet, lon } = await twoHalls();
    lon.site.connect();
    await current(fleet, 'lon');
    const { id } = await ask(fleet, { site: 'lon', image: 'no-such/image' });
    const { request } = await becomes(fleet, id, hasStatus('short'));
    expect(request.parts).toMatchObject([{ site: 'lon', status: 'refused' }]);
  });

  it('of which its site has no record any more when it is back ends as its events say', async () => {
    const { fleet, lon } = await twoHalls();
    const leave = lon.site.connect();
    const { id } = await ask(fleet, { site: 'lon', count: 2 });
    await becomes(fleet, id, isTaken);
    leave();
    await lon.hall.settle();
    const db = lon.hall.database();
    for (const table of ['request_claims', 'request_log', 'requests'])
      db.prepare(`DELETE FROM ${table}`).run();
    lon.site.connect();
    const { request, places } = await becomes(fleet, id, hasStatus('fulfilled'));
    expect(request).toMatchObject({
      done: 2,
      parts: [{ site: 'lon', status: 'fulfilled', done: 2 }],
    });
    expect(request.endedAt).toBeGreaterThan(0);
    expect(places.map(({ status }: { status: string }) => status)).toEqual(['done', 'done']);
    expect((await fleet.call('GET', '/squads/music')).body).toMatchObject({ has: 2, promised: 0 });
    expect((await fleet.call('GET', '/notices')).body.notices).toEqual([]);
  });

  it('that is lost with the site’s database is noticed, and not asked for again', async () => {
    const { fleet, lon } = await twoHalls();
    const leave = lon.site.connect();
    const { id } = await ask(fleet, { site: 'lon', count: 2 });
    await becomes(fleet, id, isTaken);
    leave();
    const db = lon.hall.database();
    for (const table of ['request_claims', 'request_log', 'requests', 'intents'])
      db.prepare(`DELETE FROM ${table}`).run();
    db.prepare('UPDATE events SET at = at + 7').run();
    lon.site.connect();
    const { request } = await becomes(fleet, id, hasStatus('short'));
    expect(request.parts).toMatchObject([{ site: 'lon', status: 'lost' }]);
    const { notices } = (await fleet.call('GET', '/notices')).body;
    expect(notices).toMatchObject([{ code: 'REQUEST_LOST', site: 'lon' }]);
    expect(lon.hall.now.desk.store.page({}, 10)).toEqual([]);
  });
});

describe('calling off', () => {
  const cancel = (of: TestFleet, id: string) =>
    of.call('POST', `/requests/${id}/cancel`, { why: 'not needed' });

  it('before the site has heard of it leaves nothing there', async () => {
    const { fleet, lon } = await twoHalls();
    const { id } = await ask(fleet, { site: 'lon' });
    expect((await cancel(fleet, id)).body.status).toBe('cancelling');
    expect((await cancel(fleet, id)).status).toBe(200);
    lon.site.connect();
    await becomes(fleet, id, ({ parts }) => parts[0].status === 'cancelling');
    await lon.hall.settle();
    await becomes(fleet, id, hasStatus('cancelled'));
    expect(inUse(lon)).toEqual([]);
  });

  it('refuses the request at the site when it has overtaken it', async () => {
    const { fleet, lon } = await twoHalls();
    const { id } = await ask(fleet, { site: 'lon' });
    await cancel(fleet, id);
    await fleet.forge(
      `UPDATE intents SET asked_at = asked_at + 60000 WHERE body LIKE '{"kind":"request"%'`,
    );
    lon.site.connect();
    const { request } = await becomes(fleet, id, hasStatus('cancelled'));
    expect(request.parts).toMatchObject([
      { status: 'refused', why: expect.stringContaining('REQUEST_ENDED') },
    ]);
    expect(lon.hall.now.desk.store.page({}, 10)).toEqual([]);
  });

  it('while machines are installed stops it, and refuses what has ended', async () => {
    const { fleet, lon } = await twoHalls();
    lon.site.connect();
    const { id } = await ask(fleet, { site: 'lon', count: 2 });
    await becomes(fleet, id, isTaken);
    await lon.hall.time.pass(20_000);
    await cancel(fleet, id);
    await until(
      async () => lon.hall.now.desk.store.byId(lon.hall.now.desk.store.page({}, 1)[0]?.id ?? ''),
      (request) => request?.status === 'cancelling',
    );
    await lon.hall.settle();
    const { request } = await becomes(fleet, id, hasStatus('cancelled'));
    expect(request.done).toBe(0);
    const done = await ask(fleet, { site: 'lon', count: 1 });
    await becomes(fleet, done.id, isTaken);
    await lon.hall.settle();
    await becomes(fleet, done.id, hasStatus('fulfilled'));
    const late = await cancel(fleet, done.id);
    expect([late.status, late.body.code]).toEqual([409, 'REQUEST_ENDED']);
  });
});

describe('the command line', () => {
  it('asks central as it asks an appliance', async () => {
    const { fleet, lon, sto } = await twoHalls();
    lon.site.connect();
    sto.site.connect();
    await current(fleet, 'lon', 'sto');
    const { openFleetAccess } = await import('../../../src/central/access.ts');
    const { openFleetDatabase } = await import('../../../src/central/sql.ts');
    const db = openFleetDatabase(fleet.database);
    const token = await openFleetAccess(db, () => Date.now() as never).makeToken('cli', 'admin');
    await db.close();
    const line = commandLine({
      REVEILLE_URL: `http://127.0.0.1:${fleet.central.peoplePort}`,
      REVEILLE_TOKEN: token,
    });
    const run = (...words: string[]) => line(words);
    const wish = ['--role', 'fancydb', '--image', 'debian-12/stable', '--squad', 'music'];
    const create = ['request', 'create', ...wish, '--count', '2', '--hostname', '{role}-{n}'];
    const rehearsed = JSON.parse(await run(...create, '--dry-run', '--json'));
    expect(rehearsed).toMatchObject({ fitting: 2, missing: 0, parts: [{ site: 'lon', count: 2 }] });
    const made = JSON.parse(await run(...create, '--json'));
    await becomes(fleet, made.id, isTaken);
    await lon.hall.settle();
    await becomes(fleet, made.id, hasStatus('fulfilled'));
    const shown = await run('request', 'watch', made.id);
    expect(shown).toMatch(/asked\n[^\n]*ended {2}lon {2}fulfilled\n$/);
    expect(await run('request', 'list')).toMatch(/fancydb +lon +music +fulfilled +2\/2/);
    expect(await run('request', 'show', made.id)).toContain('[x] fancydb-1');
    await expect(run('request', 'cancel', made.id)).rejects.toThrow();
    const [one] = inUse(lon);
    const name = one?.hardwarename ?? '';
    expect(await run('machines', 'list', 'squad=music', 'state=in-use')).toContain(name);
    expect(await run('machines', 'search', name.toLowerCase())).toContain(name);
    const { machine, claims, events } = JSON.parse(await run('machines', 'show', name, '--json'));
    expect(machine).toMatchObject({
      ...{ hardwarename: name, state: 'in-use', site: 'lon', freshness: 'current' },
    });
    expect(claims).toEqual([]);
    expect(events[0]).toMatchObject({ site: 'lon', hardwarename: name, data: expect.any(Object) });
    expect(await run('machines', 'show', name)).toContain('machine.state');
    // What is there already is changed, and the rest of it stays.
    await run('squads', 'put', 'music', 'notes=loud');
    expect(await run('squads', 'list')).toContain('music@example.org');
    for (const kinds of ['[nic]', '[nic, gpu]'])
      await run('policies', 'put', 'default', `holdOnLost=${kinds}`);
    expect(await run('policies', 'show', 'default')).toContain('gpu');
    await run('users', 'put', 'ann', '--role', 'operator', '--squad', 'music=operator');
    expect(await run('users', 'list')).toMatch(/ann +operator +music=operator +no/);
  });
});

describe('who may ask for what', () => {
  it('a squad has its quota over all sites, also when two ask at once', async () => {
    const { fleet, lon, sto } = await twoHalls();
    lon.site.connect();
    sto.site.connect();
    await current(fleet, 'lon', 'sto');
    await fleet.call('PUT', '/squads/music', { quota: { machines: 5 } });
    const two = await Promise.all([0, 1].map(() => fleet.call('POST', '/requests', asked)));
    expect(two.map(({ status }) => status).sort()).toEqual([202, 409]);
    expect(two.find(({ status }) => status === 409)?.body).toMatchObject({
      ...{ code: 'QUOTA_EXCEEDED', left: 1 },
    });
    expect((await fleet.call('GET', '/squads/music')).body.promised).toBe(4);
    // Each site has been told.
    await until(
      async () =>
        [lon, sto].map(
          ({ hall }) => hall.now.inventory.serverdb.records.get('squad', 'music')?.doc.quota,
        ),
      (quotas) => quotas.every((quota) => quota?.machines === 5),
    );
    const nobody = await fleet.call('POST', '/requests', { ...asked, squad: 'unheard-of' });
    expect([nobody.status, nobody.body.path]).toEqual([400, '/squad']);
  });

  it('a token of a squad asks for nothing else, and one who looks asks for nothing', async () => {
    const { fleet } = await twoHalls();
    const { openFleetAccess } = await import('../../../src/central/access.ts');
    const { openFleetDatabase } = await import('../../../src/central/sql.ts');
    const db = openFleetDatabase(fleet.database);
    const access = openFleetAccess(db, () => Date.now() as never);
    const music = fleet.as(await access.makeToken('music', 'operator', ['music']));
    const viewer = fleet.as(await access.makeToken('viewer', 'viewer'));
    await expect(access.makeToken('x', 'admin', ['music'])).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    });
    await db.close();
    expect((await music('POST', '/requests', { ...asked, squad: 'video' })).status).toBe(403);
    expect((await music('POST', '/requests', { ...asked, site: 'lon' })).status).toBe(202);
    expect((await viewer('POST', '/requests', asked)).status).toBe(403);
    const edit = { kind: 'edit', target: 'X', edit: { notes: 'x' }, why: 'x' };
    expect((await music('POST', '/sites/lon/intents', edit)).status).toBe(403);
    const squad = { kind: 'squad', name: 'music', doc: {} };
    expect((await fleet.call('POST', '/sites/lon/intents', squad)).status).toBe(400);
  });

  it('the same key is the same request, and no other', async () => {
    const { fleet } = await twoHalls();
    const headers = { 'idempotency-key': 'one' };
    const post = (body: object) =>
      fleet.call('POST', '/requests', { ...asked, site: 'lon', ...body }, headers);
    const [first, again] = [await post({}), await post({})];
    expect(again.body.id).toBe(first.body.id);
    expect((await post({ count: 2 })).body.code).toBe('IDEMPOTENCY_MISMATCH');
    expect((await fleet.call('GET', '/requests')).body.requests).toHaveLength(1);
  });

  it('what cannot be is refused at the door', async () => {
    const { fleet } = await twoHalls();
    const refused = async (body: object) => {
      const { status, body: problem } = await fleet.call('POST', '/requests', {
        ...asked,
        ...body,
      });
      return `${status} ${problem.code}`;
    };
    expect(await refused({ site: 'oslo' })).toBe('404 SITE_UNKNOWN');
    expect(await refused({ site: 'lon', sites: ['lon'] })).toBe('400 REQUEST_INVALID');
    expect(await refused({ hardware: '2 NVMe >= 1 parsec' })).toBe('400 REQUEST_INVALID');
    // Nothing was heard of any site yet, and none is named.
    expect(await refused({})).toBe('400 REQUEST_INVALID');
    expect(await refused({ sites: ['lon', 'sto'], siteSpread: { perSiteMax: 1 } })).toBe(
      '400 REQUEST_INVALID',
    );
  });

  it('goes to no site that is shut out, though machines were free there', async () => {
    const { fleet, lon, sto } = await twoHalls({ lon: 1, sto: 6 });
    lon.site.connect();
    sto.site.connect();
    await current(fleet, 'lon', 'sto');
    const key = { 'idempotency-key': 'before' };
    const both = { ...asked, count: 2, sites: ['lon', 'sto'] };
    const before = await fleet.call('POST', '/requests', both, key);
    await fleet.call('POST', '/sites/sto/revoke');
    // What was asked before is what it was.
    expect((await fleet.call('POST', '/requests', both, key)).body.id).toBe(before.body.id);
    const { parts } = await ask(fleet, { count: 3 });
    expect(parts).toMatchObject([{ site: 'lon', count: 3 }]);
    const plan = await fleet.call('POST', '/requests/plan', { ...asked, count: 3 });
    expect(plan.body.parts.map(({ site }: { site: string }) => site)).toEqual(['lon']);
    const named = await fleet.call('POST', '/requests', { ...asked, sites: ['lon', 'sto'] });
    expect([named.body.code, named.body.detail]).toEqual([
      'SITE_SHUT_OUT',
      expect.stringContaining('sto'),
    ]);
    const { body } = await fleet.call('GET', '/sites');
    expect(body.sites).toMatchObject([{ shutOut: false }, { site: 'sto', shutOut: true }]);
  });

  it('is found by its status behind many newer ones', async () => {
    const { fleet } = await twoHalls();
    const { id } = await ask(fleet, { site: 'lon' });
    await fleet.forge(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 7)
       INSERT INTO fleet_requests (id, call_key, who, role, squad, hardware_type, wanted, body, sites, spread, asked_at)
       SELECT 'x' || i, 'x' || i, who, role, squad, hardware_type, wanted, body, sites, spread, asked_at + i / 2
       FROM fleet_requests, n`,
    );
    const listed = async (query: string): Promise<string[]> =>
      (await fleet.call('GET', `/requests?limit=2${query}`)).body.requests.map(
        (one: { id: string }) => one.id,
      );
    expect(await listed('')).toEqual(['x6', 'x7']);
    expect(await listed('&status=working&squad=music')).toEqual([id]);
    expect(await listed('&status=short')).toEqual(['x6', 'x7']);
    expect(await listed('&status=fulfilled')).toEqual([]);
    // Whose parts alone could not say it.
    await fleet.forge(`UPDATE fleet_requests SET wanted = 0 WHERE id = '${id}'`);
    expect(await listed('&status=fulfilled')).toEqual([id]);
  });

  it('shows no secrets of an install', async () => {
    const { fleet } = await twoHalls();
    const { id } = await ask(fleet, { site: 'lon', install: { userData: 'top secret' } });
    const shown = [
      await fleet.call('GET', `/requests/${id}`),
      await fleet.call('GET', '/intents'),
      await fleet.call('GET', '/events'),
    ];
    expect(JSON.stringify(shown)).not.toContain('top secret');
  });
});
