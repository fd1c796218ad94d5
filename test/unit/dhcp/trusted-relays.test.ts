/** Who says that he is a relay, and is a client: by his address, or by the wire that he is on. */
import { describe, expect, it } from 'vitest';
import { asks, names, octets, relayAgent, shown } from '../../support/outcomes.ts';
import { createWorld, dhcpPacket, ipv4, mac } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const world = (yaml = '') => createWorld(undefined, yaml);

describe('a relay', () => {
  const TWO_WIRES = `
dhcp:
  relayInterfaces: [up0]
  segments:
    - {}
    - { name: oob, iface: oob0, address: 10.78.0.1, cidr: 10.78.0.0/24, pools: [{ first: 10.78.0.100, last: 10.78.0.105 }], kind: out-of-band }
`;
  it.each<[string, string, string, [number, Uint8Array][], string]>([
    ['has a client’s address', '10.77.0.100', 'prov0', [], 'drop untrusted-relay'],
    [
      'has a client’s address, and selects another network',
      '10.77.0.100',
      'prov0',
      [relayAgent([5, ...octets('10.78.0.0')])],
      'drop untrusted-relay',
    ],
    ['has an address of another wire of ours', '10.78.0.99', 'prov0', [], 'drop untrusted-relay'],
    ['has an address of the wire itself', '10.78.0.99', 'oob0', [], 'offer 10.78.0.100'],
    ['comes by an interface for relays', '10.78.0.99', 'up0', [], 'offer 10.78.0.100'],
  ])('who %s (giaddr %s on %s)', (_what, from, iface, options, expected) => {
    const packet = dhcpPacket({ mac: A, type: 1, giaddr: ipv4(from) }, options);
    expect(shown(world(TWO_WIRES).dhcp(packet, iface))).toBe(expected);
    if (!expected.startsWith('drop')) return;
    const told = world(TWO_WIRES.replace('dhcp:', `dhcp:\n  trustedRelays: [${from}/32]`));
    expect(shown(told.dhcp(packet, iface))).toMatch(/^offer/);
  });

  it('and who takes no address of another wire by a REQUEST alone', () => {
    const packet = dhcpPacket({ mac: A, type: 3, giaddr: ipv4('10.78.0.99') }, [
      asks('10.78.0.100'),
      names('10.78.0.1'),
    ]);
    expect(shown(world(TWO_WIRES).dhcp(packet))).toBe('drop untrusted-relay');
  });

  it('who has a client’s address does not put himself in the place of the server', () => {
    const packet = dhcpPacket({ mac: A, type: 3, giaddr: ipv4('10.77.0.100') }, [
      relayAgent([11, ...octets('6.6.6.6')]),
      asks('10.77.0.101'),
    ]);
    expect(shown(world(TWO_WIRES).dhcp(packet))).toBe('drop untrusted-relay');
  });
});

/** A wire with clients and relays on it, and a network that is reached through relays only. */
const SHARED = (more = '') => `
dhcp:
  relayInterfaces: [up0]${more}
  segments:
    - { reservations: [{ mac: '52:54:00:00:00:99', address: 10.77.0.9 }] }
    - { name: hall, relayed: true, address: 10.77.0.1, cidr: 10.9.0.0/24, pools: [{ first: 10.9.0.10, last: 10.9.0.20 }] }
`;

describe('a relay’s address written by somebody else', () => {
  const giaddr = ipv4('10.9.0.254');
  const asked = (from: string, iface = 'prov0', yaml = SHARED(), type = 1) =>
    shown(world(yaml).dhcp(dhcpPacket({ mac: A, type, giaddr }), iface, undefined, ipv4(from)));

  it.each([
    ['the relay’s own address', '10.9.0.254', 'prov0', 'offer 10.9.0.10'],
    ['its address on our wire, which is no client’s', '10.77.0.5', 'prov0', 'offer 10.9.0.10'],
    [
      'an address that is leased to clients there',
      '10.77.0.150',
      'prov0',
      'drop not-from-its-relay',
    ],
    ['an address that is kept for a client there', '10.77.0.9', 'prov0', 'drop not-from-its-relay'],
    ['no address yet', '0.0.0.0', 'prov0', 'drop not-from-its-relay'],
    ['another address of the network itself', '10.9.0.253', 'prov0', 'drop not-from-its-relay'],
    ['our wire’s address on another wire', '10.77.0.5', 'up0', 'drop not-from-its-relay'],
    ['somewhere else', '192.0.2.1', 'up0', 'drop not-from-its-relay'],
  ])('sent from %s (%s on %s)', (_what, from, iface, expected) => {
    expect(asked(from, iface)).toBe(expected);
  });

  it('is a relay’s that the configuration names, wherever it sends from', () => {
    const named = SHARED('\n  trustedRelays: [192.0.2.0/28]');
    expect(asked('192.0.2.1', 'up0', named)).toBe('offer 10.9.0.10');
    expect(asked('192.0.2.16', 'up0', named)).toBe('drop not-from-its-relay');
  });

  it.each([3, 4, 7, 8])('is dropped in a message of any type (%d)', (type) => {
    expect(asked('10.77.0.150', 'prov0', SHARED(), type)).toBe('drop not-from-its-relay');
  });

  it('is no matter of who sends for himself', () => {
    const packet = dhcpPacket({ mac: A, type: 1 });
    expect(shown(world(SHARED()).dhcp(packet, 'prov0', undefined, ipv4('10.77.0.150')))).toMatch(
      /^offer/,
    );
  });
});
