import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createIntake } from '../../../src/dhcp/intake.ts';
import { MESSAGE } from '../../../src/dhcp/options.ts';
import { encodePacket } from '../../../src/dhcp/packet.ts';
import { admitSenders } from '../../../src/dhcp/senders.ts';
import { limit } from '../../../src/limits.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { dhcpPacket, ipv4, mac } from '../../support/world.ts';

const machine = (index: number) =>
  mac(
    `02:00:00:00:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}`,
  );

function packetOf(index: number, type: number, more: { giaddr?: string; xid?: number } = {}) {
  const packet = dhcpPacket({
    mac: machine(index),
    type,
    ...(more.giaddr ? { giaddr: ipv4(more.giaddr) } : {}),
  });
  return encodePacket({ ...packet, xid: more.xid ?? 1 });
}

function intake() {
  const shed: string[] = [];
  const queue = createIntake<string>((reason) => shed.push(reason));
  let seconds = 0;
  // A second for each packet: none is one too many.
  const admit = admitSenders<string>(() => (seconds++ * 1000) as Millis);
  return {
    shed,
    queue,
    admit,
    add: (bytes: Uint8Array, at = 0) =>
      queue.add({ socket: 'prov0', bytes, source, client: admit(bytes), at: at as Millis }),
    take: (count: number, now = 0) =>
      queue.take(count, now as Millis).map(({ bytes }) => `${bytes[242]}:${bytes[33]}`),
  };
}

const source = { address: '10.77.0.100', port: 68 };

interface Came {
  readonly who: number;
  readonly type: number;
  readonly giaddr: string;
  readonly at: number;
}

/** The rules of what waits, without a thought of what they cost; it is never full. */
function createModel() {
  const shed: string[] = [];
  let waiting: Came[] = [];
  let inARow = 0;
  const remove = (gone: Came): void => {
    waiting = waiting.filter((one) => one !== gone);
  };
  return {
    shed,
    get waiting() {
      return waiting;
    },
    add(packet: Came) {
      const { who, type, giaddr } = packet;
      const older = waiting.find(
        (one) => one.who === who && one.type === type && one.giaddr === giaddr,
      );
      if (older && (type === MESSAGE.discover || type === MESSAGE.request)) {
        remove(older);
        shed.push('superseded');
      }
      waiting.push(packet);
    },
    take(most: number, now: number) {
      for (const old of waiting.filter(({ at }) => now - at > limit('dhcpWaitMaxMs'))) {
        remove(old);
        shed.push('waited-too-long');
      }
      const taken: string[] = [];
      while (taken.length < most) {
        const request = waiting.find(({ type }) => type === MESSAGE.request);
        const other = waiting.find(({ type }) => type !== MESSAGE.request);
        const next = (inARow < 3 && request) || other || request;
        // Also where nothing is left: then nothing else waits for a place.
        inARow = next !== undefined && next === request ? inARow + 1 : 0;
        if (!next) break;
        remove(next);
        taken.push(`${next.type}:${next.who}`);
      }
      return taken;
    },
  };
}

