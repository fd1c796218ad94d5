/**
 * Hardware in words: `2 NVMe >= 1 TB, 256 GB memory, type high-io`.
 *
 *     text   = demand { "," demand }
 *     demand = ("type" | "manufacturer" | "product") ["="] WORDS
 *            | COUNT DISKS { OP SIZE }      DISKS: disks, NVMe, SSD, HDD
 *            | COUNT "NICs" { OP SPEED }
 *            | COUNT PARTS | PARTS OP COUNT   PARTS: CPUs, cores, threads, GPUs
 *            | SIZE "memory" | "memory" OP SIZE
 *     OP     = ">=" | "<=" | "="
 *
 * A number alone is a minimum. Sizes are decimal (TB) or binary (TiB); 256 GB of memory is met by what a kernel says of
 * 256 GiB. Case counts for nothing, a demand stands once, and whatever is wrong is pointed at. Pure and total.
 */
import type { Decoded } from '../wire/result.ts';
import { decoded, malformed } from '../wire/result.ts';
import { type DiskKind, type Hardware, hardwareSchema, type Range } from './hardware.ts';

export type HardwareTextCode =
  | 'EMPTY'
  | 'TOO_LONG'
  | 'NUMBER_EXPECTED'
  | 'UNIT_EXPECTED'
  | 'OPERATOR_EXPECTED'
  | 'COMMA_EXPECTED'
  | 'WORD_UNKNOWN'
  | 'VALUE_EXPECTED'
  | 'VALUE_OUT_OF_RANGE'
  | 'SAID_TWICE';

/** What each code means, for people. */
export const HARDWARE_TEXT_SAYS: Readonly<Record<HardwareTextCode, string>> = {
  EMPTY: 'a demand is missing here',
  TOO_LONG: 'it is longer than 1000 characters',
  NUMBER_EXPECTED: 'a whole number is missing here',
  UNIT_EXPECTED: 'a unit is missing or unknown here: GB, TB, GiB, TiB; Gbit/s for NICs',
  OPERATOR_EXPECTED: 'one of >= <= = is missing here',
  COMMA_EXPECTED: 'a comma divides demands',
  WORD_UNKNOWN:
    'this word is unknown; there are: type, manufacturer, product, disks, NVMe, SSD, HDD, NICs, CPUs, cores, threads, GPUs, memory',
  VALUE_EXPECTED: 'a value is missing here',
  VALUE_OUT_OF_RANGE: 'this cannot be: too large, or zero',
  SAID_TWICE: 'this was said before',
};

const CHARS_MAX = 1000;

/** A fault at an offset, on its way out of the parser. */
class Fault extends Error {
  readonly code: HardwareTextCode;
  readonly at: number;
  constructor(code: HardwareTextCode, at: number) {
    super(code);
    this.code = code;
    this.at = at;
  }
}

type Draft = { -readonly [Name in keyof Hardware]: Hardware[Name] };

export function parseHardware(text: string): Decoded<Hardware, HardwareTextCode> {
  if (text.length > CHARS_MAX) return malformed('TOO_LONG', CHARS_MAX);
  const scanner = new Scanner(text);
  const draft: Draft = {};
  try {
    do parseDemand(scanner, draft);
    while (scanner.take(/,/y) !== undefined);
    if (!scanner.atEnd()) throw new Fault('COMMA_EXPECTED', scanner.at);
  } catch (error) {
    if (error instanceof Fault) return malformed(error.code, error.at);
    throw error;
  }
  const checked = hardwareSchema.safeParse(draft);
  return checked.success ? decoded(checked.data) : malformed('VALUE_OUT_OF_RANGE', 0);
}

