/** Jobs as the API shows them: the shape that people's tools have known for years, with what was added to it. */
import { z } from 'zod';
import type { JobProgress } from '../../jobs/progress.ts';
import { JOB_STATUSES, type Job, type JobStore } from '../../jobs/store.ts';
import type { Hardwarename } from '../../wire/ids.ts';
import { maskInstall } from './mask.ts';

const timeText = z.string().describe('UTC, as 2015-07-31 17:36:31');

export const jobView = z
  .object({
    id: z.string(),
    action: z.string(),
    target: z.string().describe('hardwarename=C0MPUT3'),
    status: z.enum(JOB_STATUSES),
    result: z
      .unknown()
      .describe('What its steps said; null when nothing, or when it has not finished'),
    params: z.record(z.string(), z.unknown()),
    requester: z.string(),
    user: z.string(),
    created_at: timeText,
    started_at: timeText.nullable(),
    ended_at: timeText.nullable(),
    version: z.number().int().describe('Of its kind'),
    priority: z.number().int(),
    step: z.string().describe('The newest that has begun'),
    retries: z.number().int(),
    code: z.string().describe('Why it failed (docs/errors.md); empty when it did not'),
    detail: z.string(),
    progress: z
      .object({
        done: z.number().int(),
        steps: z.number().int(),
        waiting_for: z.string(),
        remaining_seconds: z.number().nullable(),
        cancelling: z.boolean(),
      })
      .optional()
      .describe('Of one that has not ended, with include=progress'),
  })
  .meta({ id: 'Job' });

export const burnInView = z
  .object({
    job: z.string(),
    at: z.number().int().describe('When it ended'),
    status: z.enum(['finished', 'failed']),
    code: z.string().describe('What is wrong (docs/errors.md); empty when nothing was found'),
    detail: z.string(),
    measured: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .describe('What the agent measured; empty when it failed'),
  })
  .meta({ id: 'BurnIn' });

/** How a machine came through its newest burn-in that was not called off; null without one. */
export function newestBurnIn(
  store: Pick<JobStore, 'page'>,
  target: Hardwarename,
): z.output<typeof burnInView> | null {
  const [job] = store.page({ target, kind: 'burn-in', status: ['finished', 'failed'] }, 1);
  if (!job) return null;
  const { id, endedAt: at, status, code, detail, result } = job;
  const { keep = {} } = (result ?? {}) as { keep?: Record<string, string | number | boolean> };
  const measured = status === 'finished' ? keep : {};
  return { ...{ job: id, at, code, detail, measured }, status: status as 'finished' | 'failed' };
}

export const jobDetail = z
  .object({
    job: jobView,
    phase: z.string(),
    steps: z.array(
      z.object({
        name: z.string(),
        status: z.string(),
        attempts: z.number().int(),
        started_at: timeText.nullable(),
        ended_at: timeText.nullable(),
      }),
    ),
    waiting_for: z.string().describe('What keeps it from going on; empty when nothing does'),
    waiting_until: timeText.nullable(),
    cancelling: z.boolean(),
    remaining_seconds: z
      .number()
      .nullable()
      .describe('From history, and from how fast the machine is now; null when neither says'),
    remaining_is_guess: z.boolean().describe('Nothing like a part of it was done here yet'),
    log: z.array(
      z.object({ seq: z.number().int(), at: timeText, entry: z.record(z.string(), z.unknown()) }),
    ),
  })
  .meta({ id: 'JobDetail' });

const durations = z.object({
  count: z.number().int(),
  p50Ms: z.number(),
  p90Ms: z.number(),
  p99Ms: z.number(),
});

export const jobStatsView = z
  .object({
    window: z
      .object({ days: z.number().int(), newest: z.number().int() })
      .describe('Each figure is of the newest entries of its group, none older than so many days'),
    kinds: z.array(
      z.object({
        action: z.string(),
        hardwareType: z.string().describe('Empty: all of them'),
        finished: z.number().int(),
        failed: z.number().int(),
        cancelled: z.number().int(),
        successRate: z.number(),
        duration: durations,
      }),
    ),
    steps: z.array(
      z.object({
        action: z.string(),
        hardwareType: z.string(),
        step: z.string(),
        duration: durations,
      }),
    ),
    failures: z.array(z.object({ code: z.string(), jobs: z.number().int() })),
    worstBmcs: z.array(
      z.object({
        bmc: z.string(),
        target: z.string(),
        jobs: z.number().int(),
        failed: z.number().int(),
        retries: z.number().int(),
        code: z.string(),
      }),
    ),
  })
  .meta({ id: 'JobStats' });

export const queueView = z
  .object({
    paused: z.boolean(),
    paused_at: timeText.nullable(),
    who: z.string(),
    why: z.string(),
    counts: z.record(z.string(), z.number().int()).describe('Jobs by status'),
  })
  .meta({ id: 'JobQueue' });

/** @param ms 0: not yet */
export function timeOf(ms: number): string | null {
  return ms === 0 ? null : new Date(ms).toISOString().replace('T', ' ').slice(0, 19);
}

export function showJob(job: Job): z.output<typeof jobView> {
  const { id, kind, target, status, result, requester, user, version } = job;
  const { priority, step, retries, code, detail } = job;
  return {
    ...{ id, action: kind, target: `hardwarename=${target}`, status, result },
    ...{ params: maskInstall(job.params), requester, user },
    created_at: timeOf(job.createdAt) ?? '',
    started_at: timeOf(job.startedAt),
    ended_at: timeOf(job.endedAt),
    ...{ version, priority, step, retries, code, detail },
  };
}

/** In a list: how far it is, in a few words. */
export function showWithProgress(job: Job, progress: JobProgress): z.output<typeof jobView> {
  const { steps, waiting_for, remaining_seconds, cancelling } = showProgress(progress);
  const done = steps.filter(({ status }) => status === 'done').length;
  const shown = { done, steps: steps.length, waiting_for, remaining_seconds, cancelling };
  return { ...showJob(job), progress: shown };
}

export function showProgress(progress: JobProgress) {
  const { phase, steps, waitingFor, waitingUntil, cancelling, remainingMs, isGuess } = progress;
  return {
    phase,
    steps: steps.map(({ startedAt, endedAt, ...each }) => ({
      ...each,
      started_at: timeOf(startedAt),
      ended_at: timeOf(endedAt),
    })),
    waiting_for: waitingFor,
    waiting_until: timeOf(waitingUntil),
    cancelling,
    remaining_seconds: remainingMs === undefined ? null : Math.round(remainingMs / 1000),
    remaining_is_guess: isGuess,
  };
}
