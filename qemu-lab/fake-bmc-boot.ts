/**
 * What becomes of boot flags when a machine is started (IPMI 2.0 section 28.12, parameters 3 and 5): they are forgotten a
 * minute after they were written, and by a start that the BMC was not asked for, unless parameter 3 says otherwise; flags for
 * one boot are taken back by the firmware that has read them. And what a power event leaves in the BMC: the restart cause,
 * the chassis status and an entry in the log.
 */
import { BOOT_PARAMETER, decodeBootFlags, KEEP_VALID } from '../src/ipmi/commands/boot-options.ts';
import { selRecord } from './fake-bmc-data.ts';
import type { BmcState } from './fake-bmc-state.ts';

/**
 * Who started the machine: somebody through the BMC, a person at the button, the machine itself by a reset, or power that
 * came back.
 */
export type StartCause = 'command' | 'button' | 'soft-reset' | 'mains';

const VALID = 0x80;
const TIMEOUT_MS = 60_000;
const CLEARED_BY = {
  command: 0,
  button: KEEP_VALID.powerButton,
  'soft-reset': KEEP_VALID.reset,
  mains: KEEP_VALID.powerButton,
} as const satisfies Record<StartCause, number>;

/** Takes the valid bit back when the flags are older than a minute and may not be. */
export function expireBootFlags(state: BmcState, nowMs: number): void {
  const kept = state.bootOptions.get(BOOT_PARAMETER.validBitClearing)?.[0] ?? 0;
  if ((kept & KEEP_VALID.timeout) === 0 && nowMs - state.bootFlagsSetMs > TIMEOUT_MS) {
    invalidate(state);
  }
}

/** What the machine boots from at this start; undefined for its own order. Flags for one boot are gone after it. */
export function takeBootDevice(
  state: BmcState,
  cause: StartCause,
  nowMs: number,
): 'pxe' | 'disk' | undefined {
  expireBootFlags(state, nowMs);
  const kept = state.bootOptions.get(BOOT_PARAMETER.validBitClearing)?.[0] ?? 0;
  if (CLEARED_BY[cause] !== 0 && (kept & CLEARED_BY[cause]) === 0) invalidate(state);
  const flags = decodeBootFlags(state.bootOptions.get(BOOT_PARAMETER.flags) ?? new Uint8Array());
  if (!flags?.valid) return undefined;
  if (!flags.persistent) invalidate(state);
  switch (flags.device) {
    case 'pxe':
      return 'pxe';
    case 'disk':
    case 'safe':
    case 'remote-primary':
    case 'remote-disk':
      return 'disk';
    default:
      return undefined;
  }
}

function invalidate(state: BmcState): void {
  const flags = state.bootOptions.get(BOOT_PARAMETER.flags);
  if (!flags) return;
  const cleared = flags.slice();
  cleared[0] = (cleared[0] ?? 0) & ~VALID;
  state.bootOptions.set(BOOT_PARAMETER.flags, cleared);
}

/** Table 28-11. */
const RESTART_CAUSE = { command: 1, button: 3, 'soft-reset': 0x0a, mains: 7 } as const;
/** What the chassis status says after a start by command, and after another. */
const ON_BY_COMMAND = 0x10;

/** Sensor types and offsets of table 42-3. */
const POWER_UNIT = { sensorType: 0x09, sensor: 0x50, eventType: 0x6f } as const;
const BOOT_INITIATED = { sensorType: 0x1d, sensor: 0x51, eventType: 0x6f } as const;
const NONE = 0xff;
/** What the log of a small BMC holds; what comes after it is full is lost. */
const SEL_ENTRIES_MAX = 512;

export type PowerEvent =
  | { readonly kind: 'on'; readonly cause: StartCause }
  | { readonly kind: 'reset'; readonly cause: StartCause }
  | { readonly kind: 'off' };

/** Tells the BMC what has happened to the power of its machine. */
export function notePower(state: BmcState, event: PowerEvent): void {
  switch (event.kind) {
    case 'off':
      log(state, { ...POWER_UNIT, data: [0x00, NONE, NONE] });
      return;
    case 'on':
    case 'reset': {
      state.restartCause = RESTART_CAUSE[event.cause];
      if (event.kind === 'on') state.lastPowerEvent = event.cause === 'command' ? ON_BY_COMMAND : 0;
      // Power up, hard reset, or a restart that the machine made itself.
      const offset = event.kind === 'on' ? 0 : event.cause === 'soft-reset' ? 2 : 1;
      log(state, { ...BOOT_INITIATED, data: [offset, NONE, NONE] });
    }
  }
}

function log(state: BmcState, event: Omit<Parameters<typeof selRecord>[0], 'seconds'>): void {
  if (state.sel.length >= SEL_ENTRIES_MAX) return;
  const id = (state.sel.at(-1)?.id ?? 0) + 1;
  state.sel.push({
    id,
    record: selRecord({ seconds: state.clock() + state.clockAheadSeconds, ...event }),
  });
}
