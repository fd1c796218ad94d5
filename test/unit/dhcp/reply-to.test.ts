/** RFC 2131 section 4.1: who is sent to by hardware address, and who has to be reached by broadcast. */
import { describe, expect, it } from 'vitest';
import { MESSAGE, OPTION, u32 } from '../../../src/dhcp/options.ts';
import { type DhcpPacket, replyTo } from '../../../src/dhcp/packet.ts';
import { destinationOf, linkOf, replyFlags } from '../../../src/dhcp/reply-to.ts';
import { formatIpv4, IPV4_ANY } from '../../../src/wire/ipv4.ts';
import { macFromBytes } from '../../../src/wire/mac.ts';
import { createWorld, dhcpPacket, ipv4, mac } from '../../support/world.ts';

const MAC = mac('02:00:00:00:00:01');
const PORTS = { server: 67, client: 68 };

interface Asking extends Partial<DhcpPacket> {
  /** Of the reply. */
  readonly type?: number;
  readonly yiaddr?: DhcpPacket['yiaddr'];
}

function linked({ type = MESSAGE.offer, yiaddr = ipv4('10.77.0.100'), ...fields }: Asking) {
  const request = { ...dhcpPacket({ mac: MAC, type: MESSAGE.discover }), ...fields };
  const options = new Map([[OPTION.serverId, u32(ipv4('10.77.0.1'))]]);
  const reply = replyTo(request, { yiaddr, options });
  const link = linkOf(request, reply, destinationOf(request, { type }, PORTS));
  return (
    link && `${macFromBytes(link.mac)} ${formatIpv4(link.source)} ${formatIpv4(link.destination)}`
  );
}

const chaddr = (...bytes: number[]) => Uint8Array.from({ length: 16 }, (_, at) => bytes[at] ?? 0);

describe('a client that has no address yet', () => {
  it.each<[string, Asking]>([
    ['is offered one', {}],
    ['is acknowledged one', { type: MESSAGE.ack }],
    ['has an old one in ciaddr of its DISCOVER', { ciaddr: ipv4('10.77.0.9') }],
    ['has been asking for fifteen seconds', { secs: 15 }],
  ])('is sent to by its hardware address: it %s', (_what, asking) => {
    expect(linked(asking)).toBe('02:00:00:00:00:01 10.77.0.1 10.77.0.100');
  });

  it.each<[string, Asking]>([
    ['asks for that', { flags: 0x8000 }],
    [
      'has been asking for sixteen seconds, and may not hear what is sent to it alone',
      { secs: 16 },
    ],
    ['is refused', { type: MESSAGE.nak, yiaddr: IPV4_ANY }],
    ['asks something else, or a proxy', { type: MESSAGE.ack, yiaddr: IPV4_ANY }],
    ['has no Ethernet', { htype: 32, hlen: 0 }],
    ['has a longer hardware address', { hlen: 8 }],
    ['names everybody as itself', { chaddr: chaddr(255, 255, 255, 255, 255, 255) }],
    ['names a group as itself', { chaddr: chaddr(1, 0, 0x5e, 0, 0, 1) }],
  ])('is answered by broadcast: it %s', (_what, asking) => {
    expect(linked(asking)).toBeUndefined();
  });

  it.each<[string, Asking]>([
    ['behind a relay', { giaddr: ipv4('10.9.0.1') }],
    ['that renews', { type: MESSAGE.ack, ciaddr: ipv4('10.77.0.9') }],
  ])('is none %s: it is reached as ever', (_what, asking) => {
    expect(linked(asking)).toBeUndefined();
  });
});

describe('a proxy', () => {
  it('gives no address: its offers are broadcast', () => {
    const world = createWorld(undefined, 'dhcp: { segments: [{ mode: proxy }] }');
    const request = dhcpPacket({ mac: MAC, type: MESSAGE.discover, client: 'bios' });
    const outcome = world.dhcp(request);
    if (outcome.kind !== 'reply') throw new Error(outcome.kind);
    const to = destinationOf(request, outcome, PORTS);
    expect(to).toEqual({ address: '255.255.255.255', port: 68 });
    expect(linkOf(request, outcome.reply, to)).toBeUndefined();
  });

  it('has a relay broadcast them: it would send them to nobody', () => {
    const world = createWorld(undefined, 'dhcp: { segments: [{ mode: proxy }] }');
    const giaddr = ipv4('10.77.0.254');
    const request = dhcpPacket({ mac: MAC, type: MESSAGE.discover, client: 'bios', giaddr });
    const outcome = world.dhcp(request);
    if (outcome.kind !== 'reply') throw new Error(outcome.kind);
    expect(destinationOf(request, outcome, PORTS)).toEqual({ address: '10.77.0.254', port: 67 });
    expect(replyFlags(outcome.reply)).toBe(0x8000);
  });
});
