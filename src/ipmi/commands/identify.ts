/**
 * Chassis Identify (IPMI 2.0 section 28.5): the light that a technician looks for. BMCs without one answer 0xc1, 0xcc,
 * 0xc7 or 0xff; some know the first byte only, so the second is sent when it says something.
 */
import { type Command, nothing } from '../command.ts';
import { NETFN } from '../message.ts';

/** Seconds from 0 (off) to 255, or until it is switched off. */
export type IdentifyFor = number | 'forever';

export const chassisIdentify: Command<{ seconds: IdentifyFor }, void> = {
  name: 'Chassis Identify',
  netFn: NETFN.chassis,
  command: 0x04,
  repeatable: true,
  encode: ({ seconds }) =>
    seconds === 'forever'
      ? Uint8Array.of(0, 1)
      : Uint8Array.of(Math.min(255, Math.max(0, Math.trunc(seconds)))),
  decode: nothing,
};
