/** Subnets of the inventory as DHCP serves them: what a client is answered before and after a change, without a restart. */
import { describe, expect, it } from 'vitest';
import { MESSAGE } from '../../../src/dhcp/options.ts';
import { subnetSchema } from '../../../src/inventory/record-kinds.ts';
import { problemOf } from '../../support/people.ts';
import {
  A_POOL,
  bind,
  discover,
  FILE,
  HALL,
  nic,
  OF_FILE,
  RACK,
  site,
  told,
} from '../../support/subnets.ts';
import { createWorld, dhcpPacket, ipv4 } from '../../support/world.ts';

describe('a subnet with the name of a segment', () => {
  it('is the file’s in what it leaves empty, and its own in what it names, from the next packet on', async () => {
    const { world, put } = await site();
    expect(told(discover(world, 1))).toEqual(OF_FILE);
    expect(await put('rack', RACK)).toBe('200');
    expect(told(discover(world, 1))).toEqual(OF_FILE);
    const pools = [{ first: '10.20.0.200', last: '10.20.0.220' }];
    expect(await put('rack', { ...RACK, pools, gateway: '10.20.0.1' })).toBe('200');
    const one = { ...OF_FILE, address: '10.20.0.200', router: '10.20.0.1' };
    expect(told(discover(world, 2))).toEqual(one);
    const names = { dns: ['10.20.0.5'], domain: 'db.example', options: { mtu: 9000 } };
    await put('rack', { ...RACK, pools, ...names });
    expect(told(discover(world, 2))).toEqual({
      ...{ ...OF_FILE, address: '10.20.0.200', dns: '10.20.0.5' },
      ...{ domain: 'db.example', mtu: 9000 },
    });
  });

  it('is the file’s again when it is deleted', async () => {
    const { world, people, put } = await site();
    await put('rack', {
      ...RACK,
      gateway: '10.20.0.3',
      pools: [{ first: '10.20.0.8', last: '10.20.0.8' }],
    });
    expect(told(discover(world, 1))).toMatchObject({ address: '10.20.0.8', router: '10.20.0.3' });
    await people.admin('DELETE', '/subnets/rack', { version: '*' });
    expect(told(discover(world, 1))).toEqual(OF_FILE);
  });

  it('leaves alone what the file says of one machine, excludes or reserves', async () => {
    const { world, put } = await site();
    const pools = [{ first: '10.20.0.8', last: '10.20.0.10' }];
    await put('rack', { ...RACK, pools, domain: 'db.example' });
    expect(told(discover(world, '52:54:00:00:0f:01'))).toMatchObject({ address: '10.20.0.9' });
    expect(told(discover(world, '52:54:00:00:0f:02'))).toMatchObject({ domain: 'own.example' });
    // The first is offered to the machine above.
    expect([1, 2, 3].map((n) => bind(world, n))).toEqual([
      '10.20.0.10',
      'pool-exhausted',
      'pool-exhausted',
    ]);
    await put('rack', { ...RACK, pools: [{ first: '10.20.0.210', last: '10.20.0.211' }] });
    expect(bind(world, 4)).toBe('10.20.0.211');
  });

  it('that shrinks refuses the renewals outside, and gives all of it out again when it grows', async () => {
    const { world, put } = await site();
    expect([1, 2, 3].map((n) => bind(world, n))).toEqual(
      [100, 101, 102].map((n) => `10.20.0.${n}`),
    );
    const one = [{ first: '10.20.0.100', last: '10.20.0.100' }];
    await put('rack', { ...RACK, pools: one });
    const renewal = dhcpPacket({ mac: nic(3), type: MESSAGE.request, ciaddr: ipv4('10.20.0.102') });
    const nak = world.dhcp(renewal, 'prov0.20');
    expect(nak.kind === 'reply' && nak.type).toBe(MESSAGE.nak);
    // All leases are over; somebody looks for a free address while there is but one.
    world.pass(90_000_000);
    expect(bind(world, 4)).toBe('10.20.0.100');
    expect(told(discover(world, 5))).toBe('pool-exhausted');
    await put('rack', { ...RACK, pools: [{ first: '10.20.0.100', last: '10.20.0.102' }] });
    const given = [5, 6].map((n) => bind(world, n)).sort();
    expect(given).toEqual(['10.20.0.101', '10.20.0.102']);
    expect(told(discover(world, 7))).toBe('pool-exhausted');
  });
});

