/** Hardware in words and as JSON: what is read, what is pointed at, and what a machine needs to meet it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Hardware,
  type HardwareFacts,
  hardwareSchema,
  unmet,
} from '../../../src/provisioning/hardware.ts';
import {
  formatHardware,
  HARDWARE_TEXT_SAYS,
  parseHardware,
} from '../../../src/provisioning/hardware-text.ts';

const GB = 1e9;
const TB = 1e12;

describe('words', () => {
  it.each<[string, Hardware]>([
    [
      '2 NVMe >= 1 TB, 256 GB memory',
      {
        disks: [{ count: 2, kind: 'nvme', sizeBytes: { atLeast: TB } }],
        memoryBytes: { atLeast: 256 * GB },
      },
    ],
    ['type high-io', { type: 'high-io' }],
    ['type=high-io,32 cores', { type: 'high-io', cores: { atLeast: 32 } }],
    ['4 disks', { disks: [{ count: 4 }] }],
    [
      '2 ssd >= 960GB <= 2TB',
      { disks: [{ count: 2, kind: 'ssd', sizeBytes: { atLeast: 960 * GB, atMost: 2 * TB } }] },
    ],
    [
      '1 NVMe, 12 HDD >= 8 TB',
      {
        disks: [
          { count: 1, kind: 'nvme' },
          { count: 12, kind: 'hdd', sizeBytes: { atLeast: 8 * TB } },
        ],
      },
    ],
    ['memory <= 64 GiB', { memoryBytes: { atMost: 64 * 2 ** 30 } }],
    ['memory = 1.5 TB', { memoryBytes: { atLeast: 1.5 * TB, atMost: 1.5 * TB } }],
    ['gpus = 0', { gpus: { atLeast: 0, atMost: 0 } }],
    ['2 NICs >= 25 Gbit/s', { nics: [{ count: 2, speedMbps: { atLeast: 25_000 } }] }],
    [
      'manufacturer Dell Inc., product PowerEdge R630',
      { manufacturer: 'Dell Inc.', product: 'PowerEdge R630' },
    ],
  ])('%s', (text, hardware) => expect(parseHardware(text)).toEqual({ ok: true, value: hardware }));

  it.each<[string, keyof typeof HARDWARE_TEXT_SAYS, number]>([
    ['', 'EMPTY', 0],
    ['2 NVMe,', 'EMPTY', 7],
    ['2 NVMe >= 1', 'UNIT_EXPECTED', 11],
    ['2 NVMe >= 1 parsec', 'UNIT_EXPECTED', 12],
    ['2 NVMe >= TB', 'NUMBER_EXPECTED', 10],
    ['2 NVMe 1 TB', 'COMMA_EXPECTED', 7],
    ['2 floppies', 'WORD_UNKNOWN', 2],
    ['fast', 'WORD_UNKNOWN', 0],
    ['256 GB', 'WORD_UNKNOWN', 6],
    ['256 GB disk', 'WORD_UNKNOWN', 7],
    ['1.5 cores', 'NUMBER_EXPECTED', 0],
    ['0 NVMe', 'VALUE_OUT_OF_RANGE', 0],
    ['cores 32', 'OPERATOR_EXPECTED', 6],
    ['32 cores, cores >= 8', 'SAID_TWICE', 10],
    ['type', 'VALUE_EXPECTED', 4],
    ['memory >= 9 GB <= 8 GB', 'VALUE_OUT_OF_RANGE', 15],
    ['memory >= 9 GB >= 8 GB', 'SAID_TWICE', 15],
    ['999999999999999 PB memory', 'VALUE_OUT_OF_RANGE', 0],
    ['40 SSD, 40 HDD', 'VALUE_OUT_OF_RANGE', 0],
  ])('%s is %s at %i', (text, code, at) => {
    expect(parseHardware(text)).toEqual({ ok: false, code, at });
    expect(HARDWARE_TEXT_SAYS[code].length).toBeGreaterThan(10);
  });

  const range = (most: number) =>
    fc
      .tuple(fc.integer({ min: 1, max: most }), fc.integer({ min: 1, max: most }), fc.nat(2))
      .map(([a, b, which]) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        return [{ atLeast: low }, { atMost: high }, { atLeast: low, atMost: high }][which] ?? {};
      });
  const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
  const hardware = fc
    .record({
      type: optional(fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?$/)),
      cores: optional(range(4096)),
      gpus: optional(range(8)),
      memoryBytes: optional(range(2 ** 50)),
      disks: optional(
        fc.array(
          fc.record({
            count: fc.integer({ min: 1, max: 8 }),
            kind: optional(fc.constantFrom('nvme' as const, 'ssd' as const, 'hdd' as const)),
            sizeBytes: optional(range(2 ** 50)),
          }),
          { minLength: 1, maxLength: 5 },
        ),
      ),
      nics: optional(
        fc.array(
          fc.record({
            count: fc.integer({ min: 1, max: 8 }),
            speedMbps: optional(range(400_000)),
          }),
          { minLength: 1, maxLength: 4 },
        ),
      ),
    })
    .map((value) => hardwareSchema.parse(JSON.parse(JSON.stringify(value))))
    .filter((value) => Object.keys(value).length > 0);

  it('are what JSON is, both ways', () => {
    fc.assert(
      fc.property(hardware, (wanted) => {
        expect(parseHardware(formatHardware(wanted))).toEqual({ ok: true, value: wanted });
      }),
      { numRuns: 500 },
    );
  });

  it('are read or refused within the text, whatever they are', () => {
    const word = fc.constantFrom(
      ...[
        '2',
        'NVMe',
        '>=',
        '1',
        'TB',
        ',',
        'memory',
        'cores',
        'type',
        'x',
        '=',
        ' ',
        'GiB',
        'é',
        '1.5',
      ],
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(word).map((all) => all.join(' ')),
        ),
        (text) => {
          const parsed = parseHardware(text);
          if (parsed.ok) expect(parseHardware(formatHardware(parsed.value))).toEqual(parsed);
          else expect(parsed.at).toBeLessThanOrEqual(text.length);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('a machine', () => {
  const disk = (kind: 'nvme' | 'ssd' | 'hdd' | 'other', tb: number) => ({
    kind,
    sizeBytes: tb * TB,
  });
  const has: HardwareFacts = {
    ...{ type: 'high-io', manufacturer: 'Dell Inc.', product: 'PowerEdge R630' },
    ...{ cpus: 2, cores: 32, threads: 64, gpus: 0, memoryBytes: 270 * GB },
    disks: [disk('nvme', 1), disk('nvme', 4), disk('hdd', 8)],
    nics: [25_000, 1000],
  };
  it.each<[string, string | undefined]>([
    ['2 NVMe >= 1 TB, 256 GB memory', undefined],
    ['type high-io, manufacturer dell', undefined],
    ['type big', 'is of type high-io'],
    ['manufacturer HPE', 'is not made by HPE'],
    ['512 GB memory', 'has too little memory'],
    ['memory <= 64 GB', 'has too much memory'],
    ['64 cores', 'has too few cores'],
    ['1 GPU', 'has too few GPUs'],
    ['cpus <= 1', 'has too many CPUs'],
    ['3 disks', undefined],
    ['4 disks', 'lacks the disks'],
    ['2 SSD', undefined],
    ['2 NVMe >= 2 TB', 'lacks the disks'],
    ['1 NICs >= 10 Gbit/s', undefined],
    ['2 NICs >= 10 Gbit/s', 'lacks the NICs'],
  ])('meets or not: %s', (text, why) => {
    const parsed = parseHardware(text);
    expect(parsed.ok && unmet(parsed.value, has)).toBe(why);
  });

  it('serves each demand by disks of its own, whatever their order', () => {
    const wanted = [
      { count: 1, kind: 'nvme' as const },
      { count: 1, kind: 'nvme' as const, sizeBytes: { atMost: TB } },
      { count: 1 },
    ];
    for (const disks of [wanted, wanted.toReversed()]) {
      expect(unmet({ disks }, has)).toBeUndefined();
      expect(
        unmet({ disks }, { ...has, disks: [disk('nvme', 4), disk('nvme', 4), disk('hdd', 8)] }),
      ).toBe('lacks the disks');
    }
  });

  it('serves just what a search over all assignments says', () => {
    const size = fc.integer({ min: 1, max: 3 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('nvme' as const, 'hdd' as const), size), {
          maxLength: 4,
        }),
        fc.array(fc.tuple(fc.constantFrom('nvme', 'hdd', undefined), size), {
          minLength: 1,
          maxLength: 4,
        }),
        (parts, demands) => {
          const fits = (at: number, one: number): boolean => {
            const [kind, least] = demands[at] ?? [undefined, 9];
            const [is, tb] = parts[one] ?? ['hdd', 0];
            return (kind === undefined || kind === is) && tb >= least;
          };
          const search = (at: number, used: number[]): boolean =>
            at === demands.length ||
            parts.some(
              (_, one) => !used.includes(one) && fits(at, one) && search(at + 1, [...used, one]),
            );
          const disks = demands.map(([kind, least]) => ({
            ...{ count: 1, sizeBytes: { atLeast: least * TB } },
            ...(kind === undefined ? {} : { kind: kind as 'nvme' | 'hdd' }),
          }));
          const machine = { ...has, disks: parts.map(([kind, tb]) => disk(kind, tb)) };
          expect(unmet({ disks }, machine) === undefined).toBe(search(0, []));
        },
      ),
      { numRuns: 1000 },
    );
  });
});
