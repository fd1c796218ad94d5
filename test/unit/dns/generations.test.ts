import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contribute, hostLabel } from '../../../src/dns/generate.ts';
import { nextSerial } from '../../../src/dns/generation.ts';
import { formatName } from '../../../src/dns/name.ts';
import { decodeRecords, encodeRecords } from '../../../src/dns/record-log.ts';
import {
  parseAddress,
  parseNetwork,
  reverseName,
  zonesOfNetwork,
} from '../../../src/dns/reverse.ts';
import { exportZone, formatRecord } from '../../../src/dns/zone-file.ts';
import { AppError } from '../../../src/errors.ts';
import type { EventName, NewEvent } from '../../../src/events.ts';
import { ask, askImage, dnsName, recordsFrom } from '../../support/dns.ts';
import { createDnsWorld, machineNumber, planFrom } from '../../support/dns-world.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const KIM = { who: 'kim', why: '' };
const many = (count: number) => Array.from({ length: count }, (_, n) => machineNumber(n + 1));

describe('records of a machine', () => {
  const records = (machine: Parameters<typeof contribute>[0], plan = planFrom()) => {
    const { own, shared } = contribute(machine, plan);
    return [...own, ...shared].map((record) => formatRecord(record).replaceAll('\t', ' '));
  };
  it('hostname, hardwarename, BMC, and one PTR for each address', () => {
    expect(
      records({
        ...{ hardwarename: 'C0MPUT3', role: undefined },
        names: [
          { kind: 'hardwarename', name: 'C0MPUT3', addresses: ['10.0.1.5', '2001:db8::5'] },
          { kind: 'bmc', name: 'C0MPUT3', addresses: ['10.0.2.5'] },
          { kind: 'hostname', name: 'web1.fancy', addresses: ['10.0.1.5'] },
        ],
      }),
    ).toEqual([
      'web1.fancy.lon.example. 300 IN A 10.0.1.5',
      '5.1.0.10.in-addr.arpa. 300 IN PTR web1.fancy.lon.example.',
      'c0mput3.lon.example. 300 IN A 10.0.1.5',
      'c0mput3.lon.example. 300 IN AAAA 2001:db8::5',
      `5.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa. 300 IN PTR c0mput3.lon.example.`,
      'c0mput3.bmc.lon.example. 3600 IN A 10.0.2.5',
      '5.2.0.10.in-addr.arpa. 300 IN PTR c0mput3.bmc.lon.example.',
    ]);
  });
  it('a hostname that carries the domain already is not put below it again', () =>
    expect(records(machineNumber(1, 'web1.lon.example'))[0]).toBe(
      'web1.lon.example. 300 IN A 10.0.1.1',
    ));
  it('aliases and services of its role', () => {
    const plan = planFrom({
      aliases: [{ role: 'db', name: 'db' }],
      services: [{ role: 'db', name: '_pg._tcp', port: 5432, priority: 1, weight: 2 }],
    });
    expect(records(machineNumber(1, 'db1', 'db'), plan).slice(-2)).toEqual([
      'db.lon.example. 60 IN A 10.0.1.1',
      '_pg._tcp.lon.example. 60 IN SRV 1 2 5432 db1.lon.example.',
    ]);
  });
  it('RFC 2317: the PTR in the classless zone, an alias in the whole one', () => {
    const plan = planFrom({ networks: ['10.0.1.0/24', '10.0.1.64/26'] });
    const lines = records(machineNumber(70), plan);
    expect(lines).toContain('70.64/26.1.0.10.in-addr.arpa. 300 IN PTR web70.lon.example.');
    expect(lines).toContain('70.1.0.10.in-addr.arpa. 300 IN CNAME 70.64/26.1.0.10.in-addr.arpa.');
  });
  it.each([
    ['Web_1', 'web-1'],
    ['-x-', 'x'],
    ['ÄÖ', ''],
    ['a'.repeat(70), 'a'.repeat(63)],
  ])('folds %s to %s', (text, label) => expect(hostLabel(text)).toBe(label));
  it('a name that is no longer one, or lies elsewhere, has no records', () => {
    const named = (name: string) => ({
      ...{ hardwarename: 'X', role: undefined },
      names: [{ kind: 'hostname' as const, name, addresses: ['10.0.1.1'] }],
    });
    expect(records(named('..'))).toEqual([]);
    expect(records(named('web1.paris.example.'))).toEqual([]);
  });
});

