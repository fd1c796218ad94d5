/** A reset whose reply is lost: how often it is sent, and what is said of it. Datagrams are lost where the test says so. */
import { describe, expect, it } from 'vitest';
import { createHall, type Hall } from '../../support/job-hall.ts';
import { faultsOf } from '../../support/job-trials.ts';

/** The machine is reset and the BMC answers nothing for a while, from that command on. */
function losesReplies(hall: Hall, times: number, silentMs = 12_000) {
  const machine = hall.machine(0);
  const { respond } = machine;
  let left = times;
  let resets = 0;
  machine.respond = (bytes) => {
    const replies = respond(bytes);
    const now = machine.actions.filter((action) => action === 'reset').length;
    if (now > resets && left > 0) {
      left -= 1;
      machine.silentUntil = hall.time.now() + silentMs;
      resets = now;
      return [];
    }
    resets = now;
    return replies;
  };
  return machine;
}

const resetsOf = (hall: Hall) => hall.machine(0).actions.filter((action) => action === 'reset');

async function run(hall: Hall, shows: boolean) {
  const machine = hall.machine(0);
  machine.switch(true);
  // A BMC that notes no starts in its log, and has always the same restart cause.
  if (!shows) machine.state.knobs.refuse.set('10/64', 0xc1);
  const { id } = hall.submit('reset');
  await hall.settle();
  expect(faultsOf(hall, id)).toEqual([]);
  return hall.job(id);
}

describe('a reset', () => {
  it('is sent once when the BMC shows the start whose reply was lost', async () => {
    const hall = createHall();
    losesReplies(hall, 1);
    expect(await run(hall, true)).toMatchObject({ status: 'finished', code: '' });
    expect(resetsOf(hall)).toHaveLength(1);
  });

  it('is sent once more, half a minute later, when nothing shows it', async () => {
    const hall = createHall();
    losesReplies(hall, 1);
    expect(await run(hall, false)).toMatchObject({ status: 'finished' });
    expect(resetsOf(hall)).toHaveLength(2);
  });

  it('is never sent a third time: the job says that nobody knows', async () => {
    const hall = createHall();
    losesReplies(hall, 99);
    expect(await run(hall, false)).toMatchObject({ status: 'failed', code: 'BMC_UNCERTAIN' });
    expect(resetsOf(hall)).toHaveLength(2);
  });

  it.each([
    [1, 2, 'finished'],
    [2, 2, 'failed'],
    [99, 2, 'failed'],
  ])(
    'is sent at most twice by a BMC that is silent for longer than it is asked, %i times',
    async (times, sent, status) => {
      for (const silentMs of [25_000, 40_000, 120_000]) {
        const hall = createHall();
        losesReplies(hall, times, silentMs);
        expect((await run(hall, false)).status).toBe(status);
        expect(resetsOf(hall)).toHaveLength(sent);
      }
    },
  );

  it('is looked for, for half a minute, when the appliance was killed while it was sent', async () => {
    const hall = createHall();
    const machine = hall.machine(0);
    const { respond } = machine;
    const at: number[] = [];
    machine.respond = (bytes) => {
      const before = machine.actions.length;
      const replies = respond(bytes);
      if (machine.actions.length === before) return replies;
      at.push(hall.time.now());
      // It dies with each of them: after the second nobody knows, and nobody sends a third.
      hall.crash();
      return [];
    };
    expect(await run(hall, false)).toMatchObject({ status: 'failed', code: 'BMC_UNCERTAIN' });
    expect(at).toHaveLength(2);
    expect(Number(at[1]) - Number(at[0])).toBeGreaterThanOrEqual(30_000);
  });

  it('that cannot be sent at all is tried for as long as any other', async () => {
    const hall = createHall();
    hall.machine(0).silentUntil = hall.time.now() + 20 * 60_000;
    expect(await run(hall, true)).toMatchObject({ status: 'finished' });
    expect(resetsOf(hall)).toHaveLength(1);
  });
});

describe('a soft power-off', () => {
  it('whose reply is lost is not said again: the power tells what came of it', async () => {
    const hall = createHall();
    const machine = hall.machine(0);
    machine.switch(true);
    const { respond } = machine;
    machine.respond = (bytes) => {
      const before = machine.actions.length;
      const replies = respond(bytes);
      return machine.actions.length > before && machine.actions.at(-1) === 'soft' ? [] : replies;
    };
    const { id } = hall.submit('power-off');
    await hall.settle();
    expect(hall.job(id).status).toBe('finished');
    expect(machine.actions).toEqual(['soft']);
  });
});
