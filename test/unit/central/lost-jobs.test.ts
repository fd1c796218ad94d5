/** Jobs of which a site tells no more: closed by what it has said of them, lost where it has said nothing, and read without reading all others. */
import { afterEach, expect, it } from 'vitest';
import { askedJobs, ownJobs } from '../../../src/central/job-list.ts';
import { openFleetJobs } from '../../../src/central/jobs.ts';
import { migrateFleet } from '../../../src/central/schema.ts';
import { answerSiteJob, endSiteJobs, putSiteJobs } from '../../../src/central/site-jobs.ts';
import { type FleetDatabase, openFleetDatabase } from '../../../src/central/sql.ts';
import { lookAtDeferred } from '../../../src/federation/deferred.ts';
import { openFleetJobs as openSiteJobs } from '../../../src/federation/jobs.ts';
import { jobDocument } from '../../../src/federation/protocol.ts';
import { limit } from '../../../src/limits.ts';
import type { Millis } from '../../../src/wire/time.ts';

let db: FleetDatabase;
afterEach(() => db?.close());

const NOW = 10_000_000;
const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const INTENT = uuid(99);

const job = (n: number, more: object = {}) => ({
  ...{ id: uuid(n), action: 'install', version: 1, machine: `SN${n}`, params: {}, retries: 0 },
  ...{ requester: 'eve', user: 'eve', priority: 0, status: 'running' as const, step: 'boot' },
  ...{ code: '', detail: '', createdAt: 5, startedAt: 6, endedAt: 0, ...more },
});

async function central() {
  db = openFleetDatabase('sqlite::memory:');
  await migrateFleet(db);
  await db.run("INSERT INTO sites (name, joined_at) VALUES ('lon', 0)");
  return openFleetJobs(db, () => NOW as Millis);
}

/** Job 1 is that of the intent. */
async function asked() {
  const body = JSON.stringify({ kind: 'job', action: 'install', target: 'SN1', params: {} });
  const result = { job: uuid(1) };
  await db.run(
    `INSERT INTO intents (id, site, who, body, asked_at, status, result) VALUES (?, 'lon', 'bob', ?, 5, 'done', ?)`,
    [INTENT, body, JSON.stringify(result)],
  );
  await answerSiteJob(db, 'lon', { intent: INTENT, body, result });
}

const put = (jobs: Parameters<typeof putSiteJobs>[1]['jobs'], more: object = {}) =>
  putSiteJobs(db, { site: 'lon', jobs, snapshot: '', now: NOW, ...more });
const gone = (n: number) => ({ id: uuid(n), gone: true }) as const;
const event = (n: number, name: string, data: object = {}) => ({
  ...{ id: n, at: 77, name, data: { job: uuid(n), ...data } },
});

it('one that a whole list does not mention has ended as lost, until its site tells of it again', async () => {
  const jobs = await central();
  await asked();
  await put([job(1), job(2)]);
  await endSiteJobs(db, { site: 'lon', snapshot: 'next', now: NOW });
  const { jobs: listed } = await jobs.page({}, { count: 10 });
  expect(listed).toMatchObject([
    { id: INTENT, status: 'lost', code: 'JOB_LOST', ended_at: expect.any(String), step: 'boot' },
  ]);
  expect((await jobs.page({ status: 'queued,running' }, { count: 10 })).jobs).toEqual([]);
  await put([job(1)], { snapshot: 'later' });
  expect(await jobs.byId(INTENT)).toMatchObject({ status: 'running', code: '', ended_at: null });
});

it('one that its site has forgotten is closed by the events that have come with it', async () => {
  const jobs = await central();
  await asked();
  await put([1, 2, 3, 4].map((n) => job(n)));
  await put([job(5, { status: 'finished', endedAt: 9 })]);
  const many = Array.from({ length: 250 }, (_, n) => gone(1000 + n));
  const events = [event(2, 'job.finished'), event(3, 'job.failed', { code: 'NO_DISK' })];
  await put([...[1, 2, 3, 4, 5].map(gone), ...many], { events });
  const { jobs: listed } = await jobs.page({}, { count: 10 });
  expect(listed.map(({ siteJob, status, code }) => [siteJob, status, code]).sort()).toEqual([
    [uuid(1), 'lost', 'JOB_LOST'],
    [uuid(2), 'finished', ''],
    [uuid(3), 'failed', 'NO_DISK'],
    [uuid(5), 'finished', ''],
  ]);
});

