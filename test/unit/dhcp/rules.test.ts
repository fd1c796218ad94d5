import { describe, expect, it } from 'vitest';
import { OPTION, text, u32 } from '../../../src/dhcp/options.ts';
import { decodePacket, encodePacket } from '../../../src/dhcp/packet.ts';
import { replyFlags } from '../../../src/dhcp/reply-to.ts';
import {
  addressOf,
  asks,
  hexOf,
  names,
  numberOf,
  octets,
  relayAgent,
  replyOf,
  shown,
  wantsOptions,
} from '../../support/outcomes.ts';
import { createWorld, dhcpPacket, ipv4, mac, type World } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const B = mac('52:54:00:00:00:0b');
const world = (yaml = '') => createWorld(undefined, yaml);

function bind(on: World, of = A): void {
  const offer = replyOf(on.dhcp(dhcpPacket({ mac: of, type: 1 })));
  const taken: [number, Uint8Array] = [OPTION.requestedAddress, u32(offer.yiaddr)];
  expect(shown(on.dhcp(dhcpPacket({ mac: of, type: 3 }, [names(), taken])))).toMatch(/^ack/);
}

describe('option 54, RFC 2131 table 5', () => {
  it.each([1, 3, 4, 7, 8])('message type %i for another server is not ours', (type) => {
    const on = world();
    bind(on);
    const options = [names('10.77.0.2'), asks('10.77.0.100')];
    const packet = dhcpPacket({ mac: A, type, ciaddr: ipv4('10.77.0.100') }, options);
    expect(shown(on.dhcp(packet))).toBe('drop for-another-server');
    expect(on.inventory.leases.byMac('provisioning', A)?.state).toBe('bound');
  });

  it('a RELEASE or DECLINE that names nobody is judged by the lease', () => {
    const on = world();
    bind(on);
    expect(shown(on.dhcp(dhcpPacket({ mac: A, type: 4 }, [asks('10.77.0.100')])))).toBe(
      'silent declined',
    );
    const other = world();
    bind(other);
    const release = dhcpPacket({ mac: A, type: 7, ciaddr: ipv4('10.77.0.100') });
    expect(shown(other.dhcp(release))).toBe('silent released');
  });

  it('DECLINE takes nothing out of use that was only offered, released, run out, or is nobody’s', () => {
    const on = world();
    const decline = dhcpPacket({ mac: A, type: 4 }, [asks('10.77.0.100')]);
    expect(shown(on.dhcp(decline))).toBe('drop not-its-lease');
    on.dhcp(dhcpPacket({ mac: A, type: 1 }));
    expect(shown(on.dhcp(decline))).toBe('drop not-its-lease');
    bind(on);
    on.pass(24 * 3_600_000);
    expect(shown(on.dhcp(decline))).toBe('drop not-its-lease');
    bind(on);
    on.dhcp(dhcpPacket({ mac: A, type: 7, ciaddr: ipv4('10.77.0.100') }));
    expect(shown(on.dhcp(decline))).toBe('drop not-its-lease');
    expect(shown(on.dhcp(dhcpPacket({ mac: B, type: 1 }, [asks('10.77.0.100')])))).toBe(
      'offer 10.77.0.100',
    );
  });
});

describe('a server that is not authoritative', () => {
  const quiet = 'dhcp: { segments: [{ authoritative: false }] }';
  it.each([
    ['INIT-REBOOT of an unknown client', dhcpPacket({ mac: A, type: 3 }, [asks('10.77.0.150')])],
    ['INIT-REBOOT of another network', dhcpPacket({ mac: A, type: 3 }, [asks('192.168.5.5')])],
    ['REBINDING of an unknown client', dhcpPacket({ mac: A, type: 3, ciaddr: ipv4('10.77.0.9') })],
    ['a REQUEST without an address', dhcpPacket({ mac: A, type: 3 })],
  ])('is silent to %s', (_what, packet) => {
    expect(shown(world(quiet).dhcp(packet))).toBe('drop not-authoritative');
  });

  it('answers a client that it knows, and one that chose it', () => {
    const on = world(quiet);
    bind(on);
    expect(shown(on.dhcp(dhcpPacket({ mac: A, type: 3 }, [asks('10.77.0.200')])))).toBe(
      'nak 0.0.0.0',
    );
    expect(shown(on.dhcp(dhcpPacket({ mac: B, type: 3 }, [names(), asks('10.77.0.100')])))).toBe(
      'nak 0.0.0.0',
    );
  });
});

