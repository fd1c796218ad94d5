/** Jobs that are taken up by another program than the one that began them, or when their log cannot be read at once. */
import { describe, expect, it } from 'vitest';
import { createKinds, type JobKinds, type JobStep } from '../../../src/jobs/definition.ts';
import { NO_BMC_POLICY } from '../../../src/jobs/kinds/bmc-setup.ts';
import { jobKinds } from '../../../src/jobs/kinds/index.ts';
import { createHall, type Hall, nameOf } from '../../support/job-hall.ts';
import { hallFor, machineFaults, planOf } from '../../support/job-plans.ts';
import { deaf, failing, faultsOf, twice } from '../../support/job-trials.ts';

const kindsOf = (burnIn: boolean) =>
  jobKinds({ bmcSetup: NO_BMC_POLICY, recycle: { level: 'clear', burnIn } });

/** Kinds of a program that may be another one after its restart. */
function changing(first: JobKinds) {
  const now = { kinds: first };
  const kinds: JobKinds = {
    find: (kind, version) => now.kinds.find(kind, version),
    newest: (kind) => now.kinds.newest(kind),
    list: () => now.kinds.list(),
  };
  return { now, kinds };
}

async function until(hall: Hall, id: string, step: string): Promise<void> {
  for (let second = 0; second < 4000; second++) {
    await hall.time.pass(1000);
    if (hall.job(id).step === step) return;
  }
  throw new Error(`${id} never came to ${step}`);
}

const stateOf = (hall: Hall) => hall.now.inventory.machines.record(nameOf(0))?.state;

describe('a job whose log cannot be read for a moment', () => {
  it.each([1, 2, 5])('is taken up once it can, after %i errors', async (times) => {
    const hall = createHall();
    const { store } = hall.now.desk;
    const { logOf } = store;
    let left = times;
    store.logOf = (number) => {
      left -= 1;
      if (left >= 0) throw new Error('disk I/O error');
      return logOf(number);
    };
    const { id } = hall.submit('identify');
    await hall.time.pass(600_000);
    expect(hall.job(id).status).toBe('finished');
    expect(hall.now.life.errors).toHaveLength(times);
  });

  it('is taken up also when it was the job itself that could not be read', async () => {
    const hall = createHall();
    const { store } = hall.now.desk;
    const { unfinishedOf } = store;
    let left = 3;
    store.unfinishedOf = (name) => {
      left -= 1;
      // The first one is asked by the desk, when the job is made.
      if (left === 1 || left === 0) throw new Error('disk I/O error');
      return unfinishedOf(name);
    };
    const { id } = hall.submit('identify');
    await hall.time.pass(600_000);
    expect(hall.job(id).status).toBe('finished');
    expect(hall.now.life.errors.length).toBeGreaterThan(0);
  });
});

describe('a pause that is longer than a step may take', () => {
  it.each([false, true])(
    'is not held against it, with a restart in the middle: %s',
    async (restart) => {
      const hall = createHall();
      hall.machine(0).silentUntil = hall.time.now() + 120_000;
      const { id } = hall.submit('power-cycle');
      await hall.time.pass(60_000);
      const cause = { who: 'test', why: 'test' };
      hall.now.inventory.transaction(() => hall.now.desk.pause(cause));
      await hall.time.pass(2 * 3_600_000);
      if (restart) {
        hall.crash();
        await hall.time.pass(5000);
      }
      expect(hall.job(id).endedAt).toBe(0);
      hall.now.inventory.transaction(() => hall.now.desk.resume(cause));
      await hall.settle();
      expect(hall.job(id)).toMatchObject({ status: 'finished', code: '' });
      expect(faultsOf(hall, id)).toEqual([]);
    },
  );
});

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** Pauses the queue for so long; with a crash in the middle of it. */
async function pauseFor(hall: Hall, ms: number, crash: boolean): Promise<void> {
  const cause = { who: 'test', why: 'test' };
  hall.now.inventory.transaction(() => hall.now.desk.pause(cause));
  await hall.time.pass(ms / 2);
  if (crash) {
    hall.crash();
    await hall.time.pass(5000);
  }
  // Asked for again, it is the same pause.
  hall.now.inventory.transaction(() => hall.now.desk.pause(cause));
  await hall.time.pass(ms / 2 - (crash ? 5000 : 0));
  hall.now.inventory.transaction(() => hall.now.desk.resume(cause));
  hall.now.inventory.transaction(() => hall.now.desk.resume(cause));
}

