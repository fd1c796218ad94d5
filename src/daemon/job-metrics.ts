/**
 * What Prometheus is told of jobs: how many have not ended, by an index of those alone, and how many have ended since the start, of
 * which each scrape reads those that have ended since the last one.
 */
import type { Database } from 'better-sqlite3';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { JobStatus } from '../jobs/store.ts';
import type { Clock } from '../wire/time.ts';

const OPEN: readonly JobStatus[] = ['queued', 'running'];
const ENDED: readonly JobStatus[] = ['finished', 'failed', 'cancelled'];

export function addJobMetrics(
  registry: Registry,
  { db, clock }: { readonly db: Database; readonly clock: Clock },
): void {
  const open = db.prepare<[string], { count: number }>(
    'SELECT count(*) AS count FROM jobs INDEXED BY jobs_by_status WHERE status = ?',
  );
  const ended = db.prepare<[number, number], { status: string; count: number }>(
    `SELECT status, count(*) AS count FROM jobs INDEXED BY jobs_by_end
     WHERE ended_at > 0 AND ended_at >= ? AND ended_at < ? GROUP BY status`,
  );
  new Gauge({
    name: 'reveille_jobs',
    help: 'Jobs that have not ended, by status',
    labelNames: ['status'],
    registers: [registry],
    collect() {
      for (const status of OPEN) this.set({ status }, open.get(status)?.count ?? 0);
    },
  });
  let since: number = clock();
  const total = new Counter({
    name: 'reveille_jobs_ended_total',
    help: 'Jobs that have ended since the start, by how',
    labelNames: ['status'],
    registers: [registry],
    collect() {
      // Those of this millisecond are counted next time: more of them may end in it. A clock that is set back counts none twice.
      const until = Math.max(since, clock());
      for (const { status, count } of ended.all(since, until)) this.inc({ status }, count);
      since = until;
    },
  });
  for (const status of ENDED) total.inc({ status }, 0);
}
