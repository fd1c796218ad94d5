/** Pools that sites have made themselves, beside those of the fleet: whose they are, and what of them a central of another version can read. */
import { afterEach, describe, expect, it } from 'vitest';
import { openFleet } from '../../../src/central/fleet.ts';
import { sitePools } from '../../../src/central/site-pools.ts';
import type { Clock, Millis } from '../../../src/wire/time.ts';
import { createFleet, type TestFleet, until } from '../../support/fleet.ts';
import { fleetDatabase, quietUpkeep } from '../../support/fleet-database.ts';
import { current, hallAt } from '../../support/fleet-halls.ts';

let fleet: TestFleet | undefined;
afterEach(async () => {
  await fleet?.close();
  fleet = undefined;
});

/** As if the site had told of it. */
const tells = (of: TestFleet, site: string, name: string, doc: object) =>
  of.forge(
    `INSERT INTO fleet_site_pools (site, pool, version, doc, who, updated_at, why)
     VALUES ('${site}', '${name}', 1, '${JSON.stringify(doc)}', 'ann', 1, '')`,
  );

const web = { role: 'web', image: 'debian-12/stable' };

/** With a pool that sto has made itself, of the squad b, and somebody who acts for the squad a alone. */
async function twoSquads() {
  fleet = await createFleet();
  for (const site of ['lon', 'sto']) await fleet.site(site);
  for (const squad of ['a', 'b']) await fleet.call('PUT', `/squads/${squad}`, {});
  await tells(fleet, 'sto', 'web', { ...web, squad: 'b', count: 5 });
  const token = { name: 'ops-a', squads: { a: 'operator' } };
  const { body } = await fleet.call('POST', '/tokens', token);
  return { fleet, asA: fleet.as(body.secret) };
}

const sitesOf = async (of: TestFleet) =>
  (await of.call('GET', '/pools/web')).body.pool.sites.map(
    ({ site, count, own }: { site: string; count: number; own: boolean }) => [site, count, own],
  );

