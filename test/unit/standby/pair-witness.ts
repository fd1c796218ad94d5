/** The witness of the made-up pair: what it is asked comes late, or never, as does its answer. */
import { judge, type Question } from '../../../src/standby/witness.ts';
import type { SimMember } from './pair-world.ts';

export function askWitness(member: SimMember, question: Question, asked: number): void {
  const { world, run } = member;
  const hear = (run: () => void): void => {
    if (!world.calm && world.random() < 0.1) return;
    const wayMs = world.random() ** 3 * (world.calm ? 600 : 6000);
    world.later.push({ at: world.now + Math.floor(wayMs), run });
  };
  hear(() => {
    if (!world.witnessUp) return;
    const { answer, row } = judge(world.row, question, 5_000_000 + world.now);
    if (row) world.row = row;
    hear(() =>
      member.hearAt(world.now, () => {
        if (!member.up || run !== member.run) return;
        member.oriented = true;
        const { own } = member.right.kept();
        member.mayTakeOver('witness', () => member.right.answered(asked, answer, world.now));
        // What the other one has of an epoch before it is to be told of this one, from the start of a line.
        if (member.right.kept().own !== own && member.wasActive) member.lost();
        member.settle();
      }),
    );
  });
}
