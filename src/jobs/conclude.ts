/** What the log says of an attempt that is over, and when the next one begins. Pure. */
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Millis } from '../wire/time.ts';
import type { Outcome } from './attempt.ts';
import type { JobEntry, JobFold } from './fold.ts';
import type { Work } from './next.ts';
import { dueAt } from './pauses.ts';
import { describeFailure, retryAt } from './retry.ts';
import type { AppendDetails } from './store.ts';

export interface Concluded {
  readonly work: Work;
  readonly outcome: Outcome;
  readonly now: Millis;
  /** How long the queue has been paused until now, in all. */
  readonly pausedMs: number;
  /** 0 to 1. */
  readonly random: number;
  /** How the last job on this BMC failed; '' when it did not. */
  readonly lastCode: string;
}

export function concludeAttempt(
  fold: JobFold,
  concluded: Concluded,
): { entry: JobEntry; details?: AppendDetails } {
  const { work, outcome, now, pausedMs } = concluded;
  const step = work.step.name;
  switch (outcome.is) {
    case 'done': {
      if (work.do === 'undo') return { entry: { is: 'undone', step } };
      const { at, pausedMs: before } = fold.anchors[step] ?? { at: now, pausedMs };
      const durationMs = now - at - (pausedMs - before);
      return { entry: { is: 'succeeded', step, output: outcome.output }, details: { durationMs } };
    }
    case 'later': {
      const { laterMs, why } = outcome.later;
      return { entry: { is: 'postponed', step, until: now + laterMs, why } };
    }
    case 'failed':
      return { entry: failure(fold, concluded, outcome.error) };
  }
}

const SILENCE: readonly string[] = ['BMC_UNREACHABLE', 'BMC_TIMEOUT'];

function failure(
  fold: JobFold,
  { work, now, pausedMs, random, lastCode }: Concluded,
  error: unknown,
): JobEntry {
  const { code, detail } = describeFailure(error);
  const step = work.step.name;
  if (work.do === 'undo') {
    const { attempt: failures } = work;
    const deadlineAt = Number.POSITIVE_INFINITY;
    const again = failures < limit('jobUndoTriesMax');
    const at = retryAt({ code, failures, now, deadlineAt, random, knownDead: true });
    return { is: 'undo-failed', step, code, detail, retryAt: again ? at : 0 };
  }
  const anchor = fold.anchors[step];
  const at = retryAt({
    ...{ code, now, random, failures: fold.failures + 1 },
    deadlineAt: anchor ? dueAt(anchor, pausedMs) : Number.POSITIVE_INFINITY,
    knownDead: SILENCE.includes(lastCode),
  });
  return { is: 'failed', step, code, detail, retryAt: at };
}

/** The attempt is over for the job; its code may still be waiting. */
export function isLate(outcome: Outcome): boolean {
  if (outcome.is !== 'failed') return false;
  return outcome.error instanceof AppError && outcome.error.code === 'JOB_ATTEMPT_LATE';
}

/** What a job leaves: what its steps said. */
export function resultOf({ outputs }: JobFold): unknown {
  const said = Object.entries(outputs).filter(([, output]) => Object.keys(output).length > 0);
  return said.length > 0 ? Object.fromEntries(said) : null;
}
