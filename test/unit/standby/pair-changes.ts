/** Changes over the API of the made-up pair: what was acknowledged, whoever is active next has. */
import { otherMember } from '../../../src/standby/witness.ts';
import { storyOf, tell } from './pair-form.ts';
import type { SimMember } from './pair-world.ts';

/** Who is active beside the other one under an older right may lose what it acknowledges: that happens without a witness alone. */
export const isNewer = ({ id, world, kept }: SimMember): boolean =>
  kept.right.own > world.members[otherMember(id)].kept.right.own;

/** The address is kept for another machine, and who has ordered that is told so when it may be. */
export function acknowledge(member: SimMember, address: number): void {
  const { world, store, feeder, id, run } = member;
  world.changes += 1;
  const number = world.changes;
  store.numbers.set(address, number);
  feeder?.confirm((error) => {
    if (error || !member.active() || run !== member.run || !isNewer(member)) return;
    world.acknowledged.set(address, Math.max(number, world.acknowledged.get(address) ?? 0));
    tell(world, `${id} acknowledges it`, address);
  });
}

/** @throws Error when it begins to be active without what was acknowledged */
export function knowsAll(member: SimMember): void {
  const { world, store, id } = member;
  if (!isNewer(member)) return;
  for (const [address, number] of world.acknowledged)
    if ((store.numbers.get(address) ?? 0) < number)
      throw new Error(
        `${id} has not what was acknowledged of ${address} ${storyOf(world, address)}`,
      );
}
