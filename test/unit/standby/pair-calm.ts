/** What a made-up pair must come to when nothing breaks any more: rules that keep every address apart by serving nobody would pass all else. */
import { isTogether } from '../../../src/standby/gate.ts';
import { otherMember } from '../../../src/standby/witness.ts';
import { ask } from './pair-clients.ts';
import { LEASE_MS, MCLT_S, POOL, storyOf, tell, type World } from './pair-form.ts';
import type { SimMember } from './pair-world.ts';

/** Until the two have met, the longest that something large is on its way, and all that may run unheard is over, twice. */
const CALM_MS = 40_000 + 2 * MCLT_S * 1000;
/** A right and a quarter, with questions to the witness that are lost or late. */
const TAKEN_MS = 1.25 * LEASE_MS + 30_000;

/** @throws Error when they are not together, or one alone does not serve */
export async function calmDown(world: World, step: () => Promise<void>): Promise<void> {
  const all = Object.values(world.members);
  Object.assign(world, { lineUp: true, witnessUp: true, calm: true });
  for (const member of all) Object.assign(member, { unable: false, frozenUntil: 0 });
  tell(world, 'nothing breaks any more');
  const steps = async (forMs: number, until: () => boolean): Promise<boolean> => {
    for (const from = world.now; world.now - from < forMs && !until(); ) {
      for (const member of all) if (!member.up && member !== dead) member.start();
      await step();
    }
    return until();
  };
  let dead: SimMember | undefined;
  const serves = () => all.find((member) => member.active() && member.wasActive);
  const areTogether = () =>
    all.some((member) => member === serves() && isTogether(member.standing()));
  if (!(await steps(CALM_MS, areTogether))) throw new Error(`not together ${storyOf(world)}`);
  // The witness hears that the other one may take over: its messages are late, and some are lost.
  await steps(20_000, () => false);
  dead = serves();
  if (!dead) throw new Error(`nobody is active ${storyOf(world)}`);
  const left = world.members[otherMember(dead.id)];
  stop(dead);
  if (!world.withWitness) await steps(2 * LEASE_MS, () => left.line.id === 0 && order(left));
  if (!(await steps(TAKEN_MS, () => serves() === left)))
    throw new Error(`${left.id} does not take over ${storyOf(world)}`);
  renew(left);
}

/** Nobody starts it anew. */
function stop(member: SimMember): SimMember {
  member.crash();
  member.run += 1;
  return member;
}

function order(member: SimMember): boolean {
  member.mayTakeOver('order', () => member.right.takeOver(member.world.now, { fenced: false }));
  return member.right.isNewest();
}

/** Who has an address when the active one dies goes on with it, if both knew of it and it is not being moved, nor was kept for it alone and is not any more. */
function renew(member: SimMember): void {
  const { world, store, moves } = member;
  for (const { mac, address, until } of [...world.holdings]) {
    const row = store.leases.get(address);
    const isMoved = moves.formerly('s', address).length > 0;
    const owner = store.reserved.get(address);
    const isFree = owner === undefined && POOL.includes(address);
    const isElsewhere = row?.mac !== mac || !(isFree || owner === mac);
    if (until <= world.now || isMoved || isElsewhere) continue;
    const before = world.story.length;
    ask(member, mac, address);
    const told = world.story.slice(before).some(({ text }) => text.includes('gives it to'));
    if (!told) throw new Error(`${member.id} does not let ${mac} go on ${storyOf(world, address)}`);
    world.renewals += 1;
  }
}
