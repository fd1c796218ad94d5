/**
 * Kinds that move their machine from state to state: whatever happens to such a job, the machine rests in the state that
 * its outcome names, and has been moved there once. The kind is made for these trials, over the shared steps.
 */
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { createKinds, defineJob, type JobStep } from '../../../src/jobs/definition.ts';
import { discharge, look, powerOff, powerOn } from '../../../src/jobs/kinds/steps.ts';
import { createHall, type Hall, type HallOptions, nameOf } from '../../support/job-hall.ts';
import { failing, faultsOf } from '../../support/job-trials.ts';

const STEPS = [look, powerOff, discharge, powerOn];

function moving(change: (step: JobStep) => JobStep = (step) => step) {
  return createKinds([
    defineJob('claim', 1, {
      says: 'Claims the machine as an install does.',
      params: { safeParse: (data: unknown) => ({ success: true, data }) } as never,
      allowedFrom: ['available'],
      interrupts: true,
      destructive: false,
      steps: STEPS.map(change),
      onStart: { to: 'installing', why: 'claimed' },
      onFinish: { to: 'in-use', why: 'done' },
      onFail: { to: 'broken', why: 'failed' },
      onCancel: { to: 'available', why: 'called off' },
    }),
  ]);
}

function hallOf(options: HallOptions = {}): Hall {
  const hall = createHall({ kinds: moving(), ...options });
  const { serverdb, transaction } = hall.now.inventory;
  const cause = { by: 'operator', who: 'test', why: 'test' } as const;
  transaction(() => serverdb.editor.move(nameOf(0), 'available', cause));
  hall.machine(0).switch(true);
  return hall;
}

/** The states that the machine went through since the job was asked for. */
function states(hall: Hall): string[] {
  return hall.now.inventory.events
    .ofMachine(nameOf(0), 10_000)
    .flatMap((event) =>
      event.name === 'machine.state' && event.data.by === 'job' ? [event.data.to] : [],
    );
}

const resting = (hall: Hall) => hall.now.inventory.machines.record(nameOf(0))?.state;

describe('a job that moves its machine', () => {
  it('brings it where it is meant to go', async () => {
    const hall = hallOf();
    const { id } = hall.submit('claim');
    expect(resting(hall)).toBe('installing');
    await hall.settle();
    expect(states(hall)).toEqual(['installing', 'in-use']);
    expect(faultsOf(hall, id)).toEqual([]);
  });

  it.each(STEPS.flatMap(({ name }) => [[name, 'before'] as const, [name, 'after'] as const]))(
    'and fails at %s, %s it was done, leaves it where failures go',
    async (name, when) => {
      const hall = hallOf({ kinds: moving(failing(name, when)) });
      const { id } = hall.submit('claim');
      await hall.settle();
      expect(states(hall)).toEqual(['installing', 'broken']);
      expect([resting(hall), hall.job(id).status]).toEqual(['broken', 'failed']);
      expect(faultsOf(hall, id)).toEqual([]);
    },
  );

  it.each([
    ['finishes', moving(), 'in-use'],
    ['fails', moving(failing('power-on', 'before')), 'broken'],
  ] as const)('and %s, is cut off at every commit, and moves it once', async (_, kinds, end) => {
    const whole = hallOf({ kinds });
    whole.submit('claim');
    await whole.settle();
    const { commits } = whole.now.life;
    expect(commits).toBeGreaterThan(6);
    for (let at = 1; at <= commits; at++)
      for (const [when, slowDiskMs] of [
        ['before', undefined],
        ['after', undefined],
        ['after', 40],
      ] as const) {
        const hall = hallOf({ kinds, ...(slowDiskMs === undefined ? {} : { slowDiskMs }) });
        hall.cut = { at, when };
        const { id } = hall.submit('claim');
        await hall.settle();
        const where = `${when} commit ${at}, ${slowDiskMs}`;
        expect(hall.crashes, where).toBe(1);
        expect(states(hall), where).toEqual(['installing', end]);
        expect([resting(hall), ...faultsOf(hall, id)], where).toEqual([end]);
      }
  });

  it('and is cancelled at any moment, brings it back', async () => {
    const whole = hallOf();
    whole.submit('claim');
    const beganAt = whole.time.now();
    await whole.settle();
    const tookMs = whole.time.now() - beganAt;
    const ends = new Set<string>();
    for (let share = 0; share <= 9; share++) {
      const hall = hallOf();
      const { id } = hall.submit('claim');
      await hall.time.pass((tookMs * share) / 10);
      if (hall.job(id).endedAt > 0) break;
      hall.now.inventory.transaction(() => hall.now.desk.cancel(id, { who: 'x', why: 'test' }));
      await hall.settle();
      const { status } = hall.job(id);
      ends.add(status);
      const end = { cancelled: 'available', finished: 'in-use' }[status as 'cancelled'];
      expect(states(hall)).toEqual(['installing', end]);
      expect([resting(hall), ...faultsOf(hall, id)]).toEqual([end]);
    }
    expect(ends).toContain('cancelled');
  });

  it('does not move one that a person has moved meanwhile: theirs is the newer word', async () => {
    let hall: Hall | undefined;
    const kinds = moving((step) =>
      step.is !== 'step' || step.name !== 'power-on'
        ? step
        : {
            ...step,
            async run() {
              const inventory = hall?.now.inventory;
              const cause = { by: 'job', why: 'a person did it' } as const;
              inventory?.transaction(() => inventory.machines.transition(nameOf(0), 'held', cause));
              throw new AppError('BMC_PASSWORD');
            },
          },
    );
    hall = hallOf({ kinds });
    const { id } = hall.submit('claim');
    await hall.settle();
    expect(hall.job(id).status).toBe('failed');
    expect(resting(hall)).toBe('held');
    const { desk } = hall.now;
    const noted = desk.store.logOf(hall.job(id).number).map(({ entry }) => entry);
    expect(noted).toContainEqual(expect.objectContaining({ is: 'noted' }));
  });
});
