/** Each kind of job fails at every step, is cut off at every commit, is cancelled everywhere, and runs each step twice. */
import { describe, expect, it } from 'vitest';
import { decodeBootFlags } from '../../../src/ipmi/commands/boot-options.ts';
import { createHall, type Hall, nameOf, PASSWORD } from '../../support/job-hall.ts';
import {
  definitionOf,
  failing,
  faultsOf,
  hallWith,
  type Trial,
  twice,
} from '../../support/job-trials.ts';

const TRIALS: readonly Trial[] = [
  { kind: 'power-on', on: false },
  { kind: 'power-off', on: true },
  { kind: 'power-cycle', on: true },
  { kind: 'reset', on: true },
  { kind: 'identify', on: true },
  { kind: 'netboot', on: true },
  { kind: 'recon', on: false },
  { kind: 'bmc-setup', on: true },
  { kind: 'burn-in', on: true },
];

/** What each kind is for, as the machine and its BMC show it. */
function achieved(hall: Hall, kind: string): string {
  const { state, isOn, netboots, actions } = hall.machine(0);
  const accounts = state.users.flatMap((user) => (user?.enabled ? [user.name] : [])).sort();
  switch (kind) {
    case 'power-off':
      return isOn() ? 'it is on' : 'yes';
    case 'power-cycle':
      return isOn() && actions.includes('off') && actions.includes('on') ? 'yes' : actions.join();
    case 'reset':
      return actions.includes('reset') ? 'yes' : 'no reset';
    case 'identify':
      return state.identify === 60 ? 'yes' : `light ${state.identify}`;
    case 'netboot':
    case 'recon':
      return netboots() > 0 && isOn() ? 'yes' : `${netboots()} boots`;
    case 'burn-in': {
      const state = hall.now.inventory.machines.record(nameOf(0))?.state;
      return netboots() > 0 && isOn() && state === 'held' ? 'yes' : `${netboots()} boots, ${state}`;
    }
    case 'bmc-setup': {
      const skew = Math.abs(state.clock() + state.clockAheadSeconds - hall.clock() / 1000);
      const set = state.restorePolicy === 2 && skew < 60 && state.lan.get(4)?.[0] === 2;
      if (!set) return `restore ${state.restorePolicy}, ${skew} s off, ${state.lan.get(4)}`;
      return accounts.join() === 'operator,reveille,viewer' ? 'yes' : accounts.join();
    }
    default:
      return isOn() ? 'yes' : 'it is off';
  }
}

const begin = (hall: Hall, { kind, on, params }: Trial) => {
  hall.machine(0).switch(on);
  return hall.submit(kind, 0, params).id;
};

describe.each(TRIALS)('$kind', (trial) => {
  const steps = definitionOf(trial.kind).steps.filter(({ is }) => is === 'step');

  it('does what it is for', async () => {
    const hall = createHall();
    const id = begin(hall, trial);
    await hall.settle();
    expect(hall.job(id)).toMatchObject({ status: 'finished', code: '' });
    expect([...faultsOf(hall, id), achieved(hall, trial.kind)]).toEqual(['yes']);
  });

  it('may run every step twice', async () => {
    const hall = hallWith(trial.kind, twice);
    const id = begin(hall, trial);
    await hall.settle();
    expect(hall.job(id).status).toBe('finished');
    expect([...faultsOf(hall, id), achieved(hall, trial.kind)]).toEqual(['yes']);
  });

  it.each(steps.flatMap(({ name }) => [[name, 'before'] as const, [name, 'after'] as const]))(
    'fails at %s, %s it was done, and leaves the machine as it was',
    async (name, when) => {
      const hall = hallWith(trial.kind, failing(name, when));
      const id = begin(hall, trial);
      await hall.settle();
      await hall.time.pass(60_000);
      expect(hall.job(id)).toMatchObject({ status: 'failed', code: 'BMC_PASSWORD' });
      expect(faultsOf(hall, id)).toEqual([]);
      const { state, isOn, actions } = hall.machine(0);
      const flags = decodeBootFlags(state.bootOptions.get(5) ?? new Uint8Array());
      expect(flags?.valid, 'boot flags are left behind').toBeFalsy();
      // A job that was to switch on, or off, may have done so; one that passes through never stays there.
      if (trial.on && trial.kind !== 'power-off') expect(isOn()).toBe(true);
      if (trial.kind === 'power-off' && !actions.includes('soft')) expect(isOn()).toBe(true);
      if (trial.kind === 'bmc-setup')
        expect(state.users.some((user) => user?.enabled && user.name === 'admin')).toBe(
          !(['adopt', 'settings'].includes(name) || (name === 'close-factory' && when === 'after')),
        );
    },
  );

  it('is cut off at every commit, before and after it, and goes on', async () => {
    const whole = createHall();
    begin(whole, trial);
    await whole.settle();
    const commits = whole.now.life.commits;
    expect(commits).toBeGreaterThan(2);
    for (let at = 1; at <= commits; at++)
      for (const when of ['before', 'after'] as const) {
        const hall = createHall();
        hall.cut = { at, when };
        const id = begin(hall, trial);
        await hall.settle();
        const where = `${when} commit ${at}`;
        expect(hall.crashes, where).toBe(1);
        expect(hall.job(id).status, where).toBe('finished');
        expect([...faultsOf(hall, id), achieved(hall, trial.kind)], where).toEqual(['yes']);
      }
  });

  it('is cut off by the mains at every commit, loses what the disk had not, and goes on', async () => {
    const whole = createHall({ slowDiskMs: 40 });
    begin(whole, trial);
    await whole.settle();
    for (let at = 1; at <= whole.now.life.commits; at++) {
      const hall = createHall({ slowDiskMs: 40 });
      hall.cut = { at, when: 'after' };
      const id = begin(hall, trial);
      await hall.settle();
      const where = `after commit ${at}`;
      expect(hall.crashes, where).toBe(1);
      expect([...faultsOf(hall, id), achieved(hall, trial.kind)], where).toEqual(['yes']);
    }
  });

  it('does nothing to a BMC before the disk has that it was going to', async () => {
    const hall = createHall({ slowDiskMs: 5000 });
    const id = begin(hall, trial);
    await hall.time.pass(4900);
    expect(hall.open.siteMost).toBe(0);
    const [first] = hall.now.desk.store.logOf(hall.job(id).number).slice(-1);
    expect(first?.entry.is).toBe('started');
    await hall.settle();
    expect(hall.job(id).status).toBe('finished');
  });

  it('is cancelled at any moment, and leaves the machine as it was', async () => {
    const whole = createHall();
    begin(whole, trial);
    const beganAt = whole.time.now();
    await whole.settle();
    const tookMs = whole.time.now() - beganAt;
    for (let share = 0; share <= 8; share++) {
      const hall = createHall();
      const id = begin(hall, trial);
      await hall.time.pass((tookMs * share) / 10);
      if (hall.job(id).endedAt > 0) break;
      hall.now.inventory.transaction(() => hall.now.desk.cancel(id, { who: 'x', why: 'test' }));
      await hall.settle();
      await hall.time.pass(60_000);
      const { status } = hall.job(id);
      // The last step was on its way: what is done counts.
      expect(['cancelled', 'finished']).toContain(status);
      expect(faultsOf(hall, id)).toEqual([]);
      const { isOn, actions } = hall.machine(0);
      // A system that has begun to go down goes down.
      if (status === 'cancelled' && trial.on && !actions.includes('soft'))
        expect(isOn()).toBe(true);
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
