/**
 * DNS over TCP (RFC 7766): messages with a length before them, many on one connection, answered in their order.
 *
 * Everything that a client could make us hold is bounded: connections in all and for one network, the size of a
 * message, the time that one may take to arrive, idle time, and answers that it does not read. What breaks a bound is
 * cut off; the others do not notice. Who goes where there is no room for another connection is in tcp-room.ts. All
 * connections together take a bounded share of each turn of the event loop.
 */
import net from 'node:net';
import type { Asker } from '../dns/reply.ts';
import { parseAddress } from '../dns/reverse.ts';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { type Guest, networkOf, type TcpRoom } from './tcp-room.ts';
import type { Turns } from './turn.ts';

export interface TcpServer {
  readonly port: number;
  connections(): number;
  close(): Promise<void>;
}

export interface TcpOptions {
  readonly address: string;
  readonly port: number;
  /** Writes a reply of one message at `at`. @returns its length, 0 for no reply, -1 for the slow path */
  answer(request: Uint8Array, asker: Asker, out: { bytes: Uint8Array; at: number }): number;
  /** The messages of a reply that takes more; taken one at a time, as fast as the client reads. */
  answerSlowly(request: Uint8Array, asker: Asker): Iterable<Uint8Array>;
  nowSeconds(): number;
  /** Both are shared by all listeners. */
  readonly turns: Turns;
  readonly room: TcpRoom<TcpGuest>;
  onError(error: unknown): void;
}

/** A connection as the room sees it. */
export interface TcpGuest extends Guest {
  destroy(): void;
}