describe('a pool that a site has made itself', () => {
  it('is not taken over by who may do nothing with its squad', async () => {
    const { fleet, asA } = await twoSquads();
    const ours = { ...web, squad: 'a' };
    for (const sites of [{ sto: 0 }, { lon: 1, sto: 5 }]) {
      const put = await asA('PUT', '/pools/web?confirm=5', { ...ours, sites });
      expect([put.status, put.body.code]).toEqual([403, 'FORBIDDEN']);
    }
    expect(await sitesOf(fleet)).toEqual([['sto', 5, true]]);
    // Beside it there is room for a pool of the fleet.
    expect((await asA('PUT', '/pools/web', { ...ours, sites: { lon: 1 } })).status).toBe(200);
    const one = await asA('PUT', '/pools/web', { ...ours, site: 'sto', count: 5 });
    expect(one.body.code).toBe('FORBIDDEN');
  });

  it('is not taken over by a size of the fleet’s of that name', async () => {
    const { fleet } = await twoSquads();
    await fleet.call('PUT', '/pools/web', { ...web, squad: 'a', sites: { lon: 1 } });
    const size = (body: object) => fleet.call('PUT', '/pools/web/size', body);
    for (const body of [{ sites: { lon: 2, sto: 5 } }, { site: 'sto', count: 5 }]) {
      const { status, body: said } = await size(body);
      expect([status, said.code]).toEqual([409, 'ALREADY_EXISTS']);
    }
    expect((await size({ sites: { lon: 2 } })).status).toBe(200);
    expect(await sitesOf(fleet)).toEqual([
      ['lon', 2, false],
      ['sto', 5, true],
    ]);
  });

  it('is said to be asked for a size while its site is away, and by which site it is refused', async () => {
    const { fleet } = await twoSquads();
    const size = (sites: object) => fleet.call('PUT', '/pools/web/size', { sites });
    const { status, body } = await size({ sto: 6 });
    expect([status, body.asked]).toMatchObject([202, [{ site: 'sto', status: 'waiting' }]]);
    expect(body).toMatchObject({ name: 'web', count: 5 });
    // Of this one only central believes that it is there.
    (await fleet.site('oslo')).connect();
    await current(fleet, 'oslo');
    await tells(fleet, 'oslo', 'web', { ...web, count: 1 });
    const refused = await size({ oslo: 2, sto: 7 });
    expect([refused.status, refused.body.code]).toEqual([409, 'SITE_REFUSED']);
    expect(refused.body.detail).toMatch(/oslo: NOT_FOUND .*; sto: waiting/);
    expect((await size({ oslo: 2 })).body.code).toBe('NOT_FOUND');
  });

  it('is shown as far as it can be read when a newer site has made it', async () => {
    fleet = await createFleet();
    await fleet.site('lon');
    await tells(fleet, 'lon', 'bare', {});
    await tells(fleet, 'lon', 'later', { ...web, count: 1, hardware: '2 warp drives' });
    await tells(fleet, 'lon', 'odd', { ...web, count: 1, hardware: { warp: { min: 2 } } });
    await tells(fleet, 'lon', 'web', { ...web, count: 1, hardware: '2 nvme' });
    const { status, body } = await fleet.call('GET', '/pools');
    expect(status).toBe(200);
    expect(
      body.pools.map(({ name, hardware, count }: Record<string, unknown>) => [
        ...[name, hardware, count],
      ]),
    ).toEqual([
      ['bare', '', 0],
      ['later', '2 warp drives', 1],
      ['odd', expect.any(String), 1],
      ['web', '2 NVMe', 1],
    ]);
  });

  it('is still known when it was made again before the answer to its removal comes twice', async () => {
    const db = await fleetDatabase();
    const kept = openFleet(db, (() => 1_000 as Millis) satisfies Clock, quietUpkeep);
    await db.run("INSERT INTO sites (name, joined_at) VALUES ('lon', 0)");
    const hello = { kind: 'hello', protocol: 1, site: 'lon', appliance: 'one' } as const;
    await kept.greet({ ...hello, program: '', clock: 0, floor: 0, last: 0 }, 'line');
    const of = { site: 'lon', line: 'line' };
    const pool = { name: 'web', version: 1, doc: { ...web, count: 1 }, who: 'ann', updatedAt: 1 };
    await kept.applySnapshot(of, {
      ...{ kind: 'snapshot', snapshot: 's', machines: [], done: { cursor: 0 } },
      pools: [{ ...pool, why: '' }],
    });
    const removal = { kind: 'record', record: 'pool', name: 'web', doc: null } as const;
    const intent = await kept.ask('lon', 'bob', removal);
    const done = { kind: 'result', intent, status: 'done', result: {} } as const;
    await kept.answer('lon', done);
    expect(await sitePools(db)).toEqual([]);
    await kept.applyBatch(of, {
      ...{ kind: 'batch', from: 0, to: 1, events: [], machines: [] },
      pools: [{ ...pool, why: '' }],
    });
    await kept.answer('lon', done);
    expect(await sitePools(db)).toMatchObject([{ site: 'lon', name: 'web' }]);
  });

  it('is kept by its site from a pool for another squad of which central had asked unknowing', async () => {
    fleet = await createFleet();
    const lon = await hallAt(fleet, 'lon', { from: 0, count: 2 });
    const squads = ['music', 'video'];
    for (const squad of squads) await fleet.call('PUT', `/squads/${squad}`, {});
    for (const squad of squads) lon.hall.squad(squad);
    lon.hall.pool('web', { squad: 'video', count: 0 });
    const put = (name: string, squad: string) =>
      fleet?.call('PUT', `/pools/${name}`, { ...web, squad, sites: { lon: 0 } });
    expect((await put('web', 'music'))?.status).toBe(200);
    expect((await put('odd', 'nobody'))?.status).toBe(200);
    lon.site.connect();
    const at = (name: string) =>
      until(
        async () => (await fleet?.call('GET', `/pools/${name}`))?.body.pool.sites[0],
        ({ status }) => status === 'refused',
      );
    expect(await at('web')).toMatchObject({
      code: 'ALREADY_EXISTS',
      detail: expect.stringContaining('a pool web of video'),
    });
    expect(await at('odd')).toMatchObject({
      code: 'REQUEST_INVALID',
      detail: expect.stringContaining('No squad nobody.'),
    });
    expect(lon.hall.now.pools.store.pool('web')).toMatchObject({ doc: { squad: 'video' } });
    // What is not the fleet's is not removed with it.
    expect((await fleet.call('DELETE', '/pools/web')).status).toBe(204);
    await fleet.call('PUT', '/squads/later', {});
    await until(
      async () => lon.hall.now.inventory.serverdb.records.get('squad', 'later'),
      (found) => found !== undefined,
    );
    expect(lon.hall.now.pools.store.pool('web')).toMatchObject({ doc: { squad: 'video' } });
    // For its own squad the fleet's takes its place.
    await put('web', 'video');
    await until(
      async () => lon.hall.now.pools.store.pool('web')?.who ?? '',
      (who) => who.startsWith('central:'),
    );
  });

  describe('in the place of the fleet’s', () => {
    /** The fleet's of music is kept at both; lon's people have put one of video in its place since. */
    async function retaken(isHeard: boolean) {
      const of = await createFleet();
      fleet = of;
      const lon = await hallAt(of, 'lon', { from: 0, count: 2 });
      const sto = await hallAt(of, 'sto', { from: 100, count: 2 });
      for (const squad of ['music', 'video']) await of.call('PUT', `/squads/${squad}`, {});
      lon.site.connect();
      sto.site.connect();
      await current(of, 'lon', 'sto');
      const sites = async () => (await of.call('GET', '/pools/web')).body.pool?.sites ?? [];
      await of.call('PUT', '/pools/web', { ...web, squad: 'music', sites: { lon: 0, sto: 0 } });
      await until(sites, (all) => all.every(({ status }: Told) => status === 'done'));
      const { inventory, pools } = lon.hall.now;
      inventory.transaction(() => pools.remove('web', { who: 'ann', why: 'x' }));
      lon.hall.pool('web', { squad: 'video', count: 1 });
      const seen = () =>
        of.look("SELECT doc FROM fleet_site_pools WHERE site = 'lon' AND who NOT LIKE 'central:%'");
      await until(seen, (rows) => rows.length === 1);
      // Its site is away from when it did so: central knows nothing of it.
      if (!isHeard)
        await of.forge(
          "UPDATE fleet_site_pools SET who = 'central:eve', doc = '{\"squad\":\"music\"}' WHERE site = 'lon'",
        );
      const token = { name: 'ops', squads: { music: 'operator' } };
      const { body } = await of.call('POST', '/tokens', token);
      const told = () =>
        of.look("SELECT body FROM intents WHERE site = 'lon' AND body LIKE '%\"doc\":null}'");
      /** All that was asked before is answered then. */
      const answered = async () => {
        await of.call('PUT', '/squads/later', {});
        for (const { hall } of [lon, sto])
          await until(
            async () => hall.now.inventory.serverdb.records.get('squad', 'later'),
            (found) => found !== undefined,
          );
      };
      const poolAt = ({ hall }: typeof lon) => hall.now.pools.store.pool('web');
      return { fleet: of, asMusic: of.as(body.secret), lon, sto, told, answered, poolAt, sites };
    }

    interface Told {
      readonly status: string;
    }

    for (const isHeard of [true, false])
      it(`is not removed with it, ${isHeard ? 'as central knows' : 'of which central has not heard'}`, async () => {
        const of = await retaken(isHeard);
        expect((await of.asMusic('DELETE', '/pools/web')).status).toBe(204);
        await of.answered();
        await until(
          async () => of.poolAt(of.sto),
          (pool) => pool === undefined,
        );
        expect(of.poolAt(of.lon)).toMatchObject({ doc: { squad: 'video', count: 1 } });
        expect((await of.told()).length).toBe(isHeard ? 0 : 1);
      });

    it('is not reset with it, and is left alone once its site has no part any more', async () => {
      const of = await retaken(true);
      const reset = await of.asMusic('POST', '/resets', { pool: 'web', why: 'x' });
      expect([reset.status, reset.body.code]).toEqual([403, 'FORBIDDEN']);
      const put = (sites: object) =>
        of.asMusic('PUT', '/pools/web', { ...web, squad: 'music', sites });
      expect((await put({ lon: 0, sto: 0 })).body.code).toBe('FORBIDDEN');
      expect((await put({ sto: 0 })).status).toBe(200);
      await of.answered();
      expect(of.poolAt(of.lon)).toMatchObject({ doc: { squad: 'video' } });
      expect(await of.sites()).toMatchObject([
        { site: 'sto', own: false },
        { site: 'lon', own: true },
      ]);
    });
  });
});
