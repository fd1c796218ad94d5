import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ImageReader } from '../../../src/dns/image.ts';
import { decodeMessage } from '../../../src/dns/message.ts';
import { RateLimiter } from '../../../src/dns/rate-limit.ts';
import { Responder } from '../../../src/dns/respond.ts';
import { ZoneImage } from '../../../src/dns/zone-image.ts';
import { changeZone, nodeOf } from '../../../src/dns/zones.ts';
import {
  answersOf,
  ask,
  asker,
  askRaw,
  describeReply,
  dnsName,
  question,
  recordsFrom,
  SETTINGS,
  zoneFrom,
  zonesOf,
} from '../../support/dns.ts';

const zones = zonesOf(zoneFrom('t.test', readFileSync('test/fixtures/dns/edge.zone', 'utf8')));
const SOA = 'AU:t.test./SOA/120';

/** What Knot 3.2 and NSD 4.6 answer to the same zone; where they differ, Knot's minimal form. */
describe('answers of the edge zone', () => {
  it.each([
    ['wWw.t.TEST A', 'NOERROR aa q=wWw.t.TEST. AN:wWw.t.TEST./A/300'],
    ['www.t.test TXT', `NOERROR aa q=www.t.test. ${SOA}`],
    ['nope.t.test A', `NXDOMAIN aa q=nope.t.test. ${SOA}`],
    ['b.ent.t.test A', `NOERROR aa q=b.ent.t.test. ${SOA}`],
    ['z.ent.t.test A', `NXDOMAIN aa q=z.ent.t.test. ${SOA}`],
    [
      'alias.t.test A',
      'NOERROR aa q=alias.t.test. AN:alias.t.test./CNAME/300 AN:www.t.test./A/300',
    ],
    ['alias.t.test CNAME', 'NOERROR aa q=alias.t.test. AN:alias.t.test./CNAME/300'],
    ['dangling.t.test A', `NXDOMAIN aa q=dangling.t.test. AN:dangling.t.test./CNAME/300 ${SOA}`],
    ['ext.t.test A', 'NOERROR aa q=ext.t.test. AN:ext.t.test./CNAME/300'],
    ['foo.wild.t.test A', 'NOERROR aa q=foo.wild.t.test. AN:foo.wild.t.test./A/300'],
    ['a.foo.wild.t.test A', 'NOERROR aa q=a.foo.wild.t.test. AN:a.foo.wild.t.test./A/300'],
    ['foo.wild.t.test MX', `NOERROR aa q=foo.wild.t.test. ${SOA}`],
    ['real.wild.t.test TXT', `NOERROR aa q=real.wild.t.test. ${SOA}`],
    ['x.real.wild.t.test A', `NXDOMAIN aa q=x.real.wild.t.test. ${SOA}`],
    ...['h.sub.t.test A', 'sub.t.test NS', 'ns.sub.t.test A'].map((text) => [
      text,
      `NOERROR q=${text.split(' ')[0]}. AU:sub.t.test./NS/300 AU:sub.t.test./NS/300 AD:ns.sub.t.test./A/300`,
    ]),
    ['sub.t.test DS', `NOERROR aa q=sub.t.test. ${SOA}`],
    [
      't.test NS',
      'NOERROR aa q=t.test. AN:t.test./NS/300 AN:t.test./NS/300 AD:ns1.t.test./A/300 AD:ns2.t.test./A/300',
    ],
    ['t.test SOA', 'NOERROR aa q=t.test. AN:t.test./SOA/3600'],
    ['www.other.test A', 'REFUSED q=www.other.test.'],
    ['. NS', 'REFUSED q=.'],
    ['www.t.test ANY', 'NOERROR aa q=www.t.test. AN:www.t.test./A/300'],
    [
      'x.dn.t.test A',
      'NOERROR aa q=x.dn.t.test. AN:dn.t.test./DNAME/300 AN:x.dn.t.test./CNAME/300 AN:x.www2.t.test./A/300',
    ],
    ['www.t.test OPT', `NOERROR aa q=www.t.test. ${SOA}`],
    ['www.t.test RRSIG', `NOERROR aa q=www.t.test. ${SOA}`],
    ['www.t.test TYPE65280', `NOERROR aa q=www.t.test. ${SOA}`],
    ['big.t.test TXT', 'NOERROR aa tc q=big.t.test.'],
  ])('%s', (text, expected) => expect(ask(zones, text)).toBe(expected));

  it('classes: ANY is IN, CHAOS only what is configured, the rest refused', () => {
    expect(ask(zones, 'www.t.test A', { class: 255 })).toContain('AN:www.t.test./A/300');
    expect(ask(zones, 'www.t.test A', { class: 3 })).toBe('REFUSED q=www.t.test.');
    expect(ask(zones, 'www.t.test A', { class: 42 })).toBe('REFUSED q=www.t.test.');
    expect(ask(zones, 'version.bind TXT', { class: 3 })).toBe('REFUSED q=version.bind.');
    const settings = { cookieSecret: new Uint8Array(16), version: 'Reveille' };
    const reply = askRaw(zones, question('version.bind TXT', { class: 3 }), { settings });
    expect(answersOf(reply)).toEqual(['"Reveille"']);
  });

  it('echoes RD, and never says that recursion is available', () =>
    expect(ask(zones, 'www.t.test A', { flags: 0x0100 })).toBe(
      'NOERROR aa rd q=www.t.test. AN:www.t.test./A/300',
    ));
});

