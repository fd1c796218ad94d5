/**
 * A job's log and what follows from it. The log is append-only and is the only truth about a job: its state is this fold
 * over it, after a crash as on the first run. Deadlines stand in the entries, so a restart resets no clock.
 *
 * Pure. It never judges: an entry that does not fit is a bug of who appended it, and throws.
 */
import type { ErrorCode } from '../errors.ts';
import { unreachable } from '../wire/result.ts';
import type { Millis } from '../wire/time.ts';
import type { JobDefinition, Output } from './definition.ts';
import type { Deadline } from './pauses.ts';

export type EndStatus = 'finished' | 'failed' | 'cancelled';

/**
 * `cursor`: the newest event when it was written. `retryAt` 0: not again. `pausedMs`: how long the queue had been paused by
 * then, in all (./pauses.ts); absent in logs of before there was such a sum, which began with 0.
 */
export type JobEntry =
  | { readonly is: 'queued' }
  | {
      readonly is: 'started';
      readonly step: string;
      readonly attempt: number;
      readonly cursor: number;
      readonly deadlineAt: number;
      readonly pausedMs?: number;
    }
  | { readonly is: 'noted'; readonly step: string; readonly text: string }
  | { readonly is: 'succeeded'; readonly step: string; readonly output: Output }
  | {
      readonly is: 'failed';
      readonly step: string;
      readonly code: ErrorCode;
      readonly detail: string;
      readonly retryAt: number;
    }
  | {
      readonly is: 'postponed';
      readonly step: string;
      readonly until: number;
      readonly why: string;
    }
  | {
      readonly is: 'waiting';
      readonly step: string;
      readonly cursor: number;
      readonly deadlineAt: number;
      readonly pausedMs?: number;
    }
  | { readonly is: 'matched'; readonly step: string; readonly event: number }
  | { readonly is: 'again'; readonly step: string; readonly from: string; readonly detail: string }
  | { readonly is: 'cancelling'; readonly who: string; readonly why: string }
  /** From here on there is only undoing. */
  | ({ readonly is: 'giving-up' } & Cause)
  | { readonly is: 'undoing'; readonly step: string; readonly attempt: number }
  | { readonly is: 'undone'; readonly step: string }
  | {
      readonly is: 'undo-failed';
      readonly step: string;
      readonly code: ErrorCode;
      readonly detail: string;
      readonly retryAt: number;
    }
  | {
      readonly is: 'ended';
      readonly status: EndStatus;
      readonly code: ErrorCode | '';
      readonly detail: string;
    };

export interface LoggedEntry {
  readonly seq: number;
  readonly at: Millis;
  readonly entry: JobEntry;
}

/** Why a job comes to an early end. */
export interface Cause {
  readonly status: 'failed' | 'cancelled';
  readonly code: ErrorCode | '';
  readonly detail: string;
}

/** Where a job is; `step` is an index of its kind's list. */
export type Phase =
  /** Between two steps; `step` is next, and may be behind the last one. */
  | { readonly at: 'ready'; readonly step: number }
  | { readonly at: 'running'; readonly step: number }
  | {
      readonly at: 'backing-off';
      readonly step: number;
      readonly until: Millis;
      /** Empty when it was asked to come back later. */
      readonly code: ErrorCode | '';
      readonly detail: string;
    }
  | {
      readonly at: 'waiting';
      readonly step: number;
      readonly sinceAt: Millis;
      /** As from `sinceAt`, whenever it was last set. */
      readonly deadlineAt: Millis;
      readonly pausedMs: number;
    }
  | {
      readonly at: 'undoing';
      readonly because: Cause;
      /** Steps still to be undone, the first one next. */
      readonly left: readonly number[];
      readonly attempt: number;
      readonly running: boolean;
      readonly until: Millis;
    }
  | { readonly at: 'ended'; readonly status: EndStatus };

export interface JobFold {
  readonly phase: Phase;
  readonly outputs: Readonly<Record<string, Output>>;
  /** Indices of steps that may have changed something, in order. */
  readonly touched: readonly number[];
  /** By step name: the first start in this pass. */
  readonly anchors: Readonly<Record<string, Anchor>>;
  /** Attempts of the current step that ended in a failure, in this pass. */
  readonly failures: number;
  /** Starts of the current step that nothing ended: crashes. */
  readonly interruptions: number;
  /** An attempt of the current step ended without its own word: what it was about to do may have been done. */
  readonly inDoubt: boolean;
  /** How often a wait sent it back, by the wait's name. */
  readonly passes: Readonly<Record<string, number>>;
  /** Failed attempts of all steps. */
  readonly retries: number;
  readonly cancelling: boolean;
}

export interface Anchor extends Deadline {
  readonly at: Millis;
  readonly cursor: number;
}

const FRESH: JobFold = {
  phase: { at: 'ready', step: 0 },
  ...{ outputs: {}, touched: [], anchors: {}, failures: 0, interruptions: 0, passes: {} },
  ...{ retries: 0, cancelling: false, inDoubt: false },
};

export function foldJob(definition: JobDefinition, log: readonly LoggedEntry[]): JobFold {
  return log.reduce((fold, entry) => applyEntry(definition, fold, entry), FRESH);
}

