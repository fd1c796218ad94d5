import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openFrame } from '../../../src/capture/frame.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import { UDP_HEADERS_BYTES, type UdpEnds, writeUdpPacket } from '../../../src/wire/udp-packet.ts';
import { ipv4 } from '../../support/world.ts';

const ENDS: UdpEnds = {
  ...{ source: ipv4('10.77.0.1'), destination: ipv4('10.77.0.100') },
  ...{ sourcePort: 67, destinationPort: 68 },
};

function packetOf(ends: UdpEnds, payload: Uint8Array): Uint8Array {
  const into = new Uint8Array(UDP_HEADERS_BYTES + payload.length + 5).fill(0xee);
  const length = writeUdpPacket(into, ends, payload);
  expect([...into.subarray(length)]).toEqual([0xee, 0xee, 0xee, 0xee, 0xee]);
  return into.subarray(0, length);
}

/** What a receiver computes over a header and its checksum: all ones when nothing was damaged (RFC 1071). */
function received(...parts: Uint8Array[]): number {
  const bytes = Buffer.concat(parts);
  let sum = 0;
  for (const [at, byte] of bytes.entries()) sum += at % 2 === 0 ? byte * 256 : byte;
  while (sum > 0xffff) sum = (sum % 0x1_0000) + Math.floor(sum / 0x1_0000);
  return sum;
}

const pseudoHeader = (packet: Uint8Array) =>
  Buffer.concat([
    packet.subarray(12, 20),
    Uint8Array.of(0, 17, (packet.length - 20) >> 8, packet.length - 20),
  ]);

describe('IPv4 and UDP headers', () => {
  it('are these bytes', () => {
    const packet = packetOf(ENDS, Buffer.from('odd'));
    expect(Buffer.from(packet).toString('hex')).toBe(
      '4500001f0000400040' + '1125d00a4d00010a4d0064' + '00430044000b16ee' + '6f6464',
    );
  });

  it('are read back by another reader, with checksums that hold, whatever the payload', () => {
    const address = fc.integer({ min: 0, max: 0xffff_ffff }) as fc.Arbitrary<Ipv4>;
    const port = fc.integer({ min: 1, max: 0xffff });
    const ends = fc.record({
      ...{ source: address, destination: address, sourcePort: port, destinationPort: port },
    });
    fc.assert(
      fc.property(ends, fc.uint8Array({ maxLength: 1500 }), (given, payload) => {
        const packet = packetOf(given, payload);
        const frame = { number: 1, atUs: 0, bytes: packet, lengthBytes: packet.length };
        const content = openFrame({ ...frame, linkType: 101 });
        if (content.kind !== 'datagram') throw new Error(content.kind);
        expect(content.datagram).toMatchObject({ ...given, transport: 'udp', fragmented: false });
        expect([...content.datagram.payload]).toEqual([...payload]);
        expect(received(packet.subarray(0, 20))).toBe(0xffff);
        expect(received(pseudoHeader(packet), packet.subarray(20))).toBe(0xffff);
        expect(packet[26] === 0 && packet[27] === 0).toBe(false);
      }),
    );
  });

  it('have the other form of zero where the UDP checksum is zero, which would say that there is none', () => {
    // Two bytes bring the sum to all ones, whose complement is zero.
    const bare = packetOf(ENDS, Uint8Array.of(0, 0));
    const packet = packetOf(ENDS, bare.slice(26, 28));
    expect([...packet.subarray(26, 28)]).toEqual([0xff, 0xff]);
    expect(received(pseudoHeader(packet), packet.subarray(20))).toBe(0xffff);
  });
});
