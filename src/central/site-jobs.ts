/**
 * Jobs as their sites keep them: those that central has asked for, and those of the sites' own people, requests, pools and policies. Each
 * comes with the events that have brought it further; with a snapshot, or once when a site can tell of jobs, come those
 * that have not ended and the newest that have. Of one that was asked for here and not told of, its events say how far it is.
 */
import type { FeedEvent, JobDocument } from '../federation/protocol.ts';
import { limit } from '../limits.ts';
import type { Sql, SqlRow, SqlValue } from './sql.ts';

export type LivingJob = Exclude<JobDocument, { gone: true }>;

/**
 * As it is kept: one that had not ended when its site told of it no more, and of whose end nothing is known, is lost. The version
 * of its kind is 0 while its site has not told of it.
 */
export type KeptJob = Omit<LivingJob, 'status'> & {
  readonly status: LivingJob['status'] | 'lost';
};

interface Told {
  readonly site: string;
  readonly jobs: readonly JobDocument[];
  /** '' between snapshots. */
  readonly snapshot: string;
  readonly now: number;
  /** That have come with them. */
  readonly events?: readonly FeedEvent[];
}

const COLUMNS =
  'site, job, id, action, hardwarename, requester, status, created_at, ended_at, document, snapshot';

const placesOf = (row: readonly unknown[]): string => `(${row.map(() => '?').join(', ')})`;

