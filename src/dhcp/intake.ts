/**
 * What waits to be answered, when more comes in than can be answered at once.
 *
 * A hall that powers on sends a thousand requests in a second, and each client sends again after a few. Three rules keep
 * that useful: a REQUEST goes before a DISCOVER, because it ends an exchange that has begun; a client's newer packet
 * takes the place of its older one; and what has waited for longer than a client would wait is dropped, as is the oldest
 * when there is no more room. So every answer that leaves is still wanted, and who was dropped asks again.
 *
 * No clock, no socket: time is handed in. The bytes are copied (and not by `slice`, which a Buffer answers with a view),
 * because the receive buffer is used again.
 */
import { limit } from '../limits.ts';
import type { Millis } from '../wire/time.ts';
import { MESSAGE, OPTION } from './options.ts';

export interface Waiting<Socket> {
  readonly socket: Socket;
  readonly bytes: Uint8Array;
  readonly source: { readonly address: string; readonly port: number };
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

const OPTIONS_AT = 240;
const XID_AT = 4;
const GIADDR_AT = 24;
const CHADDR_AT = 28;

export function createIntake<Socket>(onShed: (reason: ShedReason) => void): Intake<Socket> {
  const requests = new Map<string, Waiting<Socket>>();
  const others = new Map<string, Waiting<Socket>>();
  /** How many wait of each relay; 0 are the clients that no relay speaks for. */
  const crowds = new Map<number, number>();
  const count = (bytes: Uint8Array, by: 1 | -1): void => {
    const relay = relayOf(bytes);
    const left = (crowds.get(relay) ?? 0) + by;
    if (left === 0) crowds.delete(relay);
    else crowds.set(relay, left);
  };
  /** Drops the oldest of the relay that has the most waiting: a flood behind one takes no room from the others. */
  const shedOne = (): void => {
    const queue = others.size > 0 ? others : requests;
    const relay = largest(crowds);
    let victim = queue.keys().next().value;
    for (const [key, { bytes }] of queue) {
      if (relay !== undefined && relayOf(bytes) !== relay) continue;
      victim = key;
      break;
    }
    const shed = victim === undefined ? undefined : queue.get(victim);
    if (victim === undefined || !shed) return;
    queue.delete(victim);
    count(shed.bytes, -1);
    onShed('overflow');
  };
  const takeFrom = (
    queue: Map<string, Waiting<Socket>>,
    into: Waiting<Socket>[],
    { most, now }: { most: number; now: Millis },
  ): void => {
    for (const [key, packet] of queue) {
      if (into.length >= most) return;
      queue.delete(key);
      count(packet.bytes, -1);
      if (now - packet.at > limit('dhcpWaitMaxMs')) onShed('waited-too-long');
      else into.push(packet);
    }
  };
  return {
    add(packet) {
      const queue = isRequest(packet.bytes) ? requests : others;
      const key = clientKey(packet.bytes);
      if (queue.delete(key)) onShed('superseded');
      else count(packet.bytes, 1);
      queue.set(key, { ...packet, bytes: Uint8Array.from(packet.bytes) });
      if (requests.size + others.size > limit('dhcpWaitingMax')) shedOne();
    },
    take(most, now) {
      const taken: Waiting<Socket>[] = [];
      takeFrom(requests, taken, { most, now });
      takeFrom(others, taken, { most, now });
      return taken;
    },
    size: () => requests.size + others.size,
  };
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

/** More relays than a site has: then somebody makes them up, and none is larger than another. */
const RELAYS_LOOKED_AT = 64;

function largest(crowds: ReadonlyMap<number, number>): number | undefined {
  if (crowds.size > RELAYS_LOOKED_AT) return undefined;
  let most: number | undefined;
  for (const [relay, count] of crowds) {
    if (count > (most === undefined ? 0 : (crowds.get(most) ?? 0))) most = relay;
  }
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
  const at = isDiscoverOrRequest(bytes) ? GIADDR_AT : XID_AT;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(
    'latin1',
    at,
    CHADDR_AT + 16,
  );
}

function isDiscoverOrRequest(bytes: Uint8Array): boolean {
  const type = bytes[OPTIONS_AT] === OPTION.messageType ? bytes[OPTIONS_AT + 2] : undefined;
  return type === MESSAGE.discover || type === MESSAGE.request;
}
