/**
 * The small port that jobs use, over whichever protocol a BMC speaks: power, the next boot, identification, sensors,
 * inventory and the event log. `ipmi-bmc.ts` and `redfish/redfish-bmc.ts` implement it; `probe.ts` chooses.
 */
import type { BootDevice } from './commands/boot-options.ts';
import type { PowerAction, PowerOutcome } from './power.ts';
import type { SensorHealth, SensorThresholds } from './sensors.ts';

/** What both protocols can boot from; UEFI HTTP Boot exists with Redfish only. */
export type BootTarget = Extract<BootDevice, 'none' | 'pxe' | 'disk' | 'cdrom' | 'bios'> | 'http';

export interface BootWish {
  readonly target: BootTarget;
  readonly uefi: boolean;
  /** For every boot from now on; one-time otherwise. */
  readonly persistent: boolean;
}

export interface BootResult {
  /** Whether reading back gave what was written. */
  readonly verified: boolean;
  /** Forgotten a minute from now (IPMI without parameter 3). */
  readonly expires: boolean;
}

export interface BmcSensor {
  readonly name: string;
  readonly type: string;
  readonly health: SensorHealth;
  readonly value?: number;
  readonly unit?: string;
  readonly states: readonly string[];
  /** In its unit; those that it has. */
  readonly thresholds?: SensorThresholds;
}

export interface BmcInventory {
  readonly manufacturer: string;
  readonly product: string;
  readonly serial: string;
  readonly assetTag: string;
  /** Every spelling that SMBIOS may have; empty when the BMC does not say. */
  readonly uuids: readonly string[];
  readonly bmcFirmware: string;
  readonly biosVersion: string;
  /** Of the machine's own NICs, lower case; IPMI knows none. */
  readonly macs: readonly string[];
  /** Of the BMC itself, lower case; '' when it does not say. */
  readonly bmcMac: string;
}

export interface BmcLogEntry {
  readonly id: string;
  /** Seconds since 1970; absent when the BMC's clock was not set. */
  readonly seconds?: number;
  readonly text: string;
}

/** What became of an account that was to be closed. That there is none of its name is no proof that it is closed. */
export type Closing = 'closed' | 'was-closed' | 'not-found';

export interface BmcAccounts {
  /** Makes this user an enabled administrator with this password. */
  put(user: { readonly name: string; readonly password: string }): Promise<'made' | 'changed'>;
  /** Every account of this name; '' is IPMI's anonymous user. */
  disable(name: string): Promise<Closing>;
  /**
   * Every account but those of these names; of several with one of them, all but the first, which is the one that a login
   * finds. @returns names of those that were open
   */
  closeOthers(keep: readonly string[]): Promise<readonly string[]>;
}

/** What the machine does when mains power comes back. */
export type RestoreWish = 'always-off' | 'previous' | 'always-on';

/** Each looks first, and says whether there was anything to do; `undefined` where the BMC does not have it. */
export interface BmcUpkeep {
  restorePolicy(wish: RestoreWish): Promise<boolean | undefined>;
  /** Sets the clock of its event log. `skewSeconds`: by how much it was ahead. */
  setClock(seconds: number): Promise<{ readonly skewSeconds: number } | undefined>;
  /** Its own address by DHCP. The session may not survive it. */
  useDhcp(): Promise<boolean | undefined>;
  /** Stops a watchdog that an earlier system left running: it would reset an installation half way. */
  calmWatchdog(): Promise<boolean>;
}

/** @throws AppError BMC_* from every method */
export interface Bmc {
  readonly protocol: 'ipmi' | 'redfish';
  powerOn(): Promise<boolean>;
  setPower(action: PowerAction): Promise<PowerOutcome>;
  /** Something that changes when the machine is started, to be kept until it is asked about; '' where there is nothing. */
  startMark(): Promise<string>;
  /** Whether it was started since that mark. `false` where the BMC cannot tell, too. */
  startedSince(mark: string): Promise<boolean>;
  setBoot(wish: BootWish): Promise<BootResult>;
  /** Seconds of light; 0 switches it off. With Redfish it stays on until then. */
  identify(seconds: number): Promise<void>;
  sensors(): Promise<readonly BmcSensor[]>;
  inventory(): Promise<BmcInventory>;
  log(): Promise<readonly BmcLogEntry[]>;
  /** Absent where accounts cannot be managed over this protocol. */
  readonly accounts?: BmcAccounts | undefined;
  readonly upkeep?: BmcUpkeep | undefined;
  close(): Promise<void>;
}
