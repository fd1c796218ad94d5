/**
 * WebSockets on the people's listener (RFC 6455): a request that wants to become one runs through the same route, hooks and
 * refusals as any other, and only a handler that accepts it makes it one. So a socket knows who is asking, and nobody can
 * open one where a GET would be refused.
 *
 * A session's cookie is sent by the browser whatever page asks; a page of another site is told apart by its Origin.
 */
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type WebSocket, WebSocketServer } from 'ws';
import { AppError } from '../../errors.ts';
import { limit } from '../../limits.ts';
import type { PeopleServer } from './context.ts';

export interface Upgrades {
  /** Whether this request wants to be a WebSocket. */
  wanted(request: FastifyRequest): boolean;
  /** Makes it one. @throws AppError FORBIDDEN for a page of another site, REQUEST_INVALID for what is no handshake */
  accept(request: FastifyRequest, reply: FastifyReply): Promise<WebSocket>;
  /** Another listener of the same app. */
  attach(server: Pick<PeopleServer['server'], 'on'>): void;
}

interface Pending {
  readonly socket: Duplex;
  readonly head: Buffer;
}

export function installUpgrades(app: PeopleServer): Upgrades {
  const pending = new WeakMap<IncomingMessage, Pending>();
  const sockets = new WebSocketServer({
    ...{ noServer: true, clientTracking: true, perMessageDeflate: false },
    maxPayload: limit('consoleMessageBytesMax'),
  });
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy());
    // Anything but a GET has a body that nobody would read.
    if (request.method !== 'GET') {
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    pending.set(request, { socket, head });
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Parameters<typeof response.assignSocket>[0]);
    // A refusal is an ordinary answer, and the end of the connection.
    response.once('finish', () => socket.end());
    app.routing(request, response);
  };
  const attach: Upgrades['attach'] = (server) => void server.on('upgrade', onUpgrade);
  attach(app.server);
  app.addHook('preClose', async () => {
    for (const socket of sockets.clients) socket.close(1001, 'the appliance stops');
  });
  app.addHook('onClose', async () => {
    for (const socket of sockets.clients) socket.terminate();
  });
  return {
    wanted: ({ raw }) => pending.has(raw) && /^websocket$/i.test(raw.headers.upgrade ?? ''),
    attach,
    accept(request, reply) {
      const { raw } = request;
      const held = pending.get(raw);
      if (!held) throw new AppError('REQUEST_INVALID', { detail: 'This is no WebSocket.' });
      if (request.sessionSecret !== null && !sameSite(raw))
        throw new AppError('FORBIDDEN', { detail: 'The page that asks is of another site.' });
      const { socket, head } = held;
      reply.hijack();
      reply.raw.detachSocket(socket as Parameters<typeof reply.raw.detachSocket>[0]);
      return new Promise((resolve) => {
        sockets.handleUpgrade(raw, socket, head, (opened) => resolve(opened));
      });
    },
  };
}

function sameSite({ headers: { origin, host } }: IncomingMessage): boolean {
  return origin !== undefined && URL.canParse(origin) && new URL(origin).host === host;
}
