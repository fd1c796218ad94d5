/**
 * What a job does next: pure, from its kind, its folded log and the time. The engine carries it out and asks again.
 *
 * The order of the questions in each phase is the policy: what has been done counts before a wish to cancel, a wish to
 * cancel before a deadline, a deadline before another attempt.
 */
import { limit } from '../limits.ts';
import { unreachable } from '../wire/result.ts';
import type { Millis } from '../wire/time.ts';
import type { JobDefinition, Step, Wait } from './definition.ts';
import type { Cause, JobEntry, JobFold, Phase } from './fold.ts';
import { dueAt } from './pauses.ts';

export type NextAction =
  /** `ask`: it was started before, so `done` is asked first. */
  | { readonly do: 'run'; readonly step: Step; readonly attempt: number; readonly ask: boolean }
  | { readonly do: 'undo'; readonly step: Step; readonly attempt: number }
  | { readonly do: 'begin-wait'; readonly wait: Wait; readonly cursor: number }
  | {
      readonly do: 'watch';
      readonly wait: Wait;
      readonly cursor: number;
      readonly until: Millis;
    }
  | { readonly do: 'sleep'; readonly until: Millis }
  /** Nothing happens outside; the log says so. */
  | { readonly do: 'append'; readonly entry: JobEntry }
  | { readonly do: 'nothing' };

/** What takes a slot. */
export type Work = Extract<NextAction, { do: 'run' | 'undo' }>;

export interface Moment {
  readonly now: Millis;
  /** How long the queue has been paused until now, in all: deadlines are later by that. */
  readonly pausedMs: number;
}

export function nextAction(definition: JobDefinition, fold: JobFold, moment: Moment): NextAction {
  const { phase } = fold;
  const { now } = moment;
  switch (phase.at) {
    case 'ended':
      return { do: 'nothing' };
    case 'undoing':
      return undo(definition, phase, now);
    case 'ready':
      if (phase.step >= definition.steps.length)
        return append({ is: 'ended', status: 'finished', code: '', detail: '' });
      return fold.cancelling ? cancel() : begin(definition, fold, phase.step);
    case 'running':
      return fold.cancelling ? cancel() : resume(definition, fold, { step: phase.step, moment });
    case 'backing-off':
      return fold.cancelling ? cancel() : again(definition, fold, { phase, moment });
    case 'waiting':
      return fold.cancelling ? cancel() : watch(definition, fold, { phase, moment });
    default:
      return unreachable(phase);
  }
}

function append(entry: JobEntry): NextAction {
  return { do: 'append', entry };
}

function giveUp(cause: Cause): NextAction {
  return append({ is: 'giving-up', ...cause });
}

function cancel(): NextAction {
  return giveUp({ status: 'cancelled', code: '', detail: '' });
}

function begin(definition: JobDefinition, fold: JobFold, index: number): NextAction {
  const each = definition.steps[index];
  if (!each) throw new Error(`${definition.kind} has no step ${index}`);
  if (each.is === 'step') return run(fold, each);
  return { do: 'begin-wait', wait: each, cursor: fold.anchors[each.since]?.cursor ?? 0 };
}

function run(fold: JobFold, step: Step): NextAction {
  const ask = fold.anchors[step.name] !== undefined;
  return { do: 'run', step, attempt: fold.failures + fold.interruptions + 1, ask };
}

/** It was running when whoever ran it went away. */
function resume(
  definition: JobDefinition,
  fold: JobFold,
  { step, moment }: { step: number; moment: Moment },
): NextAction {
  const each = stepAt(definition, step);
  if (fold.interruptions >= limit('jobInterruptionsMax')) {
    const detail = `${each.name} was interrupted ${fold.interruptions} times.`;
    return giveUp({ status: 'failed', code: 'JOB_INTERRUPTED', detail });
  }
  return isOver(fold, each, moment) ? giveUp(late(each)) : run(fold, each);
}

function again(
  definition: JobDefinition,
  fold: JobFold,
  { phase, moment }: { phase: Extract<Phase, { at: 'backing-off' }>; moment: Moment },
): NextAction {
  const each = stepAt(definition, phase.step);
  const { until, code, detail } = phase;
  if (until === Number.POSITIVE_INFINITY) return giveUp({ status: 'failed', code, detail });
  if (moment.now < until) return { do: 'sleep', until };
  if (!isOver(fold, each, moment)) return run(fold, each);
  // The true cause is the last failure, not that time ran out over it.
  return giveUp(code === '' ? late(each) : { status: 'failed', code, detail });
}

function isOver(fold: JobFold, { name }: Step, { now, pausedMs }: Moment): boolean {
  const anchor = fold.anchors[name];
  return anchor !== undefined && now >= dueAt(anchor, pausedMs);
}

function late({ name, withinMs }: Step): Cause {
  const detail = `${name} was not done within ${Math.round(withinMs / 1000)} s.`;
  return { status: 'failed', code: 'JOB_DEADLINE', detail };
}

/** The engine looks for the event before it asks: one that came in time counts, however late it is looked at. */
function watch(
  definition: JobDefinition,
  fold: JobFold,
  { phase, moment }: { phase: Extract<Phase, { at: 'waiting' }>; moment: Moment },
): NextAction {
  const each = definition.steps[phase.step];
  if (each?.is !== 'wait') throw new Error(`step ${phase.step} of ${definition.kind} is no wait`);
  const until = dueAt(phase, moment.pausedMs);
  if (moment.now < until) {
    const cursor = fold.anchors[each.since]?.cursor ?? 0;
    return { do: 'watch', wait: each, cursor, until };
  }
  const { again: back, overdue, name } = each;
  const passes = fold.passes[name] ?? 0;
  if (back && passes < back.timesMax)
    return append({ is: 'again', step: name, from: back.from, detail: overdue.detail });
  const times = passes > 0 ? ` Tried ${passes + 1} times.` : '';
  return giveUp({ status: 'failed', code: overdue.code, detail: `${overdue.detail}${times}` });
}

function undo(
  definition: JobDefinition,
  phase: Extract<Phase, { at: 'undoing' }>,
  now: Millis,
): NextAction {
  const [index] = phase.left;
  if (index === undefined) return append({ is: 'ended', ...phase.because });
  const each = stepAt(definition, index);
  if (now < phase.until) return { do: 'sleep', until: phase.until };
  if (phase.running && phase.attempt >= limit('jobUndoTriesMax')) {
    const detail = `Undoing ${each.name} was interrupted ${phase.attempt} times.`;
    const failed = { step: each.name, code: 'JOB_INTERRUPTED', detail, retryAt: 0 } as const;
    return append({ is: 'undo-failed', ...failed });
  }
  return { do: 'undo', step: each, attempt: phase.attempt + 1 };
}

function stepAt(definition: JobDefinition, index: number): Step {
  const each = definition.steps[index];
  if (each?.is !== 'step') throw new Error(`step ${index} of ${definition.kind} is a wait`);
  return each;
}
