import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canBeSignedAround, justAfter, justBefore } from '../../../src/dns/denial.ts';
import { dnskeyRdata, dsRdata, generateKey, keyTag, readSecret } from '../../../src/dns/dnssec.ts';
import { ImageReader } from '../../../src/dns/image.ts';
import {
  canRoll,
  confirmed,
  type KeyRow,
  nextKeyStep,
  parentKey,
  signingKeys,
} from '../../../src/dns/key-plan.ts';
import { compareNames, type DnsName, isWithin, nameOf, parentOf } from '../../../src/dns/name.ts';
import { formatRdata } from '../../../src/dns/rdata.ts';
import { Responder } from '../../../src/dns/respond.ts';
import { nameOfSortKey, sortKey } from '../../../src/dns/signed-zone.ts';
import { TYPE } from '../../../src/dns/types.ts';
import { ZoneImage, type ZoneSigning } from '../../../src/dns/zone-image.ts';
import { limit } from '../../../src/limits.ts';
import { openSignThread } from '../../../src/nameserver/sign-thread.ts';
import { asker, dnsName, question, SETTINGS, zoneFrom, zonesOf } from '../../support/dns.ts';
import { POLICY, verdicts } from '../../support/dnssec.ts';

const NOW = 1_700_000_000;

describe('keys and digests', () => {
  it('are those of RFC 6605 section 6.1', () => {
    const text =
      'GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==';
    const dnskey = dnskeyRdata('ksk', Buffer.from(text, 'base64').toString('latin1'));
    expect(formatRdata(TYPE.DNSKEY, dnskey)).toBe(`257 3 13 ${text}`);
    expect(keyTag(dnskey)).toBe(55_648);
    expect(formatRdata(TYPE.DS, dsRdata(dnsName('example.net'), dnskey)).toLowerCase()).toBe(
      '55648 13 2 b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17',
    );
  });
});

const ZONE = dnsName('t.test');
const octet = fc.integer({ min: 0, max: 255 });
/** Labels near the edges of the order: zeros, high octets, capitals' neighbours, full length. */
const label = fc
  .tuple(
    fc.array(fc.oneof(octet, fc.constantFrom(0, 1, 64, 91, 96, 97, 254, 255)), {
      minLength: 1,
      maxLength: 6,
    }),
    fc.constantFrom(0, 0, 0, 63),
    fc.constantFrom(97, 255),
  )
  .map(([octets, length, fill]) => {
    const all = [
      ...octets,
      ...Array.from({ length: Math.max(0, length - octets.length) }, () => fill),
    ];
    return String.fromCharCode(...all);
  });
const child = (parent: DnsName) => label.map((text) => nameOf([text], parent) as DnsName);

describe('names around a name that does not exist', () => {
  it('lie on both sides of it and of all below it', () =>
    fc.assert(
      fc.property(child(ZONE), (name) => {
        const [before, after] = [justBefore(name), justAfter(name, ZONE)];
        expect(compareNames(before, name)).toBeLessThan(0);
        const deep = `\x01a${name}` as DnsName;
        if (after !== ZONE) expect(compareNames(deep, after)).toBeLessThan(0);
        for (const bound of [before, after]) expect(isWithin(bound, ZONE)).toBe(true);
      }),
      { numRuns: 3000 },
    ));

  it('have no other name between them that a zone can hold', () =>
    fc.assert(
      fc.property(child(ZONE), label, label, (name, near, below) => {
        const [before, after] = [justBefore(name), justAfter(name, ZONE)];
        const others = [nameOf([near], ZONE), nameOf([below, near], ZONE), neighbour(name, near)];
        for (const other of others) {
          if (other === undefined || !canBeSignedAround(other) || isWithin(other, name)) continue;
          // The one name of a zone that may be a bound is the parent, which then keeps its own types.
          if (other === before) expect(parentOf(name)).toBe(other);
          const inside =
            compareNames(before, other) < 0 && (after === ZONE || compareNames(other, after) < 0);
          expect(inside).toBe(false);
        }
      }),
      { numRuns: 5000 },
    ));

  it('of the zone itself and of a last label', () => {
    expect(justAfter(ZONE, ZONE)).toBe(ZONE);
    expect(justAfter(nameOf(['\xff'.repeat(63)], ZONE) as DnsName, ZONE)).toBe(ZONE);
    expect(justBefore(nameOf(['\0'], ZONE) as DnsName)).toBe(ZONE);
    expect(justBefore(nameOf(['['], ZONE) as DnsName)).toBe(`\x02@\xff${ZONE}`);
  });
});

