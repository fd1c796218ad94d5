/** `ciaddr` and options 50 and 54 of clients that do not keep to RFC 2131 table 5. */
import { describe, expect, it } from 'vitest';
import { MESSAGE } from '../../../src/dhcp/options.ts';
import { destinationOf, linkOf } from '../../../src/dhcp/reply-to.ts';
import { asks, names, replyOf, shown } from '../../support/outcomes.ts';
import { createWorld, dhcpPacket, ipv4, mac, type World } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const PORTS = { server: 67, client: 68 };
const YAML = `
dhcp:
  segments:
    - {}
    - { name: hall, relayed: true, address: 10.77.0.1, cidr: 10.9.0.0/24,
        pool: { first: 10.9.0.10, last: 10.9.0.99 } }`;
/** Of the network behind relays that the machine was moved from. */
const OLD = ipv4('10.9.0.10');

function bound(on: World): void {
  on.dhcp(dhcpPacket({ mac: A, type: 1 }));
  const ack = on.dhcp(dhcpPacket({ mac: A, type: 3 }, [names(), asks('10.77.0.100')]));
  expect(shown(ack)).toBe('ack 10.77.0.100');
}

describe('an address of before in ciaddr', () => {
  it('of a DISCOVER chooses no network: the client is where it is heard', () => {
    const on = createWorld(undefined, YAML);
    const offer = on.dhcp(dhcpPacket({ mac: A, type: 1, ciaddr: OLD }));
    expect(shown(offer)).toBe('offer 10.77.0.100');
  });

  it('where an offer is taken neither, and the answer goes to where the client is', () => {
    const on = createWorld(undefined, YAML);
    on.dhcp(dhcpPacket({ mac: A, type: 1, ciaddr: OLD }));
    const request = dhcpPacket({ mac: A, type: 3, ciaddr: OLD }, [names(), asks('10.77.0.100')]);
    const ack = on.dhcp(request);
    expect(shown(ack)).toBe('ack 10.77.0.100');
    expect(replyOf(ack).ciaddr).toBe(0);
    const to = destinationOf(request, { type: MESSAGE.ack }, PORTS);
    expect(to).toEqual({ address: '255.255.255.255', port: 68 });
    expect(linkOf(request, replyOf(ack), to)?.destination).toBe(ipv4('10.77.0.100'));
  });

  it('is the client’s when it renews: it chooses the network behind relays', () => {
    const on = createWorld(undefined, YAML);
    const renewal = dhcpPacket({ mac: A, type: 3, ciaddr: OLD });
    expect(shown(on.dhcp(renewal))).toBe('ack 10.9.0.10');
    expect(destinationOf(renewal, { type: MESSAGE.ack }, PORTS).address).toBe('10.9.0.10');
  });
});

describe('a renewal that names its server', () => {
  it('is a renewal', () => {
    const on = createWorld();
    bound(on);
    const renewal = dhcpPacket({ mac: A, type: 3, ciaddr: ipv4('10.77.0.100') }, [names()]);
    const ack = on.dhcp(renewal);
    expect(shown(ack)).toBe('ack 10.77.0.100');
    expect(destinationOf(renewal, { type: MESSAGE.ack }, PORTS).address).toBe('10.77.0.100');
  });

  it('is one where it also asks for its address, behind a router as well', () => {
    const on = createWorld(undefined, YAML);
    const renewal = dhcpPacket({ mac: A, type: 3, ciaddr: OLD }, [names(), asks('10.9.0.10')]);
    const ack = on.dhcp(renewal);
    expect(shown(ack)).toBe('ack 10.9.0.10');
    expect(replyOf(ack).ciaddr).toBe(OLD);
    const to = (from: string) => destinationOf(renewal, { type: MESSAGE.ack }, PORTS, from).address;
    expect([to('10.9.0.10'), to('0.0.0.0')]).toEqual(['10.9.0.10', '255.255.255.255']);
  });

  it('is left to the server that it names', () => {
    const on = createWorld();
    bound(on);
    const renewal = dhcpPacket({ mac: A, type: 3, ciaddr: ipv4('10.77.0.100') }, [
      names('10.77.0.250'),
    ]);
    expect(on.dhcp(renewal)).toEqual({ kind: 'drop', reason: 'for-another-server' });
  });

  it('is refused where somebody else has the address, and with no address at all', () => {
    const on = createWorld();
    bound(on);
    const B = mac('52:54:00:00:00:0b');
    const other = dhcpPacket({ mac: B, type: 3, ciaddr: ipv4('10.77.0.100') }, [names()]);
    expect(shown(on.dhcp(other))).toMatch(/^nak/);
    expect(shown(on.dhcp(dhcpPacket({ mac: B, type: 3 }, [names()])))).toMatch(/^nak/);
  });
});
