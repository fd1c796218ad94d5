/**
 * What a simulated BMC knows of its hardware: sensors with their SDR records, FRU inventory and the first SEL entries.
 * Records are built here byte by byte (IPMI 2.0 sections 43.1, 43.2, 43.8 and 43.9; FRU specification 1.0), on purpose
 * without the decoders of `src/ipmi/`, so that a mistake in one is not hidden by the same mistake in the other.
 */
import { Writer } from '../src/wire/cursor.ts';

export interface FakeSensor {
  readonly number: number;
  readonly name: string;
  /** Table 42-3. */
  readonly type: number;
  /** Table 43-15; absent for discrete sensors. */
  readonly unit?: number;
  /** value = (m * raw + b * 10^bExponent) * 10^resultExponent, then the linearisation. */
  readonly m?: number;
  readonly b?: number;
  readonly bExponent?: number;
  readonly resultExponent?: number;
  readonly linearisation?: number;
  readonly signed?: boolean;
  readonly raw: number;
  /** Raw lower critical and upper critical. */
  readonly thresholds?: readonly [number, number];
  /** States of a discrete sensor. */
  readonly states?: number;
  readonly absent?: boolean;
}

export const SENSORS: readonly FakeSensor[] = [
  {
    number: 1,
    name: 'Inlet Temp',
    type: 1,
    unit: 1,
    m: 1,
    signed: true,
    raw: 23,
    thresholds: [0xfb, 45],
  },
  { number: 2, name: 'CPU1 Temp', type: 1, unit: 1, m: 1, raw: 48, thresholds: [5, 95] },
  { number: 3, name: 'FAN1', type: 4, unit: 18, m: 60, raw: 87, thresholds: [8, 250] },
  {
    number: 4,
    name: '12V',
    type: 2,
    unit: 4,
    m: 63,
    resultExponent: -3,
    raw: 191,
    thresholds: [170, 210],
  },
  { number: 5, name: 'PSU1 Power', type: 8, unit: 6, m: 4, b: 5, bExponent: 1, raw: 30 },
  // Linearisation 7 is 1/x: raw 100 reads as (1 * 100)^-1 s.
  { number: 6, name: 'Pump Period', type: 11, unit: 22, m: 1, linearisation: 7, raw: 100 },
  { number: 7, name: 'CPU2 Temp', type: 1, unit: 1, m: 1, raw: 0, absent: true },
  { number: 16, name: 'PSU1 Status', type: 8, raw: 0, states: 0x0001 },
  { number: 17, name: 'Chassis Intru', type: 5, raw: 0, states: 0x0000 },
];

const BMC_ADDRESS = 0x20;

function record(id: number, type: number, body: Uint8Array): Uint8Array {
  return new Writer(64).u16Le(id).u8(0x51).u8(type).u8(body.length).bytes(body).finish();
}

function nameBytes(name: string): Uint8Array {
  const bytes = Buffer.from(name, 'latin1');
  return Uint8Array.of(0xc0 | bytes.length, ...bytes);
}

function fullSensor(id: number, sensor: FakeSensor): Uint8Array {
  const { m = 1, b = 0, bExponent = 0, resultExponent = 0 } = sensor;
  const thresholds = sensor.thresholds ? 0x0804 : 0;
  const [low = 0, high = 0] = sensor.thresholds ?? [];
  const body = new Writer(64)
    // Key: owner, LUN, number. Entity: system board, instance 1. Initialisation: everything enabled.
    .bytes(Uint8Array.of(BMC_ADDRESS, 0, sensor.number, 0x07, 1, 0x7f))
    // Capabilities: thresholds readable; event type: threshold.
    .bytes(Uint8Array.of(sensor.thresholds ? 0x64 : 0x40, sensor.type, 0x01))
    .u16Le(0)
    .u16Le(0)
    // Readable thresholds: lower critical and upper critical.
    .u16Le(thresholds ? 0x0012 : 0)
    .bytes(Uint8Array.of(sensor.signed ? 0x80 : 0x00, sensor.unit ?? 0, 0))
    .u8(sensor.linearisation ?? 0)
    .bytes(Uint8Array.of(m & 0xff, ((m >> 8) & 3) << 6, b & 0xff, ((b >> 8) & 3) << 6))
    .bytes(Uint8Array.of(0, ((resultExponent & 0xf) << 4) | (bExponent & 0xf)))
    .bytes(Uint8Array.of(0, 0, 0, 0, sensor.signed ? 0x7f : 0xff, sensor.signed ? 0x80 : 0))
    .bytes(Uint8Array.of(0, high, 0, 0, low, 0, 1, 1, 0, 0, 0))
    .bytes(nameBytes(sensor.name))
    .finish();
  return record(id, 0x01, body);
}

