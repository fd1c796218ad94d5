/**
 * The whole System Event Log: read record by record, and cleared under a reservation.
 *
 * Times below 0x20000000 are seconds since the BMC started (section 37.1), because its clock had not been set; they are
 * kept apart from real ones. Clearing asks until the BMC is done and never twice.
 */
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { Reader } from '../wire/cursor.ts';
import { type Decoded, decoded, malformed } from '../wire/result.ts';
import type { Caller } from './command.ts';
import { clearSel, FIRST_RECORD, getSelEntry, LAST_RECORD, reserveSel } from './commands/sel.ts';
import { COMPLETION, CompletionError } from './completion.ts';
import type { Timers } from './ports.ts';
import { eventText, sensorTypeName } from './sensor-tables.ts';
import { sleep } from './sleep.ts';

export interface SelEntry {
  readonly id: number;
  /** Seconds since 1970, or since the BMC started: see `sinceStart`. Absent for OEM records without a time. */
  readonly seconds?: number;
  readonly sinceStart: boolean;
  /** `Temperature #0x02`; what an OEM record is instead. */
  readonly sensor: string;
  /** Table 42-3; absent for an OEM record. */
  readonly sensorType?: number;
  readonly event: string;
  readonly asserted: boolean;
  /** The 16 bytes, in hex, for those who know more. */
  readonly raw: string;
}

const SYSTEM_EVENT = 0x02;
const SINCE_START_BELOW = 0x20000000;

export function decodeSelRecord(bytes: Uint8Array): Decoded<SelEntry, 'too-short'> {
  const reader = new Reader(bytes);
  const id = reader.u16Le();
  const type = reader.u8();
  const raw = Buffer.from(bytes.subarray(0, 16)).toString('hex');
  const seconds = reader.u32Le();
  reader.take(3);
  const [sensorType = 0, sensor = 0, direction = 0, data = 0] = reader.take(4);
  reader.take(2);
  if (reader.failedAt !== undefined) return malformed('too-short', reader.failedAt);
  if (type !== SYSTEM_EVENT) {
    // OEM records: 0xc0 to 0xdf have a time, 0xe0 to 0xff have none.
    const timed = type < 0xe0 ? { seconds } : {};
    const event = Buffer.from(bytes.subarray(type < 0xe0 ? 7 : 3, 16)).toString('hex');
    const sensorName = `OEM record 0x${type.toString(16)}`;
    return decoded({
      id,
      ...timed,
      sinceStart: false,
      sensor: sensorName,
      event,
      asserted: true,
      raw,
    });
  }
  return decoded({
    ...{ id, seconds, sinceStart: seconds < SINCE_START_BELOW, raw },
    sensorType,
    sensor: `${sensorTypeName(sensorType)} #0x${sensor.toString(16).padStart(2, '0')}`,
    event: eventText(direction & 0x7f, sensorType, data & 0x0f),
    asserted: (direction & 0x80) === 0,
  });
}

/** Oldest first. */
export async function readSel(caller: Caller): Promise<readonly SelEntry[]> {
  const entries: SelEntry[] = [];
  const seen = new Set<number>();
  let record = FIRST_RECORD;
  while (record !== LAST_RECORD && !seen.has(record) && entries.length < limit('selEntriesMax')) {
    seen.add(record);
    const answer = await nextEntry(caller, record);
    if (!answer) break;
    const entry = decodeSelRecord(answer.record);
    if (entry.ok) entries.push(entry.value);
    record = answer.next;
  }
  return entries;
}

/** An empty log answers "not present"; so does one that was cleared while it was read. */
async function nextEntry(caller: Caller, record: number) {
  try {
    return await caller.call(getSelEntry, { reservation: 0, record });
  } catch (error) {
    const empty: readonly number[] = [COMPLETION.notPresent, COMPLETION.outOfRange];
    if (error instanceof CompletionError && empty.includes(error.completion)) return undefined;
    throw error;
  }
}

const POLLS_MAX = 60;

/** @throws AppError BMC_TIMEOUT when the BMC is not done after a minute */
export async function clearWholeSel(caller: Caller, timers: Timers): Promise<void> {
  const { reservation } = await caller.call(reserveSel, undefined);
  let { done } = await caller.call(clearSel, { reservation, action: 'start' });
  for (let polls = 0; !done; polls++) {
    if (polls >= POLLS_MAX) {
      throw new AppError('BMC_TIMEOUT', {
        detail: 'Clearing the event log does not come to an end.',
      });
    }
    await sleep(timers, limit('powerPollMs'));
    ({ done } = await caller.call(clearSel, { reservation, action: 'status' }));
  }
}
