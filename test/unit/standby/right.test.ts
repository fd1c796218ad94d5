/** What the right of one of the two must not forget over a stop, a restart, or the first moments with a new follower. */
import { expect, it } from 'vitest';
import { FRESH, type KeptRight } from '../../../src/standby/kept-right.ts';
import { createRight } from '../../../src/standby/right.ts';
import type { Question } from '../../../src/standby/witness.ts';

const LEASE_MS = 4000;

function right(from: Partial<KeptRight>, member: 'a' | 'b' = 'b', witness = true) {
  const asked: Question[] = [];
  let kept: KeptRight = { ...FRESH, ...from };
  const disk = { isFull: false };
  const made = createRight(
    {
      ...{ member, witness, leaseMs: LEASE_MS, canServe: () => true },
      keep: (next) => {
        if (disk.isFull) throw new Error('no space left on the device');
        kept = next;
      },
      ask: (question) => void asked.push(question),
    },
    kept,
    0,
  );
  return { right: made, asked, disk, kept: () => kept };
}

const hello = { epoch: 1, own: 0, copy: 1, unbegun: 0, ahead: false, active: false };

it('a follower that has said that it stops takes nothing over, also when it hears that it has everything', () => {
  const { right: follower, kept } = right({ epoch: 1, copy: 1 });
  follower.leave();
  follower.copied(1, 0);
  const again = right(kept());
  again.right.tick(60_000);
  expect(again.asked).toEqual([]);
  expect(again.right.takeOver(60_000, { fenced: false })).toBe('not-current');
});

it('without a witness, what serves on alone is noted also when that could not be written at first', () => {
  const { right: active, disk, kept } = right({ epoch: 1, own: 1, copy: 1 }, 'a', false);
  active.met({ ...hello, copy: 1 }, 0);
  expect(active.caughtUp(0)).toBe(true);
  disk.isFull = true;
  expect(() => active.lost(1000)).toThrow('no space left');
  expect(() => active.lost(1100)).toThrow('no space left');
  disk.isFull = false;
  active.lost(1200);
  expect([kept().ahead, active.countsOnOther()]).toEqual([true, false]);
});

it('a question of before a restart is older than those that follow', () => {
  const before = right({ epoch: 1, own: 1, copy: 1 }, 'a');
  before.right.tick(0);
  before.right.tick(5000);
  const after = right(before.kept(), 'a');
  after.right.tick(0);
  expect(after.asked[0]?.n).toBeGreaterThan(before.asked[1]?.n ?? 0);
});

it('an order does not ask while the active one may count on what it was told', () => {
  const { right: follower, asked } = right({ epoch: 1, copy: 1 });
  follower.met({ ...hello, own: 1, active: true }, 10_000);
  follower.copied(1, 10_000);
  expect(follower.supports(1, 10_000)).toBe(true);
  follower.lost(11_000);
  expect(follower.takeOver(11_000, { fenced: false })).toBe('asked');
  expect(asked).toEqual([]);
  follower.tick(15_000);
  expect(asked).toMatchObject([{ kind: 'take', epoch: 2 }]);
});

it('a follower takes nothing over before it has everything on this line: what is acknowledged meanwhile it has not', () => {
  const { right: follower, asked, kept } = right({ epoch: 1, copy: 1 });
  follower.met({ ...hello, own: 1, active: true }, 0);
  follower.supports(1, 0);
  follower.lost(1000);
  follower.tick(60_000);
  expect(asked).toEqual([]);
  expect(right(kept()).right.takeOver(60_000, { fenced: false })).toBe('not-current');
  follower.met({ ...hello, own: 1, active: true }, 60_000);
  follower.copied(1, 60_000);
  follower.supports(1, 61_000);
  follower.lost(62_000);
  follower.tick(70_000);
  expect(asked).toMatchObject([{ kind: 'take', epoch: 2 }]);
});

it('one that nobody could replace goes on when its new follower has everything, also without the witness', () => {
  const { right: active } = right({ epoch: 1, own: 1, copy: 1, sole: true }, 'a');
  active.met(hello, 50_000);
  active.caughtUp(50_000);
  expect(active.kept().sole).toBe(false);
  expect(active.isActive(50_000)).toBe(true);
  expect(active.isActive(54_000)).toBe(false);
});

