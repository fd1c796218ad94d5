/**
 * The machine's states and every legal change between them, each with one sentence that says who makes it and why.
 * Anything that is not a row of the table is refused with the rows that are.
 */
import { AppError } from '../errors.ts';

export const MACHINE_STATES = [
  'available',
  'installing',
  'in-use',
  'recycling',
  'broken',
  'held',
  'retired',
] as const;
export type MachineState = (typeof MACHINE_STATES)[number];

export type Actor = 'recon' | 'operator' | 'owner' | 'job';

export interface Transition {
  /** `unknown`: there is no record yet. */
  readonly from: MachineState | 'unknown';
  readonly to: MachineState;
  readonly by: Actor;
  readonly why: string;
}

export const TRANSITIONS: readonly Transition[] = [
  {
    from: 'unknown',
    to: 'available',
    by: 'recon',
    why: 'A first report with a usable identity registers the machine as capacity.',
  },
  {
    from: 'unknown',
    to: 'held',
    by: 'recon',
    why: 'A first report whose identity is missing or contested waits for a person.',
  },
  {
    from: 'unknown',
    to: 'held',
    by: 'operator',
    why: 'A person enters a machine that is still to come: it waits for its first report.',
  },
  {
    from: 'unknown',
    to: 'in-use',
    by: 'operator',
    why: 'A person enters a machine that is in service already, from the sheet that a site has.',
  },
  {
    from: 'held',
    to: 'available',
    by: 'recon',
    why: 'A machine that was entered before has reported for the first time, and nothing contests it.',
  },
  {
    from: 'available',
    to: 'held',
    by: 'recon',
    why: 'A report contests the identity of a machine that nobody uses yet.',
  },
  {
    from: 'available',
    to: 'held',
    by: 'operator',
    why: 'A person takes the machine out of the capacity for a look.',
  },
  {
    from: 'held',
    to: 'available',
    by: 'operator',
    why: 'A person has settled what it was held for.',
  },
  {
    from: 'held',
    to: 'recycling',
    by: 'owner',
    why: 'A machine that was repaired or looked at, and may hold data, is erased before it is capacity again.',
  },
  { from: 'held', to: 'broken', by: 'operator', why: 'A person found that it needs repair.' },
  {
    from: 'held',
    to: 'retired',
    by: 'operator',
    why: 'A person takes it out of service for good.',
  },
  {
    from: 'available',
    to: 'installing',
    by: 'job',
    why: 'An install job has claimed the machine.',
  },
  {
    from: 'installing',
    to: 'in-use',
    by: 'job',
    why: 'The installed system has phoned home, or a new install was called off before it touched a disk.',
  },
  { from: 'installing', to: 'broken', by: 'job', why: 'The install job has used up its attempts.' },
  {
    from: 'installing',
    to: 'available',
    by: 'job',
    why: 'The install job was called off, or could not be carried out, before it touched a disk.',
  },
  {
    from: 'in-use',
    to: 'recycling',
    by: 'owner',
    why: 'The owning squad has released the machine.',
  },
  {
    from: 'in-use',
    to: 'broken',
    by: 'owner',
    why: 'The owning squad hands over a machine that has failed; nothing on its disks is touched.',
  },
  {
    from: 'in-use',
    to: 'installing',
    by: 'job',
    why: 'A new install of the same role has claimed the machine, which the owning squad has released for it.',
  },
  {
    from: 'installing',
    to: 'held',
    by: 'job',
    why: 'It came back into the installer over and over, or the job was cancelled when a disk was written already.',
  },
  {
    from: 'installing',
    to: 'held',
    by: 'operator',
    why: 'There is no install job any more that could end this, and a person takes the machine out of it.',
  },
  { from: 'recycling', to: 'available', by: 'job', why: 'Every disk is proven clean.' },
  { from: 'recycling', to: 'broken', by: 'job', why: 'A disk could not be wiped or verified.' },
  {
    from: 'recycling',
    to: 'held',
    by: 'job',
    why: 'The job could not be carried on by this program, or was called off when every disk was proven clean.',
  },
  { from: 'available', to: 'broken', by: 'operator', why: 'A person found a fault.' },
  { from: 'available', to: 'broken', by: 'job', why: 'Its burn-in found a fault.' },
  { from: 'held', to: 'broken', by: 'job', why: 'Its burn-in found a fault.' },
  {
    from: 'broken',
    to: 'held',
    by: 'operator',
    why: 'The repair is done and wants a look before it is capacity again.',
  },
  { from: 'broken', to: 'retired', by: 'operator', why: 'It is beyond repair.' },
  {
    from: 'available',
    to: 'retired',
    by: 'operator',
    why: 'A person takes it out of service for good.',
  },
  {
    from: 'retired',
    to: 'held',
    by: 'operator',
    why: 'A retired machine is taken back and wants a look first.',
  },
];

