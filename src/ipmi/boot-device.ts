/**
 * Which device the machine boots next. The order is the point: first keep the flags valid beyond 60 seconds (parameter 3),
 * then the flags (parameter 5), then read them back, because some BMCs say yes and forget.
 */
import type { Caller } from './command.ts';
import {
  BOOT_PARAMETER,
  type BootDevice,
  type BootFlags,
  decodeBootFlags,
  encodeBootFlags,
  getBootOptions,
  KEEP_VALID,
  setBootOptions,
} from './commands/boot-options.ts';
import { CompletionError } from './completion.ts';
import type { QuirkName } from './quirks.ts';

export interface BootRequest {
  readonly device: BootDevice;
  readonly uefi: boolean;
  /** For every boot from now on; one-time otherwise. */
  readonly persistent: boolean;
}

export interface BootOutcome {
  /** Whether reading back gave what was written. A BMC may lie in both directions: the next boot is the proof. */
  readonly verified: boolean;
  readonly readBack: BootFlags | undefined;
  /** The flags are forgotten 60 s after now: switch the machine on before. */
  readonly expires: boolean;
}

/** Bits that ironic and pyghmi leave alone and some vendors want set. */
const KEEP_EVERYTHING =
  KEEP_VALID.powerButton |
  KEEP_VALID.reset |
  KEEP_VALID.watchdog |
  KEEP_VALID.timeout |
  KEEP_VALID.pef;

/** @throws CompletionError when the flags themselves are refused */
export async function setBootDevice(
  caller: Caller,
  request: BootRequest,
  quirks: ReadonlySet<QuirkName> = new Set(),
): Promise<BootOutcome> {
  const expires = !(await keepValid(caller));
  const wanted = flagsFor(request, quirks);
  const data = encodeBootFlags(wanted);
  await caller.call(setBootOptions, { parameter: BOOT_PARAMETER.flags, data });
  const readBack = await readBootFlags(caller);
  const verified = readBack !== undefined && sameFlags(wanted, readBack);
  return { verified, readBack, expires };
}

/** What is set now; `undefined` when the BMC cannot say. */
export async function readBootFlags(caller: Caller): Promise<BootFlags | undefined> {
  try {
    const options = await caller.call(getBootOptions, { parameter: BOOT_PARAMETER.flags });
    return options.locked ? undefined : decodeBootFlags(options.data);
  } catch (error) {
    if (error instanceof CompletionError) return undefined;
    throw error;
  }
}

async function keepValid(caller: Caller): Promise<boolean> {
  for (const bits of [KEEP_VALID.timeout, KEEP_EVERYTHING]) {
    try {
      const data = Uint8Array.of(bits);
      await caller.call(setBootOptions, { parameter: BOOT_PARAMETER.validBitClearing, data });
      return true;
    } catch (error) {
      if (!(error instanceof CompletionError)) throw error;
    }
  }
  return false;
}

function flagsFor(request: BootRequest, quirks: ReadonlySet<QuirkName>): BootFlags {
  const { uefi, persistent } = request;
  // No device means no override: a valid flag with device 0 would still be an override for some firmware.
  if (request.device === 'none') {
    return { valid: false, persistent: false, uefi: false, device: 'none' };
  }
  const remote = request.device === 'disk' && uefi && quirks.has('disk-as-remote');
  return { valid: true, persistent, uefi, device: remote ? 'remote-primary' : request.device };
}

function sameFlags(a: BootFlags, b: BootFlags): boolean {
  if (!a.valid) return !b.valid || b.device === 'none';
  return (
    a.valid === b.valid &&
    a.device === b.device &&
    a.uefi === b.uefi &&
    a.persistent === b.persistent
  );
}