/** A name that shares most of its first label. */
function neighbour(name: DnsName, tail: string): DnsName | undefined {
  const own = name.slice(1, 1 + name.charCodeAt(0));
  return nameOf([(own.slice(0, -1) + tail).slice(0, 63)], ZONE);
}

describe('the order of a chain', () => {
  it('is that of canonical names, and keys read back', () =>
    fc.assert(
      fc.property(fc.array(label, { maxLength: 2 }), fc.array(label, { maxLength: 2 }), (a, b) => {
        const [left, right] = [nameOf(a, ZONE) as DnsName, nameOf(b, ZONE) as DnsName];
        const order = sortKey(left) < sortKey(right) ? -1 : sortKey(left) > sortKey(right) ? 1 : 0;
        expect(order).toBe(Math.sign(compareNames(left, right)));
        expect(nameOfSortKey(sortKey(left))).toBe(left);
      }),
      { numRuns: 3000 },
    ));
});

const keys = (['ksk', 'zsk'] as const).map((role) => {
  const { publicKey, secret } = generateKey();
  const dnskey = dnskeyRdata(role, publicKey);
  return { role, dnskey, tag: keyTag(dnskey), privateKey: readSecret(secret) };
});
const dnskeys = keys.map(({ dnskey }) => dnskey);
const signing: ZoneSigning = {
  signed: (zone) => zone !== dnsName('plain.t.test'),
  apexSets: () => [{ type: TYPE.DNSKEY, ttl: 300, rdatas: [...dnskeys].sort() }],
  delegationSets: () => [],
};
const zones = zonesOf(
  zoneFrom(
    't.test',
    `@ 300 IN NS ns1
ns1 300 IN A 192.0.2.1
www 300 IN A 192.0.2.2
b.ent 300 IN A 192.0.2.3
*.wild 300 IN A 192.0.2.4
*.walias 300 IN CNAME x.wild
alias 300 IN CNAME www
sub 300 IN NS ns.sub
ns.sub 300 IN A 192.0.2.5
safe 300 IN NS ns1
safe 300 IN DS 1 13 2 ${'ab'.repeat(32)}
dn 300 IN DNAME www
plain 300 IN NS ns1
`,
  ),
  zoneFrom('plain.t.test', '@ 300 IN NS ns1.t.test.\nwww 300 IN A 192.0.2.9\n'),
);
const image = new ImageReader(new ZoneImage(zones, signing).writer.buffer);

function respond(text: string, flags = 0x8000, size = 1232): { bytes: Uint8Array; made: number } {
  const responder = new Responder(image, SETTINGS);
  responder.useKeys({ keys, validitySeconds: 86_400 * 21 });
  const request = question(text, { edns: { flags, size } });
  const out = { bytes: new Uint8Array(65_535), at: 0 };
  const ask = () =>
    responder.respond({ bytes: request, from: 0, to: request.length }, out, asker());
  ask();
  const made = responder.signaturesMade;
  const length = ask();
  // What is asked again costs no signature.
  expect(responder.signaturesMade).toBe(made);
  return { bytes: out.bytes.slice(0, length), made };
}