describe('EDNS', () => {
  const answer = 'q=www.t.test. AN:www.t.test./A/300';
  it.each([
    ['plain', {}, `NOERROR aa ${answer} OPT(1232,0,0)`],
    ['DO is echoed', { flags: 0x8000 }, `NOERROR aa ${answer} OPT(1232,8000,0)`],
    ['unknown flags are cleared', { flags: 0x4fff }, `NOERROR aa ${answer} OPT(1232,0,0)`],
    ['version 1', { version: 1 }, 'BADVERS q=www.t.test. OPT(1232,0,0)'],
    ['unknown option', { options: '\0\x64\0\x01x' }, `NOERROR aa ${answer} OPT(1232,0,0)`],
    ['an option cut short', { options: '\0\x64\0\x09x' }, 'FORMERR q=www.t.test.'],
    ['a cookie of 9 octets', { options: '\0\x0a\0\x09123456789' }, 'FORMERR q=www.t.test.'],
    ['a client cookie', { options: '\0\x0a\0\x0812345678' }, `NOERROR aa ${answer} OPT(1232,0,28)`],
  ])('%s', (_name, edns, expected) => expect(ask(zones, 'www.t.test A', { edns })).toBe(expected));

  it('sizes: below 512 is 512, TC keeps OPT, TCP carries all', () => {
    expect(ask(zones, 'big.t.test TXT', { edns: { size: 100 } })).toBe(
      'NOERROR aa tc q=big.t.test. OPT(1232,0,0)',
    );
    expect(ask(zones, 'big.t.test TXT', { edns: { size: 4096 } })).toBe(
      'NOERROR aa q=big.t.test. AN:big.t.test./TXT/300 OPT(1232,0,0)',
    );
    expect(ask(zones, 'big.t.test TXT', { transport: 'tcp' })).toContain('AN:big.t.test./TXT/300');
  });

  it('NSID is given when it is asked for and configured', () => {
    const settings = { cookieSecret: new Uint8Array(16), nsid: 'r1' };
    const edns = { options: '\0\x03\0\0' };
    expect(ask(zones, 'www.t.test A', { edns, settings })).toContain('OPT(1232,0,6)');
    expect(ask(zones, 'www.t.test A', { edns })).toContain('OPT(1232,0,0)');
  });
});

describe('what is not a good question', () => {
  const good = question('www.t.test A');
  const patched = (at: number, ...bytes: number[]) => {
    const copy = Uint8Array.from(good);
    copy.set(bytes, at);
    return copy;
  };
  const header = (rcode: number, opcode = 0) =>
    Uint8Array.of(0x12, 0x34, 0x80 | (opcode << 3), rcode, 0, 0, 0, 0, 0, 0, 0, 0);
  it.each([
    ['a response', patched(2, 0x80), 'drop'],
    ['eight octets', good.slice(0, 8), 'drop'],
    ['nothing', new Uint8Array(), 'drop'],
    ['no question', patched(4, 0, 0), header(1)],
    ['two questions (RFC 9619)', patched(4, 0, 2), header(1)],
    ['a compressed name', patched(12, 0xc0, 12), header(1)],
    ['a label of 64', patched(12, 64), header(1)],
    ['a name without end', good.slice(0, 16), header(1)],
  ] as const)('%s', (_name, bytes, expected) => expect(askRaw(zones, bytes)).toEqual(expected));

  it('opcodes', () => {
    expect(ask(zones, 'www.t.test A', { flags: 1 << 11 })).toBe('NOTIMP q=www.t.test.');
    expect(ask(zones, 'www.t.test A', { flags: 5 << 11 })).toBe('NOTIMP q=www.t.test.');
    expect(ask(zones, 't.test SOA', { flags: 4 << 11 })).toBe('forward');
    expect(ask(zones, 't.test AXFR')).toBe('forward');
  });

  it('octets behind the message, and two OPT', () => {
    expect(describeReply(askRaw(zones, Uint8Array.from([...good, 0])))).toBe(
      'FORMERR q=www.t.test.',
    );
    const opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    const two = Uint8Array.from([...patched(10, 0, 2), ...opt, ...opt]);
    expect(describeReply(askRaw(zones, two))).toBe('FORMERR q=www.t.test.');
  });
});

