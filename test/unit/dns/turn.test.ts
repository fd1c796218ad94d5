import { describe, expect, it } from 'vitest';
import { Turns } from '../../../src/nameserver/turn.ts';

const SHARE_MS = 4;

/** Its time goes by while somebody works, and at no other time. */
let nowMs = 0;
const openTurns = () => new Turns(SHARE_MS, () => nowMs);

/** Works `shares` times as long as one share, giving way when its time is over. */
async function worker(turns: Turns, shares: number, note: () => void): Promise<void> {
  const before = turns.enter();
  if (before) await before;
  for (let share = 0; share < shares; share++) {
    note();
    nowMs += SHARE_MS + 1;
    if (turns.spent()) await turns.wait();
  }
}

describe('turns of the event loop', () => {
  it('who has used the share waits for the next turn of the loop', async () => {
    const turns = openTurns();
    const seen: string[] = [];
    const done = worker(turns, 2, () => seen.push('work'));
    for (let i = 0; i < 10; i++) await undefined;
    expect(seen).toEqual(['work']);
    await done;
    expect(seen).toEqual(['work', 'work']);
  });

  it('all who wait have a share each, in the order in which they came, and the loop turns in between', async () => {
    const turns = openTurns();
    const seen: string[] = [];
    let loops = 0;
    const count = () => {
      loops += 1;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    const names = ['a', 'b', 'c', 'd'];
    await Promise.all(names.map((name) => worker(turns, 3, () => seen.push(name))));
    clearImmediate(timer);
    // The first was at work before the others came, and so waits before them.
    expect(seen.join('')).toBe('aabcdabcdbcd');
    expect(loops).toBeGreaterThanOrEqual(11);
  });

  it('who is new comes behind who waits', async () => {
    const turns = openTurns();
    const seen: string[] = [];
    const first = worker(turns, 2, () => seen.push('first'));
    const second = worker(turns, 1, () => seen.push('second'));
    await Promise.all([first, second]);
    expect(seen).toEqual(['first', 'first', 'second']);
    const quick = openTurns();
    expect(quick.enter()).toBeUndefined();
    expect(quick.spent()).toBe(false);
  });
});
