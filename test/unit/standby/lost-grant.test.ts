/** The witness gives the right, and its answer is lost: nobody else has it, so it has to be had by asking again. */
import { expect, it } from 'vitest';
import { FRESH } from '../../../src/standby/kept-right.ts';
import { createRight } from '../../../src/standby/right.ts';
import {
  type Answer,
  judge,
  type Question,
  type WitnessRow,
} from '../../../src/standby/witness.ts';

const LEASE_MS = 4000;

it('a grant that what is kept here knows nothing of: the witness may have been told since that the other one has everything', () => {
  let row: WitnessRow = { epoch: 5, holder: 'a', untilMs: 9000, mayTake: true, n: 1 };
  const asked: { id: number; question: Question }[] = [];
  const right = createRight(
    {
      ...{ member: 'a', witness: true, leaseMs: LEASE_MS, keep: () => undefined },
      canServe: () => true,
      ask: (question, id) => void asked.push({ id, question }),
    },
    // Of before it had that right: a file that was put back.
    { ...FRESH, epoch: 3, own: 3, copy: 3, sole: true, n: 1 },
    0,
  );
  const hear = (now: number) => {
    const [{ id, question }] = asked.splice(0) as [(typeof asked)[0]];
    const said = judge(row, question, now);
    row = said.row ?? row;
    right.answered(id, said.answer, now);
  };
  right.tick(0);
  hear(10);
  expect(right.kept()).toMatchObject({ epoch: 5, own: 5, sole: false });
  // So long the other one may be given the next one.
  expect([right.isActive(10), row.mayTake]).toEqual([false, true]);
  right.tick(100);
  hear(110);
  expect([right.isActive(20_000), row.mayTake]).toEqual([true, false]);
});

it.each([
  ['never comes', false],
  ['comes too late', true],
])('a grant whose answer %s', (_what, late) => {
  let row: WitnessRow | undefined = {
    ...{ epoch: 1, holder: 'a', untilMs: 5000, mayTake: true, n: 1 },
  };
  let now = 0;
  let answers: { id: number; answer: Answer }[] = [];
  const granted: number[] = [];
  const right = createRight(
    {
      ...{ member: 'b', witness: true, leaseMs: LEASE_MS, keep: () => undefined },
      canServe: () => true,
      ask(question: Question, id) {
        const said = judge(row, question, now);
        row = said.row ?? row;
        if (said.answer.granted) granted.push(said.answer.epoch);
        answers.push({ id, answer: said.answer });
      },
    },
    { ...FRESH, epoch: 1, copy: 1 },
    0,
  );
  const held: typeof answers = [];
  for (; now < 60_000 && !right.isActive(now); now += 100) {
    right.tick(now);
    for (const { id, answer } of answers) {
      if (answer.granted && answer.epoch === 2) held.push({ id, answer });
      else right.answered(id, answer, now);
    }
    answers = [];
    if (late && now > 12_000)
      for (const { id, answer } of held.splice(0)) right.answered(id, answer, now);
  }
  expect(granted).toEqual([2, 4]);
  expect(right.isActive(now)).toBe(true);
  expect(right.kept()).toMatchObject({ epoch: 4, own: 4, copy: 4 });
});
