/**
 * Bounds the connections of the machines' listeners, however many clients open them and however slowly they talk.
 *
 * When the house is full, the connection that has been idle longest goes, because a machine that comes back opens
 * another one in a millisecond; when none is idle, the newcomer is turned away and its loader tries again. One address
 * can hold a part of the house only: a broken machine in a loop must not keep the others out. Time is bounded by the
 * listener itself (`boundTimes`): headers, the whole request, idleness between requests, and a body nobody reads.
 */
import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { limit } from '../../limits.ts';

export type WebServer = HttpServer | HttpsServer;

/** `idle`: an idle connection made room. `full` and `address-full`: a newcomer was turned away. */
export type ShedReason = 'idle' | 'full' | 'address-full';

export const SHED_REASONS = ['idle', 'full', 'address-full'] as const satisfies ShedReason[];

export interface ConnectionLimits {
  readonly connectionsMax: number;
  readonly perAddressMax: number;
}

/** One house for all the listeners that machines reach. */
export interface ConnectionGuard {
  watch(server: WebServer): void;
  open(): number;
}

export function createConnectionGuard(
  onShed: (reason: ShedReason) => void,
  limits: ConnectionLimits = {
    connectionsMax: limit('httpConnectionsMax'),
    perAddressMax: limit('httpConnectionsPerAddressMax'),
  },
): ConnectionGuard {
  const all = new Set<Socket>();
  /** Between two requests; the one that has been so longest comes first. */
  const idle = new Set<Socket>();
  const perAddress = new Map<string, number>();

  const turnAway = (address: string): ShedReason | undefined => {
    if ((perAddress.get(address) ?? 0) >= limits.perAddressMax) return 'address-full';
    if (all.size < limits.connectionsMax) return undefined;
    const [longest] = idle;
    if (!longest) return 'full';
    onShed('idle');
    leave(longest);
    longest.destroy();
    return undefined;
  };
  const leave = (socket: Socket): void => {
    if (!all.delete(socket)) return;
    idle.delete(socket);
    const address = addresses.get(socket) ?? '';
    const count = (perAddress.get(address) ?? 1) - 1;
    if (count > 0) perAddress.set(address, count);
    else perAddress.delete(address);
  };
  const addresses = new WeakMap<Socket, string>();
  const enter = (socket: Socket): void => {
    const address = socket.remoteAddress ?? '';
    const refused = turnAway(address);
    if (refused) {
      onShed(refused);
      socket.destroy();
      return;
    }
    all.add(socket);
    addresses.set(socket, address);
    perAddress.set(address, (perAddress.get(address) ?? 0) + 1);
    socket.once('close', () => leave(socket));
  };
  return {
    watch(server) {
      server.prependListener('connection', enter);
      server.on('request', (request, response) => {
        const socket = underlying(request.socket);
        idle.delete(socket);
        response.once('close', () => {
          if (all.has(socket)) idle.add(socket);
        });
      });
    },
    open: () => all.size,
  };
}

/** TLS wraps the accepted socket; the guard counts the accepted one. */
function underlying(socket: Socket & { _parent?: Socket | null }): Socket {
  return socket._parent ?? socket;
}

/** The same time limits for every listener of machines, whether the framework made it or not. */
export function boundTimes(server: WebServer): void {
  server.headersTimeout = limit('httpHeadersMs');
  server.requestTimeout = limit('httpRequestMs');
  server.keepAliveTimeout = limit('httpKeepAliveMs');
  server.timeout = limit('httpIdleMs');
  server.maxHeadersCount = limit('httpHeadersMax');
}
