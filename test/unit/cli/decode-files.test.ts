/** Capture files of every kind come out as the same messages; damaged ones end in a named fault. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodePcap } from '../../../qemu-lab/pcap-file.ts';
import { createAnalysis } from '../../../src/capture/analysis.ts';
import { openFrame } from '../../../src/capture/frame.ts';
import { hideTokens } from '../../../src/capture/hide-tokens.ts';
import { createCaptureReader, type Frame } from '../../../src/capture/pcap.ts';
import { decode } from '../../../src/cli/decode.ts';
import { MESSAGE, nulTerminated, OPTION, text } from '../../../src/dhcp/options.ts';
import { limit } from '../../../src/limits.ts';
import { macToBytes } from '../../../src/wire/mac.ts';
import {
  ask,
  ethernetFrame,
  exchange,
  frameOf,
  framesOf,
  ipv4Packet,
  MACHINE,
} from '../../support/captures.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

/** When the exchange of the tools' files took place, in seconds. */
const EXCHANGE_AT = 1_795_250_596.369;
const AT_US = 1_700_000_000_123_456;
const shots = exchange('uefi');
const ethernet = shots.map((shot, index) => frameOf(ethernetFrame(shot), AT_US + index * 1000));
const word = (value: number) => [value >> 8, value & 255];

