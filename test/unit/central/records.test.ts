/** What central tells each site to keep: told once, the newest only, again after a restore; images by their bytes. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { paced, withFleetSource } from '../../../src/daemon/fleet-images.ts';
import { openIntents } from '../../../src/federation/intents.ts';
import type { Sources } from '../../../src/images/ports.ts';
import { createFleet, type TestFleet, type TestSite, until } from '../../support/fleet.ts';
import { createStoreWorld, type StoreWorld } from '../../support/image-store.ts';
import { createWorld } from '../../support/world.ts';

let fleet: TestFleet | undefined;
afterEach(async () => {
  await fleet?.close();
  fleet = undefined;
});

const MIB = 1_048_576;
const none: Sources = { open: () => Promise.reject(new Error('nothing else is fetched')) };

interface ImageSite {
  readonly site: TestSite;
  readonly stored: () => StoreWorld;
}

async function siteWithImages(
  of: TestFleet,
  name: string,
  spoil = (sources: Sources) => sources,
): Promise<ImageSite> {
  const world = createWorld();
  let stored: StoreWorld | undefined;
  const imagesOf = (folder: string) => {
    const sources = spoil(withFleetSource(none, { folder, bytesPerSecond: 0 }));
    stored = createStoreWorld({ sources }, world);
    return stored.desk();
  };
  const site = await of.site(name, { ...world, imagesOf });
  return { site, stored: () => stored as StoreWorld };
}

async function upload(of: TestFleet, bytes: Buffer, token: string): Promise<string> {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const url = `http://127.0.0.1:${of.central.peoplePort}/api/v1/blobs/${sha256}`;
  const headers = {
    ...{ authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
  };
  const answer = await fetch(url, { method: 'PUT', headers, body: new Uint8Array(bytes) });
  expect(answer.status).toBe(201);
  return sha256;
}

const image = (version: string, sha256: string) => ({
  ...{ name: 'debian-12', version, kind: 'raw', files: [{ role: 'disk', sha256 }] },
});

/** Every site of it has answered. */
const told = (of: TestFleet, path: string, isSo = (status: string) => status === 'done') =>
  until(
    async () => (await of.call('GET', path)).body,
    ({ sites }) => sites.length > 0 && sites.every((one: { status: string }) => isSo(one.status)),
  );

