/** Who has the right to be active and cannot begin leaves it to the other one: on the line they have, or by the witness when they have none. */
import { expect, it } from 'vitest';
import { FRESH, type KeptRight } from '../../../src/standby/kept-right.ts';
import { createRight, type Right } from '../../../src/standby/right.ts';
import { judge, type Member, type WitnessRow } from '../../../src/standby/witness.ts';

const LEASE_MS = 4000;

function pair(kept: Record<Member, Partial<KeptRight>>, witness = true) {
  const world = {
    now: 0,
    can: { a: true, b: true },
    row: undefined as WitnessRow | undefined,
  };
  const made = (member: Member): Right => {
    const right: Right = createRight(
      {
        ...{ member, witness, leaseMs: LEASE_MS, keep: () => undefined },
        canServe: () => world.can[member],
        ask(question, id) {
          const { answer, row } = judge(world.row, question, world.now);
          world.row = row ?? world.row;
          queueMicrotask(() => right.answered(id, answer, world.now));
        },
      },
      { ...FRESH, ...kept[member] },
      0,
    );
    return right;
  };
  const [a, b] = [made('a'), made('b')];
  const hello = (from: Right, to: Right) => to.met({ ...from.kept(), active: false }, world.now);
  const run = async (ms: number) => {
    for (const end = world.now + ms; world.now < end; world.now += 100) {
      for (const right of [a, b]) right.tick(world.now);
      await Promise.resolve();
    }
  };
  return { world, a, b, hello, run };
}

const BOTH = { epoch: 1, copy: 1 };

it('in touch, to a follower that has everything', () => {
  const { a, b, hello } = pair({ a: { ...BOTH, own: 1 }, b: BOTH });
  expect(a.mayYield()).toBe(false);
  hello(b, a);
  expect(a.mayYield()).toBe(true);
  expect(a.handOver()).toBe(2);
  hello(a, b);
  expect(b.isActive(0)).toBe(true);
  expect(b.source().stale).toBe(false);
  expect(b.kept()).toMatchObject({ epoch: 2, own: 2, copy: 2, unbegun: 1 });
});

it('and back, when that one cannot begin either; not any more once it has', () => {
  const { a, b, hello } = pair({
    a: { epoch: 2, own: 1, copy: 1 },
    b: { epoch: 2, own: 2, copy: 2, sole: true, unbegun: 1 },
  });
  hello(a, b);
  expect(b.mayYield()).toBe(true);
  b.handOver();
  hello(b, a);
  expect(a.isActive(0)).toBe(true);
  expect(a.source().stale).toBe(false);
  const begun = pair({
    a: { epoch: 2, own: 1, copy: 1 },
    b: { epoch: 2, own: 2, copy: 2, sole: true, unbegun: 1 },
  });
  begun.b.begun();
  begun.hello(begun.a, begun.b);
  expect(begun.b.mayYield()).toBe(false);
});

it('not to one that has not everything: what it would take over with is of before', () => {
  const { a, b, hello } = pair({ a: { ...BOTH, own: 1, sole: true }, b: BOTH });
  hello(b, a);
  expect(a.mayYield()).toBe(false);
  const behind = pair({ a: { epoch: 3, own: 3, copy: 3 }, b: { epoch: 3, copy: 1 } });
  behind.hello(behind.b, behind.a);
  expect(behind.a.mayYield()).toBe(false);
});

it('gives a right back that it hears of only after the other one has served without it', () => {
  const kept = { a: { epoch: 2, own: 1, copy: 1, ahead: true }, b: { ...BOTH, idle: true } };
  const { a, b, hello } = pair(kept);
  hello(a, b);
  expect(b.isNewest()).toBe(false);
  hello(b, a);
  expect(a.isActive(0)).toBe(true);
  expect(a.source().stale).toBe(false);
});

it('notes that it may serve alone when the other one says that it stops, which may have been given a right unheard', async () => {
  const { world, a, b, hello, run } = pair({ a: { ...BOTH, own: 1 }, b: { ...BOTH, idle: true } });
  hello(b, a);
  a.supported(0, 0);
  expect(a.caughtUp(0)).toBe(true);
  b.copied(1, 0);
  a.left(b.leave());
  expect(a.kept()).toMatchObject({ sole: true, ahead: true });
  // It was asked for before the two had met; the answer was lost. So `a` hears of it, after it has acknowledged alone.
  world.row = { epoch: 2, holder: 'b', untilMs: 0, mayTake: false, n: 1 };
  a.lost(0);
  await run(1000);
  const again = pair({ a: a.kept(), b: b.kept() });
  expect(again.a.kept()).toMatchObject({ epoch: 2, own: 1, ahead: true });
  again.hello(again.a, again.b);
  // In one writing: a crash after the first of two would leave it with a right that nobody can replace.
  expect(again.b.kept()).toMatchObject({ epoch: 3, own: 0, copy: 1, sole: false });
  again.hello(again.b, again.a);
  expect(again.a.isActive(0)).toBe(true);
  expect(again.a.source()).toEqual({ stale: false, original: true });
  // What it has served is in its database still, whatever its right is called.
  expect(again.a.kept()).toMatchObject({ epoch: 3, own: 3, sole: true, ahead: true });
});

