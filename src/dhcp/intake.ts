/**
 * What waits to be answered, when more comes in than can be answered at once.
 *
 * A hall that powers on sends a thousand requests in a second, and each client sends again after a few. Three rules keep
 * that useful: a REQUEST goes before a DISCOVER, because it ends an exchange that has begun; a client's newer DISCOVER or
 * REQUEST puts its older one out, and comes last; and what has waited for longer than a client would wait is dropped. So every
 * answer that leaves is still wanted, and who was dropped asks again. RELEASE and its like put nothing out: each of them counts.
 * Nor does what does not begin with its type (option 53), which no client met so far does; it has a place with the others.
 *
 * A flood takes nothing from others than its own kind behind its own relay: every fourth place is left to what is no REQUEST,
 * and when there is no more room, the oldest of the largest crowd goes, a crowd being the packets of one kind and one relay.
 *
 * What waits is linked in the order of its coming, and what waits of one client hangs on that client (senders.ts): no place needs a
 * key, and one in the middle is given up as cheaply as the first.
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

/** Whose packets have one `chaddr`, as far as it is an Ethernet address. */
export interface Client<Socket> {
  readonly mac: Mac;
  /** What waits of it; the others hang on this one. */
  newest: Place<Socket> | undefined;
}

export interface Arrival<Socket> extends Omit<Waiting<Socket>, 'mac'> {
  /** None for what is too short to name one. */
  readonly client?: Client<Socket> | undefined;
}

export const SHED_REASONS = ['superseded', 'overflow', 'waited-too-long'] as const;
export type ShedReason = (typeof SHED_REASONS)[number];

