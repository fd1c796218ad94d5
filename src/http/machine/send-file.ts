/**
 * Sends one boot file over HTTP: ranges, ETag, HEAD, conditional requests, an exact Content-Length.
 *
 * Firmware is the strictest client (edk2 HttpBootDxe): HTTP/1.1 with keep-alive, Content-Length on HEAD and GET, no
 * chunked coding, no redirect. The file is streamed from its descriptor; one chunk at a time is in memory.
 */
import { createReadStream } from 'node:fs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { BootFile } from '../../platform/boot-files.ts';

export interface Sending {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface SendObserver {
  started(sending: Sending): void;
  /** Called once: with everything sent, or with what had been read when the client went away. */
  ended(sentBytes: number, complete: boolean): void;
}

/** `bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-COUNT`; `undefined` for several ranges or another unit (RFC 9110 14.1.2). */
export function parseRange(
  header: string,
  sizeBytes: number,
): { first: number; last: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.trim());
  if (!match) return undefined;
  const [, firstText = '', lastText = ''] = match;
  if (firstText === '' && lastText === '') return undefined;
  if (firstText === '') {
    const count = Math.min(Number(lastText), sizeBytes);
    return count === 0 ? 'unsatisfiable' : { first: sizeBytes - count, last: sizeBytes - 1 };
  }
  const first = Number(firstText);
  const last = lastText === '' ? sizeBytes - 1 : Math.min(Number(lastText), sizeBytes - 1);
  if (lastText !== '' && Number(lastText) < first) return undefined;
  return first >= sizeBytes ? 'unsatisfiable' : { first, last };
}

export function sendBootFile(
  request: FastifyRequest,
  reply: FastifyReply,
  { file, type, observer }: { file: BootFile; type: string; observer: SendObserver },
): FastifyReply {
  reply.header('accept-ranges', 'bytes').header('etag', file.etag).header('content-type', type);
  const { 'if-none-match': ifNoneMatch, 'if-range': ifRange, range } = request.headers;
  if (ifNoneMatch?.split(',').some((tag) => [file.etag, '*'].includes(tag.trim()))) {
    return reply.code(304).send();
  }
  const wanted =
    range !== undefined && (ifRange === undefined || ifRange === file.etag)
      ? parseRange(range, file.sizeBytes)
      : undefined;
  if (wanted === 'unsatisfiable') {
    return reply.code(416).header('content-range', `bytes */${file.sizeBytes}`).send();
  }
  const first = wanted?.first ?? 0;
  const lengthBytes = (wanted?.last ?? file.sizeBytes - 1) - first + 1;
  if (wanted) {
    reply.code(206).header('content-range', `bytes ${first}-${wanted.last}/${file.sizeBytes}`);
  }
  reply.header('content-length', lengthBytes);
  if (request.method === 'HEAD') {
    // Past the framework, which would set the length of an empty body: UEFI HTTP Boot allocates by this number.
    const headers = Object.entries(reply.getHeaders()).filter(([, value]) => value !== undefined);
    reply.hijack();
    reply.raw.writeHead(reply.statusCode, Object.fromEntries(headers as [string, string][])).end();
    return reply;
  }

  observer.started({ offsetBytes: first, lengthBytes });
  const stream = createReadStream(file.path, {
    start: first,
    ...(wanted ? { end: wanted.last } : {}),
    highWaterMark: 262_144,
  });
  let ended = false;
  const end = (complete: boolean) => {
    if (!ended) observer.ended(stream.bytesRead, complete);
    ended = true;
  };
  reply.raw.once('finish', () => end(true));
  reply.raw.once('close', () => end(false));
  return reply.send(stream);
}
