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
  { from: 'installing', to: 'in-use', by: 'job', why: 'The installed system has phoned home.' },
  { from: 'installing', to: 'broken', by: 'job', why: 'The install job has used up its attempts.' },
  {
    from: 'installing',
    to: 'available',
    by: 'job',
    why: 'The install job was cancelled before it touched a disk.',
  },
  {
    from: 'in-use',
    to: 'recycling',
    by: 'owner',
    why: 'The owning squad has released the machine.',
  },
  { from: 'recycling', to: 'available', by: 'job', why: 'Every disk is proven clean.' },
  { from: 'recycling', to: 'broken', by: 'job', why: 'A disk could not be wiped or verified.' },
  { from: 'available', to: 'broken', by: 'operator', why: 'A person found a fault.' },
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
