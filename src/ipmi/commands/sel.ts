/**
 * System Event Log (IPMI 2.0 sections 31.2 to 31.11, record format 32.1). Clearing is not repeated blindly; `sel-log.ts`
 * reads and clears the whole log.
 */
import { Writer } from '../../wire/cursor.ts';
import { type Command, nothing, reading } from '../command.ts';
import { NETFN } from '../message.ts';

export interface SelInfo {
  readonly entries: number;
  readonly freeBytes: number;
  /** Seconds of the BMC's clock. */
  readonly lastAddSeconds: number;
  readonly lastEraseSeconds: number;
  readonly overflow: boolean;
  readonly reserveSupported: boolean;
}

export const getSelInfo: Command<void, SelInfo> = {
  name: 'Get SEL Info',
  netFn: NETFN.storage,
  command: 0x40,
  repeatable: true,
  encode: () => new Uint8Array(),
  decode: reading((reader) => {
    reader.u8();
    const entries = reader.u16Le();
    const freeBytes = reader.u16Le();
    const lastAddSeconds = reader.u32Le();
    const lastEraseSeconds = reader.u32Le();
    const flags = reader.u8();
    return {
      ...{ entries, freeBytes, lastAddSeconds, lastEraseSeconds },
      overflow: (flags & 0x80) !== 0,
      reserveSupported: (flags & 0x02) !== 0,
    };
  }),
};

export const reserveSel: Command<void, { reservation: number }> = {
  name: 'Reserve SEL',
  netFn: NETFN.storage,
  command: 0x42,
  repeatable: true,
  encode: () => new Uint8Array(),
  decode: reading((reader) => ({ reservation: reader.u16Le() })),
};

export const FIRST_RECORD = 0x0000;
export const LAST_RECORD = 0xffff;

export const getSelEntry: Command<
  { reservation: number; record: number },
  { next: number; record: Uint8Array }
> = {
  name: 'Get SEL Entry',
  netFn: NETFN.storage,
  command: 0x43,
  repeatable: true,
  encode: ({ reservation, record }) =>
    new Writer(6).u16Le(reservation).u16Le(record).u8(0).u8(0xff).finish(),
  decode: reading((reader) => ({ next: reader.u16Le(), record: reader.take(16) })),
};

export const clearSel: Command<
  { reservation: number; action: 'start' | 'status' },
  { done: boolean }
> = {
  name: 'Clear SEL',
  netFn: NETFN.storage,
  command: 0x47,
  repeatable: false,
  encode: ({ reservation, action }) =>
    new Writer(6)
      .u16Le(reservation)
      .bytes(Uint8Array.from(Buffer.from('CLR')))
      .u8(action === 'start' ? 0xaa : 0x00)
      .finish(),
  decode: reading((reader) => ({ done: (reader.u8() & 0x0f) === 1 })),
};

export const getSelTime: Command<void, { seconds: number }> = {
  name: 'Get SEL Time',
  netFn: NETFN.storage,
  command: 0x48,
  repeatable: true,
  encode: () => new Uint8Array(),
  decode: reading((reader) => ({ seconds: reader.u32Le() })),
};

export const setSelTime: Command<{ seconds: number }, void> = {
  name: 'Set SEL Time',
  netFn: NETFN.storage,
  command: 0x49,
  repeatable: true,
  encode: ({ seconds }) => new Writer(4).u32Le(seconds).finish(),
  decode: nothing,
};
