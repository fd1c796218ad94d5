/** What a lost block costs where blocks travel in windows: once what was on its way, and nothing of the windows after it. */
import { describe, expect, it } from 'vitest';
import { chance } from '../../support/mutate.ts';
import { type Passage, passWindows, RECEIVERS } from '../../support/tftp-window.ts';

const LINKS = [
  { name: 'a switch', delayMs: 0.05, blockMs: 0.01 },
  { name: 'a slow card', delayMs: 0.1, blockMs: 0.1 },
  { name: 'another city', delayMs: 5, blockMs: 0.01 },
];
const BLOCKS = 501;

const cases = RECEIVERS.flatMap((receiver) =>
  [2, 4, 8, 16, 32, 64].map((windowsize) => ({ receiver, windowsize })),
);

describe.each(cases)('a window of $windowsize, to who answers $receiver', (told) => {
  const pass = (link: (typeof LINKS)[number], how: Partial<Passage>) =>
    passWindows({ ...told, ...link, blocks: BLOCKS, lose: () => false, ...how });
  const { windowsize } = told;
  const lastWindow = Math.floor((BLOCKS - 1) / windowsize) * windowsize;

  it('sends each block once without loss', () => {
    for (const link of LINKS) {
      const { ok, ms, blocksSent } = pass(link, {});
      expect({ ok, blocksSent }).toEqual({ ok: true, blocksSent: BLOCKS });
      const windows = Math.ceil(BLOCKS / windowsize);
      const needed = windows * 2 * link.delayMs + BLOCKS * link.blockMs;
      expect(ms, link.name).toBeLessThan(needed + 2 * link.delayMs + 1);
    }
  });

  it('is sent again once for a lost block, whichever it is', () => {
    for (const link of LINKS) {
      for (const before of [0, windowsize, 128, lastWindow - windowsize, lastWindow]) {
        // In the first one nothing is known of the link but how soon the options were answered.
        const most = before === 0 ? 2 * windowsize : windowsize;
        for (let at = 1; at <= windowsize; at++) {
          const lost = before + at;
          if (lost > BLOCKS) break;
          const lose: Passage['lose'] = ({ block, copy, isAck }) =>
            !isAck && block === lost && copy === 0;
          const { ok, blocksSent } = pass(link, { lose });
          expect(ok).toBe(true);
          expect(blocksSent - BLOCKS, `${link.name}, ${lost}`).toBeLessThanOrEqual(most);
        }
      }
    }
  });

  it('is sent again once for a lost ACK', () => {
    for (const link of LINKS) {
      let acks = 0;
      const lose: Passage['lose'] = ({ isAck }) => isAck && ++acks === 4;
      const { ok, blocksSent } = pass(link, { lose });
      expect(ok).toBe(true);
      expect(blocksSent - BLOCKS, link.name).toBeLessThanOrEqual(windowsize);
    }
  });

  it('costs no more than itself for each loss at 1 %, and all of it arrives', () => {
    for (const link of LINKS) {
      for (let seed = 1; seed <= 8; seed++) {
        const roll = chance(seed);
        const { ok, blocksSent, lost } = pass(link, { lose: () => roll() < 0.01 });
        expect(ok, `${link.name}, seed ${seed}`).toBe(true);
        const most = 1.1 * BLOCKS + lost * windowsize;
        expect(blocksSent, `${link.name}, seed ${seed}`).toBeLessThanOrEqual(most);
      }
    }
  });

  it.each([4, 70])('is sent again once at most for a pause of %i ms', (ms) => {
    for (const link of LINKS) {
      const pause = { afterBlocks: 100, ms };
      const lose: Passage['lose'] = ({ block, copy, isAck }) =>
        !isAck && block === 2 * windowsize && copy === 0;
      const { ok, blocksSent } = pass(link, { pause, lose });
      expect(ok).toBe(true);
      const most = BLOCKS + (1 + BLOCKS / pause.afterBlocks) * windowsize;
      expect(blocksSent, link.name).toBeLessThanOrEqual(most);
    }
  });
});
