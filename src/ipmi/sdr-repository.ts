/**
 * Reading the whole SDR repository: piece by piece, because BMCs have small buffers and say so late (0xca, 0xc8, 0xff),
 * and again from the start of a record when the reservation was lost (0xc5).
 *
 * Not believed, for reasons seen in the field: the count of records, the id inside a record, that the list ends.
 */
import { limit } from '../limits.ts';
import type { Caller } from './command.ts';
import { getSdr, reserveSdr } from './commands/sdr.ts';
import { COMPLETION, CompletionError } from './completion.ts';
import { decodeSdr, type SdrRecord } from './sensor-record.ts';

const HEADER_BYTES = 5;
const LAST = 0xffff;
const RESERVATIONS_MAX = 8;
const PIECE_BYTES = [32, 16, 8] as const;
/** How BMCs say that there is no such record. */
const END: readonly number[] = [
  COMPLETION.notPresent,
  COMPLETION.outOfRange,
  COMPLETION.invalidField,
  COMPLETION.timeout,
];

/** Every record that can be decoded, in the order of the repository. */
export async function readSdrs(caller: Caller): Promise<readonly SdrRecord[]> {
  const records: SdrRecord[] = [];
  const seen = new Set<number>();
  const repository = createReader(caller);
  let id = 0;
  while (id !== LAST && !seen.has(id) && records.length < limit('sdrRecordsMax')) {
    seen.add(id);
    const record = await repository.read(id);
    // The end mark is missing on some boards: the record after the last is simply refused.
    if (!record) break;
    const decoded = decodeSdr(record.bytes);
    if (decoded.ok) records.push(decoded.value);
    id = record.next;
  }
  return records;
}

interface WholeRecord {
  readonly next: number;
  readonly bytes: Uint8Array;
}

function createReader(caller: Caller): { read(id: number): Promise<WholeRecord | undefined> } {
  let reservation = 0;
  let reservations = 0;
  let piece = 0;
  const reserve = async () => {
    reservations += 1;
    reservation = (await caller.call(reserveSdr, undefined)).reservation;
  };

  const whole = async (record: number): Promise<WholeRecord> => {
    const head = await caller.call(getSdr, {
      reservation,
      record,
      offset: 0,
      length: HEADER_BYTES,
    });
    const total = HEADER_BYTES + (head.bytes[HEADER_BYTES - 1] ?? 0);
    const bytes = new Uint8Array(total);
    bytes.set(head.bytes.subarray(0, HEADER_BYTES));
    let offset = HEADER_BYTES;
    while (offset < total) {
      const length = Math.min(PIECE_BYTES[piece] ?? 8, total - offset);
      try {
        const part = await caller.call(getSdr, { reservation, record, offset, length });
        if (part.bytes.length === 0) break;
        bytes.set(part.bytes.subarray(0, total - offset), offset);
        offset += part.bytes.length;
      } catch (error) {
        if (!isTooMuch(error) || piece >= PIECE_BYTES.length - 1) throw error;
        piece += 1;
      }
    }
    return { next: head.next, bytes };
  };

  return {
    async read(id) {
      if (reservations === 0) await reserve();
      for (;;) {
        try {
          return await whole(id);
        } catch (error) {
          if (!(error instanceof CompletionError)) throw error;
          if (END.includes(error.completion)) return undefined;
          const lost = error.completion === COMPLETION.reservationCancelled;
          if (!lost || reservations >= RESERVATIONS_MAX) throw error;
          await reserve();
        }
      }
    },
  };
}

function isTooMuch(error: unknown): boolean {
  const codes: readonly number[] = [
    COMPLETION.tooManyBytes,
    COMPLETION.fieldTooLong,
    COMPLETION.unspecified,
  ];
  return error instanceof CompletionError && codes.includes(error.completion);
}
