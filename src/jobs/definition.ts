/**
 * What a kind of job is: one literal that reads like a runbook.
 *
 * A job is a list of steps and waits. A step does something and may be done again: `run` is idempotent, or says by `done`
 * that it has been done; after a crash `done` is asked first. A wait ends with an event of the machine's timeline that is
 * newer than the start of the step named by `since`. What a step changed is taken back by `undo`, in reverse order, when
 * the job fails or is cancelled. Code is never stored: a job keeps the name and version of its kind, and a version that
 * this program does not have ends the job with a clear error.
 *
 * A kind that changes what a job of it would do, in the middle of its list, takes the next version number; the old one
 * stays in the list until no unfinished job has it. Nothing in here does I/O.
 */
import type { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import type { EventName, StoredEvent } from '../events.ts';
import type { Actor, MachineState } from '../inventory/states.ts';
import type { Millis } from '../wire/time.ts';
import type { JobBmc, JobMachine, JobWork, Login } from './ports.ts';

/** As JSON holds it; each kind's schema says what is in it. */
export type JobParams = Readonly<Record<string, unknown>>;

/** What a step leaves for the steps after it, for its undo and for people. Never a secret: it is in the log. */
export type Output = Readonly<Record<string, string | number | boolean>>;

/** Not yet: ask again after a while. It is no failure and costs no attempt. */
export interface Later {
  readonly laterMs: number;
  readonly why: string;
}

export function later(laterMs: number, why: string): Later {
  return { laterMs, why };
}

export interface StepContext<Params = JobParams> {
  /** Id of the job. */
  readonly job: string;
  /** Who asked for the job. */
  readonly requester: string;
  readonly machine: JobMachine;
  readonly params: Params;
  /** By step name, of the steps that are done. */
  readonly outputs: Readonly<Record<string, Output>>;
  /** When this step first began in this pass. */
  readonly sinceAt: Millis;
  /** An earlier attempt was cut off, by a crash or the clock: what it was about to do may have been done. */
  readonly inDoubt: boolean;
  now(): Millis;
  /** Opens a session for `use` and closes it whatever happens. */
  withBmc<T>(use: (bmc: JobBmc) => Promise<T>, credential?: string): Promise<T>;
  login(credential: string): Login;
  adopt(credential: string, why: string): void;
  /** What the machine is to do in pxeimage. */
  readonly work: JobWork;
  /** A line of the live log. */
  note(text: string): void;
}

/**
 * About how long it takes, for as long as nothing like it was seen here: people who install the first machine of a site want to
 * know when it will be done, too. May follow from what the steps before it have found.
 */
export type Usual = number | ((outputs: Readonly<Record<string, Output>>) => number);

interface StepSpec<Params> {
  /** One attempt; after that it counts as lost. */
  readonly timeoutMs: number;
  /** All attempts and the pauses between them, from the first start. */
  readonly withinMs: number;
  readonly usualMs?: Usual;
  run(context: StepContext<Params>): Promise<Output | Later | undefined>;
  /** Asked before a step that was started before: its output when it has been done. */
  done?(context: StepContext<Params>): Promise<Output | undefined>;
  undo?(context: StepContext<Params>): Promise<void>;
}

interface WaitSpec {
  /** From the moment that the wait begins; may follow from what the steps before it have found. */
  readonly withinMs: number | ((outputs: Readonly<Record<string, Output>>) => number);
  readonly usualMs?: Usual;
  readonly event: EventName;
  /** Only events newer than the first start of this step count. */
  readonly since: string;
  matches?(event: StoredEvent): boolean;
  /** An event that says that the other one will not come: at once the end of the wait, or of this round of it. */
  readonly fails?: {
    readonly event: EventName;
    /** @returns undefined for one that is about something else; `again`: another round may help */
    cause(
      event: StoredEvent,
    ): { readonly code: ErrorCode; readonly detail: string; readonly again: boolean } | undefined;
  };
  /** Each of these gives it `withinMs` anew, up to this long after the start of `since`. */
  readonly alive?: { readonly event: EventName; readonly atMostMs: number };
  /**
   * Instead of failing, go back to a step, at most so many times. `since` is not before that step: another round would begin
   * with the events of the one that failed.
   */
  readonly again?: { readonly from: string; readonly timesMax: number };
  /** What it means that the event did not come. */
  readonly overdue: { readonly code: ErrorCode; readonly detail: string };
}

export type Step<Params = JobParams> = StepSpec<Params> & {
  readonly is: 'step';
  readonly name: string;
};
export type Wait = WaitSpec & { readonly is: 'wait'; readonly name: string };
export type JobStep<Params = JobParams> = Step<Params> | Wait;

export function waitMs(
  { withinMs }: Pick<Wait, 'withinMs'>,
  outputs: Readonly<Record<string, Output>>,
): number {
  return typeof withinMs === 'number' ? withinMs : withinMs(outputs);
}

/** @returns undefined where the kind has no guess */
export function usualMs(
  { usualMs: usual }: { readonly usualMs?: Usual },
  outputs: Readonly<Record<string, Output>>,
): number | undefined {
  return typeof usual === 'function' ? usual(outputs) : usual;
}

export function step<Params>(name: string, spec: StepSpec<Params>): Step<Params> {
  return { is: 'step', name, ...spec };
}

export function wait(name: string, spec: WaitSpec): Wait {
  return { is: 'wait', name, ...spec };
}

/** A change of the machine's state that the job makes; the table of states has to have it, by `job`. */
export interface Move {
  readonly to: MachineState;
  /** The part in the table of states; `job` when absent. */
  readonly by?: Actor;
  readonly why: string;
}

/** How a job ended, for the kind to say where its machine rests. */
export interface End {
  readonly status: 'finished' | 'failed' | 'cancelled';
  readonly code: ErrorCode | '';
  readonly detail: string;
  /** Something on its disks may be gone. */
  readonly destroyed: boolean;
  /** Jobs of this kind on this machine that failed since the last one that did not. */
  readonly failures: number;
  /** By step name, of the steps that are done. */
  readonly outputs: Readonly<Record<string, Output>>;
}

export interface JobSpec<Params> {
  /** One sentence for people. */
  readonly says: string;
  readonly params: z.ZodType<Params>;
  /** States of the machine in which the job may be asked for. */
  readonly allowedFrom: readonly MachineState[];
  /** It takes the machine from whoever is using it: a protected machine refuses it. */
  readonly interrupts: boolean;
  /** It destroys what is on the disks: only ever with the owner's release. */
  readonly destructive: boolean;
  /** Whoever says where machines are may ask for it too; an operator of its squad when absent. */
  readonly forTechnicians?: boolean;
  /** Without a BMC on record it is not even begun; true when absent. */
  readonly needsBmc?: boolean;
  readonly steps: readonly JobStep<Params>[];
  /** In the transaction that queues the job. */
  readonly onStart?: Move;
  readonly onFinish?: Move;
  /** Where a machine rests after a failure; absent: in the state that it has. */
  readonly onFail?: Move;
  readonly onCancel?: Move;
  /** Where it rests when that depends on more than the status; goes before the three above. */
  rest?(end: End): Move | undefined;
}

export interface JobDefinition<Params = JobParams> extends JobSpec<Params> {
  readonly kind: string;
  readonly version: number;
}

/**
 * @throws Error for a list that cannot work: names given twice, a wait that looks back to nothing, another round that would
 * see the events of the one before it
 */
export function defineJob<Params>(
  kind: string,
  version: number,
  spec: JobSpec<Params>,
): JobDefinition {
  const names = spec.steps.map(({ name }) => name);
  if (new Set(names).size !== names.length) throw new Error(`${kind}: a step's name is taken`);
  for (const [index, each] of spec.steps.entries()) {
    if (each.is === 'step') continue;
    const back = [each.since, ...(each.again ? [each.again.from] : [])];
    if (back.some((name) => !names.slice(0, index).includes(name)))
      throw new Error(`${kind}: ${each.name} looks back to a step that is not before it`);
    if (each.again && names.indexOf(each.again.from) > names.indexOf(each.since))
      throw new Error(`${kind}: another round of ${each.name} sees the events of the one before`);
  }
  return { kind, version, ...spec } as unknown as JobDefinition;
}

/** Every kind and version that this program can run. */
export interface JobKinds {
  find(kind: string, version: number): JobDefinition | undefined;
  /** The newest version of a kind: what new jobs are. */
  newest(kind: string): JobDefinition | undefined;
  /** The newest of each kind, by name. */
  list(): readonly JobDefinition[];
}

/** @param others versions that are found, and that no new job is of */
export function createKinds(
  definitions: readonly JobDefinition[],
  others: readonly JobDefinition[] = [],
): JobKinds {
  const all = new Map<string, JobDefinition>();
  const newest = new Map<string, JobDefinition>();
  for (const definition of [...others, ...definitions]) {
    const { kind, version } = definition;
    if (all.has(`${kind}/${version}`)) throw new Error(`${kind} ${version} is there twice`);
    all.set(`${kind}/${version}`, definition);
    if (others.includes(definition)) continue;
    if (version > (newest.get(kind)?.version ?? 0)) newest.set(kind, definition);
  }
  return {
    find: (kind, version) => all.get(`${kind}/${version}`),
    newest: (kind) => newest.get(kind),
    list: () => [...newest.values()].sort((a, b) => (a.kind < b.kind ? -1 : 1)),
  };
}
