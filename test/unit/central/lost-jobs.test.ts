/** Jobs of which a site tells no more, or never told: closed by what it has said of them, lost where it has said nothing. */
import { describe, expect, it } from 'vitest';
import { openFleet } from '../../../src/central/fleet.ts';
import { openFleetJobs } from '../../../src/central/jobs.ts';
import { fillJobRows } from '../../../src/central/schema-jobs.ts';
import { endSiteJobs, putSiteJobs } from '../../../src/central/site-jobs.ts';
import type { FleetDatabase } from '../../../src/central/sql.ts';
import { lookAtDeferred } from '../../../src/federation/deferred.ts';
import { openFleetJobs as openSiteJobs } from '../../../src/federation/jobs.ts';
import { type FromAppliance, jobDocument } from '../../../src/federation/protocol.ts';
import { limit } from '../../../src/limits.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { fleetDatabase, quietUpkeep } from '../../support/fleet-database.ts';

const NOW = 10_000_000;
const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const install = (target: string) =>
  ({ kind: 'job', action: 'install', target, params: {} }) as const;

const job = (n: number, more: object = {}) => ({
  ...{ id: uuid(n), action: 'install', version: 1, machine: `SN${n}`, params: {}, retries: 0 },
  ...{ requester: 'eve', user: 'eve', priority: 0, status: 'running' as const, step: 'boot' },
  ...{ code: '', detail: '', createdAt: 5, startedAt: 6, endedAt: 0, ...more },
});

const of = { site: 'lon', line: 'line' };
type Batch = Extract<FromAppliance, { kind: 'batch' }>;

/** A central whose site has told everything up to its tenth event. */
async function central() {
  const db = await fleetDatabase();
  await db.run("INSERT INTO sites (name, joined_at) VALUES ('lon', 0)");
  const fleet = openFleet(db, () => NOW as Millis, quietUpkeep);
  const hello = { kind: 'hello', protocol: 1, site: 'lon', appliance: 'one', program: '' } as const;
  const greets = (last: number) =>
    fleet.greet({ ...hello, clock: NOW, floor: 0, last }, 'line', true);
  const tellsAll = (cursor: number, more: object = { jobs: [] }) =>
    fleet.applySnapshot(of, {
      ...{ kind: 'snapshot', snapshot: `to-${cursor}`, machines: [], pools: [] },
      ...{ done: { cursor }, ...more },
    });
  const tells = (from: number, to: number, more: Partial<Batch> = {}) =>
    fleet.applyBatch(of, { kind: 'batch', from, to, events: [], machines: [], ...more });
  await greets(10);
  await tellsAll(10);
  return {
    ...{ db, fleet, jobs: openFleetJobs(db, () => NOW as Millis), greets, tellsAll, tells },
    ask: (target = 'SN1') => fleet.ask('lon', 'bob', install(target)),
    answers: (intent: string, n: number, event?: number) =>
      fleet.answer('lon', {
        ...{ kind: 'result', intent, status: 'done', result: { job: uuid(n) } },
        ...(event !== undefined && { event }),
      }),
  };
}

/** Job 1 is that of the intent. */
async function asked() {
  const made = await central();
  const intent = await made.ask();
  await made.answers(intent, 1, 1);
  return { ...made, intent };
}

const putting =
  (db: FleetDatabase) =>
  (jobs: Parameters<typeof putSiteJobs>[1]['jobs'], more: object = {}) =>
    putSiteJobs(db, { site: 'lon', jobs, snapshot: '', now: NOW, ...more });
const gone = (n: number) => ({ id: uuid(n), gone: true }) as const;
const event = (n: number, name: string, data: object = {}) => ({
  ...{ id: n, at: 77, name, data: { job: uuid(n), ...data } },
});
const ofJob = (id: number, name: string, data: object = {}) => ({
  ...{ id, at: 70 + id, name, hardwarename: 'SN1', data: { job: uuid(1), ...data } },
});

/** So many wait for others' rows; SQLite has one transaction at a time. */
async function waiting(db: FleetDatabase, count: number): Promise<void> {
  if (db.engine === 'sqlite') return;
  const of =
    "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
  await expect
    .poll(async () => (await db.all(`SELECT CAST(count(*) AS INTEGER) AS n ${of}`))[0]?.n)
    .toBe(count);
}