/** What a state waits for, and for how long before it counts as stuck. */
export interface StateRule {
  /** It rests here, or moves on by somebody's doing. */
  readonly kind: 'stable' | 'waiting';
  /** From the moment it got there; a transition may name another deadline. */
  readonly deadlineMs?: number;
  /** The next step, in words that a person can follow. */
  readonly next: string;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const STATE_RULES: Readonly<Record<MachineState, StateRule>> = {
  available: { kind: 'stable', next: 'Nothing: it is capacity.' },
  installing: {
    kind: 'waiting',
    deadlineMs: 2 * HOUR_MS,
    next: 'Its install job ends; look at the job when it does not.',
  },
  'in-use': { kind: 'stable', next: 'Nothing: its squad uses it.' },
  recycling: {
    kind: 'waiting',
    deadlineMs: DAY_MS,
    next: 'Its recycle job proves every disk clean; a large disk takes hours.',
  },
  broken: {
    kind: 'waiting',
    deadlineMs: 14 * DAY_MS,
    next: 'A technician repairs it and puts it on hold, or retires it.',
  },
  held: {
    kind: 'waiting',
    deadlineMs: 3 * DAY_MS,
    next: 'A person settles what it is held for and releases it.',
  },
  retired: { kind: 'stable', next: 'Nothing: it may leave the building.' },
};

/** The states in which a machine may be handed a kind of work; in any other, an order of that kind is dead. */
const WORK_STATES = {
  install: ['installing'],
  recycle: ['recycling'],
  'burn-in': ['available', 'held', 'recycling'],
} as const satisfies Readonly<Record<string, readonly MachineState[]>>;

export function statesOfWork(purpose: keyof typeof WORK_STATES): readonly MachineState[] {
  return WORK_STATES[purpose];
}

/**
 * How a machine of a sheet, which was in this state elsewhere, is entered here, and where it is brought from there. What a job
 * was doing is not going on here; its disks may hold what the job was to write or to erase, and those of a broken one what it
 * was broken with.
 */
export const ENTERED_AS: Readonly<
  Record<
    MachineState,
    {
      readonly as: 'held' | 'in-use';
      readonly onTo?: MachineState;
      readonly mayHoldData?: boolean;
    }
  >
> = {
  available: { as: 'held' },
  held: { as: 'held' },
  installing: { as: 'held', mayHoldData: true },
  recycling: { as: 'held', mayHoldData: true },
  'in-use': { as: 'in-use' },
  broken: { as: 'held', onTo: 'broken', mayHoldData: true },
  retired: { as: 'held', onTo: 'retired' },
};

/** Nobody uses it: a rule may take it out of the capacity. */
export function isCapacity(state: MachineState): boolean {
  return state === 'available';
}

/** Somebody's work is on it: leaving this state takes the word of its owner, and a rule never moves it. */
export function needsRelease(state: MachineState): boolean {
  return state === 'in-use';
}

/** Past the intake: somebody works on it, with it or for it, or what is on its disks is somebody's. */
const SETTLED: readonly MachineState[] = ['installing', 'in-use', 'recycling', 'broken'];

/**
 * Its NICs, addresses and BMC stay its own whatever another machine reports: it is past the intake, or an administrator
 * protects it. A held machine that may hold data has been in use; a retired one has left, and its parts may be in others.
 */
export function keepsParts(machine: {
  readonly state: MachineState;
  readonly protected: boolean;
  readonly mayHoldData: boolean;
}): boolean {
  const { state, mayHoldData } = machine;
  return machine.protected || SETTLED.includes(state) || (state === 'held' && mayHoldData);
}

/** A job works on it, under its name and with its parts. @throws AppError STILL_REFERENCED */
export function assertIdle(machine: {
  readonly hardwarename: string;
  readonly state: MachineState;
}): void {
  const { hardwarename, state } = machine;
  if (state !== 'installing' && state !== 'recycling') return;
  const detail = `${hardwarename} is ${state}: its job has to end first.`;
  throw new AppError('STILL_REFERENCED', { detail });
}

/** From here on somebody's data may be on its disks. An install that has begun to write one says so, too. */
export function bringsData(to: MachineState): boolean {
  return to === 'in-use';
}

/**
 * Capacity is empty: whatever way a machine took, through repair, hold or retirement, data that may be on its disks keeps it
 * out until a recycle has proven the opposite.
 *
 * @throws AppError DISKS_NOT_CLEAN
 */
export function assertEmpty(
  { hardwarename, mayHoldData }: { readonly hardwarename: string; readonly mayHoldData: boolean },
  to: MachineState,
): void {
  if (to !== 'available' || !mayHoldData) return;
  const detail = `Put it on hold and recycle it: reveille jobs create recycle ${hardwarename}`;
  throw new AppError('DISKS_NOT_CLEAN', { detail });
}

/** Where a machine has no role: what it was called and whose it was ends there. */
export function endsAssignment(to: MachineState): boolean {
  return to === 'available' || to === 'retired';
}

/** @throws AppError TRANSITION_ILLEGAL that names the legal ones */
export function assertTransition(
  from: MachineState | 'unknown',
  to: MachineState,
  by: Actor,
): void {
  if (TRANSITIONS.some((row) => row.from === from && row.to === to && row.by === by)) return;
  const legal = TRANSITIONS.filter((row) => row.from === from).map(
    (row) => `${row.to} (by ${row.by})`,
  );
  throw new AppError('TRANSITION_ILLEGAL', {
    detail: `From ${from} to ${to} by ${by} is not legal; legal: ${legal.join(', ') || 'nothing'}.`,
  });
}
