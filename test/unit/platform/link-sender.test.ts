import { describe, expect, it } from 'vitest';
import { type Linked, openLinkSender, reachingByLink } from '../../../src/platform/link-sender.ts';
import { openLog } from '../../../src/platform/log.ts';
import type { Outgoing } from '../../../src/platform/udp-batch.ts';
import { ipv4 } from '../../support/world.ts';

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);

const datagram = (text: string, address = '10.77.0.9'): Outgoing => ({
  ...{ bytes: Buffer.from(text), port: 68, address },
});
const linked = (text: string): Linked => ({
  ...datagram(text, '10.77.0.100'),
  link: { mac: MAC, source: ipv4('10.77.0.1'), destination: ipv4('10.77.0.100') },
});

function socketWith(refuse: (one: Linked) => boolean) {
  const sent: string[] = [];
  const note = (way: string) => (datagrams: readonly Outgoing[]) => {
    for (const { bytes, address } of datagrams) sent.push(`${way} ${address} ${bytes}`);
  };
  const socket = {
    ...{ iface: 'prov0', port: 67, onMessage: () => undefined, send: () => undefined },
    ...{ sendMany: note('socket'), close: () => Promise.resolve() },
  };
  const sender = {
    send(datagrams: readonly Linked[]): Linked[] {
      note('link')(datagrams.filter((one) => !refuse(one)));
      return datagrams.filter(refuse);
    },
    close: () => undefined,
  };
  return { sent, ...reachingByLink(socket, sender) };
}

describe('a socket that reaches clients by their hardware address', () => {
  it('sends so what says how, and the rest as ever', () => {
    const { sent, sendMany, reachesByLink } = socketWith(() => false);
    expect(reachesByLink).toBe(true);
    sendMany([datagram('a'), linked('b'), datagram('c'), linked('d')]);
    expect(sent).toEqual([
      ...['socket 10.77.0.9 a', 'socket 10.77.0.9 c'],
      ...['link 10.77.0.100 b', 'link 10.77.0.100 d'],
    ]);
  });

  it('broadcasts what the kernel refuses: too long for the interface, or no room', () => {
    const { sent, sendMany } = socketWith(({ bytes }) => `${bytes}` === 'b');
    sendMany([linked('a'), linked('b')]);
    expect(sent).toEqual(['link 10.77.0.100 a', 'socket 255.255.255.255 b']);
  });

  it.each([
    ['an interface that is no Ethernet', 'lo'],
    ['one that is not there', 'nowhere0'],
  ])('cannot be had for %s', (_what, iface) => {
    const log = openLog({ level: 'silent' });
    expect(openLinkSender({ iface, port: 67, log })).toBeUndefined();
  });
});
