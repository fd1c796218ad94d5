/**
 * The thread that serves TFTP: it waits in poll(2), takes what has come in with one call for each socket, lets the engine
 * answer, and sends what the engine said with one call. It holds no state that matters: the main thread opened the
 * sockets, finds and reads the files, and records the events. A thread of its own keeps a hall that powers on from delaying
 * DHCP, and the other way round.
 *
 * The thread never returns to its event loop. Messages from the main thread come with a touch of an eventfd, and are
 * read synchronously.
 *
 * After each answer it lies down in poll(2) again, also in lockstep, where the next ACK is a few microseconds away. A thread that
 * asks the socket over and over instead sits on one processor while its client sleeps on another, and waking a processor that sleeps
 * costs more than the block: measured with one client, 0.4 to 0.6 times what dnsmasq sends, and 0.6 to 1.1 times without.
 */
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from 'node:worker_threads';
import { type DatagramCalls, loadDatagramCalls } from '../platform/datagram-calls.ts';
import { createReceiver, type DatagramReceiver, SLOTS } from '../platform/datagram-receiver.ts';
import { createSender, type DatagramSender } from '../platform/datagram-sender.ts';
import { loadLibc, POLLERR, POLLIN } from '../platform/libc.ts';
import { createChunkCache, type FileVersion } from '../tftp/chunk-cache.ts';
import { TftpEngine } from '../tftp/engine.ts';
import type { Endpoint, TftpDrop, TftpEvent, TftpSender, Via } from '../tftp/ports.ts';
import type { FromWorker, ToWorker, WorkerStart } from './tftp-service.ts';

/** The finest step of a retransmission timer, and how long an idle thread sleeps. */
const TICK_MS = 5;
const IDLE_MS = 250;
const REPORT_DROPS_MS = 200;
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
  private readonly drops = new Map<TftpDrop, number>();
  private dropsReportedAt = 0;
  private tickedAt = 0;
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
          blocks: (...[to, via, run]: Parameters<TftpSender['blocks']>) =>
            senders[via]?.blocks(to, run),
        },
        find: (name: string, done: (file: FileVersion | undefined) => void, client: Endpoint) =>
          this.ask(
            (id) => ({ kind: 'find', id, name, client }),
            (answer) => done(answer instanceof Uint8Array ? undefined : answer),
          ),
        onEvent: (event: TftpEvent, client: Endpoint) =>
          this.tell({ kind: 'event', event, client }),
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
    const fds = Buffer.alloc((this.sockets.length + 1) * 8);
    [...this.sockets.map(({ fd }) => fd), this.wakeFd].forEach((fd, index) => {
      fds.writeInt32LE(fd, index * 8);
      fds.writeInt16LE(POLLIN, index * 8 + 4);
    });
    while (!this.stopping) {
      Atomics.add(this.turns, 0, 1);
      this.takeWhatComes(fds);
      this.look();
      this.flush();
    }
    this.reportDrops();
  }

  /** Waits for whatever comes first, and takes it. */
  private takeWhatComes(fds: Buffer): void {
    const timed = this.engines.some((engine) => engine.busy);
    const ready = this.calls.poll(fds, this.sockets.length + 1, timed ? TICK_MS : IDLE_MS);
    if (ready <= 0) return;
    this.sockets.forEach((socket, index) => {
      const found = fds.readInt16LE(index * 8 + 6);
      if (found & POLLERR) this.hearRefusals(socket);
      // Receiving also takes an error off the socket that is in no queue: poll would report it for ever.
      if (found & (POLLIN | POLLERR)) this.take(socket);
    });
    if (fds.readInt16LE(this.sockets.length * 8 + 6) & POLLIN) this.hearMain();
  }

  private flush(): void {
    for (const { sender } of this.sockets) sender.flush();
  }

  private take({ fd, via, engine }: Socket): void {
    const { receiver } = this;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const count = receiver.receive(fd);
      for (let slot = 0; slot < count; slot++) {
        const { ip, port } = receiver.sender(slot);
        const bytes = receiver.bytes(slot);
        if (port !== 0 && bytes.length > 0) engine.receive(via, bytes, { ip, port } as Endpoint);
        if (slot % ANSWERS_PER_FLUSH === ANSWERS_PER_FLUSH - 1) this.flush();
      }
      if (count < SLOTS) return;
    }
  }

  private hearRefusals({ fd, via, engine }: Socket): void {
    for (const client of this.receiver.refused(fd)) {
      engine.unreachable(via, client as Endpoint, 'the client closed its port');
    }
  }

  private look(): void {
    const now = clock();
    if (now - this.tickedAt >= TICK_MS) {
      this.tickedAt = now;
      for (const engine of this.engines) if (engine.busy) engine.tick();
    }
    if (now - this.dropsReportedAt >= REPORT_DROPS_MS) {
      this.dropsReportedAt = now;
      this.reportDrops();
    }
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
