/**
 * Sends one boot file over HTTP: preconditions, one range, HEAD, and always an exact Content-Length.
 *
 * Firmware is the strictest client (edk2 HttpBootDxe): HTTP/1.1 with keep-alive, HEAD and GET on one connection,
 * Content-Length on both, no chunked coding, no redirect. The answer is therefore written past the framework, which
 * would give HEAD the length of an empty body. A transfer that cannot be finished cuts the connection: the client sees
 * a body shorter than promised, never a wrong one.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OpenBootFile } from '../../platform/boot-files.ts';
import {
  type FileSink,
  type SendEnd,
  type SendOptions,
  type Slice,
  sendSlice,
} from '../../platform/file-sender.ts';
import { judge } from './preconditions.ts';

export interface SendObserver {
  started(slice: Slice, socket: Socket): void;
  /** Called once: with everything sent (`complete`), or with what the kernel had taken when it ended early. */
  ended(sentBytes: number, end: SendEnd): void;
}

export interface FileAnswer {
  /** Closed when the answer is over, whatever its end. */
  readonly file: OpenBootFile;
  readonly type: string;
  /** Instead of the file's own entity tag: for content whose name is its hash. */
  readonly etag?: string;
  readonly observer: SendObserver;
  readonly send: SendOptions;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export function sendBootFile(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: FileAnswer,
): FastifyReply {
  const { file, type, etag = file.etag } = answer;
  const head = {
    'accept-ranges': 'bytes',
    'cache-control': 'no-cache',
    etag,
    'last-modified': new Date(file.modifiedMs).toUTCString(),
  };
  const verdict = judge(
    { method: request.method, headers: request.headers, now: answer.now },
    { ...file, etag },
  );
  switch (verdict.kind) {
    case 'not-modified':
    case 'precondition-failed':
      file.close();
      return reply
        .headers(head)
        .code(verdict.kind === 'not-modified' ? 304 : 412)
        .send();
    case 'unsatisfiable':
      file.close();
      return reply.code(416).header('content-range', `bytes */${file.sizeBytes}`).send();
    case 'whole':
    case 'part': {
      const first = verdict.kind === 'part' ? verdict.first : 0;
      const last = verdict.kind === 'part' ? verdict.last : file.sizeBytes - 1;
      const slice = { offsetBytes: first, lengthBytes: last - first + 1 };
      reply.hijack();
      reply.raw.writeHead(verdict.kind === 'part' ? 206 : 200, {
        ...head,
        'content-type': type,
        'content-length': slice.lengthBytes,
        ...(verdict.kind === 'part'
          ? { 'content-range': `bytes ${first}-${last}/${file.sizeBytes}` }
          : {}),
      });
      if (request.method === 'HEAD') {
        file.close();
        reply.raw.end();
      } else {
        lastOn.set(request.raw.socket, sendBody(request, reply.raw, { ...answer, slice }));
      }
      return reply;
    }
  }
}

/**
 * The newest body of a connection. What is asked for before it is over waits for it: a chunk that cannot leave yet would
 * hold a buffer, and when its time was over, the connection would be cut in the middle of the body before.
 */
const lastOn = new WeakMap<Socket, Promise<void>>();

async function sendBody(
  request: FastifyRequest,
  response: ServerResponse,
  { file, slice, send, observer }: FileAnswer & { slice: Slice },
): Promise<void> {
  const { socket } = request.raw;
  const before = lastOn.get(socket);
  const sink: FileSink = {
    write: (bytes, done) => void response.write(bytes, done),
    gone: () => socket.destroyed,
    onGone(tell) {
      socket.once('close', tell);
      return () => socket.off('close', tell);
    },
    direct: () => send.threads?.open(socket),
  };
  observer.started(slice, socket);
  if (before) await before;
  const { end, sentBytes } = await sendSlice(file, slice, { ...send, sink });
  file.close();
  if (end === 'complete') response.end();
  else {
    if (end !== 'gone') request.log.warn({ why: end, file: file.path, sentBytes }, 'download cut');
    socket.destroy();
  }
  observer.ended(sentBytes, end);
}
