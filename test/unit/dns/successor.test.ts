import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DnsName } from '../../../src/dns/name.ts';
import { ZoneImage } from '../../../src/dns/zone-image.ts';
import { type Zones, zoneRecords } from '../../../src/dns/zones.ts';
import { askImage, dnsName, zoneFrom, zonesOf } from '../../support/dns.ts';

const NAMES = 600;

/** Every name says the version in 250 octets of text, one exists in odd versions only, and one is below another. */
function version(n: number): Zones {
  const lines = [`ent${n % 2}.deep.lon.example. 60 IN A 10.0.0.${n % 250}`];
  for (let i = 0; i < NAMES; i++) {
    if (i === 7 && n % 2 === 0) continue;
    lines.push(`m${i}.lon.example. 60 IN TXT "${String(n).padStart(4, '0')}${'x'.repeat(240)}"`);
  }
  return zonesOf(zoneFrom('lon.example.', lines.join('\n'), n + 1));
}

function everyName(): Set<DnsName> {
  const names = new Set([dnsName('lon.example.')]);
  for (let i = 0; i < NAMES; i++) names.add(dnsName(`m${i}.lon.example.`));
  for (const i of [0, 1]) names.add(dnsName(`ent${i}.deep.lon.example.`));
  return names;
}

const QUESTIONS = [
  ...Array.from({ length: NAMES }, (_, i) => `m${i}.lon.example TXT`),
  ...['ent0.deep.lon.example', 'ent1.deep.lon.example', 'deep.lon.example', 'lon.example SOA'],
];

function expectToShow(image: ZoneImage, zones: Zones, questions: readonly string[]): void {
  const anew = new ZoneImage(zones).writer.buffer;
  for (const question of questions) {
    expect(askImage(image.writer.buffer, question), question).toBe(askImage(anew, question));
  }
}

function namesIn(...all: Zones[]): Set<DnsName> {
  const zones = all.flatMap((some) => [...some.values()]);
  return new Set(zones.flatMap((zone) => [...zoneRecords(zone)].map(({ name }) => name)));
}

/** @returns how many slices it took */
function settle(image: ZoneImage): number {
  let slices = 1;
  for (let did = image.advance(); did === 'more'; did = image.advance()) slices += 1;
  expect(image.behind).toBe(false);
  return slices;
}