describe('signed answers', () => {
  const soa = 't.test. 6 ok';
  it.each([
    ['www.t.test A', ['www.t.test. 1 ok']],
    ['t.test DNSKEY', ['t.test. 48 ok']],
    ['t.test NS', ['t.test. 2 ok', 'ns1.t.test. 1 ok']],
    ['www.t.test MX', [soa, 'www.t.test. 47 ok']],
    ['nope.t.test A', [soa, 'nopd\\255.t.test. 47 ok', '\\)\\255.t.test. 47 ok']],
    ['a.b.nope.t.test A', [soa, 'nopd\\255.t.test. 47 ok', '\\)\\255.t.test. 47 ok']],
    ['*.t.test A', [soa, '\\)\\255.t.test. 47 ok']],
    ['ent.t.test A', [soa, 'ent.t.test. 47 ok']],
    ['q.wild.t.test A', ['q.wild.t.test. 1 ok', 'p\\255.wild.t.test. 47 ok']],
    ['q.wild.t.test MX', [soa, '*.wild.t.test. 47 ok', 'p\\255.wild.t.test. 47 ok']],
    [
      'q.walias.t.test A',
      [
        'q.walias.t.test. 5 ok',
        'x.wild.t.test. 1 ok',
        'p\\255.walias.t.test. 47 ok',
        'w\\255.wild.t.test. 47 ok',
      ],
    ],
    ['alias.t.test A', ['alias.t.test. 5 ok', 'www.t.test. 1 ok']],
    [
      'h.sub.t.test A',
      ['sub.t.test. 2 unsigned', 'sub.t.test. 47 ok', 'ns.sub.t.test. 1 unsigned'],
    ],
    ['h.safe.t.test A', ['safe.t.test. 2 unsigned', 'safe.t.test. 43 ok', 'ns1.t.test. 1 ok']],
    ['sub.t.test DS', [soa, 'sub.t.test. 47 ok']],
    ['plain.t.test DS', [soa, 'plain.t.test. 47 ok']],
    ['safe.t.test DS', ['safe.t.test. 43 ok']],
    ['a.dn.t.test CNAME', ['dn.t.test. 39 ok', 'a.dn.t.test. 5 unsigned']],
    ['www.t.test NSEC', ['www.t.test. 47 ok']],
    ['q.wild.t.test NSEC', [soa, '*.wild.t.test. 47 ok', 'p\\255.wild.t.test. 47 ok']],
    ['www.plain.t.test A', ['www.plain.t.test. 1 unsigned']],
  ])('%s', (text, expected) =>
    expect(verdicts(respond(text).bytes, dnskeys, NOW)).toEqual(expected),
  );

  it('without DO nothing is added or signed', () => {
    const { bytes, made } = respond('nope.t.test A', 0);
    expect(verdicts(bytes, dnskeys, NOW)).toEqual(['t.test. 6 unsigned']);
    expect(made).toBe(0);
  });

  it('what does not fit is left to TCP', () => {
    const { bytes } = respond('q.walias.t.test MX', 0x8000, 512);
    expect((bytes[2] ?? 0) & 2).toBe(2);
    expect(verdicts(bytes, dnskeys, NOW)).toEqual([]);
  });

  it('a signature of another key, or out of its time, is found bogus by this check', () => {
    const { bytes } = respond('www.t.test A');
    const other = dnskeyRdata('zsk', generateKey().publicKey);
    expect(verdicts(bytes, [other], NOW)).toEqual(['www.t.test. 1 bogus']);
    expect(verdicts(bytes, dnskeys, NOW + 22 * 86_400)).toEqual(['www.t.test. 1 bogus']);
  });

  it('of names that do not exist are made so many a second over UDP, then TC; over TCP without end', () => {
    const responder = new Responder(image, SETTINGS);
    responder.useKeys({ keys, validitySeconds: 86_400 * 21 });
    const out = { bytes: new Uint8Array(65_535), at: 0 };
    const truncated = (name: string, transport: 'udp' | 'tcp', nowSeconds = NOW) => {
      const bytes = question(`${name}.t.test A`, { edns: { flags: 0x8000 } });
      const from = { ...asker(transport), nowSeconds };
      responder.respond({ bytes, from: 0, to: bytes.length }, out, from);
      return responder.lastTruncated;
    };
    const max = limit('dnsNameDenialsPerSecondMax');
    const flood = Array.from({ length: max + 10 }, (_, n) => truncated(`none${n}`, 'udp'));
    // The denial of the wildcard is one for all of them.
    expect(flood.indexOf(true)).toBe(max - 1);
    const made = responder.signaturesMade;
    expect(truncated('none5', 'udp')).toBe(false);
    expect(truncated('more', 'udp')).toBe(true);
    expect(responder.signaturesMade).toBe(made);
    expect(truncated('more', 'tcp')).toBe(false);
    expect(truncated('other', 'udp', NOW + 1)).toBe(false);
  });

  it('are made anew after a day', () => {
    const responder = new Responder(image, SETTINGS);
    responder.useKeys({ keys, validitySeconds: 86_400 * 21 });
    const request = question('www.t.test A', { edns: { flags: 0x8000 } });
    const out = { bytes: new Uint8Array(65_535), at: 0 };
    const at = (nowSeconds: number) => {
      responder.respond({ bytes: request, from: 0, to: request.length }, out, {
        ...asker(),
        nowSeconds,
      });
      return responder.signaturesMade;
    };
    expect([at(NOW), at(NOW + 80_000), at(NOW + 90_000)]).toEqual([1, 1, 2]);
  });
});

describe('signing in bulk', () => {
  it('gives signatures in the order of the work, and refuses what waits when it is closed', async () => {
    const thread = openSignThread();
    const privateKeys = keys.map(({ privateKey }) => privateKey);
    const work = Array.from({ length: 60 }, (_, n) => ({ octets: `octets ${n}`, key: n % 2 }));
    const signatures = await thread.sign(privateKeys, work);
    expect(signatures.map(({ length }) => length)).toEqual(work.map(() => 64));
    // A second's work: the thread is ended in the middle of it.
    const more = Array.from({ length: 20_000 }, (_, n) => ({ octets: `octets ${n}`, key: n % 2 }));
    const waiting = expect(thread.sign(privateKeys, more)).rejects.toThrow('ended');
    await thread.close();
    await waiting;
  });
});