describe.each([false, true])('the time of a pause, with a crash in it: %s', (crash) => {
  it('moves the deadline of a step: it has as much left as it had', async () => {
    const hall = createHall();
    // The step has an hour; two pauses lie in it. The BMC comes back fifty-eight minutes of the step later.
    hall.machine(0).silentUntil = hall.time.now() + 58 * MINUTE_MS + 5 * HOUR_MS;
    const { id } = hall.submit('power-on');
    await hall.time.pass(30 * MINUTE_MS);
    await pauseFor(hall, 2 * HOUR_MS, crash);
    await hall.time.pass(20 * MINUTE_MS);
    await pauseFor(hall, 3 * HOUR_MS, crash);
    await hall.settle();
    expect(hall.job(id)).toMatchObject({ status: 'finished', code: '' });
    const starts = hall.now.desk.store
      .logOf(hall.job(id).number)
      .filter(({ entry }) => entry.is === 'started');
    const deadlines = starts.map(({ entry }) => ('deadlineAt' in entry ? entry.deadlineAt : 0));
    expect(Math.max(...deadlines) - Math.min(...deadlines)).toBeGreaterThan(5 * HOUR_MS - 10_000);
    const { stats } = hall.now.desk;
    const took = stats.medianMs('power-on', 'power-on', '') ?? 0;
    expect(took).toBeGreaterThan(57 * MINUTE_MS);
    expect(took).toBeLessThan(61 * MINUTE_MS);
  });

  it('gives a step no more than that', async () => {
    const hall = createHall();
    hall.machine(0).silentUntil = Number.POSITIVE_INFINITY;
    const began = hall.time.now();
    const { id } = hall.submit('power-on');
    await hall.time.pass(30 * MINUTE_MS);
    await pauseFor(hall, 2 * HOUR_MS, crash);
    await hall.settle();
    expect(hall.job(id)).toMatchObject({ status: 'failed', code: 'BMC_UNREACHABLE' });
    expect(hall.time.now() - began).toBeLessThan(3 * HOUR_MS + 5 * MINUTE_MS);
    expect(hall.time.now() - began).toBeGreaterThan(3 * HOUR_MS - 10 * MINUTE_MS);
  });

  it('moves the deadline of a wait: a machine that comes after the pause has come in time', async () => {
    const hall = createHall();
    const { id } = hall.submit('netboot');
    const machine = hall.machine(0);
    machine.firmwareMs = 9 * MINUTE_MS + HOUR_MS;
    await until(hall, id, 'booting');
    await hall.time.pass(MINUTE_MS);
    const before = hall.now.desk.progress(hall.job(id)).waitingUntil;
    await pauseFor(hall, HOUR_MS, crash);
    expect(hall.job(id).step).toBe('booting');
    const after = hall.now.desk.progress(hall.job(id)).waitingUntil;
    expect(after - before).toBeGreaterThanOrEqual(HOUR_MS);
    await hall.settle();
    expect(hall.job(id)).toMatchObject({ status: 'finished', code: '', retries: 0 });
  });
});

describe('a pause that is longer than an order for the agent is good for', () => {
  it.each([
    ['install', 3],
    ['recycle', 51],
  ] as const)('ends no %s: the order is armed anew', async (kind, hours) => {
    const hall = hallFor(kind);
    const { id } = hall.submit(kind, 0, planOf(kind).params ?? {});
    await until(hall, id, 'discharge');
    await pauseFor(hall, hours * HOUR_MS, false);
    await hall.settle();
    expect(hall.job(id)).toMatchObject({ status: 'finished', code: '', retries: 1 });
    expect([...faultsOf(hall, id), ...machineFaults(hall)]).toEqual([]);
  });
});

