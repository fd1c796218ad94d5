/** Signing put together, without sockets: keys in the database, the keeper's image, copies for secondaries, the API. */
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { ImageReader } from '../../../src/dns/image.ts';
import type { DnsName } from '../../../src/dns/name.ts';
import { Responder } from '../../../src/dns/respond.ts';
import type { SignedZone } from '../../../src/dns/signed-zone.ts';
import { TYPE } from '../../../src/dns/types.ts';
import type { ZoneDiff, ZoneRecord } from '../../../src/dns/zones.ts';
import { createDnsDesk } from '../../../src/nameserver/desk.ts';
import { openSigning } from '../../../src/nameserver/dnssec.ts';
import { Keeper } from '../../../src/nameserver/keeper.ts';
import { asker, dnsName, question, SETTINGS } from '../../support/dns.ts';
import { createDnsWorld, machineNumber } from '../../support/dns-world.ts';
import { POLICY, verdicts } from '../../support/dnssec.ts';
import { createPeople } from '../../support/people.ts';

const HOUR = 3600;
const LON = dnsName('lon.example');

async function open({ machines = 60, transfers = true, policy = POLICY, works = true } = {}) {
  const world = createDnsWorld({
    machines: Array.from({ length: machines }, (_, n) => machineNumber(n + 1)),
  });
  let now = 1_700_000_000;
  const ready: DnsName[] = [];
  const nowSeconds = () => now;
  const options = {
    ...{ policy, store: world.keyStore, validitySeconds: 21 * 86_400, renewSeconds: 7 * 86_400 },
    signed: (zone: DnsName) => zone !== dnsName('2.0.10.in-addr.arpa'),
  };
  const signing = openSigning(options, {
    ...{ log: pino({ enabled: false }), transfers, nowSeconds },
    keeper: () => keeper,
    onKeys: (keyring) => responder.useKeys(keyring.keys()),
    onCopy: (zone) => void ready.push(zone),
  });
  const keeper: Keeper = new Keeper({
    ...{ plan: world.plan, store: world.store, source: world.source, shrinkShareMax: 0.5 },
    ...{ signing: signing.keyring, lastEvent: () => 0, nowSeconds },
    onWork: () => {
      while (works && keeper.advance());
    },
    onImage: (buffer) => responder.useImage(new ImageReader(buffer)),
    onServed: ({ renewed, diffs }) => signing.followed(diffs, renewed),
  });
  const responder = new Responder(new ImageReader(keeper.buffer), SETTINGS);
  responder.useKeys(signing.keyring.keys());
  await keeper.fill(async () => undefined);
  world.onChange(() => void keeper.follow());
  await signing.copies.settled();
  const ask = (text: string): string[] => {
    const request = question(text, { edns: { flags: 0x8000 } });
    const out = { bytes: new Uint8Array(65_535), at: 0 };
    const from = { ...asker('tcp'), nowSeconds: now };
    const length = responder.respond({ bytes: request, from: 0, to: request.length }, out, from);
    const dnskeys = signing.keyring.apexSets(LON).find(({ type }) => type === TYPE.DNSKEY);
    return verdicts(out.bytes.slice(0, length), dnskeys?.rdatas ?? [], now);
  };
  const desk = createDnsDesk({
    ...{ keeper, store: world.store, responder, signing },
  });
  return {
    ...{ world, signing, keeper, ready, ask, desk },
    async pass(seconds: number) {
      now += seconds;
      signing.advance();
      await signing.copies.settled();
    },
    copy: () => signing.copies.of(LON) as SignedZone,
  };
}

const keyOf = ({ name, type, ttl, rdata }: ZoneRecord) => `${name} ${type} ${ttl} ${rdata}`;
const contentOf = (zone: SignedZone) =>
  new Set([...zone.all()].filter(({ type }) => type !== TYPE.SOA).map(keyOf));

/** What a secondary has after it took these differences up; it refuses one that does not fit exactly. */
function follow(content: Set<string>, steps: readonly ZoneDiff[]): Set<string> {
  for (const { removed, added } of steps) {
    for (const record of removed) expect(content.delete(keyOf(record))).toBe(true);
    for (const record of added) content.add(keyOf(record));
  }
  return content;
}

