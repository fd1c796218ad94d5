/**
 * Every parser of text: what people type and upload, what other programs print, and the words that all of these are made of. Each is
 * fed with mutated good examples. What comes out is a value, `undefined`, or the refusal that its comment names: never another
 * error, and nothing that takes long. FUZZ_RUNS sets the count.
 */
import { describe, expect, it } from 'vitest';
import { parseTokenPath, type TokenPath } from '../../src/boot/token-path.ts';
import { parseConfig } from '../../src/config.ts';
import { parseHex } from '../../src/dhcp/option-values.ts';
import { nameOf, parseName } from '../../src/dns/name.ts';
import { parseIpv6 } from '../../src/dns/rdata.ts';
import { parseRdata, splitWords } from '../../src/dns/rdata-text.ts';
import { parseAddress, parseNetwork } from '../../src/dns/reverse.ts';
import { parseType, TYPE } from '../../src/dns/types.ts';
import { parseTtl } from '../../src/dns/zone-file.ts';
import { AppError } from '../../src/errors.ts';
import { parseBody } from '../../src/http/machine/body.ts';
import { parseHttpDate, parseRange } from '../../src/http/machine/preconditions.ts';
import { parseCsv } from '../../src/http/people/csv.ts';
import { parseKey, signerOf } from '../../src/images/signature.ts';
import { parseImageTemplate, parseTemplate, renderTemplate } from '../../src/images/template.ts';
import { parseShortRule } from '../../src/install/disk-rule.ts';
import { seenSchema } from '../../src/install/seen.ts';
import { parseCursor } from '../../src/inventory/feed-epoch.ts';
import { parseMoment } from '../../src/inventory/past.ts';
import { parseKeyText } from '../../src/ipmi/key-text.ts';
import { parseNeighbours } from '../../src/platform/probe.ts';
import { parseSockets } from '../../src/platform/socket-holders.ts';
import { formatHardware, parseHardware } from '../../src/provisioning/hardware-text.ts';
import { parseBootToken } from '../../src/wire/ids.ts';
import { formatImageRef, parseImageRef } from '../../src/wire/image-ref.ts';
import { formatCidr, formatIpv4, parseCidr, parseIpv4 } from '../../src/wire/ipv4.ts';
import { parseMac } from '../../src/wire/mac.ts';
import { mutate, random } from '../support/mutate.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_121);

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'));
const plain = (error: Error) => Object.getPrototypeOf(error) === Error.prototype;
const ours = (error: Error) => error instanceof AppError;
/** Cheaper than an assertion where it holds, as it does a million times. */
function must(holds: boolean, what: unknown): void {
  if (!holds) expect.fail(String(what));
}
/** What a parser gives back, written again and read again. */
function stable<T>(
  value: T | undefined,
  format: (value: T) => string,
  parse: (text: string) => T | undefined,
) {
  if (value !== undefined) expect(parse(format(value))).toEqual(value);
}

const pathText = ({ folder, token, file }: TokenPath) => `/${folder}/${token}/${file}`;

interface Parser {
  readonly name: string;
  readonly good: readonly string[];
  read(text: string): unknown;
  /** The errors that its comment promises; absent: it throws nothing. */
  refuses?(error: Error): boolean;
  /** Of how many runs it gets one, where a schema or a library makes it slow. */
  readonly every?: number;
}

const MINISIGN =
  'untrusted comment: minisign public key\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n';
const PEM =
  '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n';
const ZONE_ORIGIN = nameOf(['t', 'test']);