describe('a job that was answered and not told of', () => {
  it.each(['answer', 'batch'])(
    'is lost when answer and batch come at once at two instances, the %s first',
    async (first) => {
      const { db, jobs, ask, answers, tells } = await central();
      const intent = await ask();
      const both = [() => answers(intent, 1, 12), () => tells(10, 12)];
      const begun: Promise<unknown>[] = [];
      await db.transaction(async (sql) => {
        await sql.run("UPDATE sites SET joined_at = joined_at WHERE name = 'lon'");
        for (const begin of first === 'answer' ? both : both.toReversed()) {
          begun.push(begin());
          await waiting(db, begun.length);
        }
      });
      await Promise.all(begun);
      expect((await jobs.page({}, { count: 10 })).jobs).toMatchObject([{ status: 'lost' }]);
    },
  );

  it('is queued until its site’s events have come as far as the answer named, and lost then', async () => {
    const { jobs, ask, answers, tells } = await central();
    const intent = await ask();
    expect(await jobs.byId(intent)).toMatchObject({ id: intent, siteJob: '', status: 'queued' });
    await answers(intent, 1, 12);
    await tells(10, 11);
    expect(await jobs.byId(intent)).toMatchObject({ siteJob: uuid(1), status: 'queued' });
    await tells(11, 15);
    expect(await jobs.byId(uuid(1))).toMatchObject({
      ...{ id: intent, status: 'lost', code: 'JOB_LOST', ended_at: expect.any(String) },
      ...{ action: 'install', target: 'hardwarename=SN1', requester: 'bob', user: 'bob' },
    });
    expect((await jobs.page({ status: 'queued,running' }, { count: 10 })).jobs).toEqual([]);
  });

  it('is lost when its site greets with fewer events: it was put back from a copy', async () => {
    const { jobs, ask, answers, greets, tells } = await central();
    const intent = await ask();
    await answers(intent, 1, 12);
    await greets(12);
    expect(await jobs.byId(intent)).toMatchObject({ status: 'queued' });
    await greets(11);
    expect(await jobs.byId(intent)).toMatchObject({ status: 'lost' });
    // It was only late.
    await tells(10, 12, { jobs: [job(1)] });
    expect(await jobs.byId(intent)).toMatchObject({ status: 'running', code: '', ended_at: null });
  });

  it('is as its site says when that comes before the answer, or with the events that it named', async () => {
    const { jobs, ask, answers, tells } = await central();
    const [before, behind] = [await ask('SN1'), await ask('SN2')];
    await tells(10, 11, { jobs: [job(1, { requester: 'central:bob' })] });
    await answers(before, 1, 11);
    await answers(behind, 2, 12);
    await tells(11, 13, { jobs: [job(2, { requester: 'central:bob' })] });
    await tells(13, 20);
    const { jobs: listed } = await jobs.page({ status: 'running' }, { count: 10 });
    expect(listed.map(({ id, requester }) => [id, requester]).sort()).toEqual(
      [before, behind].sort().map((id) => [id, 'bob']),
    );
    expect((await jobs.page({}, { count: 10 })).jobs).toHaveLength(2);
  });

  it('has ended as the events say that came before the answer, long after it was forgotten', async () => {
    const { jobs, ask, answers, tells } = await central();
    const [intent, other] = [await ask('SN1'), await ask('SN2')];
    const events = [ofJob(11, 'job.step', { step: 'boot' }), ofJob(12, 'job.finished')];
    await tells(10, 12, { jobs: [gone(1), gone(2)], events });
    await answers(intent, 1, 12);
    await answers(other, 2, 12);
    expect(await jobs.byId(intent)).toMatchObject({ status: 'finished', code: '' });
    expect(await jobs.byId(other)).toMatchObject({ status: 'lost' });
  });

  it('is not lost by a snapshot that began before it, and is by one from behind it', async () => {
    const { jobs, ask, answers, tellsAll, fleet } = await central();
    const [intent, waiting] = [await ask('SN1'), await ask('SN2')];
    await answers(intent, 1, 12);
    await tellsAll(11);
    await fleet.applyWhole(of, { kind: 'whole', whole: 'w', done: ['jobs'] });
    expect(await jobs.byId(intent)).toMatchObject({ status: 'queued' });
    await tellsAll(12);
    expect(await jobs.byId(intent)).toMatchObject({ status: 'lost' });
    expect(await jobs.byId(waiting)).toMatchObject({ status: 'queued', siteJob: '' });
  });

  it('of a site of the version before is as its events say, whenever they come', async () => {
    const { jobs, ask, answers, tells, tellsAll } = await central();
    await tellsAll(10, {});
    const [intent, other] = [await ask('SN1'), await ask('SN2')];
    await answers(intent, 1);
    const steps = [
      ofJob(11, 'job.step', { step: 'boot', phase: 'started' }),
      ofJob(12, 'job.retry', { step: 'boot' }),
      { ...ofJob(13, 'job.step', { step: 'wipe', job: uuid(2) }), hardwarename: 'SN2' },
    ];
    await tells(10, 13, { events: steps });
    expect(await jobs.byId(intent)).toMatchObject({ status: 'running', step: 'boot', retries: 1 });
    await answers(other, 2);
    expect(await jobs.byId(other)).toMatchObject({ status: 'running', step: 'wipe' });
    await tells(13, 14, { events: [ofJob(14, 'job.failed', { code: 'NO_DISK' })] });
    expect(await jobs.byId(intent)).toMatchObject({
      status: 'failed',
      code: 'NO_DISK',
      retries: 1,
    });
    expect(await jobs.byId(other)).toMatchObject({ status: 'running' });
  });

  it('and was refused has ended, as called off where it was', async () => {
    const { jobs, ask, fleet } = await central();
    const [off, not] = [await ask('SN1'), await ask('SN2')];
    const refuses = (intent: string, code: string) =>
      fleet.answer('lon', {
        ...{ kind: 'result', intent, status: 'refused', result: { code, detail: 'so' } },
      });
    await refuses(off, 'JOB_ENDED');
    await refuses(not, 'MACHINE_PROTECTED');
    const { jobs: listed } = await jobs.page({ status: 'failed,cancelled' }, { count: 10 });
    expect(listed.map(({ id, status, code, detail }) => [id, status, code, detail]).sort()).toEqual(
      [
        [off, 'cancelled', 'JOB_ENDED', 'so'],
        [not, 'failed', 'MACHINE_PROTECTED', 'so'],
      ].sort(),
    );
    expect(listed[0]).toMatchObject({ siteJob: '', ended_at: expect.any(String) });
  });

  it('by an earlier program is a row like any other since the schema’s last step', async () => {
    const { db, jobs, ask, answers, tells, fleet } = await central();
    await tells(10, 13, { events: [ofJob(12, 'job.step', { step: 'boot' })] });
    const [waiting, refused] = [await ask('SN9'), await ask('SN8')];
    await fleet.answer('lon', {
      ...{ kind: 'result', intent: refused, status: 'refused', result: { code: 'X', detail: '' } },
    });
    const [answered, told] = [await ask('SN1'), await ask('SN2')];
    await answers(answered, 1, 99);
    await answers(told, 2, 99);
    await putting(db)([job(2)]);
    const before = (await jobs.page({}, { count: 10 })).jobs;
    await db.run("DELETE FROM fleet_jobs WHERE job = intent OR intent = ''");
    await db.run(
      `UPDATE fleet_jobs SET status = '', action = '', hardwarename = '', requester = '', created_at = 0, document = '', due = 0
       WHERE job = ?`,
      [uuid(1)],
    );
    await db.run("INSERT INTO fleet_jobs (site, job, intent) VALUES ('lon', 'x', 'forgotten')");
    await db.transaction(fillJobRows);
    const after = (await jobs.page({}, { count: 10 })).jobs;
    const byId = (one: { id: string }, other: { id: string }) => (one.id < other.id ? -1 : 1);
    expect(after.sort(byId)).toEqual(
      before
        .map((one) =>
          one.id === answered
            ? { ...one, status: 'running', step: 'boot', started_at: expect.any(String) }
            : one,
        )
        .sort(byId),
    );
    expect(after.map(({ id }) => id).sort()).toEqual([waiting, refused, answered, told].sort());
  });
});