it('one that was asked for here is listed by its site’s id, too', async () => {
  const jobs = await central();
  await asked();
  await put([job(1), job(2)]);
  const { jobs: listed } = await jobs.page({ ids: [1, 2].map(uuid).join() }, { count: 10 });
  expect(listed.map(({ id }) => id).sort()).toEqual([uuid(2), INTENT]);
});

it('one that was asked for before is listed while another of its machine waits', async () => {
  const jobs = await central();
  const body = JSON.stringify({ kind: 'job', action: 'install', target: 'SN1', params: {} });
  const at = 2 * limit('clockSkewMs');
  await db.run(
    `INSERT INTO intents (id, site, who, body, asked_at) VALUES (?, 'lon', 'bob', ?, ?)`,
    [INTENT, body, at],
  );
  const of = { machine: 'SN1', requester: 'central:bob' };
  await put([
    job(1, { ...of, createdAt: at }),
    job(2, of),
    job(3, { ...of, createdAt: at, status: 'failed', endedAt: at + 1 }),
  ]);
  const { jobs: listed } = await jobs.page({}, { count: 10 });
  expect(listed.map(({ id }) => id).sort()).toEqual([uuid(2), uuid(3), INTENT]);
});

it('the lists read neither all jobs nor all that have no intent', async () => {
  await central();
  const plans: string[] = [];
  const sql = {
    ...db,
    async all(query: string, values: []) {
      const rows = await db.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${query}`, values);
      plans.push(rows.map(({ detail }) => detail).join('; '));
      return [];
    },
  } as FleetDatabase;
  await ownJobs(sql, { wanted: [] }, { count: 10 });
  await askedJobs(sql, { wanted: ['running'] });
  await ownJobs(sql, { wanted: [], site: 'lon' }, { count: 10 });
  await ownJobs(sql, { wanted: [] }, { count: 10, behind: { at: 5, id: 'x' } });
  expect(plans[2]).toContain('SEARCH j USING INDEX fleet_jobs_by_site (site=?)');
  expect(plans[3]).toContain('SEARCH j USING INDEX fleet_jobs_by_time (created_at<?)');
  expect(plans[0]).toContain('SCAN j USING INDEX fleet_jobs_by_time');
  expect(plans[1]).toMatch(/SEARCH j USING INDEX (fleet_jobs_by_intent|sqlite_autoindex)/);
  expect(plans.join()).not.toMatch(/SCAN j(?! USING INDEX fleet_jobs_by_time)/);
});

it('is told in words no longer than a message takes', () => {
  const long = 'x'.repeat(3000);
  const kept = { kind: long, target: 'SN1', step: long, code: long, detail: long, user: long };
  const told = job(1, { ...kept, requester: long });
  const ports = openSiteJobs(
    { prepare: () => ({ all: () => [] }) } as never,
    { byId: () => told as never },
    () => ({}),
  );
  expect(jobDocument.parse(ports.job(uuid(1)))).toMatchObject({ step: 'x'.repeat(64) });
});

it('the answer of what has ended is told, whatever becomes of what is behind it', () => {
  const working = ['a', 'full', 'b'].map((id) => ({
    ...{ id, who: 'eve', at: 0 },
    body: { kind: 'record', record: 'channel', name: 'web/stable', doc: null },
  }));
  const end = (id: string) => {
    if (id === 'full') throw new Error('no room');
    return { kind: 'result', intent: id, status: 'done', result: {} };
  };
  const inventory = { transaction: (run: () => unknown) => run() };
  const heard: string[] = [];
  const parts = { intents: { working: () => working, end }, inventory, now: () => NOW };
  lookAtDeferred(parts as never, {
    tell: ({ intent }) => void heard.push(`told ${intent}`),
    failed: (_, { id }) => void heard.push(`failed ${id}`),
  });
  expect(heard).toEqual(['told a', 'failed full', 'told b']);
});
