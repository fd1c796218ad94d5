/**
 * Get Channel Cipher Suites (IPMI 2.0 section 22.15): 16 bytes of records a time, until fewer come. ipmi_sim 2.0.33 does
 * not answer it outside a session.
 */
import { type Command, reading } from '../command.ts';
import { NETFN } from '../message.ts';
import { THIS_CHANNEL } from './channel-auth.ts';

/** A list of more than this many pieces never ends. */
export const SUITE_PIECES_MAX = 16;
export const SUITE_PIECE_BYTES = 16;

export const getCipherSuites: Command<{ index: number }, { records: Uint8Array }> = {
  name: 'Get Channel Cipher Suites',
  netFn: NETFN.app,
  command: 0x54,
  repeatable: true,
  encode: ({ index }) => Uint8Array.of(THIS_CHANNEL, 0x00, 0x80 | index),
  decode: reading((reader) => {
    reader.u8();
    return { records: reader.rest() };
  }),
};