class Scanner {
  readonly text: string;
  at = 0;
  constructor(text: string) {
    this.text = text;
    this.space();
  }
  /** @param pattern sticky. Blanks behind what was taken are skipped. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined) return undefined;
    this.at += found.length;
    this.space();
    return found;
  }
  need(pattern: RegExp, code: HardwareTextCode): string {
    const found = this.take(pattern);
    if (found === undefined) throw new Fault(code, this.at);
    return found;
  }
  atEnd(): boolean {
    return this.at >= this.text.length;
  }
  private space(): void {
    while (/\s/.test(this.text[this.at] ?? '')) this.at += 1;
  }
}

const NUMBER = /\d{1,16}(?:\.\d{1,6})?/y;
const WORD = /[A-Za-z]+/y;

function parseDemand(scanner: Scanner, draft: Draft): void {
  const from = scanner.at;
  if (scanner.atEnd() || scanner.text[from] === ',') throw new Fault('EMPTY', from);
  const number = scanner.take(NUMBER);
  if (number === undefined) {
    parseNamed(scanner, draft, from);
    return;
  }
  const unitAt = scanner.at;
  const word = scanner.need(WORD, 'WORD_UNKNOWN').toLowerCase();
  const factor = SIZE_UNITS[word];
  if (factor !== undefined) {
    const memoryAt = scanner.at;
    if (scanner.need(WORD, 'WORD_UNKNOWN').toLowerCase() !== 'memory')
      throw new Fault('WORD_UNKNOWN', memoryAt);
    set(draft, 'memoryBytes', { atLeast: inBytes(number, factor, from) }, from);
    return;
  }
  parseCounted(scanner, draft, { from, wanted: whole(number, from), word, unitAt });
}

function parseCounted(
  scanner: Scanner,
  draft: Draft,
  { from, wanted, word, unitAt }: { from: number; wanted: number; word: string; unitAt: number },
): void {
  const disk = DISK_WORDS[word];
  const counted = COUNT_WORDS[word];
  if (disk !== undefined) {
    const sizeBytes = optionalRange(scanner, sizeOf);
    const kind = disk === 'any' ? {} : { kind: disk };
    const demand = { count: wanted, ...kind, ...(sizeBytes && { sizeBytes }) };
    draft.disks = [...(draft.disks ?? []), demand];
    return;
  }
  if (word === 'nic' || word === 'nics') {
    const speedMbps = optionalRange(scanner, speedOf);
    draft.nics = [...(draft.nics ?? []), { count: wanted, ...(speedMbps && { speedMbps }) }];
    return;
  }
  if (counted === undefined) throw new Fault('WORD_UNKNOWN', unitAt);
  set(draft, counted, { atLeast: wanted }, from);
}

function parseNamed(scanner: Scanner, draft: Draft, from: number): void {
  const word = scanner.need(WORD, 'WORD_UNKNOWN').toLowerCase();
  const counted = COUNT_WORDS[word];
  if (word === 'type' || word === 'manufacturer' || word === 'product') {
    scanner.take(/=/y);
    const at = scanner.at;
    const value = scanner.need(/[^,]+/y, 'VALUE_EXPECTED').trim();
    const fits = hardwareSchema.shape[word].safeParse(value).success;
    if (value === '' || !fits) throw new Fault('VALUE_EXPECTED', at);
    set(draft, word, value, from);
  } else if (word === 'memory') set(draft, 'memoryBytes', needRange(scanner, sizeOf), from);
  else if (counted !== undefined)
    set(
      draft,
      counted,
      needRange(scanner, (one) => countOf(one, counted)),
      from,
    );
  else throw new Fault('WORD_UNKNOWN', from);
}

function set<Name extends keyof Hardware>(
  draft: Draft,
  name: Name,
  value: Hardware[Name],
  at: number,
): void {
  if (draft[name] !== undefined) throw new Fault('SAID_TWICE', at);
  draft[name] = value;
}

const OPERATOR = />=|<=|=/y;

type Bounds = { atLeast?: number; atMost?: number };

/** One or two bounds, as in `>= 1 TB <= 2 TB`. */
function optionalRange(scanner: Scanner, value: (scanner: Scanner) => number): Bounds | undefined {
  let range: Bounds | undefined;
  for (;;) {
    const at = scanner.at;
    const operator = scanner.take(OPERATOR);
    if (operator === undefined) return range;
    const bounds = boundsOf(operator, value(scanner));
    const twice = Object.keys(bounds).some((name) => range && name in range);
    if (twice) throw new Fault('SAID_TWICE', at);
    range = { ...range, ...bounds };
    const { atLeast = 0, atMost = Number.MAX_SAFE_INTEGER } = range;
    if (atLeast > atMost) throw new Fault('VALUE_OUT_OF_RANGE', at);
  }
}

function needRange(scanner: Scanner, value: (scanner: Scanner) => number): Bounds {
  const range = optionalRange(scanner, value);
  if (!range) throw new Fault('OPERATOR_EXPECTED', scanner.at);
  return range;
}

function boundsOf(operator: string, value: number): Bounds {
  if (operator === '>=') return { atLeast: value };
  return operator === '<=' ? { atMost: value } : { atLeast: value, atMost: value };
}

function countOf(scanner: Scanner, name: string): number {
  const at = scanner.at;
  return whole(scanner.need(NUMBER, 'NUMBER_EXPECTED'), at, name === 'gpus' ? 0 : 1);
}

function whole(number: string, at: number, least = 1): number {
  const value = Number(number);
  if (!Number.isInteger(value)) throw new Fault('NUMBER_EXPECTED', at);
  if (value < least || value > 4096) throw new Fault('VALUE_OUT_OF_RANGE', at);
  return value;
}

function sizeOf(scanner: Scanner): number {
  const at = scanner.at;
  const number = scanner.need(NUMBER, 'NUMBER_EXPECTED');
  const unitAt = scanner.at;
  const factor = SIZE_UNITS[scanner.need(WORD, 'UNIT_EXPECTED').toLowerCase()];
  if (factor === undefined) throw new Fault('UNIT_EXPECTED', unitAt);
  return inBytes(number, factor, at);
}

function inBytes(number: string, factor: number, at: number): number {
  const bytes = Math.round(Number(number) * factor);
  if (bytes < 1 || !Number.isSafeInteger(bytes)) throw new Fault('VALUE_OUT_OF_RANGE', at);
  return bytes;
}

function speedOf(scanner: Scanner): number {
  const at = scanner.at;
  const number = scanner.need(NUMBER, 'NUMBER_EXPECTED');
  const unitAt = scanner.at;
  const unit = scanner.need(/[A-Za-z]+(?:\/s)?/y, 'UNIT_EXPECTED').toLowerCase();
  const prefix = /^([mg])bit(?:\/s)?$/.exec(unit)?.[1];
  if (prefix === undefined) throw new Fault('UNIT_EXPECTED', unitAt);
  const mbps = Math.round(Number(number) * (prefix === 'g' ? 1000 : 1));
  if (mbps < 1 || mbps > 10_000_000) throw new Fault('VALUE_OUT_OF_RANGE', at);
  return mbps;
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  ...Object.fromEntries(
    ['k', 'm', 'g', 't', 'p'].flatMap((prefix, power) => [
      [`${prefix}b`, 1000 ** (power + 1)],
      [`${prefix}ib`, 1024 ** (power + 1)],
    ]),
  ),
};

const DISK_WORDS: Readonly<Record<string, DiskKind | 'any'>> = {
  ...{ disk: 'any', disks: 'any', nvme: 'nvme' },
  ...{ ssd: 'ssd', ssds: 'ssd', hdd: 'hdd', hdds: 'hdd' },
};

type CountName = 'cpus' | 'cores' | 'threads' | 'gpus';
const COUNT_WORDS: Readonly<Record<string, CountName>> = {
  ...{ cpu: 'cpus', cpus: 'cpus', core: 'cores', cores: 'cores' },
  ...{ thread: 'threads', threads: 'threads', gpu: 'gpus', gpus: 'gpus' },
};

/** The words that `parseHardware` reads as this. */
export function formatHardware(hardware: Hardware): string {
  const { type, manufacturer, product, memoryBytes, disks = [], nics = [] } = hardware;
  const parts: string[] = [];
  if (type !== undefined) parts.push(`type ${type}`);
  if (manufacturer !== undefined) parts.push(`manufacturer ${manufacturer}`);
  if (product !== undefined) parts.push(`product ${product}`);
  for (const name of ['cpus', 'cores', 'threads', 'gpus'] as const)
    if (hardware[name]) parts.push(formatRange(CALLED[name], hardware[name], String));
  if (memoryBytes) parts.push(formatRange('memory', memoryBytes, formatSize));
  for (const { count, kind, sizeBytes } of disks)
    parts.push(formatRange(`${count} ${kind ? CALLED[kind] : 'disks'}`, sizeBytes, formatSize));
  for (const { count, speedMbps } of nics)
    parts.push(formatRange(`${count} NICs`, speedMbps, formatSpeed));
  return parts.join(', ');
}

const CALLED = {
  ...{ cpus: 'CPUs', cores: 'cores', threads: 'threads', gpus: 'GPUs' },
  ...{ nvme: 'NVMe', ssd: 'SSD', hdd: 'HDD' },
} as const;

function formatRange(name: string, range: Range | undefined, text: (value: number) => string) {
  const { atLeast, atMost } = range ?? {};
  if (atLeast !== undefined && atLeast === atMost) return `${name} = ${text(atLeast)}`;
  const least = atLeast === undefined ? '' : ` >= ${text(atLeast)}`;
  return `${name}${least}${atMost === undefined ? '' : ` <= ${text(atMost)}`}`;
}

const FACTORS = Object.entries({
  ...{ PiB: 1024 ** 5, PB: 1e15, TiB: 1024 ** 4, TB: 1e12, GiB: 1024 ** 3, GB: 1e9 },
  ...{ MiB: 1024 ** 2, MB: 1e6, KiB: 1024, KB: 1000 },
});

function formatSize(bytes: number): string {
  const [unit, factor] = FACTORS.find(([, one]) => bytes % one === 0) ?? ['B', 1];
  return `${bytes / factor} ${unit}`;
}

const formatSpeed = (mbps: number): string =>
  mbps % 1000 === 0 ? `${mbps / 1000} Gbit/s` : `${mbps} Mbit/s`;
