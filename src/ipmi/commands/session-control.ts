/**
 * The commands that open and close sessions: Set Session Privilege Level (section 22.18), Close Session (22.19), and the
 * two with which IPMI 1.5 begins, Get Session Challenge (22.16) and Activate Session (22.17).
 */
import { Writer } from '../../wire/cursor.ts';
import { type Command, nothing, reading } from '../command.ts';
import { padded } from '../crypto.ts';
import { NETFN } from '../message.ts';
import { AUTH_TYPE } from '../rmcp.ts';

export const setPrivilege: Command<{ privilege: number }, { privilege: number }> = {
  name: 'Set Session Privilege Level',
  netFn: NETFN.app,
  command: 0x3b,
  repeatable: true,
  completions: {
    128: 'this level is not available for this user',
    129: "this level is above the user's or the channel's limit",
    130: 'user-level authentication cannot be disabled',
  },
  encode: ({ privilege }) => Uint8Array.of(privilege),
  decode: reading((reader) => ({ privilege: reader.u8() & 0x0f })),
};

export const closeSession: Command<{ sessionId: number }, void> = {
  name: 'Close Session',
  netFn: NETFN.app,
  command: 0x3c,
  repeatable: true,
  completions: { 135: 'invalid session id' },
  encode: ({ sessionId }) => new Writer(4).u32Le(sessionId).finish(),
  decode: nothing,
};

export const getSessionChallenge: Command<
  { user: Uint8Array },
  { sessionId: number; challenge: Uint8Array }
> = {
  name: 'Get Session Challenge',
  netFn: NETFN.app,
  command: 0x39,
  repeatable: true,
  completions: { 129: 'unknown user name', 130: 'anonymous login is disabled' },
  encode: ({ user }) => new Writer(17).u8(AUTH_TYPE.md5).bytes(padded(user, 16)).finish(),
  decode: reading((reader) => ({ sessionId: reader.u32Le(), challenge: reader.take(16) })),
};

export interface ActivateRequest {
  readonly privilege: number;
  readonly challenge: Uint8Array;
  /** The number that the BMC's first packet is to carry. */
  readonly inboundSequence: number;
}

export const activateSession: Command<
  ActivateRequest,
  { sessionId: number; outboundSequence: number }
> = {
  name: 'Activate Session',
  netFn: NETFN.app,
  command: 0x3a,
  repeatable: true,
  completions: {
    129: 'no session slot is free',
    130: 'no slot for this user',
    131: 'no slot at this privilege',
    132: 'session sequence out of range',
    133: 'invalid session id',
    134: 'privilege above the limit of the user or channel',
  },
  encode: ({ privilege, challenge, inboundSequence }) =>
    new Writer(22)
      .u8(AUTH_TYPE.md5)
      .u8(privilege)
      .bytes(padded(challenge, 16))
      .u32Le(inboundSequence)
      .finish(),
  decode: reading((reader) => {
    reader.u8();
    const sessionId = reader.u32Le();
    return { sessionId, outboundSequence: reader.u32Le() };
  }),
};
