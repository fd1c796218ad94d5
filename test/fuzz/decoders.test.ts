/**
 * Mutates real packets and a good report, and feeds them through the whole path behind each decoder. Nothing may throw,
 * and nothing may grow: FUZZ_RUNS sets the count of each (20,000 by default, a million on demand).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createAnalysis } from '../../src/capture/analysis.ts';
import { createCaptureReader } from '../../src/capture/pcap.ts';
import { captureJson } from '../../src/cli/decode-json.ts';
import { captureText } from '../../src/cli/decode-text.ts';
import { describePacket } from '../../src/dhcp/describe.ts';
import { createIntake } from '../../src/dhcp/intake.ts';
import { decodePacket, encodePacket, replyBytesMax } from '../../src/dhcp/packet.ts';
import { destinationOf, linkOf } from '../../src/dhcp/reply-to.ts';
import { respond } from '../../src/dhcp/respond.ts';
import { admitSenders } from '../../src/dhcp/senders.ts';
import { diagnose } from '../../src/diagnose/diagnose.ts';
import { flightsOf } from '../../src/diagnose/from-capture.ts';
import { parseReport } from '../../src/inventory/report.ts';
import { cleanFileName } from '../../src/tftp/file-name.ts';
import { negotiate } from '../../src/tftp/negotiate.ts';
import {
  decodeTftp,
  encodeAck,
  encodeError,
  encodeOack,
  encodeRequest,
  OPCODE,
} from '../../src/tftp/packet.ts';
import { decodeEchoReply } from '../../src/wire/icmp-echo.ts';
import type { Ipv4 } from '../../src/wire/ipv4.ts';
import type { Millis } from '../../src/wire/time.ts';
import { UDP_HEADERS_BYTES, writeUdpPacket } from '../../src/wire/udp-packet.ts';
import { mutate, random } from '../support/mutate.ts';
import { udpDatagrams } from '../support/pcap.ts';
import { bytesOf, report } from '../support/reports.ts';
import { createWorld } from '../support/world.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_121);

const packets = readdirSync('test/fixtures/dhcp')
  .filter((name) => name.endsWith('.pcap'))
  .flatMap((name) => udpDatagrams(`test/fixtures/dhcp/${name}`))
  .filter(({ destinationPort }) => destinationPort === 67 || destinationPort === 68)
  .map(({ payload }) => payload);

/** One interface; a relayed hall and several subnets on a wire; a proxy; BMCs. */
const DHCP_SITES = [
  '',
  `dhcp:
  segments:
    - { options: { routes: [{ to: 10.0.0.0/8, via: 10.77.0.9 }], raw: [{ code: 224, text: ${'x'.repeat(500)}, always: true }] } }
    - { name: b, address: 10.78.0.1, cidr: 10.78.0.0/24, pools: [] }
    - { name: hall, relayed: true, address: 10.77.0.1, cidr: 10.9.0.0/24, pools: [{ first: 10.9.0.9, last: 10.9.0.99 }] }`,
  'dhcp: { segments: [{ mode: proxy }] }',
  'dhcp: { segments: [{ kind: out-of-band }] }',
];

const PORTS = { server: 67, client: 68 };

