/**
 * Jobs as their sites keep them: those that central has asked for, and those of the sites' own people, requests, pools and policies. Each
 * comes with the events that have brought it further; with a snapshot, or once when a site can tell of jobs, come those
 * that have not ended and the newest that have.
 */
import type { FeedEvent, IntentBody, JobDocument } from '../federation/protocol.ts';
import { limit } from '../limits.ts';
import type { Sql, SqlRow, SqlValue } from './sql.ts';

export type LivingJob = Exclude<JobDocument, { gone: true }>;

/** As it is kept: one that had not ended when its site told of it no more, and of whose end nothing is known, is lost. */
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
  'site, job, action, hardwarename, requester, status, created_at, ended_at, document, snapshot';

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
      ...[site, job.id, job.action, job.machine, job.requester, job.status],
      ...[job.createdAt, job.endedAt, JSON.stringify(job), snapshot],
    ]);
    await sql.run(
      `INSERT INTO fleet_jobs (${COLUMNS}) VALUES ${rows.map(placesOf).join(', ')}
       ON CONFLICT (site, job) DO UPDATE SET action = excluded.action,
         hardwarename = excluded.hardwarename, requester = excluded.requester,
         status = excluded.status, created_at = excluded.created_at,
         ended_at = excluded.ended_at, document = excluded.document,
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
  const where = `site = ? AND ended_at = 0 AND status <> '' AND job IN ${placesOf(ids)}`;
  const ends = new Map(
    events.flatMap((event) => (event.name in ENDS ? [[event.data.job, event] as const] : [])),
  );
  for (const row of await readOpen(sql, where, [site, ...ids])) {
    const end = ends.get(row.job);
    if (end) await close(sql, row, endedBy(end));
    else if (row.intent !== '') await close(sql, row, lostAt(now));
  }
  await sql.run(`DELETE FROM fleet_jobs WHERE ${where}`, [site, ...ids]);
}

export const ENDS: Readonly<Record<string, 'finished' | 'failed' | 'cancelled'>> = {
  'job.finished': 'finished',
  'job.failed': 'failed',
  'job.cancelled': 'cancelled',
};

type End = Pick<KeptJob, 'status' | 'code' | 'detail' | 'endedAt'>;

function endedBy({ name, at: endedAt, data: { code, detail } }: FeedEvent): End {
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
  document: string;
}

const readOpen = (sql: Sql, where: string, values: readonly SqlValue[]): Promise<OpenRow[]> =>
  sql.all<OpenRow>(`SELECT site, job, intent, document FROM fleet_jobs WHERE ${where}`, [
    ...values,
  ]);

async function close(sql: Sql, { site, job, document }: OpenRow, end: End): Promise<void> {
  const kept: KeptJob = { ...(JSON.parse(document) as KeptJob), ...end };
  await sql.run(
    'UPDATE fleet_jobs SET status = ?, ended_at = ?, document = ? WHERE site = ? AND job = ?',
    [end.status, end.endedAt, JSON.stringify(kept), site, job],
  );
}

/**
 * All were told that have not ended: of others that had not, the site says nothing more. One that central has asked for is lost; if its site
 * tells of it again, it is as the site says. What has ended stays: the site tells the newest of those alone.
 */
export async function endSiteJobs(
  sql: Sql,
  { site, snapshot, now }: Pick<Told, 'site' | 'snapshot' | 'now'>,
): Promise<void> {
  const where = "site = ? AND ended_at = 0 AND status <> '' AND snapshot <> ?";
  await sql.run(`DELETE FROM fleet_jobs WHERE ${where} AND intent = ''`, [site, snapshot]);
  for (const row of await readOpen(sql, where, [site, snapshot]))
    await close(sql, row, lostAt(now));
}

/** An intent was carried out: the job that it has become may be told of before or after. */
export async function answerSiteJob(
  sql: Sql,
  site: string,
  of: { readonly intent: string; readonly body: string; readonly result: object },
): Promise<void> {
  const { kind } = JSON.parse(of.body) as IntentBody;
  const { job } = of.result as { job?: unknown };
  if (kind !== 'job' || typeof job !== 'string') return;
  await sql.run(
    `INSERT INTO fleet_jobs (site, job, intent) VALUES (?, ?, ?)
     ON CONFLICT (site, job) DO UPDATE SET intent = excluded.intent`,
    [site, job, of.intent],
  );
}
