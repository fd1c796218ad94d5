/**
 * Who has sent something lately, by hardware address: how much of it, and how the address is written.
 *
 * Each may send so much in a second (a fixed window); the one that came first of all is forgotten when there are too many, so
 * made-up addresses cost no memory. The text is kept because it is the key of everything that is looked up for a packet: made
 * once, every map that is asked for it finds the very text that it holds.
 */
import { limit } from '../limits.ts';
import { type Mac, macFromBytes, macNumber } from '../wire/mac.ts';
import type { Clock } from '../wire/time.ts';

export interface Sender {
  readonly mac: Mac;
  startedAt: number;
  count: number;
}

const CHADDR_AT = 28;
/** Looked up once: they are asked for with every packet. */
const PER_SECOND_MAX = limit('dhcpPacketsPerMacPerSecond');
const SENDERS_MAX = limit('dhcpTrackedMacs');

/** @returns for each packet its sender's address; nothing when that has sent too much */
export function admitSenders(clock: Clock): (bytes: Uint8Array) => Mac | undefined {
  const senders = new Map<number, Sender>();
  /** In the order of their coming. One for good: a new one would look through the places of all that are forgotten. */
  const oldest = senders.keys();
  return (bytes) => {
    const now = clock();
    const number = macNumber(bytes, CHADDR_AT);
    const known = senders.get(number);
    if (known) {
      if (now - known.startedAt >= 1000) {
        known.startedAt = now;
        known.count = 0;
      }
      known.count += 1;
      return known.count <= PER_SECOND_MAX ? known.mac : undefined;
    }
    const mac = macFromBytes(bytes.subarray(CHADDR_AT, CHADDR_AT + 6));
    senders.set(number, { mac, startedAt: now, count: 1 });
    if (senders.size > SENDERS_MAX) {
      const { value } = oldest.next();
      if (value !== undefined) senders.delete(value);
    }
    return mac;
  };
}
