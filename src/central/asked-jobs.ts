/**
 * Jobs that were asked for here, as rows beside those of the sites' own: from the moment at which one is asked for, under the id of its intent;
 * since its site has answered, under the site's. Which of the two a row has says whether it was answered.
 */
import type { IntentBody } from '../federation/protocol.ts';
import { maskInstall } from '../http/people/mask.ts';
import { closeJob, foldOne, type KeptJob, settleJobs } from './site-jobs.ts';
import type { Sql } from './sql.ts';

interface Asked {
  /** Of its intent. */
  readonly id: string;
  readonly site: string;
  readonly who: string;
  readonly body: Extract<IntentBody, { kind: 'job' }>;
  readonly now: number;
}

/** As far as it is known before its site has told of it. */
export function askedDocument({ id, who, body, now }: Omit<Asked, 'site'>): KeptJob {
  return {
    ...{ id, action: body.action, version: 0, machine: body.target, requester: who, user: who },
    params: maskInstall(body.params) as KeptJob['params'],
    ...{ priority: 0, status: 'queued', step: '', retries: 0, code: '', detail: '' },
    ...{ createdAt: now, startedAt: 0, endedAt: 0 },
  };
}

export async function askJob(sql: Sql, asked: Asked): Promise<void> {
  const { id, site, who, body, now } = asked;
  await sql.run(
    `INSERT INTO fleet_jobs (site, job, intent, id, action, hardwarename, requester, status, created_at, document)
     VALUES (?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?) ON CONFLICT (site, job) DO NOTHING`,
    [site, id, id, id, body.action, body.target, who, now, JSON.stringify(askedDocument(asked))],
  );
}

interface Answer {
  readonly site: string;
  readonly now: number;
  readonly result: {
    readonly intent: string;
    readonly result: Readonly<Record<string, unknown>>;
    readonly event?: number | undefined;
  };
}

/**
 * It was taken on. The site may have told of it before, and may never tell of it: one that ended long ago, or that is not there since its site
 * was put back from a copy, is lost behind the event that the answer names.
 */
export async function answerJob(sql: Sql, { site, now, result: of }: Answer): Promise<void> {
  const { intent, event = 0, result } = of;
  const { job } = result;
  if (typeof job !== 'string') return;
  await sql.run(
    `INSERT INTO fleet_jobs (site, job, intent, id, action, hardwarename, requester, status, created_at, document, due)
     SELECT site, ?, intent, id, action, hardwarename, requester, status, created_at, document, CAST(? AS BIGINT)
     FROM fleet_jobs WHERE site = ? AND job = ? AND intent = ?
     ON CONFLICT (site, job) DO UPDATE SET intent = excluded.intent, id = excluded.id,
       requester = excluded.requester, created_at = excluded.created_at`,
    [job, event, site, intent, intent],
  );
  await sql.run('DELETE FROM fleet_jobs WHERE site = ? AND job = ? AND intent = ?', [
    ...[site, intent, intent],
  ]);
  // One of the version before tells by events alone, which may have come before.
  if (event === 0) await foldOne(sql, { site, job });
  else await settleJobs(sql, { site, now });
}

/** It was not taken on. One that was called off before its site had heard of it has not failed. */
export async function refuseJob(sql: Sql, { site, now, result: of }: Answer): Promise<void> {
  const { code, detail } = of.result;
  const [why, words] = [code, detail].map((text) => (typeof text === 'string' ? text : ''));
  const status = why === 'JOB_ENDED' ? 'cancelled' : 'failed';
  const end = { status, code: why ?? '', detail: words ?? '', endedAt: now } as const;
  await closeJob(sql, { site, job: of.intent }, end);
}