describe('zones inside zones', () => {
  const parent = zoneFrom(
    'lab.test',
    '$TTL 60\n@ NS ns1\nns1 A 10.0.0.1\nrack NS ns1\nrack DS 1 13 2 aabb\na.b NS ns1\nlong CNAME web.rack\n',
  );
  const child = zoneFrom('rack.lab.test', '$TTL 60\n@ NS ns1.lab.test.\nweb A 10.0.0.2\n');
  const deep = zoneFrom('a.b.lab.test', '$TTL 60\n@ NS ns1.lab.test.\n');
  const all = zonesOf(parent, child, deep);
  it('the child answers at its own name, the parent only for DS', () => {
    expect(ask(all, 'rack.lab.test NS')).toContain(
      'NOERROR aa q=rack.lab.test. AN:rack.lab.test./NS/60',
    );
    expect(ask(all, 'rack.lab.test DS')).toBe(
      'NOERROR aa q=rack.lab.test. AN:rack.lab.test./DS/60',
    );
    expect(ask(all, 'a.b.lab.test DS')).toBe('NOERROR aa q=a.b.lab.test. AU:lab.test./SOA/120');
    expect(ask(all, 'nope.rack.lab.test A')).toContain('AU:rack.lab.test./SOA/120');
    expect(ask(all, 'b.lab.test A')).toBe('NOERROR aa q=b.lab.test. AU:lab.test./SOA/120');
  });
  it('an alias is followed from one of our zones into another', () =>
    expect(ask(all, 'long.lab.test A')).toBe(
      'NOERROR aa q=long.lab.test. AN:long.lab.test./CNAME/60 AN:web.rack.lab.test./A/60',
    ));
  it('an alias of a set that just fits is answered without it over TCP, never by an empty answer', () => {
    const addresses = Array.from({ length: 4090 }, (_, n) => {
      return `big 300 A 10.0.${n >> 8}.${n & 255}`;
    });
    const alias = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}`;
    const text = [...addresses, `${alias} 300 CNAME big`].join('\n');
    const zones = zonesOf(zoneFrom('t.test', text));
    const reply = ask(zones, `${alias}.t.test A`, { transport: 'tcp', edns: {} });
    const whole = ask(zones, 'big.t.test A', { transport: 'tcp', edns: {} });
    expect(whole.match(/AN:/g)).toHaveLength(4090);
    expect(reply.match(/AN:/g)).toHaveLength(1);
    expect(reply).toMatch(/^NOERROR aa q=\S+ AN:\S+\/CNAME\/300 OPT/);
  });
  it('aliases in a circle end', () => {
    const circle = zonesOf(zoneFrom('c.test', '$TTL 60\na CNAME b\nb CNAME a\n'));
    const reply = askRaw(circle, question('a.c.test A'));
    expect(answersOf(reply).length).toBeLessThanOrEqual(12);
  });
});

describe('glue that does not fit sets TC (RFC 9471)', () => {
  const many = Array.from({ length: 13 }, (_, i) => {
    const ns = `a-rather-long-name-of-a-server-${i}.sub`;
    return `sub NS ${ns}\n${ns} A 10.1.0.${i}\n${ns} AAAA fd00::${i + 1}\n`;
  });
  const big = zonesOf(zoneFrom('g.test', `$TTL 60\n${many.join('')}`));
  it('over UDP, not over TCP', () => {
    expect(ask(big, 'x.sub.g.test A')).toBe('NOERROR tc q=x.sub.g.test.');
    const reply = askRaw(big, question('x.sub.g.test A'), { transport: 'tcp' });
    const decoded = decodeMessage(reply as Uint8Array);
    expect(decoded.ok && decoded.value.additional.length).toBe(26);
  });
});

describe('a change in the image', () => {
  it('names come, change and go; what was only on the way goes with them', () => {
    const first = zoneFrom('z.test', '$TTL 60\n@ NS ns\nns A 10.0.0.1\n');
    const image = new ZoneImage(zonesOf(first));
    const step = (zone: typeof first, text: string, names: string[], serial: number) => {
      const records = recordsFrom('z.test', text);
      const changes = new Map(
        names.map((name) => [
          dnsName(name),
          nodeOf(records.filter((record) => record.name === dnsName(name))),
        ]),
      );
      const changed = changeZone(zone, changes, serial);
      image.update(zonesOf(changed.zone), new Set([...changes.keys(), zone.name]));
      return changed.zone;
    };
    const fresh = (zone: typeof first, text: string) => ask(zonesOf(zone), text);
    const second = step(
      first,
      '$TTL 60\nx.deep.er A 10.0.0.2\n*.w A 10.0.0.3\n',
      ['x.deep.er.z.test', '*.w.z.test'],
      8,
    );
    const third = step(second, '$TTL 60\n', ['x.deep.er.z.test', '*.w.z.test'], 9);
    expect(fresh(second, 'deep.er.z.test A')).toContain('NOERROR');
    expect(fresh(second, 'any.w.z.test A')).toContain('AN:any.w.z.test./A/60');
    expect(fresh(third, 'deep.er.z.test A')).toContain('NXDOMAIN');
    for (const [zone, serial] of [[third, 9]] as const) {
      const rebuilt = new ZoneImage(zonesOf(zone));
      for (const name of [
        'x.deep.er.z.test',
        'deep.er.z.test',
        'any.w.z.test',
        'w.z.test',
        'ns.z.test',
      ]) {
        expect(image.writer.has(dnsName(name)), `${name} at ${serial}`).toBe(
          rebuilt.writer.has(dnsName(name)),
        );
      }
    }
  });
});

describe('rate limiting', () => {
  const address = Uint8Array.of(192, 0, 2, 9);
  it('lets the rate through, then every second answer as TC, and forgives in time', () => {
    const limiter = new RateLimiter(5, 1);
    const verdicts = Array.from({ length: 11 }, () => limiter.check(address, 1, 100));
    expect(verdicts.slice(0, 5)).toEqual(Array(5).fill('send'));
    expect(new Set(verdicts.slice(5))).toEqual(new Set(['slip', 'drop']));
    expect(limiter.check(address, 2, 100)).toBe('send');
    expect(limiter.check(Uint8Array.of(192, 0, 2, 200), 1, 100)).not.toBe('send');
    expect(limiter.check(Uint8Array.of(192, 0, 3, 9), 1, 100)).toBe('send');
    expect(limiter.check(address, 1, 110)).toBe('send');
  });
  it('keys that share a bucket gain nothing by taking turns, and which do is nobody else’s to know', () => {
    // Some two of these keys share a bucket, whatever the seed: there are more of them than buckets.
    const limiter = new RateLimiter(1, 1);
    const keys = Array.from({ length: 70_000 }, (_, n) => n);
    const sent = () => keys.filter((key) => limiter.check(address, key, 100) === 'send').length;
    expect(sent()).toBeLessThanOrEqual(65_536);
    expect(sent()).toBe(0);
    const other = new RateLimiter(1, 2);
    const [first, second] = [new RateLimiter(1, 1), other].map((one) =>
      keys.filter((key) => one.check(address, key, 100) !== 'send'),
    );
    expect(first).not.toEqual(second);
  });
  it.each([
    ['what does not exist', (n: number) => `x.nope${n}.t.test`],
    ['what a wildcard stands for', (n: number) => `a${n}.wild.t.test`],
    ['what lies below a delegation', (n: number) => `x.y${n}.sub.t.test`],
    ['what a DNAME makes', (n: number) => `a${n}.dn.t.test`],
  ])('%s is one answer, whatever the name', (_what, name) => {
    const responder = new Responder(new ImageReader(new ZoneImage(zones).writer.buffer), SETTINGS);
    const keyOf = (text: string) => {
      const bytes = question(`${text} A`);
      const reply = { bytes: new Uint8Array(65_535), at: 0 };
      responder.respond({ bytes, from: 0, to: bytes.length }, reply, asker());
      return responder.answerKey();
    };
    expect(new Set([1, 2, 3].map((n) => keyOf(name(n)))).size).toBe(1);
    expect(keyOf(name(1))).not.toBe(keyOf('www.t.test'));
  });
  it('0 is off', () => {
    const limiter = new RateLimiter(0);
    for (let i = 0; i < 1000; i++) expect(limiter.check(address, 1, 1)).toBe('send');
  });
});
