import dnsPacket from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { COOKIE_BYTES, Cookies } from '../../../src/dns/cookies.ts';
import { decodeMessage, encodeMessage, type Message } from '../../../src/dns/message.ts';
import { compareNames, foldName, formatName, isWithin, parseName } from '../../../src/dns/name.ts';
import { formatRdata } from '../../../src/dns/rdata.ts';
import { parseRdata, splitWords } from '../../../src/dns/rdata-text.ts';
import { SipHash } from '../../../src/dns/siphash.ts';
import { formatType, parseType, serialNewer } from '../../../src/dns/types.ts';
import { exportZone, formatRecord, parseZoneFile } from '../../../src/dns/zone-file.ts';
import { dnsName, recordsFrom, zoneFrom } from '../../support/dns.ts';
import { spentMs } from '../../support/spent.ts';

const ZONE = `
$TTL 1h30m
@   SOA ns1 root 7 3600 600 86400 120
@ NS ns1
a A 10.0.0.1
a6 AAAA 2001:db8::ffff:1
v4 AAAA ::ffff:1.2.3.4
c CNAME a
mx MX 10 a
_x._tcp 60 IN SRV 0 5 443 a
t TXT "two words" plain "quo\\"te" "\\255"
h HINFO "RFC8482" ""
n NAPTR 100 10 "u" "E2U" "!^.*$!x!" .
caa CAA 0 issue "ca.example"
ssh SSHFP 4 2 aabbccdd
tlsa TLSA 3 1 1 00112233
ds DS 12345 13 2 aabb
key DNSKEY 257 3 13 AQID
u TYPE65280 \\# 3 010203
we\\.ird\\032name A 10.0.0.2
par ( TXT "a"   ; comment
      "b" )
`;

describe('names', () => {
  it.each(['www.example.', '.', 'a\\.b.example.', '\\000\\255.x.', '*.w.'])('%s', (text) => {
    const name = parseName(text);
    expect(name && formatName(name)).toBe(text);
  });
  it.each(['', 'a..b.', '.a.', 'a b.', `${'x'.repeat(64)}.`, 'a\\25.', '\\256.', 'relative'])(
    'refuses %j',
    (text) => expect(parseName(text)).toBeUndefined(),
  );
  it('limits the whole to 255 octets', () => {
    const label = 'x'.repeat(49);
    expect(parseName(`${label}.${label}.${label}.${label}.${label}.`)).toBeDefined();
    expect(parseName(`${label}.${label}.${label}.${label}.${label}.${label}.`)).toBeUndefined();
  });
  it('folds ASCII only', () => expect(foldName('\x03A\xc4z\0')).toBe('\x03a\xc4z\0'));
  it('is within at label borders only', () => {
    expect(isWithin(dnsName('a.b.test'), dnsName('b.test'))).toBe(true);
    expect(isWithin(dnsName('ab.test'), dnsName('b.test'))).toBe(false);
    expect(isWithin(dnsName('b.test'), dnsName('b.test'))).toBe(true);
    // A label that ends in the octets of another zone's name.
    expect(isWithin(parseName('x\\001b.test.') ?? dnsName('.'), dnsName('b.test'))).toBe(false);
  });
  it('sorts canonically (the example of RFC 4034 section 6.1)', () => {
    const sorted = [
      ...['example.', 'a.example.', 'yljkjljk.a.example.', 'z.a.example.', 'zabc.a.example.'],
      ...['z.example.', '\\001.z.example.', '*.z.example.', '\\200.z.example.'],
    ];
    const names = sorted.map((text) => dnsName(text));
    expect([...names].reverse().sort(compareNames)).toEqual(names);
  });
});

describe('serials (RFC 1982)', () => {
  it.each([
    [1, 0, true],
    [0, 1, false],
    [0, 0xffffffff, true],
    [44, 44, false],
    [100, 0xffffff00, true],
    [0x80000000, 0, false],
  ])('%i newer than %i: %s', (a, b, newer) => expect(serialNewer(a, b)).toBe(newer));
});