describe('hostile bytes', () => {
  it(`DHCP: ${RUNS} mutated packets go through decode, rules and encode, to their frame`, () => {
    const pick = random(SEED);
    const worlds = DHCP_SITES.map((yaml) => createWorld(undefined, yaml));
    const frame = new Uint8Array(1500);
    let [decodedCount, linked] = [0, 0];
    for (let run = 0; run < RUNS; run++) {
      const bytes = mutate(packets[pick(packets.length)] ?? new Uint8Array(), pick);
      const packet = decodePacket(bytes);
      if (!packet.ok) {
        expect(packet.at).toBeLessThanOrEqual(bytes.length);
        continue;
      }
      decodedCount += 1;
      describePacket(packet.value);
      const world = worlds[pick(worlds.length)];
      if (!world) throw new Error('no world');
      const via = pick(4) === 0 ? ('proxy' as const) : undefined;
      // Some as if through a relay, with its option.
      const giaddr = [0, 0x0a090001, 0x0a4d00fe][pick(3)] as Ipv4;
      const options = new Map(packet.value.options);
      if (giaddr !== 0) {
        options.set(
          82,
          mutate(Uint8Array.of(1, 2, 7, 7, 5, 4, 10, 9, 0, 0, 11, 4, 10, 9, 0, 1), pick),
        );
      }
      const asked = { ...packet.value, giaddr, options };
      world.inventory.rehearse(() => {
        const request = { packet: asked, iface: 'prov0', via };
        const outcome = respond(request, world.view, world.clock());
        if (outcome.kind === 'reply') {
          const reply = encodePacket(outcome.reply, replyBytesMax(asked));
          expect(reply.length).toBeGreaterThanOrEqual(300);
          expect(reply.length).toBeLessThanOrEqual(1472);
          expect(decodePacket(reply).ok).toBe(true);
          const link = linkOf(asked, outcome.reply, destinationOf(asked, outcome, PORTS));
          if (!link) return;
          linked += 1;
          const ends = { ...link, sourcePort: PORTS.server, destinationPort: PORTS.client };
          expect(writeUdpPacket(frame, ends, reply)).toBe(UDP_HEADERS_BYTES + reply.length);
        }
      });
    }
    expect(decodedCount).toBeGreaterThan(RUNS / 20);
    expect(linked).toBeGreaterThan(0);
    for (const world of worlds) expect(world.inventory.leases.count()).toBe(0);
  });

  it(`DHCP's queue: ${RUNS} mutated packets come out as they went in, or are shed and counted`, () => {
    const pick = random(SEED + 4);
    let shed = 0;
    const intake = createIntake<string>(() => {
      shed += 1;
    });
    let seconds = 0;
    const admit = admitSenders<string>(() => (seconds++ * 1000) as Millis);
    const source = { address: '10.77.0.9', port: 68 };
    let taken = 0;
    for (let run = 0; run < RUNS; run++) {
      const bytes = mutate(packets[pick(packets.length)] ?? new Uint8Array(), pick);
      const client = bytes.length < 34 ? undefined : admit(bytes);
      intake.add({ socket: 's', bytes, source, client, at: run as Millis });
      if (pick(40) === 0) taken += intake.take(64, run as Millis).length;
    }
    expect(taken + shed + intake.size()).toBe(RUNS);
  });

  it(`ICMP: ${RUNS} mutated echo replies`, () => {
    const pick = random(SEED + 5);
    const hex = '450000241234400040010000' + '0a09001e0a000001' + '00000000abcd00016865';
    const reply = Uint8Array.from(Buffer.from(hex, 'hex'));
    const asked = { identifier: 0xabcd, data: reply.slice(28) };
    let answers = 0;
    for (let run = 0; run < RUNS; run++) {
      if (decodeEchoReply(mutate(reply, pick), asked) !== undefined) answers += 1;
    }
    expect(answers).toBeGreaterThan(0);
    expect(answers).toBeLessThan(RUNS);
  });

  it(`TFTP: ${RUNS} mutated packets`, () => {
    const pick = random(SEED + 1);
    const options = new Map([
      ['blksize', '1468'],
      ['tsize', '0'],
      ['windowsize', '4'],
    ]);
    const seeds = [
      encodeRequest({ opcode: OPCODE.rrq, file: 'undionly.kpxe', mode: 'octet', options }),
      encodeAck(7),
      encodeError(8, 'User aborted the transfer'),
      encodeOack(options),
    ];
    for (let run = 0; run < RUNS; run++) {
      const packet = decodeTftp(mutate(seeds[pick(seeds.length)] ?? new Uint8Array(), pick));
      if (!packet.ok || packet.value.opcode !== OPCODE.rrq) continue;
      const terms = negotiate(packet.value.options, 1000);
      expect(terms.blksizeBytes).toBeGreaterThanOrEqual(8);
      expect(terms.blksizeBytes).toBeLessThanOrEqual(1468);
      expect(cleanFileName(packet.value.file) ?? '').not.toMatch(/(^|\/)\.\.(\/|$)/);
    }
  });

  it(`captures: ${RUNS / 20} mutated files and ${RUNS} mutated frames`, () => {
    const pick = random(SEED + 3);
    const files = ['dhcp/efihttp.pcap', 'dhcp/proxyefi.pcap', 'pcap/tools/tshark.pcapng'].map(
      (name) => Uint8Array.from(readFileSync(`test/fixtures/${name}`).subarray(0, 16_384)),
    );
    const read = (file: Uint8Array) => {
      const reader = createCaptureReader();
      const frames = reader.push(file);
      return { frames, fault: reader.finish() };
    };
    let [damaged, decodedCount] = [0, 0];
    for (let run = 0; run < RUNS / 20; run++) {
      const { frames, fault } = read(mutate(files[pick(files.length)] ?? new Uint8Array(), pick));
      if (fault) damaged += 1;
      const analysis = createAnalysis();
      for (const frame of frames) {
        const bytes = mutate(frame.bytes, pick);
        const linkType = pick(4) === 0 ? ([113, 276, 101, 0][pick(4)] ?? 1) : frame.linkType;
        analysis.add({ ...frame, bytes, linkType });
      }
      const capture = analysis.finish(fault);
      decodedCount += capture.dhcpMessages + capture.tftpTransfers;
      for (const flight of flightsOf(capture)) diagnose(flight, true);
      const json = captureJson('x', capture);
      JSON.parse(json);
      for (const shown of [captureText(capture, false), json])
        expect(shown).not.toMatch(/[^\n -~…]/);
    }
    expect(damaged).toBeGreaterThan(0);
    expect(decodedCount).toBeGreaterThan(RUNS / 20);
  });

  it(`recon report: ${RUNS} mutated reports`, () => {
    const pick = random(SEED + 2);
    const good = bytesOf(report());
    let accepted = 0;
    for (let run = 0; run < RUNS; run++) {
      const parsed = parseReport(mutate(good, pick));
      if (parsed.ok) {
        accepted += 1;
        // What was accepted is in its final form: parsing it again changes nothing.
        expect(parseReport(bytesOf(parsed.report))).toEqual(parsed);
      } else expect(parsed.path).toMatch(/^(\/|$)/);
    }
    expect(accepted).toBeGreaterThan(0);
    expect(accepted).toBeLessThan(RUNS);
  });
});
