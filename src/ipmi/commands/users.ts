/**
 * Users (IPMI 2.0 sections 22.26 to 22.30): access, names, passwords. User ids run from 1, which is the anonymous one.
 *
 * A password of more than 16 bytes needs the 20-byte form of the command, and a BMC that has only 16 bytes answers it with
 * a command-specific code instead of cutting it. None of this is repeated blindly: each write is the same twice.
 *
 * What does not fit its field is refused before it is sent, never cut: a name cut short is another account than the one that
 * is asked for afterwards, and a password cut short opens nothing. Names are printable ASCII, as BMCs keep and compare them.
 */
import { AppError } from '../../errors.ts';
import { limit } from '../../limits.ts';
import { Writer } from '../../wire/cursor.ts';
import { type Command, nothing, reading } from '../command.ts';
import { padded } from '../crypto.ts';
import { NETFN } from '../message.ts';

/** @throws AppError REQUEST_INVALID for a name that no account of a BMC can have; never with what is in it */
export function assertNameFits(name: string): void {
  const max = limit('ipmiUserBytesMax');
  const detail = `A name of an account on a BMC has ${max} characters of printable ASCII at most (IPMI 2.0 section 22.28); this one has ${name.length}.`;
  if (name.length > max || !/^[\x20-\x7e]*$/.test(name))
    throw new AppError('REQUEST_INVALID', { detail });
}

/** @throws AppError REQUEST_INVALID for a password that no account of a BMC can have; never with what is in it */
export function assertPasswordFits(password: Uint8Array): void {
  const max = limit('ipmiPasswordBytesMax');
  const detail = `A password of an account on a BMC has ${max} bytes at most (IPMI 2.0 section 22.30); this one has ${password.length}.`;
  if (password.length > max) throw new AppError('REQUEST_INVALID', { detail });
}

export interface UserAccess {
  readonly usersMax: number;
  readonly usersEnabled: number;
  readonly fixedNames: number;
  /** Absent on BMCs before IPMI 2.0 errata 3. */
  readonly enabled?: boolean;
  readonly callbackOnly: boolean;
  readonly link: boolean;
  readonly messaging: boolean;
  /** Privilege limit; 15 is "no access". */
  readonly privilege: number;
}

export const getUserAccess: Command<{ channel: number; user: number }, UserAccess> = {
  name: 'Get User Access',
  netFn: NETFN.app,
  command: 0x44,
  repeatable: true,
  encode: ({ channel, user }) => Uint8Array.of(channel, user),
  decode: reading((reader) => {
    const usersMax = reader.u8() & 0x3f;
    const second = reader.u8();
    const fixedNames = reader.u8() & 0x3f;
    const access = reader.u8();
    const status = second >> 6;
    return {
      usersMax,
      usersEnabled: second & 0x3f,
      fixedNames,
      ...(status === 1 || status === 2 ? { enabled: status === 1 } : {}),
      callbackOnly: (access & 0x40) !== 0,
      link: (access & 0x20) !== 0,
      messaging: (access & 0x10) !== 0,
      privilege: access & 0x0f,
    };
  }),
};

export interface SetUserAccess {
  readonly channel: number;
  readonly user: number;
  readonly messaging: boolean;
  readonly link: boolean;
  readonly privilege: number;
}

export const setUserAccess: Command<SetUserAccess, void> = {
  name: 'Set User Access',
  netFn: NETFN.app,
  command: 0x43,
  repeatable: true,
  encode: ({ channel, user, messaging, link, privilege }) =>
    Uint8Array.of(0x80 | (link ? 0x20 : 0) | (messaging ? 0x10 : 0) | channel, user, privilege),
  decode: nothing,
};

export const getUserName: Command<{ user: number }, string> = {
  name: 'Get User Name',
  netFn: NETFN.app,
  command: 0x46,
  repeatable: true,
  encode: ({ user }) => Uint8Array.of(user),
  decode: reading((reader) =>
    Buffer.from(reader.take(16)).toString('latin1').replace(/\0.*$/s, ''),
  ),
};

export const setUserName: Command<{ user: number; name: string }, void> = {
  name: 'Set User Name',
  netFn: NETFN.app,
  command: 0x45,
  repeatable: true,
  encode: ({ user, name }) => {
    assertNameFits(name);
    return Uint8Array.of(user, ...padded(Buffer.from(name, 'latin1'), 16));
  },
  decode: nothing,
};

export type PasswordRequest =
  | { readonly operation: 'disable' | 'enable'; readonly user: number }
  | {
      readonly operation: 'set' | 'test';
      readonly user: number;
      /** At most 20 bytes; the long form is used from 17 on, or when `long` says so. */
      readonly password: Uint8Array;
      readonly long?: boolean;
    };

const OPERATION = { disable: 0, enable: 1, set: 2, test: 3 } as const;

export const setUserPassword: Command<PasswordRequest, void> = {
  name: 'Set User Password',
  netFn: NETFN.app,
  command: 0x47,
  repeatable: true,
  completions: {
    128: 'the password is another one',
    129: 'the password was set with another size',
    143: "the password breaks the BMC's rules (Dell)",
  },
  encode: (request) => {
    const operation = OPERATION[request.operation];
    if (!('password' in request)) return Uint8Array.of(request.user, operation);
    assertPasswordFits(request.password);
    const long = request.long === true || request.password.length > 16;
    return new Writer(22)
      .u8(request.user | (long ? 0x80 : 0))
      .u8(operation)
      .bytes(padded(request.password, long ? 20 : 16))
      .finish();
  },
  decode: nothing,
};
