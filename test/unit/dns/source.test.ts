import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { contribute } from '../../../src/dns/generate.ts';
import { formatName } from '../../../src/dns/name.ts';
import { formatRecord } from '../../../src/dns/zone-file.ts';
import { openDnsSource } from '../../../src/inventory/dns-source.ts';
import { openDnsStore } from '../../../src/inventory/dns-store.ts';
import { changesSchema, entrySchema } from '../../../src/inventory/machine-schema.ts';
import { subnetSchema } from '../../../src/inventory/record-kinds.ts';
import { Keeper } from '../../../src/nameserver/keeper.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { dnsName } from '../../support/dns.ts';
import { planFrom } from '../../support/dns-world.ts';
import { bytesOf, report } from '../../support/reports.ts';
import { createWorld, dhcpPacket, ipv4, mac, u32 } from '../../support/world.ts';

const MAC = '52:54:00:00:00:01';

describe('the inventory as DNS sees it', () => {
  const db = new Sqlite(':memory:');
  const world = createWorld(db);
  const { inventory } = world;
  const source = openDnsSource(db);
  world.dhcp(dhcpPacket({ mac: mac(MAC), type: 1, client: 'ipxe' }));
  const boot = inventory.boots.latest(mac(MAC)) ?? expect.fail();
  const token = inventory.tokens.mint(boot.id, mac(MAC), 'boot');
  const { hardwarename } = inventory.ingest({
    token,
    body: bytesOf(report({ serial: 'SN-7', macs: [MAC] })),
  }).machine;
  const cause = { who: 'kim', why: 'test' };
  let cursor = 0;
  const changed = () => {
    const { eventId, machines } = source.changedSince(cursor);
    cursor = eventId;
    return machines;
  };
  const own = { kind: 'hardwarename', name: 'SN-7' };

  it('a machine is there from its report on, without an address', () => {
    expect(changed()).toEqual([hardwarename]);
    expect(changed()).toEqual([]);
    expect(source.page('', 10)).toEqual([source.machine(hardwarename)]);
    expect(source.page(hardwarename, 10)).toEqual([]);
    expect(source.machine('NOBODY')).toBeUndefined();
    expect(source.machine(hardwarename)?.names[0]).toEqual({ ...own, addresses: [] });
  });

  it('a lease gives it its address', () => {
    const request = [
      [50, u32(ipv4('10.77.0.100'))],
      [54, u32(ipv4('10.77.0.1'))],
    ] as const;
    world.dhcp(dhcpPacket({ mac: mac(MAC), type: 3, client: 'os' }, request));
    expect(changed()).toEqual([hardwarename]);
    expect(source.machine(hardwarename)?.names[0]).toEqual({ ...own, addresses: ['10.77.0.100'] });
  });

  it('a hostname and a role are seen', () => {
    const { editor } = inventory.serverdb;
    inventory.transaction(() =>
      editor.edit(hardwarename, { hostname: 'web1', role: 'web', bmcAddress: '10.78.0.9' }, cause),
    );
    expect(changed()).toEqual([hardwarename]);
    const addresses = ['10.77.0.100'];
    expect(source.machine(hardwarename)).toEqual({
      ...{ hardwarename, role: 'web' },
      names: [
        { kind: 'hostname', name: 'web1', addresses },
        { ...own, addresses },
        { kind: 'bmc', name: 'SN-7', addresses: ['10.78.0.9'] },
      ],
    });
  });

  it('a reserved address takes the place of the lease', () => {
    inventory.transaction(() => {
      db.prepare(
        'INSERT INTO addresses (address, subnet, mac, hardwarename, at) VALUES (?, ?, ?, ?, 0)',
      ).run(...[ipv4('10.79.0.5'), 'production', MAC, hardwarename]);
      inventory.events.append({
        ...{ name: 'address.reserved', hardwarename },
        data: { address: '10.79.0.5', subnet: 'production', mac: MAC, who: 'kim' },
      });
    });
    expect(changed()).toEqual([hardwarename]);
    expect(source.machine(hardwarename)?.names[0]?.addresses).toEqual(['10.79.0.5']);
  });

  it('static IPv6 addresses stand beside the others, in one spelling, each of one machine alone', () => {
    const { editor } = inventory.serverdb;
    const edit = (of: Hardwarename, ipv6: string[]) =>
      inventory.transaction(() => editor.edit(of, changesSchema.parse({ ipv6 }), cause));
    changed();
    edit(hardwarename, ['2001:DB8:0::5', '2001:db8::5', 'fd00::1']);
    expect(changed()).toEqual([hardwarename]);
    const both = ['10.79.0.5', '2001:db8::5', 'fd00::1'];
    expect(source.machine(hardwarename)?.names[0]?.addresses).toEqual(both);
    const { own: records } = contribute(source.machine(hardwarename) ?? expect.fail(), planFrom());
    expect(records.map((record) => formatRecord(record).replaceAll('\t', ' '))).toEqual(
      expect.arrayContaining([
        'web1.lon.example. 300 IN AAAA 2001:db8::5',
        `5.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa. 300 IN PTR web1.lon.example.`,
      ]),
    );
    const second = inventory.transaction(() =>
      editor.enter(entrySchema.parse({ serial: 'SN-8' }), cause),
    );
    expect(() => edit(second.hardwarename, ['2001:db8::5'])).toThrow(`2001:db8::5 is of SN-7`);
    edit(hardwarename, ['fd00::1']);
    edit(second.hardwarename, ['2001:db8::5']);
    expect(source.machine(second.hardwarename)?.names[0]?.addresses).toEqual(['2001:db8::5']);
    for (const wrong of ['10.0.0.1', '::1', '::', 'fe80::1', 'ff02::1', '::ffff:10.0.0.1', 'x']) {
      expect(changesSchema.safeParse({ ipv6: [wrong] }).success, wrong).toBe(false);
    }
  });

  it('a subnet on record has its reverse zone by itself, and what lies in another none of its own', async () => {
    const { records } = inventory.serverdb;
    const put = (name: string, cidr: string) =>
      inventory.transaction(() =>
        records.put('subnet', { name, doc: subnetSchema.parse({ cidr }) }, cause),
      );
    const plan = planFrom({ networks: ['10.0.0.0/22', '2001:db8::/32'] });
    const { events, transaction } = inventory;
    const keeper = new Keeper({
      ...{ plan, source, shrinkShareMax: 0.2, lastEvent: events.lastId },
      store: openDnsStore({ db, clock: world.clock, events, transaction, soa: plan.soa }),
      nowSeconds: () => Math.floor(world.clock() / 1000),
      ...{ onWork: () => undefined, onImage: () => undefined, onServed: () => undefined },
    });
    const read = () => keeper.fill(async () => undefined);
    const zones = () => [...keeper.zones().keys()].map(formatName).filter((n) => /arpa/.test(n));
    await read();
    const standing = ['0', '1', '2', '3'].map((n) => `${n}.0.10.in-addr.arpa.`);
    const sixth = '8.b.d.0.1.0.0.2.ip6.arpa.';
    expect(zones().sort()).toEqual([...standing, sixth].sort());
    put('production', '10.79.0.0/24');
    put('small', '10.80.0.64/26');
    put('inside', '10.0.1.64/26');
    put('wide', '10.96.0.0/14');
    expect(keeper.outdated).toBe(false);
    keeper.follow();
    expect(keeper.outdated).toBe(true);
    await read();
    expect(keeper.outdated).toBe(false);
    const wide = ['96', '97', '98', '99'].map((n) => `${n}.10.in-addr.arpa.`);
    const own = ['0.79.10.in-addr.arpa.', '64/26.0.80.10.in-addr.arpa.'];
    expect(zones().sort()).toEqual([...standing, sixth, ...wide, ...own].sort());
    const node = keeper.zones().get(dnsName('0.79.10.in-addr.arpa'))?.nodes;
    expect(node?.get(dnsName('5.0.79.10.in-addr.arpa'))?.[0]?.rdatas).toEqual([
      dnsName('web1.lon.example'),
    ]);
    inventory.transaction(() => records.remove('subnet', 'wide', cause));
    keeper.follow();
    await read();
    expect(zones().sort()).toEqual([...standing, sixth, ...own].sort());
    // And a start begins with them, before anybody has read the inventory.
    expect(
      openDnsStore({ db, clock: world.clock, events, transaction, soa: plan.soa }).load().zones
        .size,
    ).toBe(keeper.zones().size);
  });
});

