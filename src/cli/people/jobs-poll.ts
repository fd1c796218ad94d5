/**
 * Jobs at central, whose queues are those of its sites: asked for once a second, a line for each that has changed, until none is left. One that
 * had not ended and is known no more (its site was put back from a copy, or is no site of the fleet any more) is left as it was last.
 */
import type { ApiClient, CallsBelow } from '../../client/client.ts';
import type { Job as JobHere } from '../../client/operations.generated.ts';
import { type CliContext, type CommonOptions, clientFor } from './connection.ts';
import type { Followed } from './jobs-live.ts';

/** With what central says beyond an appliance. */
type Job = JobHere & { readonly siteJob?: string };

const POLL_MS = 1000;
const IDS_MAX = 100;

/** @returns how many of those that were followed have ended without finishing */
export async function pollJobs(
  context: CliContext,
  options: CommonOptions,
  { ids, filter = {}, pauseMs = POLL_MS }: Followed,
): Promise<number> {
  const api = clientFor<'jobs'>(context, options);
  const seen = new Map<string, Job>();
  const lost = new Set<string>();
  const isFollowed = (job: Job): boolean => isOpen(job) && !lost.has(job.id);
  for (let isFirst = true; ; isFirst = false) {
    // What was open and is listed no more has ended.
    const open = [...seen.values()].filter(isFollowed).map(({ id }) => id);
    const named = isFirst ? (ids ?? []) : open;
    const listed = ids ? [] : await unfinished(api, filter);
    const found = [...listed, ...(await byIds(api, named))];
    for (const job of found) {
      const before = seen.get(job.id);
      seen.set(job.id, job);
      lost.delete(job.id);
      if (before && lineOf(before) === lineOf(job)) continue;
      context.write(options.json ? `${JSON.stringify(job)}\n` : `${lineOf(job)}\n`);
    }
    // One that central has asked for is found by its site's id, too.
    const answered = new Set(found.flatMap(({ id, siteJob }) => [id, siteJob]));
    for (const id of named) {
      if (answered.has(id)) continue;
      lost.add(id);
      const last = seen.get(id);
      const words = `${last ? lineOf(last) : id}  is not there any more`;
      context.write(options.json ? `${JSON.stringify({ id, lost: true })}\n` : `${words}\n`);
    }
    const all = [...seen.values()];
    if (!all.some(isFollowed)) {
      const unseen = [...lost].filter((id) => !seen.has(id)).length;
      return unseen + all.filter(({ status }) => status !== 'finished').length;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

const isOpen = ({ ended_at }: Job): boolean => ended_at === null;

const lineOf = ({ id, target, action, status, step, code }: Job): string =>
  [id, target.replace('hardwarename=', ''), action, status, step, code].filter(Boolean).join('  ');

type Api = ApiClient<CallsBelow<'jobs'>>;

async function byIds(api: Api, ids: readonly string[]): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let from = 0; from < ids.length; from += IDS_MAX) {
    const query = { ids: ids.slice(from, from + IDS_MAX).join(','), limit: String(IDS_MAX) };
    jobs.push(...(await api.call('GET /jobs', { query })).body.jobs);
  }
  return jobs;
}

async function unfinished(api: Api, filter: Followed['filter'] & object): Promise<readonly Job[]> {
  const jobs: Job[] = [];
  const query = { ...filter, status: 'queued,running', limit: '1000' };
  for (let cursor: string | undefined; ; ) {
    const { body } = await api.call('GET /jobs', { query: { ...query, cursor } });
    jobs.push(...body.jobs);
    if (body.next === undefined) return jobs;
    cursor = String(body.next);
  }
}
