/**
 * Jobs as they go on, for whoever looks: on a terminal a table that is written over, elsewhere a line for each thing that
 * changes. It asks the appliance once a second, and ends when nothing of what it follows is left.
 */
import type { ApiClient, CallsBelow } from '../../client/client.ts';
import type { Job, Operations } from '../../client/operations.generated.ts';
import type { CliContext, CommonOptions } from './connection.ts';
import { clientFor } from './connection.ts';
import { type Column, renderTable } from './output.ts';

const POLL_MS = 1000;
const PAGE_JOBS = '1000';
/** More do not fit on a screen; their number is told. */
const SHOWN_MAX = 30;
const ENDED_SHOWN_MAX = 5;
const CLEAR = '\u001b[H\u001b[J';

export interface Followed {
  /** These jobs, until each has ended; without them all that pass the filter, until none is left. */
  readonly ids?: readonly string[];
  readonly filter?: {
    readonly action?: string | undefined;
    readonly target?: string | undefined;
    readonly requester?: string | undefined;
  };
}

type Queue = Operations['GET /jobs/queue']['answer'];

const COLUMNS: readonly Column<Job>[] = [
  { title: 'MACHINE', of: ({ target }) => nameOf(target) },
  { title: 'ACTION', of: ({ action }) => action },
  { title: 'STEP', of: ({ step, status }) => step || status },
  { title: 'DONE', of: ({ progress }) => (progress ? `${progress.done}/${progress.steps}` : '') },
  { title: 'LEFT', of: leftOf },
  { title: 'RETRIES', of: ({ retries }) => (retries > 0 ? String(retries) : '') },
  { title: 'WAITS FOR', of: waitsFor },
];

/** @returns how many of those that were followed have ended without finishing */
export async function followJobs(
  context: CliContext,
  options: CommonOptions,
  { ids, filter = {} }: Followed,
): Promise<number> {
  const api = clientFor<'jobs'>(context, options);
  const live = context.isTerminal === true && options.json !== true;
  const wanted = ids && new Set(ids);
  const told = new Map<string, string>();
  /** On a screen that is written over, they are told at the end. */
  const over: string[] = [];
  let unfinished = 0;
  for (;;) {
    const all = await unfinishedJobs(api, filter);
    const jobs = all.filter(({ id }) => wanted === undefined || wanted.has(id));
    const now = new Set(jobs.map(({ id }) => id));
    const ended = [...(told.size > 0 ? told.keys() : (ids ?? []))].filter((id) => !now.has(id));
    let waiting = jobs.length;
    for (const id of ended) {
      const { body: last } = await api.call('GET /jobs/{id}', { path: { id } });
      if (last.job.ended_at === null) {
        // It is not on the list, and has not ended: it is asked for again.
        told.set(id, told.get(id) ?? '');
        waiting += 1;
        continue;
      }
      told.delete(id);
      if (last.job.status !== 'finished') unfinished += 1;
      const line = options.json ? JSON.stringify(last.job) : lineOf(last.job);
      if (live) over.push(line);
      else context.write(`${line}\n`);
    }
    if (live) {
      const { body: queue } = await api.call('GET /jobs/queue');
      context.tell(`${CLEAR}${screen(jobs, queue)}${over.slice(-ENDED_SHOWN_MAX).join('\n')}\n`);
    }
    for (const job of jobs) {
      const line = lineOf(job);
      if (!live && told.get(job.id) !== line)
        context.write(options.json ? `${JSON.stringify(job)}\n` : `${line}\n`);
      told.set(job.id, line);
    }
    if (waiting === 0) {
      if (live) context.tell(CLEAR);
      for (const line of over) context.write(`${line}\n`);
      return unfinished;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** All of them, page by page. */
async function unfinishedJobs(
  api: ApiClient<CallsBelow<'jobs'>>,
  filter: Followed['filter'] & object,
): Promise<readonly Job[]> {
  const jobs: Job[] = [];
  const wanted = { ...filter, status: 'queued,running', include: 'progress' } as const;
  for (let cursor: string | undefined; ; ) {
    const query = { ...wanted, limit: PAGE_JOBS, cursor };
    const { body } = await api.call('GET /jobs', { query });
    jobs.push(...body.jobs);
    if (body.next === undefined) return jobs;
    cursor = String(body.next);
  }
}

/** Without what changes each second, so that a line is a change. */
function lineOf(job: Job): string {
  const { target, action, status, step, code, detail, progress } = job;
  const far = progress ? `${progress.done}/${progress.steps}` : '';
  const waits = progress?.waiting_for ? `waits for ${progress.waiting_for}` : '';
  return [nameOf(target), action, status, far, step, waits, code, detail]
    .filter((word) => word !== '')
    .join('  ');
}

function screen(jobs: readonly Job[], queue: Queue): string {
  const { counts, paused, who, why } = queue;
  const head = [`${counts.running ?? 0} running, ${counts.queued ?? 0} queued`];
  if (paused) head.push(`THE QUEUE IS PAUSED by ${who}: ${why}`);
  // Those that have begun come first, the oldest of them on top.
  const inOrder = [...jobs].sort(
    (a, b) => Number(a.started_at === null) - Number(b.started_at === null),
  );
  const shown = inOrder.slice(0, SHOWN_MAX);
  const rows = [COLUMNS.map(({ title }) => title), ...shown.map(rowOf)];
  const more = jobs.length > shown.length ? `and ${jobs.length - shown.length} more\n` : '';
  return `${head.join('; ')}\n\n${jobs.length > 0 ? renderTable(rows) : ''}${more}\n`;
}

const rowOf = (job: Job): string[] => COLUMNS.map(({ of }) => of(job));
const nameOf = (target: string): string => target.replace('hardwarename=', '');

function waitsFor({ progress }: Job): string {
  if (progress?.cancelling) return 'being undone';
  return progress?.waiting_for ?? '';
}

/** A time that people read: minutes from two of them on. */
export function leftOf({ progress }: Pick<Job, 'progress'>): string {
  const seconds = progress?.remaining_seconds;
  if (!seconds) return '';
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
