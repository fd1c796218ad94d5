/**
 * BMC watchdog (IPMI 2.0 sections 27.5 to 27.7): resets a machine whose operating system stopped feeding it. A watchdog
 * left running by an earlier system resets an installation half way, so jobs look and switch it off.
 */
import { Writer } from '../../wire/cursor.ts';
import { type Command, nothing, reading } from '../command.ts';
import { NETFN } from '../message.ts';

const USES = ['reserved', 'bios-frb2', 'bios-post', 'os-load', 'sms-os', 'oem'] as const;
const ACTIONS = ['none', 'reset', 'power-off', 'power-cycle'] as const;

export interface Watchdog {
  readonly running: boolean;
  readonly use: (typeof USES)[number];
  readonly action: (typeof ACTIONS)[number];
  readonly initialMs: number;
  readonly presentMs: number;
}

export const getWatchdog: Command<void, Watchdog> = {
  name: 'Get Watchdog Timer',
  netFn: NETFN.app,
  command: 0x25,
  repeatable: true,
  encode: () => new Uint8Array(),
  decode: reading((reader) => {
    const use = reader.u8();
    const action = reader.u8();
    reader.take(2);
    const initial = reader.u16Le();
    const present = reader.u16Le();
    return {
      running: (use & 0x40) !== 0,
      use: USES[use & 7] ?? 'reserved',
      action: ACTIONS[action & 7] ?? 'none',
      // Counted in tenths of a second.
      initialMs: initial * 100,
      presentMs: present * 100,
    };
  }),
};

/** Writes a timer that stands still (bit 6 clear stops it) and would do nothing. */
export const stopWatchdog: Command<void, void> = {
  name: 'Set Watchdog Timer',
  netFn: NETFN.app,
  command: 0x24,
  repeatable: true,
  encode: () => new Writer(6).u8(0x04).u8(0).u8(0).u8(0x3e).u16Le(0).finish(),
  decode: nothing,
};

/** Starts or restarts a timer that was set. */
export const resetWatchdog: Command<void, void> = {
  name: 'Reset Watchdog Timer',
  netFn: NETFN.app,
  command: 0x22,
  repeatable: true,
  completions: { 128: 'the watchdog was never set' },
  encode: () => new Uint8Array(),
  decode: nothing,
};
