/** Pools over several sites: each keeps its part; resets go through them site by site, and stop where something is wrong. */
import { describe, expect, it } from 'vitest';
import { type TestFleet, until } from '../../support/fleet.ts';
import { current, type FleetHall, twoHalls as hallsOf, inUse } from '../../support/fleet-halls.ts';

const twoHalls = () => hallsOf({ count: 6, squads: ['music'] });

const web = { role: 'web', image: 'debian-12/stable', squad: 'music' };

const told = (of: TestFleet) =>
  until(
    async () => (await of.call('GET', '/pools/web')).body.pool,
    ({ sites }) => sites.every(({ status }: { status: string }) => status === 'done'),
  );

const sizes = (...halls: FleetHall[]) => halls.map((hall) => inUse(hall).length);

/** In the hall's own time, which runs only here. */
const grows = (of: FleetHall, count: number) =>
  of.hall.until(() => of.hall.members('web').length === count);
const lastReset = ({ hall }: FleetHall) => hall.now.pools.store.resets(1)[0];
const resets = (of: FleetHall) => of.hall.until(() => (lastReset(of)?.endedAt ?? 0) > 0);

async function filled() {
  const made = await twoHalls();
  const put = await made.fleet.call('PUT', '/pools/web', { ...web, sites: { lon: 2, sto: 3 } });
  expect([put.status, put.body.count]).toEqual([200, 5]);
  await told(made.fleet);
  await grows(made.lon, 2);
  await grows(made.sto, 3);
  expect(sizes(made.lon, made.sto)).toEqual([2, 3]);
  return made;
}

const resetBecomes = (of: TestFleet, id: string, isSo: (reset: Reset) => boolean) =>
  until(async () => (await of.call('GET', `/resets/${id}`)).body as Reset, isSo);

interface Reset {
  readonly id: string;
  readonly status: string;
  readonly why: string;
  readonly sites: readonly { site: string; status: string; done: number; why: string }[];
}

const statuses = ({ sites }: Reset) => sites.map(({ status }) => status).join(' ');

describe('a pool over two sites', () => {
  it('is kept by each at its own size, changed and given up', async () => {
    const { fleet, lon, sto } = await filled();
    await fleet.call('PUT', '/pools/web', { ...web, sites: { lon: 4 } });
    await told(fleet);
    await until(
      async () => sto.hall.now.pools.store.pool('web'),
      (pool) => pool === undefined,
    );
    // A pool that is given up leaves its machines in use, as the site's own API does.
    await grows(lon, 4);
    expect(sizes(lon, sto)).toEqual([4, 3]);
    expect((await fleet.call('DELETE', '/pools/web')).status).toBe(204);
    await until(
      async () => lon.hall.now.pools.store.pool('web'),
      (pool) => pool === undefined,
    );
    expect((await fleet.call('GET', '/pools/web')).status).toBe(404);
  });

  it('is refused at the door for sites that there are not, and by a site with its reason', async () => {
    const { fleet } = await twoHalls();
    const oslo = await fleet.call('PUT', '/pools/web', { ...web, sites: { oslo: 1 } });
    expect(oslo.body.code).toBe('SITE_UNKNOWN');
    await fleet.call('PUT', '/pools/web', { ...web, image: 'no-such/image', sites: { lon: 1 } });
    const { body } = await until(
      () => fleet.call('GET', '/pools/web'),
      ({ body }) => body.pool.sites[0].status === 'refused',
    );
    expect(body.pool.sites[0]).toMatchObject({ site: 'lon', code: 'REQUEST_INVALID' });
  });
});

