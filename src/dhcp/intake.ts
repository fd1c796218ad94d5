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
  const takeFrom = (
    queue: Map<string, Waiting<Socket>>,
    into: Waiting<Socket>[],
    { count, now }: { count: number; now: Millis },
  ): void => {
    for (const [key, packet] of queue) {
      if (into.length >= count) return;
      queue.delete(key);
      if (now - packet.at > limit('dhcpWaitMaxMs')) onShed('waited-too-long');
      else into.push(packet);
    }
  };
  return {
    add(packet) {
      const queue = isRequest(packet.bytes) ? requests : others;
      const key = clientKey(packet.bytes);
      if (queue.delete(key)) onShed('superseded');
      queue.set(key, { ...packet, bytes: Uint8Array.from(packet.bytes) });
      if (requests.size + others.size <= limit('dhcpWaitingMax')) return;
      const crowded = others.size > 0 ? others : requests;
      const oldest = crowded.keys().next();
      if (!oldest.done && crowded.delete(oldest.value)) onShed('overflow');
    },
    take(count, now) {
      const taken: Waiting<Socket>[] = [];
      takeFrom(requests, taken, { count, now });
      takeFrom(others, taken, { count, now });
      return taken;
    },
    size: () => requests.size + others.size,
  };
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
