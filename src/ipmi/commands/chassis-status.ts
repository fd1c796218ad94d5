/**
 * Get Chassis Status (IPMI 2.0 section 28.2) and Get System Restart Cause (28.11). Three bytes are enough: the fourth,
 * the front panel, is optional.
 */
import { type Command, reading } from '../command.ts';
import { NETFN } from '../message.ts';

const RESTORE_POLICIES = ['always-off', 'previous', 'always-on', 'unknown'] as const;
export type RestorePolicy = (typeof RESTORE_POLICIES)[number];

export interface ChassisStatus {
  readonly powerOn: boolean;
  readonly overload: boolean;
  readonly interlock: boolean;
  readonly powerFault: boolean;
  readonly controlFault: boolean;
  readonly restorePolicy: RestorePolicy;
  /** Why the power last went: `ac-failed`, `overload`, `interlock`, `fault`, `command`. */
  readonly lastEvents: readonly string[];
  readonly intrusion: boolean;
  readonly frontPanelLockout: boolean;
  readonly driveFault: boolean;
  readonly coolingFault: boolean;
  /** Absent where the BMC does not say. */
  readonly identify?: 'off' | 'timed' | 'on';
}

const LAST_EVENTS = ['ac-failed', 'overload', 'interlock', 'fault', 'command'];
const IDENTIFY = ['off', 'timed', 'on'] as const;

export const getChassisStatus: Command<void, ChassisStatus> = {
  name: 'Get Chassis Status',
  netFn: NETFN.chassis,
  command: 0x01,
  repeatable: true,
  encode: () => new Uint8Array(),
  decode: reading((reader) => {
    const power = reader.u8();
    const last = reader.u8();
    const misc = reader.u8();
    const identify = misc & 0x40 ? IDENTIFY[(misc >> 4) & 3] : undefined;
    return {
      powerOn: (power & 0x01) !== 0,
      overload: (power & 0x02) !== 0,
      interlock: (power & 0x04) !== 0,
      powerFault: (power & 0x08) !== 0,
      controlFault: (power & 0x10) !== 0,
      restorePolicy: RESTORE_POLICIES[(power >> 5) & 3] ?? 'unknown',
      lastEvents: LAST_EVENTS.filter((_, bit) => last & (1 << bit)),
      intrusion: (misc & 0x01) !== 0,
      frontPanelLockout: (misc & 0x02) !== 0,
      driveFault: (misc & 0x04) !== 0,
      coolingFault: (misc & 0x08) !== 0,
      ...(identify ? { identify } : {}),
    };
  }),
};

const RESTART_CAUSES = [
  'unknown',
  'chassis-control',
  'reset-button',
  'power-button',
  'watchdog',
  'oem',
  'ac-restored-always',
  'ac-restored-previous',
  'pef-reset',
  'pef-power-cycle',
  'soft-reset',
  'rtc-wakeup',
];

export const getRestartCause: Command<void, { cause: string; channel: number }> = {
  name: 'Get System Restart Cause',
  netFn: NETFN.chassis,
  command: 0x07,
  repeatable: true,
  encode: () => new Uint8Array(),
  decode: reading((reader) => {
    const cause = reader.u8() & 0x0f;
    return { cause: RESTART_CAUSES[cause] ?? `cause ${cause}`, channel: reader.u8() };
  }),
};
