/**
 * How far a job is, for people: each step with when it began and ended, what the job waits for now, and when it will
 * probably be done. Pure: folded from the log like everything about a job.
 */
import type { Millis } from '../wire/time.ts';
import { type JobDefinition, usualMs } from './definition.ts';
import { foldJob, type JobFold, type LoggedEntry } from './fold.ts';
import { dueAt } from './pauses.ts';
import type { Job } from './store.ts';

export type StepStatus =
  | 'to-do'
  | 'running'
  | 'waiting'
  | 'retrying'
  | 'done'
  | 'undone'
  | 'failed';

export interface StepProgress {
  readonly name: string;
  readonly status: StepStatus;
  readonly attempts: number;
  /** 0: not yet. */
  readonly startedAt: number;
  readonly endedAt: number;
}

export interface JobProgress {
  readonly phase: string;
  readonly steps: readonly StepProgress[];
  /** What keeps it from going on; empty when nothing does. */
  readonly waitingFor: string;
  /** Until when, at the latest; 0 when that is not known. */
  readonly waitingUntil: number;
  readonly cancelling: boolean;
  /** Absent where nothing is known that it could be told from, or when it has ended. */
  readonly remainingMs?: number;
  /** Of some step that is left nothing was seen yet, of this kind of job: the kind's own guess is in the sum. */
  readonly isGuess: boolean;
}

export interface ProgressFacts {
  /** Absent when this program does not have the kind's version. */
  readonly definition: JobDefinition | undefined;
  readonly log: readonly LoggedEntry[];
  readonly now: Millis;
  /** How long the queue has been paused until now, in all. */
  readonly pausedMs: number;
  readonly blocked: string | undefined;
  medianMs(step: string): number | undefined;
  /** The same of other kinds that have such a step. */
  medianElsewhereMs?(step: string): number | undefined;
  /** What the machine itself says that it will still take, for the step that waits for it. */
  readonly ownMs?: number | undefined;
  /** What is left of its work at its pace so far; asked where nothing like it was seen. */
  readonly pacedMs?: number | undefined;
}

export function describeJob(job: Job, facts: ProgressFacts): JobProgress {
  const { definition, log } = facts;
  if (!definition) {
    const none = { steps: [], waitingFor: '', waitingUntil: 0, cancelling: false, isGuess: false };
    return { phase: job.endedAt > 0 ? 'ended' : 'ready', ...none };
  }
  const fold = foldJob(definition, log);
  const names = definition.steps.map(({ name }) => name);
  const steps = names.map((name) => stepProgress(name, names, log));
  const left = remaining(fold, steps, { ...facts, definition });
  return {
    phase: fold.phase.at,
    steps,
    ...waiting(definition, fold, facts),
    cancelling: fold.cancelling,
    isGuess: left?.isGuess === true,
    ...(left === undefined ? {} : { remainingMs: left.ms }),
  };
}

function stepProgress(
  name: string,
  names: readonly string[],
  log: readonly LoggedEntry[],
): StepProgress {
  let status: StepStatus = 'to-do';
  let [attempts, startedAt, endedAt] = [0, 0, 0];
  for (const { at, entry } of log) {
    if (entry.is === 'again' && names.indexOf(name) >= names.indexOf(entry.from)) {
      // In the round that begins it is still to be done.
      endedAt = 0;
      status = entry.step === name ? 'retrying' : 'to-do';
    }
    if (!('step' in entry) || entry.step !== name) continue;
    switch (entry.is) {
      case 'started':
      case 'waiting':
        // A wait that is given more time is the same one.
        if (entry.is === 'waiting' && status === 'waiting') break;
        attempts += 1;
        startedAt ||= at;
        endedAt = 0;
        status = entry.is === 'started' ? 'running' : 'waiting';
        break;
      case 'succeeded':
      case 'matched':
      case 'undone':
        endedAt = at;
        status = entry.is === 'undone' ? 'undone' : 'done';
        break;
      case 'failed':
        endedAt = at;
        status = entry.retryAt === 0 ? 'failed' : 'retrying';
        break;
      case 'postponed':
        status = 'retrying';
        break;
    }
  }
  return { name, status, attempts, startedAt, endedAt };
}

function waiting(
  definition: JobDefinition,
  { phase }: JobFold,
  { blocked, now, pausedMs }: ProgressFacts,
): Pick<JobProgress, 'waitingFor' | 'waitingUntil'> {
  if (blocked !== undefined) return { waitingFor: blocked, waitingUntil: 0 };
  switch (phase.at) {
    case 'waiting': {
      const each = definition.steps[phase.step];
      const event = each?.is === 'wait' ? each.event : '';
      return { waitingFor: `the machine: ${event}`, waitingUntil: dueAt(phase, pausedMs) };
    }
    case 'backing-off': {
      const until = Number.isFinite(phase.until) && phase.until > now ? phase.until : 0;
      const why = phase.code === '' ? phase.detail : `another attempt, after ${phase.code}`;
      return { waitingFor: until > 0 ? why : '', waitingUntil: until };
    }
    case 'undoing': {
      const why = phase.until > now ? 'another attempt at undoing' : '';
      return { waitingFor: why, waitingUntil: phase.until > now ? phase.until : 0 };
    }
    case 'ready':
    case 'running':
    case 'ended':
      return { waitingFor: '', waitingUntil: 0 };
  }
}

/** The usual times of the steps that are left in this round, less what the present one has had already. */
function remaining(
  { phase, anchors, outputs }: JobFold,
  steps: readonly StepProgress[],
  facts: ProgressFacts & { readonly definition: JobDefinition },
): { readonly ms: number; readonly isGuess: boolean } | undefined {
  const { definition, now, pausedMs, medianMs, medianElsewhereMs } = facts;
  if (phase.at === 'ended' || phase.at === 'undoing') return undefined;
  let [ms, isGuess] = [0, false];
  for (const [index, { name }] of steps.slice(phase.step).entries()) {
    const each = definition.steps[phase.step + index];
    const isNow = index === 0;
    const { ownMs, pacedMs } = isNow && phase.at === 'waiting' ? facts : {};
    const seenMs = medianMs(name);
    const toldMs = seenMs === undefined ? (pacedMs ?? ownMs) : undefined;
    const ownGuessMs = each && usualMs(each, outputs);
    // What this job has no need of takes no time, whatever it takes others.
    const guessMs = ownGuessMs === 0 ? 0 : (medianElsewhereMs?.(name) ?? ownGuessMs);
    const wholeMs = seenMs ?? guessMs;
    if (toldMs !== undefined) ms += toldMs;
    else if (wholeMs === undefined) return undefined;
    else {
      const begun = phase.at === 'waiting' ? { ...phase, at: phase.sinceAt } : anchors[name];
      const hadMs = begun && isNow ? now - begun.at - (pausedMs - begun.pausedMs) : 0;
      // What is usual knows nothing of an uplink that is shared with more machines than usual.
      ms += Math.max(0, ownMs ?? 0, wholeMs - hadMs);
      isGuess ||= seenMs === undefined && wholeMs > 0;
    }
  }
  return { ms: Math.round(ms), isGuess };
}
