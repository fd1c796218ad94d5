/**
 * The line between the two: what is said on it comes in order or not at all. It breaks in both directions or in one, and each of
 * the two notices by itself: at once, or when it has heard nothing for long enough. So for a while one counts on a line that the
 * other one has given up.
 */
import { roundTripMs } from '../../../src/standby/clock-difference.ts';
import { createPings } from '../../../src/standby/pings.ts';
import { otherMember } from '../../../src/standby/witness.ts';
import { LEASE_MS, SILENCE_MS, tell, type World } from './pair-form.ts';
import type { SimMember } from './pair-world.ts';

export class SimLine {
  /** 0: none. */
  id = 0;
  /** Nothing that is said here arrives any more. */
  mute = false;
  private readonly member: SimMember;
  private sentAt = 0;
  private heardAt = 0;
  /** Something large is on its way here: what is said comes behind it, and the line is not silent. */
  private busyUntil = 0;

  constructor(member: SimMember) {
    this.member = member;
  }

  open(id: number): void {
    const { now } = this.member.world;
    Object.assign(this, { id, mute: false, sentAt: now, heardAt: now, busyUntil: 0 });
    this.member.pings = createPings();
  }

  send(run: (other: SimMember) => void): void {
    const { world, id } = this.member;
    const { id: line } = this;
    const other = world.members[otherMember(id)];
    const busy = !world.calm && world.random() < 0.002 ? Math.floor(world.random() * BUSY_MS) : 0;
    const at = Math.max(world.now + Math.floor(world.random() * 300) + busy, this.sentAt);
    this.sentAt = at;
    if (line === 0 || this.mute) return;
    if (busy > 0 && other.line.id === line) other.line.busyUntil = at;
    other.hearAt(at, () => {
      if (this.mute || !other.up || other.line.id !== line) return;
      other.line.heardAt = world.now;
      run(other);
    });
  }

  /** Is nothing heard for too long? */
  isSilent(): boolean {
    const { now } = this.member.world;
    return (
      this.id !== 0 && now - Math.max(this.heardAt, Math.min(this.busyUntil, now)) > SILENCE_MS
    );
  }
}

/** How long something large may be on its way. */
const BUSY_MS = 12_000;

let lines = 0;

export function stepLine(world: World): void {
  const { a, b } = world.members;
  const { random } = world;
  if (!world.lineUp && (a.line.id !== 0 || b.line.id !== 0)) breakLine(world);
  for (const member of [a, b]) if (member.runs() && member.line.isSilent()) member.lost();
  const free = [a, b].every((member) => member.runs() && member.line.id === 0);
  if (!world.lineUp || !free || random() > 0.2) return;
  lines += 1;
  for (const member of [a, b]) member.line.open(lines);
  a.hello();
  b.hello();
}

/** In one direction or both; whoever hears nothing any more closes it, and the other one may hear of that. */
function breakLine(world: World): void {
  const { a, b } = world.members;
  const both = world.random() < 0.6;
  const [first, second] = world.random() < 0.5 ? [a, b] : [b, a];
  if (first.line.mute || second.line.mute) return;
  first.line.mute = true;
  second.line.mute = both;
  if (world.random() < 0.3) for (const member of [a, b]) if (!member.isFrozen()) member.lost();
  tell(world, `the line breaks ${both ? 'in both directions' : `from ${first.id}`}`);
}

/** The end of `member` is gone: the other one hears of it now, or when it has heard nothing for long enough. */
export function endLine(member: SimMember): void {
  const { world, line } = member;
  const other = world.members[otherMember(member.id)];
  const was = line.id;
  line.id = 0;
  if (was === 0 || other.line.id !== was || line.mute || world.random() < 0.3) return;
  other.hearAt(world.now + Math.floor(world.random() * (LEASE_MS / 8)), () => {
    if (other.line.id === was) other.lost();
  });
}

/** What one says again and again while the line is there. */
export function beat(member: SimMember): void {
  const { world } = member;
  if (member.clockWasSet()) return;
  if (!member.active() || member.failing) member.hello();
  if (!member.right.isNewest() || member.failing) return;
  const n = member.pings.sent(world.now, member.feeder?.mark());
  const { epoch } = member.right.kept();
  const clock = member.wall();
  const { greeted } = member;
  const heard = greeted && { at: greeted.at, heldMs: world.now - greeted.cameAt };
  member.line.send((other) => {
    const wayMs = heard && roundTripMs(world.now, heard);
    other.touched(clock, wayMs, other.wholeOf === epoch ? heard?.at : undefined);
    if (!other.right.supports(epoch, world.now) || other.clockWasSet()) return;
    const theirs = other.wall();
    other.line.send((back) => {
      const { sentAt, inStepAt } = back.pings.answered(n);
      back.right.supported(sentAt ?? Number.NEGATIVE_INFINITY, world.now);
      back.touched(theirs, sentAt === undefined ? undefined : world.now - sentAt, inStepAt);
    });
  });
}
