/**
 * What a wait of a job has come to: the event that it waits for, an event that says that this one will not come, or signs of
 * life that give it more time. Pure but for the store that it reads. Only events newer than the start of the step named by
 * `since` count, and one that came in time counts however late it is looked at.
 */
import type { Millis } from '../wire/time.ts';
import { type JobDefinition, type Wait, waitMs } from './definition.ts';
import type { JobEntry, JobFold } from './fold.ts';
import type { AppendDetails, Job, JobStore } from './store.ts';

export interface Judged {
  readonly entry: JobEntry;
  readonly details?: AppendDetails;
}

type Waiting = Extract<JobFold['phase'], { at: 'waiting' }>;

/** @returns what to append to the log, or undefined when there is nothing to say yet */
export function judgeWait(
  store: Pick<JobStore, 'machineEvents' | 'lastEventAt'>,
  { job, definition, fold }: { job: Job; definition: JobDefinition; fold: JobFold },
  now: Millis,
): Judged | undefined {
  const { phase } = fold;
  if (phase.at !== 'waiting' || fold.cancelling) return undefined;
  const wait = definition.steps[phase.step];
  if (wait?.is !== 'wait') return undefined;
  const anchor = fold.anchors[wait.since];
  const cursor = anchor?.cursor ?? 0;
  const found = store
    .machineEvents(job.target, wait.event, cursor)
    .find((event) => (wait.matches?.(event) ?? true) && event.at < phase.deadlineAt);
  if (found) {
    const durationMs = Math.max(0, found.at - phase.sinceAt);
    return {
      entry: { is: 'matched', step: wait.name, event: found.id },
      details: { durationMs },
    };
  }
  const entry =
    failure(store, { job, wait, fold, cursor }) ??
    moreTime(store, {
      ...{ job, wait, phase, outputs: fold.outputs, cursor },
      beganAt: anchor?.at ?? phase.sinceAt,
      now,
    });
  return entry && { entry };
}

function failure(
  store: Pick<JobStore, 'machineEvents'>,
  { job, wait, fold, cursor }: { job: Job; wait: Wait; fold: JobFold; cursor: number },
): JobEntry | undefined {
  const { fails, again, name } = wait;
  if (!fails) return undefined;
  for (const event of store.machineEvents(job.target, fails.event, cursor)) {
    const cause = fails.cause(event);
    if (!cause) continue;
    const { code, detail } = cause;
    if (cause.again && again && (fold.passes[name] ?? 0) < again.timesMax)
      return { is: 'again', step: name, from: again.from, detail: `${code}: ${detail}` };
    return { is: 'giving-up', status: 'failed', code, detail };
  }
  return undefined;
}

/** At the deadline: somebody who was heard of a moment ago is not silent. */
function moreTime(
  store: Pick<JobStore, 'lastEventAt'>,
  at: {
    job: Job;
    wait: Wait;
    phase: Waiting;
    outputs: JobFold['outputs'];
    cursor: number;
    beganAt: Millis;
    now: Millis;
  },
): JobEntry | undefined {
  const { job, wait, phase, outputs, cursor, beganAt, now } = at;
  if (!wait.alive || now < phase.deadlineAt) return undefined;
  const heardAt = store.lastEventAt(job.target, wait.alive.event, cursor);
  const deadlineAt = Math.min(heardAt + waitMs(wait, outputs), beganAt + wait.alive.atMostMs);
  if (deadlineAt <= now) return undefined;
  return { is: 'waiting', step: wait.name, cursor, deadlineAt };
}
