/**
 * Who makes up MACs can take addresses, but neither all of a network's when a relay says which port he is behind, nor for longer
 * than an offer waits, nor anybody else's place in the queue.
 */
import { describe, expect, it } from 'vitest';
import { createIntake } from '../../../src/dhcp/intake.ts';
import { OPTION } from '../../../src/dhcp/options.ts';
import { encodePacket } from '../../../src/dhcp/packet.ts';
import { createGuestCounts } from '../../../src/inventory/guest-counts.ts';
import { limit } from '../../../src/limits.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { type Ipv4, ipv4ToBytes } from '../../../src/wire/ipv4.ts';
import { type Mac, macFromBytes } from '../../../src/wire/mac.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { shown } from '../../support/outcomes.ts';
import { createWorld, dhcpPacket, ipv4, type World } from '../../support/world.ts';

const SITE = (more = '') => `
dhcp:
  relayInterfaces: [prov0]
  segments: [{ name: hall, relayed: true, address: 10.77.0.1, cidr: 10.9.0.0/24, pools: [{ first: 10.9.0.1, last: 10.9.0.100 }]${more} }]
`;
const giaddr = ipv4('10.9.0.254');
const madeUp = (n: number) => macFromBytes(Uint8Array.of(2, 6, 6, 6, n >> 8, n & 255));
const behind = (port: string | undefined): [number, Uint8Array][] =>
  port === undefined
    ? []
    : [[OPTION.relayAgent, Uint8Array.of(1, port.length, ...Buffer.from(port))]];

function take(world: World, n: number, port: string | undefined): string {
  const options = behind(port);
  const offer = world.dhcp(dhcpPacket({ mac: madeUp(n), type: 1, giaddr }, options));
  if (offer.kind !== 'reply') return shown(offer);
  const wanted: [number, Uint8Array] = [OPTION.requestedAddress, new Uint8Array(4)];
  new DataView(wanted[1].buffer).setUint32(0, offer.reply.yiaddr);
  const server: [number, Uint8Array] = [OPTION.serverId, Uint8Array.of(10, 77, 0, 1)];
  return shown(
    world.dhcp(dhcpPacket({ mac: madeUp(n), type: 3, giaddr }, [wanted, server, ...options])),
  );
}

