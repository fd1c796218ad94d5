/** Which entries of a job's log are events for everybody, and what they say. Pure. */
import type { NewEvent } from '../events.ts';
import { unreachable } from '../wire/result.ts';
import type { JobEntry } from './fold.ts';
import type { Job } from './store.ts';

/** A step that had nothing to do for this machine has done nothing: whoever judges its boot goes by that. */
function phaseOf(entry: Extract<JobEntry, { is: 'succeeded' | 'matched' | 'undone' }>): string {
  if (entry.is === 'undone') return 'undone';
  return entry.is === 'succeeded' && entry.output.skipped === true ? 'skipped' : 'succeeded';
}

/** @returns undefined for what only the job's own log keeps */
export function eventOf(
  { id, kind, target, requester, priority }: Job,
  entry: JobEntry,
): NewEvent | undefined {
  const hardwarename = target;
  const job = { job: id, action: kind };
  switch (entry.is) {
    case 'queued':
      return { name: 'job.queued', hardwarename, data: { ...job, requester, priority } };
    case 'started':
    case 'waiting':
    case 'undoing': {
      const attempt = 'attempt' in entry ? entry.attempt : 1;
      const data = { ...job, step: entry.step, phase: entry.is, attempt };
      return { name: 'job.step', hardwarename, data };
    }
    case 'succeeded':
    case 'matched':
    case 'undone': {
      const data = { ...job, step: entry.step, phase: phaseOf(entry) };
      return { name: 'job.step', hardwarename, data };
    }
    case 'noted': {
      const { step, text } = entry;
      return { name: 'job.step', hardwarename, data: { ...job, step, phase: 'noted', text } };
    }
    case 'failed':
    case 'undo-failed': {
      const { step, code, detail, retryAt } = entry;
      return { name: 'job.retry', hardwarename, data: { ...job, step, code, detail, retryAt } };
    }
    case 'again': {
      const { step, from, detail } = entry;
      const data = { ...job, step, code: 'JOB_NO_EVENT', detail: `${detail} Again from ${from}.` };
      return { name: 'job.retry', hardwarename, data: { ...data, retryAt: 0 } };
    }
    case 'cancelling': {
      const { who, why } = entry;
      return { name: 'job.cancelling', hardwarename, data: { ...job, who, why } };
    }
    case 'ended': {
      const { status, code, detail } = entry;
      if (status !== 'failed') return { name: `job.${status}`, hardwarename, data: job };
      return { name: 'job.failed', hardwarename, data: { ...job, code, detail } };
    }
    case 'postponed':
    case 'giving-up':
      return undefined;
    default:
      return unreachable(entry);
  }
}
