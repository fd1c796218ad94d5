/**
 * Get Sensor Reading (IPMI 2.0 section 35.14), Get Sensor Thresholds (35.9) and Get Sensor Reading Factors (35.5).
 */
import { type Command, reading } from '../command.ts';
import { NETFN } from '../message.ts';

export interface RawReading {
  /** As the sensor gives it; `sensors.ts` makes a value of it. */
  readonly raw: number;
  readonly scanning: boolean;
  /** The BMC says that `raw` means nothing now: the machine is off, or the part is absent. */
  readonly unavailable: boolean;
  /** Threshold sensors: bit 0 lower non-critical ... bit 5 upper non-recoverable. Discrete ones: their states. */
  readonly states: number;
}

export const getSensorReading: Command<{ sensor: number }, RawReading> = {
  name: 'Get Sensor Reading',
  netFn: NETFN.sensor,
  command: 0x2d,
  repeatable: true,
  encode: ({ sensor }) => Uint8Array.of(sensor),
  decode: reading((reader) => {
    const raw = reader.u8();
    const flags = reader.u8();
    // Both bytes of states are optional.
    const low = reader.remaining > 0 ? reader.u8() : 0;
    const high = reader.remaining > 0 ? reader.u8() & 0x7f : 0;
    return {
      raw,
      scanning: (flags & 0x40) !== 0,
      unavailable: (flags & 0x20) !== 0,
      states: low | (high << 8),
    };
  }),
};

/** Raw thresholds: lower non-critical, critical, non-recoverable, then the upper ones; absent when not readable. */
export type RawThresholds = readonly (number | undefined)[];

export const getSensorThresholds: Command<{ sensor: number }, RawThresholds> = {
  name: 'Get Sensor Thresholds',
  netFn: NETFN.sensor,
  command: 0x27,
  repeatable: true,
  encode: ({ sensor }) => Uint8Array.of(sensor),
  decode: reading((reader) => {
    const readable = reader.u8();
    const values = reader.take(6);
    return [...values].map((value, bit) => (readable & (1 << bit) ? value : undefined));
  }),
};

/** The factors of a non-linear sensor at one raw reading: the bytes 25 to 30 of a full record. */
export const getSensorFactors: Command<{ sensor: number; raw: number }, Uint8Array> = {
  name: 'Get Sensor Reading Factors',
  netFn: NETFN.sensor,
  command: 0x23,
  repeatable: true,
  encode: ({ sensor, raw }) => Uint8Array.of(sensor, raw),
  decode: reading((reader) => {
    reader.u8();
    return reader.take(6);
  }),
};