describe('signed copies', () => {
  it('follow changes by differences that fit exactly, and chain every name once', async () => {
    const { world, signing, copy } = await open();
    const first = { serial: copy().serial, content: contentOf(copy()) };
    for (let n = 0; n < 12; n++) {
      world.set(machineNumber(100 + n));
      if (n % 3 === 0) world.remove(`C0MP${String(n + 1).padStart(6, '0')}`);
      if (n % 4 === 0) await signing.copies.settled();
    }
    await signing.copies.settled();
    const steps = [...(signing.copies.steps(LON, first.serial)?.diffs ?? [])];
    expect(steps.length).toBeGreaterThan(1);
    expect(follow(first.content, steps)).toEqual(contentOf(copy()));
    const chain = new Map([...copy().names].map(([name, { next }]) => [name, next] as const));
    let length = 0;
    let at: DnsName | undefined = LON;
    do {
      at = at === undefined ? undefined : chain.get(at);
      length += 1;
    } while (at !== LON && at !== undefined);
    expect(at).toBe(LON);
    expect(length).toBe(chain.size);
    await signing.close();
  });

  it('show at each serial all that is served at it, also when several steps wait for one image', async () => {
    const { world, signing, copy, keeper, ready } = await open({ works: false });
    while (keeper.advance());
    await signing.copies.settled();
    const first = { serial: copy().serial };
    world.set(...Array.from({ length: 650 }, (_, n) => machineNumber(n + 100)));
    expect(keeper.shown()).not.toBe(keeper.zones());
    world.set(machineNumber(5, 'second'));
    // Somebody who wants a copy meanwhile gets what is shown, by its serial.
    await signing.signedZone(LON);
    expect(copy().serial).toBe(first.serial);
    ready.length = 0;
    while (keeper.advance());
    await signing.copies.settled();
    expect(copy().serial).toBe(keeper.zones().get(LON)?.serial);
    expect(ready.filter((zone) => zone === LON)).toHaveLength(1);
    const names = new Set([...copy().all()].map(({ name }) => name));
    expect(names).toContain(dnsName('second.lon.example'));
    await signing.close();
  });

  it('are whole again after a delegation comes or goes: what was below it changes its nature', async () => {
    const { signing, keeper, copy } = await open();
    keeper.addStatic(
      { name: 'ns.sub', type: 'A', data: '10.9.9.9', ttl: 60, note: '' },
      { who: 'kim', why: '' },
    );
    await signing.copies.settled();
    const signs = () =>
      [...copy().all()].some(
        ({ name, type }) => name === dnsName('ns.sub.lon.example') && type === TYPE.RRSIG,
      );
    expect(signs()).toBe(true);
    const { id } = keeper.addStatic(
      { name: 'sub', type: 'NS', data: 'ns.sub', ttl: 60, note: '' },
      { who: 'kim', why: '' },
    );
    await signing.copies.settled();
    expect(signs()).toBe(false);
    keeper.removeStatic(id, { who: 'kim', why: '' });
    await signing.copies.settled();
    expect(signs()).toBe(true);
    await signing.close();
  });

  it('are renewed in time, with a serial that moves, and only where somebody may transfer', async () => {
    const { pass, copy, signing, ready } = await open();
    const before = { serial: copy().serial, at: copy().signedAt };
    await pass(3 * 86_400);
    expect(copy().serial).toBe(before.serial + 3 * 86_400);
    const renewed = copy().serial;
    await pass(3 * 86_400);
    expect(copy().serial).toBe(renewed);
    await pass(5 * 86_400);
    expect(copy().serial).toBeGreaterThan(renewed);
    expect(copy().signedAt).toBeGreaterThan(before.at);
    expect(signing.copies.steps(LON, renewed)).toBeUndefined();
    expect(ready).toContain(LON);
    await signing.close();
    const without = await open({ transfers: false });
    expect(without.copy()).toBeUndefined();
    expect(without.signing.transferable(LON)).toBe('later');
    await without.signing.close();
  });
});