describe('what is known of a pool at central', () => {
  /** As central has heard it last. */
  const seen = (of: TestFleet, isSo: (detail: Detail) => boolean) =>
    until(async () => (await of.call('GET', '/pools/web')).body as Detail, isSo);

  interface Detail {
    readonly pool: Record<string, unknown> & { healthy: number; members: number };
    readonly members: readonly { hardwarename: string; site: string; unhealthyAt: number | null }[];
  }

  it('is each machine with its site and health, as an appliance shows it', async () => {
    const { fleet, lon } = await filled();
    const { pool, members } = await seen(fleet, (detail) => detail.pool.members === 5);
    expect(pool).toMatchObject({ site: 'lon, sto', squad: 'music', count: 5, healthy: 5, why: '' });
    expect(pool.sites).toMatchObject([
      { site: 'lon', count: 2, members: 2, healthy: 2, status: 'done', freshness: 'current' },
      { site: 'sto', count: 3, members: 3, healthy: 3 },
    ]);
    expect(members.map(({ site }) => site)).toEqual(['lon', 'lon', 'sto', 'sto', 'sto']);
    expect(members[0]).toMatchObject({ unhealthyAt: null, rack: 'R0', freshness: 'current' });
    const { inventory, pools } = lon.hall.now;
    const [first] = pools.store.members('web');
    if (!first) throw new Error('lon has no machine of the pool');
    inventory.transaction(() => pools.store.setHealth(first, 'a fan'));
    const sick = await seen(fleet, (detail) => detail.pool.healthy === 4);
    expect(sick.members.find(({ unhealthyAt }) => unhealthyAt !== null)).toMatchObject({
      ...{ hardwarename: first.hardwarename, why: 'a fan' },
    });
  });

  it('comes anew with a snapshot, and goes with what it does not mention', async () => {
    const { fleet } = await filled();
    await seen(fleet, (detail) => detail.pool.members === 5);
    await fleet.forge(
      "INSERT INTO fleet_members (site, hardwarename, pool, joined_at) VALUES ('lon', 'GHOST', 'web', 1)",
      "DELETE FROM fleet_members WHERE site = 'sto'",
      'UPDATE sites SET feed_cursor = NULL',
    );
    expect((await fleet.call('GET', '/pools/web')).body.pool.members).toBe(3);
    await fleet.restart();
    const { members } = await seen(fleet, (detail) => detail.pool.members === 5);
    expect(members.map(({ hardwarename }) => hardwarename)).not.toContain('GHOST');
  });

  it('asks how many machines go before a part becomes smaller', async () => {
    const { fleet, lon, sto } = await filled();
    await seen(fleet, (detail) => detail.pool.members === 5);
    const size = (body: object, query = '') => fleet.call('PUT', `/pools/web/size${query}`, body);
    const asked = await size({ site: 'sto', count: 1 });
    expect(asked.body).toMatchObject({ code: 'CONFIRMATION_NEEDED', count: 2 });
    expect((await size({ site: 'sto', count: 1 }, '?confirm=1')).status).toBe(409);
    const whole = { ...web, sites: { lon: 2, sto: 1 } };
    expect((await fleet.call('PUT', '/pools/web', whole)).body.code).toBe('CONFIRMATION_NEEDED');
    const done = await size({ site: 'sto', count: 1 }, '?confirm=2');
    // The other site's part is as it was.
    expect(done.body).toMatchObject({ count: 3, sites: [{ count: 2 }, { site: 'sto', count: 1 }] });
    await told(fleet);
    await grows(sto, 1);
    await seen(fleet, (detail) => detail.pool.members === 3);
    expect((await size({ sites: { lon: 4, sto: 2 } })).status).toBe(200);
    await told(fleet);
    await grows(lon, 4);
    await grows(sto, 2);
    expect((await size({ site: 'lon' })).body.code).toBe('REQUEST_INVALID');
    expect((await size({ count: 3 })).body.code).toBe('REQUEST_INVALID');
    expect((await size({ site: 'oslo', count: 3 })).body.code).toBe('SITE_UNKNOWN');
  });

  it('is changed by whoever has read what is there', async () => {
    const { fleet } = await filled();
    const put = (version: string) =>
      fleet.call('PUT', '/pools/web/size', { site: 'lon', count: 3 }, { 'if-match': version });
    expect((await put('"7"')).body.code).toBe('VERSION_CONFLICT');
    expect((await put('"1"')).status).toBe(200);
    expect((await put('"1"')).body.code).toBe('VERSION_CONFLICT');
    expect((await put('*')).status).toBe(200);
  });
});