describe('a subnet of its own behind relays', () => {
  it('is served from the commit on, by an address of ours that the file has, and no more when it goes', async () => {
    const { world, people, put } = await site();
    expect(told(discover(world, 1, '10.50.0.1'))).toBe('unknown-segment');
    expect(await put('hall', { ...HALL, pools: A_POOL, gateway: '10.50.0.1' })).toBe('200');
    expect(told(discover(world, 1, '10.50.0.1'))).toMatchObject({
      ...{ address: '10.50.0.10', router: '10.50.0.1', server: '10.20.0.2' },
      ...{ domain: 'file.example', mtu: 0 },
    });
    expect(bind(world, 1, '10.50.0.1')).toBe('10.50.0.10');
    await put('hall', { ...HALL, pools: A_POOL, server: '10.20.0.1' });
    expect(told(discover(world, 1, '10.50.0.1'))).toMatchObject({ server: '10.20.0.1' });
    await people.admin('DELETE', '/subnets/hall', { version: '*' });
    expect(told(discover(world, 1, '10.50.0.1'))).toBe('unknown-segment');
  });

  it('gives nothing to strangers when it is production, and reserves what the inventory keeps', async () => {
    const { world, people, put } = await site();
    await put('hall', { ...HALL, use: 'production', pools: A_POOL });
    expect(told(discover(world, 1, '10.50.0.1'))).toBe('unknown-client');
    const nics = [{ mac: nic(1) }];
    await people.admin('POST', '/machines', { body: { serial: 'SN-1', nics } });
    const body = { mac: nic(1), subnet: 'hall', address: '10.50.0.77' };
    expect((await people.admin('POST', '/machines/SN-1/addresses', { body })).status).toBe(201);
    expect(told(discover(world, 1, '10.50.0.1'))).toMatchObject({ address: '10.50.0.77' });
  });

  it('out of band: what is there is a BMC; only an administrator makes such a network', async () => {
    const { world, people } = await site();
    const body = { ...HALL, use: 'out-of-band', pools: A_POOL };
    const by = (role: 'operator' | 'admin') =>
      people.as(role)('PUT', '/subnets/hall', { body, version: '*' });
    expect(problemOf(await by('operator'))).toBe('403 FORBIDDEN /use');
    expect(problemOf(await by('admin'))).toBe('200');
    expect(bind(world, 1, '10.50.0.1')).toBe('10.50.0.10');
    expect(world.eventNames()).toContain('bmc.seen');
    const plain = { ...body, use: 'provisioning' };
    const operator = people.as('operator');
    expect(problemOf(await operator('PUT', '/subnets/hall', { body: plain, version: '*' }))).toBe(
      '200',
    );
  });
});

describe('what contradicts the configuration or itself', () => {
  const refused: readonly [string, string, object, string][] = [
    ['another network', 'rack', { cidr: '10.21.0.0/24' }, '/cidr'],
    ['another use', 'rack', { ...RACK, use: 'production' }, '/use'],
    ['another VLAN than its interface', 'rack', { ...RACK, vlan: 30 }, '/vlan'],
    ['relays, on a wire', 'rack', { ...RACK, relayed: true }, '/relayed'],
    ['another server', 'rack', { ...RACK, server: '10.20.0.2' }, '/server'],
    [
      'a pool where another server leases',
      'guest',
      {
        cidr: '10.40.0.0/24',
        use: 'provisioning',
        pools: [{ first: '10.40.0.5', last: '10.40.0.6' }],
      },
      '/pools',
    ],
    [
      'its gateway in its pool',
      'rack',
      { ...RACK, gateway: '10.20.0.5', pools: [{ first: '10.20.0.4', last: '10.20.0.6' }] },
      '/pools/0',
    ],
    [
      'its name server in its pool',
      'hall',
      { ...HALL, dns: ['10.50.0.11'], pools: A_POOL },
      '/pools/0',
    ],
    [
      'pools that nobody serves',
      'office',
      { cidr: '10.60.0.0/24', pools: [{ first: '10.60.0.4', last: '10.60.0.6' }] },
      '/pools',
    ],
    [
      'options that nobody serves',
      'office',
      { cidr: '10.60.0.0/24', options: { mtu: 1400 } },
      '/options',
    ],
    ['a network of the file', 'hall', { ...HALL, cidr: '10.20.0.0/16' }, '/cidr'],
    ['a part of one', 'hall', { ...HALL, cidr: '10.30.0.128/25' }, '/cidr'],
    ['the address of a proxy', 'hall', { ...HALL, server: '10.40.0.1' }, '/server'],
    ['an address of ours that is none', 'hall', { ...HALL, server: '10.50.0.1' }, '/server'],
  ];
  it.each(refused)(
    '%s is refused with the reason, and nothing changes',
    async (_what, name, body, path) => {
      const { world, put } = await site();
      const before = world.segments;
      expect(await put(name, body)).toBe(`409 SUBNET_CONFLICT ${path}`);
      expect(world.segments).toBe(before);
    },
  );

  it.each([
    ['outside of its network', [{ first: '10.21.0.1', last: '10.21.0.2' }], '/pools/0'],
    ['upside down', [{ first: '10.20.0.9', last: '10.20.0.2' }], '/pools/0'],
    [
      'over another',
      [
        { first: '10.20.0.2', last: '10.20.0.9' },
        { first: '10.20.0.9', last: '10.20.0.12' },
      ],
      '/pools/1',
    ],
  ])('a pool %s is no pool', async (_what, pools, path) => {
    const { put } = await site();
    expect(await put('rack', { ...RACK, pools })).toBe(`400 REQUEST_INVALID ${path}`);
  });

  it('an option that carries the protocol is refused as in the file', async () => {
    const { put } = await site();
    const options = { raw: [{ code: 51, u32: 1 }] };
    expect(await put('rack', { ...RACK, options })).toBe('400 REQUEST_INVALID /options/raw/0');
  });

  it('on record since before the file was changed is left out as a whole, and said', async () => {
    const { world } = await site();
    const { db, inventory } = world;
    const { records } = inventory.serverdb;
    const made = createWorld(db, JSON.stringify({ dhcp: { segments: [{ name: 'x' }] } }));
    made.inventory.transaction(() =>
      made.inventory.serverdb.records.put(
        'subnet',
        {
          name: 'rack',
          doc: subnetSchema.parse({ ...RACK, cidr: '10.99.0.0/24', gateway: '10.99.0.3' }),
        },
        { who: 'test', why: 'test' },
      ),
    );
    expect(records.get('subnet', 'rack')?.doc.cidr).toBe('10.99.0.0/24');
    const again = createWorld(db, FILE);
    expect(again.live.plan().refused).toEqual([
      { subnet: 'rack', path: '/cidr', why: 'segment rack of the configuration is 10.20.0.0/24' },
    ]);
    expect(told(discover(again, 1))).toEqual(OF_FILE);
  });
});
