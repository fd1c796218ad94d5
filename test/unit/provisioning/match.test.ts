/** Which machines are chosen and why the others are not; and what failures have in common. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  binomialTail,
  type Exposure,
  type Factors,
  factorsOf,
  findCommonFactor,
} from '../../../src/provisioning/factors.ts';
import { type Candidate, match, type Wish } from '../../../src/provisioning/match.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';

const GB = 1e9;
const unlimited = { left: Number.POSITIVE_INFINITY, leftOfType: new Map<string, number>() };

function candidate(
  name: string,
  change: Partial<Candidate> & { gb?: number; type?: string } = {},
): Candidate {
  const { gb = 256, type = 'high-io', ...rest } = change;
  return {
    hardwarename: name as Hardwarename,
    ...{ site: 'lon', hall: 'h1', row: 'r1', rack: 'R1', switches: [], biosVersion: '1' },
    ...{ bmcFirmware: '1', warm: false, failures: 0, unfit: '', disks: [] },
    hardware: {
      ...{ type, manufacturer: 'LabCorp', product: 'X', cpus: 2, cores: 32, threads: 64 },
      ...{ gpus: 0, memoryBytes: gb * GB, disks: [], nics: [] },
    },
    ...rest,
  };
}

function wish(change: Partial<Wish> = {}): Wish {
  return {
    ...{ site: 'lon', hardware: {}, count: 1, spread: {}, avoid: new Set<Hardwarename>() },
    ...{ placed: new Map<string, number>(), blocked: [], quota: unlimited },
    ...change,
  };
}

const names = (wanted: Partial<Wish>, all: Candidate[]) =>
  match(wish(wanted), all).chosen.map(({ hardwarename }) => hardwarename);

describe('a choice', () => {
  it('wastes least: the smallest that fits', () => {
    const all = [
      candidate('BIG', { gb: 1024 }),
      candidate('FIT', { gb: 256 }),
      candidate('MID', { gb: 512 }),
    ];
    expect(names({ count: 2 }, all)).toEqual(['FIT', 'MID']);
    expect(names({ hardware: { memoryBytes: { atLeast: 300 * GB } } }, all)).toEqual(['MID']);
  });
  it('does not let a gigabyte decide over rack, warmth and history', () => {
    const all = [
      candidate('A', { gb: 256, rack: 'R1', failures: 2 }),
      candidate('B', { gb: 260, rack: 'R1', warm: true }),
      candidate('C', { gb: 258, rack: 'R1' }),
    ];
    expect(names({ count: 3 }, all)).toEqual(['B', 'C', 'A']);
  });
  it('spreads over racks, counting what stands there, as even as asked for', () => {
    const all = ['A1', 'A2', 'A3', 'B1', 'B2', 'C1'].map((name) =>
      candidate(name, { rack: `R${name[0]}`, gb: name.startsWith('C') ? 1024 : 256 }),
    );
    expect(names({ count: 3 }, all)).toEqual(['A1', 'B1', 'A2']);
    expect(names({ count: 3, spread: { even: true } }, all)).toEqual(['A1', 'B1', 'C1']);
    expect(names({ count: 2, placed: new Map([['lon/h1/r1/RA', 1]]) }, all)).toEqual(['B1', 'A1']);
    const most = match(wish({ count: 5, spread: { perRackMax: 1 } }), all);
    expect(most.chosen.map(({ rack }) => rack)).toEqual(['RA', 'RB', 'RC']);
    expect(most).toMatchObject({ missing: 2, shortOf: 'racks: at most 1 in each' });
  });
  it('tells racks of one name in two halls or rows apart', () => {
    const all = [
      candidate('A', { hall: 'h1' }),
      candidate('B', { hall: 'h1' }),
      candidate('C', { hall: 'h2' }),
      candidate('D', { hall: 'h2', row: 'r2' }),
    ];
    expect(names({ count: 4, spread: { perRackMax: 1 } }, all)).toEqual(['A', 'C', 'D']);
    expect(names({ count: 2, spread: { even: true } }, all)).toEqual(['A', 'C']);
    const rack = { factor: 'rack', value: 'lon/h1/r1/R1' } as const;
    expect(names({ count: 4, blocked: [rack] }, all)).toEqual(['C', 'D']);
  });
  it('says why, for those that were chosen and for those that were not', () => {
    const all = [
      candidate('W', { warm: true }),
      candidate('X', { unfit: 'is broken' }),
      candidate('Y', { site: 'nyc' }),
      candidate('Z', { type: 'web' }),
      ...['P', 'Q', 'R', 'S'].map((name) => candidate(name)),
    ];
    const result = match(
      wish({ hardware: { type: 'high-io' }, avoid: new Set(['P' as Hardwarename]) }),
      all,
    );
    expect(result.chosen).toEqual([
      {
        hardwarename: 'W',
        rack: 'R1',
        why: 'the smallest that fits, first in rack R1, warm, no failures',
      },
    ]);
    expect(result.rejected).toEqual([
      { why: 'fits, and others fit better', count: 3, examples: ['Q', 'R', 'S'] },
      { why: 'has failed for this request', count: 1, examples: ['P'] },
      { why: 'is at nyc', count: 1, examples: ['Y'] },
      { why: 'is broken', count: 1, examples: ['X'] },
      { why: 'is of type web', count: 1, examples: ['Z'] },
    ]);
  });
  it('leaves alone what the install could not choose a disk of, and says so', () => {
    const disk = (name: string) => ({ name, sizeBytes: 1e12, interface: 'sata', path: name });
    const all = [
      candidate('ONE', { disks: [disk('a')] }),
      candidate('TWO', { disks: [disk('a'), disk('b')] }),
      candidate('NONE', { disks: [{ ...disk('a'), interface: 'usb' }] }),
    ];
    const any = { rule: { kind: 'any', pick: 'only' }, count: 1 } as const;
    const found = match(wish({ count: 2, disks: any }), all);
    expect(found.chosen.map(({ hardwarename }) => hardwarename)).toEqual(['ONE']);
    expect(found).toMatchObject({
      shortOf: 'capacity: 1 free that fit; of 1 more the rule for disks chooses none',
      rejected: [
        { why: 'has no disk that the install may take', examples: ['NONE'] },
        { why: 'has several disks for the install, and no rule chooses', examples: ['TWO'] },
      ],
    });
    const first = { rule: { kind: 'any', pick: 'first' }, count: 1 } as const;
    expect(names({ count: 2, disks: first }, all)).toEqual(['ONE', 'TWO']);
  });
  it('leaves alone what shares an open breaker’s value', () => {
    const all = [candidate('A', { rack: 'R1' }), candidate('B', { rack: 'R2', switches: ['sw2'] })];
    const rack = { factor: 'rack', value: 'lon/h1/r1/R1' } as const;
    expect(names({ count: 2, blocked: [rack] }, all)).toEqual(['B']);
    expect(names({ count: 2, blocked: [{ factor: 'switch', value: 'sw2' }] }, all)).toEqual(['A']);
    expect(names({ count: 2, blocked: [{ factor: 'firmware', value: 'X 1' }] }, all)).toEqual([]);
  });
});

const machines = fc.array(
  fc.record({
    rack: fc.constantFrom('R1', 'R2', 'R3'),
    gb: fc.constantFrom(64, 256, 260, 1024),
    type: fc.constantFrom('web', 'high-io'),
    warm: fc.boolean(),
    failures: fc.nat(2),
    unfit: fc.constantFrom('', '', '', 'is broken'),
  }),
  { maxLength: 30 },
);

describe('any choice', () => {
  it('keeps count, quotas and racks, never takes the unfit, and leaves no place open that could be filled', () => {
    fc.assert(
      fc.property(
        machines,
        fc.record({
          count: fc.nat(12),
          left: fc.nat(12),
          web: fc.nat(6),
          perRackMax: fc.integer({ min: 1, max: 6 }),
        }),
        fc.boolean(),
        (all, { count, left, web, perRackMax }, even) => {
          const candidates = all.map((one, index) => candidate(`M${index}`, one));
          const wanted = wish({
            ...{ count, spread: { perRackMax, even } },
            quota: { left, leftOfType: new Map([['web', web]]) },
          });
          const { chosen, rejected, missing, shortOf } = match(wanted, candidates);
          const byName = new Map<string, Candidate>(
            candidates.map((one) => [one.hardwarename, one]),
          );
          const taken = chosen.map(({ hardwarename }) => byName.get(hardwarename) as Candidate);
          expect(new Set(taken).size).toBe(chosen.length);
          expect(chosen.length).toBeLessThanOrEqual(Math.min(count, left));
          expect(taken.every(({ unfit }) => unfit === '')).toBe(true);
          const isWeb = ({ hardware }: Candidate) => hardware.type === 'web';
          expect(taken.filter(isWeb).length).toBeLessThanOrEqual(web);
          const inRack = (rack: string) => taken.filter((one) => one.rack === rack).length;
          for (const rack of ['R1', 'R2', 'R3'])
            expect(inRack(rack)).toBeLessThanOrEqual(perRackMax);
          // Every machine is either chosen or in one group.
          expect(chosen.length + rejected.reduce((sum, one) => sum + one.count, 0)).toBe(
            candidates.length,
          );
          expect(missing).toBe(count - chosen.length);
          expect(shortOf === '').toBe(missing === 0);
          const spare = candidates.some(
            (one) =>
              one.unfit === '' &&
              !taken.includes(one) &&
              inRack(one.rack) < perRackMax &&
              (!isWeb(one) || taken.filter(isWeb).length < web),
          );
          if (chosen.length < Math.min(count, left)) expect(spare).toBe(false);
        },
      ),
      { numRuns: 1000 },
    );
  });
  it('is the same whatever the order of the machines', () => {
    fc.assert(
      fc.property(machines, fc.nat(12), fc.integer(), (all, count, seed) => {
        const candidates = all.map((one, index) =>
          candidate(`M${String(index).padStart(2, '0')}`, one),
        );
        const shuffled = [...candidates].sort(
          (a, b) =>
            ((a.hardwarename.charCodeAt(2) * seed) % 7) -
            ((b.hardwarename.charCodeAt(2) * seed) % 7),
        );
        expect(match(wish({ count }), shuffled)).toEqual(match(wish({ count }), candidates));
      }),
    );
  });
});

describe('a common factor', () => {
  const none: Factors = {
    rack: [],
    switch: [],
    image: [],
    firmware: [],
    'bmc-firmware': [],
    type: [],
  };
  const made = (rack: string, failed: boolean, change: Partial<Factors> = {}): Exposure => ({
    failed,
    factors: { ...none, rack: [rack], image: ['debian-12@1'], ...change },
  });
  const many = (
    count: number,
    rack: (index: number) => string,
    failed: (index: number) => boolean,
  ) => Array.from({ length: count }, (_, index) => made(rack(index), failed(index)));

  it('is a rack in which all fail, when others hardly do', () => {
    const fine = many(
      100,
      (index) => `R${index % 10}`,
      (index) => index % 17 === 0,
    );
    expect(findCommonFactor(fine, 0.1)).toBeUndefined();
    const dark = many(
      8,
      () => 'DARK',
      () => true,
    );
    expect(findCommonFactor([...fine, ...dark.slice(0, 3)], 0.1)).toBeUndefined();
    expect(findCommonFactor([...fine, ...dark], 0.1)).toMatchObject({
      ...{ factor: 'rack', value: 'DARK', failed: 8, tried: 8, triedOthers: 100, also: [] },
    });
  });
  it('is not a rack because another of its name fails elsewhere', () => {
    const of = (site: string) => factorsOf({ ...candidate('A', { site }), image: 'debian-12@1' });
    const fine = Array.from({ length: 60 }, () => ({ failed: false, factors: of('lon') }));
    const dark = Array.from({ length: 8 }, () => ({ failed: true, factors: of('nyc') }));
    expect(findCommonFactor([...fine, ...dark], 0.1)).toMatchObject({
      ...{ factor: 'rack', value: 'nyc/h1/r1/R1', failed: 8, tried: 8, triedOthers: 60 },
    });
  });
  it('is the image when everything with it fails, and nothing else can be compared', () => {
    const found = findCommonFactor(
      many(
        9,
        (index) => `R${index}`,
        () => true,
      ),
      0.1,
    );
    expect(found).toMatchObject({ factor: 'image', value: 'debian-12@1', failed: 9 });
  });
  it('names all values that the very same machines share', () => {
    const fine = many(
      60,
      (index) => `R${index % 6}`,
      () => false,
    );
    const dark = Array.from({ length: 8 }, () => made('DARK', true, { switch: ['sw9'] }));
    expect(findCommonFactor([...fine, ...dark], 0.1)).toMatchObject({
      ...{ factor: 'rack', value: 'DARK', also: [{ factor: 'switch', value: 'sw9' }] },
    });
  });
  it('is as probable as a count over all outcomes says', () => {
    for (const [hits, tries, rate] of [
      [2, 5, 0.1],
      [0, 3, 0.5],
      [6, 6, 0.2],
      [3, 12, 0.06],
    ] as const) {
      let sum = 0;
      for (let bits = 0; bits < 2 ** tries; bits++) {
        const ones = bits.toString(2).replaceAll('0', '').length;
        if (ones >= hits) sum += rate ** ones * (1 - rate) ** (tries - ones);
      }
      expect(binomialTail(hits, tries, rate)).toBeCloseTo(sum, 10);
    }
    expect(binomialTail(4, 3, 0.1)).toBe(0);
    expect(binomialTail(900, 12_000, 0.06)).toBeGreaterThan(0);
    expect(binomialTail(500, 1000, 0.5)).toBeCloseTo(0.5126, 4);
  });
  it('is certain of fewer hits than usual, however many tries there were', () => {
    expect(binomialTail(233, 4973, 0.25)).toBe(1);
    expect(binomialTail(3, 8000, 0.1)).toBe(1);
    expect(binomialTail(7997, 8000, 0.1)).toBe(0);
  });
  it('is never the image of thousands of good installs because another image fails', () => {
    const good = many(
      5000,
      (index) => `R${index % 100}`,
      (index) => index % 17 === 3,
    );
    const bad = (count: number) =>
      Array.from({ length: count }, (_, index) =>
        made(`R${index}`, true, { image: ['debian-12@2'] }),
      );
    for (const count of [1, 2, 3, 4])
      expect(findCommonFactor([...good, ...bad(count)], 0.1)).toBeUndefined();
    expect(findCommonFactor([...good, ...bad(8)], 0.1)).toMatchObject({
      ...{ factor: 'image', value: 'debian-12@2', failed: 8, tried: 8 },
    });
  });
});
