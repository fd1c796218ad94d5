/**
 * FRU inventory (IPMI 2.0 sections 34.1 and 34.2): sizes and pieces. `fru-inventory.ts` reads and decodes an inventory.
 */
import { Writer } from '../../wire/cursor.ts';
import { type Command, reading } from '../command.ts';
import { NETFN } from '../message.ts';

export const getFruInfo: Command<{ device: number }, { bytes: number; words: boolean }> = {
  name: 'Get FRU Inventory Area Info',
  netFn: NETFN.storage,
  command: 0x10,
  repeatable: true,
  encode: ({ device }) => Uint8Array.of(device),
  decode: reading((reader) => ({ bytes: reader.u16Le(), words: (reader.u8() & 1) !== 0 })),
};

/** Offset and count in bytes, or in words where the area says so. */
export const readFru: Command<{ device: number; offset: number; count: number }, Uint8Array> = {
  name: 'Read FRU Data',
  netFn: NETFN.storage,
  command: 0x11,
  repeatable: true,
  completions: { 129: 'the FRU device is busy' },
  encode: ({ device, offset, count }) => new Writer(4).u8(device).u16Le(offset).u8(count).finish(),
  decode: reading((reader) => {
    reader.u8();
    return reader.rest();
  }),
};
