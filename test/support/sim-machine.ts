/**
 * A machine and its BMC in simulated time: power that lags behind the command, firmware that boots the disk unless the boot
 * flags say network, and a BMC that can be silent, hang, or lie.
 */
import { notePower } from '../../qemu-lab/fake-bmc-boot.ts';
import { BmcCore } from '../../qemu-lab/fake-bmc-session.ts';
import { type BmcState, createState } from '../../qemu-lab/fake-bmc-state.ts';
import { decodeBootFlags } from '../../src/ipmi/commands/boot-options.ts';
import type { ChassisControl } from '../../src/ipmi/commands/power-control.ts';
import type { SimTime } from './sim-time.ts';

export interface SimMachine {
  readonly state: BmcState;
  readonly actions: ChassisControl[];
  /** Boots from the network that it began. */
  readonly netboots: () => number;
  readonly isOn: () => boolean;
  switch(on: boolean): void;
  /** Answers nothing at all until then. */
  silentUntil: number;
  /** Answers nothing inside sessions until then. */
  hungUntil: number;
  /** Its operating system goes down when it is asked to. */
  listens: boolean;
  /** Its firmware finds no network, this many times. */
  deafBoots: number;
  /** From the power to the first packet. */
  firmwareMs: number;
  respond(bytes: Uint8Array): Uint8Array[];
}

export interface SimMachineOptions {
  readonly time: SimTime;
  readonly address: string;
  readonly suites: readonly number[];
  tell(name: 'boot.started' | 'recon.received'): void;
}

const CONSOLE = { address: '10.66.255.1', port: 40_000 };
const POWER_LAG_MS = 1500;
const FIRMWARE_MS = 45_000;
const PXEIMAGE_MS = 30_000;
const SHUTDOWN_MS = 20_000;

export function createSimMachine({ time, address, suites, tell }: SimMachineOptions): SimMachine {
  let on = false;
  let shown = false;
  /** Counts changes of the power: what an earlier one began is over. */
  let epoch = 0;
  let netboots = 0;
  const actions: ChassisControl[] = [];

  const set = (next: boolean) => {
    on = next;
    epoch += 1;
    const mine = epoch;
    time.at(time.now() + POWER_LAG_MS, () => {
      if (mine === epoch) shown = next;
    });
    if (next) time.at(time.now() + machine.firmwareMs, () => mine === epoch && boot(mine));
  };
  const boot = (mine: number) => {
    const flags = decodeBootFlags(state.bootOptions.get(5) ?? new Uint8Array(5));
    if (!flags?.valid || flags.device !== 'pxe') return;
    // One-time: the firmware takes the flag back when it has read it.
    if (!flags.persistent) state.bootOptions.set(5, new Uint8Array(5));
    if (machine.deafBoots > 0) {
      machine.deafBoots -= 1;
      return;
    }
    netboots += 1;
    tell('boot.started');
    time.at(time.now() + PXEIMAGE_MS, () => mine === epoch && tell('recon.received'));
  };
  const state = createState({
    address,
    suites,
    machine: {
      powerOn: () => shown,
      control(action) {
        actions.push(action);
        // What a BMC notes of a start, which is what a job looks at whose reply was lost.
        if (action === 'reset' || action === 'cycle')
          notePower(state, { kind: 'reset', cause: 'command' });
        else if (action === 'on' && !on) notePower(state, { kind: 'on', cause: 'command' });
        switch (action) {
          case 'on':
            if (!on) set(true);
            break;
          case 'off':
            if (on) set(false);
            break;
          case 'cycle':
          case 'reset':
            set(true);
            break;
          case 'soft': {
            const mine = epoch;
            if (!machine.listens) break;
            time.at(time.now() + SHUTDOWN_MS, () => mine === epoch && set(false));
            break;
          }
        }
      },
    },
  });
  const core = new BmcCore({
    ...{ state, suites, kg: undefined, random: time.randomBytes },
    onSol: () => undefined,
    onSolActive: () => undefined,
  });
  const machine: SimMachine = {
    ...{ state, actions, silentUntil: 0, hungUntil: 0, listens: true, deafBoots: 0 },
    firmwareMs: FIRMWARE_MS,
    netboots: () => netboots,
    isOn: () => on,
    switch(next) {
      on = next;
      shown = next;
      epoch += 1;
    },
    respond(bytes) {
      const now = time.now();
      if (now < machine.silentUntil) return [];
      state.knobs.hang = now < machine.hungUntil;
      return core.respond(bytes, CONSOLE, now);
    },
  };
  return machine;
}
