/**
 * Chassis Control (IPMI 2.0 section 28.3). Never repeated by itself: a reply lost on the way back means that the machine
 * may have been reset, and a second reset would hit what it is doing by then. `power.ts` looks first.
 */
import { type Command, nothing } from '../command.ts';
import { NETFN } from '../message.ts';

export const CHASSIS_CONTROL = { off: 0, on: 1, cycle: 2, reset: 3, nmi: 4, soft: 5 } as const;
export type ChassisControl = keyof typeof CHASSIS_CONTROL;

export const chassisControl: Command<{ control: ChassisControl }, void> = {
  name: 'Chassis Control',
  netFn: NETFN.chassis,
  command: 0x02,
  repeatable: false,
  encode: ({ control }) => Uint8Array.of(CHASSIS_CONTROL[control]),
  decode: nothing,
};

/** Set Power Restore Policy (28.8). */
export const setRestorePolicy: Command<{ policy: 'always-off' | 'previous' | 'always-on' }, void> =
  {
    name: 'Set Power Restore Policy',
    netFn: NETFN.chassis,
    command: 0x06,
    repeatable: true,
    encode: ({ policy }) => Uint8Array.of({ 'always-off': 0, previous: 1, 'always-on': 2 }[policy]),
    decode: nothing,
  };
