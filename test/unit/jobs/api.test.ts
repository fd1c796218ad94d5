import { afterEach, describe, expect, it } from 'vitest';
import { commandLineOf } from '../../support/command-line.ts';
import { createHall, nameOf } from '../../support/job-hall.ts';
import { createPeople, problemOf } from '../../support/people.ts';
import type { World } from '../../support/world.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  process.exitCode = 0;
});

/** The hall's appliance behind the people's listener. */
async function appliance(machines = 3) {
  const hall = createHall({ machines });
  const { inventory, desk } = hall.now;
  const world = { inventory, jobs: desk, clock: hall.clock } as unknown as World;
  const people = await createPeople({}, world);
  closers.push(() => people.app.close());
  return { hall, people };
}

const ask = (target: string, more: object = {}) => ({
  body: { action: 'power-on', target, ...more },
});

describe('asking for a job', () => {
  it('has the shape that tools know, and ends in what the machine did', async () => {
    const { hall, people } = await appliance();
    const asked = await people.admin(
      'POST',
      '/jobs',
      ask('hardwarename=SIM00000', { user: 'negz' }),
    );
    expect(asked.status).toBe(202);
    expect(asked.body).toMatchObject({
      ...{ action: 'power-on', target: 'hardwarename=SIM00000', status: 'queued', result: null },
      ...{ params: {}, requester: expect.stringContaining('admin'), user: 'negz', ended_at: null },
    });
    expect(asked.body.created_at).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    await hall.settle();
    const { body } = await people.admin('GET', `/jobs/${asked.body.id}`);
    expect(body.job).toMatchObject({
      status: 'finished',
      result: { 'power-on': { already: false } },
    });
    expect(body.steps).toMatchObject([{ name: 'power-on', status: 'done', attempts: 1 }]);
    expect(body.log.map(({ entry }: { entry: { is: string } }) => entry.is)).toEqual([
      ...['queued', 'started', 'succeeded', 'ended'],
    ]);
    expect(hall.machine(0).isOn()).toBe(true);
  });

  it('refuses what cannot be, and says why', async () => {
    const { hall, people } = await appliance();
    const post = async (body: object) => problemOf(await people.admin('POST', '/jobs', { body }));
    const target = 'SIM00000';
    expect(await post({ action: 'dance', target })).toBe('400 REQUEST_INVALID /action');
    expect(await post({ action: 'reset', target: 'NOBODY' })).toBe('404 MACHINE_UNKNOWN');
    expect(await post({ action: 'identify', target, params: { seconds: 256 } })).toBe(
      '400 REQUEST_INVALID /params/seconds',
    );
    expect(await post({ action: 'reset', target, params: { x: 1 } })).toBe(
      '400 REQUEST_INVALID /params/x',
    );
    hall.submit('netboot');
    expect(await post({ action: 'reset', target })).toBe('409 JOB_EXISTS');
    const { serverdb, transaction } = hall.now.inventory;
    const cause = { who: 'test', why: 'test' };
    transaction(() => serverdb.editor.edit(nameOf(1), { protected: true, bmcAddress: '' }, cause));
    expect(await post({ action: 'reset', target: 'SIM00001' })).toBe('409 MACHINE_PROTECTED');
    expect(await post({ action: 'power-on', target: 'SIM00001' })).toBe('409 BMC_MISSING');
    transaction(() =>
      serverdb.editor.move(nameOf(2), 'retired', { by: 'operator', who: 'test', why: 'test' }),
    );
    expect(await post({ action: 'recon', target: 'SIM00002' })).toBe('409 JOB_STATE');
  });

  it('wants the owner’s word for a machine in use, and the right role', async () => {
    const { hall, people } = await appliance();
    people.squad('music');
    hall
      .database()
      .prepare(
        `UPDATE machines SET state = 'in-use', squad = 'music' WHERE hardwarename = 'SIM00000'`,
      )
      .run();
    const body = { action: 'reset', target: 'SIM00000' };
    const released = { ...body, release: 'SIM00000' };
    const member = people.as('viewer', { music: 'operator' });
    expect(problemOf(await people.nobody('POST', '/jobs', { body }))).toBe('401 UNAUTHENTICATED');
    expect(problemOf(await people.as('operator')('POST', '/jobs', { body }))).toBe('403 FORBIDDEN');
    expect(problemOf(await member('POST', '/jobs', { body }))).toBe('409 RELEASE_NEEDED');
    expect((await member('POST', '/jobs', { body: released })).status).toBe(202);
  });

  it('lets a technician light the lamp of any machine, and no more', async () => {
    const { hall, people } = await appliance(3);
    people.squad('music');
    hall
      .database()
      .prepare(
        `UPDATE machines SET state = 'in-use', squad = 'music' WHERE hardwarename < 'SIM00002'`,
      )
      .run();
    const post = async (who: typeof people.admin, body: object) => {
      const answer = await who('POST', '/jobs', { body });
      return answer.status === 202 ? 'yes' : problemOf(answer);
    };
    const lamp = (target: string) => ({ action: 'identify', target });
    const [site, squad] = [people.as('technician'), people.as('viewer', { music: 'technician' })];
    expect(await post(site, lamp('SIM00000'))).toBe('yes');
    expect(await post(squad, lamp('SIM00001'))).toBe('yes');
    expect(await post(squad, lamp('SIM00002'))).toBe('403 FORBIDDEN');
    expect(await post(people.as('viewer'), lamp('SIM00002'))).toBe('403 FORBIDDEN');
    expect(await post(site, { action: 'power-on', target: 'SIM00002' })).toBe('403 FORBIDDEN');
    const bulk = { body: { ...lamp(''), target: undefined, targets: ['SIM00002'] } };
    const { body } = await site('POST', '/jobs/bulk', bulk);
    expect(body).toMatchObject({ created: 1, refused: 0 });
  });

  it('for many machines gives each its own result, and asks before it takes a whole rack', async () => {
    const { hall, people } = await appliance(12);
    const targets = Array.from({ length: 12 }, (_, index) => nameOf(index));
    hall.submit('netboot', 3);
    const body = { action: 'power-on', targets };
    expect(problemOf(await people.admin('POST', '/jobs/bulk', { body }))).toBe(
      '409 CONFIRMATION_NEEDED /confirm',
    );
    const sure = { body: { ...body, confirm: 12 }, headers: { 'idempotency-key': 'k1' } };
    const first = await people.admin('POST', '/jobs/bulk', sure);
    expect(first.body).toMatchObject({ created: 11, refused: 1 });
    expect(first.body.results[3]).toMatchObject({ ok: false, code: 'JOB_EXISTS' });
    expect((await people.admin('POST', '/jobs/bulk', sure)).text).toBe(first.text);
    await hall.settle();
    const page = await people.admin('GET', '/jobs?status=finished&action=power-on&limit=5');
    expect(page.body.jobs.length).toBe(5);
    const rest = await people.admin(
      'GET',
      `/jobs?status=finished&action=power-on&cursor=${page.body.next}`,
    );
    expect(rest.body.jobs.length).toBe(6);
    expect(rest.body.next).toBeUndefined();
    const [one, two] = rest.body.jobs.map(({ id }: { id: string }) => id);
    const these = await people.admin('GET', `/jobs?ids=${two},${one},nobody`);
    expect(these.body.jobs.map(({ id }: { id: string }) => id)).toEqual([one, two]);
    const many = Array.from({ length: 101 }, (_, index) => `j${index}`).join();
    const refused = await people.admin('GET', `/jobs?ids=${many}`);
    expect([refused.status, refused.body.path]).toEqual([400, '/ids']);
  });
});