const PARSERS: readonly Parser[] = [
  {
    name: 'addresses and networks',
    good: ['10.77.0.1', '255.255.255.255', '10.20.0.0/22', '0.0.0.0/0'],
    read(text) {
      stable(parseIpv4(text), formatIpv4, parseIpv4);
      stable(parseCidr(text), formatCidr, parseCidr);
    },
  },
  {
    name: 'MACs and boot tokens',
    good: [
      ...['52:54:00:12:34:56', '52-54-00-12-34-56', '525400123456', 'A'.repeat(32)],
      `/boot/${'A'.repeat(32)}/grub.cfg`,
    ],
    read(text) {
      stable(parseMac(text), String, parseMac);
      stable(parseBootToken(text), String, parseBootToken);
      stable(parseTokenPath(text), pathText, parseTokenPath);
    },
  },
  {
    name: 'names of images',
    good: ['debian-12/stable', 'debian-12@20261121'],
    read: (text) => stable(parseImageRef(text), formatImageRef, parseImageRef),
  },
  {
    name: 'hexadecimal option values',
    good: ['0a:1b:2c', '0A 1B', 'deadbeef'],
    read: (text) => must((parseHex(text)?.length ?? 0) <= text.length, 'more than was written'),
  },
  {
    name: 'names, types, times and addresses of DNS',
    good: [
      'www.t.test.',
      'a\\.b.t.test',
      '\\104ost',
      'TYPE65280',
      'AAAA',
      '1w2d3h',
      '2001:db8::1',
      '10.0.0.0/22',
    ],
    read(text) {
      must((parseName(text, ZONE_ORIGIN)?.length ?? 0) <= 255, 'a name is too long');
      must([undefined, 4, 16].includes(parseAddress(text)?.length), 'no address');
      must([undefined, 16].includes(parseIpv6(text)?.length), 'no IPv6 address');
      for (const number of [parseType(text), parseTtl(text), parseNetwork(text)?.bits])
        must((number ?? 0) >= 0, number);
    },
  },
  {
    name: 'records as people write them',
    good: [
      '10 mail.t.test.',
      '"v=spf1 -all" "more"',
      '\\# 4 0a000001',
      '0 issue "ca.example"',
      '1 1 2 0123abcd',
    ],
    read(text) {
      const words = splitWords(text) ?? [];
      for (const type of Object.values(TYPE)) {
        const length = parseRdata(type, words, ZONE_ORIGIN)?.length ?? 0;
        must(length <= 65_535, `${length} octets of type ${type}`);
      }
    },
  },
  {
    name: 'ranges and dates of HTTP',
    good: [
      'bytes=0-99',
      'bytes=-5',
      'Sun, 06 Nov 1994 08:49:37 GMT',
      'Sunday, 06-Nov-94 08:49:37 GMT',
      'Sun Nov  6 08:49:37 1994',
    ],
    read(text) {
      const range = parseRange(text, 100);
      if (range !== undefined && range !== 'unsatisfiable')
        must(0 <= range.first && range.first <= range.last && range.last < 100, range.last);
      must(!Number.isNaN(parseHttpDate(text)), 'no time');
    },
  },
  {
    name: 'sheets',
    good: ['serial;rack\r\n"SN ""1""";R1\r\n', 'a,b\n\'=1,"x\ny"\n', 'a\tb\n1\t2'],
    read(text) {
      const sheet = parseCsv(text);
      if (sheet.ok) must(sheet.rows.length === sheet.numbers.length, 'rows without a number');
      else must(sheet.line <= text.split('\n').length, sheet.line);
    },
  },
  {
    name: 'hardware in words',
    good: ['2 NVMe >= 1 TB, 256 GB memory', 'type high-io, 32 cores', '1 SSD >= 960GB <= 2TB'],
    read(text) {
      const found = parseHardware(text);
      if (found.ok) expect(parseHardware(formatHardware(found.value))).toEqual(found);
      else must(found.at <= text.length, found.at);
    },
    every: 4,
  },
  {
    name: 'rules for disks',
    good: ['smallest ssd', 'only nvme', 'serial=ABC', 'wwn=0x5000c500a1b2c3d4'],
    read: parseShortRule,
  },
  {
    name: 'templates of installers',
    good: ['d-i x string {{ hostname }}\nurl {{ installedUrl | url }}\n{{ metadata.rack | json }}'],
    read(text) {
      const parts = parseTemplate('preseed', text);
      const values = { hostname: 'db1', installedUrl: 'http://10.77.0.1/x', 'metadata.rack': 'R1' };
      renderTemplate(parts, values);
      parseImageTemplate('kickstart', `${text}{{ phoneHomeUrl }}`);
    },
    refuses: plain,
  },
  {
    name: 'keys and signatures of images',
    good: [MINISIGN, PEM],
    read: (text) => parseKey('k', text),
    refuses: (error) => plain(error) || 'code' in error,
    every: 4,
  },
  {
    name: 'signatures of images',
    good: [
      `untrusted comment: x\n${'RWQf'.repeat(25)}\ntrusted comment: y\n${'AAAA'.repeat(22)}\n`,
    ],
    read: (text) => expect(signerOf('manifest', text, [parseKey('k', MINISIGN)])).toBeUndefined(),
    every: 4,
  },
  {
    name: 'disks that an agent sees',
    good: [
      '{"bootMode":"uefi","disks":[{"name":"sda","serial":"S","model":"M","sizeBytes":1000}]}',
      '{"bootMode":"bios","disks":[]}',
    ],
    read: (text) => parseBody(seenSchema, Buffer.from(text, 'latin1')),
    refuses: ours,
    every: 4,
  },
  {
    name: 'configuration',
    good: [
      'site: lab\ndhcp:\n  segments:\n    - { name: a, pools: [{ first: 10.77.0.5, last: 10.77.0.9 }] }\n',
      'boot:\n  machines:\n    - { hardwarename: X1, binaries: { uefiX64: ipxe.efi } }\n',
    ],
    read: parseConfig,
    refuses: ours,
    every: 100,
  },
  {
    name: 'cursors, moments and keys of BMCs',
    good: ['1234.0a1b2c', '2026-01-31T03:12Z', '1700000000000', `0x${'0a'.repeat(20)}`],
    read(text) {
      must((parseCursor(text)?.id ?? 0) >= 0, 'no cursor');
      must(!Number.isNaN(parseMoment(text)), 'no moment');
      parseKeyText(text);
    },
  },
  {
    name: 'tables of the kernel',
    good: [
      'IP address HW type Flags HW address Mask Device\n10.77.0.20 0x1 0x2 52:54:00:99:00:01 * prov0\n',
      '  sl  local_address rem_address st\n 1: 0100007F:0045 00000000:0000 07 0:0 0:0 0 0 0 4711 2\n',
      '\n 1: 0000000000000000FFFF00000100007F:0045 00000000:0000 07 0:0 0:0 0 0 0 4711 2\n',
    ],
    read(text) {
      parseNeighbours(text, 'prov0');
      parseSockets(text, 'udp');
    },
  },
];

describe('hostile text', () => {
  it.each(PARSERS)('$name', ({ good, read, refuses, every = 1 }) => {
    const pick = random(SEED);
    const seeds = good.map(bytes);
    for (const text of good) read(text);
    for (let run = 0; run < RUNS / every; run++) {
      const text = Buffer.from(mutate(seeds[pick(seeds.length)] ?? bytes(''), pick));
      try {
        read(text.toString(pick(2) === 0 ? 'latin1' : 'utf8'));
      } catch (error) {
        if (!(error instanceof Error) || refuses?.(error) !== true) throw error;
      }
    }
  });
});