/** Lives through a time with a plan's own steps. */
function live(policy: typeof POLICY) {
  let rows: KeyRow[] = [];
  let count = 0;
  const log: string[] = [];
  const start = NOW;
  const change = (id: string, part: Partial<KeyRow>) => {
    rows = rows.map((row) => (row.id === id ? { ...row, ...part } : row));
  };
  const publish = (role: 'ksk' | 'zsk', now: number, sign: boolean) => {
    const id = `${role}${++count}`;
    const times = {
      publishedAt: now,
      activeAt: sign ? now : null,
      retiredAt: null,
      removedAt: null,
    };
    rows = [...rows, { id, role, tag: count, publicKey: '', ...times }];
    return id;
  };
  const until = (hours: number) => {
    const now = start + hours * 3600;
    for (let step = nextKeyStep(rows, policy, now); step; step = nextKeyStep(rows, policy, now)) {
      const id = step.kind === 'publish' ? publish(step.role, now, step.sign) : step.id;
      if (step.kind === 'activate') change(id, { activeAt: now });
      if (step.kind === 'retire') change(id, { retiredAt: now });
      if (step.kind === 'remove') change(id, { removedAt: now });
      log.push(`${hours}h ${step.kind} ${id}`);
    }
    const signers = signingKeys(rows).map(({ id }) => id);
    const parent = parentKey(rows, policy, now)?.id;
    return { signers: signers.join(' '), parent };
  };
  return { until, log, publish, change, rows: () => rows };
}

describe('the life of keys (RFC 7583)', () => {
  it('a zone key is published, signs once caches know it, and goes once nothing of it is left', () => {
    const life = live({ ...POLICY, zskSeconds: 100 * 3600, kskSeconds: 0 });
    expect(life.until(0).signers).toBe('zsk1 ksk2');
    for (let hour = 1; hour <= 110; hour++) {
      const { signers } = life.until(hour);
      expect(signers.split(' ').filter((id) => id.startsWith('zsk'))).toHaveLength(1);
    }
    expect(life.log).toEqual([
      ...['0h publish zsk1', '0h publish ksk2', '98h publish zsk3'],
      ...['100h activate zsk3', '100h retire zsk1', '102h remove zsk1'],
    ]);
  });

  it('parents are pointed at the first key once nothing unsigned is left in caches', () => {
    const life = live(POLICY);
    expect([life.until(0).parent, life.until(1).parent, life.until(2).parent]).toEqual([
      ...[undefined, undefined, 'ksk2'],
    ]);
  });

  it('a key-signing key signs beside the old one until a person confirms the DS', () => {
    const life = live(POLICY);
    life.until(0);
    expect(confirmed(life.rows(), POLICY, NOW)).toHaveProperty('why');
    life.publish('ksk', NOW + 10 * 3600, true);
    expect(canRoll(life.rows(), 'ksk')).toMatchObject({ ok: false });
    expect(canRoll(life.rows(), 'zsk')).toEqual({ ok: true });
    expect(life.until(11)).toEqual({ signers: 'zsk1 ksk2 ksk3', parent: 'ksk2' });
    expect(confirmed(life.rows(), POLICY, NOW + 11 * 3600)).toHaveProperty('why');
    expect(life.until(500)).toEqual({ signers: 'zsk1 ksk2 ksk3', parent: 'ksk3' });
    const verdict = confirmed(life.rows(), POLICY, NOW + 500 * 3600);
    expect(verdict).toMatchObject({ retire: { id: 'ksk2' } });
    life.change('ksk2', { retiredAt: NOW + 500 * 3600 });
    // DS of a day, after the two hours that the last of the parent's servers needs.
    expect(life.until(525).signers).toBe('zsk1 ksk2 ksk3');
    expect(life.until(526).signers).toBe('zsk1 ksk3');
    expect(life.log.at(-1)).toBe('526h remove ksk2');
  });

  it('nor goes the old one before the DS that we ourselves give for zones below ours', () => {
    const policy = { ...POLICY, dnskeyTtlSeconds: 48 * 3600, propagationSeconds: 4 * 3600 };
    const life = live(policy);
    life.until(0);
    life.publish('ksk', NOW + 10 * 3600, true);
    life.change('ksk2', { retiredAt: NOW + 100 * 3600 });
    expect(life.until(151).signers).toBe('zsk1 ksk2 ksk3');
    expect(life.until(152).signers).toBe('zsk1 ksk3');
  });
});
