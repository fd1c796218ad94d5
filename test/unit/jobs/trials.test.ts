/**
 * Each kind of job fails at every step, waits in vain at every wait, is cut off at every commit, is cancelled everywhere, and
 * runs each step twice. The kinds are those that the program has: a new one is tried as soon as it is there.
 */
import { describe, expect, it } from 'vitest';
import type { Wait } from '../../../src/jobs/definition.ts';
import { createHall, type Hall, nameOf, PASSWORD } from '../../support/job-hall.ts';
import { hallFor, machineFaults, PLANS, planOf } from '../../support/job-plans.ts';
import {
  deaf,
  definitionOf,
  failing,
  faultsOf,
  KINDS,
  kindsWith,
  twice,
} from '../../support/job-trials.ts';

const begin = (hall: Hall, kind: string) => hall.submit(kind, 0, planOf(kind).params ?? {}).id;
/** A life for each commit, up to a hundred of them: two seconds on a computer that does nothing else. */
const MANY_MS = 120_000;
const stateOf = (hall: Hall) => hall.now.inventory.machines.record(nameOf(0))?.state;

it('every kind has a row in the table of trials, and every row a kind', () => {
  expect(Object.keys(PLANS).sort()).toEqual([...KINDS].sort());
  expect(KINDS.length).toBeGreaterThanOrEqual(12);
});

describe.each(KINDS)('%s', (kind) => {
  const plan = planOf(kind);
  const all = definitionOf(kind).steps;
  const steps = all.filter(({ is }) => is === 'step');
  const waits = all.filter((each): each is Wait => each.is === 'wait');
  const { failed = ['held'], cancelled = ['held'] } = plan;
  const faults = (hall: Hall, id: string) => [...faultsOf(hall, id), ...machineFaults(hall)];

  it('does what it is for', async () => {
    const hall = hallFor(kind);
    const id = begin(hall, kind);
    await hall.settle();
    expect(hall.job(id)).toMatchObject({ status: 'finished', code: '' });
    expect([...faults(hall, id), plan.achieved(hall)]).toEqual(['yes']);
  });

  it('may run every step twice', async () => {
    const hall = hallFor(kind, { kinds: kindsWith(kind, twice) });
    const id = begin(hall, kind);
    await hall.settle();
    expect(hall.job(id).status).toBe('finished');
    expect([...faults(hall, id), plan.achieved(hall)]).toEqual(['yes']);
  });

  it.each(steps.flatMap(({ name }) => [[name, 'before'] as const, [name, 'after'] as const]))(
    'fails at %s, %s it was done, and leaves the machine as it was',
    async (name, when) => {
      const hall = hallFor(kind, { kinds: kindsWith(kind, failing(name, when)) });
      const id = begin(hall, kind);
      await hall.settle();
      await hall.time.pass(300_000);
      expect(hall.job(id)).toMatchObject({ status: 'failed', code: 'BMC_PASSWORD' });
      const others = plan.afterFailure?.(hall, { name, when }) ?? [];
      expect([...faults(hall, id), ...others]).toEqual([]);
      expect(failed).toContain(stateOf(hall));
      const { isOn, actions } = hall.machine(0);
      // A job that was to switch on, or off, may have done so; one that passes through never stays there.
      if (plan.on && kind !== 'power-off') expect(isOn()).toBe(true);
      if (kind === 'power-off' && !actions.includes('soft')) expect(isOn()).toBe(true);
    },
  );

  it.each(waits.map((wait) => [wait.name, wait.overdue.code] as const))(
    'waits in vain at %s, and says so',
    async (name, code) => {
      const hall = hallFor(kind, { kinds: kindsWith(kind, deaf(name)) });
      const id = begin(hall, kind);
      await hall.settle(7 * 86_400_000);
      expect(hall.job(id)).toMatchObject({ status: 'failed', code });
      expect(faults(hall, id)).toEqual([]);
      expect(failed).toContain(stateOf(hall));
    },
  );

  it(
    'is cut off at every commit, before and after it, and goes on',
    async () => {
      const whole = hallFor(kind);
      begin(whole, kind);
      await whole.settle();
      const { commits } = whole.now.life;
      expect(commits).toBeGreaterThan(2);
      for (let at = 1; at <= commits; at++)
        for (const when of ['before', 'after'] as const) {
          const hall = hallFor(kind);
          hall.cut = { at, when };
          const id = begin(hall, kind);
          await hall.settle();
          const where = `${when} commit ${at}`;
          expect(hall.crashes, where).toBe(1);
          expect(hall.job(id).status, where).toBe('finished');
          expect([...faults(hall, id), plan.achieved(hall)], where).toEqual(['yes']);
        }
    },
    MANY_MS,
  );

  it(
    'is cut off by the mains at every commit, loses what the disk had not, and goes on',
    async () => {
      const whole = hallFor(kind, { slowDiskMs: 40 });
      begin(whole, kind);
      await whole.settle();
      for (let at = 1; at <= whole.now.life.commits; at++) {
        const hall = hallFor(kind, { slowDiskMs: 40 });
        hall.cut = { at, when: 'after' };
        const id = begin(hall, kind);
        await hall.settle();
        const where = `after commit ${at}`;
        expect(hall.crashes, where).toBe(1);
        expect([...faults(hall, id), plan.achieved(hall)], where).toEqual(['yes']);
      }
    },
    MANY_MS,
  );

  it('does nothing to a BMC before the disk has that it was going to', async () => {
    const hall = hallFor(kind, { slowDiskMs: 5000 });
    const id = begin(hall, kind);
    await hall.time.pass(4900);
    expect(hall.open.siteMost).toBe(0);
    const [first] = hall.now.desk.store.logOf(hall.job(id).number).slice(-1);
    expect(first?.entry.is).toBe('started');
    await hall.settle();
    expect(hall.job(id).status).toBe('finished');
  });

  it('is cancelled at any moment, and leaves the machine as it was', async () => {
    const whole = hallFor(kind);
    begin(whole, kind);
    const beganAt = whole.time.now();
    await whole.settle();
    const tookMs = whole.time.now() - beganAt;
    for (let share = 0; share <= 8; share++) {
      const hall = hallFor(kind);
      const id = begin(hall, kind);
      await hall.time.pass((tookMs * share) / 10);
      if (hall.job(id).endedAt > 0) break;
      hall.now.inventory.transaction(() => hall.now.desk.cancel(id, { who: 'x', why: 'test' }));
      await hall.settle();
      await hall.time.pass(300_000);
      const { status } = hall.job(id);
      // The last step was on its way: what is done counts.
      expect(['cancelled', 'finished']).toContain(status);
      expect(faults(hall, id)).toEqual([]);
      if (status === 'cancelled') expect(cancelled).toContain(stateOf(hall));
      const { isOn, actions } = hall.machine(0);
      // A system that has begun to go down goes down.
      if (status === 'cancelled' && plan.on && !actions.includes('soft')) expect(isOn()).toBe(true);
    }
  });
});

