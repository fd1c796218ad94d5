/** Subnets of the inventory as DHCP serves them: what a client is answered before and after a change, without a restart. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MESSAGE, OPTION, readText, u8, u32 } from '../../../src/dhcp/options.ts';
import type { Outcome } from '../../../src/dhcp/ports.ts';
import type { AppError } from '../../../src/errors.ts';
import { subnetSchema } from '../../../src/inventory/record-kinds.ts';
import { formatIpv4 } from '../../../src/wire/ipv4.ts';
import { createPeople, type People, problemOf } from '../../support/people.ts';
import { createWorld, dhcpPacket, ipv4, mac, type World } from '../../support/world.ts';

/** One wire with a pool of three, one network behind a relay, a proxy's wire. */
const FILE = JSON.stringify({
  dhcp: {
    relayInterfaces: ['up0'],
    segments: [
      {
        ...{ name: 'rack', iface: 'prov0.20', address: '10.20.0.1', cidr: '10.20.0.0/24' },
        pools: [{ first: '10.20.0.100', last: '10.20.0.102' }],
        ...{ routers: ['10.20.0.254'], dns: ['10.20.0.53'], domain: 'file.example' },
        options: { mtu: 1400, ntp: ['10.20.0.7'] },
        exclude: ['10.20.0.210'],
        reservations: [{ mac: '52:54:00:00:0f:01', address: '10.20.0.9' }],
      },
      { name: 'far', relayed: true, address: '10.20.0.1', cidr: '10.30.0.0/24', pools: [] },
      { name: 'guest', iface: 'prov1', mode: 'proxy', address: '10.40.0.1', cidr: '10.40.0.0/24' },
    ],
    machines: [{ mac: '52:54:00:00:0f:02', domain: 'own.example' }],
  },
});

const RACK = { cidr: '10.20.0.0/24', use: 'provisioning' };
const HALL = { cidr: '10.50.0.0/24', use: 'provisioning', relayed: true };
const A_POOL = [{ first: '10.50.0.10', last: '10.50.0.11' }];

async function site(): Promise<{ world: World; people: People; put: Put }> {
  const world: World = createWorld(undefined, FILE, {
    reservationFor: (segment, of) =>
      world.inventory.serverdb.addresses.reservationFor(segment, of)?.address,
  });
  const people = await createPeople({}, world);
  const put: Put = async (name, body) =>
    problemOf(await people.admin('PUT', `/subnets/${name}`, { body, version: '*' }));
  return { world, people, put };
}
type Put = (name: string, body: object) => Promise<string>;

const nic = (n: number) => mac(`52:54:00:00:01:${n.toString(16).padStart(2, '0')}`);

const ASKED = Uint8Array.of(1, 3, 6, 15, 26, 42, 119);

function discover(world: World, n: number | string, giaddr?: string): Outcome {
  const of = typeof n === 'number' ? nic(n) : mac(n);
  const from = giaddr === undefined ? {} : { giaddr: ipv4(giaddr) };
  const packet = dhcpPacket({ mac: of, type: MESSAGE.discover, ...from }, [
    [OPTION.parameterList, ASKED],
  ]);
  return world.dhcp(packet, giaddr ? 'up0' : 'prov0.20', undefined, from.giaddr);
}

/** What a client is told: address, and the options that a subnet may change. */
function told(outcome: Outcome): Record<string, unknown> | string {
  if (outcome.kind !== 'reply') return outcome.kind === 'drop' ? outcome.reason : outcome.kind;
  const { yiaddr, options } = outcome.reply;
  const address = (code: number) => {
    const bytes = options.get(code);
    return bytes && [...bytes].join('.');
  };
  return {
    address: formatIpv4(yiaddr),
    router: address(OPTION.router),
    dns: address(OPTION.dns),
    domain: readText(options.get(OPTION.domain)),
    mtu: [...(options.get(OPTION.mtu) ?? [])].reduce((sum, byte) => sum * 256 + byte, 0),
    ntp: address(OPTION.ntp),
    server: address(OPTION.serverId),
  };
}

/** Takes the address that it was offered for good. */
function bind(world: World, n: number, giaddr?: string): string {
  const offer = discover(world, n, giaddr);
  if (offer.kind !== 'reply') return told(offer) as string;
  const from = giaddr === undefined ? {} : { giaddr: ipv4(giaddr) };
  const options: [number, Uint8Array][] = [
    [OPTION.requestedAddress, u32(offer.reply.yiaddr)],
    [OPTION.serverId, offer.reply.options.get(OPTION.serverId) ?? u8(0)],
  ];
  const packet = dhcpPacket({ mac: nic(n), type: MESSAGE.request, ...from }, options);
  const ack = world.dhcp(packet, giaddr ? 'up0' : 'prov0.20', undefined, from.giaddr);
  return ack.kind === 'reply' ? formatIpv4(ack.reply.yiaddr) : (told(ack) as string);
}