describe('an address that runs out and goes to another', () => {
  const pool = `dhcp:
  segments:
    - iface: prov0
      address: 10.77.0.1
      cidr: 10.77.0.0/24
      pools: [{ first: 10.77.0.100, last: 10.77.0.100 }]
`;
  const second = '52:54:00:00:00:02';

  async function oneMachine() {
    const db = new Sqlite(':memory:');
    const world = createWorld(db, pool);
    const { inventory } = world;
    const lease = (of: string) => {
      world.dhcp(dhcpPacket({ mac: mac(of), type: 1, client: 'ipxe' }));
      const options = [
        [50, u32(ipv4('10.77.0.100'))],
        [54, u32(ipv4('10.77.0.1'))],
      ] as const;
      world.dhcp(dhcpPacket({ mac: mac(of), type: 3, client: 'ipxe' }, options));
    };
    const ingest = (of: string, serial: string) => {
      const boot = inventory.boots.latest(mac(of)) ?? expect.fail();
      const token = inventory.tokens.mint(boot.id, mac(of), 'boot');
      inventory.ingest({ token, body: bytesOf(report({ serial, macs: [of] })) });
    };
    const { events, transaction } = inventory;
    const source = openDnsSource(db);
    const plan = planFrom({ networks: ['10.77.0.0/24'] });
    const keeper = new Keeper({
      ...{ plan, source, shrinkShareMax: 0.2, lastEvent: events.lastId },
      store: openDnsStore({ db, clock: world.clock, events, transaction, soa: plan.soa }),
      nowSeconds: () => Math.floor(world.clock() / 1000),
      ...{ onWork: () => undefined, onImage: () => undefined, onServed: () => undefined },
    });
    lease(MAC);
    ingest(MAC, 'SN-1');
    await keeper.fill(async () => undefined);
    const follow = () => {
      while (keeper.follow());
    };
    const at = (name: string) =>
      keeper
        .zones()
        .get(dnsName('lon.example'))
        ?.nodes.get(dnsName(`${name}.lon.example`));
    return { world, keeper, lease, ingest, follow, at };
  }

  async function handedOn() {
    const all = await oneMachine();
    all.world.pass(100 * 86_400_000);
    all.lease(second);
    return all;
  }

  it('a stranger that gets it takes it from the old name at once', async () => {
    const { follow, at } = await handedOn();
    expect(at('sn-1')).toBeDefined();
    follow();
    expect(at('sn-1')).toBeUndefined();
  });

  it('its own machine that declines it loses it at once, though the event names no machine', async () => {
    const { world, follow, at } = await oneMachine();
    const { events } = world.inventory;
    events.follow(follow, 'machines');
    // The chatter of guests, by which nobody is woken for a while.
    for (let n = 0; n < 2; n++) {
      world.dhcp(dhcpPacket({ mac: mac(second), type: 1, client: 'ipxe' }));
    }
    const options = [
      [50, u32(ipv4('10.77.0.100'))],
      [54, u32(ipv4('10.77.0.1'))],
    ] as const;
    expect(at('sn-1')).toBeDefined();
    const before = events.lastId();
    world.dhcp(dhcpPacket({ mac: mac(MAC), type: 4, client: 'ipxe' }, options));
    const [declined] = events.after(before, 1);
    expect(declined).toMatchObject({ name: 'dhcp.declined', mac: MAC });
    expect(declined?.hardwarename).toBeUndefined();
    expect(at('sn-1')).toBeUndefined();
  });

  it('another machine that gets it is served by its name, and nothing is refused', async () => {
    const { keeper, ingest, follow, at } = await handedOn();
    ingest(second, 'SN-2');
    follow();
    expect(keeper.pending().faults).toEqual([]);
    expect(at('sn-1')).toBeUndefined();
    expect(at('sn-2')).toBeDefined();
  });
});
