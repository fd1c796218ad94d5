/**
 * Storage commands of a simulated BMC: SDR repository, SEL and FRU (IPMI 2.0 chapters 31, 33 and 34).
 */
import { Writer } from '../src/wire/cursor.ts';
import { SDR_RECORDS } from './fake-bmc-data.ts';
import { type CommandTable, fields, ok, okBytes, refuse } from './fake-bmc-reply.ts';

const RESERVATION_CANCELLED = 0xc5;
const LENGTH_INVALID = 0xc7;
const OUT_OF_RANGE = 0xc9;
const TOO_MANY_BYTES = 0xca;
const NOT_PRESENT = 0xcb;
const LAST = 0xffff;
/** What fits into one response of a BMC with a small buffer: readers have to ask for pieces. */
const PIECE_BYTES_MAX = 32;

const idOf = (record: Uint8Array) => (record[0] ?? 0) | ((record[1] ?? 0) << 8);

export const STORAGE_COMMANDS: CommandTable = {
  '10/16': {
    privilege: 2,
    run: (request, { state }) => {
      if (request[0] !== 0) return refuse(NOT_PRESENT);
      return okBytes(new Writer(3).u16Le(state.fru.length).u8(0).finish());
    },
  },
  '10/17': {
    privilege: 2,
    run: (request, { state }) => {
      const asked = fields(request, (reader) => ({
        device: reader.u8(),
        offset: reader.u16Le(),
        count: reader.u8(),
      }));
      if (!asked) return refuse(LENGTH_INVALID);
      if (asked.device !== 0) return refuse(NOT_PRESENT);
      if (asked.count > PIECE_BYTES_MAX) return refuse(TOO_MANY_BYTES);
      if (asked.offset >= state.fru.length) return refuse(OUT_OF_RANGE);
      const piece = state.fru.subarray(asked.offset, asked.offset + asked.count);
      return okBytes(Uint8Array.of(piece.length, ...piece));
    },
  },
  '10/32': {
    privilege: 2,
    run: () =>
      okBytes(
        new Writer(14)
          .u8(0x51)
          .u16Le(SDR_RECORDS.length)
          .u16Le(4096)
          .u32Le(1_700_000_000)
          .u32Le(1_700_000_000)
          .u8(0x22)
          .finish(),
      ),
  },
  '10/34': { privilege: 2, run: () => ok(1, 0) },
  '10/35': {
    privilege: 2,
    run: (request) => {
      const asked = fields(request, (reader) => ({
        reservation: reader.u16Le(),
        record: reader.u16Le(),
        offset: reader.u8(),
        count: reader.u8(),
      }));
      if (!asked) return refuse(LENGTH_INVALID);
      const index =
        asked.record === 0 ? 0 : SDR_RECORDS.findIndex((each) => idOf(each) === asked.record);
      const record = SDR_RECORDS[index];
      if (!record) return refuse(NOT_PRESENT);
      if (asked.offset > 0 && asked.reservation !== 1) return refuse(RESERVATION_CANCELLED);
      const count = asked.count === 0xff ? record.length : asked.count;
      if (count > PIECE_BYTES_MAX) return refuse(TOO_MANY_BYTES);
      const next = SDR_RECORDS[index + 1];
      const piece = record.subarray(asked.offset, asked.offset + count);
      return okBytes(
        new Writer(40)
          .u16Le(next ? idOf(next) : LAST)
          .bytes(piece)
          .finish(),
      );
    },
  },
  '10/64': {
    privilege: 2,
    run: (_, { state }) =>
      okBytes(
        new Writer(14)
          .u8(0x51)
          .u16Le(state.sel.length)
          .u16Le(16_000 - state.sel.length * 16)
          .u32Le(1_700_000_120)
          .u32Le(1_700_000_000)
          .u8(0x02)
          .finish(),
      ),
  },
  '10/66': {
    privilege: 2,
    run: (_, { state }) => {
      state.selReservation = (state.selReservation % 0xffff) + 1;
      return okBytes(new Writer(2).u16Le(state.selReservation).finish());
    },
  },
  '10/67': {
    privilege: 2,
    run: (request, { state }) => {
      const asked = fields(request, (reader) => ({
        reservation: reader.u16Le(),
        record: reader.u16Le(),
        offset: reader.u8(),
        count: reader.u8(),
      }));
      if (!asked) return refuse(LENGTH_INVALID);
      const { sel } = state;
      const index =
        asked.record === 0
          ? 0
          : asked.record === LAST
            ? sel.length - 1
            : sel.findIndex(({ id }) => id === asked.record);
      const entry = sel[index];
      if (!entry) return refuse(NOT_PRESENT);
      const record = new Writer(16).u16Le(entry.id).bytes(entry.record).finish();
      const count = asked.count === 0xff ? 16 : asked.count;
      const piece = record.subarray(asked.offset, asked.offset + count);
      return okBytes(
        new Writer(18)
          .u16Le(sel[index + 1]?.id ?? LAST)
          .bytes(piece)
          .finish(),
      );
    },
  },
  '10/71': {
    privilege: 3,
    run: (request, { state }) => {
      const asked = fields(request, (reader) => ({
        reservation: reader.u16Le(),
        word: Buffer.from(reader.take(3)).toString('latin1'),
        action: reader.u8(),
      }));
      if (asked?.word !== 'CLR') return refuse(LENGTH_INVALID);
      if (asked.reservation !== state.selReservation) return refuse(RESERVATION_CANCELLED);
      if (asked.action === 0xaa) state.sel = [];
      return ok(1);
    },
  },
  '10/72': {
    privilege: 2,
    run: (_, { state }) =>
      okBytes(new Writer(4).u32Le(state.clock() + state.clockAheadSeconds).finish()),
  },
  '10/73': {
    privilege: 3,
    run: (request, { state }) => {
      const seconds = fields(request, (reader) => reader.u32Le());
      if (seconds === undefined) return refuse(LENGTH_INVALID);
      state.clockAheadSeconds = seconds - state.clock();
      return ok();
    },
  },
};