describe('reverse zones', () => {
  it.each([
    ['10.0.0.0/22', ['0', '1', '2', '3'].map((n) => `${n}.0.10.in-addr.arpa.`)],
    ['10.0.0.0/8', ['10.in-addr.arpa.']],
    ['172.16.0.0/15', ['16.172.in-addr.arpa.', '17.172.in-addr.arpa.']],
    ['10.0.1.64/26', ['64/26.1.0.10.in-addr.arpa.']],
    ['2001:db8::/32', ['8.b.d.0.1.0.0.2.ip6.arpa.']],
    ['2001:db8::/31', ['8.b.d.0.1.0.0.2.ip6.arpa.', '9.b.d.0.1.0.0.2.ip6.arpa.']],
  ])('%s', (text, zones) => {
    const network = parseNetwork(text);
    expect(network && zonesOfNetwork(network).map(formatName)).toEqual(zones);
  });
  it.each(['10.0.0.1/24', '10.0.0.0/33', '10.0.0.0', 'x/8', '2001:db8::1/64'])(
    'refuses %s',
    (text) => expect(parseNetwork(text)).toBeUndefined(),
  );
  it('every address of a network has its name in one of its zones', () =>
    fc.assert(
      fc.property(fc.nat(1023), (n) => {
        const address = parseAddress(`10.0.${n >> 8}.${n & 255}`) ?? '';
        const zones = zonesOfNetwork(parseNetwork('10.0.0.0/22') ?? { address: '', bits: 0 });
        const name = reverseName(address);
        expect(zones.filter((zone) => name.endsWith(zone))).toHaveLength(1);
      }),
    ));
});