/** A person knows that `b` is off. What that had asked for before is given later, under a higher epoch. */
function ordered() {
  const made = pair({ a: { ...BOTH, own: 1, sole: true }, b: BOTH });
  expect(made.a.takeOver(0, { fenced: true })).toBe('done');
  expect(made.a.kept()).toMatchObject({ epoch: 3, own: 3, copy: 3, ahead: true });
  const given = (): void => {
    made.world.row = { epoch: 4, holder: 'b', untilMs: 0, mayTake: false, n: 1 };
  };
  return { ...made, given };
}

it('nor takes one with a copy of before an order, under which the other one has served', async () => {
  const { world, a, b, hello, given } = ordered();
  given();
  a.tick(0);
  await Promise.resolve();
  expect([a.kept().epoch, a.isActive(0)]).toEqual([4, false]);
  hello(a, b);
  expect(b.kept()).toMatchObject({ epoch: 4, own: 0, copy: 1 });
  hello(b, a);
  expect(a.kept()).toMatchObject({ epoch: 5, own: 5, ahead: true });
  expect([a.isActive(0), a.source().original]).toEqual([true, true]);
  // The witness has it from then on, and refuses `b` what it asks for.
  a.tick(0);
  expect(world.row).toMatchObject({ epoch: 5, holder: 'a' });
  hello(a, b);
  expect(b.kept()).toMatchObject({ epoch: 5, own: 0, copy: 1 });
});

it('nor with a copy of after it that had not everything yet', async () => {
  const { a, b, hello, given } = ordered();
  hello(b, a);
  b.supports(3, 0);
  b.copied(3, 0);
  // The line breaks before `a` hears of that: it acknowledges alone still.
  a.lost(0);
  given();
  await Promise.resolve();
  a.tick(2000);
  await Promise.resolve();
  expect(a.kept()).toMatchObject({ epoch: 4, own: 3, ahead: true });
  hello(a, b);
  expect(b.kept()).toMatchObject({ own: 0, copy: 3 });
  hello(b, a);
  expect(a.isActive(2000)).toBe(true);
});

it('takes the right of which it did not hear when the other one has served nothing alone', () => {
  const { a, b, hello } = pair({ a: { epoch: 2, own: 1, copy: 1 }, b: { ...BOTH, idle: true } });
  hello(a, b);
  expect(b.kept()).toMatchObject({ epoch: 2, own: 2, copy: 2 });
});

it('counts on nobody under a new right, on a line on which the other one had everything under the one before', () => {
  const { world, a, b, hello } = pair({ a: { ...BOTH, own: 1 }, b: BOTH });
  hello(b, a);
  a.supported(0, 0);
  expect(a.caughtUp(0)).toBe(true);
  a.tick(1000);
  world.row = { epoch: 2, holder: 'b', untilMs: 0, mayTake: false, n: 1 };
  a.supports(2, 1000);
  a.copied(2, 1000);
  a.given(3, 1000);
  expect([a.isNewest(), a.countsOnOther()]).toEqual([true, false]);
  a.begun();
  expect(a.kept().ahead).toBe(true);
});

it('keeps its own right when a follower that has everything was ahead of it once', () => {
  const { a, b, hello } = pair({
    a: { epoch: 2, own: 1, copy: 2, ahead: true },
    b: { epoch: 2, own: 2, copy: 2 },
  });
  hello(a, b);
  expect(b.isNewest()).toBe(true);
});

it.each([
  ['with', true],
  ['without', false],
])('not to one that has not what was changed since the start, %s a witness', (_how, witness) => {
  const { a, b, hello } = pair({ a: { ...BOTH, own: 1 }, b: BOTH }, witness);
  hello(b, a);
  a.begun();
  expect(a.mayYield()).toBe(false);
  a.supported(0, 0);
  expect(a.caughtUp(0)).toBe(true);
  expect(a.mayYield()).toBe(true);
  // Days after the other one was lost it is started anew, and cannot begin: with a witness that has it in writing.
  a.lost(0);
  const again = pair({ a: a.kept(), b: b.kept() }, witness);
  again.hello(again.b, again.a);
  expect(again.a.mayYield()).toBe(witness);
  // One that has not begun has changed nothing, however often the line breaks.
  const unbegun = pair({ a: { ...BOTH, own: 1 }, b: BOTH }, witness);
  unbegun.a.lost(0);
  unbegun.hello(unbegun.b, unbegun.a);
  expect(unbegun.a.mayYield()).toBe(true);
});

it('out of touch, by not renewing it: the other one has it when its time and a quarter is over', async () => {
  const { world, a, b, run } = pair({ a: { ...BOTH, own: 1 }, b: BOTH });
  world.row = { epoch: 1, holder: 'a', untilMs: 5000, mayTake: true, n: 0 };
  world.can.a = false;
  await run(4900);
  expect(b.isActive(world.now)).toBe(false);
  await run(1500);
  expect(b.isActive(world.now)).toBe(true);
  expect(a.isActive(world.now)).toBe(false);
});