function compactSensor(id: number, sensor: FakeSensor): Uint8Array {
  const body = new Writer(64)
    .bytes(Uint8Array.of(BMC_ADDRESS, 0, sensor.number, 0x0a, 1, 0x63, 0x40, sensor.type, 0x6f))
    .u16Le(0)
    .u16Le(0)
    .u16Le(0x000f)
    .bytes(Uint8Array.of(0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    .bytes(nameBytes(sensor.name))
    .finish();
  return record(id, 0x02, body);
}

/** Every record, in order; the first id is 1. */
export const SDR_RECORDS: readonly Uint8Array[] = [
  ...SENSORS.map((sensor, index) =>
    sensor.unit === undefined ? compactSensor(index + 1, sensor) : fullSensor(index + 1, sensor),
  ),
  // FRU device locator: device 0 behind the BMC, "Baseboard FRU".
  record(
    SENSORS.length + 1,
    0x11,
    Uint8Array.of(BMC_ADDRESS, 0, 0x80, 0, 0, 0x10, 0, 0x07, 1, 0, ...nameBytes('Baseboard FRU')),
  ),
  // Management controller locator.
  record(
    SENSORS.length + 2,
    0x12,
    Uint8Array.of(BMC_ADDRESS, 0, 0, 0x9f, 0, 0, 0, 0x07, 1, 0, ...nameBytes('BMC')),
  ),
];

export interface FakeFru {
  readonly serial: string;
  readonly manufacturer?: string;
  readonly product?: string;
  readonly asset?: string;
}

const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);

function area(head: readonly number[], fields: readonly string[]): Uint8Array {
  const body = fields.flatMap((field) => [...nameBytes(field)]);
  // Version, length in eighths, ..., end mark, padding, checksum.
  const length = Math.ceil((head.length + 2 + body.length + 2) / 8) * 8;
  const bytes = new Uint8Array(length);
  bytes.set([1, length / 8, ...head, ...body, 0xc1]);
  bytes[length - 1] = -sum(bytes) & 0xff;
  return bytes;
}

/** A FRU inventory with chassis, board and product areas. */
export function fruBytes({ serial, ...fru }: FakeFru): Uint8Array {
  const maker = fru.manufacturer ?? 'Reveille Lab';
  const product = fru.product ?? 'Virtual 1U';
  const chassis = area([0x17], ['CH-100', `${serial}C`]);
  // Minutes since 1996-01-01: 15,000,000 is 2024-07-08 16:00.
  const board = area([0x19, 0xc0, 0xe1, 0xe4], [maker, 'Mainboard', `${serial}B`, 'MB-1', '']);
  const goods = area([0x19], [maker, product, 'PN-1', '1.0', serial, fru.asset ?? '', '']);
  const offsets = [8, 8 + chassis.length, 8 + chassis.length + board.length].map((at) => at / 8);
  const header = Uint8Array.of(1, 0, ...offsets, 0, 0, 0);
  header[7] = -sum(header) & 0xff;
  return Buffer.concat([header, chassis, board, goods, new Uint8Array(16)]);
}

/** A system event (type 2): 16 bytes without the record id, which the log gives. */
export function selRecord(event: {
  readonly seconds: number;
  readonly sensorType: number;
  readonly sensor: number;
  readonly eventType: number;
  readonly data: readonly [number, number, number];
}): Uint8Array {
  return new Writer(14)
    .u8(0x02)
    .u32Le(event.seconds)
    .u16Le(BMC_ADDRESS)
    .bytes(Uint8Array.of(0x04, event.sensorType, event.sensor, event.eventType, ...event.data))
    .finish();
}

/** The log of a machine that was plugged in and switched on. */
export const FIRST_EVENTS: readonly Uint8Array[] = [
  // Event logging disabled, log cleared.
  selRecord({
    seconds: 1_700_000_000,
    sensorType: 0x10,
    sensor: 0,
    eventType: 0x6f,
    data: [2, 0xff, 0xff],
  }),
  // Power supply 1 present.
  selRecord({
    seconds: 1_700_000_060,
    sensorType: 0x08,
    sensor: 16,
    eventType: 0x6f,
    data: [0, 0xff, 0xff],
  }),
  // Temperature, upper critical, going high: reading 96, threshold 95.
  selRecord({
    seconds: 1_700_000_120,
    sensorType: 0x01,
    sensor: 2,
    eventType: 0x01,
    data: [0x59, 96, 95],
  }),
];
