import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config.ts';
import { encodeRoutes, encodeSearchList, parseHex } from '../../../src/dhcp/option-values.ts';
import { createSegments, listenersOf, subtract } from '../../../src/dhcp/segment.ts';
import { formatIpv4, parseCidr } from '../../../src/wire/ipv4.ts';
import { ipv4, mac } from '../../support/world.ts';

const segments = (yaml: string) => createSegments(parseConfig(yaml).dhcp);
/** Without quotes: a flow mapping is one line of YAML. */
const one = (fields: string) => `dhcp: { segments: [{ ${fields} }] }`;
const net = (text: string) => {
  const cidr = parseCidr(text);
  if (!cidr) throw new Error(text);
  return cidr;
};

describe('what a configuration may not say, and what it is told', () => {
  it.each([
    [one('pool: { first: 10.78.0.1, last: 10.78.0.9 }'), 'pool.first: lies outside cidr'],
    [one('pool: { first: 10.77.0.9, last: 10.77.0.1 }'), 'first is above last'],
    [
      one('pool: { first: 10.77.0.9, last: 10.77.0.9 }, pools: []'),
      'pools: give pool or pools, not both',
    ],
    [one('pools: [{ first: 10.77.0.9, last: 10.79.0.1 }]'), 'pools.0.last: lies outside cidr'],
    [one('exclude: [10.77.0.9-10.77.0.1]'), '10.77.0.9 is above 10.77.0.1'],
    [one('exclude: [here]'), "'here' is neither an address nor a range"],
    [
      one("reservations: [{ mac: '52:54:00:00:00:01', address: 10.77.0.1 }]"),
      'reservations.0.address: is the address of the appliance',
    ],
    [
      one(
        "reservations: [{ mac: '52:54:00:00:00:01', address: 10.77.0.9 }, { mac: '52-54-00-00-00-01', address: 10.77.0.8 }]",
      ),
      'reservations.1.mac: is reserved twice',
    ],
    [
      one("reservations: [{ mac: 'ff:ff:ff:ff:ff:ff', address: 10.77.0.9 }]"),
      'is not the MAC address of one NIC',
    ],
    [
      one('mode: proxy, pool: { first: 10.77.0.9, last: 10.77.0.9 }'),
      'a proxy segment leases nothing',
    ],
    [
      'dhcp: { segments: [{ name: a }, { name: a, cidr: 10.9.0.0/24, address: 10.9.0.1, pools: [] }] }',
      'segments.1.name: is the name of another segment too',
    ],
    [
      'dhcp: { segments: [{ name: a }, { name: b, cidr: 10.77.0.128/25, address: 10.77.0.129, pools: [] }] }',
      "10.77.0.128 is in the network of 'a'",
    ],
    [
      'dhcp: { segments: [{ name: a }, { name: b, mode: proxy, cidr: 10.9.0.0/24, address: 10.9.0.1 }] }',
      'one wire has either a server or a proxy',
    ],
    [one('relayed: true'), 'relayInterfaces: names no interface'],
    [
      one('options: { raw: [{ code: 53, u8: 1 }] }'),
      'option 53 cannot be configured: it is the type',
    ],
    [one('options: { raw: [{ code: 67, text: x }] }'), 'it is the boot decision'],
    [one('options: { raw: [{ code: 42, ipv4: [10.0.0.1] }] }'), 'has a key of its own: ntp'],
    [one('options: { raw: [{ code: 150 }] }'), 'option 150 needs exactly one of hex, text'],
    [one("options: { raw: [{ code: 150, u8: 1, hex: '01' }] }"), 'needs exactly one of'],
    [one("options: { raw: [{ code: 150, hex: '0' }] }"), 'hex is pairs of hex digits'],
    [one('options: { domainSearch: [a..b] }'), 'is not a host name'],
    [one('options: { mtu: 60 }'), 'options.mtu'],
    [one('options: { ntpp: [] }'), "unknown key 'ntpp' (did you mean 'ntp'?)"],
    ['boot: { machines: [{ localBoot: exit }] }', 'names either a mac or a hardwarename'],
    ['boot: { binaries: { bios: ../x } }', 'is not the name of a file in boot.assets'],
  ])('%s', (text, complaint) => {
    expect(() => parseConfig(text)).toThrow(complaint);
  });

  it.each([0, 1, 50, 51, 52, 53, 54, 55, 57, 58, 59, 60, 61, 77, 82, 93, 97, 175, 255])(
    'option %i is refused: it would break the protocol',
    (code) => {
      expect(() => parseConfig(one(`options: { raw: [{ code: ${code}, u8: 1 }] }`))).toThrow(
        `option ${code} cannot be configured`,
      );
    },
  );
});

