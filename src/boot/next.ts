/**
 * The next instruction for a machine that runs pxeimage and asks what to do. It is the boot decision's target, seen
 * from inside: a machine that has not reported in this boot is asked to, whatever it was started for, so that a
 * replaced disk or NIC is noticed at the next netboot; otherwise it waits.
 */
import type { Boot } from '../inventory/boots.ts';
import type { MachineState } from '../inventory/states.ts';
import type { BootToken, Hardwarename } from '../wire/ids.ts';

export interface Instruction {
  readonly instruction: 'wait' | 'reboot' | 'poweroff' | 'recon';
  readonly token?: BootToken | undefined;
  readonly hardwarename?: Hardwarename | undefined;
  readonly state?: MachineState | undefined;
  readonly message: string;
}

export interface NextFacts {
  readonly machine:
    | { hardwarename: Hardwarename; state: MachineState; stateWhy: string }
    | undefined;
  readonly boot: Pick<Boot, 'reportDigest'>;
}

export function nextInstruction({ machine, boot }: NextFacts): Instruction {
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
    line('hardwarename', next.hardwarename) +
    line('state', next.state) +
    line('message', next.message)
  );
}