function* chunksOf<Item>(items: readonly Item[]): Generator<Item[]> {
  const size = limit('fleetStatementRowsMax');
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

export async function putSiteJobs(sql: Sql, told: Told): Promise<void> {
  const { site, jobs, snapshot } = told;
  // Each once: two rows of one statement may not be the same.
  const each = [...new Map(jobs.map((job) => [job.id, job])).values()];
  const living = each.filter((job): job is LivingJob => !('gone' in job));
  for (const chunk of chunksOf(living)) {
    const rows = chunk.map((job): SqlValue[] => [
      ...[site, job.id, job.id, job.action, job.machine, job.requester, job.status],
      ...[job.createdAt, job.endedAt, JSON.stringify(job), snapshot],
    ]);
    // Who has asked for it here, and when, is known here.
    await sql.run(
      `INSERT INTO fleet_jobs (${COLUMNS}) VALUES ${rows.map(placesOf).join(', ')}
       ON CONFLICT (site, job) DO UPDATE SET action = excluded.action,
         hardwarename = excluded.hardwarename, status = excluded.status,
         requester = CASE WHEN fleet_jobs.intent = '' THEN excluded.requester ELSE fleet_jobs.requester END,
         created_at = CASE WHEN fleet_jobs.intent = '' THEN excluded.created_at ELSE fleet_jobs.created_at END,
         id = CASE WHEN fleet_jobs.id <> '' THEN fleet_jobs.id
           WHEN fleet_jobs.intent = '' THEN excluded.id ELSE fleet_jobs.intent END,
         ended_at = excluded.ended_at, document = excluded.document, due = 0,
         snapshot = CASE WHEN excluded.snapshot = '' THEN fleet_jobs.snapshot ELSE excluded.snapshot END`,
      rows.flat(),
    );
  }
  const gone = each.filter((job) => 'gone' in job).map(({ id }) => id);
  for (const ids of chunksOf(gone)) await forget(sql, told, ids);
}

/**
 * Its site has forgotten these. How they ended may stand in the events that have come with that word: a site that was away for long tells of
 * jobs that it has forgotten since. What had ended stays.
 */
async function forget(sql: Sql, { site, events = [], now }: Told, ids: string[]): Promise<void> {
  const where = `site = ? AND ended_at = 0 AND job IN ${placesOf(ids)}`;
  const ends = new Map(
    events.flatMap((event) => (event.name in ENDS ? [[event.data.job, event] as const] : [])),
  );
  for (const row of await readOpen(sql, where, [site, ...ids])) {
    const end = ends.get(row.job);
    if (end) await close(sql, row, endedBy(end));
    else if (row.intent !== '') await closeByEvents(sql, row, now);
  }
  await sql.run(`DELETE FROM fleet_jobs WHERE ${where}`, [site, ...ids]);
}

const ENDS: Readonly<Record<string, 'finished' | 'failed' | 'cancelled'>> = {
  'job.finished': 'finished',
  'job.failed': 'failed',
  'job.cancelled': 'cancelled',
};

type End = Pick<KeptJob, 'status' | 'code' | 'detail' | 'endedAt'>;

type JobEvent = Pick<FeedEvent, 'at' | 'name' | 'data'>;

function endedBy({ name, at: endedAt, data: { code, detail } }: JobEvent): End {
  const [why, words] = [code, detail].map((text) => (typeof text === 'string' ? text : ''));
  return { status: ENDS[name] ?? 'failed', code: why ?? '', detail: words ?? '', endedAt };
}

const lostAt = (endedAt: number): End => ({
  ...{ status: 'lost', code: 'JOB_LOST', endedAt },
  detail: 'Its site tells of it no more; how it ended is not known.',
});

interface OpenRow extends SqlRow {
  site: string;
  job: string;
  intent: string;
  hardwarename: string;
  document: string;
}

const readOpen = (sql: Sql, where: string, values: readonly SqlValue[]): Promise<OpenRow[]> =>
  sql.all<OpenRow>(
    `SELECT site, job, intent, hardwarename, document FROM fleet_jobs WHERE ${where}`,
    [...values],
  );

type JobRow = Pick<OpenRow, 'site' | 'job' | 'document'>;

async function write(sql: Sql, { site, job }: JobRow, kept: KeptJob): Promise<void> {
  await sql.run(
    `UPDATE fleet_jobs SET status = ?, ended_at = ?, document = ?,
       due = CASE WHEN CAST(? AS BIGINT) > 0 THEN 0 ELSE due END WHERE site = ? AND job = ?`,
    [kept.status, kept.endedAt, JSON.stringify(kept), kept.endedAt, site, job],
  );
}

const close = (sql: Sql, row: JobRow, end: End): Promise<void> =>
  write(sql, row, { ...(JSON.parse(row.document) as KeptJob), ...end });

/** One that has not ended. */
export async function closeJob(
  sql: Sql,
  { site, job }: Pick<OpenRow, 'site' | 'job'>,
  end: End,
): Promise<void> {
  const open = await readOpen(sql, 'site = ? AND job = ? AND ended_at = 0', [site, job]);
  for (const row of open) await close(sql, row, end);
}

/** Its events may have come before what they are about was known to be what was asked for here. */
async function eventsOf(sql: Sql, { site, job, hardwarename }: OpenRow): Promise<JobEvent[]> {
  const rows = await sql.all<{ at: number; name: string; data: string }>(
    `SELECT at, name, data FROM events
     WHERE hardwarename = ? AND site = ? AND name LIKE 'job.%' ORDER BY id`,
    [hardwarename, site],
  );
  return rows
    .map((row): JobEvent => ({ ...row, data: JSON.parse(row.data) }))
    .filter(({ data }) => data.job === job);
}

async function closeByEvents(sql: Sql, row: OpenRow, now: number): Promise<void> {
  const end = (await eventsOf(sql, row)).find(({ name }) => name in ENDS);
  await close(sql, row, end ? endedBy(end) : lostAt(now));
}

/**
 * All were told that have not ended: of others that had not, the site says nothing more. One that central has asked for is lost; if its site
 * tells of it again, it is as the site says. What has ended stays: the site tells the newest of those alone. What was answered while the
 * pages were on their way may be told of by events behind `cursor`.
 */
export async function endSiteJobs(
  sql: Sql,
  of: Pick<Told, 'site' | 'snapshot' | 'now'> & { readonly cursor: number },
): Promise<void> {
  const { site, snapshot, now, cursor } = of;
  const where = 'site = ? AND ended_at = 0 AND job <> intent AND snapshot <> ? AND due <= ?';
  const values = [site, snapshot, cursor];
  await sql.run(`DELETE FROM fleet_jobs WHERE ${where} AND intent = ''`, values);
  for (const row of await readOpen(sql, where, values)) await closeByEvents(sql, row, now);
}

/** Of a row of `sites`: 1 where an answer has named an event, which `settleJobs` looks at. */
export const HAS_DUE =
  'CASE WHEN EXISTS (SELECT 1 FROM fleet_jobs d WHERE d.site = sites.name AND d.due > 0) THEN 1 ELSE 0 END';

/** Its events have come as far as an answer has named, and nothing was told of the job that it named: of a site that tells of jobs. */
export async function settleJobs(
  sql: Sql,
  { site, now }: Pick<Told, 'site' | 'now'>,
): Promise<void> {
  const where = `site = ? AND due > 0
    AND due <= (SELECT feed_cursor FROM sites WHERE name = ? AND ' ' || told || ' ' LIKE '% jobs %')`;
  for (const row of await readOpen(sql, where, [site, site])) await closeByEvents(sql, row, now);
}

/** The newest event of a site that greets: answers that name a later one were given by a database that was put back from a copy since. */
export async function loseJobs(
  sql: Sql,
  { site, last, now }: Pick<Told, 'site' | 'now'> & { readonly last: number },
): Promise<void> {
  const where = 'site = ? AND due > ? AND due > 0';
  for (const row of await readOpen(sql, where, [site, last])) await closeByEvents(sql, row, now);
}

/** Those of a batch. */
export async function putTold(sql: Sql, told: Told): Promise<void> {
  await putSiteJobs(sql, told);
  await foldJobs(sql, told);
}

/** Events of jobs that come without them: those of a site of the version before. */
async function foldJobs(
  sql: Sql,
  { site, jobs, events = [] }: Pick<Told, 'site' | 'jobs' | 'events'>,
): Promise<void> {
  const told = new Set(jobs.map(({ id }) => id));
  const of = new Map<string, JobEvent[]>();
  for (const event of events) {
    const { job } = event.data;
    if (!event.name.startsWith('job.') || typeof job !== 'string' || told.has(job)) continue;
    const its = of.get(job) ?? [];
    its.push(event);
    of.set(job, its);
  }
  for (const ids of chunksOf([...of.keys()])) {
    const where = `site = ? AND ended_at = 0 AND job IN ${placesOf(ids)}`;
    for (const row of await readOpen(sql, where, [site, ...ids]))
      await write(sql, row, folded(JSON.parse(row.document), of.get(row.job) ?? []));
  }
}

/** What has come before its answer. */
export async function foldOne(
  sql: Sql,
  { site, job }: Pick<OpenRow, 'site' | 'job'>,
): Promise<void> {
  const where = 'site = ? AND job = ? AND ended_at = 0';
  for (const row of await readOpen(sql, where, [site, job])) {
    const kept = JSON.parse(row.document) as KeptJob;
    if (kept.version === 0) await write(sql, row, folded(kept, await eventsOf(sql, row)));
  }
}

/** One that its site has not told of. */
export function folded(kept: KeptJob, events: readonly JobEvent[]): KeptJob {
  let job = kept;
  for (const event of events) {
    const { name, at, data } = event;
    if (name === 'job.step')
      job = {
        ...{ ...job, status: 'running', step: String(data.step ?? '') },
        startedAt: job.startedAt || at,
      };
    else if (name === 'job.retry') job = { ...job, retries: job.retries + 1 };
    else if (name in ENDS) return { ...job, ...endedBy(event) };
  }
  return job;
}
