/**
 * The options of a packet where they stand in its bytes (RFC 2132 section 2, RFC 3396). One strict pass finds them; a value is
 * a view of those bytes, made when it is asked for, because the rules ask for more options than a client sends, and for
 * many that it does not. Where an option is split over several instances its pieces are joined, which needs memory
 * of its own.
 */
import { malformed } from '../wire/result.ts';
import { OPTION } from './options.ts';

/** Part of a packet that has options in it. */
export interface OptionField {
  readonly from: number;
  readonly to: number;
  /** An overloaded field must end with option 255 (RFC 2132 9.3); the main one may just stop. */
  readonly needsEnd: boolean;
}

const OPTION_BYTES_MAX = 255;

export type OptionFault = 'option-overruns' | 'no-end-option';

/** Adds to `starts` where the value of each option of a field begins; returns the fault that stopped it. */
export function findOptions(
  bytes: Uint8Array,
  { from, to, needsEnd }: OptionField,
  starts: number[],
): { ok: false; code: OptionFault; at: number } | undefined {
  let at = from;
  while (at < to) {
    const code = bytes[at] ?? OPTION.end;
    if (code === OPTION.end) return undefined;
    if (code === OPTION.pad) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1];
    if (at + 1 >= to || length === undefined || at + 2 + length > to) {
      return malformed('option-overruns', at);
    }
    starts.push(at + 2);
    at += 2 + length;
  }
  return needsEnd ? malformed('no-end-option', to) : undefined;
}

/** The options that `findOptions` found. They stay what they are only as long as the bytes do. */
export function optionsAt(
  bytes: Uint8Array,
  starts: readonly number[],
): ReadonlyMap<number, Uint8Array> {
  let bits = 0;
  for (let index = 0; index < starts.length; index++) {
    const bit = bitOf(bytes[(starts[index] ?? 0) - 2] ?? 0);
    if (bits & bit && isAmong(bytes, starts, index)) return joined(bytes, starts);
    bits |= bit;
  }
  return new OptionsInPlace(bytes, starts, bits);
}

/** One of 32, which codes share: where it is not set, none of them stands in the packet. */
function bitOf(code: number): number {
  return 1 << (code & 31);
}

/** Does the code of this option stand before it, too? Asked of 254 at most: then each code has been met. */
function isAmong(bytes: Uint8Array, starts: readonly number[], index: number): boolean {
  const code = bytes[(starts[index] ?? 0) - 2];
  for (let before = 0; before < index; before++) {
    if (bytes[(starts[before] ?? 0) - 2] === code) return true;
  }
  return false;
}

/** Code to value; the instances of a split option in the order in which they were found. */
function joined(bytes: Uint8Array, starts: readonly number[]): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  for (const start of starts) {
    const code = bytes[start - 2] ?? OPTION.end;
    const value = valueAt(bytes, start);
    const before = options.get(code);
    options.set(code, before ? concat(before, value) : value);
  }
  return options;
}

function valueAt(bytes: Uint8Array, start: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, bytes[start - 1] ?? 0);
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Each code stands once. Whoever goes through all of them gets a `Map`: that is for people, not for the rules. */
class OptionsInPlace implements ReadonlyMap<number, Uint8Array> {
  private readonly bytes: Uint8Array;
  private readonly starts: readonly number[];
  private readonly bits: number;

  constructor(bytes: Uint8Array, starts: readonly number[], bits: number) {
    this.bytes = bytes;
    this.starts = starts;
    this.bits = bits;
  }

  get size(): number {
    return this.starts.length;
  }

  get(code: number): Uint8Array | undefined {
    const start = this.startOf(code);
    return start === 0 ? undefined : valueAt(this.bytes, start);
  }

  has(code: number): boolean {
    return this.startOf(code) !== 0;
  }

  /** 0 where there is none. */
  private startOf(code: number): number {
    const { bytes, starts, bits } = this;
    if ((bits & bitOf(code)) === 0) return 0;
    for (let index = 0; index < starts.length; index++) {
      const start = starts[index] ?? 0;
      if (bytes[start - 2] === code) return start;
    }
    return 0;
  }

  forEach(
    visit: (value: Uint8Array, code: number, all: ReadonlyMap<number, Uint8Array>) => void,
  ): void {
    for (const [code, value] of this) visit(value, code, this);
  }

  entries(): MapIterator<[number, Uint8Array]> {
    return joined(this.bytes, this.starts).entries();
  }

  keys(): MapIterator<number> {
    return joined(this.bytes, this.starts).keys();
  }

  values(): MapIterator<Uint8Array> {
    return joined(this.bytes, this.starts).values();
  }

  [Symbol.iterator](): MapIterator<[number, Uint8Array]> {
    return this.entries();
  }
}

/** One option, split into instances of 255 bytes where it is longer (RFC 3396 section 5); returns where it ends. */
export function writeOption(
  bytes: Uint8Array,
  from: number,
  code: number,
  value: Uint8Array,
): number {
  let at = from;
  let done = 0;
  do {
    const length = Math.min(OPTION_BYTES_MAX, value.length - done);
    bytes[at] = code;
    bytes[at + 1] = length;
    bytes.set(length === value.length ? value : value.subarray(done, done + length), at + 2);
    at += 2 + length;
    done += length;
  } while (done < value.length);
  return at;
}

/** How many bytes an option takes in a packet, with the headers of its instances. */
export function encodedBytes({ length }: Uint8Array): number {
  return length <= OPTION_BYTES_MAX
    ? length + 2
    : length + 2 * Math.ceil(length / OPTION_BYTES_MAX);
}