it('one that a whole list does not mention has ended as lost, until its site tells of it again', async () => {
  const { db, jobs, intent } = await asked();
  const put = putting(db);
  await put([job(1), job(2)]);
  await endSiteJobs(db, { site: 'lon', snapshot: 'next', now: NOW, cursor: 10 });
  const { jobs: listed } = await jobs.page({}, { count: 10 });
  expect(listed).toMatchObject([
    { id: intent, status: 'lost', code: 'JOB_LOST', ended_at: expect.any(String), step: 'boot' },
  ]);
  expect((await jobs.page({ status: 'queued,running' }, { count: 10 })).jobs).toEqual([]);
  await put([job(1)], { snapshot: 'later' });
  expect(await jobs.byId(intent)).toMatchObject({ status: 'running', code: '', ended_at: null });
});

it('one that its site has forgotten is closed by the events that have come with it', async () => {
  const { db, jobs } = await asked();
  const put = putting(db);
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
  const { db, jobs, intent } = await asked();
  await putting(db)([job(1), job(2)]);
  const { jobs: listed } = await jobs.page({ ids: [1, 2].map(uuid).join() }, { count: 10 });
  expect(listed.map(({ id }) => id).sort()).toEqual([uuid(2), intent]);
});

it('one that was asked for before is listed while another of its machine waits', async () => {
  const { db, jobs, ask } = await central();
  const intent = await ask();
  const at = NOW;
  const of = { machine: 'SN1', requester: 'central:bob' };
  await putting(db)([
    job(1, { ...of, createdAt: at }),
    job(2, { ...of, createdAt: at - 2 * limit('clockSkewMs') }),
    job(3, { ...of, createdAt: at, status: 'failed', endedAt: at + 1 }),
  ]);
  const { jobs: listed } = await jobs.page({}, { count: 10 });
  expect(listed.map(({ id }) => id).sort()).toEqual([uuid(2), uuid(3), intent].sort());
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

describe('beside an instance of the version before, over the same database', () => {
  const asksWithoutRow = async () => {
    const made = await central();
    const intent = await made.ask();
    await made.db.run('DELETE FROM fleet_jobs WHERE intent = ?', [intent]);
    return { ...made, intent };
  };

  it('what that one has asked for is a job once its answer is heard here', async () => {
    const { jobs, answers, intent } = await asksWithoutRow();
    await answers(intent, 1, 12);
    expect(await jobs.byId(intent)).toMatchObject({ siteJob: uuid(1), status: 'queued' });
    expect((await jobs.byId(uuid(1)))?.created_at).toBe('1970-01-01 02:46:40');
  });

  it.each(['with', 'without'])(
    'what that one has heard is read and closed, %s a row of what was asked for',
    async (row) => {
      const { db, jobs, intent, tellsAll } = await (row === 'with'
        ? askedHere()
        : asksWithoutRow());
      await db.run("UPDATE intents SET status = 'done', result = ? WHERE id = ?", [
        ...[JSON.stringify({ job: uuid(1) }), intent],
      ]);
      await db.run('INSERT INTO fleet_jobs (site, job, intent) VALUES (?, ?, ?)', [
        ...['lon', uuid(1), intent],
      ]);
      expect((await jobs.page({}, { count: 10 })).jobs.map(({ id }) => id)).toContain(intent);
      await tellsAll(11);
      expect((await jobs.page({}, { count: 10 })).jobs).toMatchObject([
        { id: intent, siteJob: uuid(1), action: 'install', requester: 'bob', status: 'lost' },
      ]);
    },
  );

  const askedHere = async () => {
    const made = await central();
    return { ...made, intent: await made.ask() };
  };

  it('what a site has told that one of has an id once it tells of it here', async () => {
    const { db, jobs } = await central();
    await putting(db)([job(1)]);
    await db.run("UPDATE fleet_jobs SET id = ''");
    expect((await jobs.page({}, { count: 10 })).jobs).toMatchObject([{ id: uuid(1) }]);
    await putting(db)([job(1)]);
    expect(await db.all('SELECT id FROM fleet_jobs')).toEqual([{ id: uuid(1) }]);
  });
});
