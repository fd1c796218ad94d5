/**
 * DNS over UDP without batched calls: a socket of Node for each address, answered on the main thread.
 *
 * For machines without koffi or 64-bit Linux. The same answers and the same rate limiting as the threads give, at a
 * quarter of their rate.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { EachSecond, RateLimiter } from '../dns/rate-limit.ts';
import type { Asker } from '../dns/reply.ts';
import type { Responder } from '../dns/respond.ts';
import { parseAddress } from '../dns/reverse.ts';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { ipv4FromBytes } from '../wire/ipv4.ts';
import { AskerTable } from './asker-watch.ts';
import { type Asked, COUNTER, countAnswer } from './udp-protocol.ts';
import { NO_THREADS, type UdpThreads } from './udp-threads.ts';

export type Udp = Pick<UdpThreads, 'useImage' | 'useKeys' | 'counters' | 'health' | 'close'>;

export interface DgramOptions {
  readonly listen: readonly string[];
  readonly port: number;
  readonly responder: Responder;
  readonly responsesPerSecond: number;
  /** Whose questions are wanted (asker-watch.ts), and by whom. */
  readonly askers?: SharedArrayBuffer | undefined;
  onAsked?(asked: Asked): void;
  nowSeconds(): number;
  /** Whole replies to what the responder leaves to the slow path. */
  answerSlowly(bytes: Uint8Array, address: Uint8Array): Uint8Array[];
}

/** @throws AppError LISTEN_FAILED */
export async function listenDgram(options: DgramOptions): Promise<Udp> {
  const counters = new Float64Array(COUNTER.places);
  const answerer = new Answerer(options, counters);
  const sockets = await Promise.all(
    options.listen.map((address) => bind(options, address, (...from) => answerer.answer(...from))),
  );
  return {
    useImage: () => undefined,
    useKeys: () => undefined,
    counters: () => [...counters],
    // The main thread answers: there is none that could end.
    health: () => NO_THREADS,
    close: async () => {
      await Promise.all(
        sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
      );
    },
  };
}

async function bind(
  { port }: DgramOptions,
  address: string,
  answer: (socket: Socket, bytes: Buffer, from: RemoteInfo) => void,
): Promise<Socket> {
  const socket = createSocket({
    type: isIPv6(address) ? 'udp6' : 'udp4',
    ipv6Only: isIPv6(address),
  });
  socket.on('message', (bytes, from) => answer(socket, bytes, from));
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (cause) => {
      const detail = `DNS on UDP ${address}:${port}: ${cause.message}`;
      reject(new AppError('LISTEN_FAILED', { detail, cause }));
    });
    socket.bind(port, address, () => resolve());
  });
  return socket;
}

class Answerer {
  private readonly options: DgramOptions;
  private readonly counters: Float64Array;
  private readonly limiter: RateLimiter;
  private readonly forwards = new EachSecond(limit('dnsForwardsPerSecondMax'));
  private readonly reply = { bytes: new Uint8Array(65_535), at: 0 };
  private readonly askers: AskerTable | undefined;

  constructor(options: DgramOptions, counters: Float64Array) {
    this.options = options;
    this.counters = counters;
    this.limiter = new RateLimiter(options.responsesPerSecond);
    this.askers = options.askers && new AskerTable(options.askers);
  }

  answer(socket: Socket, bytes: Buffer, from: RemoteInfo): void {
    const { options, reply } = this;
    this.count(COUNTER.questions);
    // A reply to port 0 can go nowhere.
    if (from.port === 0) {
      this.count(COUNTER.dropped);
      return;
    }
    const octets = parseAddress(from.address) ?? '\0\0\0\0';
    const address = Uint8Array.from(octets, (char) => char.charCodeAt(0));
    const asker: Asker = { transport: 'udp', address, nowSeconds: options.nowSeconds() };
    const request = { bytes, from: 0, to: bytes.length };
    const length = options.responder.respond(request, reply, asker);
    const refused = length < 0 && !this.forwards.take(asker.nowSeconds);
    if (length === 0 || refused) this.count(COUNTER.dropped);
    if (refused) return;
    if (length >= 0 && this.askers?.any && address.length === 4)
      this.tellAsked(bytes, from, { address, length });
    const messages =
      length < 0 ? options.answerSlowly(bytes, address) : this.limited(bytes, asker, length);
    for (const message of messages) socket.send(message, from.port, from.address, () => undefined);
  }

  private tellAsked(
    bytes: Buffer,
    from: RemoteInfo,
    { address, length }: { address: Uint8Array; length: number },
  ): void {
    const number = ipv4FromBytes(address);
    if (!this.askers?.has(number)) return;
    this.options.onAsked?.({
      ...{ at: Date.now(), address: number, port: from.port, question: new Uint8Array(bytes) },
      reply: this.reply.bytes.slice(0, length),
    });
  }

  /** The reply, an empty one with TC in its place, or none. */
  private limited(bytes: Uint8Array, asker: Asker, length: number): Uint8Array[] {
    const { options, reply, counters } = this;
    const { responder } = options;
    if (length === 0) return [];
    let size = length;
    if (options.responsesPerSecond > 0 && !responder.knownClient(bytes, asker)) {
      const key = responder.answerKey();
      const verdict = this.limiter.check(asker.address, key, asker.nowSeconds);
      if (verdict !== 'send') this.count(COUNTER.limited);
      if (verdict === 'drop') return [];
      if (verdict === 'slip') size = responder.slip(bytes, 0, asker);
    }
    countAnswer(counters, responder.lastRcode, responder.lastTruncated);
    return [reply.bytes.slice(0, size)];
  }

  private count(counter: number): void {
    this.counters[counter] = (this.counters[counter] ?? 0) + 1;
  }
}
