/**
 * The addresses whose questions somebody wants to see, shared by the main thread, which writes them, and the UDP threads.
 *
 * A thread looks once for each batch whether there are any: while no machine boots that is one read of one word. Two tables
 * take turns: the one that is not in use is filled, then named the one in use, so that a reader never waits and a lookup
 * needs no lock. A reader that is still in the old table when it is filled again, a second later, misses a question at worst.
 *
 * Linear probing, half full at most; IPv4 only, because machines boot over IPv4.
 */
import { limit } from '../limits.ts';

/** Words before the tables: how many addresses, and which table is in use. */
const COUNT = 0;
const TURN = 1;
const HEAD = 2;
/** Knuth, The Art of Computer Programming, volume 3, section 6.4: 2^32 divided by the golden ratio. */
const SPREAD = 0x9e37_79b1;

const slots = () => 2 ** Math.ceil(Math.log2(2 * limit('flightAskersMax') + 2));

export function makeAskerTable(): SharedArrayBuffer {
  return new SharedArrayBuffer((HEAD + 2 * slots()) * 4);
}

export class AskerTable {
  private readonly words: Int32Array;
  private readonly mask: number;

  constructor(shared: SharedArrayBuffer) {
    this.words = new Int32Array(shared);
    this.mask = (this.words.length - HEAD) / 2 - 1;
  }

  get any(): boolean {
    return Atomics.load(this.words, COUNT) > 0;
  }

  /** The main thread's part: from now on these addresses, and as many as the table holds. */
  set(addresses: readonly number[]): void {
    const { words, mask } = this;
    const turn = 1 - Atomics.load(words, TURN);
    const from = HEAD + turn * (mask + 1);
    words.fill(0, from, from + mask + 1);
    const taken = addresses.slice(0, (mask + 1) / 2);
    for (const address of taken) {
      let at = this.placeOf(address);
      while ((words[from + at] ?? 0) !== 0) at = (at + 1) & mask;
      words[from + at] = address | 0;
    }
    Atomics.store(words, TURN, turn);
    Atomics.store(words, COUNT, taken.length);
  }

  /** @param address an IPv4 address that is not 0.0.0.0 */
  has(address: number): boolean {
    const { words, mask } = this;
    const from = HEAD + Atomics.load(words, TURN) * (mask + 1);
    for (let at = this.placeOf(address), looked = 0; looked <= mask; looked++) {
      const found = words[from + at] ?? 0;
      if (found === (address | 0)) return true;
      if (found === 0) return false;
      at = (at + 1) & mask;
    }
    return false;
  }

  private placeOf(address: number): number {
    return (Math.imul(address, SPREAD) >>> 15) & this.mask;
  }
}
