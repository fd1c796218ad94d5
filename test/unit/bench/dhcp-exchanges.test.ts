import { describe, expect, it } from 'vitest';
import { bareReply } from '../../../bench/support/dhcp-bare.ts';
import { createExchanges } from '../../../bench/support/dhcp-exchanges.ts';
import { MESSAGE, OPTION } from '../../../src/dhcp/options.ts';
import { decodePacket, encodePacket } from '../../../src/dhcp/packet.ts';
import { macFromBytes } from '../../../src/wire/mac.ts';
import { createWorld, ipv4 } from '../../support/world.ts';

const SITE = `dhcp:
  segments: [{ name: b, iface: prov0, address: 10.99.0.1, cidr: 10.99.0.0/16, conflictProbe: false, pools: [{ first: 10.99.1.0, last: 10.99.255.250 }] }]`;
const plan = {
  ...{ server: '10.99.0.1', relay: '10.99.0.2', clients: 100, macBase: '020c0100' },
  pool: { first: '10.99.1.0', last: '10.99.255.250' },
};

/** The real rules behind the generator's packets. */
function answered() {
  const world = createWorld(undefined, SITE);
  const exchanges = createExchanges(plan);
  const answer = (bytes: Buffer): Buffer => {
    const packet = decodePacket(bytes);
    if (!packet.ok) throw new Error(packet.code);
    const outcome = world.dhcp(packet.value);
    if (outcome.kind !== 'reply') throw new Error(outcome.kind);
    return Buffer.from(encodePacket(outcome.reply));
  };
  const discover = (xid: number, now = 0) => {
    const bytes = Buffer.alloc(1536);
    return bytes.subarray(0, exchanges.writeDiscover(bytes, 0, { xid, now }));
  };
  const request = (xid: number) => {
    const bytes = Buffer.alloc(1536);
    return bytes.subarray(0, exchanges.writeRequest(bytes, 0, xid));
  };
  return { exchanges, answer, discover, request };
}

const unproved = (exchanges: ReturnType<typeof createExchanges>) => exchanges.report().unproved;

describe('the light generator', () => {
  it('sends what a server reads as a relayed DISCOVER and REQUEST', () => {
    const { discover, answer, exchanges, request } = answered();
    const asked = decodePacket(discover(7));
    if (!asked.ok) throw new Error(asked.code);
    expect(asked.value).toMatchObject({ op: 1, hops: 1, xid: 7, giaddr: ipv4('10.99.0.2') });
    expect(macFromBytes(asked.value.chaddr.subarray(0, 6))).toBe('02:0c:01:00:00:07');
    expect(exchanges.take(answer(discover(7)), 1)).toBe(7);
    const wanted = decodePacket(request(7));
    if (!wanted.ok) throw new Error(wanted.code);
    const value = (code: number) => [...(wanted.value.options.get(code) ?? [])];
    expect(value(OPTION.messageType)).toEqual([MESSAGE.request]);
    expect(value(OPTION.serverId)).toEqual([10, 99, 0, 1]);
    expect(value(OPTION.requestedAddress)).toEqual([10, 99, 1, 0]);
  });

  it('plays more clients than two bytes of a MAC tell apart', () => {
    const exchanges = createExchanges({ ...plan, clients: 200_000 });
    const macs = [1, 65_536, 131_072, 199_999].map((xid) => {
      const bytes = Buffer.alloc(1536);
      exchanges.writeDiscover(bytes, 0, { xid, now: 0 });
      return macFromBytes(bytes.subarray(28, 34));
    });
    expect(macs).toEqual([
      '02:0c:01:00:00:01',
      '02:0c:01:01:00:00',
      '02:0c:01:02:00:00',
      '02:0c:01:03:0d:3f',
    ]);
  });

  it('counts an exchange once it is acknowledged, with its time', () => {
    const { discover, answer, exchanges, request } = answered();
    for (let xid = 1; xid <= 250; xid++) {
      exchanges.take(answer(discover(xid, xid)), xid + 1);
      expect(exchanges.take(answer(request(xid)), xid + 4)).toBeUndefined();
    }
    expect(exchanges.report()).toEqual({
      ...{ completed: 250, meanDelayMs: 4, twoOwners: 0, refused: 0, unproved: {} },
    });
  });

  it.each<[string, (offer: Buffer) => void]>([
    ['no such exchange', (offer) => offer.writeUInt32BE(999, 4)],
    ['another MAC', (offer) => offer.writeUInt8(9, 28)],
    ['another relay', (offer) => offer.writeUInt8(9, 24)],
    ['outside of the pool', (offer) => offer.writeUInt8(11, 16)],
    ['not a reply', (offer) => offer.writeUInt8(1, 0)],
    ['not DHCP', (offer) => offer.writeUInt8(1, 236)],
    ['another server', (offer) => offer.writeUInt8(9, offer.indexOf(Buffer.of(54, 4)) + 2)],
  ])('proves nothing by a reply that is %s', (why, spoil) => {
    const { discover, answer, exchanges } = answered();
    const offer = answer(discover(7));
    spoil(offer);
    expect(exchanges.take(offer, 1)).toBeUndefined();
    expect(unproved(exchanges)).toEqual({ [why]: 1 });
  });

  it('takes no ACK of another address than was offered, and no ACK before an OFFER', () => {
    const { discover, answer, exchanges, request } = answered();
    exchanges.take(answer(discover(7)), 1);
    const ack = answer(request(7));
    const other = Buffer.from(ack);
    other.writeUInt32BE(other.readUInt32BE(16) + 1, 16);
    expect(exchanges.take(other, 2)).toBeUndefined();
    expect(unproved(exchanges)).toEqual({ 'not what was offered': 1 });
    expect(exchanges.take(ack, 2)).toBeUndefined();
    expect(exchanges.completed()).toBe(1);
    expect(exchanges.take(ack, 3)).toBeUndefined();
    expect(exchanges.completed()).toBe(1);
  });

  it('counts an address that two clients have', () => {
    const { discover, answer, exchanges, request } = answered();
    exchanges.take(answer(discover(7)), 1);
    const ack = answer(request(7));
    exchanges.take(ack, 2);
    const stolen = [answer(discover(8)), Buffer.from(ack)] as const;
    stolen[1].writeUInt32BE(8, 4);
    stolen[1].writeUInt16BE(8, 32);
    stolen[0].writeUInt32BE(ack.readUInt32BE(16), 16);
    for (const reply of stolen) exchanges.take(reply, 3);
    expect(exchanges.report()).toMatchObject({ completed: 2, twoOwners: 1 });
  });

  it('is total: no reply of any length throws', () => {
    const { discover, answer, exchanges } = answered();
    const offer = answer(discover(7));
    for (let length = 0; length < offer.length; length++)
      exchanges.take(offer.subarray(0, length), 1);
    expect(exchanges.completed()).toBe(0);
  });
});

it('believes the bare server, which is only the ceiling of a generator', () => {
  const { exchanges, discover, request } = answered();
  const bare = bareReply({ address: plan.server, pool: plan.pool });
  const answer = (asked: Buffer): Buffer => {
    const into = Buffer.alloc(1536);
    return into.subarray(0, bare(asked, into));
  };
  for (let xid = 1; xid <= 100; xid++) {
    expect(exchanges.take(answer(discover(xid)), 1)).toBe(xid);
    exchanges.take(answer(request(xid)), 2);
  }
  expect(exchanges.report()).toMatchObject({
    completed: 100,
    twoOwners: 0,
    refused: 0,
    unproved: {},
  });
});
