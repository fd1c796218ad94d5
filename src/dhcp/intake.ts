/**
 * What waits to be answered, when more comes in than can be answered at once.
 *
 * A hall that powers on sends a thousand requests in a second, and each client sends again after a few. Three rules keep
 * that useful: a REQUEST goes before a DISCOVER, because it ends an exchange that has begun; a client's newer packet
 * takes the place of its older one; and what has waited for longer than a client would wait is dropped. So every answer that
 * leaves is still wanted, and who was dropped asks again.
 *
 * A flood takes nothing from others than its own kind behind its own relay: every fourth place is left to what is no REQUEST,
 * and when there is no more room, the oldest of the largest crowd goes, a crowd being the packets of one kind and one relay.
 *
 * No clock, no socket: time is handed in. The bytes are copied, because the receive buffer is used again.
 */
import { limit } from '../limits.ts';
import type { Mac } from '../wire/mac.ts';
import { createSlab } from '../wire/slab.ts';
import type { Millis } from '../wire/time.ts';
import { MESSAGE, OPTION } from './options.ts';

export interface Waiting<Socket> {
  readonly socket: Socket;
  readonly bytes: Uint8Array;
  readonly source: { readonly address: string; readonly port: number };
  /** `chaddr` as text, should it be an Ethernet address. */
  readonly mac?: Mac | undefined;
  readonly at: Millis;
}

export const SHED_REASONS = ['superseded', 'overflow', 'waited-too-long'] as const;
export type ShedReason = (typeof SHED_REASONS)[number];

export interface Intake<Socket> {
  add(packet: Waiting<Socket>): void;
  /** The next packets to answer, at most `count`. */
  take(count: number, now: Millis): Waiting<Socket>[];
  size(): number;
}

/** Looked up once: they are asked for with every packet. */
const WAITING_MAX = limit('dhcpWaitingMax');
const WAIT_MAX_MS = limit('dhcpWaitMaxMs');

/** Then one place is another kind's, if any waits. */
const REQUESTS_IN_A_ROW = 3;

const OPTIONS_AT = 240;
const XID_AT = 4;
const GIADDR_AT = 24;
const CHADDR_AT = 28;

/** One kind of packets, the oldest first. */
interface Queue<Socket> {
  readonly waiting: Map<string, Waiting<Socket>>;
  /** Where the oldest is. It is kept: one that is made anew looks through the places of all that were taken. */
  order: MapIterator<string>;
  /** How many wait of each relay; 0 are the clients that no relay speaks for. */
  readonly crowds: Map<number, number>;
}

export function createIntake<Socket>(onShed: (reason: ShedReason) => void): Intake<Socket> {
  const requests = createQueue<Socket>();
  const others = createQueue<Socket>();
  const room = createSlab();
  /** REQUESTs taken since something else was. */
  let inARow = 0;
  const size = (): number => requests.waiting.size + others.waiting.size;
  const shedOne = (): void => {
    const [fromRequests, fromOthers] = [largest(requests), largest(others)];
    const queue = fromRequests.count > fromOthers.count ? requests : others;
    const { relay } = queue === requests ? fromRequests : fromOthers;
    if (relay === undefined || queue.crowds.size === 1) {
      if (takeOldest(queue)) onShed('overflow');
      return;
    }
    for (const [key, { bytes }] of queue.waiting) {
      if (relayOf(bytes) !== relay) continue;
      remove(queue, key);
      onShed('overflow');
      return;
    }
  };
  /** Of both kinds: what is never its turn would otherwise be answered long after its client has given up. */
  const shedOld = (queue: Queue<Socket>, now: Millis): void => {
    for (const [key, { at }] of queue.waiting) {
      if (now - at <= WAIT_MAX_MS) return;
      remove(queue, key);
      onShed('waited-too-long');
    }
  };
  const next = (): Waiting<Socket> | undefined => {
    const isTurnOfOthers = inARow >= REQUESTS_IN_A_ROW && others.waiting.size > 0;
    const queue = isTurnOfOthers || requests.waiting.size === 0 ? others : requests;
    inARow = queue === requests ? inARow + 1 : 0;
    return takeOldest(queue);
  };
  return {
    add(packet) {
      const queue = isRequest(packet.bytes) ? requests : others;
      const key = clientKey(packet.bytes);
      if (remove(queue, key)) onShed('superseded');
      count(queue, packet.bytes, 1);
      const { socket, source, mac, at } = packet;
      const bytes = room(packet.bytes.length);
      bytes.set(packet.bytes);
      queue.waiting.set(key, { socket, bytes, source, mac, at });
      if (size() > WAITING_MAX) shedOne();
    },
    take(most, now) {
      shedOld(requests, now);
      shedOld(others, now);
      const taken: Waiting<Socket>[] = [];
      while (taken.length < most) {
        const packet = next();
        if (!packet) break;
        taken.push(packet);
      }
      return taken;
    },
    size,
  };
}