const OF_FILE = {
  ...{ address: '10.20.0.100', router: '10.20.0.254', dns: '10.20.0.53', domain: 'file.example' },
  ...{ mtu: 1400, ntp: '10.20.0.7', server: '10.20.0.1' },
};

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
      ...{ address: '10.50.0.10', router: '10.50.0.1', server: '10.20.0.1' },
      ...{ domain: 'file.example', mtu: 0 },
    });
    expect(bind(world, 1, '10.50.0.1')).toBe('10.50.0.10');
    await put('hall', { ...HALL, pools: A_POOL, server: '10.40.0.1' });
    expect(told(discover(world, 1, '10.50.0.1'))).toMatchObject({ server: '10.40.0.1' });
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

/** As the API does, but for the listener: what is refused changes nothing. */
function write({ inventory }: World, name: string, body: object | undefined): void {
  const { records } = inventory.serverdb;
  const cause = { who: 'test', why: 'test' };
  const doc = body && subnetSchema.safeParse(body);
  if (doc?.success === false) return;
  try {
    inventory.transaction(() => {
      if (doc) records.put('subnet', { name, doc: doc.data }, cause);
      else records.remove('subnet', name, cause);
    });
  } catch (error) {
    expect((error as AppError).code).toMatch(/^(SUBNET_CONFLICT|REQUEST_INVALID|NOT_FOUND)$/);
  }
}

describe('whatever is written in whatever order', () => {
  it('is in force as a start would make it, and no two clients have one address', () => {
    const range = fc.tuple(fc.integer({ min: 2, max: 250 }), fc.integer({ min: 0, max: 4 }));
    const body = fc.record({
      pools: fc.array(range, { maxLength: 3 }),
      gateway: fc.option(fc.integer({ min: 1, max: 254 }), { nil: undefined }),
      relayed: fc.boolean(),
    });
    const step = fc.oneof(
      fc.record({ put: fc.constantFrom('rack', 'hall'), body }),
      fc.record({ remove: fc.constantFrom('rack', 'hall') }),
      fc.record({ client: fc.nat(9), behind: fc.boolean() }),
      fc.record({ pass: fc.constantFrom(1000, 5_000_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 25 }), (steps) => {
        const world = createWorld(undefined, FILE);
        for (const one of steps) {
          if ('put' in one) {
            const net = one.put === 'rack' ? '10.20.0' : '10.50.0';
            const { pools, gateway, relayed } = one.body;
            write(world, one.put, {
              ...{
                cidr: `${net}.0/24`,
                use: 'provisioning',
                relayed: one.put === 'hall' && relayed,
              },
              pools: pools.map(([first, more]) => ({
                ...{ first: `${net}.${first}`, last: `${net}.${Math.min(first + more, 254)}` },
              })),
              ...(gateway === undefined ? {} : { gateway: `${net}.${gateway}` }),
            });
          } else if ('remove' in one) {
            write(world, one.remove, undefined);
          } else if ('client' in one) bind(world, one.client, one.behind ? '10.50.0.1' : undefined);
          else world.pass(one.pass);
        }
        const restarted = createWorld(world.db, FILE);
        expect(restarted.live.plan().refused).toEqual([]);
        const seen = ({ segments }: { segments: World['segments'] }) =>
          segments.map(({ name, pools, network }) => ({ name, pools, network }));
        expect(seen(world)).toEqual(seen(restarted));
        const held = world.db
          .prepare<[], { n: number }>(
            `SELECT count(*) - count(DISTINCT address) AS n FROM leases WHERE state = 'bound'`,
          )
          .get();
        expect(held?.n).toBe(0);
        for (const { pools } of world.segments)
          for (const { first, last } of pools) expect(first).toBeLessThanOrEqual(last);
      }),
      { numRuns: 60 },
    );
  });

  it('costs a packet nothing: the list is the same until a subnet changes', async () => {
    const { world, people, put } = await site();
    const before = world.segments;
    for (let n = 1; n < 4; n++) bind(world, n);
    await people.admin('POST', '/machines', { body: { serial: 'SN-9' } });
    await people.admin('PUT', '/racks/R1', { body: {}, version: 0 });
    expect(world.segments).toBe(before);
    await put('rack', { ...RACK, domain: 'x.example' });
    expect(world.segments).not.toBe(before);
  });

  it('is not in force when its transaction is rolled back', async () => {
    const { world } = await site();
    const { records } = world.inventory.serverdb;
    const doc = subnetSchema.parse({ ...RACK, domain: 'x.example' });
    expect(() =>
      world.inventory.transaction(() => {
        records.put('subnet', { name: 'rack', doc }, { who: 'test', why: 'test' });
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(told(discover(world, 1))).toEqual(OF_FILE);
  });
});