describe('records of the fleet', () => {
  it('reach each site, the newest only, and again after its database was put back', async () => {
    fleet = await createFleet();
    const [lon, sto] = [await fleet.site('lon'), await fleet.site('sto')];
    sto.connect();
    for (const holdOnLost of [['nic'], ['nic', 'gpu']])
      await fleet.call('PUT', '/policies/default', { holdOnLost });
    const rule = { priority: 7, conditions: [{ fact: 'gpuCount', atLeast: 1 }] };
    await fleet.call('PUT', '/hardware-types/gpu', rule);
    const leave = lon.connect();
    const { doc: _doc, ...shown } = await told(fleet, '/policies/default');
    expect(shown).toMatchObject({ name: 'default', version: 2, holdOnLost: ['nic', 'gpu'] });
    await told(fleet, '/hardware-types/gpu');
    const recordsOf = (site: TestSite) => site.people.world.inventory.serverdb.records;
    for (const site of [lon, sto]) {
      expect(recordsOf(site).get('policy', 'default')?.doc.holdOnLost).toEqual(['nic', 'gpu']);
      expect(recordsOf(site).get('type', 'gpu')?.doc.priority).toBe(7);
    }
    // It was away while both were asked for, and heard of one.
    expect(recordsOf(lon).get('policy', 'default')?.version).toBe(1);
    const { intents } = (await fleet.call('GET', '/intents?site=lon')).body;
    expect(intents.filter(({ status }: { status: string }) => status === 'refused')).toHaveLength(
      1,
    );
    leave();
    const { db } = lon.people.world;
    for (const table of ['records', 'intents']) db.prepare(`DELETE FROM ${table}`).run();
    db.prepare('UPDATE events SET at = at + 7').run();
    lon.connect();
    await until(
      async () => recordsOf(lon).get('type', 'gpu')?.doc.priority,
      (priority) => priority === 7,
    );
    expect((await fleet.call('DELETE', '/hardware-types/gpu')).status).toBe(204);
    await until(
      async () => [lon, sto].map((site) => recordsOf(site).get('type', 'gpu')),
      (found) => found.every((one) => one === undefined),
    );
    expect((await fleet.call('GET', '/hardware-types/gpu')).status).toBe(404);
    // One that comes later hears of what there is, and of nothing that was removed.
    const ams = await fleet.site('ams');
    ams.connect();
    await until(
      async () => recordsOf(ams).get('policy', 'default'),
      (found) => found !== undefined,
    );
    const kinds = (await fleet.call('GET', '/intents?site=ams')).body.intents;
    expect(kinds).toHaveLength(1);
  });

  it('users come in at each site by the same password, and nobody reads it', async () => {
    fleet = await createFleet();
    const lon = await fleet.site('lon');
    lon.connect();
    const ann = { role: 'operator', password: 'correct horse battery' };
    const put = await fleet.call('PUT', '/users/ann', ann);
    expect(put.body).toMatchObject({ name: 'ann', role: 'operator', hasPassword: true });
    await told(fleet, '/users/ann');
    const { access } = lon.people.world.inventory.serverdb;
    expect((await access.login('ann', ann.password)).user.role).toBe('operator');
    const shown = [
      put.body,
      (await fleet.call('GET', '/users')).body,
      (await fleet.call('GET', '/intents')).body,
      (await fleet.call('GET', '/events')).body,
    ];
    expect(JSON.stringify(shown)).not.toContain('scrypt');
    await fleet.call('PUT', '/users/ann', { role: 'viewer' });
    await told(fleet, '/users/ann');
    expect((await access.login('ann', ann.password)).user.role).toBe('viewer');
    await fleet.call('DELETE', '/users/ann');
    await until(
      async () => access.user('ann'),
      (user) => user === undefined,
    );
  });
});