describe('jobs.recycle.burnIn', () => {
  it.each([
    ['off', true, 'tested'],
    ['on', false, 'erased'],
  ] as const)(
    'turned %s in the middle of a recycle changes nothing for that one',
    async (_, before, step) => {
      const { now, kinds } = changing(kindsOf(before));
      const hall = hallFor('recycle', { kinds });
      const { id } = hall.submit('recycle', 0, planOf('recycle').params);
      await until(hall, id, step);
      now.kinds = kindsOf(!before);
      hall.crash();
      await hall.settle();
      expect(hall.job(id)).toMatchObject({ status: 'finished', version: before ? 2 : 1 });
      expect([...faultsOf(hall, id), ...machineFaults(hall), stateOf(hall)]).toEqual(['available']);
      expect(kinds.newest('recycle')?.version).toBe(before ? 1 : 2);
    },
  );

  it('ends in the capacity, and held when its burn-in is called off', async () => {
    for (const called of [false, true]) {
      const hall = hallFor('recycle', { kinds: kindsOf(true) });
      const { id } = hall.submit('recycle', 0, planOf('recycle').params);
      await until(hall, id, 'tested');
      expect(stateOf(hall)).toBe('recycling');
      if (called)
        hall.now.inventory.transaction(() => hall.now.desk.cancel(id, { who: 'x', why: 'test' }));
      await hall.settle();
      expect(hall.job(id).status).toBe(called ? 'cancelled' : 'finished');
      expect(planOf('recycle').achieved(hall)).toBe(called ? 'held  false sanitized' : 'yes');
      expect([...faultsOf(hall, id), ...machineFaults(hall)]).toEqual([]);
    }
  });
});

describe('the burn-in at the end of a recycle', () => {
  const whole = kindsOf(true).newest('recycle');
  if (!whole) throw new Error('there is no recycle');
  const changed = (change: (each: JobStep) => JobStep) =>
    createKinds([{ ...whole, steps: whole.steps.map(change) }]);

  it.each([
    ['fails before arm-burn-in', failing('arm-burn-in', 'before'), 'BMC_PASSWORD'],
    ['fails after arm-burn-in', failing('arm-burn-in', 'after'), 'BMC_PASSWORD'],
    ['waits in vain at tested', deaf('tested'), 'JOB_NO_EVENT'],
  ])('%s, and its machine is clean and broken', async (_, change, code) => {
    const hall = hallFor('recycle', { kinds: changed(change) });
    const { id } = hall.submit('recycle', 0, planOf('recycle').params);
    await hall.settle(7 * 86_400_000);
    expect(hall.job(id)).toMatchObject({ status: 'failed', code });
    expect([...faultsOf(hall, id), ...machineFaults(hall)]).toEqual([]);
    expect(planOf('recycle').achieved(hall)).toBe('broken  false sanitized');
  });

  it('may be run twice, step by step', async () => {
    const hall = hallFor('recycle', { kinds: changed(twice) });
    const { id } = hall.submit('recycle', 0, planOf('recycle').params);
    await hall.settle();
    expect(hall.job(id).status).toBe('finished');
    expect([...faultsOf(hall, id), ...machineFaults(hall)]).toEqual([]);
    expect(planOf('recycle').achieved(hall)).toBe('yes');
  });
});

describe('a job whose version this program does not have', () => {
  const without = (kind: string, all: JobKinds, gone: 'version' | 'kind'): JobKinds => ({
    find: (name, version) => (name === kind ? undefined : all.find(name, version)),
    newest: (name) => (name === kind && gone === 'kind' ? undefined : all.newest(name)),
    list: () => all.list(),
  });
  it.each([
    ['install', 'taken', 'held'],
    ['reinstall', 'taken', 'held'],
    ['recycle', 'erased', 'held'],
    ['burn-in', 'tested', 'held'],
  ] as const)('%s: its order is ended, and its machine is held', async (kind, step, state) => {
    for (const gone of ['version', 'kind'] as const) {
      const { now, kinds } = changing(kindsOf(false));
      const hall = hallFor(kind, { kinds });
      const { id } = hall.submit(kind, 0, planOf(kind).params ?? {});
      await until(hall, id, step);
      now.kinds = without(kind, now.kinds, gone);
      hall.crash();
      await hall.settle();
      expect(hall.job(id)).toMatchObject({ status: 'failed', code: 'JOB_VERSION' });
      expect(stateOf(hall)).toBe(state);
      expect(hall.now.inventory.work.ofJob(id)?.state).toBe('ended');
      expect(faultsOf(hall, id)).toEqual([]);
    }
  });
});