describe('a port with many MACs', () => {
  it('has its share of the pool, and the rest is there for others', () => {
    const world = createWorld(undefined, SITE());
    const results = Array.from({ length: 200 }, (_, n) => take(world, n, 'ge-0/0/1'));
    expect(results.filter((one) => one.startsWith('ack'))).toHaveLength(75);
    expect(results.at(-1)).toBe('drop port-has-its-share');
    expect(take(world, 1000, 'ge-0/0/2')).toBe('ack 10.9.0.76');
    const told = world.inventory.events
      .after(0, 1000)
      .find(({ name }) => name === 'dhcp.exhausted');
    expect(told?.data).toEqual({ subnet: 'hall', port: '10.9.0.254 ge-0/0/1' });
  });

  it('has it with offers alone too, and with addresses that it claims to remember', () => {
    const world = createWorld(undefined, SITE());
    for (let n = 0; n < 200; n++) {
      world.dhcp(dhcpPacket({ mac: madeUp(n), type: 1, giaddr }, behind('a')));
    }
    expect(world.inventory.leases.count()).toBe(75);
    const claims = createWorld(undefined, SITE());
    const results = Array.from({ length: 100 }, (_, n) =>
      shown(
        claims.dhcp(
          dhcpPacket({ mac: madeUp(n), type: 3, giaddr }, [
            [OPTION.requestedAddress, Uint8Array.of(10, 9, 0, n + 1)],
            ...behind('a'),
          ]),
        ),
      ),
    );
    expect(results.filter((one) => one.startsWith('ack'))).toHaveLength(75);
  });

  it('has room again when its leases are over', () => {
    const world = createWorld(undefined, SITE());
    for (let n = 0; n < 100; n++) take(world, n, 'a');
    expect(take(world, 500, 'a')).toBe('drop port-has-its-share');
    world.pass(601_000);
    expect(take(world, 500, 'a')).toMatch(/^ack/);
  });

  it('has it again when the same clients come back after their leases were over', () => {
    const world = createWorld(undefined, SITE());
    for (let n = 0; n < 75; n++) take(world, n, 'a');
    world.pass(601_000);
    expect(world.inventory.leases.guestsBehind('hall', '168362238 61 ')).toBe(0);
    for (let n = 0; n < 75; n++) expect(take(world, n, 'a')).toMatch(/^ack/);
    for (let n = 0; n < 75; n++) expect(take(world, n, 'a')).toMatch(/^ack/);
    expect(take(world, 500, 'a')).toBe('drop port-has-its-share');
  });

  it('keeps what it has: who holds an address is never refused it', () => {
    const world = createWorld(undefined, SITE());
    for (let n = 0; n < 100; n++) take(world, n, 'a');
    world.pass(5000);
    expect(take(world, 3, 'a')).toBe('ack 10.9.0.4');
  });

  it('has it by addresses that it declines too, which are out of use for a day', () => {
    const world = createWorld(undefined, SITE());
    const refused = Array.from({ length: 200 }, (_, n) => {
      const address = take(world, n, 'a').match(/^ack (.*)/)?.[1];
      if (address === undefined) return 0;
      const options: [number, Uint8Array][] = [
        [OPTION.requestedAddress, ipv4ToBytes(ipv4(address))],
        ...behind('a'),
      ];
      world.pass(1000);
      const outcome = world.dhcp(dhcpPacket({ mac: madeUp(n), type: 4, giaddr }, options));
      if (outcome.kind !== 'silent') throw new Error(shown(outcome));
      return Number((outcome.event.data as { quarantineSeconds: number }).quarantineSeconds > 0);
    });
    expect(refused.reduce((sum, one) => sum + one, 0)).toBe(limit('declinedPerPortMax'));
    for (let n = 0; n < 50; n++) expect(take(world, 1000 + n, 'b')).toMatch(/^ack/);
  });

  it('leaves half of the pool whoever declines, where no relay names a port', () => {
    const world = createWorld(undefined, SITE());
    for (let n = 0; n < 300; n++) {
      const address = take(world, n, undefined).match(/^ack (.*)/)?.[1];
      if (address === undefined) throw new Error(`none for ${n}`);
      const wanted = ipv4ToBytes(ipv4(address));
      world.pass(1000);
      world.dhcp(
        dhcpPacket({ mac: madeUp(n), type: 4, giaddr }, [[OPTION.requestedAddress, wanted]]),
      );
    }
    for (let n = 0; n < 50; n++) expect(take(world, 1000 + n, undefined)).toMatch(/^ack/);
    expect(take(world, 2000, undefined)).toBe('drop pool-exhausted');
  });

  it('has it still when its leases are renewed past the relay', () => {
    const world = createWorld(undefined, SITE());
    const renew = (n: number, address: string) =>
      shown(world.dhcp(dhcpPacket({ mac: madeUp(n), type: 3, ciaddr: ipv4(address) })));
    const renewed = Array.from({ length: 200 }, (_, n) => {
      const address = take(world, n, 'a').match(/^ack (.*)/)?.[1];
      return address === undefined ? 'none' : renew(n, address);
    });
    expect(renewed.filter((one) => one.startsWith('ack'))).toHaveLength(75);
    expect(take(world, 1000, 'b')).toBe('ack 10.9.0.76');
  });

  it('has it by leases that are over too, once others behind it have taken their place', () => {
    const world = createWorld(undefined, SITE());
    for (let n = 0; n < 75; n++) expect(take(world, n, 'a')).toBe(`ack 10.9.0.${n + 1}`);
    world.pass(601_000);
    for (let n = 100; n < 175; n++) expect(take(world, n, 'a')).toMatch(/^ack/);
    // The first 50 addresses have new owners; the other 25 are nobody's.
    for (let n = 50; n < 75; n++) {
      const ciaddr = ipv4(`10.9.0.${n + 1}`);
      const renewal = world.dhcp(dhcpPacket({ mac: madeUp(n), type: 3, ciaddr }));
      expect(shown(renewal)).toBe('drop port-has-its-share');
      expect(take(world, n, 'a')).toBe('drop port-has-its-share');
    }
    const told = world.inventory.events
      .after(0, 1000)
      .filter(({ name }) => name === 'dhcp.exhausted');
    expect(new Set(told.map(({ data }) => (data as { port: string }).port))).toEqual(
      new Set(['10.9.0.254 a']),
    );
    expect(take(world, 1000, 'b')).toMatch(/^ack/);
  });

  it('leaves no boot and no event of one when it is refused', () => {
    const world = createWorld(undefined, SITE());
    const of = (type: number, n: number, options: [number, Uint8Array][]) =>
      shown(
        world.dhcp(
          dhcpPacket({ mac: madeUp(n), type, giaddr, client: 'uefi' }, [
            ...options,
            ...behind('a'),
          ]),
        ),
      );
    for (let n = 0; n < 75; n++) expect(of(1, n, [])).toMatch(/^offer/);
    const before = world.inventory.boots.list(1000).length;
    expect(before).toBe(75);
    const claim: [number, Uint8Array] = [OPTION.requestedAddress, Uint8Array.of(10, 9, 0, 90)];
    for (let n = 100; n < 200; n++) {
      expect(of(1, n, [])).toBe('drop port-has-its-share');
      expect(of(3, n, [claim])).toBe('drop port-has-its-share');
    }
    expect(world.inventory.boots.list(1000)).toHaveLength(before);
    const names = world.inventory.events.after(0, 10_000).map(({ name }) => name);
    expect(names.filter((name) => name === 'boot.started')).toHaveLength(before);
  });

  it('leaves none where only machines on record are welcome', () => {
    const world = createWorld(undefined, SITE(', unknownMachines: false'));
    for (let n = 0; n < 5; n++) {
      const packet = dhcpPacket({ mac: madeUp(n), type: 1, giaddr, client: 'uefi' });
      expect(shown(world.dhcp(packet))).toBe('drop unknown-client');
    }
    expect(world.inventory.boots.list(10)).toEqual([]);
  });

  it('does not count who has got a record since', () => {
    const world = createWorld(undefined, SITE());
    const { leases } = world.inventory;
    for (let n = 0; n < 75; n++) take(world, n, 'a');
    const known = { hardwarename: 'known-1' as Hardwarename, state: 'installed' };
    const { bootFor, hardwarenameOf } = world.view;
    Object.assign(world.view, {
      hardwarenameOf: (of: Mac) => (of === madeUp(0) ? known.hardwarename : hardwarenameOf(of)),
      bootFor: (query: Parameters<typeof bootFor>[0]) =>
        query.mac === madeUp(0) ? { ...bootFor(query), ...known } : bootFor(query),
    });
    const ciaddr = ipv4('10.9.0.1');
    expect(shown(world.dhcp(dhcpPacket({ mac: madeUp(0), type: 3, ciaddr })))).toMatch(/^ack/);
    expect(take(world, 500, 'a')).toMatch(/^ack/);
    expect(leases.byAddress('hall', ciaddr)?.guestOf).toBeUndefined();
  });

  it('is no matter where a relay names no port, or a site says that there is no limit', () => {
    const nameless = createWorld(undefined, SITE());
    for (let n = 0; n < 100; n++) expect(take(nameless, n, undefined)).toMatch(/^ack/);
    const whole = createWorld(undefined, SITE(', portSharePercent: 100'));
    for (let n = 0; n < 100; n++) expect(take(whole, n, 'a')).toMatch(/^ack/);
  });
});

