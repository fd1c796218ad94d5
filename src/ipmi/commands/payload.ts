/**
 * Activate and Deactivate Payload for Serial over LAN (IPMI 2.0 sections 24.1 and 24.2), and which users may activate it
 * (24.6 and 24.7): an account that was made over the network has no payload until it is given one.
 */
import { type Command, nothing, reading } from '../command.ts';
import { NETFN } from '../message.ts';
import { PAYLOAD } from '../rmcp.ts';

export interface SolActivation {
  /** Bytes of a SOL payload, header included; not to be believed (see `sol.ts`). */
  readonly inboundBytes: number;
  readonly outboundBytes: number;
  readonly port: number;
}

export interface SolActivate {
  readonly instance: number;
  readonly encrypt: boolean;
  readonly authenticate: boolean;
  /** What serial alerts do while SOL is active; some BMCs accept one of them only. */
  readonly alerts: 'fail' | 'deferred';
}

export const activateSol: Command<SolActivate, SolActivation> = {
  name: 'Activate Payload',
  netFn: NETFN.app,
  command: 0x48,
  repeatable: true,
  completions: {
    128: 'SOL is already active in another session',
    129: 'SOL is disabled',
    130: 'too many active payloads',
    131: 'SOL cannot be encrypted',
    132: 'SOL has to be encrypted',
  },
  encode: ({ instance, encrypt, authenticate, alerts }) => {
    const protect = (encrypt ? 0x80 : 0) | (authenticate ? 0x40 : 0);
    const first = protect | (alerts === 'deferred' ? 0x04 : 0);
    return Uint8Array.of(PAYLOAD.sol, instance, first, 0, 0, 0);
  },
  decode: reading((reader) => {
    reader.take(4);
    const inboundBytes = reader.u16Le();
    return { inboundBytes, outboundBytes: reader.u16Le(), port: reader.u16Le() };
  }),
};

export const deactivateSol: Command<{ instance: number }, void> = {
  name: 'Deactivate Payload',
  netFn: NETFN.app,
  command: 0x49,
  repeatable: true,
  completions: { 128: 'SOL is not active', 129: 'SOL is disabled' },
  encode: ({ instance }) => Uint8Array.of(PAYLOAD.sol, instance, 0, 0, 0, 0),
  decode: nothing,
};

export interface PayloadAccess {
  readonly channel: number;
  readonly user: number;
}

/** Standard payload 1 is Serial over LAN; the other bits are reserved or the vendor's. */
const SOL_BIT = 0x02;

export const getPayloadAccess: Command<PayloadAccess, { readonly sol: boolean }> = {
  name: 'Get User Payload Access',
  netFn: NETFN.app,
  command: 0x4d,
  repeatable: true,
  encode: ({ channel, user }) => Uint8Array.of(channel, user),
  decode: reading((reader) => ({ sol: (reader.u8() & SOL_BIT) !== 0 })),
};

const OPERATION = { enable: 0, disable: 0x40 } as const;

/** Enables or disables Serial over LAN alone; what else the user has stays as it is. */
export const setPayloadAccess: Command<PayloadAccess & { readonly sol: boolean }, void> = {
  name: 'Set User Payload Access',
  netFn: NETFN.app,
  command: 0x4c,
  repeatable: true,
  encode: ({ channel, user, sol }) =>
    Uint8Array.of(channel, user | OPERATION[sol ? 'enable' : 'disable'], SOL_BIT, 0, 0, 0),
  decode: nothing,
};
