/**
 * Bounds the connections of the machines' listeners, however many clients open them and however slowly they talk.
 *
 * When the house is full, the connection that has been idle longest goes, because a machine that comes back opens
 * another one in a millisecond, or else one that has asked for nothing yet, since loaders ask at once; when there is
 * neither, the newcomer is turned away and its loader tries again. Who goes is decided only when everything that has
 * arrived was read: after a stall, requests lie unread beside the newcomer. One address
 * can hold a part of the house only: a broken machine in a loop must not keep the others out. Time is bounded by the
 * listener itself (`boundTimes`): headers, the whole request, idleness between requests, and a body nobody reads.
 *
 * The event loop accepts one connection in each of its turns, a few in long ones (platform/accept.ts). In a storm
 * machines therefore wait in the kernel, in the order of their coming, and the house stays nearly empty. That queue must
 * hold them all (`httpBacklogMax`): from a full one the kernel throws handshakes away, and resets who believed in one.
 *
 * What is no request is answered, and its connection closed; while an answer is on its way it is only closed, because
 * what is said then would lie in the middle of a body.
 */
import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { limit } from '../../limits.ts';

export type WebServer = HttpServer | HttpsServer;

/** Why a connection was closed on its client. */
export const SHED_REASONS = [
  /** A connection made room that was idle, or had asked for nothing yet. */
  'idle',
  /** A newcomer was turned away: no room, or none for its address. */
  'full',
  'address-full',
  /** More requests than anybody sends before an answer. */
  'pipelined',
  /** No HTTP. */
  'malformed',
  'head-too-large',
  /** Its request was not whole in time. */
  'too-slow',
  /** No handshake came about. */
  'tls',
] as const;
export type ShedReason = (typeof SHED_REASONS)[number];

export interface ConnectionLimits {
  readonly connectionsMax: number;
  readonly perAddressMax: number;
  /** How long one may send nothing at all before it makes room. */
  readonly silenceMs: number;
  /** The same for one that has begun to: its handshake or the head of its request is on its way. */
  readonly begunMs: number;
}

/** One house for all the listeners that machines reach. */
export interface ConnectionGuard {
  watch(server: WebServer): void;
  /** Ends a connection on which something came that is no request (`clientError` of a listener). */
  endFaulty(error: NodeJS.ErrnoException, socket: Duplex): void;
  open(): number;
}

export function createConnectionGuard(
  onShed: (reason: ShedReason) => void,
  limits: ConnectionLimits = {
    connectionsMax: limit('httpConnectionsMax'),
    perAddressMax: limit('httpConnectionsPerAddressMax'),
    silenceMs: limit('httpShedSilenceMs'),
    begunMs: limit('httpShedBegunMs'),
  },
): ConnectionGuard {
  const all = new Set<Socket>();
  /** Between two requests; the one that has been so longest comes first. */
  const idle = new Set<Socket>();
  /** No whole request has come yet, and since when. */
  const silent = new Map<Socket, number>();
  const perAddress = new Map<string, number>();
  /** Requests without an answer yet, where there are any: a client may send the next one before (RFC 9112 9.3.2). */
  const asked = new WeakMap<Duplex, number>();

  /** Runs when what had arrived on all the others was read, too: who is still idle or silent then has not asked. */
  let overfull = false;
  const makeRoom = (since: number): void => {
    overfull = false;
    while (all.size > limits.connectionsMax) {
      const [longest = silentLongest(since)] = idle;
      const loser = longest ?? [...silent.keys()].at(-1);
      if (!loser) return;
      onShed(longest ? 'idle' : 'full');
      leave(loser);
      loser.destroy();
    }
  };
  /** @param before when the newcomer came: nothing has been read yet of who came with it */
  const silentLongest = (before: number): Socket | undefined => {
    for (const [socket, since] of silent) {
      const silentMs = before - since;
      if (silentMs <= 0 || silentMs < limits.silenceMs) return undefined;
      if (socket.bytesRead === 0 || silentMs >= limits.begunMs) return socket;
    }
    return undefined;
  };
  const leave = (socket: Socket): void => {
    if (!all.delete(socket)) return;
    idle.delete(socket);
    silent.delete(socket);
    const address = addresses.get(socket) ?? '';
    const count = (perAddress.get(address) ?? 1) - 1;
    if (count > 0) perAddress.set(address, count);
    else perAddress.delete(address);
  };
  const addresses = new WeakMap<Socket, string>();
  const enter = (socket: Socket): void => {
    const address = socket.remoteAddress ?? '';
    if ((perAddress.get(address) ?? 0) >= limits.perAddressMax) {
      onShed('address-full');
      socket.destroy();
      return;
    }
    const now = performance.now();
    all.add(socket);
    silent.set(socket, now);
    addresses.set(socket, address);
    perAddress.set(address, (perAddress.get(address) ?? 0) + 1);
    socket.once('close', () => leave(socket));
    if (overfull || all.size <= limits.connectionsMax) return;
    overfull = true;
    setImmediate(makeRoom, now);
  };
  const endFaulty = (error: NodeJS.ErrnoException, socket: Duplex): void => {
    const fault = faultOf(error);
    if (fault) onShed(fault.reason);
    if (socket.destroyed) return;
    if (fault?.status && socket.writable && !asked.get(underlying(socket))) {
      const head = `HTTP/1.1 ${fault.status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
      socket.write(head);
    }
    socket.destroy(error);
  };
  return {
    watch(server) {
      // Fastify has its own, in whose place it was given this one.
      if (server.listenerCount('clientError') === 0) server.on('clientError', endFaulty);
      server.prependListener('connection', enter);
      server.on('request', (request, response) => {
        const socket = underlying(request.socket);
        idle.delete(socket);
        silent.delete(socket);
        const count = (asked.get(socket) ?? 0) + 1;
        asked.set(socket, count);
        if (count > limit('httpPipelinedMax') && !socket.destroyed) {
          onShed('pipelined');
          socket.destroy();
        }
        response.once('close', () => {
          const left = (asked.get(socket) ?? 1) - 1;
          asked.set(socket, left);
          if (left === 0 && all.has(socket)) idle.add(socket);
        });
      });
    },
    endFaulty,
    open: () => all.size,
  };
}

/** TLS wraps the accepted socket; the guard counts the accepted one. */
function underlying<Of extends Duplex>(socket: Of & { _parent?: Of | null }): Of {
  return socket._parent ?? socket;
}

interface Fault {
  readonly reason: ShedReason;
  readonly status?: string;
}

/** What the parser (llhttp), the listener's clock or OpenSSL has found; `undefined` when the client has left or the network failed. */
function faultOf({ code = '' }: NodeJS.ErrnoException): Fault | undefined {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return { reason: 'head-too-large', status: '431 Request Header Fields Too Large' };
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return { reason: 'too-slow', status: '408 Request Timeout' };
  }
  if (code.startsWith('HPE_')) return { reason: 'malformed', status: '400 Bad Request' };
  return /^(ERR_SSL|ERR_TLS|EPROTO)/.test(code) ? { reason: 'tls' } : undefined;
}

/** The same time limits for every listener of machines, whether the framework made it or not. */
export function boundTimes(server: WebServer): void {
  server.headersTimeout = limit('httpHeadersMs');
  server.requestTimeout = limit('httpRequestMs');
  server.keepAliveTimeout = limit('httpKeepAliveMs');
  server.timeout = limit('httpIdleMs');
  server.maxHeadersCount = limit('httpHeadersMax');
}
