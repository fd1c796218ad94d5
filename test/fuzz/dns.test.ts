/**
 * Mutates good DNS messages and feeds them to the codec and to the responder. Nothing may throw, every reply must be a
 * message that decodes, and none may be larger than its client can take. FUZZ_RUNS sets the count.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ImageReader } from '../../src/dns/image.ts';
import { decodeMessage, encodeMessage } from '../../src/dns/message.ts';
import { Responder } from '../../src/dns/respond.ts';
import { parseZoneFile } from '../../src/dns/zone-file.ts';
import { ZoneImage } from '../../src/dns/zone-image.ts';
import { asker, dnsName, question, SETTINGS, zoneFrom, zonesOf } from '../support/dns.ts';
import { mutate, random } from '../support/mutate.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_121);
const text = readFileSync('test/fixtures/dns/edge.zone', 'utf8');
const seeds = [
  question('www.t.test A'),
  question('wWw.t.test A', { edns: { options: '\0\x0a\0\x0812345678' } }),
  question('big.t.test TXT', { edns: { size: 4096, flags: 0x8000 } }),
  question('x.dn.t.test A'),
  question('h.sub.t.test A', { edns: {} }),
  question('a.foo.wild.t.test ANY'),
  question('t.test IXFR'),
];

describe('hostile DNS', () => {
  it(`${RUNS} mutated questions`, () => {
    const pick = random(SEED);
    const image = new ImageReader(new ZoneImage(zonesOf(zoneFrom('t.test', text))).writer.buffer);
    const responder = new Responder(image, SETTINGS);
    const reply = { bytes: new Uint8Array(65_535), at: 0 };
    let answered = 0;
    for (let run = 0; run < RUNS; run++) {
      const bytes = mutate(seeds[pick(seeds.length)] ?? new Uint8Array(), pick);
      const who = asker(pick(4) === 0 ? 'tcp' : 'udp');
      const length = responder.respond({ bytes, from: 0, to: bytes.length }, reply, who);
      if (length <= 0) continue;
      answered += 1;
      expect(length).toBeLessThanOrEqual(who.transport === 'udp' ? 1232 : 65_535);
      const decoded = decodeMessage(reply.bytes.slice(0, length));
      expect(decoded.ok, Buffer.from(bytes).toString('hex')).toBe(true);
    }
    expect(answered).toBeGreaterThan(RUNS / 4);
  });

  it(`${RUNS} mutated messages decode, encode and decode to the same, or are refused`, () => {
    const pick = random(SEED + 1);
    const image = new ImageReader(new ZoneImage(zonesOf(zoneFrom('t.test', text))).writer.buffer);
    const responder = new Responder(image, SETTINGS);
    const replies = seeds.slice(0, 6).map((bytes) => {
      const reply = { bytes: new Uint8Array(65_535), at: 0 };
      const length = responder.respond({ bytes, from: 0, to: bytes.length }, reply, asker('tcp'));
      return reply.bytes.slice(0, length);
    });
    let accepted = 0;
    for (let run = 0; run < RUNS; run++) {
      const bytes = mutate(replies[pick(replies.length)] ?? new Uint8Array(), pick);
      const decoded = decodeMessage(bytes);
      if (!decoded.ok) {
        expect(decoded.at).toBeLessThanOrEqual(bytes.length);
        continue;
      }
      accepted += 1;
      const encoded = encodeMessage(decoded.value);
      const again = encoded && decodeMessage(encoded);
      expect(again?.ok).toBe(true);
      if (!again?.ok) continue;
      const { lastRecordAt: _, ...before } = decoded.value;
      const { lastRecordAt: __, ...after } = again.value;
      expect(after).toEqual(before);
    }
    expect(accepted).toBeGreaterThan(RUNS / 50);
  });

  it(`${RUNS} mutated zone files are read or refused with a line`, () => {
    const pick = random(SEED + 2);
    const good = new TextEncoder().encode(text.slice(0, 700));
    let refused = 0;
    for (let run = 0; run < RUNS / 10; run++) {
      const mutated = Buffer.from(mutate(good, pick)).toString('latin1');
      const parsed = parseZoneFile(mutated, dnsName('t.test'));
      if (parsed.ok) continue;
      refused += 1;
      expect(parsed.line).toBeGreaterThan(0);
      expect(parsed.why.length).toBeGreaterThan(3);
    }
    expect(refused).toBeGreaterThan(0);
  });
});