describe('what waits to be answered', () => {
  it('answers a REQUEST before the DISCOVERs that came earlier, each kind in its order', () => {
    const { add, take } = intake();
    add(packetOf(1, MESSAGE.discover));
    add(packetOf(2, MESSAGE.discover));
    add(packetOf(3, MESSAGE.request));
    add(packetOf(4, MESSAGE.request));
    expect(take(3)).toEqual(['3:3', '3:4', '1:1']);
    expect(take(3)).toEqual(['1:2']);
    expect(take(3)).toEqual([]);
  });

  it('answers in the order in which they came also what comes between, and after it was empty', () => {
    const { add, take } = intake();
    const came: string[] = [];
    const taken: string[] = [];
    for (let round = 0; round < 100; round++) {
      for (let count = 0; count < 3; count++) {
        const index = came.length % 250;
        add(packetOf(index, MESSAGE.discover));
        came.push(`1:${index}`);
      }
      taken.push(...take(round % 10 === 9 ? 99 : 2));
    }
    expect(take(1)).toEqual([]);
    expect(taken).toEqual(came);
  });

  it('keeps each packet as it came, in memory of its own, whatever its length', () => {
    const { queue, add } = intake();
    const buffer = Buffer.alloc(2048);
    const lengths = Array.from({ length: 300 }, (_, index) =>
      index % 50 === 7 ? 9000 : 240 + index,
    );
    for (const [index, length] of lengths.entries()) {
      const bytes = length > buffer.length ? Buffer.alloc(length) : buffer.subarray(0, length);
      bytes.fill(index & 255).set(packetOf(index, MESSAGE.discover).subarray(0, 240));
      add(bytes);
    }
    const kept = queue.take(300, 0 as Millis).map(({ bytes }) => bytes);
    for (const [index, bytes] of kept.entries()) {
      expect(bytes).toHaveLength(lengths[index] ?? 0);
      expect(bytes.subarray(0, 240)).toEqual(packetOf(index, MESSAGE.discover).subarray(0, 240));
      expect(bytes.subarray(240).every((byte) => byte === (index & 255))).toBe(true);
    }
  });

  it('keeps only the newer of two DISCOVERs of one client, and both where they came by different relays', () => {
    const { add, take, shed } = intake();
    add(packetOf(1, MESSAGE.discover, { xid: 1 }));
    add(packetOf(2, MESSAGE.discover));
    add(packetOf(1, MESSAGE.discover, { xid: 2 }));
    add(packetOf(1, MESSAGE.discover, { giaddr: '10.0.0.1' }));
    expect(take(9)).toEqual(['1:2', '1:1', '1:1']);
    expect(shed).toEqual(['superseded']);
  });

  it('lets no RELEASE take the place of another packet', () => {
    const { add, take, shed } = intake();
    add(packetOf(1, MESSAGE.discover, { xid: 1 }));
    add(packetOf(1, MESSAGE.release, { xid: 2 }));
    add(packetOf(1, MESSAGE.decline, { xid: 3 }));
    add(packetOf(1, MESSAGE.release, { xid: 2 }));
    expect(take(9)).toEqual(['1:1', '7:1', '4:1', '7:1']);
    expect(shed).toEqual([]);
  });

  it('takes two clients for two whose hardware addresses are longer than Ethernet has them', () => {
    const { add, take, shed } = intake();
    for (const last of [1, 2, 1]) {
      const bytes = Buffer.from(packetOf(1, MESSAGE.discover));
      bytes[2] = 16;
      bytes[28 + 15] = last;
      add(bytes);
    }
    expect(shed).toEqual(['superseded']);
    expect(take(9)).toHaveLength(2);
  });

  it('knows who waits also when more have come since than are kept in mind', () => {
    const { add, take, shed, admit } = intake();
    add(packetOf(1, MESSAGE.discover, { xid: 1 }));
    add(packetOf(2, MESSAGE.discover));
    expect(take(1)).toEqual(['1:1']);
    add(packetOf(1, MESSAGE.request));
    const other = new Uint8Array(240);
    for (let n = 0; n < limit('dhcpTrackedMacs'); n++) {
      other.set([6, n >> 16, n >> 8, n], 28);
      admit(other);
    }
    add(packetOf(1, MESSAGE.request));
    add(packetOf(2, MESSAGE.discover));
    expect(shed).toEqual(['superseded', 'superseded']);
    expect(take(9)).toEqual(['3:1', '1:2']);
  });

  it('does as a plain list does that is searched for each packet, whatever comes', () => {
    const step = fc.record({
      who: fc.nat({ max: 3 }),
      type: fc.constantFrom(1, 3, 4, 7),
      giaddr: fc.constantFrom('0.0.0.0', '10.0.0.1', '10.0.0.2'),
      passMs: fc.constantFrom(0, 1, 400),
      take: fc.constantFrom(0, 0, 0, 1, 5),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
        const { add, take, shed, queue } = intake();
        const model = createModel();
        let now = 0;
        for (const [xid, { who, type, giaddr, passMs, take: most }] of steps.entries()) {
          now += passMs;
          add(packetOf(who, type, { giaddr, xid }), now);
          model.add({ who, type, giaddr, at: now });
          expect(take(most, now)).toEqual(model.take(most, now));
          expect(queue.size()).toBe(model.waiting.length);
          expect(shed).toEqual(model.shed);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('drops what waited for longer than its client would', () => {
    const { add, take, shed } = intake();
    add(packetOf(1, MESSAGE.discover), 0);
    add(packetOf(2, MESSAGE.discover), 500);
    expect(take(9, limit('dhcpWaitMaxMs') + 1)).toEqual(['1:2']);
    expect(shed).toEqual(['waited-too-long']);
  });

  it('drops the oldest DISCOVER when it is full, and keeps every REQUEST', () => {
    const { add, queue, shed } = intake();
    add(packetOf(0, MESSAGE.request));
    for (let index = 1; index <= limit('dhcpWaitingMax'); index++) {
      add(packetOf(index, MESSAGE.discover));
    }
    expect(queue.size()).toBe(limit('dhcpWaitingMax'));
    expect(shed).toEqual(['overflow']);
    const [first, second] = queue.take(2, 0 as Millis);
    expect(first?.bytes[242]).toBe(MESSAGE.request);
    expect(second?.bytes[33]).toBe(2);
  });

  it('keeps what one MAC asks for by two interfaces: the VLANs of a machine share it', () => {
    const { queue, admit, shed } = intake();
    const bytes = packetOf(7, MESSAGE.discover);
    const add = (socket: string) =>
      queue.add({ socket, bytes, source, client: admit(bytes), at: 0 as Millis });
    for (const iface of ['eth0.10', 'eth0.20', 'eth0.10']) add(iface);
    const taken = queue.take(9, 0 as Millis).map(({ socket }) => socket);
    expect(taken).toEqual(['eth0.20', 'eth0.10']);
    expect(shed).toEqual(['superseded']);
  });

  it('copies what it keeps, also out of a Buffer that is written over afterwards', () => {
    const { add, take } = intake();
    const arena = Buffer.from(packetOf(7, MESSAGE.discover));
    add(arena.subarray());
    arena.fill(0);
    expect(take(1)).toEqual(['1:7']);
  });

  it('takes what is no DHCP at all, for the decoder to refuse', () => {
    const { queue, add } = intake();
    queue.add({ socket: 'prov0', bytes: Uint8Array.of(1), source, at: 0 as Millis });
    add(new Uint8Array(300));
    expect(queue.take(9, 0 as Millis)).toHaveLength(2);
  });
});
