/**
 * The thread that serves TFTP: it waits, takes what has come in with one call for each socket, lets the engine answer, and
 * sends what the engine said with one call. It holds no state that matters: the main thread opened the sockets, finds and
 * reads the files, and records the events. A thread of its own keeps a hall that powers on from delaying DHCP, and the
 * other way round.
 *
 * The thread never returns to its event loop. Messages from the main thread come with a touch of an eventfd, and are
 * read synchronously. What is told to the main thread is told once the answers of a turn have left.
 *
 * It waits in poll(2) for all sockets, or, while all transfers run on one of them and nothing is awaited from the main thread,
 * in the call that receives from that one: two system calls for each block instead of three. All are looked at again every
 * millisecond, and after five in which that one was silent. It always lies down to wait, also in lockstep, where the next ACK is a few microseconds away. A thread that
 * asks the socket over and over instead sits on one processor while its client sleeps on another, and waking a processor that sleeps
 * costs more than the block: measured with one client, 0.4 to 0.6 times what dnsmasq sends, and 0.6 to 1.1 times without.
 */
import { performance } from 'node:perf_hooks';
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from 'node:worker_threads';
import { type DatagramCalls, loadDatagramCalls } from '../platform/datagram-calls.ts';
import { room } from '../platform/datagram-layout.ts';
import { createReceiver, type DatagramReceiver, SLOTS } from '../platform/datagram-receiver.ts';
import { createSender, type DatagramSender } from '../platform/datagram-sender.ts';
import { loadLibc, POLLERR, POLLIN } from '../platform/libc.ts';
import { createChunkCache, type FileVersion } from '../tftp/chunk-cache.ts';
import { TftpEngine } from '../tftp/engine.ts';
import type { BlockRun, Endpoint, TftpDrop, TftpEvent, Via } from '../tftp/ports.ts';
import type { FromWorker, ToWorker, WorkerStart } from './tftp-service.ts';

/** The finest step of a retransmission timer, and how long an idle thread sleeps. */
const TICK_MS = 5;
const IDLE_MS = 250;
const REPORT_DROPS_MS = 200;
/** How long one socket alone is waited for while there may be something in another. */
const LOOK_MS = 1;
/** Answers that leave together: enough to share a call, few enough that clients work while the rest is made. */
const ANSWERS_PER_FLUSH = 8;
/** Calls of recvmmsg on one socket before the others get their turn. */
const ROUNDS_MAX = 4;

interface Socket {
  readonly fd: number;
  readonly via: Via;
  readonly sender: DatagramSender;
  readonly engine: TftpEngine;
}

/** Of the main thread: the version of a file that was found, or the bytes that were read. */
type Answer = FileVersion | Uint8Array;

const clock = (): number => performance.now();