describe('rdata and zone files', () => {
  const records = recordsFrom('z.test', ZONE);
  it('every type survives text -> octets -> text', () => {
    expect(records.length).toBe(19);
    for (const record of records) {
      const words = splitWords(formatRdata(record.type, record.rdata)) ?? [];
      expect(parseRdata(record.type, words), formatRecord(record)).toBe(record.rdata);
    }
  });
  it('an export reads back as the same zone', () => {
    const text = exportZone(zoneFrom('z.test', ZONE));
    expect(exportZone(zoneFrom('z.test', text))).toBe(text);
    expect(text.split('\n')[0]).toMatch(/^z\.test\.\t3600\tIN\tSOA\t/);
    expect(text).toContain('a6.z.test.\t5400\tIN\tAAAA\t2001:db8::ffff:1');
  });
  it('every type survives text -> message -> text, names compressed where that is legal', () => {
    for (const { name, type, ttl, rdata } of records) {
      const message: Message = {
        ...{ id: 1, flags: 0x8400, questions: [{ name, type, class: 1 }] },
        answers: [{ name, type, class: 1, ttl, rdata }],
        ...{ authority: [], additional: [] },
      };
      const bytes = encodeMessage(message);
      const decoded = bytes && decodeMessage(bytes);
      expect(decoded?.ok && decoded.value.answers).toEqual(message.answers);
    }
  });
  it('a foreign codec reads the same', () => {
    const pick = (type: string) => {
      const record = records.find((candidate) => formatType(candidate.type) === type);
      if (!record) throw new Error(type);
      return { ...record, class: 1 };
    };
    const answers = ['A', 'AAAA', 'MX', 'SRV', 'CAA', 'SOA', 'HINFO'].map(pick);
    const bytes = encodeMessage({
      id: 9,
      flags: 0x8400,
      questions: [],
      answers,
      authority: [],
      additional: [],
    });
    const foreign = dnsPacket.decode(Buffer.from(bytes ?? []));
    expect(
      foreign.answers?.map((answer) => [answer.type, 'data' in answer && answer.data]),
    ).toEqual([
      ['A', '10.0.0.1'],
      ['AAAA', '2001:db8::ffff:1'],
      ['MX', { preference: 10, exchange: 'a.z.test' }],
      ['SRV', { priority: 0, weight: 5, port: 443, target: 'a.z.test' }],
      ['CAA', expect.objectContaining({ tag: 'issue', value: 'ca.example' })],
      ['SOA', expect.objectContaining({ mname: 'ns1.z.test', rname: 'root.z.test', serial: 7 })],
      ['HINFO', expect.anything()],
    ]);
    // SRV targets are never compressed (RFC 2782): the name stands there whole.
    expect(Buffer.from(bytes ?? []).toString('latin1')).toContain('\x01\xbb\x01a\x01z\x04test\0');
  });
  it.each([
    ['a A 10.0.0.256', 'the data of this A'],
    ['a A 10.0.0.1 10.0.0.2', 'the data of this A'],
    ['a.other. A 10.0.0.1', 'outside'],
    ['a TYPE41 \\# 0', 'no type'],
    ['a TXT "open', 'quote'],
    ['$INCLUDE /etc/passwd', 'not supported'],
    ['a CNAME "b"', 'the data of this CNAME'],
    ['a TXT (', 'quote'],
    ['a AAAA 1::2::3', 'the data of this AAAA'],
  ])('refuses %s', (line, why) => {
    const parsed = parseZoneFile(`$TTL 60\n${line}\n`, dnsName('z.test'));
    expect(parsed).toMatchObject({ ok: false, line: 2, why: expect.stringContaining(why) });
  });
  it('types without a name', () => {
    expect(parseType('type65280')).toBe(65_280);
    expect(formatType(65_280)).toBe('TYPE65280');
    expect(parseType('TYPE65536')).toBeUndefined();
  });
});

describe('hostile messages', () => {
  const header = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
  it.each([
    ['a pointer to itself', [...header, 0xc0, 12, 0, 1, 0, 1]],
    ['a pointer forwards', [...header, 0xc0, 14, 0, 0, 1, 0, 1]],
    ['a reserved label type', [...header, 0x80, 0, 0, 1, 0, 1]],
    ['a question cut short', [...header, 0, 0, 1]],
    ['a record that is not there', [0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]],
    ['octets behind the end', [...header, 0, 0, 1, 0, 1, 9]],
  ])('%s', (_name, bytes) => expect(decodeMessage(Uint8Array.from(bytes)).ok).toBe(false));

  it('a ladder of pointers through 64 KB costs little and is refused', () => {
    const bytes = new Uint8Array(65_535);
    bytes.set([0, 1, 0, 0, 0x40, 0]);
    for (let at = 12; at + 6 <= bytes.length && at < 16_384; at += 6) {
      const target = at === 12 ? 0 : at - 6;
      bytes.set([0xc0 | (target >> 8), target & 255, 0, 1, 0, 1], at);
    }
    const took = spentMs(() => expect(decodeMessage(bytes).ok).toBe(false));
    expect(took).toBeLessThan(50);
  });
});

describe('cookies', () => {
  it("SipHash-2-4 gives its authors' test vectors", () => {
    const key = Uint8Array.from({ length: 16 }, (_, i) => i);
    const vectors: [number, string][] = [
      [0, '310e0edd47db6f72'],
      [1, 'fd67dc93c539f874'],
      [7, '37d1018bf50002ab'],
      [8, '6224939a79f5f593'],
      [15, 'e545be4961ca29a1'],
      [63, '724506eb4c328a95'],
    ];
    for (const [length, expected] of vectors) {
      const out = new Uint8Array(8);
      new SipHash(key).digest(
        Uint8Array.from({ length: 64 }, (_, i) => i),
        0,
        length,
        out,
        0,
      );
      expect(Buffer.from(out).toString('hex'), `${length} octets`).toBe(expected);
    }
  });
  /** RFC 9018 appendix A.1: secret, client, time and cookie of the first example. */
  it('gives the cookie of RFC 9018', () => {
    const cookies = new Cookies(Buffer.from('e5e973e5a6b2a43f48e7dc849e37bfcf', 'hex'));
    const out = new Uint8Array(COOKIE_BYTES);
    const client = {
      bytes: Buffer.from('2464c4abcf10c957', 'hex'),
      ...{ cookieAt: 0, address: Uint8Array.of(198, 51, 100, 100), nowSeconds: 1_559_731_985 },
    };
    cookies.write(client, out, 0);
    expect(Buffer.from(out).toString('hex')).toBe(
      '2464c4abcf10c957010000005cf79f111f8130c3eee29480',
    );
    const back = { ...client, bytes: out };
    expect(cookies.valid(back)).toBe(true);
    expect(cookies.valid({ ...back, nowSeconds: client.nowSeconds + 3601 })).toBe(false);
    expect(cookies.valid({ ...back, nowSeconds: client.nowSeconds - 301 })).toBe(false);
    expect(cookies.valid({ ...back, address: Uint8Array.of(198, 51, 100, 101) })).toBe(false);
  });
});