describe('generations', () => {
  it('the same inventory gives the same zones, in whatever order it came', async () => {
    const machines = many(40);
    const one = createDnsWorld({ machines });
    await one.fill();
    const other = createDnsWorld();
    await other.fill();
    for (const machine of [...machines].reverse()) other.set(machine);
    other.set(machineNumber(7, 'renamed'));
    other.set(machineNumber(7));
    const text = (world: typeof one) =>
      [...world.keeper.zones().values()].map((zone) => exportZone({ ...zone, serial: 1 })).sort();
    expect(text(other)).toEqual(text(one));
  });

  it('a zone appears with its first machine, is delegated, and goes with the last', async () => {
    const world = createDnsWorld({ machines: [machineNumber(1)] });
    await world.fill();
    const name = dnsName('fancy.lon.example');
    expect(world.keeper.zones().has(name)).toBe(false);
    world.set(machineNumber(2, 'web1.fancy'));
    expect(world.keeper.zones().has(name)).toBe(true);
    const zones = world.keeper.zones();
    expect(ask(zones, 'web1.fancy.lon.example A')).toContain('NOERROR aa');
    expect(ask(zones, 'nope.fancy.lon.example A')).toContain('AU:fancy.lon.example./SOA/300');
    const parent = exportZone(zones.get(dnsName('lon.example')) ?? expect.fail());
    expect(parent).toContain('fancy.lon.example.\t3600\tIN\tNS\tns1.lon.example.');
    world.set(machineNumber(2, 'web2'));
    expect(world.keeper.zones().has(name)).toBe(false);
    expect(ask(world.keeper.zones(), 'web1.fancy.lon.example A')).toContain('NXDOMAIN');
    expect(
      exportZone(world.keeper.zones().get(dnsName('lon.example')) ?? expect.fail()),
    ).not.toContain('fancy');
  });

  it('serials move with the content, forwards only, and only of zones that changed', async () => {
    const world = createDnsWorld({ machines: many(3) });
    await world.fill();
    const serials = () =>
      new Map([...world.keeper.zones()].map(([n, z]) => [formatName(n), z.serial]));
    const before = serials();
    world.set(machineNumber(1));
    expect(serials()).toEqual(before);
    world.set(machineNumber(1, 'other'));
    expect(serials().get('lon.example.')).toBe((before.get('lon.example.') ?? 0) + 1);
    expect(serials().get('1.0.10.in-addr.arpa.')).toBe(
      (before.get('1.0.10.in-addr.arpa.') ?? 0) + 1,
    );
    expect(serials().get('2.0.10.in-addr.arpa.')).toBe(before.get('2.0.10.in-addr.arpa.'));
    expect(nextSerial(0xffffffff, 5)).toBe(5);
    expect(nextSerial(10, 5)).toBe(11);
  });

  it('any order of changes keeps the image equal to one that is built anew', async () => {
    const world = createDnsWorld();
    await world.fill();
    const names = ['a', 'b.sub', 'c.deep.er', 'd.sub', 'e'];
    const step = fc.record({ n: fc.nat(9), host: fc.constantFrom(...names), gone: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        for (const { n, host, gone } of steps) {
          const machine = machineNumber(
            n,
            `${host.split('.')[0]}${n}.${host.split('.').slice(1).join('.')}`.replace(/\.$/, ''),
          );
          if (gone) world.remove(machine.hardwarename);
          else world.set(machine);
        }
        for (const question of [
          'sub',
          'deep.er',
          'er',
          'a1',
          'b1.sub',
          'c2.deep.er',
          'zz',
          'zz.sub',
        ]) {
          const live = askImage(world.keeper.buffer, `${question}.lon.example A`);
          expect(live, question).toBe(ask(world.keeper.zones(), `${question}.lon.example A`));
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('what is not served', () => {
  const events = (world: ReturnType<typeof createDnsWorld>, name: EventName) =>
    world.events.after(0, 1000).filter((event) => event.name === name) as NewEvent[];

  it('two machines with one name: refused once, served when one of them goes', async () => {
    const world = createDnsWorld({ machines: many(3) });
    await world.fill();
    const before = world.keeper.currentGeneration();
    world.set(machineNumber(9, 'web1'));
    world.set(machineNumber(10));
    expect(world.keeper.currentGeneration()).toBe(before);
    expect(ask(world.keeper.zones(), 'web10.lon.example A')).toContain('NXDOMAIN');
    const [refused, ...others] = events(world, 'dns.refused');
    expect(others).toEqual([]);
    expect(refused?.data).toMatchObject({
      why: 'web1.lon.example. claimed by machine:C0MP000001 and machine:C0MP000009',
    });
    world.set(machineNumber(9));
    expect(ask(world.keeper.zones(), 'web10.lon.example A')).toContain('NOERROR');
  });

  it('half a zone gone: stopped, seen, put through by one command, rolled back by another', async () => {
    const world = createDnsWorld({ machines: many(60) });
    await world.fill();
    const good = world.keeper.currentGeneration();
    world.remove(...many(30).map(({ hardwarename }) => hardwarename));
    expect(world.keeper.currentGeneration()).toBe(good);
    expect(ask(world.keeper.zones(), 'web5.lon.example A')).toContain('NOERROR');
    expect(events(world, 'dns.refused')[0]?.data).toMatchObject({
      why: expect.stringContaining('60 of 124 records would go (48 %'),
    });
    world.keeper.accept('kim');
    expect(ask(world.keeper.zones(), 'web5.lon.example A')).toContain('NXDOMAIN');
    const serial = world.keeper.zones().get(dnsName('lon.example'))?.serial ?? 0;
    world.keeper.rollback(good, 'kim');
    expect(ask(world.keeper.zones(), 'web5.lon.example A')).toContain('NOERROR');
    expect(world.keeper.zones().get(dnsName('lon.example'))?.serial).toBeGreaterThan(serial);
    world.set(machineNumber(99));
    expect(ask(world.keeper.zones(), 'web99.lon.example A')).toContain('NXDOMAIN');
    expect(world.keeper.resume('kim').map(({ code }) => code)).toContain('shrink');
    world.keeper.accept('kim');
    expect(ask(world.keeper.zones(), 'web99.lon.example A')).toContain('NOERROR');
    expect(ask(world.keeper.zones(), 'web5.lon.example A')).toContain('NXDOMAIN');
  });

  it('a mistake that deletes machines one by one is stopped too, recorded once, and put through by one command', async () => {
    const world = createDnsWorld({ machines: many(200) });
    await world.fill();
    const names = many(200).map(({ hardwarename }) => hardwarename);
    for (const name of names.slice(0, 120)) world.remove(name);
    const served = () => world.keeper.zones().get(dnsName('lon.example'))?.records ?? 0;
    // 404 records at first, a fifth may go; two go with each machine.
    expect(served()).toBe(404 - 80);
    expect(events(world, 'dns.refused')).toHaveLength(1);
    expect(events(world, 'dns.refused')[0]?.data).toMatchObject({
      why: expect.stringContaining('82 of 404 records would go (20 %; more than 20 % within'),
    });
    expect(world.keeper.pending().faults[0]?.why).toContain('240 of 404 records');
    world.keeper.accept('kim');
    expect(served()).toBe(404 - 240);
    // From here on what is left is what counts.
    for (const name of names.slice(120, 160)) world.remove(name);
    expect(served()).toBe(404 - 240 - 32);
    expect(events(world, 'dns.refused')).toHaveLength(2);
  });

  it('the same loss over days is none to ask about', async () => {
    const world = createDnsWorld({ machines: many(200) });
    await world.fill();
    for (const { hardwarename } of many(120)) {
      world.advance(600_000);
      world.remove(hardwarename);
    }
    expect(world.keeper.zones().get(dnsName('lon.example'))?.records).toBe(404 - 240);
    expect(events(world, 'dns.refused')).toEqual([]);
  });

  it('a large generation that was refused is looked at again from time to time, not at each change', async () => {
    const machines = many(1200);
    const world = createDnsWorld({ machines });
    await world.fill();
    const good = world.keeper.currentGeneration();
    const lost = machines.slice(0, 800);
    world.remove(...lost.map(({ hardwarename }) => hardwarename));
    // Nor at each question of a person.
    const seen = world.keeper.pending();
    expect(seen.faults.map(({ code }) => code)).toContain('shrink');
    world.set(machineNumber(2000));
    expect(world.keeper.currentGeneration()).toBe(good);
    expect(world.keeper.pending()).toBe(seen);
    world.advance(60_000);
    expect(world.keeper.pending()).not.toBe(seen);
    // The mistake is undone: by the next look it is served again, with what came in the meantime.
    world.set(...lost);
    expect(world.keeper.currentGeneration()).toBe(good);
    world.keeper.again();
    expect(world.keeper.currentGeneration()).toBeGreaterThan(good);
    expect(ask(world.keeper.zones(), 'web2000.lon.example A')).toContain('NOERROR');
    expect(events(world, 'dns.refused')).toHaveLength(1);
  });

  it('an empty inventory after a start does not empty the zones', async () => {
    const folder = temporaryFolder('dns');
    const file = join(folder, 'dns.db');
    const first = createDnsWorld({ file, machines: many(60) });
    await first.fill();
    first.db.close();
    const second = createDnsWorld({ file });
    expect(ask(second.keeper.zones(), 'web5.lon.example A')).toContain('NOERROR');
    await second.fill();
    expect(ask(second.keeper.zones(), 'web5.lon.example A')).toContain('NOERROR');
    expect(second.keeper.pending().faults.map(({ code }) => code)).toContain('shrink');
    second.db.close();
  });

  it.each([
    [
      'an alias beside an address',
      { name: 'web1', type: 'CNAME', data: 'web2' },
      'cannot stand beside',
    ],
    ['an alias of nothing', { name: 'x', type: 'CNAME', data: 'nothing' }, 'does not exist'],
    ['a service of nothing', { name: 'x', type: 'SRV', data: '0 0 1 nothing' }, 'does not exist'],
    ['data of another type', { name: 'x', type: 'A', data: '::1' }, 'not valid'],
    ['a name elsewhere', { name: 'x.other.', type: 'A', data: '10.0.0.9' }, 'no zone of ours'],
    ['a question type', { name: 'x', type: 'ANY', data: '' }, 'cannot have'],
  ])('a static record that would be %s', async (_name, record, why) => {
    const world = createDnsWorld({ machines: many(3) });
    await world.fill();
    const add = () => world.keeper.addStatic({ ...record, ttl: 60, note: '' }, KIM);
    expect(add).toThrow(AppError);
    expect(add).toThrow(why);
    expect(world.store.statics()).toEqual([]);
    world.set(machineNumber(5));
    expect(ask(world.keeper.zones(), 'web5.lon.example A')).toContain('NOERROR');
  });

  it('a target that goes while an alias points to it', async () => {
    const world = createDnsWorld({ machines: many(3) });
    await world.fill();
    world.keeper.addStatic({ name: 'www', type: 'CNAME', data: 'web1', ttl: 60, note: '' }, KIM);
    expect(ask(world.keeper.zones(), 'www.lon.example A')).toContain('AN:web1.lon.example./A/300');
    world.remove(machineNumber(1).hardwarename);
    expect(ask(world.keeper.zones(), 'www.lon.example A')).toContain('AN:web1.lon.example./A/300');
    expect(world.keeper.pending().faults[0]).toMatchObject({
      code: 'dangling',
      name: 'www.lon.example.',
    });
    const [record] = world.store.statics();
    expect(world.keeper.removeStatic(record?.id ?? '', KIM)).toBe(true);
    expect(ask(world.keeper.zones(), 'web1.lon.example A')).toContain('NXDOMAIN');
  });
});

describe('what is kept', () => {
  it('the bytes of records (do not change this test)', () => {
    const records = recordsFrom('t.test', '$TTL 60\na A 10.0.0.1\nb MX 10 a\n');
    const hex =
      '01000000020a01610174047465737400' +
      '00010000003c00040a000001' +
      '0a01620174047465737400' +
      '000f0000003c000c000a01610174047465737400';
    expect(Buffer.from(encodeRecords(records)).toString('hex')).toBe(hex);
    const bytes = Buffer.from(hex, 'hex');
    expect(decodeRecords(bytes)).toEqual({ ok: true, value: records });
    expect(decodeRecords(bytes.subarray(0, -1)).ok).toBe(false);
    expect(decodeRecords(Uint8Array.of(2, 0, 0, 0, 0))).toMatchObject({
      ok: false,
      code: 'version',
    });
  });

  it('a start replays what was served, also over snapshots; the chain of differences reaches back', async () => {
    const world = createDnsWorld({ machines: many(900) });
    await world.fill();
    const zone = dnsName('lon.example');
    const serial = world.keeper.zones().get(zone)?.serial ?? 0;
    for (let i = 0; i < 2100; i++) world.set(machineNumber(1, `name${i}`));
    const now = world.keeper.zones().get(zone);
    const expectAllKept = () => {
      const loaded = world.store.load();
      expect(loaded.generation).toBe(world.keeper.currentGeneration());
      expect(exportZone(loaded.zones.get(zone) ?? expect.fail())).toBe(
        exportZone(now ?? expect.fail()),
      );
    };
    expectAllKept();
    // The snapshot is due: what is kept is right before it, between its parts, and after the last.
    let parts = 0;
    for (; world.store.advance(); parts++) expectAllKept();
    expect(parts).toBeGreaterThan(2);
    expectAllKept();
    expect(world.store.advance()).toBe(false);
    const chain = world.store.chain(zone, serial + 100, now?.serial ?? 0);
    expect([...(chain?.diffs ?? [])].map(({ to }) => to).at(1999)).toBe(now?.serial);
    expect(chain?.records).toBe(3 * 2000);
    expect(world.store.chain(zone, serial - 5, now?.serial ?? 0)).toBeUndefined();
  });
});
