/**
 * What jobs need of the world: machines to act on, their BMCs, time. The daemon hands in the real ones, tests and the bench
 * simulated ones; the engine is the same in all three.
 */

import type { MachineRecord } from '../inventory/machine-fields.ts';
import type { ArmedWork } from '../inventory/work.ts';
import type { Bmc, BootResult } from '../ipmi/bmc.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Millis } from '../wire/time.ts';
import type { Output } from './definition.ts';
import type { InstallParams } from './kinds/install-params.ts';
import type { RecycleParams } from './kinds/recycle-params.ts';

/** What a job may know of its machine. Read anew for each step. */
export type JobMachine = Pick<
  MachineRecord,
  | 'hardwarename'
  | 'state'
  | 'protected'
  | 'squad'
  | 'site'
  | 'hall'
  | 'row'
  | 'rack'
  | 'hardwareType'
  | 'manufacturer'
  | 'bmcAddress'
  | 'bmcMac'
  | 'bmcVendor'
  | 'bmcCredential'
>;

export interface BootWish {
  readonly target: 'none' | 'pxe' | 'disk';
  readonly uefi: boolean;
  readonly persistent: boolean;
}

/** A session with a BMC, whatever it speaks. @throws AppError BMC_* from every method */
export interface JobBmc
  extends Pick<
    Bmc,
    'powerOn' | 'setPower' | 'startMark' | 'startedSince' | 'identify' | 'accounts' | 'upkeep'
  > {
  /** `expires`: the flags are forgotten a minute from now. */
  setBoot(wish: BootWish): Promise<BootResult>;
  close(): Promise<void>;
}

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** The work of machines in pxeimage, and what an install needs looked up. Each call is one transaction. */
export interface JobWork {
  /**
   * Looks up what is to be installed and gives the machine its name and role. A static address is not reserved yet: what the
   * machine had before is in the job's log first.
   * @throws AppError NOT_FOUND for the image, DISK_AMBIGUOUS, DISK_NONE, HOSTNAME_TAKEN, NAMES_EXHAUSTED, ADDRESS_TAKEN
   */
  prepareInstall(wanted: InstallWanted): Output;
  /**
   * Arms the order of this round and reserves its static address.
   * @throws AppError NOT_FOUND, ADDRESS_TAKEN
   */
  armInstall(wanted: InstallWanted & PreparedInstall): Output;
  /** What the netboot of a recycle needs to know. */
  prepareRecycle(machine: Hardwarename): Output;
  /** Arms the order of this round. */
  armRecycle(wanted: {
    readonly job: string;
    readonly machine: Hardwarename;
    readonly params: RecycleParams;
    readonly requester: string;
  }): Output;
  /**
   * The machine is nobody's any more: no hostname, role or squad.
   * @throws AppError DISK_FAILED when the certificate of this job does not say that every disk is clean
   */
  takeBack(job: string, machine: Hardwarename): void;
  /** For other purposes: an order with these lines for the agent. */
  arm(work: ArmedWork): Output;
  end(job: string, why: string): void;
  /** What the agent measured, once it has had its last word. */
  result(job: string): Output;
  /** How it booted when it last reported; UEFI when it never has. */
  bootsByUefi(machine: Hardwarename): boolean;
  isTaken(job: string): boolean;
  /** It has asked what to do a moment ago. */
  isListening(machine: Hardwarename): boolean;
  /** Its power is off: whatever it has asked before, it is not listening. */
  gone(machine: Hardwarename): void;
  /**
   * Takes back what `armInstall` reserved, unless the job may have written to a disk or somebody else has changed it since.
   * @throws AppError ADDRESS_TAKEN when what the machine had before is another's by now: it keeps the new one then
   */
  restoreAddress(of: PreparedInstall): void;
  restoreNames(
    machine: Hardwarename,
    names: { readonly hostname: string; readonly role: string },
  ): void;
}

export interface PreparedInstall {
  readonly job: string;
  readonly machine: Hardwarename;
  /** What `prepareInstall` returned. */
  readonly prepared: Output;
}

export interface InstallWanted {
  readonly job: string;
  readonly machine: Hardwarename;
  readonly params: InstallParams;
}

export interface JobWorld {
  readonly work: JobWork;
  machine(hardwarename: Hardwarename): JobMachine | undefined;
  /**
   * Opens a session with the machine's BMC, as the login of a stored credential: the machine's own unless another is named.
   * @throws AppError BMC_MISSING, NOT_FOUND, BMC_*
   */
  openBmc(machine: JobMachine, credential?: string): Promise<JobBmc>;
  /** The login behind a credential's name. Never kept, never told. */
  login(credential: string): Login;
  /** Notes on the machine's record which credential opens its BMC. In the caller's transaction. */
  adopt(hardwarename: Hardwarename, credential: string, why: string): void;
}

/** Timers of the engine: real ones, or those of a simulated world. */
export interface JobTimers {
  now(): Millis;
  /** Calls once after so many milliseconds; the returned function takes it back. */
  after(ms: number, callback: () => void): () => void;
  /** 0 to 1, for jitter. */
  random(): number;
}
