/**
 * Get Channel Info (IPMI 2.0 section 22.24) and Get Channel Access (22.23): which channel is the LAN, and who may use it.
 */
import { type Command, reading } from '../command.ts';
import { NETFN } from '../message.ts';

const MEDIA: Readonly<Record<number, string>> = {
  1: 'ipmb',
  4: 'lan',
  5: 'serial',
  6: 'other-lan',
  12: 'system-interface',
};

export interface ChannelInfo {
  readonly channel: number;
  readonly medium: string;
  readonly protocol: number;
  readonly activeSessions: number;
}

export const getChannelInfo: Command<{ channel: number }, ChannelInfo> = {
  name: 'Get Channel Info',
  netFn: NETFN.app,
  command: 0x42,
  repeatable: true,
  encode: ({ channel }) => Uint8Array.of(channel),
  decode: reading((reader) => {
    const channel = reader.u8() & 0x0f;
    const medium = reader.u8() & 0x7f;
    const protocol = reader.u8() & 0x1f;
    const activeSessions = reader.u8() & 0x3f;
    return { channel, medium: MEDIA[medium] ?? `medium ${medium}`, protocol, activeSessions };
  }),
};

export interface ChannelAccess {
  /** `disabled`, `pre-boot`, `always`, `shared`. */
  readonly mode: string;
  readonly privilegeLimit: number;
}

export const getChannelAccess: Command<{ channel: number }, ChannelAccess> = {
  name: 'Get Channel Access',
  netFn: NETFN.app,
  command: 0x41,
  repeatable: true,
  encode: ({ channel }) => Uint8Array.of(channel, 0x80),
  decode: reading((reader) => {
    const mode = reader.u8() & 7;
    const names = ['disabled', 'pre-boot', 'always', 'shared'];
    return { mode: names[mode] ?? `mode ${mode}`, privilegeLimit: reader.u8() & 0x0f };
  }),
};
