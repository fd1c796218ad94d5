/**
 * SDR repository (IPMI 2.0 sections 33.9 to 33.12): records in pieces, under a reservation. `sdr-repository.ts` reads all.
 */
import { Writer } from '../../wire/cursor.ts';
import { type Command, reading } from '../command.ts';
import { NETFN } from '../message.ts';

export interface SdrInfo {
  readonly records: number;
  readonly freeBytes: number;
}

export const getSdrInfo: Command<void, SdrInfo> = {
  name: 'Get SDR Repository Info',
  netFn: NETFN.storage,
  command: 0x20,
  repeatable: true,
  encode: () => new Uint8Array(),
  decode: reading((reader) => {
    reader.u8();
    return { records: reader.u16Le(), freeBytes: reader.u16Le() };
  }),
};

export const reserveSdr: Command<void, { reservation: number }> = {
  name: 'Reserve SDR Repository',
  netFn: NETFN.storage,
  command: 0x22,
  repeatable: true,
  encode: () => new Uint8Array(),
  decode: reading((reader) => ({ reservation: reader.u16Le() })),
};

export interface SdrPiece {
  readonly reservation: number;
  readonly record: number;
  readonly offset: number;
  readonly length: number;
}

export const getSdr: Command<SdrPiece, { next: number; bytes: Uint8Array }> = {
  name: 'Get SDR',
  netFn: NETFN.storage,
  command: 0x23,
  repeatable: true,
  encode: ({ reservation, record, offset, length }) =>
    new Writer(6).u16Le(reservation).u16Le(record).u8(offset).u8(length).finish(),
  decode: reading((reader) => ({ next: reader.u16Le(), bytes: reader.rest() })),
};
