/**
 * Sensor data records (IPMI 2.0 chapter 43) and what a raw reading means by them.
 *
 * value = L((M * x + B * 10^Bexp) * 10^Rexp), where x is the raw byte read as unsigned, one's or two's complement, and L
 * one of twelve functions. Records of other kinds are kept as their type.
 */
import { Reader } from '../wire/cursor.ts';
import { type Decoded, decoded, malformed } from '../wire/result.ts';
import { unitName } from './sensor-tables.ts';
import { readTextField } from './text-field.ts';

export interface SensorRecord {
  readonly kind: 'sensor';
  readonly id: number;
  readonly name: string;
  /** Slave address of the controller that has the sensor; 0x20 is the BMC. */
  readonly owner: number;
  readonly lun: number;
  readonly number: number;
  readonly sensorType: number;
  /** 1: thresholds. 0x6f: states of its sensor type. Others: generic states. */
  readonly eventType: number;
  readonly unit: string;
  /** Absent for sensors without a number. */
  readonly conversion?: Conversion;
}

export interface Conversion {
  readonly format: 'unsigned' | 'ones-complement' | 'twos-complement';
  readonly linearisation: number;
  readonly factors: Factors;
}

export interface Factors {
  readonly m: number;
  readonly b: number;
  readonly bExponent: number;
  readonly resultExponent: number;
}

export type SdrRecord =
  | SensorRecord
  | { readonly kind: 'fru'; readonly id: number; readonly name: string; readonly device: number }
  | { readonly kind: 'controller'; readonly id: number; readonly name: string }
  | { readonly kind: 'other'; readonly id: number; readonly type: number };

const TYPE = { full: 0x01, compact: 0x02, eventOnly: 0x03, fru: 0x11, controller: 0x12 } as const;
/** Linearisation 0x70 and above: the factors depend on the reading and have to be asked for. */
export const NON_LINEAR = 0x70;

export function decodeSdr(bytes: Uint8Array): Decoded<SdrRecord, 'too-short'> {
  const reader = new Reader(bytes);
  const id = reader.u16Le();
  reader.u8();
  const type = reader.u8();
  reader.u8();
  const record = readBody(reader, id, type);
  return reader.failedAt === undefined ? decoded(record) : malformed('too-short', reader.failedAt);
}

function readBody(reader: Reader, id: number, type: number): SdrRecord {
  switch (type) {
    case TYPE.full:
    case TYPE.compact:
    case TYPE.eventOnly:
      return readSensor(reader, id, type);
    case TYPE.fru: {
      reader.u8();
      const device = reader.u8();
      reader.take(8);
      return { kind: 'fru', id, device, name: readTextField(reader) ?? '' };
    }
    case TYPE.controller: {
      reader.take(10);
      return { kind: 'controller', id, name: readTextField(reader) ?? '' };
    }
    default:
      return { kind: 'other', id, type };
  }
}

function readSensor(reader: Reader, id: number, type: number): SensorRecord {
  const owner = reader.u8();
  const lun = reader.u8() & 3;
  const number = reader.u8();
  reader.take(2);
  // Event-only records have neither initialisation nor masks nor units.
  if (type === TYPE.eventOnly) {
    const kinds = { sensorType: reader.u8(), eventType: reader.u8() & 0x7f };
    reader.take(4);
    const name = readTextField(reader) ?? '';
    return { kind: 'sensor', id, name, owner, lun, number, ...kinds, unit: '' };
  }
  reader.take(2);
  const kinds = { sensorType: reader.u8(), eventType: reader.u8() & 0x7f };
  reader.take(6);
  const units = reader.take(3);
  const conversion = type === TYPE.full ? readConversion(reader, units[0] ?? 0) : undefined;
  // Up to the name: thresholds and hystereses of a full record, sharing and hystereses of a compact one.
  reader.take(type === TYPE.full ? 17 : 8);
  const sensor = {
    ...{ kind: 'sensor' as const, id, name: readTextField(reader) ?? '', owner, lun, number },
    ...{ ...kinds, unit: unitName([...units]) },
  };
  return conversion ? { ...sensor, conversion } : sensor;
}

function readConversion(reader: Reader, units: number): Conversion | undefined {
  const linearisation = reader.u8() & 0x7f;
  const factors = readFactors(reader.take(6));
  const format = (['unsigned', 'ones-complement', 'twos-complement'] as const)[units >> 6];
  return format && { format, linearisation, factors };
}

/** The six bytes from M to the exponents, as they also come from Get Sensor Reading Factors. */
export function readFactors(bytes: Uint8Array): Factors {
  const [mLow = 0, mHigh = 0, bLow = 0, bHigh = 0, , exponents = 0] = bytes;
  return {
    m: signed(mLow | ((mHigh & 0xc0) << 2), 10),
    b: signed(bLow | ((bHigh & 0xc0) << 2), 10),
    bExponent: signed(exponents & 15, 4),
    resultExponent: signed(exponents >> 4, 4),
  };
}

function signed(value: number, bits: number): number {
  return value >= 2 ** (bits - 1) ? value - 2 ** bits : value;
}

const LINEARISATION: readonly ((x: number) => number)[] = [
  (x) => x,
  Math.log,
  Math.log10,
  Math.log2,
  Math.exp,
  (x) => 10 ** x,
  (x) => 2 ** x,
  (x) => 1 / x,
  (x) => x ** 2,
  (x) => x ** 3,
  Math.sqrt,
  Math.cbrt,
];

/** `undefined` where the function has no value (1/0, the logarithm of less than nothing). */
export function sensorValue(conversion: Conversion, raw: number): number | undefined {
  const x = rawNumber(conversion.format, raw);
  const { m, b, bExponent, resultExponent } = conversion.factors;
  const linear = (m * x + b * 10 ** bExponent) * 10 ** resultExponent;
  const value = (LINEARISATION[conversion.linearisation] ?? ((y: number) => y))(linear);
  // 15 digits hide what binary fractions add to decimal exponents.
  return Number.isFinite(value) ? Number(value.toPrecision(12)) : undefined;
}

function rawNumber(format: Conversion['format'], raw: number): number {
  switch (format) {
    case 'unsigned':
      return raw;
    case 'twos-complement':
      return signed(raw, 8);
    case 'ones-complement':
      return raw & 0x80 ? raw - 255 : raw;
  }
}
