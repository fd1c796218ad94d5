/**
 * The thread that answers DNS over UDP: it blocks in `recvmmsg`, answers a batch from the zone image, sends a batch.
 *
 * It owns its socket (SO_REUSEPORT: the kernel spreads clients over the threads) and shares nothing with the main
 * thread but the image, its counters and two control words; its event loop never runs. A question for the slow path
 * (signed, NOTIFY, IXFR) goes to the main thread with the sender's address; the answer leaves from there through the
 * same descriptor.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { ImageReader } from '../dns/image.ts';
import { EachSecond, RateLimiter } from '../dns/rate-limit.ts';
import type { Asker } from '../dns/reply.ts';
import { Responder } from '../dns/respond.ts';
import { limit } from '../limits.ts';
import { type BatchSocket, openBatchSocket, RECEIVE_BYTES } from '../platform/mmsg.ts';
import { AskerTable } from './asker-watch.ts';
import {
  CONTROL,
  COUNTER,
  countAnswer,
  type FromUdpWorker,
  type ToUdpWorker,
  type UdpWorkerData,
} from './udp-protocol.ts';

const data = workerData as UdpWorkerData;
const control = new Int32Array(data.control);
const counters = new Float64Array(data.counters);
const port: MessagePort = data.port;

function tell(message: FromUdpWorker): void {
  port.postMessage(message);
}

/** Of watched machines: a hall that boots asks a few hundred questions a second; more is a flood, and none of it is missed. */
const TOLD_PER_SECOND_MAX = 1000;

class Loop {
  private readonly socket: BatchSocket;
  private readonly responder: Responder;
  private readonly limiter = new RateLimiter(data.responsesPerSecond);
  private readonly forwards = new EachSecond(limit('dnsForwardsPerSecondMax'));
  private readonly request: { bytes: Uint8Array; from: number; to: number };
  private readonly reply: { bytes: Uint8Array; at: number };
  private readonly asker: Asker;
  private readonly askers = data.askers && new AskerTable(data.askers);
  /** Whether anybody is watched, as of this batch. */
  private watching = false;
  private told = 0;
  private toldSecond = 0;
  private epoch = 0;

  constructor(socket: BatchSocket) {
    this.socket = socket;
    this.responder = new Responder(new ImageReader(data.image), data.responder);
    this.responder.useKeys(data.keys);
    this.request = { bytes: socket.received, from: 0, to: 0 };
    this.reply = { bytes: socket.replies, at: 0 };
    const address = new Uint8Array(socket.addressBytes);
    this.asker = { transport: 'udp', address, nowSeconds: 0 };
  }

  run(): void {
    const { socket, asker } = this;
    while (Atomics.load(control, CONTROL.stop) === 0) {
      const count = socket.receive();
      if (Atomics.load(control, CONTROL.epoch) !== this.epoch) this.takeMessages();
      if (count === 0) continue;
      asker.nowSeconds = Math.floor(Date.now() / 1000);
      this.watching = this.askers?.any === true;
      for (let i = 0; i < count; i++) this.answer(i);
      socket.flush();
      counters[COUNTER.signatures] = this.responder.signaturesMade;
    }
  }

  private takeMessages(): void {
    this.epoch = Atomics.load(control, CONTROL.epoch);
    for (;;) {
      const received = receiveMessageOnPort(port);
      if (!received) return;
      const message = received.message as ToUdpWorker;
      if ('image' in message) this.responder.useImage(new ImageReader(message.image));
      else this.responder.useKeys(message.keys);
    }
  }

  private answer(index: number): void {
    const { socket, request, reply, responder, asker } = this;
    request.from = index * RECEIVE_BYTES;
    request.to = request.from + (socket.sizes[index] ?? 0);
    count(COUNTER.questions);
    // A reply to port 0 can go nowhere.
    if (socket.portOf(index) === 0) {
      count(COUNTER.dropped);
      return;
    }
    reply.at = socket.nextReplyAt();
    const at = socket.addressAt(index);
    for (let i = 0; i < asker.address.length; i++) asker.address[i] = socket.names[at + i] ?? 0;
    let length = responder.respond(request, reply, asker);
    if (this.watching && length >= 0) this.tellAsked(index, length);
    if (length <= 0) {
      if (length === 0) count(COUNTER.dropped);
      else this.forward(index);
      return;
    }
    if (data.responsesPerSecond > 0 && !responder.knownClient(request.bytes, asker)) {
      const verdict = this.limiter.check(asker.address, responder.answerKey(), asker.nowSeconds);
      if (verdict !== 'send') count(COUNTER.limited);
      if (verdict === 'drop') return;
      if (verdict === 'slip') length = responder.slip(request.bytes, request.from, asker);
    }
    countAnswer(counters, responder.lastRcode, responder.lastTruncated);
    socket.reply(index, length);
  }

  private tellAsked(index: number, length: number): void {
    const { askers, asker, socket, request, reply } = this;
    const { address: octets } = asker;
    // Octet by octet: taking an array apart costs ten times as much, and this is done for everybody while one machine boots.
    const high = ((octets[0] ?? 0) << 24) | ((octets[1] ?? 0) << 16);
    const address = (high | ((octets[2] ?? 0) << 8) | (octets[3] ?? 0)) >>> 0;
    if (octets.length !== 4 || !askers?.has(address)) return;
    if (this.toldSecond !== asker.nowSeconds) this.told = 0;
    this.toldSecond = asker.nowSeconds;
    if (++this.told > TOLD_PER_SECOND_MAX) return;
    tell({
      ...{ kind: 'asked', at: Date.now(), address, port: socket.portOf(index) },
      question: new Uint8Array(request.bytes.subarray(request.from, request.to)),
      reply: new Uint8Array(reply.bytes.subarray(reply.at, reply.at + length)),
    });
  }

  private forward(index: number): void {
    const { socket, request } = this;
    if (!this.forwards.take(this.asker.nowSeconds)) {
      count(COUNTER.dropped);
      return;
    }
    count(COUNTER.forwarded);
    const nameAt = socket.addressAt(index) - (socket.addressBytes === 4 ? 4 : 8);
    const nameBytes = socket.addressBytes === 4 ? 16 : 28;
    tell({
      kind: 'forward',
      fd: socket.fd,
      // Copies: a view would take the whole batch along.
      bytes: new Uint8Array(socket.received.subarray(request.from, request.to)),
      name: new Uint8Array(socket.names.subarray(nameAt, nameAt + nameBytes)),
    });
  }
}

function count(counter: number): void {
  counters[counter] = (counters[counter] ?? 0) + 1;
}

function openSocket(): BatchSocket | undefined {
  try {
    const socket = openBatchSocket(data.target);
    if (!socket) tell({ kind: 'failed', why: 'koffi is not available' });
    return socket;
  } catch (error) {
    tell({ kind: 'failed', why: (error as Error).message });
    return undefined;
  }
}

const socket = openSocket();
if (socket) {
  try {
    const loop = new Loop(socket);
    tell({ kind: 'ready', fd: socket.fd });
    loop.run();
  } finally {
    // Left open by a thread that has ended, it would still be given questions.
    socket.close();
    tell({ kind: 'closed' });
  }
}