describe('burn-in', () => {
  it('keeps what was measured as its result', async () => {
    const hall = createHall();
    const { id } = hall.submit('burn-in', 0, { cpuSeconds: 5, diskPercent: 10 });
    await hall.settle();
    expect(hall.job(id).result).toMatchObject({ keep: { 'cpu-count': 2, model: 'x' } });
    expect(hall.now.inventory.work.ofJob(id)?.detail).toEqual({
      lines: { cpuSeconds: 5, memoryPercent: 80, memoryRounds: 1, diskPercent: 10 },
    });
  });

  it.each([
    ['MEMORY_FAILED', 'broken'],
    ['CPU_FAILED', 'broken'],
    ['DISK_FAILED', 'broken'],
    ['AGENT_FAILED', 'held'],
  ] as const)('that ends with %s leaves the machine %s', async (code, state) => {
    const hall = createHall();
    hall.agent.failure = code;
    const { id } = hall.submit('burn-in');
    await hall.settle();
    expect(hall.job(id)).toMatchObject({ status: 'failed', code });
    expect(hall.now.inventory.machines.record(nameOf(0))?.state).toBe(state);
    expect(faultsOf(hall, id)).toEqual([]);
  });
});

describe('secrets', () => {
  it('are in no log, event, row or error of a job that handles them', async () => {
    const hall = createHall();
    const { id } = hall.submit('bmc-setup');
    await hall.settle();
    expect(hall.job(id).status).toBe('finished');
    const db = hall.database();
    const tables = ['jobs', 'job_log', 'job_steps', 'events', 'machines', 'idempotency'];
    const everything = JSON.stringify(
      tables.map((name) => db.prepare(`SELECT * FROM ${name}`).all()),
    );
    expect(everything).toContain('bmc-setup');
    expect(everything).not.toContain(PASSWORD);
    expect(everything).not.toContain('secret');
  });
});
