/**
 * The event feed as Server-Sent Events: numbered, filtered, resumable by `Last-Event-ID`, and bounded.
 *
 * A reader is a cursor over the event table. It is sent pages until it has caught up, and again whenever something was
 * committed. Between two pages the event loop is given back, and a reader whose socket is full is waited for: one that was
 * away for a hundred thousand events catches up without holding up a DHCP answer. One that reads nothing for a while is
 * cut off; it comes back with its last id and misses nothing. One whose cursor lies in what was compacted away, or is of
 * another feed, is sent `resync` first: it has to read the state anew. So is one that is passed by compaction while it
 * reads: before each page it is asked whether the floor has risen over its cursor. Ids carry the feed's epoch
 * (`NUMBER.EPOCH`).
 *
 * A stream outlives the request that opened it, so somebody else watches whether its reader may still be here (`watched`),
 * and that is looked at before what follows is read: a token that is revoked and a user who is disabled read nothing of it.
 */
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { StoredEvent } from '../../events.ts';
import { type EventFilter, type EventHistory, matches } from '../../inventory/event-history.ts';
import { type Cursor, formatCursor, parseCursor } from '../../inventory/feed-epoch.ts';
import { limit } from '../../limits.ts';

export interface Feed {
  after(after: number, count: number): StoredEvent[];
  lastId(): number;
  follow(wake: () => void): () => void;
}

const KEEP_ALIVE_MS = 15_000;
const PAGE = 100;

export interface SseStart {
  /** Where the request asks to begin; `Last-Event-ID` goes first. From now on without either. */
  readonly after: Cursor | undefined;
  readonly filter: EventFilter;
  /** An event `beat` each so many milliseconds: browsers keep comments to themselves, and a dead line is silent too. */
  readonly beatMs?: number | undefined;
  /** Ends it when its reader may no longer be here. @returns the way to stop watching */
  watched(end: () => void): () => void;
}

export interface Sse {
  open(request: FastifyRequest, reply: FastifyReply, start: SseStart): void;
  close(): void;
}

export function createSse(
  feed: Feed,
  history: Pick<EventHistory, 'floor' | 'epoch' | 'standing'>,
): Sse {
  const readers = new Set<() => void>();
  return {
    open(request, reply, { after, filter, beatMs, watched }) {
      if (readers.size >= limit('sseClientsMax')) throw new AppError('TOO_MANY_READERS');
      const resumed = parseCursor(String(request.headers['last-event-id'] ?? ''));
      const asked = resumed ?? after ?? { id: feed.lastId() };
      const epoch = history.epoch();
      const idOf = (id: number) => formatCursor(id, epoch);
      const { cursor, resync } = beginning(asked, feed, history);
      const raw = begin(reply);
      raw.write(`retry: 1000\nid: ${idOf(cursor)}\n\n`);
      const tellResync = (why: ResyncWhy, oldest: number) =>
        raw.write(
          `id: ${idOf(oldest)}\nevent: resync\ndata: ${JSON.stringify({ why, oldest, epoch })}\n\n`,
        );
      if (resync) tellResync(resync.why, cursor);
      const { floor } = history;
      const start: Start = { feed, cursor, filter, beatMs, idOf, watched, floor, tellResync };
      const stop = stream(raw, start, () => readers.delete(stop));
      readers.add(stop);
    },
    close() {
      for (const stop of [...readers]) stop();
    },
  };
}

type ResyncWhy = 'compacted' | 'restarted';

/** A reader of another feed goes on from now: what it reads after being told so has everything until then. */
function beginning(
  asked: Cursor,
  feed: Feed,
  history: Pick<EventHistory, 'floor' | 'standing'>,
): { cursor: number; resync?: { why: ResyncWhy } } {
  switch (history.standing(asked)) {
    case 'here':
      return { cursor: asked.id };
    case 'compacted':
      return { cursor: history.floor(), resync: { why: 'compacted' } };
    case 'elsewhere':
      return { cursor: feed.lastId(), resync: { why: 'restarted' } };
  }
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

interface Start {
  readonly feed: Feed;
  readonly cursor: number;
  readonly filter: EventFilter;
  readonly beatMs?: number | undefined;
  idOf(id: number): string;
  watched(end: () => void): () => void;
  floor(): number;
  tellResync(why: ResyncWhy, oldest: number): void;
}

/** @returns the way to end it */
function stream(raw: ServerResponse, start: Start, ended: () => void): () => void {
  const { feed, filter, idOf, watched, floor } = start;
  let { cursor } = start;
  /** A page is due, or a full socket is waited for: a wake in between finds the rest by itself. */
  let busy = false;
  let stopped = false;
  /** A reader from the very beginning is below the floor and has missed nothing until the floor moves. */
  let lastFloor = floor();
  const passOver = (): void => {
    const risen = floor();
    if (risen > lastFloor && cursor < risen) {
      cursor = risen;
      start.tellResync('compacted', cursor);
    }
    lastFloor = risen;
  };
  const pump = (): void => {
    busy = false;
    if (stopped) return;
    passOver();
    const page = feed.after(cursor, PAGE);
    for (const event of page) {
      cursor = event.id;
      if (!matches(event, filter)) continue;
      raw.write(`id: ${idOf(event.id)}\nevent: ${event.name}\ndata: ${JSON.stringify(event)}\n\n`);
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
    else raw.write(`: still here\nid: ${idOf(cursor)}\n\n`);
  }, KEEP_ALIVE_MS).unref();
  const beat = () => {
    if (raw.writableLength === 0) raw.write('event: beat\ndata: {}\n\n');
  };
  const beats = start.beatMs === undefined ? undefined : setInterval(beat, start.beatMs).unref();
  // Pages are sent a turn after the commit: it is looked at first.
  const unwatch = watched(() => stop());
  const unfollow = feed.follow(wake);
  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    clearInterval(keepAlive);
    clearInterval(beats);
    unwatch();
    unfollow();
    ended();
    raw.destroy();
  };
  raw.once('close', stop);
  raw.on('error', stop);
  pump();
  return stop;
}
