import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEchoReply, encodeEcho } from '../../../src/wire/icmp-echo.ts';
import { formatIpv4 } from '../../../src/wire/ipv4.ts';

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
const data = hex('6865 6c6c 6f21 0001');

/** An answer of 10.9.0.30 to 10.0.0.1, with the IP header as a raw socket hands it over. */
const REPLY = hex(`
  45 00 0024 1234 4000 3f 01 0000  0a09001e 0a000001
  00 00 0000 abcd 0001  68656c6c6f210001`);

describe('an ICMP echo, RFC 792', () => {
  it('is type 8 with the complement of the sum of its words', () => {
    const bytes = encodeEcho({ identifier: 0xabcd, sequence: 1, data });
    // 0800 + abcd + 0001 + 6865 + 6c6c + 6f21 + 0001 = 1f7c1, and f7c1 + 1 = f7c2
    expect(Buffer.from(bytes).toString('hex')).toBe('0800083dabcd000168656c6c6f210001');
  });

  it('without data is what RFC 1071 makes of its header', () => {
    const empty = encodeEcho({ identifier: 0, sequence: 0, data: new Uint8Array() });
    expect(Buffer.from(empty).toString('hex')).toBe('0800f7ff00000000');
  });

  it('is answered by who sends back its identifier and its data', () => {
    const from = decodeEchoReply(REPLY, { identifier: 0xabcd, data });
    expect(from === undefined ? '' : formatIpv4(from)).toBe('10.9.0.30');
    const longHeader = hex(`46${Buffer.from(REPLY).toString('hex').slice(2)}`);
    expect(decodeEchoReply(longHeader, { identifier: 0xabcd, data })).toBeUndefined();
  });

  it.each([
    ['another question', { identifier: 0xabce, data }, REPLY],
    ['other data', { identifier: 0xabcd, data: hex('6865 6c6c 6f21 0002') }, REPLY],
    ['more data', { identifier: 0xabcd, data: data.subarray(1) }, REPLY],
    ['a request', { identifier: 0xabcd, data }, REPLY.with(20, 8)],
    ['another protocol', { identifier: 0xabcd, data }, REPLY.with(9, 17)],
    ['IPv6', { identifier: 0xabcd, data }, REPLY.with(0, 0x60)],
    ['a header that is too short to be one', { identifier: 0xabcd, data }, REPLY.with(0, 0x44)],
    ['nothing', { identifier: 0, data: new Uint8Array() }, new Uint8Array()],
  ])('%s is no answer', (_, asked, packet) => {
    expect(decodeEchoReply(packet, asked)).toBeUndefined();
  });

  it('whatever came, it is an address or nothing', () => {
    const asked = { identifier: 0xabcd, data };
    const near = fc
      .tuple(fc.nat(REPLY.length - 1), fc.nat(255), fc.nat(REPLY.length))
      .map(([at, byte, length]) => REPLY.with(at, byte).slice(0, length));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), near), (packet) => {
        const from = decodeEchoReply(packet, asked);
        return from === undefined || packet.length >= REPLY.length;
      }),
    );
  });
});
