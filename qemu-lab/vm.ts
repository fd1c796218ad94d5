/**
 * One machine of the lab: QEMU while it is on, nothing while it is off, and the files that stay (disks, firmware variables,
 * serial log) in between.
 *
 * A machine with a BMC of the lab is supervised: each start is a new QEMU, because what boots first is decided then, and a
 * reset from inside ends the old one. Other machines are left to QEMU, which resets them in place.
 */
import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { StartCause } from './fake-bmc-boot.ts';
import type { LabBmc } from './lab-bmc.ts';
import { qemuArguments, qemuProgram, type VmPlace } from './qemu.ts';
import { connectQmp, type Qmp } from './qmp.ts';
import type { RackMachine } from './rack.ts';

export type BootSource = 'network' | 'disk';

export interface VmStart {
  readonly at: number;
  readonly cause: StartCause;
  readonly first: BootSource;
}

export interface VmParts {
  readonly machine: RackMachine;
  readonly place: Omit<VmPlace, 'first'>;
  /** Runs QEMU where the taps are. */
  readonly spawn: (command: readonly string[]) => ChildProcess;
}

/** Supplies of a machine that is cycled stay off for a while. */
const CYCLE_MS = 1000;

export class Vm {
  readonly machine: RackMachine;
  /** Each start: when, why, and what its firmware was to try first. */
  readonly starts: VmStart[] = [];
  /** When it was last started, ms since the epoch. */
  poweredOnAt: number | undefined;
  /** QEMU, while the machine is on. */
  process: ChildProcess | undefined;
  /** Runs in place of QEMU: a scenario in which no firmware is to be emulated. */
  instead: ((first: BootSource) => readonly string[]) | undefined;
  /** Its BMC, where the rack gives it one of the lab's. */
  bmc: LabBmc | undefined;
  private readonly parts: VmParts;
  private qmp: Qmp | undefined;
  private cycling: NodeJS.Timeout | undefined;
  private ending: Promise<void> | undefined;

  constructor(parts: VmParts) {
    this.parts = parts;
    this.machine = parts.machine;
  }

  get isOn(): boolean {
    return this.process !== undefined && !this.ending;
  }

  /** Starts it; nothing when it is on. One that is just going off is started when it has. */
  start(cause: StartCause): void {
    clearTimeout(this.cycling);
    if (this.ending) this.ending.then(() => this.start(cause));
    else if (!this.process) {
      this.launch(cause);
      this.bmc?.note({ kind: 'on', cause });
    }
  }

  /** Pulls the plug. */
  async stop(): Promise<void> {
    clearTimeout(this.cycling);
    if (await this.kill()) this.bmc?.note({ kind: 'off' });
  }

  async reset(cause: StartCause): Promise<void> {
    if (!(await this.kill())) return;
    this.launch(cause);
    this.bmc?.note({ kind: 'reset', cause });
  }

  async cycle(): Promise<void> {
    await this.stop();
    this.cycling = setTimeout(() => this.start('command'), CYCLE_MS);
  }

  /** Presses the power button for a moment: what comes of it is up to the operating system. */
  askToGoDown(): void {
    this.qmp?.execute('system_powerdown');
  }

  interrupt(): void {
    this.qmp?.execute('inject-nmi');
  }

  private launch(cause: StartCause): void {
    const { machine, place } = this.parts;
    const wanted = this.bmc?.bootDevice(cause);
    const first = wanted === undefined ? machine.bootFirst : wanted === 'pxe' ? 'network' : 'disk';
    this.poweredOnAt = Date.now();
    this.starts.push({ at: this.poweredOnAt, cause, first });
    const socket = join(place.dir, 'qmp');
    rmSync(socket, { force: true });
    const child = this.parts.spawn(
      this.instead?.(first) ?? [
        qemuProgram(machine),
        ...qemuArguments(machine, { ...place, first }),
      ],
    );
    this.process = child;
    let reason: string | undefined;
    const qmp = connectQmp(socket, {
      alive: () => this.process === child,
      onEvent: ({ event, data }) => {
        if (event === 'SHUTDOWN') reason = data?.reason;
      },
    });
    this.qmp = qmp;
    child.once('exit', () => {
      qmp.close();
      this.process = undefined;
      if (this.ending) return;
      if (reason === 'guest-reset') {
        this.launch('soft-reset');
        this.bmc?.note({ kind: 'reset', cause: 'soft-reset' });
      } else this.bmc?.note({ kind: 'off' });
    });
  }

  /** Whether there was something to end. */
  private async kill(): Promise<boolean> {
    const child = this.process;
    if (!child) return false;
    this.ending ??= new Promise((done) => {
      child.once('exit', () => {
        this.ending = undefined;
        done();
      });
      child.kill('SIGKILL');
    });
    await this.ending;
    return true;
  }
}