describe('a reset of a pool', () => {
  it('of a site’s own is seen, made larger and smaller, reset and let go from here', async () => {
    const { fleet, lon, sto } = await twoHalls();
    lon.hall.squad('music');
    sto.hall.squad('music');
    const own = { role: 'cache', health: {} };
    expect(lon.hall.pool('cache', { ...own, count: 2 }).version).toBe(1);
    await lon.hall.until(() => lon.hall.members('cache').length === 2);
    const seen = await until(
      async () => (await fleet.call('GET', '/pools/cache')).body,
      ({ pool }) => pool?.healthy === 2,
    );
    expect(seen.pool).toMatchObject({
      ...{ site: 'lon', role: 'cache', squad: 'music', count: 2, version: 1 },
      sites: [{ site: 'lon', own: true, status: 'own', count: 2, members: 2 }],
    });
    expect(seen.members).toHaveLength(2);
    expect((await fleet.call('GET', '/pools')).body.pools).toMatchObject([{ name: 'cache' }]);
    const size = (body: object, confirm = '') =>
      fleet.call('PUT', `/pools/cache/size?why=load${confirm}`, body);
    const larger = await size({ site: 'lon', count: 3 });
    expect([larger.status, larger.body.count]).toEqual([200, 3]);
    expect(lon.hall.now.pools.store.pool('cache')).toMatchObject({
      ...{ who: 'central:token:first-start', doc: { count: 3, role: 'cache' } },
    });
    await lon.hall.until(() => lon.hall.members('cache').length === 3);
    await until(
      async () => (await fleet.call('GET', '/pools/cache')).body.pool,
      ({ healthy }) => healthy === 3,
    );
    expect((await size({ site: 'lon', count: 1 })).body.code).toBe('CONFIRMATION_NEEDED');
    expect((await size({ site: 'sto', count: 1 })).body.code).toBe('SITE_UNKNOWN');
    expect((await size({ site: 'lon', count: 1 }, '&confirm=2')).status).toBe(200);
    await lon.hall.until(() => lon.hall.members('cache').length === 1);
    const reset = await fleet.call('POST', '/resets', { pool: 'cache', why: 'kernel' });
    expect([reset.status, reset.body.site]).toEqual([202, 'lon']);
    await until(
      async () => lastReset(lon),
      (one) => one !== undefined,
    );
    await resets(lon);
    await resetBecomes(fleet, reset.body.id, ({ status }) => status === 'finished');
    // Another site's of that name is beside it, and what the fleet asks for takes the place of both.
    sto.hall.pool('cache', { ...own, count: 0 });
    await until(
      async () => (await fleet.call('GET', '/pools/cache')).body.pool,
      ({ site }) => site === 'lon, sto',
    );
    const whole = { ...web, role: 'cache', sites: { lon: 1, sto: 0 } };
    expect((await fleet.call('PUT', '/pools/cache', whole)).status).toBe(200);
    const fleets = await until(
      async () => (await fleet.call('GET', '/pools/cache')).body.pool,
      ({ sites }) => sites.every(({ status }: { status: string }) => status === 'done'),
    );
    expect(fleets.sites.map((one: { own: boolean }) => one.own)).toEqual([false, false]);
    expect((await fleet.call('DELETE', '/pools/cache')).status).toBe(204);
    expect((await fleet.call('GET', '/pools')).body.pools).toEqual([]);
    await until(
      async () => [lon, sto].filter(({ hall }) => hall.now.pools.store.pool('cache')).length,
      (left) => left === 0,
    );
    expect((await fleet.call('GET', '/pools')).body.pools).toEqual([]);
  });

  it('goes through the sites one after the other, and is told of as one', async () => {
    const { fleet, lon, sto } = await filled();
    const made = await fleet.call('POST', '/resets', { pool: 'web', why: 'new kernel' });
    expect(made.status).toBe(202);
    const id = made.body.id as string;
    const again = await fleet.call('POST', '/resets', { pool: 'web', why: 'me too' });
    expect(again.body.code).toBe('ALREADY_EXISTS');
    await resetBecomes(fleet, id, (reset) => statuses(reset) === 'running waiting');
    expect(sto.hall.now.pools.store.resets(10)).toEqual([]);
    await resets(lon);
    await resetBecomes(fleet, id, (reset) => statuses(reset) === 'finished running');
    await resets(sto);
    const ended = await resetBecomes(fleet, id, ({ status }) => status !== 'running');
    expect(ended).toMatchObject({ status: 'finished', sites: [{ done: 2 }, { done: 3 }] });
    expect(sizes(lon, sto)).toEqual([2, 3]);
  });

  it('stops when a site stops, pauses and is called off where it is', async () => {
    const { fleet, lon, sto } = await filled();
    const wish = { pool: 'web', sites: ['sto', 'lon'], why: 'new kernel' };
    const { id } = (await fleet.call('POST', '/resets', wish)).body;
    await resetBecomes(fleet, id, (reset) => statuses(reset) === 'running waiting');
    await fleet.call('POST', `/resets/${id}/pause`, { why: 'lunch' });
    await until(
      async () => lastReset(sto)?.status,
      (status) => status === 'paused',
    );
    await fleet.call('POST', `/resets/${id}/resume`, { why: 'go on' });
    await until(
      async () => lastReset(sto)?.status,
      (status) => status === 'running',
    );
    // Somebody at the site calls it off.
    const { pools, inventory } = sto.hall.now;
    inventory.transaction(() =>
      pools.store.turnReset(1, 'aborted', { who: 'ann', why: 'not on a Friday' }),
    );
    const stopped = await resetBecomes(fleet, id, ({ status }) => status === 'stopped');
    expect(stopped.why).toContain('sto: aborted');
    expect(statuses(stopped)).toBe('aborted waiting');
    await sto.hall.settle();
    expect(lon.hall.now.pools.store.resets(10)).toEqual([]);
    const late = await fleet.call('POST', `/resets/${id}/abort`, { why: 'x' });
    expect([late.status, late.body.code]).toEqual([409, 'REQUEST_ENDED']);
    const next = (await fleet.call('POST', '/resets', wish)).body;
    await resetBecomes(fleet, next.id, (reset) => statuses(reset) === 'running waiting');
    await fleet.call('POST', `/resets/${next.id}/abort`, { why: 'enough' });
    await until(
      async () => lastReset(sto)?.status,
      (status) => status === 'aborted',
    );
    expect((await fleet.call('GET', `/resets/${next.id}`)).body.status).toBe('aborted');
  });

  it('hears the end of a site’s turn also when its answer was lost and comes later', async () => {
    const { fleet, lon } = await filled();
    const wish = { pool: 'web', sites: ['lon'], why: 'new kernel' };
    const { id } = (await fleet.call('POST', '/resets', wish)).body;
    await resetBecomes(fleet, id, (reset) => statuses(reset) === 'running');
    await fleet.forge(
      "UPDATE fleet_reset_sites SET status = 'asked', number = 0",
      `UPDATE intents SET status = 'waiting' WHERE body LIKE '{"kind":"reset"%'`,
    );
    await resets(lon);
    await current(fleet, 'lon');
    const feed = lon.hall.now.inventory.events;
    await until(
      async () => (await fleet.call('GET', '/sites')).body.sites[0].cursor,
      (cursor) => cursor === feed.lastId(),
    );
    lon.site.connect();
    await resetBecomes(fleet, id, ({ status }) => status === 'finished');
  });
});
