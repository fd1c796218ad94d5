/**
 * The event feed as Server-Sent Events: numbered, resumable by `Last-Event-ID`, and bounded.
 *
 * A reader is a cursor over the event table. It is sent pages until it has caught up, and again whenever something was
 * committed. A reader that does not read is cut off when its socket holds too much; it comes back with its last id and
 * misses nothing.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { StoredEvent } from '../../events.ts';
import { limit } from '../../limits.ts';

export interface Feed {
  after(after: number, count: number): StoredEvent[];
  lastId(): number;
  follow(wake: () => void): () => void;
}

const KEEP_ALIVE_MS = 15_000;

export function createSse(feed: Feed): {
  open(request: FastifyRequest, reply: FastifyReply, after: number | undefined): void;
  close(): void;
} {
  const readers = new Set<() => void>();
  return {
    open(request, reply, after) {
      if (readers.size >= limit('sseClientsMax')) throw new AppError('TOO_MANY_READERS');
      const resumed = Number(request.headers['last-event-id'] ?? Number.NaN);
      let cursor = Number.isSafeInteger(resumed) ? resumed : (after ?? feed.lastId());
      reply.hijack();
      const { raw } = reply;
      const inherited = Object.entries(reply.getHeaders()).filter(
        ([, value]) => value !== undefined,
      );
      raw.writeHead(200, {
        ...Object.fromEntries(inherited as [string, string][]),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      });
      raw.write(`retry: 1000\n: from ${cursor}\n\n`);
      const catchUp = () => {
        for (let page = feed.after(cursor, 100); page.length > 0; page = feed.after(cursor, 100)) {
          for (const event of page) {
            raw.write(`id: ${event.id}\nevent: ${event.name}\ndata: ${JSON.stringify(event)}\n\n`);
            cursor = event.id;
          }
          if (raw.writableLength > limit('sseBufferBytesMax')) return stop();
        }
      };
      const keepAlive = setInterval(() => raw.write(': still here\n\n'), KEEP_ALIVE_MS).unref();
      const unfollow = feed.follow(catchUp);
      const stop = () => {
        clearInterval(keepAlive);
        unfollow();
        readers.delete(stop);
        raw.destroy();
      };
      readers.add(stop);
      raw.once('close', stop);
      raw.on('error', stop);
      catchUp();
    },
    close() {
      for (const stop of [...readers]) stop();
    },
  };
}
