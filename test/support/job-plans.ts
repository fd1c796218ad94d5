/**
 * For each kind of job: machines that it can be tried on, what it is for, and where its machine rests when it comes to an
 * early end. The table is held to the kinds that there are: one without a row here fails its trials.
 */

import type { MachineState } from '../../src/inventory/states.ts';
import { decodeBootFlags } from '../../src/ipmi/commands/boot-options.ts';
import { createHall, type Hall, type HallOptions, nameOf } from './job-hall.ts';
import { createInstallHall } from './sim-agent.ts';

export interface KindPlan {
  /** Whether the machine is on before. */
  readonly on: boolean;
  readonly params?: unknown;
  /** Machines that it can be tried on; a hall of held machines when absent. */
  readonly hall?: (options: HallOptions) => Hall;
  /** States that its machine may rest in after a failure at a step, and when it was called off; `held` when absent. */
  readonly failed?: readonly MachineState[];
  readonly cancelled?: readonly MachineState[];
  /** What it is for, as the machine and its BMC show it: `yes`, or what is wrong. */
  achieved(hall: Hall): string;
  /** What else has to hold when it has failed at this step. */
  afterFailure?(hall: Hall, failed: { name: string; when: 'before' | 'after' }): string[];
}

const is = (holds: boolean, otherwise: string) => (holds ? 'yes' : otherwise);
const stateOf = (hall: Hall) => hall.now.inventory.machines.record(nameOf(0))?.state ?? 'gone';
const isOn = (hall: Hall) => is(hall.machine(0).isOn(), 'it is off');
const netbooted = (hall: Hall) =>
  is(
    hall.machine(0).netboots() > 0 && hall.machine(0).isOn(),
    'it was not booted from the network',
  );

const IMAGE = { image: 'debian-12/stable', hostname: 'web1', role: 'web' };

/** One that somebody uses, under a name. */
function inUse(options: HallOptions): Hall {
  const hall = createInstallHall({}, options);
  const { inventory } = hall.now;
  const who = { who: 'test', why: 'test' };
  inventory.transaction(() => {
    inventory.serverdb.editor.edit(nameOf(0), { hostname: 'web1', role: 'web' }, who);
    inventory.machines.write(nameOf(0), { mayHoldData: true });
    hall.database().prepare("UPDATE machines SET state = 'in-use'").run();
  });
  hall.persist();
  return hall;
}

function isInstalled(hall: Hall): string {
  const record = hall.now.inventory.machines.record(nameOf(0));
  const { state, hostname, role } = record ?? {};
  const words = [state, hostname, role].join(' ');
  return is(words === 'in-use web1 web' && hall.machine(0).netboots() > 0, words);
}

/** A name that the job gave is taken back with it. */
function named(hall: Hall, expected: string): string[] {
  const { hostname = '' } = hall.now.inventory.machines.record(nameOf(0)) ?? {};
  return hostname === expected ? [] : [`it is called '${hostname}'`];
}

function isClean(hall: Hall): string {
  const { inventory } = hall.now;
  const { state, hostname, mayHoldData } = inventory.machines.record(nameOf(0)) ?? {};
  const [proof] = inventory.certificates.list({ hardwarename: nameOf(0), count: 9 });
  const words = [state, hostname, mayHoldData, proof?.result].join(' ');
  return is(words === 'available  false sanitized', words);
}

/** Clean, and nobody but the way in on its BMC. */
function isCleanAndClosed(hall: Hall): string {
  const open = hall.machine(0).state.users.flatMap((user) => (user?.enabled ? [user.name] : []));
  const clean = isClean(hall);
  return clean === 'yes' ? is(open.join() === 'admin', open.join()) : clean;
}

function isSetUp(hall: Hall): string {
  const { state } = hall.machine(0);
  const accounts = state.users.flatMap((user) => (user?.enabled ? [user.name] : [])).sort();
  const skew = Math.abs(state.clock() + state.clockAheadSeconds - hall.clock() / 1000);
  const set = state.restorePolicy === 2 && skew < 60 && state.lan.get(4)?.[0] === 2;
  if (!set) return `restore ${state.restorePolicy}, ${skew} s off, ${state.lan.get(4)}`;
  return is(accounts.join() === 'operator,reveille,viewer', accounts.join());
}

export const PLANS: Readonly<Record<string, KindPlan>> = {
  'power-on': { on: false, achieved: isOn },
  'power-off': { on: true, achieved: (hall) => is(!hall.machine(0).isOn(), 'it is on') },
  'power-cycle': {
    on: true,
    achieved(hall) {
      const { actions } = hall.machine(0);
      const both = actions.includes('off') && actions.includes('on');
      return is(both && hall.machine(0).isOn(), actions.join());
    },
  },
  reset: {
    on: true,
    achieved: (hall) => is(hall.machine(0).actions.includes('reset'), 'no reset'),
  },
  identify: {
    on: true,
    achieved(hall) {
      const { identify } = hall.machine(0).state;
      return is(identify === 60, `light ${identify}`);
    },
  },
  netboot: { on: true, achieved: netbooted },
  recon: { on: false, achieved: netbooted },
  'bmc-setup': {
    on: true,
    achieved: isSetUp,
    afterFailure(hall, { name, when }) {
      const { users } = hall.machine(0).state;
      const open = users.some((user) => user?.enabled && user.name === 'admin');
      const shut = ['adopt', 'settings'].includes(name);
      const closed = shut || (name === 'close-factory' && when === 'after');
      return open === !closed ? [] : [`the factory's account is ${open ? 'open' : 'closed'}`];
    },
  },
  'burn-in': {
    on: true,
    achieved: (hall) => is(netbooted(hall) === 'yes' && stateOf(hall) === 'held', stateOf(hall)),
  },
  install: {
    ...{ on: true, params: IMAGE, achieved: isInstalled },
    hall: (options) => createInstallHall({}, options),
    ...{ failed: ['broken'], cancelled: ['available', 'held'] },
    afterFailure: (hall) => named(hall, ''),
  },
  reinstall: {
    ...{ on: true, params: { image: IMAGE.image }, achieved: isInstalled, hall: inUse },
    ...{ failed: ['broken'], cancelled: ['in-use', 'held'] },
    afterFailure: (hall) => named(hall, 'web1'),
  },
  recycle: {
    ...{ on: true, achieved: isCleanAndClosed, hall: inUse, params: { bmcUsers: 'close' } },
    // Called off before anything was erased, it is still to be.
    ...{ failed: ['broken'], cancelled: ['recycling', 'broken'] },
  },
};

export function planOf(kind: string): KindPlan {
  const plan = PLANS[kind];
  if (!plan) throw new Error(`${kind} has no row in test/support/job-plans.ts`);
  return plan;
}

/** Machines for this kind, the first one on or off as it is to be. */
export function hallFor(kind: string, options: HallOptions = {}): Hall {
  const { hall = createHall, on } = planOf(kind);
  const made = hall(options);
  made.machine(0).switch(on);
  return made;
}

/** What has to hold of the machine when its job has ended, however it did. */
export function machineFaults(hall: Hall): string[] {
  const flags = decodeBootFlags(hall.machine(0).state.bootOptions.get(5) ?? new Uint8Array());
  const faults: string[] = [];
  if (flags?.valid) faults.push('boot flags are left behind');
  if (hall.now.inventory.work.liveOf(nameOf(0))) faults.push('there is work for it still');
  if (stateOf(hall) === 'installing') faults.push('it is installing for ever');
  return faults;
}
