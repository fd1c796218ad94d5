/**
 * Who has sent something lately, by hardware address: how much of it, how the address is written, and what waits of it (intake.ts).
 *
 * Each may send so much in a second (a fixed window). There are so many places; when all are taken, whoever comes has the place of
 * the one that came first of all, so made-up addresses cost no memory. Of whom something waits, he keeps his place. The text is
 * kept because it is the key of everything that is looked up for a packet: made once, every map that is asked for it finds
 * the very text that it holds.
 *
 * The table is our own: a hall that powers on is all new senders, and a Map that forgets one for each that it learns costs several
 * times as much, and leaves the collector an object for each. Nobody can foresee who shares a chain, and so make one long.
 */
import { limit } from '../limits.ts';
import { type Mac, macFromBytes, macNumber } from '../wire/mac.ts';
import type { Clock } from '../wire/time.ts';
import type { Client } from './intake.ts';

/** A place, and who has it. */
export interface Sender<Socket> extends Client<Socket> {
  mac: Mac;
  number: number;
  startedAt: number;
  count: number;
  /** The next one of the same chain. */
  next: Sender<Socket> | undefined;
}

const CHADDR_AT = 28;
/** Looked up once: they are asked for with every packet. */
const PER_SECOND_MAX = limit('dhcpPacketsPerMacPerSecond');
/** Many more than packets can wait (`dhcpWaitingMax`): there is always a place to be given away. */
const SENDERS_MAX = limit('dhcpTrackedMacs');
const CHAIN_BITS = 16;

/** @returns for each packet its sender; nothing when that has sent too much */
export function admitSenders<Socket>(
  clock: Clock,
): (bytes: Uint8Array) => Sender<Socket> | undefined {
  /** In the order in which they were taken, from `oldest` on and around. */
  const places: Sender<Socket>[] = [];
  let oldest = 0;
  const chains = new Array<Sender<Socket> | undefined>(1 << CHAIN_BITS).fill(undefined);
  const chainOf = createHash(CHAIN_BITS);

  const place = (): Sender<Socket> => {
    if (places.length < SENDERS_MAX) {
      const made = createPlace<Socket>();
      places.push(made);
      return made;
    }
    for (;;) {
      const taken = places[oldest] as Sender<Socket>;
      oldest = (oldest + 1) % SENDERS_MAX;
      if (taken.newest) continue;
      forget(taken);
      return taken;
    }
  };
  const forget = (sender: Sender<Socket>): void => {
    const chain = chainOf(sender.number);
    let one = chains[chain];
    if (one === sender) chains[chain] = sender.next;
    else {
      while (one && one.next !== sender) one = one.next;
      if (one) one.next = sender.next;
    }
  };
  return (bytes) => {
    const now = clock();
    const number = macNumber(bytes, CHADDR_AT);
    const chain = chainOf(number);
    let sender = chains[chain];
    while (sender && sender.number !== number) sender = sender.next;
    if (!sender) {
      sender = place();
      sender.mac = macFromBytes(bytes, CHADDR_AT);
      sender.number = number;
      sender.startedAt = now;
      sender.count = 0;
      // Not sooner: who gave the place away may have been of this chain.
      sender.next = chains[chain];
      chains[chain] = sender;
    }
    if (now - sender.startedAt >= 1000) {
      sender.startedAt = now;
      sender.count = 0;
    }
    sender.count += 1;
    return sender.count <= PER_SECOND_MAX ? sender : undefined;
  };
}

function createPlace<Socket>(): Sender<Socket> {
  return {
    ...{ mac: '' as Mac, number: 0, startedAt: 0, count: 0 },
    ...{ next: undefined, newest: undefined },
  };
}

/** @returns of 48 bits so many, by multipliers that nobody knows */
function createHash(bits: number): (number: number) => number {
  const [high, low] = [oddNumber(), oddNumber()];
  return (number) =>
    (Math.imul(number / 0x1_0000_0000, high) + Math.imul(number, low)) >>> (32 - bits);
}

function oddNumber(): number {
  return (Math.random() * 0x1_0000_0000) | 1;
}