describe('a pool that is offered away', () => {
  it('gives the oldest offers to who asks, once nobody took them in time', () => {
    const world = createWorld(undefined, SITE());
    for (let n = 0; n < 100; n++) {
      world.dhcp(dhcpPacket({ mac: madeUp(n), type: 1, giaddr }));
    }
    expect(take(world, 1000, undefined)).toBe('drop pool-exhausted');
    world.pass(limit('offerReclaimMs'));
    expect(take(world, 1000, undefined)).toBe('ack 10.9.0.1');
    expect(take(world, 1001, undefined)).toBe('ack 10.9.0.2');
  });

  it('takes none from a machine that is acknowledged', () => {
    const world = createWorld(undefined, SITE());
    for (let n = 0; n < 100; n++) take(world, n, undefined);
    world.pass(limit('offerReclaimMs'));
    expect(take(world, 1000, undefined)).toBe('drop pool-exhausted');
  });
});

describe('the queue under a flood', () => {
  const bytes = (n: number, from: string, type: number) =>
    encodePacket(dhcpPacket({ mac: madeUp(n), type, giaddr: ipv4(from) }));
  const packet = (n: number, from: string, { type = 1, at = 0 } = {}) => ({
    ...{ socket: 'prov0', bytes: bytes(n, from, type), at: at as Millis },
    source: { address: from, port: 67 },
  });

  it('answers DISCOVERs of another relay under REQUESTs that use all of its time', () => {
    const intake = createIntake<string>(() => undefined);
    for (let n = 0; n < 20; n++) intake.add(packet(n, '10.9.0.254'));
    let served = 0;
    for (let turn = 0; turn < 4; turn++) {
      for (let n = 0; n < 64; n++) {
        intake.add(packet(1000 + turn * 64 + n, '10.8.0.254', { type: 3, at: turn * 7 }));
      }
      const taken = intake.take(64, (turn * 7) as Millis);
      expect(taken).toHaveLength(64);
      served += taken.filter(({ source }) => source.address === '10.9.0.254').length;
    }
    expect(served).toBe(20);
  });

  it('leaves every fourth place in takes of one packet too', () => {
    const intake = createIntake<string>(() => undefined);
    for (let n = 0; n < 8; n++) intake.add(packet(n, '10.8.0.254', { type: 3 }));
    for (let n = 0; n < 2; n++) intake.add(packet(n, '10.9.0.254'));
    const types = Array.from({ length: 10 }, () => intake.take(1, 0 as Millis)[0]?.bytes[242]);
    expect(types).toEqual([3, 3, 3, 1, 3, 3, 3, 1, 3, 3]);
  });

  it('drops what has waited for too long though it was never its turn', () => {
    const shed: string[] = [];
    const intake = createIntake<string>((reason) => shed.push(reason));
    intake.add(packet(1, '10.9.0.254'));
    intake.add(packet(2, '10.9.0.254', { type: 3, at: 1001 }));
    expect(intake.take(1, 1001 as Millis)).toHaveLength(1);
    expect(shed).toEqual(['waited-too-long']);
    expect(intake.size()).toBe(0);
  });

  it.each([['one relay'], ['made-up relays']])(
    'drops of a flood of REQUESTs behind %s, and no DISCOVER of another relay',
    (from) => {
      const shed: string[] = [];
      const intake = createIntake<string>((reason) => shed.push(reason));
      for (let n = 0; n < 20; n++) intake.add(packet(n, '10.9.0.254'));
      const max = limit('dhcpWaitingMax');
      for (let n = 0; n < max + 500; n++) {
        const relay = from === 'one relay' ? '10.8.0.254' : `10.8.${n >> 8}.${n & 255}`;
        intake.add(packet(n, relay, { type: 3 }));
      }
      expect(shed).toEqual(Array(520).fill('overflow'));
      const left = intake.take(max, 1 as Millis);
      expect(left.filter(({ source }) => source.address === '10.9.0.254')).toHaveLength(20);
    },
  );

  it('drops of the relay that has the most waiting', () => {
    const shed: string[] = [];
    const intake = createIntake<string>((reason) => shed.push(reason));
    for (let n = 0; n < 10; n++) intake.add(packet(n, '10.9.0.254'));
    const max = limit('dhcpWaitingMax');
    for (let n = 0; n < max + 500; n++) intake.add(packet(n, '10.8.0.254'));
    expect(shed).toEqual(Array(510).fill('overflow'));
    const left = intake.take(max, 1 as Millis);
    expect(left.filter(({ source }) => source.address === '10.9.0.254')).toHaveLength(10);
    expect(left).toHaveLength(max);
    expect(intake.size()).toBe(0);
  });

  it('drops the oldest when there are more relays than a site has', () => {
    const shed: string[] = [];
    const intake = createIntake<string>((reason) => shed.push(reason));
    const max = limit('dhcpWaitingMax');
    for (let n = 0; n <= max; n++) intake.add(packet(n, `10.${n >> 8}.${n & 255}.1`));
    expect(shed).toEqual(['overflow']);
    expect(intake.take(1, 1 as Millis)[0]?.source.address).toBe('10.0.1.1');
  });
});

describe('guests behind a port', () => {
  it('are counted anew once a second, and forgotten with the last', () => {
    const ends = new Map<Ipv4, Millis>();
    const counts = createGuestCounts((address) => ends.get(address));
    for (const [n, end] of [1000, 2000, 5000].entries()) {
      ends.set(n as Ipv4, end as Millis);
      counts.add('a', n as Ipv4);
    }
    expect(counts.count('a', 500 as Millis)).toBe(3);
    expect(counts.count('a', 1600 as Millis)).toBe(2);
    expect(counts.count('a', 2100 as Millis)).toBe(2);
    expect(counts.count('a', 2600 as Millis)).toBe(1);
    counts.remove('a', 2 as Ipv4);
    expect(counts.count('a', 2600 as Millis)).toBe(0);
    expect(counts.count('never heard of', 0 as Millis)).toBe(0);
  });
});