describe('images of the fleet', () => {
  it('come to each site in the background, go on where they broke off, and are what was meant', async () => {
    fleet = await createFleet();
    const { token } = fleet;
    const bytes = Buffer.alloc(3 * MIB, 'an image that is a little longer ');
    let opened = 0;
    const offsets: number[] = [];
    /** The first two connections end after a piece. */
    const breaking = (sources: Sources): Sources => ({
      async open(source, from) {
        const found = await sources.open(source, from);
        offsets.push(from.offsetBytes);
        opened += 1;
        return opened > 2 ? found : { ...found, bytes: firstOf(found.bytes) };
      },
    });
    const lon = await siteWithImages(fleet, 'lon', breaking);
    const sto = await siteWithImages(fleet, 'sto');
    lon.site.connect();
    sto.site.connect();
    const sha256 = await upload(fleet, bytes, token);
    const made = await fleet.call('POST', '/images', { ...image('1', sha256), channel: 'stable' });
    expect(made.status).toBe(201);
    const { images, channels } = await until(
      async () => (await (fleet as TestFleet).call('GET', '/images')).body,
      ({ images: [one] }) => one.sites.every(({ status }: { status: string }) => status === 'done'),
    );
    expect(channels).toMatchObject([{ name: 'debian-12', channel: 'stable', version: '1' }]);
    expect(images).toMatchObject([
      {
        ...{ name: 'debian-12', version: '1', channels: ['stable'], damaged: '' },
        files: [{ role: 'disk', sha256, sizeBytes: bytes.length }],
        sites: [{ site: 'lon' }, { site: 'sto' }],
      },
    ]);
    await until(
      async () =>
        [lon, sto].map(({ stored }) => stored().world.inventory.images.at('debian-12', 'stable')),
      (channels) => channels.every((channel) => channel?.version === '1'),
    );
    for (const { stored } of [lon, sto]) {
      const file = stored().store.open(sha256);
      expect(file?.sizeBytes).toBe(bytes.length);
      file?.close();
    }
    expect(offsets).toHaveLength(3);
    expect(offsets[0]).toBe(0);
    expect(offsets[1]).toBeGreaterThan(0);
    expect(offsets[2]).toBeGreaterThan(offsets[1] ?? 0);
  });

  it('are taken by nobody when central has another file than was named', async () => {
    fleet = await createFleet();
    const lon = await siteWithImages(fleet, 'lon');
    const sha256 = await upload(fleet, Buffer.alloc(MIB, 'x'), fleet.token);
    const file = join(fleet.folder, 'central', 'images', sha256);
    truncateSync(file, MIB - 1);
    await fleet.call('POST', '/images', { ...image('1', sha256), channel: 'stable' });
    lon.site.connect();
    const { inventory } = lon.stored().world;
    await until(
      async () => inventory.blobs.uploads.list()[0],
      (one) => one?.state === 'failed',
    );
    expect(inventory.blobs.uploads.list()[0]?.code).toBe('IMAGE_MISMATCH');
    expect(inventory.images.list()).toEqual([]);
    expect((await fleet.call('GET', '/images')).body.images[0].sites).toMatchObject([
      { site: 'lon', status: 'waiting' },
    ]);
  });

  it('are refused at the door when their bytes are others, or not there, and leave nothing', async () => {
    fleet = await createFleet();
    const wrong = 'ab'.repeat(32);
    const url = `http://127.0.0.1:${fleet.central.peoplePort}/api/v1/blobs/${wrong}`;
    const headers = {
      ...{ authorization: `Bearer ${fleet.token}`, 'content-type': 'application/octet-stream' },
    };
    const answer = await fetch(url, { method: 'PUT', headers, body: 'something' });
    expect((await answer.json()) as object).toMatchObject({ code: 'IMAGE_MISMATCH' });
    const folder = join(fleet.folder, 'central', 'images');
    expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([]);
    const made = await fleet.call('POST', '/images', image('1', wrong));
    expect(made.body.code).toBe('IMAGE_INCOMPLETE');
    // Files are for those who have a certificate of the fleet.
    const lone = await fetch(`http://127.0.0.1:${fleet.central.peoplePort}/blobs/${wrong}`);
    expect(lone.status).toBe(404);
  });

  it('of which a site keeps none are refused there, and a channel without its image waits', async () => {
    fleet = await createFleet();
    const lon = await fleet.site('lon');
    const sha256 = await upload(fleet, Buffer.alloc(1000, 'x'), fleet.token);
    await fleet.call('POST', '/images', image('1', sha256));
    lon.connect();
    const { images } = await until(
      async () => (await (fleet as TestFleet).call('GET', '/images')).body,
      ({ images: [one] }) => one.sites[0].status === 'refused',
    );
    expect(images[0].sites[0].code).toBe('NOT_FOUND');
  });

  it('and squads are waited for by a pool that is told of before them', async () => {
    fleet = await createFleet();
    const { site } = await siteWithImages(fleet, 'lon');
    site.connect();
    const pool = { role: 'web', image: 'debian-12/stable', squad: 'late', sites: { lon: 0 } };
    expect((await fleet.call('PUT', '/pools/web', pool)).status).toBe(200);
    const { store } = site.people.world.pools;
    const { db } = site.people.world;
    await until(
      async () => db.prepare('SELECT status FROM intents').all(),
      (kept) => kept.length === 1,
    );
    expect(db.prepare('SELECT status FROM intents').all()).toEqual([{ status: 'working' }]);
    await fleet.call('PUT', '/squads/late', {});
    const { records } = site.people.world.inventory.serverdb;
    await until(
      async () => records.get('squad', 'late'),
      (found) => found !== undefined,
    );
    expect(store.pool('web')).toBeUndefined();
    const sha256 = await upload(fleet, Buffer.alloc(1000, 'x'), fleet.token);
    await fleet.call('POST', '/images', { ...image('1', sha256), channel: 'stable' });
    const [part] = await until(
      async () => (await (fleet as TestFleet).call('GET', '/pools/web')).body.pool.sites,
      ([one]) => one.status !== 'waiting',
    );
    expect(part).toMatchObject({ site: 'lon', status: 'done', code: '', detail: '' });
    expect(store.pool('web')).toMatchObject({ doc: { squad: 'late' } });
  });

  it('travel no faster than they may', async () => {
    const pieces = Array.from({ length: 20 }, () => new Uint8Array(10_000));
    const startedAt = performance.now();
    let sizeBytes = 0;
    for await (const piece of paced(eachOf(pieces), 200_000)) sizeBytes += piece.length;
    expect(sizeBytes).toBe(200_000);
    // A second's worth, less the burst.
    expect(performance.now() - startedAt).toBeGreaterThan(750);
  });
});