function createQueue<Socket>(): Queue<Socket> {
  const waiting = new Map<string, Waiting<Socket>>();
  return { waiting, order: waiting.keys(), crowds: new Map() };
}

function takeOldest<Socket>(queue: Queue<Socket>): Waiting<Socket> | undefined {
  let next = queue.order.next();
  if (next.done) {
    // Once at its end, it stays there.
    queue.order = queue.waiting.keys();
    next = queue.order.next();
  }
  return next.done ? undefined : remove(queue, next.value);
}

function remove<Socket>(queue: Queue<Socket>, key: string): Waiting<Socket> | undefined {
  const packet = queue.waiting.get(key);
  if (!packet) return undefined;
  queue.waiting.delete(key);
  count(queue, packet.bytes, -1);
  return packet;
}

function count({ crowds }: Queue<unknown>, bytes: Uint8Array, by: 1 | -1): void {
  const relay = relayOf(bytes);
  const left = (crowds.get(relay) ?? 0) + by;
  if (left === 0) crowds.delete(relay);
  else crowds.set(relay, left);
}

/** The relay agent's address as a number (`giaddr`). */
function relayOf(bytes: Uint8Array): number {
  return (
    (bytes[GIADDR_AT] ?? 0) * 0x1000000 +
    (((bytes[GIADDR_AT + 1] ?? 0) << 16) |
      ((bytes[GIADDR_AT + 2] ?? 0) << 8) |
      (bytes[GIADDR_AT + 3] ?? 0))
  );
}

/** More relays than a site has: then somebody makes them up, and all of the queue is one crowd. */
const RELAYS_LOOKED_AT = 64;

function largest({ waiting, crowds }: Queue<unknown>): {
  relay: number | undefined;
  count: number;
} {
  if (crowds.size > RELAYS_LOOKED_AT) return { relay: undefined, count: waiting.size };
  let most: { relay: number | undefined; count: number } = { relay: undefined, count: 0 };
  for (const [relay, count] of crowds) if (count > most.count) most = { relay, count };
  return most;
}

/** Option 53 comes first in the packets of every client met so far; anything else waits with the DISCOVERs. */
function isRequest(bytes: Uint8Array): boolean {
  return (
    bytes[OPTIONS_AT] === OPTION.messageType &&
    bytes[OPTIONS_AT + 1] === 1 &&
    bytes[OPTIONS_AT + 2] === MESSAGE.request
  );
}

/** Relay and hardware address, and for RELEASE and its like the transaction too, so that none replaces another. */
function clientKey(bytes: Uint8Array): string {
  const end = CHADDR_AT + 16;
  let key = bytes.length < end ? `${bytes.length}` : '';
  const from = isDiscoverOrRequest(bytes) ? GIADDR_AT : XID_AT;
  for (let at = from; at < end; at += 4) {
    key += String.fromCharCode(
      ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0),
      ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0),
    );
  }
  return key;
}

function isDiscoverOrRequest(bytes: Uint8Array): boolean {
  const type = bytes[OPTIONS_AT] === OPTION.messageType ? bytes[OPTIONS_AT + 2] : undefined;
  return type === MESSAGE.discover || type === MESSAGE.request;
}
