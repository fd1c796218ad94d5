/** Which of the jobs that were asked for at central a list finds: those that are like it, however many others came since. */
import { describe, expect, it } from 'vitest';
import { refuseJob } from '../../../src/central/asked-jobs.ts';
import { putIntent } from '../../../src/central/intents.ts';
import { type JobFilter, openFleetJobs } from '../../../src/central/jobs.ts';
import type { FleetDatabase, Sql, SqlValue } from '../../../src/central/sql.ts';
import { limit } from '../../../src/limits.ts';
import type { Clock, Millis } from '../../../src/wire/time.ts';
import { fleetDatabase } from '../../support/fleet-database.ts';

const NOW = 1_000_000;
const clock: Clock = () => NOW as Millis;

interface Asked {
  readonly target: string;
  readonly at: number;
  readonly site?: string;
  readonly action?: string;
  readonly who?: string;
}

async function openJobs(asked: readonly Asked[]) {
  const opened = await fleetDatabase();
  for (const { site = 'lon', action = 'inspect', who = 'ann', target, at } of asked)
    await putIntent(opened, {
      ...{ id: `${target}-${at}`, site, who, now: at },
      body: { kind: 'job', action, target, params: {} },
    });
  const jobs = openFleetJobs(opened, clock);
  const list = async (of: JobFilter, count: number) => (await jobs.page(of, { count })).jobs;
  return { sql: opened, jobs, list };
}

/** More than one reading, several of them in one millisecond. */
const MANY = limit('fleetPageMax') + 100;
const others = Array.from({ length: MANY }, (_, n) => ({
  ...{ target: `M-${n}`, at: 100 + Math.floor(n / 7) },
}));
const ids = (found: readonly { id: string }[]) => found.map(({ id }) => id);

describe('a list of jobs', () => {
  it.each([
    ['target', { target: 'OLD_1' }],
    ['site', { site: 'sto' }],
    ['requester', { requester: 'eve' }],
    ['action', { action: 'wipe' }],
  ])('finds by %s what is older than everything else', async (_, of) => {
    const old = { target: 'OLD_1', at: 1, site: 'sto', action: 'wipe', who: 'eve' };
    const { list } = await openJobs([...others, old]);
    expect(ids(await list(of, 5))).toEqual(['OLD_1-1']);
  });

  it('finds by status what is older than everything else', async () => {
    const { sql, list } = await openJobs([...others, { target: 'OLD', at: 1 }]);
    const result = { intent: 'OLD-1', result: { code: 'MACHINE_PROTECTED' } };
    await refuseJob(sql, { site: 'lon', now: NOW, result });
    expect(ids(await list({ status: 'failed,cancelled' }, 5))).toEqual(['OLD-1']);
  });

  it('takes no sign of a target for anything but itself', async () => {
    const { list } = await openJobs([
      { target: 'A_1', at: 1 },
      { target: 'AX1', at: 2 },
      { target: 'a_1', at: 3 },
    ]);
    expect(ids(await list({ target: 'A_1' }, 5))).toEqual(['A_1-1']);
    expect(ids(await list({ target: '%' }, 5))).toEqual([]);
  });

  it('has the newest first, each once, and no more than were asked for', async () => {
    const { list } = await openJobs(others);
    const newest = others.map(({ target, at }) => ({ at, id: `${target}-${at}` }));
    newest.sort((one, other) => other.at - one.at || (one.id < other.id ? -1 : 1));
    expect(ids(await list({ status: 'queued' }, MANY))).toEqual(ids(newest));
    expect(ids(await list({}, 7))).toEqual(ids(newest).slice(0, 7));
  });
});

/** Of each status: half of them asked for here and not told of, the others the site's own. */
const ROWS = 10_000;
const PAGE = 100;
const DOCUMENT = JSON.stringify({ params: {}, startedAt: 0, endedAt: 0 });