describe('the queue', () => {
  it('paused begins nothing, says so, stays so over a crash, and goes on', async () => {
    const { hall, people } = await appliance();
    await people.admin('POST', '/jobs/pause', { body: { why: 'a switch is changed' } });
    const { id } = hall.submit('power-on');
    await hall.time.pass(60_000);
    expect((await people.admin('GET', `/jobs/${id}`)).body.waiting_for).toMatch(
      /the queue, which .*admin.* has paused: a switch is changed/,
    );
    hall.crash();
    await hall.time.pass(60_000);
    expect(hall.job(id).status).toBe('queued');
    const { inventory, desk } = hall.now;
    inventory.transaction(() => desk.resume({ who: 'x', why: 'done' }));
    await hall.settle();
    expect(hall.job(id).status).toBe('finished');
  });

  it('tells what a job waits for, and how long it will take by what others took', async () => {
    const { hall, people } = await appliance();
    hall.submit('netboot', 0);
    await hall.settle();
    const { id } = hall.submit('netboot', 1);
    await hall.time.pass(20_000);
    const { body } = await people.admin('GET', `/jobs/${id}`);
    expect(body).toMatchObject({ phase: 'waiting', waiting_for: 'the machine: boot.started' });
    expect(body.remaining_seconds).toBeGreaterThan(10);
    expect(body.remaining_seconds).toBeLessThan(60);
    const list = await people.admin('GET', '/jobs?include=progress&status=running');
    expect(list.body.jobs[0].progress).toEqual({
      ...{ done: 5, steps: 6, waiting_for: 'the machine: boot.started', cancelling: false },
      remaining_seconds: body.remaining_seconds,
    });
    const live = await people.admin('GET', `/events?job=${id}`);
    expect(live.body.events[0]).toMatchObject({ name: 'job.queued', data: { job: id } });
    expect(live.body.events.every(({ data }: { data: { job: string } }) => data.job === id)).toBe(
      true,
    );
  });

  it('counts successes, durations and the BMCs with most trouble', async () => {
    const { hall, people } = await appliance();
    hall.machine(1).silentUntil = Number.POSITIVE_INFINITY;
    const dead = hall.submit('power-on', 1);
    hall.submit('power-on', 0);
    await hall.settle();
    expect(hall.job(dead.id)).toMatchObject({ status: 'failed', code: 'BMC_UNREACHABLE' });
    const { body } = await people.admin('GET', '/jobs/stats');
    expect(body.kinds[0]).toMatchObject({
      action: 'power-on',
      finished: 1,
      failed: 1,
      successRate: 0.5,
    });
    expect(body.steps[0]).toMatchObject({ step: 'power-on', duration: { count: 1 } });
    expect(body.failures).toEqual([{ code: 'BMC_UNREACHABLE', jobs: 1 }]);
    expect(body.worstBmcs).toMatchObject([
      { bmc: '10.66.0.2', failed: 1, code: 'BMC_UNREACHABLE' },
    ]);
    // What is known to be dead is not waited for as long again.
    const from = hall.time.now();
    const again = hall.submit('power-on', 1);
    await hall.settle();
    expect(hall.job(again.id).code).toBe('BMC_UNREACHABLE');
    expect(hall.time.now() - from).toBeLessThan(120_000);
  });
});