describe('the successor of an image', () => {
  it('is begun before the room ends, filled in slices while changes go on, and shows the last of them', () => {
    const image = new ZoneImage(version(0));
    const touched = everyName();
    const before = image.writer.buffer;
    let n = 0;
    let slices = 0;
    // Each round the change falls between two slices: names on both sides of the copy are touched.
    while (image.writer.buffer === before && n < 400) {
      n += 1;
      image.update(version(n), touched);
      expect(image.behind).toBe(false);
      expectToShow(image, version(n), ['m7.lon.example TXT', 'm500.lon.example TXT']);
      for (let i = 0; i < 8 && image.advance() !== 'idle'; i++) slices += 1;
    }
    expect(slices).toBeGreaterThan(2);
    expectToShow(image, version(n), QUESTIONS);
    expect(image.advance()).toBe('idle');
    image.update(version(n + 1), touched);
    expectToShow(image, version(n + 1), QUESTIONS);
  });

  it('shows a large change whole or not at all, and small ones after it not before', () => {
    const one = (text: string, count: number, serial: number) => {
      const lines = Array.from({ length: count }, (_, i) => `m${i} 60 IN TXT ${text}`);
      return zonesOf(zoneFrom('lon.example.', lines.join('\n'), serial));
    };
    const [first, second, third] = [one('a', 3000, 1), one('b', 3000, 2), one('b', 2999, 3)];
    const questions = Array.from({ length: 3000 }, (_, i) => `m${i}.lon.example TXT`);
    const image = new ZoneImage(first);
    image.update(second, namesIn(first, second));
    expect(image.behind).toBe(true);
    expect(image.advance()).toBe('more');
    expectToShow(image, first, [...questions, 'lon.example SOA']);
    image.update(third, new Set([dnsName('m2999.lon.example'), dnsName('lon.example')]));
    expectToShow(image, first, ['m2999.lon.example TXT', 'lon.example SOA']);
    expect(settle(image)).toBeGreaterThan(5);
    expectToShow(image, third, [...questions, 'lon.example SOA']);
  });

  it('makes room when it was begun for far fewer names than came', () => {
    const zone = (count: number) => {
      const lines = Array.from({ length: count }, (_, i) => `m${i} 60 IN TXT ${'x'.repeat(250)}`);
      return zonesOf(zoneFrom('lon.example.', lines.join('\n'), count + 1));
    };
    const [small, large] = [zone(0), zone(40_000)];
    const image = new ZoneImage(small);
    image.update(large, namesIn(large));
    settle(image);
    expectToShow(image, large, ['m0.lon.example TXT', 'm39999.lon.example TXT', 'x.lon.example A']);
  });

  it('a delegation to somebody else takes and gives what is below it', () => {
    const below = 'a.sub 60 IN A 10.0.0.1\nb.sub 60 IN A 10.0.0.2\n';
    const own = zonesOf(zoneFrom('lon.example.', below, 1));
    const cut = zonesOf(zoneFrom('lon.example.', `${below}sub 60 IN NS a.sub\n`, 2));
    const questions = ['a.sub', 'b.sub', 'sub', 'c.sub'].map((name) => `${name}.lon.example A`);
    const image = new ZoneImage(own);
    for (const zones of [cut, own, cut]) {
      image.update(zones, new Set([dnsName('sub.lon.example'), dnsName('lon.example')]));
      settle(image);
      expectToShow(image, zones, questions);
    }
  });

  const LABELS = ['a', 'b', 'c', '*'];
  const name = fc
    .array(fc.constantFrom(...LABELS), { minLength: 1, maxLength: 4 })
    .map((labels) => `${labels.join('.')}.lon.example.`);
  const generation = fc.record({
    zones: fc.uniqueArray(
      name.filter((text) => !text.includes('*')),
      { maxLength: 4 },
    ),
    names: fc.uniqueArray(name, { maxLength: 12 }),
    slices: fc.nat(2),
  });

  it('zones and names that come and go, with slices in between: always as if it were built anew', () => {
    fc.assert(
      fc.property(fc.array(generation, { minLength: 2, maxLength: 6 }), (generations) => {
        let serial = 1;
        const zonesFor = (of: (typeof generations)[number]): Zones => {
          const zones = ['lon.example.', ...of.zones].sort((a, b) => b.length - a.length);
          const texts = new Map(zones.map((zone) => [zone, '']));
          const home = (text: string) =>
            zones.find((zone) => `.${text}`.endsWith(`.${zone}`)) ?? '';
          for (const text of of.names) {
            texts.set(home(text), `${texts.get(home(text))}${text} 60 IN A 10.0.0.1\n`);
          }
          for (const zone of zones.slice(0, -1)) {
            const parent = home(zone.slice(zone.indexOf('.') + 1));
            texts.set(parent, `${texts.get(parent)}${zone} 60 IN NS ns1.lon.example.\n`);
          }
          serial += 1;
          return zonesOf(...[...texts].map(([zone, text]) => zoneFrom(zone, text, serial)));
        };
        const all = generations.map(zonesFor);
        const [first = new Map()] = all;
        const image = new ZoneImage(first);
        const questions = [...namesIn(...all)].flatMap((at) =>
          [textOf(at), `x.${textOf(at)}`].map((text) => `${text} A`),
        );
        for (const [i, zones] of all.entries()) {
          image.update(zones, namesIn(...all));
          for (let left = generations[i]?.slices ?? 0; left > 0; left--) image.advance();
          if (image.behind) settle(image);
          expectToShow(image, zones, questions);
        }
      }),
      { numRuns: 20 },
    );
  });
});

function textOf(name: DnsName): string {
  const labels: string[] = [];
  for (let at = 0; name.charCodeAt(at) > 0; at += 1 + name.charCodeAt(at)) {
    labels.push(name.slice(at + 1, at + 1 + name.charCodeAt(at)));
  }
  return labels.join('.');
}
