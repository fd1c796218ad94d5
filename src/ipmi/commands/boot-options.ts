/**
 * Set and Get System Boot Options (IPMI 2.0 sections 28.12 to 28.14): what the machine boots next.
 *
 * Parameter 5 holds the flags. Parameter 3 says what clears them: without its bit 3 they are forgotten 60 seconds after
 * they were set, which is less than some firmware takes to read them.
 */
import { type Command, nothing, reading } from '../command.ts';
import { NETFN } from '../message.ts';

export const BOOT_PARAMETER = {
  setInProgress: 0,
  validBitClearing: 3,
  acknowledge: 4,
  flags: 5,
} as const;

/** Bits of parameter 3: what does *not* clear the valid bit. */
export const KEEP_VALID = { powerButton: 1, reset: 2, watchdog: 4, timeout: 8, pef: 16 } as const;

export const BOOT_DEVICES = {
  none: 0,
  pxe: 1,
  disk: 2,
  safe: 3,
  diag: 4,
  cdrom: 5,
  bios: 6,
  'remote-floppy': 7,
  'remote-cdrom': 8,
  'remote-primary': 9,
  'remote-disk': 11,
  floppy: 15,
} as const;
export type BootDevice = keyof typeof BOOT_DEVICES;

export interface BootFlags {
  /** Whether the machine is to look at the rest at all. */
  readonly valid: boolean;
  /** For every boot from now on, not for one. */
  readonly persistent: boolean;
  readonly uefi: boolean;
  readonly device: BootDevice;
}

export interface BootOptions {
  readonly parameter: number;
  /** Bit 7 of the parameter byte: the BMC says that the data means nothing. */
  readonly locked: boolean;
  readonly data: Uint8Array;
}

const COMPLETIONS = {
  128: 'parameter not supported',
  129: 'another set is in progress',
  130: 'the parameter can only be read',
};

export const setBootOptions: Command<{ parameter: number; data: Uint8Array }, void> = {
  name: 'Set System Boot Options',
  netFn: NETFN.chassis,
  command: 0x08,
  repeatable: true,
  completions: COMPLETIONS,
  encode: ({ parameter, data }) => Uint8Array.of(parameter, ...data),
  decode: nothing,
};

export const getBootOptions: Command<{ parameter: number }, BootOptions> = {
  name: 'Get System Boot Options',
  netFn: NETFN.chassis,
  command: 0x09,
  repeatable: true,
  completions: COMPLETIONS,
  encode: ({ parameter }) => Uint8Array.of(parameter, 0, 0),
  decode: reading((reader) => {
    reader.u8();
    const parameter = reader.u8();
    return { parameter: parameter & 0x7f, locked: (parameter & 0x80) !== 0, data: reader.rest() };
  }),
};

/** The five bytes of parameter 5. */
export function encodeBootFlags(flags: BootFlags): Uint8Array {
  const first = (flags.valid ? 0x80 : 0) | (flags.persistent ? 0x40 : 0) | (flags.uefi ? 0x20 : 0);
  return Uint8Array.of(first, BOOT_DEVICES[flags.device] << 2, 0, 0, 0);
}

/** `undefined` for fewer than two bytes or a device that has no name; bytes beyond the fifth are HPE's and mean nothing. */
export function decodeBootFlags(data: Uint8Array): BootFlags | undefined {
  const [first, second] = data;
  if (first === undefined || second === undefined) return undefined;
  const number = (second >> 2) & 0x0f;
  const device = Object.entries(BOOT_DEVICES).find(([, each]) => each === number)?.[0];
  if (!device) return undefined;
  return {
    valid: (first & 0x80) !== 0,
    persistent: (first & 0x40) !== 0,
    uefi: (first & 0x20) !== 0,
    device: device as BootDevice,
  };
}
