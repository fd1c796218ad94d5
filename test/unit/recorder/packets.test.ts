/** Packets in the form in which they are kept: whole, bounded, without tokens, and readable as they were kept before. */
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DHCP_DROPS, type DhcpExchange } from '../../../src/dhcp/server.ts';
import { limit } from '../../../src/limits.ts';
import {
  addPacket,
  createPacketRing,
  joinLogs,
  KEPT_DROPS,
  type KeptPacket,
  logOf,
  openPacketLog,
  packetsIn,
  packetsOf,
  storedForm,
} from '../../../src/recorder/packets.ts';

const logWith = (packets: readonly KeptPacket[]) => {
  const log = openPacketLog();
  for (const one of packets) addPacket(log, one);
  return log;
};
const stored = (packets: readonly KeptPacket[]) => storedForm(logWith(packets));

describe('packets', () => {
  const packet = (at: number): KeptPacket => ({
    ...{
      at,
      direction: 'in',
      peer: { address: '10.1.2.3', port: 68 },
      port: 67,
      drop: 'unknown-client',
    },
    bytes: Uint8Array.of(1, 2, at & 255),
  });
  it('come out of the stored form as they went in, and hostile bytes end where they end', () => {
    const packets = [packet(1), { ...packet(2), direction: 'out' as const, drop: '' }];
    expect(packetsIn(stored(packets))).toEqual(packets);
    expect(packetsIn(Uint8Array.of(1, 2, 3))).toEqual([]);
    expect(packetsIn(Uint8Array.of(6, 2, 3))).toEqual([]);
    expect(packetsIn(stored(packets).subarray(0, 30)).length).toBe(1);
  });
  it('lose nothing with their zeros, whatever they hold', () => {
    const runs = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(400).map((size) => new Uint8Array(size)),
      ),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(runs, (parts) => {
        const bytes = new Uint8Array(Buffer.concat(parts));
        expect(packetsIn(stored([{ ...packet(1), bytes }]))[0]?.bytes).toEqual(bytes);
      }),
    );
    const hostile = fc.uint8Array({ maxLength: 400 });
    fc.assert(fc.property(hostile, (bytes) => packetsIn(Uint8Array.of(6, ...bytes)).length < 20));
    const dhcp = new Uint8Array(300).fill(9, 0, 60).fill(9, 236, 260);
    expect(stored([{ ...packet(1), bytes: dhcp }]).length).toBeLessThan(120);
  });
  it('are read as they were kept before, too, and more are added to those', () => {
    const head = Buffer.alloc(24);
    head.writeDoubleBE(7);
    head.writeUInt16BE(67, 10);
    head.writeUInt32BE(0x0a010203, 12);
    head.writeUInt16BE(68, 16);
    head.writeUInt32BE(3, 20);
    const row = deflateRawSync(Buffer.concat([head, Buffer.from([1, 2, 3])]));
    const before = { ...packet(7), drop: '', bytes: Uint8Array.of(1, 2, 3) };
    expect(packetsIn(row)).toEqual([before]);
    const log = logOf(row);
    joinLogs(log, logWith([packet(8)]));
    expect(packetsIn(storedForm(log))).toEqual([before, packet(8)]);
  });
  it('have a code for every drop reason, and codes of before mean what they meant', () => {
    expect([...KEPT_DROPS].sort()).toEqual([...DHCP_DROPS].sort());
    // Do not change: records that were kept under an earlier version say these.
    expect([KEPT_DROPS[6], KEPT_DROPS[15], KEPT_DROPS[25]]).toEqual([
      'untrusted-relay',
      'too-short',
      'failed',
    ]);
  });
  it('keep the first and the newest of a boot that repeats itself', () => {
    const max = limit('flightPacketsPerBootMax');
    const log = logWith(Array.from({ length: max * 3 }, (_, at) => packet(at)));
    joinLogs(log, logWith([packet(-1)]));
    const kept = packetsIn(storedForm(log)).map(({ at }) => at);
    const half = max / 2;
    expect([kept.length, kept[0], kept[half - 1], kept[half]]).toEqual([
      max,
      0,
      half - 1,
      max * 2.5 + 1,
    ]);
    expect(kept.at(-1)).toBe(-1);
  });
  it('the ring forgets the oldest', () => {
    const ring = createPacketRing();
    const exchange = (at: number) => ({ at }) as DhcpExchange;
    const max = limit('flightRingPacketsMax');
    for (let at = 0; at < max + 5; at++) ring.add(exchange(at));
    const drained = ring.drain();
    expect([drained.length, drained[0]?.at, drained.at(-1)?.at]).toEqual([max, 5, max + 4]);
    expect(ring.drain()).toEqual([]);
  });

  it('keeps no token on disk either, and leaves the packet that is sent alone', () => {
    const url = `http://10.77.0.1/boot/${'aB3_'.repeat(8)}/script.ipxe`;
    const sent = Buffer.from(`\0${url}\0`, 'latin1');
    const exchange = {
      ...{ at: 1, bytes: sent, source: { address: '0.0.0.0', port: 68 } },
      reply: { bytes: sent, address: '255.255.255.255', port: 68 },
    } as unknown as DhcpExchange;
    for (const { bytes } of packetsIn(stored(packetsOf(exchange)))) {
      expect(bytes).toHaveLength(sent.length);
      expect(Buffer.from(bytes).toString('latin1')).toBe(
        `\0http://10.77.0.1/boot/${'.'.repeat(32)}/script.ipxe\0`,
      );
    }
    expect(sent.toString('latin1')).toContain(url);
  });
});