export interface Intake<Socket> {
  add(packet: Arrival<Socket>): void;
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
const GIADDR_AT = 24;
const CHADDR_AT = 28;
/** Behind an Ethernet address, and behind the field. */
const CHADDR_REST = [CHADDR_AT + 6, CHADDR_AT + 16] as const;

/** A packet that waits, and its neighbours. */
interface Place<Socket> extends Waiting<Socket> {
  readonly client: Client<Socket> | undefined;
  readonly queue: Queue<Socket>;
  readonly crowd: Crowd;
  readonly type: number;
  /** In the queue: who came before, and who came after. */
  before: Place<Socket> | undefined;
  after: Place<Socket> | undefined;
  /** The next older one of the same client, of either queue. */
  older: Place<Socket> | undefined;
}

/** The packets of one kind that one relay sent; relay 0 are the clients that none speaks for. */
interface Crowd {
  readonly relay: number;
  count: number;
}

/** One kind of packets, the oldest first. */
interface Queue<Socket> {
  first: Place<Socket> | undefined;
  last: Place<Socket> | undefined;
  size: number;
  /** Those with somebody in them. */
  readonly crowds: Map<number, Crowd>;
  /** What comes from one relay comes by thousands. */
  latest: Crowd;
}

export function createIntake<Socket>(onShed: (reason: ShedReason) => void): Intake<Socket> {
  const requests = createQueue<Socket>();
  const others = createQueue<Socket>();
  const room = createSlab();
  /** REQUESTs taken since something else was. */
  let inARow = 0;
  const size = (): number => requests.size + others.size;
  const shed = (place: Place<Socket>, reason: ShedReason): void => {
    leave(place);
    onShed(reason);
  };
  const shedOne = (): void => {
    const [fromRequests, fromOthers] = [largest(requests), largest(others)];
    const queue = fromRequests.count > fromOthers.count ? requests : others;
    const { relay } = queue === requests ? fromRequests : fromOthers;
    let place = queue.first;
    if (relay !== undefined) while (place && place.crowd.relay !== relay) place = place.after;
    if (place) shed(place, 'overflow');
  };
  /** Of both kinds: what is never its turn would otherwise be answered long after its client has given up. */
  const shedOld = ({ first }: Queue<Socket>, now: Millis): void => {
    let place = first;
    while (place && now - place.at > WAIT_MAX_MS) {
      const { after } = place;
      shed(place, 'waited-too-long');
      place = after;
    }
  };
  const next = (): Place<Socket> | undefined => {
    const isTurnOfOthers = inARow >= REQUESTS_IN_A_ROW && others.size > 0;
    const queue = isTurnOfOthers || requests.size === 0 ? others : requests;
    inARow = queue === requests ? inARow + 1 : 0;
    return queue.first;
  };
  return {
    add({ socket, bytes: received, source, client, at }) {
      const type = messageType(received);
      const queue = type === MESSAGE.request ? requests : others;
      const crowd = crowdOf(queue, relayOf(received));
      const bytes = room(received.length);
      bytes.set(received);
      const place: Place<Socket> = {
        socket,
        bytes,
        source,
        mac: client?.mac,
        at,
        client,
        queue,
        crowd,
        type,
        before: undefined,
        after: undefined,
        older: undefined,
      };
      const older = olderOf(place);
      if (older) shed(older, 'superseded');
      enter(place);
      if (size() > WAITING_MAX) shedOne();
    },
    take(most, now) {
      shedOld(requests, now);
      shedOld(others, now);
      const taken: Waiting<Socket>[] = [];
      while (taken.length < most) {
        const place = next();
        if (!place) break;
        leave(place);
        taken.push(place);
      }
      return taken;
    },
    size,
  };
}

function createQueue<Socket>(): Queue<Socket> {
  const latest = { relay: 0, count: 0 };
  return { first: undefined, last: undefined, size: 0, crowds: new Map(), latest };
}

/** Last of its queue, and newest of its client. */
function enter<Socket>(place: Place<Socket>): void {
  const { queue, crowd, client } = place;
  place.before = queue.last;
  if (queue.last) queue.last.after = place;
  else queue.first = place;
  queue.last = place;
  queue.size += 1;
  if (crowd.count === 0) queue.crowds.set(crowd.relay, crowd);
  crowd.count += 1;
  if (!client) return;
  place.older = client.newest;
  client.newest = place;
}

function leave<Socket>(place: Place<Socket>): void {
  const { queue, crowd, client, before, after } = place;
  if (before) before.after = after;
  else queue.first = after;
  if (after) after.before = before;
  else queue.last = before;
  queue.size -= 1;
  crowd.count -= 1;
  if (crowd.count === 0) queue.crowds.delete(crowd.relay);
  if (client?.newest === place) client.newest = place.older;
  else {
    let newer = client?.newest;
    while (newer && newer.older !== place) newer = newer.older;
    if (newer) newer.older = place.older;
  }
  // Who keeps what was taken keeps no others by it.
  place.before = undefined;
  place.after = undefined;
  place.older = undefined;
}

/**
 * The DISCOVER or REQUEST that this one puts out: of the same client, by the same relay and the same socket. All VLANs of a NIC have
 * its MAC, and ask at once when their machine starts.
 */
function olderOf<Socket>(place: Place<Socket>): Place<Socket> | undefined {
  if (place.type !== MESSAGE.discover && place.type !== MESSAGE.request) return undefined;
  let one = place.client?.newest;
  while (one && !isAskedAgain(one, place)) one = one.older;
  return one;
}

function isAskedAgain<Socket>(one: Place<Socket>, { type, crowd, socket, bytes }: Place<Socket>) {
  return (
    one.type === type &&
    one.crowd === crowd &&
    one.socket === socket &&
    isSameRest(one.bytes, bytes)
  );
}

/** Is `chaddr` the same also behind an Ethernet address? */
function isSameRest(one: Uint8Array, other: Uint8Array): boolean {
  const [from, to] = CHADDR_REST;
  for (let at = from; at < to; at++) if (one[at] !== other[at]) return false;
  return true;
}

function crowdOf(queue: Queue<unknown>, relay: number): Crowd {
  if (queue.latest.relay !== relay) queue.latest = queue.crowds.get(relay) ?? { relay, count: 0 };
  return queue.latest;
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

function largest({ size, crowds }: Queue<unknown>): { relay: number | undefined; count: number } {
  if (crowds.size > RELAYS_LOOKED_AT) return { relay: undefined, count: size };
  let most: { relay: number | undefined; count: number } = { relay: undefined, count: 0 };
  for (const { relay, count } of crowds.values()) if (count > most.count) most = { relay, count };
  return most;
}

/** Option 53 comes first in the packets of every client met so far; anything else waits with the DISCOVERs. */
function messageType(bytes: Uint8Array): number {
  const isFirst = bytes[OPTIONS_AT] === OPTION.messageType && bytes[OPTIONS_AT + 1] === 1;
  return isFirst ? (bytes[OPTIONS_AT + 2] ?? 0) : 0;
}
