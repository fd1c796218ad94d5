/**
 * Get Channel Authentication Capabilities (IPMI 2.0 section 22.13): the first thing that is asked, outside any session.
 *
 * Its flags are hints only: FreeIPMI lists boards of Asus, Intel, Sun and Supermicro whose flags are wrong ("authcap").
 */
import { type Command, reading } from '../command.ts';
import { NETFN } from '../message.ts';

/** The channel that the request came in by. */
export const THIS_CHANNEL = 0x0e;

export interface ChannelAuth {
  readonly channel: number;
  readonly ipmi15: boolean;
  readonly ipmi20: boolean;
  readonly md5: boolean;
  /** Whether the BMC says that its K_G is set. */
  readonly kgSet: boolean;
  readonly anonymousLogin: boolean;
  readonly nullUserNames: boolean;
}

export const getChannelAuth: Command<{ v2: boolean; privilege: number }, ChannelAuth> = {
  name: 'Get Channel Authentication Capabilities',
  netFn: NETFN.app,
  command: 0x38,
  repeatable: true,
  encode: ({ v2, privilege }) => Uint8Array.of(THIS_CHANNEL | (v2 ? 0x80 : 0), privilege),
  decode: reading((reader) => {
    const channel = reader.u8() & 0x0f;
    const types = reader.u8();
    const status = reader.u8();
    // The byte of extended capabilities counts only when bit 7 of the types says so.
    const extended = types & 0x80 ? reader.u8() : 0x01;
    return {
      channel,
      ipmi15: (extended & 0x01) !== 0,
      ipmi20: (extended & 0x02) !== 0,
      md5: (types & 0x04) !== 0,
      kgSet: (status & 0x20) !== 0,
      anonymousLogin: (status & 0x01) !== 0,
      nullUserNames: (status & 0x02) !== 0,
    };
  }),
};