async function crowded(): Promise<FleetDatabase> {
  const db = await fleetDatabase();
  await db.run("INSERT INTO sites (name, joined_at) VALUES ('lon', 0)");
  await db.transaction(async (sql) => {
    for (const status of ['queued', 'running', 'finished']) await fillWith(sql, status);
  });
  await db.run('ANALYZE');
  return db;
}

async function fillWith(sql: Sql, status: string): Promise<void> {
  const size = 500;
  for (let from = 0; from < ROWS; from += size) {
    const rows = Array.from({ length: size }, (_, n): SqlValue[] => {
      const id = `${status}-${from + n}`;
      const intent = n % 2 === 0 ? id : '';
      return ['lon', `job-${id}`, intent, id, `M-${from + n}`, status, from + n, DOCUMENT];
    });
    await sql.run(
      `INSERT INTO fleet_jobs (site, job, intent, id, hardwarename, status, created_at, document)
       VALUES ${rows.map((row) => `(${row.map(() => '?').join(', ')})`).join(', ')}`,
      rows.flat(),
    );
  }
}

interface Node {
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Node[];
}

/** Rows of jobs that PostgreSQL has looked at. */
const rowsOf = (node: Node): number =>
  (node['Relation Name'] === 'fleet_jobs'
    ? (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']
    : 0) + (node.Plans ?? []).reduce((sum, plan) => sum + rowsOf(plan), 0);

type Statement = readonly [text: string, values: readonly SqlValue[]];

/** Each statement is kept. */
function listening(db: FleetDatabase): { db: FleetDatabase; asked: Statement[] } {
  const asked: Statement[] = [];
  const all: FleetDatabase['all'] = (text, values = []) => {
    asked.push([text, values]);
    return db.all(text, values);
  };
  return { db: { ...db, all }, asked };
}

async function readByPostgres(db: FleetDatabase, [text, values]: Statement): Promise<number> {
  const explained = `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`;
  const [row] = await db.all<{ 'QUERY PLAN': never }>(explained, values);
  const [plan] = (row?.['QUERY PLAN'] ?? []) as readonly { Plan: Node }[];
  if (!plan) throw new Error('PostgreSQL explains nothing');
  return rowsOf(plan.Plan);
}

/** Where jobs are read, each with what is done beside it. */
async function readsOfSqlite(db: FleetDatabase, [text, values]: Statement) {
  const plan = await db.all<{ parent: number; detail: string }>(
    `EXPLAIN QUERY PLAN ${text}`,
    values,
  );
  const reads = plan.filter(({ detail }) => detail.includes(' j USING'));
  return reads.map(({ parent, detail }) => ({
    detail,
    beside: plan.filter((step) => step.parent === parent).map((step) => step.detail),
  }));
}

describe('a page of jobs', () => {
  it('is two statements, and reads no more rows of each status than it shows', async () => {
    const crowd = await crowded();
    for (const [filter, branches, index, at] of [
      [{ status: 'queued,running' }, 2, 'by_status (status=?'],
      [{}, 1, 'by_time'],
      [{ site: 'lon' }, 1, 'by_site (site=?'],
      [{ status: 'queued,finished' }, 2, 'by_status (status=? AND', 5000],
      [{}, 1, 'by_time (created_at<?', 5000],
    ] as const) {
      const { db, asked } = listening(crowd);
      const cursor = at === undefined ? undefined : `${at}.x`;
      const page = await openFleetJobs(db, clock).page(filter, { count: PAGE, cursor });
      expect([page.jobs.length, asked.length]).toEqual([PAGE, 2]);
      const list: Statement = asked[1] ?? ['', []];
      if (db.engine === 'postgresql') {
        expect(await readByPostgres(crowd, list)).toBeLessThanOrEqual(branches * (PAGE + 10));
        continue;
      }
      const reads = await readsOfSqlite(crowd, list);
      expect(reads).toHaveLength(branches);
      for (const { detail, beside } of reads) {
        expect(detail).toContain(`INDEX fleet_jobs_${index}`);
        // What is read comes in its order, so that the limit ends it: only what comes together from the states is sorted.
        expect(beside.join()).not.toContain('TEMP B-TREE');
      }
    }
  });
});