it('an order has its own answer, and not the refusal of one before', () => {
  const { right: follower } = right({ epoch: 1, copy: 1 });
  follower.tick(60_000);
  follower.answered(1, { granted: false, epoch: 1, n: 1, why: 'held' }, 60_000);
  expect(follower.refusal()).toBe('held');
  expect(follower.takeOver(61_000, { fenced: false })).toBe('asked');
  expect(follower.refusal()).toBeUndefined();
});

it('one whose right was over and is given again holds nobody for current before that one has everything anew', () => {
  const { right: active, asked } = right({ epoch: 1, own: 1, copy: 1 }, 'a');
  active.tick(0);
  active.answered(1, { granted: true, epoch: 1, n: 1 }, 0);
  active.met(hello, 0);
  active.caughtUp(0);
  active.tick(1000);
  expect(asked.at(-1)).toMatchObject({ kind: 'renew', mayTake: true });
  active.answered(2, { granted: true, epoch: 1, n: 2 }, 1000);
  // Nobody renews it in time, and the line is there all the while.
  active.tick(5100);
  expect(active.isActive(5100)).toBe(false);
  expect(asked.at(-1)).toMatchObject({ kind: 'renew', mayTake: false });
  // What the other one was asked before counts no more: it has not heard that another daemon serves next.
  active.supported(5000, 5150);
  expect(active.isActive(5200)).toBe(false);
  active.answered(3, { granted: true, epoch: 1, n: 3 }, 5200);
  expect(active.isActive(5200)).toBe(true);
  expect(active.kept().sole).toBe(true);
});

it.each(['the other one', 'the witness'])(
  'one whose right was over for a moment, before %s renews it late, knows that it was',
  (who) => {
    const { right: active, asked } = right({ epoch: 1, own: 1, copy: 1 }, 'a');
    active.tick(0);
    active.answered(1, { granted: true, epoch: 1, n: 1 }, 0);
    active.met(hello, 0);
    active.caughtUp(0);
    active.tick(3000);
    // Between two ticks: its daemon may have ended by now, for whoever asked.
    expect(active.isActive(4010)).toBe(false);
    if (who === 'the witness') active.answered(2, { granted: true, epoch: 1, n: 2 }, 4020);
    else active.supported(3500, 4020);
    expect(active.isActive(4020)).toBe(false);
    active.tick(4100);
    expect(asked.at(-1)).toMatchObject({ kind: 'renew', mayTake: false });
  },
);

it('one that never met the other one, and takes over because that is off, may know nothing of what it has promised', () => {
  const { right: never } = right({});
  expect(never.takeOver(0, { fenced: true })).toBe('done');
  expect(never.source().stale).toBe(true);
  const { right: follower } = right({ epoch: 1, copy: 1 });
  expect(follower.takeOver(0, { fenced: true })).toBe('done');
  expect(follower.source().stale).toBe(false);
});

it('whoever has everything when the right is over is not counted upon: the next daemon tells it anew', () => {
  const { right: active, kept } = right({ epoch: 1, own: 1, copy: 1 }, 'a');
  active.met(hello, 0);
  active.supported(0, 0);
  expect(active.caughtUp(LEASE_MS)).toBe(false);
  active.supported(LEASE_MS + 1, LEASE_MS + 1);
  expect(kept().ahead).toBe(false);
  active.begun();
  // As of the beginning: nobody has what it serves with now.
  expect(kept().ahead).toBe(true);
  expect(active.caughtUp(LEASE_MS + 2)).toBe(true);
  expect(kept().ahead).toBe(false);
});

it('takes on a later right of its own of which the witness alone knows: nobody else has it, and no other is renewed', () => {
  const { right: active, asked, kept } = right({ epoch: 1, own: 1, copy: 1 }, 'a');
  active.tick(0);
  active.answered(1, { granted: false, epoch: 3, n: asked[0]?.n ?? 0, why: 'superseded' }, 100);
  expect(kept()).toMatchObject({ epoch: 3, own: 3, copy: 3 });
  active.tick(2000);
  expect(asked.at(-1)).toMatchObject({ kind: 'renew', epoch: 3, mayTake: false });
  // One of the other one's it only hears of.
  active.answered(2, { granted: false, epoch: 4, n: asked[1]?.n ?? 0, why: 'superseded' }, 2100);
  expect(kept()).toMatchObject({ epoch: 4, own: 3 });
  expect(active.isActive(2100)).toBe(false);
});