describe('keys in use', () => {
  it('answers hold all through the rollover of both keys, and secrets of removed ones are gone', async () => {
    const { ask, pass, desk, world, signing } = await open({ machines: 5 });
    const holds = () => {
      expect(ask('web1.lon.example A')).toEqual(['web1.lon.example. 1 ok']);
      expect(ask('lon.example DNSKEY')).toEqual(['lon.example. 48 ok']);
      expect(ask('nobody.lon.example A').every((line) => line.endsWith(' ok'))).toBe(true);
    };
    holds();
    await pass(3 * HOUR);
    expect(ask('lon.example CDS')).toEqual(['lon.example. 59 ok']);
    const [before] = desk.ds('lon.example').filter(({ wanted }) => wanted);
    desk.rollKey('zsk', 'negz');
    desk.rollKey('ksk', 'negz');
    expect(() => desk.rollKey('ksk', 'negz')).toThrow('under way');
    expect(() => desk.confirmDs('negz')).toThrow('wait');
    for (let hour = 0; hour < 6; hour++) {
      holds();
      await pass(HOUR);
    }
    const [after] = desk.ds('lon.example').filter(({ wanted }) => wanted);
    expect(after?.tag).not.toBe(before?.tag);
    desk.confirmDs('negz');
    holds();
    await pass(27 * HOUR);
    holds();
    const states = desk.keys().map(({ role, state }) => `${role} ${state}`);
    expect(states.sort()).toEqual(['ksk active', 'ksk removed', 'zsk active', 'zsk removed']);
    const gone = world.db.prepare('SELECT count(*) AS n FROM dns_keys WHERE sealed IS NULL').get();
    expect(gone).toEqual({ n: 2 });
    const steps = world.db.prepare("SELECT data FROM events WHERE name = 'dns.rekeyed'").all();
    expect(steps).toHaveLength(9);
    expect(JSON.stringify(steps)).toContain('asked by negz');
    await signing.close();
  });

  it('a restart goes on with the same keys, and opens them', async () => {
    const { world, signing } = await open({ machines: 5 });
    const tags = () => world.keyStore.rows().map(({ tag }) => tag);
    const before = tags();
    await signing.close();
    const again = openSigning(
      {
        ...{ policy: POLICY, store: world.keyStore, validitySeconds: 86_400, renewSeconds: 3600 },
        signed: () => true,
      },
      {
        ...{ log: pino({ enabled: false }), transfers: false, keeper: () => world.keeper },
        ...{ nowSeconds: () => 1_700_000_100, onKeys: () => undefined, onCopy: () => undefined },
      },
    );
    expect(
      again.keyring
        .keys()
        .keys.map(({ tag }) => tag)
        .sort(),
    ).toEqual([...before].sort());
    expect(tags()).toEqual(before);
    await again.close();
  });
});

describe('for people', () => {
  it('keys, DS, rollovers and signed files; a repeated write is done once', async () => {
    const { desk, signing, keeper } = await open({ machines: 5, transfers: false });
    const people = await createPeople({ dns: () => desk });
    const [viewer, operator] = [people.as('viewer'), people.as('operator')];
    const { body } = await viewer('GET', '/dns/keys');
    expect(body.keys.map(({ role }: { role: string }) => role).sort()).toEqual(['ksk', 'zsk']);
    expect((await viewer('GET', '/dns/zones/lon.example/ds')).body.ds).toMatchObject([
      { wanted: false, data: expect.stringMatching(/^\d+ 13 2 [0-9A-Fa-f]{64}$/) },
    ]);
    expect((await viewer('GET', '/dns/zones/2.0.10.in-addr.arpa/ds')).status).toBe(404);
    const file = await viewer('GET', '/dns/zones/lon.example?signed=true');
    expect(file.text).toMatch(/web3\.lon\.example\.\t300\tIN\tRRSIG\tA 13 3 300 /);
    expect((await viewer('GET', '/dns/zones/lon.example')).text).not.toContain('RRSIG');
    expect((await viewer('POST', '/dns/rollover', { body: { role: 'zsk' } })).status).toBe(403);
    const headers = { 'idempotency-key': 'roll-1' };
    const roll = () => operator('POST', '/dns/rollover', { body: { role: 'zsk' }, headers });
    expect((await roll()).body.keys).toHaveLength(3);
    const again = await roll();
    expect([again.status, again.headers['idempotency-replayed']]).toEqual([200, 'true']);
    expect((await operator('POST', '/dns/rollover', { body: { role: 'zsk' } })).status).toBe(409);
    const record = {
      body: { name: 'www', type: 'CNAME', data: 'web1' },
      headers: { 'idempotency-key': 'www-1' },
    };
    const added = [
      await operator('POST', '/dns/records', record),
      await operator('POST', '/dns/records', record),
    ];
    expect(added.map(({ status }) => status)).toEqual([201, 201]);
    expect(added[0]?.body.id).toBe(added[1]?.body.id);
    expect(desk.statics()).toHaveLength(1);
    expect(keeper.zones().get(LON)?.nodes.get(dnsName('www.lon.example'))).toBeDefined();
    await signing.close();
  });
});