/** @throws Error for an entry of a step that the kind does not have */
export function applyEntry(
  definition: JobDefinition,
  fold: JobFold,
  { at, entry }: Pick<LoggedEntry, 'at' | 'entry'>,
): JobFold {
  switch (entry.is) {
    case 'queued':
    case 'noted':
      return fold;
    case 'started':
      return started(fold, indexOf(definition, entry.step), { ...entry, at });
    case 'succeeded':
      return advanced(fold, indexOf(definition, entry.step), {
        ...fold.outputs,
        [entry.step]: entry.output,
      });
    case 'matched':
      return advanced(fold, indexOf(definition, entry.step), fold.outputs);
    case 'failed':
      return failed(fold, indexOf(definition, entry.step), entry);
    case 'postponed': {
      const step = indexOf(definition, entry.step);
      const until = entry.until as Millis;
      return {
        ...fold,
        interruptions: 0,
        phase: { at: 'backing-off', step, until, code: '', detail: entry.why },
      };
    }
    case 'waiting': {
      const step = indexOf(definition, entry.step);
      // One that was given more time has waited since it began.
      const { phase } = fold;
      const { deadlineAt, pausedMs: paused = 0 } = entry;
      const first = phase.at === 'waiting' && phase.step === step ? phase : undefined;
      const { sinceAt, pausedMs } = first ?? { sinceAt: at, pausedMs: paused };
      const due = (deadlineAt - (paused - pausedMs)) as Millis;
      return { ...fold, phase: { at: 'waiting', step, sinceAt, deadlineAt: due, pausedMs } };
    }
    case 'again':
      return goneBack(definition, fold, entry);
    case 'cancelling':
      return { ...fold, cancelling: true };
    case 'giving-up':
      return { ...fold, phase: undoPhase(definition, fold, entry) };
    case 'undoing':
      return whileUndoing(fold, { attempt: entry.attempt, running: true });
    case 'undone':
      return undone(fold);
    case 'undo-failed':
      return entry.retryAt === 0
        ? undone(fold)
        : whileUndoing(fold, { running: false, until: entry.retryAt as Millis });
    case 'ended':
      return { ...fold, phase: { at: 'ended', status: entry.status } };
    default:
      return unreachable(entry);
  }
}

/** The undo of everything that was touched, newest first: what a job does before it ends early. */
function undoPhase(definition: JobDefinition, fold: JobFold, cause: Cause): Phase {
  const { status, code, detail } = cause;
  const because = { status, code, detail };
  const left = fold.touched.toReversed().filter((index) => {
    const each = definition.steps[index];
    return each?.is === 'step' && each.undo !== undefined;
  });
  return { at: 'undoing', because, left, attempt: 0, running: false, until: 0 as Millis };
}

function indexOf(definition: JobDefinition, name: string): number {
  const index = definition.steps.findIndex((each) => each.name === name);
  if (index < 0) throw new Error(`${definition.kind} has no step ${name}`);
  return index;
}

function started(
  fold: JobFold,
  step: number,
  entry: { step: string; cursor: number; deadlineAt: number; pausedMs?: number; at: Millis },
): JobFold {
  const { at, cursor, pausedMs = 0 } = entry;
  const deadlineAt = entry.deadlineAt as Millis;
  const anchor = fold.anchors[entry.step] ?? { at, cursor, deadlineAt, pausedMs };
  const crashed = fold.phase.at === 'running' ? 1 : 0;
  return {
    ...fold,
    phase: { at: 'running', step },
    anchors: { ...fold.anchors, [entry.step]: anchor },
    touched: fold.touched.includes(step) ? fold.touched : [...fold.touched, step],
    interruptions: fold.interruptions + crashed,
    inDoubt: fold.inDoubt || crashed > 0,
  };
}

function advanced(fold: JobFold, step: number, outputs: JobFold['outputs']): JobFold {
  const phase: Phase = { at: 'ready', step: step + 1 };
  return { ...fold, phase, outputs, failures: 0, interruptions: 0, inDoubt: false };
}

/** Failures that do not come from the step itself: its code may have got anywhere. */
const WORDLESS: readonly ErrorCode[] = ['JOB_ATTEMPT_LATE', 'INTERNAL'];

function failed(
  fold: JobFold,
  step: number,
  { code, detail, retryAt }: { code: ErrorCode; detail: string; retryAt: number },
): JobFold {
  const failures = fold.failures + 1;
  const retries = fold.retries + 1;
  const until = (retryAt === 0 ? Number.POSITIVE_INFINITY : retryAt) as Millis;
  const phase: Phase = { at: 'backing-off', step, until, code, detail };
  const inDoubt = fold.inDoubt || WORDLESS.includes(code);
  return { ...fold, phase, failures, retries, interruptions: 0, inDoubt };
}

function goneBack(
  definition: JobDefinition,
  fold: JobFold,
  entry: { step: string; from: string },
): JobFold {
  const from = indexOf(definition, entry.from);
  const anchors = Object.fromEntries(
    Object.entries(fold.anchors).filter(([name]) => indexOf(definition, name) < from),
  );
  const passes = { ...fold.passes, [entry.step]: (fold.passes[entry.step] ?? 0) + 1 };
  const phase: Phase = { at: 'ready', step: from };
  const fresh = { failures: 0, inDoubt: false };
  return { ...fold, phase, anchors, passes, ...fresh, retries: fold.retries + 1 };
}

function whileUndoing(fold: JobFold, change: Partial<Extract<Phase, { at: 'undoing' }>>): JobFold {
  if (fold.phase.at !== 'undoing') throw new Error('nothing is being undone');
  return { ...fold, phase: { ...fold.phase, ...change } };
}

function undone(fold: JobFold): JobFold {
  if (fold.phase.at !== 'undoing') throw new Error('nothing is being undone');
  const left = fold.phase.left.slice(1);
  return whileUndoing(fold, { left, attempt: 0, running: false, until: 0 as Millis });
}