describe('reveille jobs', () => {
  it('asks, follows, lists and cancels', async () => {
    const { hall, people } = await appliance();
    const { run } = await commandLineOf(people);
    const made = JSON.parse(await run('jobs create identify SIM00000 --param seconds=30 --json'));
    await hall.settle();
    expect(await run(`jobs watch ${made.id}`)).toMatch(
      /queued\n.*started {2}light\n.*succeeded.*\n.*ended {2}finished/,
    );
    expect(process.exitCode).toBe(0);
    expect(hall.machine(0).state.identify).toBe(30);
    expect(await run(`jobs show ${made.id}`)).toContain('[x] light  done');
    await run('jobs pause --why lunch');
    const many = await run('jobs create power-on SIM00001 SIM00002 NOBODY');
    expect(many).toMatch(/SIM00001 +[0-9a-f-]{36}/);
    expect(many).toMatch(/NOBODY.*\[MACHINE_UNKNOWN\]/);
    const waiting = JSON.parse(await run('jobs list --status queued --json')).jobs;
    expect(waiting.length).toBe(2);
    await run(`jobs cancel ${waiting[0].id} --why enough`);
    await hall.time.pass(10_000);
    expect(hall.job(waiting[0].id).status).toBe('cancelled');
    await run('jobs resume');
    await hall.settle();
    expect(await run('jobs list')).toContain('cancelled');
    expect(await run('jobs stats')).toMatch(/identify +all +1 +0 +100.00 %/);
    expect(await run('jobs stats --steps --action identify')).toMatch(/identify +all +light +1 /);
    expect(await run('jobs kinds')).toContain('netboot');
    // Live: a line for each change, for one job and for all, until none is left.
    await run('jobs pause --why tea');
    expect(await run('jobs queue')).toMatch(/why +tea/);
    const two = JSON.parse(await run('jobs create identify SIM00001 SIM00002 --json'));
    await hall.time.pass(10);
    const waits = await run(`jobs show ${two.results[0].id}`);
    expect(waits).toMatch(/0 of 1 steps; waits for the queue, which .* has paused: tea/);
    const all = run('jobs list --follow');
    await expect.poll(() => hall.now.desk.store.unfinished().length).toBe(2);
    hall.machine(2).state.knobs.dead = true;
    await run('jobs resume');
    await hall.time.pass(2000);
    await run(`jobs cancel ${two.results[1].id} --why enough`);
    await hall.settle();
    const told = await all;
    expect(told).toMatch(/SIM00001 {2}identify {2}finished/);
    expect(told).toMatch(/SIM00002 {2}identify {2}cancelled/);
  });
});
