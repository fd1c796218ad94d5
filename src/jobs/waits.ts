/**
 * What a wait of a job has come to: the event that it waits for, an event that says that this one will not come, or signs of
 * life that give it more time. Pure but for the store that it reads. Only events newer than the start of the step named by
 * `since` count, and one that came in time counts however late it is looked at.
 */
import type { Millis } from '../wire/time.ts';
import { type JobDefinition, type Wait, waitMs } from './definition.ts';
import type { JobEntry, JobFold } from './fold.ts';
import type { Moment } from './next.ts';
import { dueAt } from './pauses.ts';
import type { AppendDetails, Job, JobStore } from './store.ts';

export interface Judged {
  readonly entry: JobEntry;
  readonly details?: AppendDetails;
}

/** @returns what to append to the log, or undefined when there is nothing to say yet */
export function judgeWait(
  store: Pick<JobStore, 'machineEvents' | 'lastEventAt'>,
  { job, definition, fold }: { job: Job; definition: JobDefinition; fold: JobFold },
  moment: Moment,
): Judged | undefined {
  const { phase } = fold;
  if (phase.at !== 'waiting' || fold.cancelling) return undefined;
  const wait = definition.steps[phase.step];
  if (wait?.is !== 'wait') return undefined;
  const anchor = fold.anchors[wait.since];
  const cursor = anchor?.cursor ?? 0;
  const due = dueAt(phase, moment.pausedMs);
  const found = store
    .machineEvents(job.target, wait.event, cursor)
    .find((event) => (wait.matches?.(event) ?? true) && event.at < due);
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
      ...{ job, wait, due, outputs: fold.outputs, cursor, moment },
      began: anchor ?? { at: phase.sinceAt, pausedMs: phase.pausedMs },
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
    due: Millis;
    outputs: JobFold['outputs'];
    cursor: number;
    began: { readonly at: Millis; readonly pausedMs: number };
    moment: Moment;
  },
): JobEntry | undefined {
  const { job, wait, due, outputs, cursor, began, moment } = at;
  const { now, pausedMs } = moment;
  if (!wait.alive || now < due) return undefined;
  const heardAt = store.lastEventAt(job.target, wait.alive.event, cursor);
  const last = { ...began, deadlineAt: (began.at + wait.alive.atMostMs) as Millis };
  const deadlineAt = Math.min(heardAt + waitMs(wait, outputs), dueAt(last, pausedMs));
  if (deadlineAt <= now) return undefined;
  return { is: 'waiting', step: wait.name, cursor, deadlineAt, pausedMs };
}
