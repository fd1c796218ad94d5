/**
 * Jobs as they go on, for whoever looks: on a terminal a table that is written over, elsewhere a line for each thing that
 * changes. The event feed says which jobs have changed, and those are asked for, once a second at most; all of them only at
 * the beginning and after a gap. It ends when nothing of what it follows is left.
 */
import { type ApiClient, ApiProblem, type CallsBelow } from '../../client/client.ts';
import type { Job, Operations } from '../../client/operations.generated.ts';
import type { CliContext, CommonOptions } from './connection.ts';
import { clientFor, reachOf } from './connection.ts';
import { followJobEvents } from './jobs-feed.ts';
import { pollJobs } from './jobs-poll.ts';
import { type Column, renderTable } from './output.ts';

const POLL_MS = 1000;
/** The first sign of the feed; after it, the same again. */
const FEED_MS = 60_000;
const SHOWN_MS = 5000;
const QUIET_MS = 60_000;
const PAGE_JOBS = '1000';
const IDS_MAX = 100;
/** More do not fit on a screen; their number is told. */
const SHOWN_MAX = 30;
const ENDED_SHOWN_MAX = 5;
const CLEAR = '\u001b[H\u001b[J';

export interface Followed {
  /** At least so long between two questions; a second when absent. */
  readonly pauseMs?: number;
  /** These jobs, until each has ended; without them all that pass the filter, until none is left. */
  readonly ids?: readonly string[];
  readonly filter?: {
    readonly action?: string | undefined;
    readonly target?: string | undefined;
    readonly requester?: string | undefined;
    /** At central. */
    readonly site?: string | undefined;
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
  { ids, filter = {}, pauseMs = POLL_MS }: Followed,
): Promise<number> {
  const wanted = ids && new Set(ids);
  const jobs = readerOf(clientFor<'jobs'>(context, options), filter);
  // An appliance that is not there, or says no, says so at once; one that goes away later is waited for.
  const there = await jobs.queue().catch((error: unknown) => {
    if (error instanceof ApiProblem && error.code === 'SITE_ONLY') return undefined;
    throw error;
  });
  if (!there) return pollJobs(context, options, { filter, pauseMs, ...(ids && { ids }) });
  let queue = there;
  const feed = followJobEvents({
    ...{ ...reachOf(context.environment, options), ids: wanted },
    onLost: (why, againInMs) =>
      context.tell(`reveille: the feed was lost (${why}); again in ${againInMs / 1000} s\n`),
  });
  const view = createView(context, options, wanted);
  /** Something has changed that could not be asked for. */
  let missed = false;
  try {
    for (;;) {
      const patienceMs = missed ? 0 : view.begun ? view.patienceMs : FEED_MS;
      const { all, ids: changed } = await feed.next(patienceMs);
      // Before the feed has begun, what is read may be old by the time that it does.
      if (!view.begun && !all && !missed) continue;
      const these = new Set([...changed, ...view.due()]);
      try {
        const anew = all || missed;
        if (anew) await readAll(jobs, view, { these, alone: wanted !== undefined });
        else view.show(await jobs.byIds([...these]), these);
        if (view.live && (anew || these.size > 0)) queue = await jobs.queue();
        missed = false;
      } catch (error) {
        if (!isAway(error)) throw error;
        missed = true;
        context.tell(`reveille: ${(error as Error).message}\n`);
      }
      if (view.live) view.draw(queue);
      if (!missed && view.left().length === 0) return view.end();
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  } finally {
    feed.close();
  }
}

/** All that are not over, and how those ended that are. `alone`: those that were named, and no others. */
async function readAll(
  jobs: ReturnType<typeof readerOf>,
  view: ReturnType<typeof createView>,
  { these, alone }: { readonly these: ReadonlySet<string>; readonly alone: boolean },
): Promise<void> {
  const listed = alone ? [] : await jobs.unfinished();
  const missing = new Set([...view.left(), ...these]);
  for (const { id } of listed) missing.delete(id);
  view.show([...listed, ...(await jobs.byIds([...missing]))], missing);
}

/** It is being started anew, or has too much to do: what it was asked is asked again. */
function isAway(error: unknown): boolean {
  return error instanceof ApiProblem && (error.status === 0 || error.status >= 500);
}

/** What is asked of the appliance: pages of all only at the beginning and after a gap, else those that have changed. */
function readerOf(api: ApiClient<CallsBelow<'jobs'>>, filter: Followed['filter'] & object) {
  const include = 'progress' as const;
  return {
    async unfinished(): Promise<readonly Job[]> {
      const jobs: Job[] = [];
      const query = { ...filter, status: 'queued,running', include, limit: PAGE_JOBS };
      for (let cursor: string | undefined; ; ) {
        const { body } = await api.call('GET /jobs', { query: { ...query, cursor } });
        jobs.push(...body.jobs);
        if (body.next === undefined) return jobs;
        cursor = String(body.next);
      }
    },
    async byIds(ids: readonly string[]): Promise<readonly Job[]> {
      const jobs: Job[] = [];
      for (let from = 0; from < ids.length; from += IDS_MAX) {
        const some = ids.slice(from, from + IDS_MAX).join(',');
        const query = { ...filter, ids: some, include, limit: String(IDS_MAX) };
        jobs.push(...(await api.call('GET /jobs', { query })).body.jobs);
      }
      return jobs;
    },
    queue: async (): Promise<Queue> => (await api.call('GET /jobs/queue')).body,
  };
}

interface Seen {
  readonly job: Job;
  readonly readAt: number;
  readonly line: string;
}

/** What has been told, and what is still to be waited for. */
function createView(
  context: CliContext,
  options: CommonOptions,
  wanted: ReadonlySet<string> | undefined,
) {
  const live = context.isTerminal === true && options.json !== true;
  const running = new Map<string, Seen>();
  const ended = new Set<string>();
  /** On a screen that is written over, they are told at the end. */
  const over: string[] = [];
  let unfinished = 0;
  let begun = false;
  let lookedAt = 0;
  const conclude = (id: string, line: string, finished: boolean): void => {
    running.delete(id);
    ended.add(id);
    if (!finished) unfinished += 1;
    if (live) over.push(line);
    else context.write(`${line}\n`);
  };
  const told = (job: Job): string => (options.json ? JSON.stringify(job) : lineOf(job));
  return {
    live,
    /** A screen is drawn each second, because the time that is left goes by. */
    patienceMs: live ? 0 : QUIET_MS,
    get begun() {
      return begun;
    },
    left: () => (wanted ? [...wanted].filter((id) => !ended.has(id)) : [...running.keys()]),
    /** No event tells whose turn it is, or how long it will take by now: what is on the screen is asked for anew. */
    due(): readonly string[] {
      if (Date.now() - lookedAt < (live ? SHOWN_MS : QUIET_MS)) return [];
      lookedAt = Date.now();
      return inOrder(running)
        .slice(0, SHOWN_MAX)
        .map(({ job }) => job.id);
    },
    /** @param asked those whose answer this is; one without an answer is not there, or not one of these */
    show(jobs: readonly Job[], asked: ReadonlySet<string>): void {
      begun = true;
      const readAt = Date.now();
      const fresh = jobs.filter(({ id }) => !ended.has(id));
      for (const job of fresh) {
        if (job.ended_at !== null) {
          conclude(job.id, told(job), job.status === 'finished');
          continue;
        }
        const line = lineOf(job);
        if (!live && running.get(job.id)?.line !== line) context.write(`${told(job)}\n`);
        running.set(job.id, { job, readAt, line });
      }
      const answered = new Set(jobs.map(({ id }) => id));
      for (const id of asked) {
        if (answered.has(id) || ended.has(id)) continue;
        if (wanted) conclude(id, `${id}  is not there any more`, false);
        else running.delete(id);
      }
    },
    draw(queue: Queue): void {
      const last = over.slice(-ENDED_SHOWN_MAX).join('\n');
      context.tell(`${CLEAR}${screen(inOrder(running), queue)}${last}\n`);
    },
    end(): number {
      if (live) context.tell(CLEAR);
      for (const line of over) context.write(`${line}\n`);
      return unfinished;
    },
  };
}

/** Those that have begun come first, the oldest of them on top. */
function inOrder(running: ReadonlyMap<string, Seen>): readonly Seen[] {
  const key = ({ job }: Seen) => `${job.started_at ?? '~'} ${job.created_at}`;
  return [...running.values()].sort((a, b) => (key(a) < key(b) ? -1 : 1));
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

function screen(seen: readonly Seen[], queue: Queue): string {
  const { counts, paused, who, why } = queue;
  const head = [`${counts.running ?? 0} running, ${counts.queued ?? 0} queued`];
  if (paused) head.push(`THE QUEUE IS PAUSED by ${who}: ${why}`);
  const shown = seen.slice(0, SHOWN_MAX);
  const rows = [COLUMNS.map(({ title }) => title), ...shown.map(rowOf)];
  const more = seen.length > shown.length ? `and ${seen.length - shown.length} more\n` : '';
  return `${head.join('; ')}\n\n${seen.length > 0 ? renderTable(rows) : ''}${more}\n`;
}

const rowOf = ({ job, readAt }: Seen): string[] =>
  COLUMNS.map(({ of }) => of(sinceThen(job, readAt)));

/** A job that nothing was heard of since: its time goes by all the same. */
function sinceThen(job: Job, readAt: number): Job {
  const { progress } = job;
  const seconds = progress?.remaining_seconds;
  if (!progress || !seconds) return job;
  const left = Math.max(0, Math.round(seconds - (Date.now() - readAt) / 1000));
  return { ...job, progress: { ...progress, remaining_seconds: left } };
}

const nameOf = (target: string): string => target.replace('hardwarename=', '');

function waitsFor({ progress }: Job): string {
  if (progress?.cancelling) return 'being undone';
  return progress?.waiting_for ?? '';
}

/** A time that people read: minutes from two of them on. */
function leftOf({ progress }: Pick<Job, 'progress'>): string {
  const seconds = progress?.remaining_seconds;
  if (!seconds) return '';
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
