/**
 * Sensors with their values: the records of the repository, each asked for its reading.
 *
 * Sensors of other controllers and on other LUNs are listed without a reading: this session talks to the BMC's LUN 0.
 */
import type { Caller } from './command.ts';
import {
  getSensorFactors,
  getSensorReading,
  getSensorThresholds,
  type RawReading,
} from './commands/sensor-reading.ts';
import { CompletionError } from './completion.ts';
import { BMC_ADDRESS } from './message.ts';
import { readSdrs } from './sdr-repository.ts';
import { NON_LINEAR, readFactors, type SensorRecord, sensorValue } from './sensor-record.ts';
import { eventText, sensorTypeName } from './sensor-tables.ts';

/** `none`: there is no reading now (the machine is off, the part is absent, another controller has it). */
export type SensorHealth = 'ok' | 'warning' | 'critical' | 'failed' | 'none';

export interface SensorValue {
  readonly name: string;
  readonly number: number;
  readonly type: string;
  readonly health: SensorHealth;
  readonly value?: number;
  readonly unit?: string;
  /** Names of the states that a discrete sensor is in. */
  readonly states: readonly string[];
  readonly thresholds?: SensorThresholds;
}

/** Where a value becomes `warning`, `critical` or `failed`; those that the sensor has. */
export interface SensorThresholds {
  readonly lowerFailed?: number;
  readonly lowerCritical?: number;
  readonly lowerWarning?: number;
  readonly upperWarning?: number;
  readonly upperCritical?: number;
  readonly upperFailed?: number;
}

/** @param options `thresholds`: asked for too, which is one more request for each sensor that has them */
export async function readSensors(
  caller: Caller,
  options: { readonly thresholds?: boolean } = {},
): Promise<readonly SensorValue[]> {
  const sensors = (await readSdrs(caller)).filter((record) => record.kind === 'sensor');
  const values: SensorValue[] = [];
  for (const sensor of sensors) {
    const value = await readSensor(caller, sensor);
    const wanted = options.thresholds && value.value !== undefined;
    const thresholds = wanted ? await readThresholds(caller, sensor) : undefined;
    values.push(thresholds ? { ...value, thresholds } : value);
  }
  return values;
}

async function readSensor(caller: Caller, sensor: SensorRecord): Promise<SensorValue> {
  const type = sensorTypeName(sensor.sensorType);
  const named = { name: sensor.name, number: sensor.number, type };
  const reading = await askReading(caller, sensor);
  if (!reading || reading.unavailable || !reading.scanning) {
    return { ...named, health: 'none', states: [] };
  }
  const { eventType } = sensor;
  if (eventType !== 1) {
    const bits = Array.from({ length: 15 }, (_, bit) => bit);
    const states = bits
      .filter((bit) => reading.states & (1 << bit))
      .map((bit) => eventText(eventType, sensor.sensorType, bit));
    return { ...named, health: 'ok', states };
  }
  const value = await convert(caller, sensor, reading.raw);
  const health = thresholdHealth(reading.states);
  return {
    ...named,
    health,
    states: [],
    ...(value === undefined ? {} : { value, unit: sensor.unit }),
  };
}

/** The order of Get Sensor Thresholds (section 35.9). */
const THRESHOLDS = [
  'lowerWarning',
  'lowerCritical',
  'lowerFailed',
  'upperWarning',
  'upperCritical',
  'upperFailed',
] as const satisfies readonly (keyof SensorThresholds)[];

/** `undefined` for a sensor without any. */
async function readThresholds(
  caller: Caller,
  sensor: SensorRecord,
): Promise<SensorThresholds | undefined> {
  const thresholds: { -readonly [Name in keyof SensorThresholds]: number } = {};
  try {
    const raw = await caller.call(getSensorThresholds, { sensor: sensor.number });
    for (const [index, name] of THRESHOLDS.entries()) {
      const one = raw[index];
      const value = one === undefined ? undefined : await convert(caller, sensor, one);
      if (value !== undefined) thresholds[name] = value;
    }
  } catch (error) {
    if (!(error instanceof CompletionError)) throw error;
  }
  return Object.keys(thresholds).length > 0 ? thresholds : undefined;
}

async function askReading(caller: Caller, sensor: SensorRecord): Promise<RawReading | undefined> {
  if (sensor.owner !== BMC_ADDRESS || sensor.lun !== 0) return undefined;
  try {
    return await caller.call(getSensorReading, { sensor: sensor.number });
  } catch (error) {
    if (error instanceof CompletionError) return undefined;
    throw error;
  }
}

async function convert(
  caller: Caller,
  sensor: SensorRecord,
  raw: number,
): Promise<number | undefined> {
  const { conversion } = sensor;
  if (!conversion) return undefined;
  if (conversion.linearisation < NON_LINEAR) return sensorValue(conversion, raw);
  const bytes = await caller.call(getSensorFactors, { sensor: sensor.number, raw });
  return sensorValue({ ...conversion, linearisation: 0, factors: readFactors(bytes) }, raw);
}

/** Bits of table 35-15: lower and upper, non-critical, critical, non-recoverable. */
function thresholdHealth(states: number): SensorHealth {
  if (states & 0b100100) return 'failed';
  if (states & 0b010010) return 'critical';
  return states & 0b001001 ? 'warning' : 'ok';
}