describe('the lease time', () => {
  const yaml = `
dhcp:
  segments:
    - leaseSeconds: 7200
      leaseSecondsMin: 300
      leaseSecondsMax: 20000
      leaseSecondsByState: { available: 1000 }`;
  const seconds = (wanted: number | undefined, state?: 'available' | 'held') => {
    const on = world(yaml);
    const known = { hardwarename: 'SN-1' as never, state: state ?? 'held' };
    const bootFor: typeof on.view.bootFor = (query) =>
      state ? { ...on.desk.bootFor(query), ...known } : on.desk.bootFor(query);
    Object.assign(on.view, { bootFor });
    const option: [number, Uint8Array][] =
      wanted === undefined ? [] : [[OPTION.leaseTime, u32(wanted)]];
    const outcome = on.dhcp(dhcpPacket({ mac: A, type: 1 }, option));
    expect(numberOf(outcome, 58)).toBe(Math.floor(numberOf(outcome, 51) * 0.5));
    expect(numberOf(outcome, 59)).toBe(Math.floor(numberOf(outcome, 51) * 0.875));
    return numberOf(outcome, 51);
  };

  it.each<[string, number | undefined, 'available' | 'held' | undefined, number]>([
    ['an unknown machine', undefined, undefined, 600],
    ['an unknown machine that wants a day', 86_400, undefined, 600],
    ['an unknown machine that wants less', 400, undefined, 400],
    ['an unknown machine that wants next to nothing', 1, undefined, 300],
    ['a machine on record', undefined, 'held', 7200],
    ['one in a state with a time of its own', undefined, 'available', 1000],
    ['one that wants more', 15_000, 'held', 15_000],
    ['one that wants for ever', 0xffffffff, 'held', 20_000],
    ['one that wants less', 301, 'held', 301],
  ])('%s, asking for %s, in state %s: %i s', (_who, wanted, state, expected) => {
    expect(seconds(wanted, state)).toBe(expected);
  });

  it('an acknowledged lease runs as long as was said', () => {
    const on = world();
    on.dhcp(dhcpPacket({ mac: A, type: 1 }));
    const ask: [number, Uint8Array] = [OPTION.leaseTime, u32(200)];
    const ack = on.dhcp(dhcpPacket({ mac: A, type: 3 }, [names(), asks('10.77.0.100'), ask]));
    expect(numberOf(ack, 51)).toBe(200);
    expect(on.inventory.leases.byMac('provisioning', A)?.expiresAt).toBe(on.time.now + 200_000);
  });
});