const OF_LON = { site: 'lon', keepsImages: true, log: pino({ level: 'silent' }) };

describe('an intent', () => {
  it('that this program does not know is refused, and holds up no other', () => {
    const intents = openIntents({ ...createWorld(), ...OF_LON });
    const sent = { id: 'one', who: 'ann', body: { kind: 'teleport', to: 'oslo' } };
    const refused = { kind: 'result', intent: 'one', status: 'refused' };
    expect(intents.carryOut(sent)).toMatchObject({
      ...refused,
      result: { code: 'INTENT_UNKNOWN' },
    });
    expect(intents.carryOut(sent)).toMatchObject(refused);
  });

  it('that this program trips over is refused for good, and holds up no other', () => {
    const world = createWorld();
    const get = () => {
      throw new TypeError('a mistake of ours');
    };
    const intents = openIntents({ ...world, ...OF_LON, pools: { ...world.pools, get } });
    const body = { kind: 'size-pool', pool: 'web', count: 1, why: 'test' };
    const sent = { id: 'one', who: 'ann', body };
    const refused = { status: 'refused', result: { code: 'INTERNAL' } };
    expect(intents.carryOut(sent)).toMatchObject(refused);
    expect(intents.carryOut(sent)).toMatchObject(refused);
  });

  it('that comes again is answered as before; with other contents it is refused, and told of', () => {
    const world = createWorld();
    const { events, machines } = world.inventory;
    const intents = openIntents({ ...world, ...OF_LON });
    const squad = (contact: string) => ({
      ...{ id: 'one', who: 'ann' },
      body: { kind: 'record', record: 'squad', name: 'music', doc: { contact } },
    });
    const carryOut = (sent: ReturnType<typeof squad>) =>
      world.inventory.transaction(() => intents.carryOut(sent));
    const first = carryOut(squad('a@example.org'));
    expect(first).toMatchObject({ status: 'done' });
    const before = events.lastId();
    expect(carryOut(squad('a@example.org'))).toEqual(first);
    expect(events.lastId()).toBe(before);
    expect(carryOut(squad('b@example.org'))).toMatchObject({
      ...{ status: 'refused', result: { code: 'INTENT_MISMATCH' } },
    });
    expect(events.after(before, 10)).toMatchObject([
      { name: 'federation.refused', data: { code: 'INTENT_MISMATCH' } },
    ]);
    expect(world.inventory.serverdb.records.get('squad', 'music')?.doc.contact).toBe(
      'a@example.org',
    );
    expect(machines.list()).toEqual([]);
  });

  it('that takes a while is replaced by a newer one of the same name, whichever comes to an end first', () => {
    const intents = openIntents({ ...createWorld(), ...OF_LON });
    const channel = (id: string, version: string) => ({
      ...{ id, who: 'ann' },
      body: { kind: 'record', record: 'channel', name: 'debian-12/stable', doc: { version } },
    });
    expect(intents.carryOut(channel('one', '1'))).toBeUndefined();
    expect(intents.carryOut(channel('two', '2'))).toBeUndefined();
    expect(intents.working().map(({ id }) => id)).toEqual(['two']);
    expect(intents.carryOut(channel('one', '1'))).toMatchObject({
      ...{ status: 'refused', result: { code: 'SUPERSEDED' } },
    });
  });
});

async function* firstOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = MIB;
  for await (const piece of bytes) {
    yield piece;
    left -= piece.length;
    if (left <= 0) return;
  }
}

async function* eachOf(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