/** @throws AppError LISTEN_FAILED */
export async function openTcp(options: TcpOptions): Promise<TcpServer> {
  const open = new Set<net.Socket>();
  const reply = Buffer.allocUnsafeSlow(REPLY_BYTES);
  const { room } = options;
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    const connection = new Connection(socket, options, reply);
    const { stays, goes } = room.admit(connection);
    goes?.destroy();
    if (!stays) {
      socket.destroy();
      return;
    }
    open.add(socket);
    socket.once('close', () => {
      open.delete(socket);
      room.leave(connection);
    });
    connection.start();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const hint = 'another name server may be there; dns.listen or dns.enabled decide';
      const detail = `DNS on TCP ${options.address}:${options.port}: ${cause.message} (${hint})`;
      reject(new AppError('LISTEN_FAILED', { detail, cause }));
    });
    const { address: host, port } = options;
    // As over UDP: `::` beside 0.0.0.0 would find its port taken.
    server.listen({ host, port, ipv6Only: net.isIPv6(host) }, resolve);
  });
  server.on('error', options.onError);
  return {
    port: (server.address() as net.AddressInfo).port,
    connections: () => open.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** Two octets of length, then at most 65,535. */
const REPLY_BYTES = 2 + 65_535;

class Connection implements TcpGuest {
  readonly network: string;
  private busy = false;
  /** When it was opened, was last answered, or began to wait for its reader. */
  private since = performance.now();
  private waitsForReader = false;
  private readonly socket: net.Socket;
  private readonly options: TcpOptions;
  private readonly asker: Asker;
  /** One for all connections: it is copied from before anything else can write to it. */
  private readonly scratch: { bytes: Buffer; at: number };
  private buffered: Buffer = Buffer.alloc(0);
  private ended = false;
  /** Since when a message has been incomplete. */
  private deadline: NodeJS.Timeout | undefined;

  constructor(socket: net.Socket, options: TcpOptions, scratch: Buffer) {
    this.socket = socket;
    this.network = networkOf(socket.remoteAddress ?? '');
    this.options = options;
    this.scratch = { bytes: scratch, at: 2 };
    const text = (socket.remoteAddress ?? '0.0.0.0').replace(/^::ffff:/, '');
    const octets = parseAddress(text) ?? '\0\0\0\0';
    const address = Uint8Array.from(octets, (char) => char.charCodeAt(0));
    this.asker = { transport: 'tcp', address, nowSeconds: 0 };
  }

  get idleSince(): number | undefined {
    return this.busy && !this.waitsForReader ? undefined : this.since;
  }

  destroy(): void {
    this.socket.destroy();
  }

  start(): void {
    const { socket } = this;
    socket.setNoDelay(true);
    socket.setTimeout(limit('dnsTcpIdleMs'), () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => clearTimeout(this.deadline));
    socket.on('data', (chunk) => this.take(chunk));
    // A client that has said all may still be waiting for its answers (half-close).
    socket.on('end', () => {
      this.ended = true;
      if (!this.busy) socket.end();
    });
  }

  private take(chunk: Buffer): void {
    this.buffered = this.buffered.length === 0 ? chunk : Buffer.concat([this.buffered, chunk]);
    if (!this.busy) void this.work();
  }

  private async work(): Promise<void> {
    const { socket } = this;
    const { turns } = this.options;
    this.busy = true;
    let taken = 0;
    try {
      const before = turns.enter();
      if (before) await this.waitFor(before);
      // What can be answered at once leaves in one write.
      socket.cork();
      for (let message = this.next(); message; message = this.next()) {
        taken += 1;
        if (!this.reply(message)) await this.replySlowly(message);
        if (socket.writableLength > limit('dnsTcpBacklogBytesMax')) await this.drained();
        if (turns.spent()) await this.waitFor(turns.wait());
      }
    } catch (error) {
      this.options.onError(error);
      socket.destroy();
    }
    socket.uncork();
    this.busy = false;
    if (taken > 0) this.since = performance.now();
    this.expectRest(taken > 0);
    if (this.ended) socket.end();
    else socket.resume();
  }

  private next(): Buffer | undefined {
    const { buffered, socket } = this;
    if (socket.destroyed || buffered.length < 2) return undefined;
    const length = buffered.readUInt16BE(0);
    if (length < 12 || length > limit('dnsTcpMessageBytesMax')) {
      socket.destroy();
      return undefined;
    }
    if (buffered.length < 2 + length) return undefined;
    this.buffered = buffered.subarray(2 + length);
    return buffered.subarray(2, 2 + length);
  }

  /** @returns false when this message is one for the slow path */
  private reply(message: Buffer): boolean {
    const { socket, options, asker, scratch } = this;
    asker.nowSeconds = options.nowSeconds();
    const length = options.answer(message, asker, scratch);
    if (length <= 0) return length === 0;
    scratch.bytes.writeUInt16BE(length, 0);
    socket.write(Buffer.from(scratch.bytes.subarray(0, 2 + length)));
    return true;
  }

  private async replySlowly(message: Buffer): Promise<void> {
    const { socket, options, asker } = this;
    this.pause();
    for (const reply of options.answerSlowly(message, asker)) {
      if (socket.destroyed) return;
      const framed = Buffer.allocUnsafe(2 + reply.length);
      framed.writeUInt16BE(reply.length, 0);
      framed.set(reply, 2);
      socket.write(framed);
      if (socket.writableLength > limit('dnsTcpBacklogBytesMax')) await this.drained();
      if (options.turns.spent()) await options.turns.wait();
    }
  }

  /** While it waits for its reader, a connection reads nothing more. */
  private pause(): void {
    this.socket.uncork();
    this.socket.pause();
  }

  private waitFor(turn: Promise<void>): Promise<void> {
    this.pause();
    return turn;
  }

  private drained(): Promise<void> {
    const { socket } = this;
    this.pause();
    this.waitsForReader = true;
    this.since = performance.now();
    return new Promise((resolve) => {
      const done = () => {
        this.waitsForReader = false;
        socket.off('drain', done);
        socket.off('close', done);
        resolve();
      };
      socket.on('drain', done);
      socket.on('close', done);
    });
  }

  /** A message that has begun must be there soon: a byte now and then keeps no connection. */
  private expectRest(progress: boolean): void {
    if (progress || this.buffered.length === 0) {
      clearTimeout(this.deadline);
      this.deadline = undefined;
    }
    if (this.buffered.length === 0) return;
    this.deadline ??= setTimeout(() => this.socket.destroy(), limit('dnsTcpMessageMs'));
    this.deadline.unref();
  }
}