describe('INFORM, RFC 2131 4.3.5', () => {
  it('without ciaddr goes back to where it came from, behind a relay by broadcast', () => {
    const near = world().dhcp(dhcpPacket({ mac: A, type: 8 }));
    expect(near).toMatchObject({ kind: 'reply', type: 5, to: 'source' });
    const packet = dhcpPacket({ mac: A, type: 8, giaddr: ipv4('10.77.0.254') });
    const far = world().dhcp(packet);
    expect(far.kind === 'reply' && far.to).toBeUndefined();
    expect(replyFlags(replyOf(far)) & 0x8000).toBe(0x8000);
    expect(replyFlags(replyOf(near))).toBe(0);
  });

  it('has no address and no times, whatever the client asks for', () => {
    const on = world('dhcp: { segments: [{ options: { ntp: [10.77.0.1] } }] }');
    const outcome = on.dhcp(
      dhcpPacket({ mac: A, type: 8, ciaddr: ipv4('10.77.0.9') }, [wantsOptions(1, 42, 51, 58, 59)]),
    );
    expect([51, 58, 59].map((code) => hexOf(outcome, code))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(addressOf(outcome, 42)).toBe('10.77.0.1');
    expect(replyOf(outcome)).toMatchObject({ yiaddr: 0, ciaddr: ipv4('10.77.0.9') });
  });
});

describe('what a NAK carries (RFC 2131 table 3)', () => {
  it('the reason, the server, the client id and option 82, and nothing else', () => {
    const on = world();
    const relay = relayAgent([1, 7, 7]);
    const outcome = on.dhcp(
      dhcpPacket({ mac: A, type: 3, client: 'bios', giaddr: ipv4('10.77.0.254') }, [
        asks('192.168.5.5'),
        relay,
        [OPTION.clientId, Uint8Array.of(1, 2)],
        [OPTION.clientUuid, new Uint8Array(17)],
      ]),
    );
    expect([...replyOf(outcome).options.keys()]).toEqual([53, 54, 56, 61, 82]);
  });
});

const RELAYED = `
dhcp:
  relayInterfaces: [prov0]
  segments:
    - {}
    - { name: hall, relayed: true, address: 10.77.0.1, cidr: 10.9.0.0/24, pools: [{ first: 10.9.0.10, last: 10.9.0.99 }] }
    - { name: other, relayed: true, address: 10.77.0.1, cidr: 10.8.0.0/24, pools: [{ first: 10.8.0.10, last: 10.8.0.99 }] }
`;

describe('relays', () => {
  const giaddr = ipv4('10.9.0.1');

  it.each<[string, string, [number, Uint8Array][]]>([
    ['link selection', '172.16.0.1', [relayAgent([5, ...octets('10.8.0.0')])]],
    ['subnet selection', '172.16.0.1', [[118, u32(ipv4('10.8.0.0'))]]],
    ['link selection', '0.0.0.0', [relayAgent([5, ...octets('10.8.0.0')])]],
    ['subnet selection', '0.0.0.0', [[118, u32(ipv4('10.8.0.0'))]]],
  ])('who is none of ours chooses no network by %s (giaddr %s)', (_what, from, options) => {
    const packet = dhcpPacket({ mac: A, type: 1, giaddr: ipv4(from) }, options);
    expect(shown(world(RELAYED).dhcp(packet))).toBe('drop untrusted-relay');
    const told = world(RELAYED.replace('dhcp:', 'dhcp:\n  trustedRelays: [172.16.0.0/24]'));
    expect(shown(told.dhcp(packet))).toBe(
      from === '0.0.0.0' ? 'drop untrusted-relay' : 'offer 10.8.0.10',
    );
  });

  it('a client may choose among the networks of its own wire (RFC 3011)', () => {
    const packet = dhcpPacket({ mac: A, type: 1 }, [[118, u32(ipv4('10.77.0.0'))]]);
    expect(shown(world(RELAYED).dhcp(packet))).toBe('offer 10.77.0.100');
  });

  it('that are not known do not put themselves in the place of the server', () => {
    const sites = RELAYED.replace('10.9.0.0/24', '10.9.0.0/24, sharedNetwork: x');
    const packet = dhcpPacket({ mac: A, type: 1, ciaddr: ipv4('10.77.0.9') }, [
      relayAgent([11, ...octets('6.6.6.6')]),
    ]);
    expect(addressOf(world(sites).dhcp(packet), 54)).toBe('10.77.0.1');
  });
  it.each<[string, [number, Uint8Array][], string]>([
    ['giaddr', [], 'offer 10.9.0.10'],
    ['link selection, RFC 3527', [relayAgent([5, ...octets('10.8.0.0')])], 'offer 10.8.0.10'],
    ['subnet selection, RFC 3011', [[118, u32(ipv4('10.8.0.0'))]], 'offer 10.8.0.10'],
    [
      'the relay before the client',
      [[118, u32(ipv4('10.8.0.0'))], relayAgent([5, ...octets('10.77.0.0')])],
      'offer 10.77.0.100',
    ],
    ['a link that is not served', [relayAgent([5, ...octets('10.1.0.0')])], 'drop unknown-segment'],
    ['a link selection of a wrong length', [relayAgent([5, 10, 8])], 'offer 10.9.0.10'],
  ])('choose the segment by %s', (_what, options, expected) => {
    const outcome = world(RELAYED).dhcp(dhcpPacket({ mac: A, type: 1, giaddr }, options));
    expect(shown(outcome)).toBe(expected);
    if (outcome.kind !== 'reply') return;
    expect(outcome.reply.giaddr).toBe(giaddr);
    // Echoed byte for byte, and option 118 as well (RFC 3011 section 2).
    for (const [code, value] of options) expect(outcome.reply.options.get(code)).toEqual(value);
  });

  it('put themselves in the place of the server (RFC 5107), and are answered under that name', () => {
    const on = world(RELAYED);
    const relay = relayAgent([11, ...octets('10.9.0.1')]);
    const offer = on.dhcp(dhcpPacket({ mac: A, type: 1, giaddr }, [relay]));
    expect(addressOf(offer, 54)).toBe('10.9.0.1');
    const ack = on.dhcp(
      dhcpPacket({ mac: A, type: 3, giaddr }, [relay, names('10.9.0.1'), asks('10.9.0.10')]),
    );
    expect(shown(ack)).toBe('ack 10.9.0.10');
    expect(addressOf(ack, 54)).toBe('10.9.0.1');
    const stranger = dhcpPacket({ mac: A, type: 3, giaddr }, [
      names('10.9.0.1'),
      asks('10.9.0.10'),
    ]);
    expect(shown(on.dhcp(stranger))).toBe('drop for-another-server');
  });

  it('say where a machine is plugged in: the acknowledgement tells', () => {
    const on = world(RELAYED);
    const port = relayAgent([1, ...Buffer.from('ge-0/0/7')], [2, 0, 6, 0xaa, 0xbb]);
    on.dhcp(dhcpPacket({ mac: A, type: 3, giaddr }, [port, asks('10.9.0.10')]));
    on.dhcp(dhcpPacket({ mac: B, type: 3 }, [asks('10.77.0.100')]));
    const places = on.inventory.events
      .after(0, 9)
      .map(({ name, data }) => name === 'dhcp.acked' && (data as { relay?: unknown }).relay);
    expect(places).toEqual([
      { agent: '10.9.0.1', circuit: 'ge-0/0/7', remote: '0006aabb' },
      undefined,
    ]);
  });

  it('of a switch that snoops, and has no address, are told of as well, and go back', () => {
    const on = world();
    const port = relayAgent([1, ...Buffer.from('ge-0/0/7')]);
    const ack = on.dhcp(dhcpPacket({ mac: A, type: 3 }, [port, asks('10.77.0.100')]));
    expect(hexOf(ack, 82)).toBe(Buffer.from(port[1]).toString('hex'));
    const [event] = on.inventory.events.after(0, 9).filter(({ name }) => name === 'dhcp.acked');
    expect(event?.data).toMatchObject({ relay: { agent: '', circuit: 'ge-0/0/7', remote: '' } });
  });

  it('are not in the way of a renewal by unicast', () => {
    const on = world(RELAYED);
    on.dhcp(dhcpPacket({ mac: A, type: 1, giaddr }));
    on.dhcp(dhcpPacket({ mac: A, type: 3, giaddr }, [names(), asks('10.9.0.10')]));
    const renewal = dhcpPacket({ mac: A, type: 3, ciaddr: ipv4('10.9.0.10') });
    expect(shown(on.dhcp(renewal))).toBe('ack 10.9.0.10');
    expect(shown(on.dhcp(dhcpPacket({ mac: A, type: 7, ciaddr: ipv4('10.9.0.10') })))).toBe(
      'silent released',
    );
  });

  it('one that ends in the middle of a sub-option is read as far as it goes', () => {
    const outcome = world(RELAYED).dhcp(
      dhcpPacket({ mac: A, type: 1, giaddr }, [[82, Uint8Array.of(1, 1, 9, 5, 4, 10)]]),
    );
    expect(shown(outcome)).toBe('offer 10.9.0.10');
  });
});

describe('what a client asks for (option 55)', () => {
  const yaml = `
dhcp:
  segments:
    - routers: [10.77.0.254]
      options:
        routes: [{ to: 10.0.0.0/8, via: 10.77.0.253 }]
        ntp: [10.77.0.1]
        raw: [{ code: 150, ipv4: [10.77.0.1] }, { code: 224, text: always, always: true }]`;
  const codes = (...options: [number, Uint8Array][]) => [
    ...replyOf(world(yaml).dhcp(dhcpPacket({ mac: A, type: 1 }, options))).options.keys(),
  ];

  it('nothing: the usual options and those that are always sent', () => {
    expect(codes()).toEqual([53, 54, 51, 58, 59, 1, 28, 3, 15, 224, 61]);
  });
  it('time servers and an option of the site', () => {
    expect(codes(wantsOptions(1, 3, 42, 150))).toEqual([
      53, 54, 51, 58, 59, 1, 28, 3, 15, 224, 42, 150, 61,
    ]);
  });
  it('classless routes: no router beside them (RFC 3442)', () => {
    expect(codes(wantsOptions(1, 3, 121))).toEqual([53, 54, 51, 58, 59, 1, 28, 15, 224, 121, 61]);
  });
  it('the routes under their old number: the router stays', () => {
    expect(codes(wantsOptions(1, 3, 249))).toContain(3);
  });
});

describe('a reply that is short of room', () => {
  const long = (letter: string) => letter.repeat(200);
  const yaml = `
dhcp:
  segments:
    - options:
        raw:
          - { code: 224, text: ${long('a')}, always: true }
          - { code: 225, text: ${long('b')}, always: true }
          - { code: 226, text: ${long('c')}, always: true }
          - { code: 227, text: ${'d'.repeat(60)}, always: true }`;
  /** The codes that are on the wire for a client that takes 548 bytes of payload. */
  const sent = (client: 'os' | 'bios', ...options: [number, Uint8Array][]) => {
    const outcome = world(yaml).dhcp(dhcpPacket({ mac: A, type: 1, client }, options));
    const bytes = encodePacket(replyOf(outcome), 548);
    expect(bytes.length).toBeLessThanOrEqual(548);
    const again = decodePacket(bytes);
    if (!again.ok) throw new Error(again.code);
    return again.value;
  };

  it('keeps what was asked for, in the order of asking (RFC 2132 9.8)', () => {
    const reply = sent('bios', wantsOptions(226, 1));
    expect([...reply.options.keys()]).toContain(226);
    expect([...reply.options.keys()]).not.toContain(224);
    expect(reply.file).toBe('undionly.kpxe');
    expect(reply.options.get(67)).toEqual(text('undionly.kpxe\0'));
    for (const essential of [53, 54, 51, 1]) expect(reply.options.has(essential)).toBe(true);
  });

  it('uses file and sname for a client that does not boot (RFC 2132 9.3)', () => {
    const reply = sent('os', wantsOptions(226, 225, 227));
    expect(reply.options.get(52)).toEqual(Uint8Array.of(1));
    for (const code of [226, 227]) expect(reply.options.has(code)).toBe(true);
    expect(reply.options.has(224)).toBe(false);
  });

  it('never uses them for firmware, which looks for its file there', () => {
    const reply = sent('bios', wantsOptions(226, 225, 227));
    expect(reply.options.has(52)).toBe(false);
    expect(reply.file).toBe('undionly.kpxe');
  });

  it('needs no order and no tricks where there is room', () => {
    const outcome = world().dhcp(dhcpPacket({ mac: A, type: 1 }));
    expect(replyOf(outcome).options.has(52)).toBe(false);
  });
});