class TftpThread {
  private readonly calls: DatagramCalls;
  private readonly main: MessagePort;
  private readonly wakeFd: number;
  private readonly receiver: DatagramReceiver;
  private readonly sockets: Socket[] = [];
  private readonly engines: TftpEngine[] = [];
  private readonly awaited = new Map<number, (answer: Answer | undefined) => void>();
  /** Events of this turn: told once its answers have left. */
  private events: FromWorker[] = [];
  private readonly drops = new Map<TftpDrop, number>();
  private dropsReportedAt = 0;
  /** The time of this turn, and when all sockets were looked at. */
  private now = clock();
  private polledAt = 0;
  private tickedAt = 0;
  /** The socket that is waited for alone. */
  private alone: Socket | undefined;
  private tickets = 0;
  private stopping = false;
  private readonly turns: Int32Array;
  constructor(calls: DatagramCalls, main: MessagePort, start: WorkerStart) {
    const { networks, wakeFd, turns } = start;
    this.turns = new Int32Array(turns);
    this.calls = calls;
    this.main = main;
    this.wakeFd = wakeFd;
    this.receiver = createReceiver(calls);
    const cache = createChunkCache((file, { offset, length }, done) =>
      this.ask(
        (id) => ({ kind: 'read', id, file, offset, length }),
        (answer) => done(answer instanceof Uint8Array ? answer : undefined),
      ),
    );
    for (const descriptors of networks) {
      const senders = descriptors.map((fd) => createSender(calls, fd));
      const ports = {
        sender: {
          packet: (to: Endpoint, via: Via, bytes: Uint8Array) => senders[via]?.packet(to, bytes),
          blocks: (to: Endpoint, via: Via, run: BlockRun) => senders[via]?.blocks(to, run),
        },
        find: (name: string, done: (file: FileVersion | undefined) => void, client: Endpoint) =>
          this.ask(
            (id) => ({ kind: 'find', id, name, client }),
            (answer) => done(answer instanceof Uint8Array ? undefined : answer),
          ),
        onEvent: (event: TftpEvent, client: Endpoint) =>
          void this.events.push({ kind: 'event', event, client }),
        onDrop: (reason: TftpDrop) =>
          void this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1),
        onError: (error: unknown) => this.tell({ kind: 'error', error: asText(error) }),
      };
      const engine = new TftpEngine(ports, cache, clock);
      this.engines.push(engine);
      descriptors.forEach((fd, index) => {
        const sender = senders[index];
        if (sender) this.sockets.push({ fd, via: index as Via, sender, engine });
      });
    }
  }

  run(): void {
    const fds = room((this.sockets.length + 1) * 8);
    const fdsAt = this.calls.addressOf(fds);
    [...this.sockets.map(({ fd }) => fd), this.wakeFd].forEach((fd, index) => {
      fds.writeInt32LE(fd, index * 8);
      fds.writeInt16LE(POLLIN, index * 8 + 4);
    });
    while (!this.stopping) {
      Atomics.add(this.turns, 0, 1);
      this.takeWhatComes(fds, fdsAt);
      this.flush();
      this.tellEvents();
      this.look();
    }
    this.reportDrops();
  }

  /** Waits for whatever comes first, and takes it. */
  private takeWhatComes(fds: Buffer, fdsAt: bigint): void {
    const { alone } = this;
    if (alone && this.mayWaitFor(alone)) {
      const count = this.receiver.await(alone.fd);
      if (count > 0) {
        this.take(alone, count);
        return;
      }
    }
    const timed = this.engines.some((engine) => engine.busy);
    const ready = this.calls.poll(fdsAt, this.sockets.length + 1, timed ? TICK_MS : IDLE_MS);
    this.polledAt = this.now;
    this.alone = undefined;
    if (ready <= 0) return;
    this.sockets.forEach((socket, index) => {
      const found = fds.readInt16LE(index * 8 + 6);
      if (found & POLLERR) this.hearRefusals(socket);
      // Receiving also takes an error off the socket that is in no queue: poll would report it for ever.
      if (found & (POLLIN | POLLERR)) this.take(socket, this.receiver.receive(socket.fd));
      if (found === POLLIN && this.carriesAll(socket)) this.alone = socket;
    });
    if (fds.readInt16LE(this.sockets.length * 8 + 6) & POLLIN) this.hearMain();
  }

  /** What begins a transfer or goes on with one comes from the main thread, and by poll(2) only. */
  private mayWaitFor({ engine }: Socket): boolean {
    return engine.active > 0 && this.awaited.size === 0 && this.now - this.polledAt < LOOK_MS;
  }

  private carriesAll({ engine, via }: Socket): boolean {
    return engine.runsOn(via) && this.engines.every((one) => one === engine || one.active === 0);
  }

  private flush(): void {
    for (const { sender } of this.sockets) sender.flush();
  }

  /** @param count how much of it was received already */
  private take({ fd, via, engine }: Socket, count: number): void {
    const { receiver } = this;
    for (let round = 1; ; round++) {
      for (let slot = 0; slot < count; slot++) {
        const { ip, port } = receiver.sender(slot);
        const bytes = receiver.bytes(slot);
        if (port !== 0 && bytes.length > 0) engine.receive(via, bytes, { ip, port } as Endpoint);
        if (slot % ANSWERS_PER_FLUSH === ANSWERS_PER_FLUSH - 1) this.flush();
      }
      if (count < SLOTS || round === ROUNDS_MAX) return;
      count = receiver.receive(fd);
    }
  }

  private hearRefusals({ fd, via, engine }: Socket): void {
    for (const client of this.receiver.refused(fd)) {
      engine.unreachable(via, client as Endpoint, 'the client closed its port');
    }
  }

  private look(): void {
    const now = clock();
    this.now = now;
    if (now - this.tickedAt >= TICK_MS) {
      this.tickedAt = now;
      for (const engine of this.engines) engine.tick();
      this.flush();
      this.tellEvents();
    }
    if (now - this.dropsReportedAt >= REPORT_DROPS_MS) {
      this.dropsReportedAt = now;
      this.reportDrops();
    }
  }

  private tellEvents(): void {
    if (this.events.length === 0) return;
    for (const event of this.events) this.tell(event);
    this.events = [];
  }

  private reportDrops(): void {
    if (this.drops.size === 0) return;
    this.tell({ kind: 'drops', counts: [...this.drops] });
    this.drops.clear();
  }

  private hearMain(): void {
    this.calls.read8(this.wakeFd);
    for (;;) {
      const received = receiveMessageOnPort(this.main) as { message: ToWorker } | undefined;
      if (!received) return;
      const { message } = received;
      if (message.kind === 'stop') {
        for (const engine of this.engines) engine.close();
        this.stopping = true;
      } else {
        const done = this.awaited.get(message.id);
        this.awaited.delete(message.id);
        done?.(message.answer);
      }
    }
  }

  private ask(
    question: (id: number) => FromWorker,
    done: (answer: Answer | undefined) => void,
  ): void {
    const id = ++this.tickets;
    this.awaited.set(id, done);
    this.tell(question(id));
  }

  private tell(message: FromWorker): void {
    this.main.postMessage(message);
  }
}

function asText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const libc = loadLibc();
const calls = libc && loadDatagramCalls(libc);
if (calls && parentPort) {
  const thread = new TftpThread(calls, parentPort, workerData as WorkerStart);
  thread.run();
  parentPort.postMessage({ kind: 'stopped' } satisfies FromWorker);
  parentPort.close();
}
