/** Whatever the link does, a transfer ends in the right bytes or in a failure that has a name. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OPCODE } from '../../../src/tftp/packet.ts';
import { chance } from '../../support/mutate.ts';
import { badLink, createTftpWorld, endpoint, fetchFile } from '../../support/tftp-world.ts';

/** Numbers that differ everywhere, so that a block in the wrong place is seen. */
function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + (at >>> 8) * 7 + (at >>> 16)) & 0xff;
  return bytes;
}

const rate = fc.double({ min: 0, max: 0.3, noNaN: true });
const SIX_MINUTES = 360_000;

describe.each([1, 2, 4, 16, 32])('window %i', (windowsize) => {
  it('loss, repetition and reordering below 30 % end in the right bytes or a named failure', () => {
    fc.assert(
      fc.property(
        fc.record({ loss: rate, repeat: rate, swap: rate }),
        fc.integer({ min: 0, max: 60_000 }),
        fc.integer({ min: 1, max: 1_000_000 }),
        (rates, size, seed) => {
          const bytes = pattern(size);
          const world = createTftpWorld({ f: bytes }, { link: badLink(rates, chance(seed)) });
          const words = { blksize: '700', tsize: '0', windowsize: `${windowsize}` };
          const fetch = fetchFile(world, endpoint(), 'f', words);
          const over = () => world.engine.active === 0 && fetch.outcome() !== 'running';
          world.run(SIX_MINUTES, over);
          expect(world.errors).toEqual([]);
          expect(over()).toBe(true);
          if (fetch.outcome() === 'whole') expect(fetch.got().equals(bytes)).toBe(true);
          else expect(fetch.outcome()).toMatch(/\w/);
          const named = world.events.map(({ name }) => name);
          const begun = named.filter((name) => name === 'tftp.started').length;
          expect(named.length - begun).toBe(begun);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('at 5 % loss every transfer arrives', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const bytes = pattern(30_000 + seed * 700);
      const rates = { loss: 0.05, repeat: 0.02, swap: 0.05 };
      const world = createTftpWorld({ f: bytes }, { link: badLink(rates, chance(seed)) });
      const fetch = fetchFile(world, endpoint(), 'f', { windowsize: `${windowsize}` });
      world.run(SIX_MINUTES, () => world.engine.active === 0 && fetch.outcome() !== 'running');
      expect(fetch.outcome(), `seed ${seed}`).toBe('whole');
      expect(fetch.got().equals(bytes), `seed ${seed}`).toBe(true);
    }
  });
});

describe('the Sorcerer’s Apprentice', () => {
  it('has no broom: with every datagram repeated, each block is sent once', () => {
    const bytes = pattern(100_000);
    const twice = { deliver: () => [0.2, 0.3] };
    const world = createTftpWorld({ f: bytes }, { link: twice });
    const fetch = fetchFile(world, endpoint(), 'f');
    world.run(60_000, () => fetch.outcome() !== 'running' && world.engine.active === 0);
    expect(fetch.got().equals(bytes)).toBe(true);
    const data = world.sent.filter(({ packet }) => packet.opcode === OPCODE.data);
    expect(data.length).toBe(Math.floor(100_000 / 512) + 1);
  });

  it('has none with windows either, once one had to be sent again', () => {
    const bytes = pattern(200_000);
    let count = 0;
    // The first block of the fifth window is lost; later everything is repeated by the network.
    const link = {
      deliver() {
        count += 1;
        return count === 60 ? [] : [0.2, 0.35];
      },
    };
    const world = createTftpWorld({ f: bytes }, { link });
    const fetch = fetchFile(world, endpoint(), 'f', { windowsize: '8' });
    world.run(60_000, () => fetch.outcome() !== 'running' && world.engine.active === 0);
    expect(fetch.got().equals(bytes)).toBe(true);
    const data = world.sent.filter(({ packet }) => packet.opcode === OPCODE.data).length;
    const blocks = Math.floor(200_000 / 512) + 1;
    // A repeated block makes this receiver acknowledge inside the window, which asks for the rest of it; no more than that.
    expect(data).toBeLessThan(blocks * 2);
  });
});

describe('time', () => {
  it('is not lost with a block: the wait follows the link, not the second of RFC 1350', () => {
    let count = 0;
    const link = { deliver: () => (++count % 50 === 0 ? [] : [0.2]) };
    const bytes = pattern(512 * 400);
    const world = createTftpWorld({ f: bytes }, { link });
    const began = world.now();
    const fetch = fetchFile(world, endpoint(), 'f', { blksize: '512' });
    world.run(SIX_MINUTES, () => fetch.outcome() !== 'running');
    expect(fetch.outcome()).toBe('whole');
    // 16 blocks or ACKs are lost: one each time, and each costs the shortest wait.
    expect(world.now() - began).toBeLessThan(16 * 70 + 400);
  });

  it('never waits longer than the client asked for', () => {
    const world = createTftpWorld({ f: pattern(5000) });
    world.ask(endpoint(), 'f', { timeout: '2' });
    world.run(20_000);
    const times = world.sent.length;
    // 1 s, then every 2 s: ten in twenty seconds.
    expect(times).toBeGreaterThanOrEqual(10);
    expect(times).toBeLessThanOrEqual(12);
  });
});
