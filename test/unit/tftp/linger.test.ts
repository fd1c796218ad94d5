/** When asking a socket again pays, and what it costs where it does not. */
import { expect, it } from 'vitest';
import { createLinger } from '../../../src/tftp/linger.ts';

/** How many of these turns are asked, when what becomes of each is known. */
function asked(turns: number, caught: (turn: number) => boolean): number {
  const linger = createLinger();
  let count = 0;
  for (let turn = 0; turn < turns; turn++) {
    if (!linger.pays()) continue;
    count += 1;
    linger.ended(caught(turn));
  }
  return count;
}

it('goes on as long as something comes now and then', () => {
  expect(asked(10_000, () => true)).toBe(10_000);
  expect(asked(10_000, (turn) => turn % 5 === 0)).toBe(10_000);
});

it('ends where all is in vain, but for one turn in 64', () => {
  const count = asked(6408, () => false);
  expect(count).toBe(8 + 100);
});

it('begins again with the first turn that was not', () => {
  const count = asked(1000, (turn) => turn >= 500);
  expect(count).toBeGreaterThan(1000 - 500 - 64);
});
