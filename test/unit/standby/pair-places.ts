/** How the two of the made-up pair change places, as the daemon does it: one begins, hands over, or leaves its place to the other. */
import { isTogether } from '../../../src/standby/gate.ts';
import { unsureOf } from '../../../src/standby/promises.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import { knowsAll } from './pair-changes.ts';
import { HOLD_MS, tell } from './pair-form.ts';
import type { SimMember } from './pair-world.ts';

/** What is noted, and what ran by the other one's clock, runs on by ours; our words become notes. */
export function begin(member: SimMember): void {
  const { store, world } = member;
  tell(world, `${member.id} is active`);
  knowsAll(member);
  rememberUnsure(member);
  const setMs = member.kept.clockSetMs ?? 0;
  const aheadMs = member.footing.ahead().mostMs;
  if (store.fromCopy) store.inherit(member.wall(), { holdMs: HOLD_MS, aheadMs, setMs });
  else store.followClock(setMs, member.wall(), member.runMs());
  member.keep({ unheard: true });
  member.wasActive = true;
  member.serve();
  for (const { address, mac, leftMs } of member.told.running())
    member.note(member.moves.told('s', Number(address.split(' ')[1]) as Ipv4, { mac, leftMs }));
  member.right.begun();
  member.begun = 0;
  if (member.line.id !== 0) member.hello();
}

function rememberUnsure(member: SimMember): void {
  member.store.followClock(member.kept.clockSetMs ?? 0, member.wall(), member.runMs());
  const { knownAt, unsure, off } = member.kept;
  const at = { now: member.wall(), knownAt };
  const more = off ? [] : unsureOf(member.id, member.store.promisedAfter(knownAt), at);
  if (more.length > 0) member.keep({ unsure: [...new Set([...unsure, ...more])] });
}

/** It gives up its database. */
export function keepWord(member: SimMember, now: number): void {
  const { store, kept, told } = member;
  store.followClock(kept.clockSetMs ?? 0, now, member.runMs());
  for (const { segment, address, mac, expiresAt } of store.promisedAfter(kept.knownAt)) {
    const seconds = (expiresAt - now) / 1000;
    if (seconds > 0) told.tell(segment, address, { mac, seconds });
  }
}

/** To the other one, when that has everything. */
export function handOver(member: SimMember): void {
  if (!member.active() || !member.wasActive || member.handing) return;
  if (!isTogether(member.standing())) return;
  tell(member.world, `${member.id} hands over`);
  member.handing = true;
  const epoch = member.right.handOver();
  const { run } = member;
  member.feeder?.confirm((error) => {
    if (error || !member.handing || run !== member.run) return;
    member.handing = false;
    member.line.send((other) =>
      other.mayTakeOver('handed', () => other.right.given(epoch, other.world.now)),
    );
  });
}

/** It cannot begin. */
export function yieldPlace(member: SimMember): void {
  if (!member.right.mayYield()) return;
  tell(member.world, `${member.id} yields`);
  member.right.handOver();
  member.hello();
}
