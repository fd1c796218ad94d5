/**
 * Jobs as their sites keep them: those that central has asked for, and those of the sites' own people, requests, pools and policies. Each
 * comes with the events that have brought it further; with a snapshot, or once when a site can tell of jobs, come those
 * that have not ended and the newest that have.
 */
import type { IntentBody, JobDocument } from '../federation/protocol.ts';
import { limit } from '../limits.ts';
import type { Sql, SqlValue } from './sql.ts';

export type LivingJob = Exclude<JobDocument, { gone: true }>;

interface Told {
  readonly site: string;
  readonly jobs: readonly JobDocument[];
  /** '' between snapshots. */
  readonly snapshot: string;
}

const COLUMNS =
  'site, job, action, hardwarename, requester, status, created_at, ended_at, document, snapshot';

export async function putSiteJobs(sql: Sql, { site, jobs, snapshot }: Told): Promise<void> {
  // Each once: two rows of one statement may not be the same.
  const each = [...new Map(jobs.map((job) => [job.id, job])).values()];
  const living = each.filter((job): job is LivingJob => !('gone' in job));
  const size = limit('fleetStatementRowsMax');
  for (let at = 0; at < living.length; at += size) {
    const rows = living
      .slice(at, at + size)
      .map((job): SqlValue[] => [
        ...[site, job.id, job.action, job.machine, job.requester, job.status],
        ...[job.createdAt, job.endedAt, JSON.stringify(job), snapshot],
      ]);
    const places = rows.map((row) => `(${row.map(() => '?').join(', ')})`).join(', ');
    await sql.run(
      `INSERT INTO fleet_jobs (${COLUMNS}) VALUES ${places}
       ON CONFLICT (site, job) DO UPDATE SET action = excluded.action,
         hardwarename = excluded.hardwarename, requester = excluded.requester,
         status = excluded.status, created_at = excluded.created_at,
         ended_at = excluded.ended_at, document = excluded.document,
         snapshot = CASE WHEN excluded.snapshot = '' THEN fleet_jobs.snapshot ELSE excluded.snapshot END`,
      rows.flat(),
    );
  }
  for (const { id } of each.filter((job) => 'gone' in job))
    await sql.run('DELETE FROM fleet_jobs WHERE site = ? AND job = ?', [site, id]);
}

/**
 * All were told that have not ended: of others that had not, the site says nothing more. What is known of one that central has asked for are
 * its events. What has ended stays: the site tells the newest of those alone.
 */
export async function endSiteJobs(
  sql: Sql,
  { site, snapshot }: Pick<Told, 'site' | 'snapshot'>,
): Promise<void> {
  const where = "site = ? AND ended_at = 0 AND status <> '' AND snapshot <> ?";
  await sql.run(`DELETE FROM fleet_jobs WHERE ${where} AND intent = ''`, [site, snapshot]);
  await sql.run(`UPDATE fleet_jobs SET status = '', document = '' WHERE ${where}`, [
    ...[site, snapshot],
  ]);
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
