/**
 * The jobs of this site as documents, whoever has asked for them: each as it is with the batch whose events have brought it further; in a
 * snapshot those that have not ended and the newest that have. What its steps did is told by their events.
 */
import type { Database } from 'better-sqlite3';
import type { Job, JobStore } from '../jobs/store.ts';
import { limit } from '../limits.ts';
import type { JobDocument } from './protocol.ts';

export interface FleetJobPorts {
  job(id: string): JobDocument;
  jobIds(): readonly string[];
}

/** What is left of a job's parameters when what is for the machine alone is taken out. */
type Mask = (params: Job['params']) => Record<string, unknown>;

export function openFleetJobs(
  db: Database,
  store: Pick<JobStore, 'byId'>,
  mask: Mask,
): FleetJobPorts {
  const open = db.prepare<[], { id: string }>(
    'SELECT id FROM jobs INDEXED BY jobs_unfinished WHERE ended_at = 0 ORDER BY number',
  );
  const ended = db.prepare<[number], { id: string }>(
    'SELECT id FROM jobs WHERE ended_at > 0 ORDER BY ended_at DESC LIMIT ?',
  );
  return {
    job(id) {
      const job = store.byId(id);
      return job ? { ...documentOf(job), params: boundedOf(mask(job.params)) } : { id, gone: true };
    },
    jobIds: () =>
      [...open.all(), ...ended.all(limit('federationEndedJobsMax'))].map(({ id }) => id),
  };
}

const [WORD_CHARS_MAX, WHO_CHARS_MAX, DETAIL_CHARS_MAX] = [64, 200, 1000];

/** A message with one that is longer would be no message to central. */
const word = (text: string): string => text.slice(0, WORD_CHARS_MAX);

const documentOf = (job: Job): Omit<Living, 'params'> => {
  const { id, kind, version, target, requester, user, priority, status, step, retries } = job;
  return {
    ...{ id, action: word(kind), version, machine: target },
    ...{ requester: requester.slice(0, WHO_CHARS_MAX), user: user.slice(0, WHO_CHARS_MAX) },
    ...{ priority, status, step: word(step), retries, code: word(job.code) },
    detail: job.detail.slice(0, DETAIL_CHARS_MAX),
    ...{ createdAt: job.createdAt, startedAt: job.startedAt, endedAt: job.endedAt },
  };
};

type Living = Exclude<JobDocument, { gone: true }>;

/** What is too large is there by its name. */
function boundedOf(params: Record<string, unknown>): Living['params'] {
  const text = JSON.stringify(params);
  if (text.length <= limit('federationJobParamsCharsMax')) return JSON.parse(text);
  return Object.fromEntries(Object.keys(params).map((name) => [name, '…']));
}
