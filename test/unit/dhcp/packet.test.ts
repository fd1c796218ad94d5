import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { classify } from '../../../src/dhcp/client-class.ts';
import { describePacket } from '../../../src/dhcp/describe.ts';
import { OPTION, text, u8 } from '../../../src/dhcp/options.ts';
import { BOOTREPLY, decodePacket, encodePacket, replyBytesMax } from '../../../src/dhcp/packet.ts';
import { udpDatagrams } from '../../support/pcap.ts';
import { dhcpPacket, ipv4, mac } from '../../support/world.ts';

const DIR = 'test/fixtures/dhcp';
const captures = readdirSync(DIR).filter((name) => name.endsWith('.pcap'));
const MAC = mac('52:54:00:12:34:56');

function packetsOf(name: string) {
  return udpDatagrams(`${DIR}/${name}`)
    .filter(({ sourcePort, destinationPort }) =>
      [67, 68, 4011].some((p) => p === sourcePort || p === destinationPort),
    )
    .map(({ payload }) => decodePacket(payload));
}

/** A header of zeros with the magic cookie, op 1, Ethernet; the options follow. */
function raw(options: number[], patch: (bytes: Uint8Array) => void = () => undefined): Uint8Array {
  const bytes = new Uint8Array(240 + options.length);
  bytes.set([1, 1, 6, 0], 0);
  bytes.set([0x63, 0x82, 0x53, 0x63], 236);
  bytes.set(options, 240);
  patch(bytes);
  return bytes;
}

describe('captures of real clients', () => {
  it('there are captures', () => expect(captures.length).toBeGreaterThanOrEqual(8));

  it.each(captures)('%s decodes to the text beside it, and encodes to an equal packet', (name) => {
    const lines: string[] = [];
    for (const packet of packetsOf(name)) {
      if (!packet.ok) throw new Error(`${packet.code} at ${packet.at}`);
      lines.push(...describePacket(packet.value), '');
      const again = decodePacket(encodePacket(packet.value));
      expect(
        again.ok && { ...again.value, options: new Map([...again.value.options].sort()) },
      ).toEqual({
        ...packet.value,
        options: new Map([...packet.value.options].sort()),
      });
    }
    expect(lines.length).toBeGreaterThan(10);
    const golden = `${DIR}/${name.replace('.pcap', '.txt')}`;
    if (process.env.UPDATE_FIXTURES) writeFileSync(golden, lines.join('\n'));
    expect(lines.join('\n')).toBe(readFileSync(golden, 'utf8'));
  });

  it.each([
    ['bios.pcap', 'ipxe', 'bios'],
    ['efipxe.pcap', 'firmware', 'uefi-x64'],
    ['efihttp.pcap', 'http-boot', 'uefi-x64-http'],
    ['undi.pcap', 'ipxe', 'bios'],
  ])('%s: the clients include a %s on %s', (name, stage, arch) => {
    const clients = packetsOf(name).flatMap((packet) =>
      packet.ok && packet.value.op === 1 ? [classify(packet.value)] : [],
    );
    expect(clients.map((client) => `${client.stage} ${client.archName}`)).toContain(
      `${stage} ${arch}`,
    );
  });
});

describe('decodePacket', () => {
  it('skips pads, keeps what is unknown, and needs no end', () => {
    const packet = decodePacket(raw([0, 0, 53, 1, 1, 0, 224, 2, 7, 8]));
    expect(packet.ok && [...packet.value.options]).toEqual([
      [53, Uint8Array.of(1)],
      [224, Uint8Array.of(7, 8)],
    ]);
  });

  it('joins a split option in the order options, file, sname (RFC 3396)', () => {
    const packet = decodePacket(
      raw([52, 1, 3, 43, 1, 1, 255], (bytes) => {
        bytes.set([43, 1, 2, 255], 108);
        bytes.set([43, 1, 3, 255], 44);
      }),
    );
    expect(packet.ok && packet.value.options.get(43)).toEqual(Uint8Array.of(1, 2, 3));
    expect(packet.ok && [packet.value.file, packet.value.sname]).toEqual(['', '']);
  });

  it.each([
    ['too-short', new Uint8Array(239)],
    ['bad-op', raw([], (b) => b.set([3], 0))],
    ['bad-hlen', raw([], (b) => b.set([17], 2))],
    ['bad-magic', raw([], (b) => b.set([0], 236))],
    ['option-overruns', raw([53, 5, 1])],
    ['option-overruns', raw([53])],
    ['no-end-option', raw([52, 1, 1, 255])],
  ])('%s', (code, bytes) => {
    expect(decodePacket(bytes)).toMatchObject({ ok: false, code });
  });
});

describe('encodePacket', () => {
  const reply = { ...dhcpPacket({ mac: MAC, type: 2 }), op: BOOTREPLY };

  it('puts 53 first, 82 last, and pads to 300 bytes', () => {
    const options = new Map([
      [82, Uint8Array.of(1, 1, 9)],
      [67, text('x\0')],
      [53, u8(2)],
    ]);
    const bytes = encodePacket({ ...reply, options });
    expect(bytes.length).toBe(300);
    expect([...bytes.subarray(240, 253)]).toEqual([53, 1, 2, 67, 2, 120, 0, 82, 3, 1, 1, 9, 255]);
  });

  it('splits what is longer than 255 bytes', () => {
    const value = new Uint8Array(300).fill(7);
    const again = decodePacket(
      encodePacket({
        ...reply,
        options: new Map([
          [53, u8(2)],
          [43, value],
        ]),
      }),
    );
    expect(again.ok && again.value.options.get(43)).toEqual(value);
  });

  it('leaves out what does not fit, but never option 82', () => {
    const options = new Map([
      [53, u8(2)],
      [43, new Uint8Array(400)],
      [82, Uint8Array.of(1, 1, 9)],
    ]);
    const again = decodePacket(encodePacket({ ...reply, options }, 548));
    expect(again.ok && [...again.value.options.keys()]).toEqual([53, 82]);
  });

  it('clamps the announced maximum at both ends', () => {
    const asking = (value: Uint8Array) =>
      replyBytesMax(dhcpPacket({ mac: MAC, type: 1 }, [[OPTION.maxMessageSize, value]]));
    expect(asking(Uint8Array.of(0xff, 0x00))).toBe(1472);
    expect(asking(Uint8Array.of(0, 68))).toBe(548);
    expect(asking(Uint8Array.of(5, 192))).toBe(1444);
  });

  it('is read the same by an independent decoder', () => {
    const require = createRequire(import.meta.url);
    const peer = require('dhcp/lib/protocol') as {
      parse(bytes: Buffer): { yiaddr: string; file: string; options: Record<number, unknown> };
    };
    const options = new Map([
      [53, u8(2)],
      [1, Uint8Array.of(255, 255, 255, 0)],
      [51, Uint8Array.of(0, 0, 2, 88)],
      [15, text('lab.example')],
    ]);
    const packet = { ...reply, yiaddr: ipv4('10.77.0.100'), file: 'undionly.kpxe', options };
    const read = peer.parse(Buffer.from(encodePacket(packet)));
    expect(read).toMatchObject({ yiaddr: '10.77.0.100', file: 'undionly.kpxe' });
    expect(read.options).toMatchObject({ 53: 2, 1: '255.255.255.0', 51: 600, 15: 'lab.example' });
  });
});