/** A pcapng block: type, length, body padded to four bytes, length. */
function block(type: number, body: readonly number[], little = true): number[] {
  const padded = [...body, ...new Array((4 - (body.length % 4)) % 4).fill(0)];
  const length = u32(padded.length + 12, little);
  return [...u32(type, little), ...length, ...padded, ...length];
}
function u32(value: number, little: boolean): number[] {
  const bytes = [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
  return little ? bytes.reverse() : bytes;
}
const u16 = (value: number, little: boolean) => (little ? word(value).reverse() : word(value));
const section = (little = true) =>
  block(
    0x0a0d0d0a,
    [...u32(0x1a2b3c4d, little), ...u16(1, little), 0, 0, ...new Array(8).fill(255)],
    little,
  );
const iface = (options: readonly number[] = [], little = true, linkType = 1) =>
  block(1, [...u16(linkType, little), 0, 0, ...u32(0, little), ...options], little);
const enhanced = (bytes: Uint8Array, ticks: bigint, { little = true, id = 0 } = {}) =>
  block(
    6,
    [
      ...u32(id, little),
      ...u32(Number(ticks >> 32n), little),
      ...u32(Number(ticks & 0xffffffffn), little),
      ...u32(bytes.length, little),
      ...u32(bytes.length, little),
      ...bytes,
    ],
    little,
  );
const bytesOf = (...parts: readonly (readonly number[])[]) => Uint8Array.from(parts.flat());
const first = ethernet[0]?.bytes ?? new Uint8Array();

describe('capture files', () => {
  it.each([
    ['little-endian, microseconds', { little: true }],
    ['big-endian', { little: false }],
    ['little-endian, nanoseconds', { nanoseconds: true }],
    ['big-endian, nanoseconds', { little: false, nanoseconds: true }],
  ])('pcap, %s, in pieces of any size', (_name, order) => {
    const file = encodePcap(ethernet, order);
    const expected = ethernet.map((frame, index) => ({ ...frame, number: index + 1 }));
    for (const piece of [1, 7, 300, file.length]) expect(framesOf(file, piece)).toEqual(expected);
  });

  it.each([true, false])('pcapng, little-endian is %s', (little) => {
    const file = bytesOf(
      section(little),
      iface([], little),
      block(4, new Array(500).fill(1), little),
      ...ethernet.map(({ bytes, atUs }) => enhanced(bytes, BigInt(atUs), { little })),
    );
    for (const piece of [1, 13, file.length])
      expect(framesOf(file, piece)).toEqual(
        ethernet.map((frame, index) => ({ ...frame, number: index + 1 })),
      );
  });

  it.each([
    ['nanoseconds', 9, 1_700_000_000_123_456_789n],
    ['milliseconds', 3, 1_700_000_000_123n],
    ['2 to the 20th', 0x80 | 20, (1_700_000_000n << 20n) + 129_453n],
  ])('an interface that counts in %s', (_name, resolution, ticks) => {
    const option = [9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0];
    const [frame] = framesOf(bytesOf(section(), iface(option), enhanced(first, ticks)));
    expect(Math.floor((frame?.atUs ?? 0) / 1000)).toBe(1_700_000_000_123);
  });

  it('an interface with an offset, simple and obsolete packets, a second section', () => {
    const offset = [14, 0, 8, 0, 100, 0, 0, 0, 0, 0, 0, 0];
    const simple = block(3, [...u32(first.length, true), ...first]);
    const obsolete = block(2, [
      ...[0, 0, 0, 0],
      ...[...u32(0, true), ...u32(5, true), ...u32(first.length, true), ...u32(first.length, true)],
      ...first,
    ]);
    const frames = framesOf(
      bytesOf(
        section(),
        iface(offset),
        enhanced(first, 7n),
        simple,
        obsolete,
        section(false),
        iface([], false, 101),
        enhanced(first, 9n, { little: false }),
      ),
    );
    expect(frames.map(({ atUs, linkType }) => [atUs, linkType])).toEqual([
      [100_000_007, 1],
      [0, 1],
      [100_000_005, 1],
      [9, 101],
    ]);
    expect(frames.every(({ bytes }) => Buffer.compare(bytes, first) === 0)).toBe(true);
  });

  it.each([
    ['not-a-capture', Uint8Array.from([1, 2, 3, 4, 5]), 0],
    ['not-a-capture', new Uint8Array(), 0],
    [
      'record-too-large',
      Uint8Array.from([...encodePcap([]), ...new Array(8).fill(0), 255, 255, 255, 0, 0, 0, 0, 0]),
      24,
    ],
    [
      'ends-inside-a-record',
      encodePcap(ethernet).subarray(0, -1),
      encodePcap(ethernet.slice(0, 3)).length,
    ],
    ['bad-block', bytesOf(section(), [6, 0, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0]), 28],
    ['unknown-interface', bytesOf(section(), enhanced(first, 0n)), 28],
    ['too-many-interfaces', bytesOf(section(), ...new Array(257).fill(iface())), 28 + 256 * 20],
    ['ends-inside-a-record', bytesOf(section(), [9, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), 40],
  ])('%s', (code, bytes, at) => {
    const reader = createCaptureReader();
    reader.push(bytes);
    expect(reader.finish()).toEqual({ code, at });
    expect(reader.push(bytes)).toEqual([]);
  });
});

describe('what the tools write', () => {
  const dir = 'test/fixtures/pcap/tools';
  it.each([
    ['tcpdump-nano.pcap', 1],
    ['tcpdump-any-sll.pcap', 113],
    ['tcpdump-any-sll2.pcap', 276],
    ['tshark.pcapng', 1],
  ])('%s: one exchange, recorded at once by each', async (name, linkType) => {
    const [frame] = framesOf(Uint8Array.from(readFileSync(`${dir}/${name}`)));
    expect(frame?.linkType).toBe(linkType);
    const machines = JSON.parse((await decode(`${dir}/${name}`, { json: true })).text).machines;
    expect(machines).toMatchObject([
      {
        machine: '52:54:00:c1:00:09',
        boots: [{ entries: [{ type: 'DISCOVER' }, { type: 'OFFER' }, {}, { type: 'ACK' }] }],
        problems: [],
      },
    ]);
    expect(machines[0].boots[0].entries[0].at).toBeCloseTo(EXCHANGE_AT, 2);
  });
});

describe('frames', () => {
  const shot = shots[0];
  if (!shot) throw new Error('no shot');
  const packet = ipv4Packet(shot);
  const open = (bytes: Uint8Array, linkType: number, lengthBytes = bytes.length) => {
    const content = openFrame({ number: 1, atUs: 0, bytes, lengthBytes, linkType } satisfies Frame);
    return content.kind === 'datagram' ? content.datagram : content.kind;
  };
  const cooked = [0, 0, 0, 1, 0, 6, ...macToBytes(MACHINE), 0, 0];
  const cooked2 = [8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, ...macToBytes(MACHINE), 0, 0];
  it.each([
    ['Ethernet', 1, ethernetFrame(shot), [], MACHINE],
    ['802.1Q', 1, ethernetFrame(shot, [120]), [120], MACHINE],
    ['802.1Q with a priority', 1, ethernetFrame(shot, [0xe078]), [120], MACHINE],
    ['two tags', 1, ethernetFrame(shot, [7, 120]), [7, 120], MACHINE],
    ['802.1ad', 1, ethernetFrame(shot, [7, 120], 0x88a8), [7, 120], MACHINE],
    ['802.1ad as it was before', 1, ethernetFrame(shot, [7, 120], 0x9100), [7, 120], MACHINE],
    [
      'cooked, tagged',
      113,
      Uint8Array.from([...cooked, 0x81, 0, 0, 9, 8, 0, ...packet]),
      [9],
      MACHINE,
    ],
    ['Linux cooked', 113, Uint8Array.from([...cooked, 8, 0, ...packet]), [], MACHINE],
    ['Linux cooked v2', 276, Uint8Array.from([...cooked2, ...packet]), [], MACHINE],
    ['raw IP', 101, packet, [], undefined],
    ['raw IPv4', 228, packet, [], undefined],
    ['loopback', 0, Uint8Array.from([2, 0, 0, 0, ...packet]), [], undefined],
  ])('%s', (_name, linkType, bytes, vlans, sourceMac) =>
    expect(open(bytes, linkType)).toMatchObject({
      sourcePort: 68,
      destinationPort: 67,
      vlans,
      sourceMac,
      payload: shot.payload,
    }),
  );

  it.each([
    ['IPv6', 1, Uint8Array.from([...new Array(12).fill(0), 0x86, 0xdd, ...packet]), 'other'],
    ['another link', 105, packet, 'other'],
    ['five tags', 1, ethernetFrame(shot, [1, 2, 3, 4, 5]), 'other'],
    ['a later fragment', 1, ethernetFrame({ ...shot, piece: 185 }), 'fragment'],
    ['cut in the IP header', 1, ethernetFrame(shot).slice(0, 30), 'short'],
    ['cut in the UDP header', 1, ethernetFrame(shot).slice(0, 38), 'short'],
    ['cut in the tag', 1, ethernetFrame(shot, [9]).slice(0, 15), 'short'],
  ])('%s', (_name, linkType, bytes, kind) => expect(open(bytes, linkType)).toBe(kind));
});

describe('reveille decode', () => {
  const dir = temporaryFolder('decode');
  const write = (bytes: Uint8Array) => {
    const file = join(dir, 'x.pcap');
    writeFileSync(file, bytes);
    return file;
  };

  it('prints machines, boots, options and problems', async () => {
    const { text: out, errors } = await decode(write(encodePcap(ethernet)), {});
    expect(out).toContain(
      `${MACHINE}\n  boot 1: 0.003 s, 4 message(s)\n    +0.000 #1 DISCOVER firmware uefi-x64 0.0.0.0:68 > 255.255.255.255:67`,
    );
    expect(out).toContain('      67 boot file: "snponly.efi"\n');
    expect(out).toContain('problems: 0 error(s), 0 warning(s), 0 note(s)');
    expect(errors).toBe(false);
  });

  it('--json says the same', async () => {
    const { text: out } = await decode(write(encodePcap(ethernet)), { json: true });
    expect(JSON.parse(out)).toMatchObject({
      frames: 4,
      machines: [
        {
          machine: MACHINE,
          boots: [
            {
              entries: [
                { type: 'DISCOVER', arch: 'uefi-x64' },
                { type: 'OFFER', yiaddr: '10.77.0.100' },
                {},
                { type: 'ACK' },
              ],
            },
          ],
          problems: [],
        },
      ],
    });
  });

  it('--mac and --problems choose', async () => {
    const file = write(encodePcap(ethernet.slice(0, 1)));
    const found = await decode(file, { problems: true });
    expect(found.text).toMatch(/^52:54:00:00:00:01\n {2}error no-answer #1: 1 DISCOVER\n/);
    expect(found.errors).toBe(true);
    expect((await decode(file, { mac: '52:54:00:00:00:99', problems: true })).errors).toBe(false);
    await expect(decode(file, { mac: 'x' })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  });

  it('tells of a file that is cut off, and of frames that are', async () => {
    const half = await decode(write(encodePcap(ethernet).subarray(0, -9)), { problems: true });
    expect(half.text).toContain('warning file-damaged: ends-inside-a-record at byte');
    const cut = ethernet.map((frame) => ({ ...frame, bytes: frame.bytes.slice(0, 256) }));
    expect((await decode(write(encodePcap(cut)), {})).text).toContain('note frame-cut #1: 214 of');
    const stump = ethernet.map((frame) => ({ ...frame, bytes: frame.bytes.slice(0, 30) }));
    expect((await decode(write(encodePcap(stump)), {})).text).toContain(
      'note frame-cut #1: cut off before its ports',
    );
  });

  it('refuses what is no capture, and what is not there', async () => {
    await expect(decode(write(new Uint8Array(50)), {})).rejects.toMatchObject({
      code: 'CAPTURE_UNREADABLE',
    });
    await expect(decode(join(dir, 'none'), {})).rejects.toMatchObject({
      code: 'CAPTURE_UNREADABLE',
    });
  });

  it('prints no token and no control byte', async () => {
    const token = 'A'.repeat(32);
    const url = `http://10.77.0.1:8080/boot/${token}/script.ipxe`;
    const hostile = exchange('ipxe', {
      discover: { options: [[OPTION.hostname, text('\x1b[2J\x9b31m')]] },
      ack: {
        options: [
          [OPTION.bootFile, nulTerminated(url)],
          [OPTION.ipxe, Uint8Array.of(191, 2, 104, 105)],
        ],
        fields: { file: url },
      },
    });
    const frames = hostile.map((shot) => frameOf(ethernetFrame(shot)));
    for (const json of [true, false]) {
      const { text: out } = await decode(write(encodePcap(frames)), { json });
      expect(out).not.toContain(token);
      expect(out).toContain('/boot/…/script.ipxe');
      expect(out).toContain('191 password: (not shown)');
      expect(out).not.toMatch(/[^\n -~…]/);
    }
    expect(hideTokens('/boot/ipxe/snponly.efi')).toBe('/boot/ipxe/snponly.efi');
  });

  it('keeps no more than its limits', () => {
    const analysis = createAnalysis();
    const frame = { number: 1, ...frameOf(ethernetFrame(ask(MESSAGE.discover))) };
    for (let count = 0; count < limit('captureEntriesMax') + 5; count++) analysis.add(frame);
    const capture = analysis.finish(undefined);
    expect(capture.problems).toMatchObject([
      { check: 'left-out', detail: '5 messages are not shown' },
    ]);
    expect(capture.machines[0]?.boots[0]?.entries).toHaveLength(limit('captureEntriesMax'));
  });

  it('reads what is committed of real clients without a fault', async () => {
    for (const name of ['bios', 'efipxe', 'efihttp', 'proxyefi', 'undi']) {
      const { text: out } = await decode(`test/fixtures/dhcp/${name}.pcap`, {});
      expect(out, name).not.toMatch(/dhcp-malformed|file-damaged/);
      expect(readFileSync(`test/fixtures/dhcp/${name}.pcap`).length).toBeGreaterThan(0);
    }
  });
});