describe('dynamic addresses', () => {
  const text = (ranges: readonly { first: number; last: number }[]) =>
    ranges.map(({ first, last }) => `${formatIpv4(first as never)}-${formatIpv4(last as never)}`);

  it('are the pools without exclusions, reservations, the appliance and the edges of the network', () => {
    const [segment] = segments(
      one(
        "pools: [{ first: 10.77.0.0, last: 10.77.0.9 }, { first: 10.77.0.8, last: 10.77.0.20 }, { first: 10.77.0.250, last: 10.77.0.255 }], exclude: [10.77.0.5, 10.77.0.12-10.77.0.15], reservations: [{ mac: '52:54:00:00:00:01', address: 10.77.0.18 }]",
      ),
    );
    if (!segment) throw new Error('no segment');
    expect(text(segment.pools)).toEqual([
      '10.77.0.2-10.77.0.4',
      '10.77.0.6-10.77.0.11',
      '10.77.0.16-10.77.0.17',
      '10.77.0.19-10.77.0.20',
      '10.77.0.250-10.77.0.254',
    ]);
    const dynamic = (address: string) => segment.isDynamic(ipv4(address));
    expect(['10.77.0.2', '10.77.0.17', '10.77.0.254'].map(dynamic)).toEqual([true, true, true]);
    expect(['10.77.0.1', '10.77.0.18', '10.77.0.21', '10.77.0.255'].map(dynamic)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  it('a hole that covers everything leaves nothing', () => {
    const range = { first: ipv4('10.0.0.1'), last: ipv4('10.0.0.9') };
    expect(subtract([range], [range])).toEqual([]);
    expect(subtract([], [range])).toEqual([]);
  });

  it('there are none in a proxy segment, nor in one with reservations only', () => {
    for (const fields of ['mode: proxy', 'pools: []']) {
      const [segment] = segments(one(fields));
      expect(segment?.pools).toEqual([]);
      expect(segment?.isDynamic(ipv4('10.77.0.100'))).toBe(false);
    }
  });
});

describe('listeners', () => {
  it('are one for each interface, with relays last, and say where port 4011 is wanted', () => {
    const found = listenersOf(
      segments(`
dhcp:
  relayInterfaces: [eth1, eth9]
  segments:
    - { name: a, iface: eth1.10, address: 10.1.0.1, cidr: 10.1.0.0/24, pools: [] }
    - { name: b, iface: eth1.10, address: 10.2.0.1, cidr: 10.2.0.0/24, pools: [] }
    - { name: c, iface: eth1, mode: proxy, address: 10.3.0.1, cidr: 10.3.0.0/24 }
    - { name: d, relayed: true, address: 10.4.0.1, cidr: 10.5.0.0/24, pools: [] }
`),
      ['eth1', 'eth9'],
    );
    expect(
      found.map(({ iface, addresses, proxy }) => [iface, addresses.map(formatIpv4), proxy]),
    ).toEqual([
      ['eth1.10', ['10.1.0.1', '10.2.0.1'], false],
      ['eth1', ['10.3.0.1'], true],
      ['eth9', ['10.4.0.1'], false],
    ]);
  });

  it('have what relayed segments need, which come in by interfaces with segments of their own', () => {
    const of = (fields: string) =>
      listenersOf(
        segments(`
dhcp:
  segments:
    - { name: a, iface: eth1, address: 10.1.0.1, cidr: 10.1.0.0/24, pools: [] }
    - { name: b, iface: eth2, address: 10.2.0.1, cidr: 10.2.0.0/24, pools: [] }
    - { name: d, relayed: true, cidr: 10.5.0.0/24, ${fields} }
`),
        [],
      ).map(({ iface, addresses, proxy }) => [iface, addresses.map(formatIpv4), proxy]);
    expect(of('address: 10.2.0.1, pools: []')).toEqual([
      ['eth1', ['10.1.0.1'], false],
      ['eth2', ['10.2.0.1'], false],
    ]);
    expect(of('address: 10.4.0.1, pools: []')).toEqual([
      ['eth1', ['10.1.0.1', '10.4.0.1'], false],
      ['eth2', ['10.2.0.1'], false],
    ]);
    expect(of('address: 10.2.0.1, mode: proxy')).toEqual([
      ['eth1', ['10.1.0.1'], true],
      ['eth2', ['10.2.0.1'], true],
    ]);
  });

  it('for relays have all our addresses where only the inventory may have relayed segments', () => {
    const found = listenersOf(
      segments(`
dhcp:
  relayInterfaces: [eth9]
  segments:
    - { name: a, iface: eth1, address: 10.1.0.1, cidr: 10.1.0.0/24, pools: [] }
    - { name: c, iface: eth2, mode: proxy, address: 10.3.0.1, cidr: 10.3.0.0/24 }
`),
      ['eth9'],
    );
    expect(found.at(-1)).toMatchObject({ iface: 'eth9', proxy: false });
    expect(found.at(-1)?.addresses.map(formatIpv4)).toEqual(['10.1.0.1']);
  });
});

describe('option values', () => {
  it('classless routes have the significant octets only (RFC 3442, table in "Options")', () => {
    const via = ipv4('10.0.0.254');
    const bytes = encodeRoutes([
      { to: net('0.0.0.0/0'), via },
      { to: net('10.0.0.0/8'), via },
      { to: net('10.17.0.0/16'), via },
      { to: net('10.27.129.0/24'), via },
      { to: net('10.229.0.128/25'), via },
      { to: net('10.198.122.47/32'), via },
    ]);
    const gateway = '0a0000fe';
    expect(Buffer.from(bytes).toString('hex')).toBe(
      ['00', '080a', '100a11', '180a1b81', '190ae50080', '200ac67a2f']
        .map((head) => head + gateway)
        .join(''),
    );
  });

  it('the search list is compressed as in the example of RFC 3397', () => {
    const bytes = encodeSearchList(['eng.apple.com', 'marketing.apple.com']);
    expect(bytes && Buffer.from(bytes).toString('latin1')).toBe(
      '\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04',
    );
    expect(encodeSearchList(['a..b'])).toBeUndefined();
    expect(encodeSearchList([`${'a'.repeat(64)}.b`])).toBeUndefined();
  });

  it('a suffix that is a whole name is one pointer', () => {
    const bytes = encodeSearchList(['a.example', 'example', 'b.a.example.']);
    expect(bytes && Buffer.from(bytes).toString('latin1')).toBe(
      '\x01a\x07example\x00\xc0\x02\x01b\xc0\x00',
    );
  });

  it('hex takes colons and spaces', () => {
    expect(parseHex('0a:1B 2c')).toEqual(Uint8Array.of(0x0a, 0x1b, 0x2c));
    expect(parseHex('0a1')).toBeUndefined();
    expect(parseHex('')).toBeUndefined();
  });

  it('options are encoded once, a machine over its segment', () => {
    const own = mac('52:54:00:00:00:01');
    const [segment] = segments(`
dhcp:
  segments:
    - routers: [10.77.0.254]
      options:
        routes: [{ to: 10.0.0.0/8, via: 10.77.0.253 }]
        mtu: 9000
        raw: [{ code: 150, ipv4: [10.77.0.1] }, { code: 224, text: base, always: true }]
      reservations: [{ mac: '${own}', address: 10.77.0.9, hostname: db1 }]
  machines:
    - { mac: '${own}', domain: other.example, options: { mtu: 1500, raw: [{ code: 224, u16: 7 }] } }
`);
    const shown = (of: { always: readonly unknown[]; requested: readonly unknown[] } | undefined) =>
      of &&
      JSON.parse(
        JSON.stringify([of.always, of.requested], (_, value) =>
          value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
        ),
      );
    expect(shown(segment?.network)).toEqual([
      [
        [1, 'ffffff00'],
        [28, '0a4d00ff'],
        [3, '0a4d00fe'],
        [15, Buffer.from('lab.example').toString('hex')],
        [224, Buffer.from('base').toString('hex')],
      ],
      [
        [121, '000a4d00fe080a0a4d00fd'],
        [249, '000a4d00fe080a0a4d00fd'],
        [26, '2328'],
        [150, '0a4d0001'],
      ],
    ]);
    expect(shown(segment?.machineNetworks.get(own))).toEqual([
      [
        [1, 'ffffff00'],
        [28, '0a4d00ff'],
        [3, '0a4d00fe'],
        [15, Buffer.from('other.example').toString('hex')],
        [12, Buffer.from('db1').toString('hex')],
      ],
      [
        [121, '000a4d00fe080a0a4d00fd'],
        [249, '000a4d00fe080a0a4d00fd'],
        [26, '05dc'],
        [150, '0a4d0001'],
        [224, '0007'],
      ],
    ]);
  });
});
