/**
 * The event feed as Server-Sent Events: numbered, filtered, resumable by `Last-Event-ID`, and bounded.
 *
 * A reader is a cursor over the event table. It is sent pages until it has caught up, and again whenever something was
 * committed. Between two pages the event loop is given back, and a reader whose socket is full is waited for: one that was
 * away for a hundred thousand events catches up without holding up a DHCP answer. One that reads nothing for a while is
 * cut off; it comes back with its last id and misses nothing. One whose cursor lies in what was compacted away is sent
 * `resync` first: it has to read the state anew.
 */
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { StoredEvent } from '../../events.ts';
import { type EventFilter, matches } from '../../inventory/event-history.ts';
import { limit } from '../../limits.ts';

export interface Feed {
  after(after: number, count: number): StoredEvent[];
  lastId(): number;
  follow(wake: () => void): () => void;
}

const KEEP_ALIVE_MS = 15_000;
const PAGE = 100;

export interface SseStart {
  readonly after: number | undefined;
  readonly filter: EventFilter;
}

export interface Sse {
  open(request: FastifyRequest, reply: FastifyReply, start: SseStart): void;
  close(): void;
}

/** @param floor the lowest cursor from which nothing is missing */
export function createSse(feed: Feed, floor: () => number = () => 0): Sse {
  const readers = new Set<() => void>();
  return {
    open(request, reply, { after, filter }) {
      if (readers.size >= limit('sseClientsMax')) throw new AppError('TOO_MANY_READERS');
      const resumed = Number(request.headers['last-event-id'] ?? Number.NaN);
      const asked = Number.isSafeInteger(resumed) ? resumed : (after ?? feed.lastId());
      const lowest = floor();
      const cursor = asked > 0 ? Math.max(asked, lowest) : asked;
      const raw = begin(reply);
      raw.write(`retry: 1000\nid: ${cursor}\n\n`);
      if (cursor > asked)
        raw.write(`event: resync\ndata: ${JSON.stringify({ oldest: lowest })}\n\n`);
      const stop = stream(raw, { feed, cursor, filter }, () => readers.delete(stop));
      readers.add(stop);
    },
    close() {
      for (const stop of [...readers]) stop();
    },
  };
}

function begin(reply: FastifyReply): ServerResponse {
  reply.hijack();
  const { raw } = reply;
  const inherited = Object.entries(reply.getHeaders()).filter(([, value]) => value !== undefined);
  raw.writeHead(200, {
    ...Object.fromEntries(inherited as [string, string][]),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  return raw;
}

/** @returns the way to end it */
function stream(
  raw: ServerResponse,
  start: { readonly feed: Feed; readonly cursor: number; readonly filter: EventFilter },
  ended: () => void,
): () => void {
  const { feed, filter } = start;
  let { cursor } = start;
  /** A page is due, or a full socket is waited for: a wake in between finds the rest by itself. */
  let busy = false;
  let stopped = false;
  const pump = (): void => {
    busy = false;
    if (stopped) return;
    const page = feed.after(cursor, PAGE);
    for (const event of page) {
      cursor = event.id;
      if (!matches(event, filter)) continue;
      raw.write(`id: ${event.id}\nevent: ${event.name}\ndata: ${JSON.stringify(event)}\n\n`);
    }
    if (page.length < PAGE && !raw.writableNeedDrain) return;
    busy = true;
    if (raw.writableNeedDrain) raw.once('drain', pump);
    else setImmediate(pump);
  };
  // A turn of the loop may hold many commits: each reader looks once behind all of them.
  const wake = (): void => {
    if (busy) return;
    busy = true;
    setImmediate(pump);
  };
  let unread = 0;
  const keepAlive = setInterval(() => {
    unread = raw.writableLength > 0 ? unread + 1 : 0;
    if (unread > 2 || raw.writableLength > limit('sseBufferBytesMax')) stop();
    // A reader whose filter lets nothing through comes back to where the feed is by now.
    else raw.write(`: still here\nid: ${cursor}\n\n`);
  }, KEEP_ALIVE_MS).unref();
  const unfollow = feed.follow(wake);
  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    clearInterval(keepAlive);
    unfollow();
    ended();
    raw.destroy();
  };
  raw.once('close', stop);
  raw.on('error', stop);
  pump();
  return stop;
}
