/** What a client is told that has its address and asks for the rest (RFC 2131 4.3.5). */
import { describe, expect, it } from 'vitest';
import { readText } from '../../../src/dhcp/options.ts';
import { addressOf, replyOf } from '../../support/outcomes.ts';
import { createWorld, dhcpPacket, ipv4, mac } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const SITE = `
dhcp:
  relayInterfaces: [prov0]
  segments:
    - { name: near, address: 10.77.0.1, cidr: 10.77.0.0/24 }
    - { name: one, relayed: true, sharedNetwork: x, address: 10.77.0.1, cidr: 10.8.0.0/24, routers: [10.8.0.1], pools: [] }
    - { name: two, relayed: true, sharedNetwork: x, address: 10.77.0.2, cidr: 10.9.0.0/16, routers: [10.9.0.1], pools: [] }
`;

const ask = (ciaddr: string, hostnameFor?: (segment: string) => string) =>
  createWorld(undefined, SITE, hostnameFor ? { hostnameFor } : {}).dhcp(
    dhcpPacket({ mac: A, type: 8, giaddr: ipv4('10.8.0.1'), ciaddr: ipv4(ciaddr) }),
  );

describe('an INFORM through a relay', () => {
  it.each([
    ['of the same subnet', '10.8.0.7', ['255.255.255.0', '10.8.0.1', '10.77.0.1']],
    ['of another subnet of the wire', '10.9.0.7', ['255.255.0.0', '10.9.0.1', '10.77.0.2']],
    ['of a network that is not served', '10.99.0.7', ['255.255.255.0', '10.8.0.1', '10.77.0.1']],
  ])('%s: mask, router and server', (_which, ciaddr, expected) => {
    const outcome = ask(ciaddr);
    expect([1, 3, 54].map((code) => addressOf(outcome, code))).toEqual(expected);
  });

  it('is told the name that the inventory has for it there', () => {
    const outcome = ask('10.9.0.7', (segment) => `web-${segment}.example`);
    expect(readText(replyOf(outcome).options.get(12))).toBe('web-two');
  });
});
