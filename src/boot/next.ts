/**
 * The next instruction for a machine that runs pxeimage and asks what to do. It is the boot decision's target, seen
 * from inside: a machine that has not reported in this boot is asked to, whatever it was started for, so that a
 * replaced disk or NIC is noticed at the next netboot; otherwise it waits.
 */
import type { Boot } from '../inventory/boots.ts';
import { type MachineState, statesOfWork } from '../inventory/states.ts';
import type { WorkPurpose } from '../inventory/work.ts';
import type { BootToken, Hardwarename } from '../wire/ids.ts';

export interface Instruction {
  readonly instruction: 'wait' | 'reboot' | 'poweroff' | 'recon' | WorkPurpose;
  readonly token?: BootToken | undefined;
  /** Opens the work that the instruction names. */
  readonly work?: BootToken | undefined;
  readonly hardwarename?: Hardwarename | undefined;
  readonly state?: MachineState | undefined;
  readonly message: string;
}

export interface NextFacts {
  readonly machine:
    | { hardwarename: Hardwarename; state: MachineState; stateWhy: string }
    | undefined;
  readonly boot: Pick<Boot, 'reportDigest'>;
  /** The machine's live order, if it has one. */
  readonly work?: WorkPurpose | undefined;
  /** That order is for the image's own installer, which no agent can be. */
  readonly installer?: boolean | undefined;
  readonly installed?: boolean | undefined;
}

export function nextInstruction(facts: NextFacts): Instruction {
  const { machine, boot, work, installer, installed } = facts;
  if (machine?.state === 'installing' && work === 'install' && installer) {
    const { hardwarename, state } = machine;
    const message = 'installing: its job boots the installer of its image';
    return { hardwarename, state, instruction: 'wait', message };
  }
  // Work goes before a report: the job has chosen this machine, and its agent looks at the disks itself.
  if (machine && work && statesOfWork(work).includes(machine.state)) {
    const { hardwarename, state } = machine;
    return { hardwarename, state, instruction: work, message: `${work}: a job has work for it` };
  }
  if (machine?.state === 'installing' && installed) {
    const { hardwarename, state } = machine;
    const message = 'installed: boot the local disk';
    return { hardwarename, state, instruction: 'reboot', message };
  }
  if (!machine || boot.reportDigest === undefined) {
    return { instruction: 'recon', message: 'not reported in this boot yet' };
  }
  const { hardwarename, state, stateWhy } = machine;
  const known = { hardwarename, state };
  switch (state) {
    case 'in-use':
      return { ...known, instruction: 'reboot', message: 'in use: boot the local disk' };
    case 'retired':
      return { ...known, instruction: 'poweroff', message: 'retired' };
    case 'held':
      return { ...known, instruction: 'wait', message: `held: ${stateWhy}` };
    case 'available':
      return { ...known, instruction: 'wait', message: `registered as ${hardwarename}` };
    case 'installing':
    case 'recycling':
    case 'broken':
      return { ...known, instruction: 'wait', message: `${state}: ${stateWhy}` };
  }
}

/** `name: value` lines, the instruction first; a value is one line. */
export function renderInstruction(next: Instruction): string {
  const line = (name: string, value: string | undefined) =>
    value === undefined ? '' : `${name}: ${value.replace(/[\r\n]+/g, ' ')}\n`;
  return (
    line('instruction', next.instruction) +
    line('token', next.token) +
    line('work', next.work) +
    line('hardwarename', next.hardwarename) +
    line('state', next.state) +
    line('message', next.message)
  );
}
