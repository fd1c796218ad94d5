/**
 * The thread that serves TFTP: it waits, takes what has come in with one call for each socket, lets the engine answer, and
 * sends what the engine said with one call. It holds no state that matters: the main thread opened the sockets, reads the
 * files, and records the events. Only names are looked up here, as long as nothing is known of any client that bears less
 * than it asks for, and always those of files that loaders do without: sixteen that ask at once would wait for one another, and for whatever the main thread does between. A
 * thread of its own keeps a hall that powers on from delaying DHCP, and the other way round.
 *
 * The thread never returns to its event loop. Messages from the main thread come with a touch of an eventfd, and are
 * read synchronously. Events are told once the answers of a turn have left, those of a few milliseconds in one message.
 *
 * It waits in poll(2) for all sockets, or, while all transfers run on one of them and nothing is awaited from the main thread,
 * in the call that receives from that one: two system calls for each block instead of three. All are looked at again every
 * millisecond, and after five in which that one was silent. Before the thread lies down there it asks the socket again for some
 * microseconds, as long as that pays (`tftp/linger.ts`): waking a processor that sleeps costs more than a block. With one
 * transfer it lets whoever else is there have the processor between two askings: a client on the same one could not answer otherwise.
 */
import { performance } from 'node:perf_hooks';
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from 'node:worker_threads';
import { isMade } from '../boot/token-path.ts';
import { limit } from '../limits.ts';
import { type DatagramCalls, loadDatagramCalls } from '../platform/datagram-calls.ts';
import { room } from '../platform/datagram-layout.ts';
import { createReceiver, type DatagramReceiver, SLOTS } from '../platform/datagram-receiver.ts';
import { createSender, type DatagramSender } from '../platform/datagram-sender.ts';
import { loadLibc, POLLERR, POLLIN } from '../platform/libc.ts';
import { findStored, type ServedFolder } from '../platform/tftp-files.ts';
import { createChunkCache, type FileVersion } from '../tftp/chunk-cache.ts';
import { TftpEngine } from '../tftp/engine.ts';
import { inCase } from '../tftp/file-name.ts';
import { createLinger } from '../tftp/linger.ts';
import type { BlockRun, Endpoint, TftpDrop, TftpEvent, Via } from '../tftp/ports.ts';
import type { FromWorker, ToldEvent, ToWorker, WorkerStart } from './tftp-service.ts';

/** The finest step of a retransmission timer, and how long an idle thread sleeps. */
const TICK_MS = 5;
const IDLE_MS = 250;
const REPORT_DROPS_MS = 200;
/** Events share a message, and with it the main thread's turn, which costs more than they do. */
const TELL_MS = 5;
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
  private events: ToldEvent[] = [];
  private toldAt = 0;
  private readonly drops = new Map<TftpDrop, number>();
  private dropsReportedAt = 0;
  private unsent = 0;
  /** The time of this turn, and when all sockets were looked at. */
  private now = clock();
  private polledAt = 0;
  private tickedAt = 0;
  /** The socket that is waited for alone. */
  private alone: Socket | undefined;
  private tickets = 0;
  private stopping = false;
  private readonly lingers = createLinger();
  private readonly turns: Int32Array;
  private readonly folder: ServedFolder;
  private readonly caps: Int32Array;

  constructor(calls: DatagramCalls, main: MessagePort, start: WorkerStart) {
    const { networks, wakeFd, turns, folder, caps } = start;
    this.turns = new Int32Array(turns);
    this.folder = folder;
    this.caps = new Int32Array(caps);
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
    for (const [network, descriptors] of networks.entries()) {
      const senders = descriptors.map((fd) =>
        createSender(calls, fd, (count) => {
          this.unsent += count;
        }),
      );
      const ports = {
        sender: {
          packet: (to: Endpoint, via: Via, bytes: Uint8Array) => senders[via]?.packet(to, bytes),
          blocks: (to: Endpoint, via: Via, run: BlockRun) => senders[via]?.blocks(to, run),
        },
        find: (name: string, done: (file: FileVersion | undefined) => void, client: Endpoint) => {
          const made = isMade(name);
          if (!made && Atomics.load(this.caps, 0) === 0) return done(this.find(name));
          // Behind a token such a name is a file of the folder, or nothing, whatever token that is.
          const kept = made ? inCase(name) : undefined;
          if (kept !== undefined && this.find(kept) === undefined) return done(undefined);
          this.ask(
            (id) => ({ kind: 'find', id, name, client, network }),
            (answer) => done(answer instanceof Uint8Array ? undefined : answer),
          );
        },
        onEvent: (event: TftpEvent, client: Endpoint) => void this.events.push({ event, client }),
        onDrop: (reason: TftpDrop) =>
          void this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1),
        onError: (error: unknown) => this.tell({ kind: 'error', error: asText(error) }),
      };
      const engine = new TftpEngine(ports, cache, () => this.now);
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
      this.look();
    }
    this.tellEvents();
    this.reportDrops();
  }

  /** Waits for whatever comes first, and takes it. */
  private takeWhatComes(fds: Buffer, fdsAt: bigint): void {
    const { alone } = this;
    if (alone && this.mayWaitFor(alone)) {
      const count = this.linger(alone) || this.receiver.await(alone.fd);
      this.now = clock();
      if (count > 0) {
        this.take(alone, count);
        return;
      }
    }
    const waitMs = this.busy() ? TICK_MS : IDLE_MS;
    const ready = this.calls.poll(fdsAt, this.sockets.length + 1, waitMs);
    this.now = clock();
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

  /** Asks the socket for a moment before it is waited for. @returns how much came */
  private linger({ fd, engine }: Socket): number {
    if (!this.lingers.pays()) return 0;
    const alone = engine.active === 1;
    const until = clock() + limit(alone ? 'tftpAskAloneMs' : 'tftpAskAgainMs');
    let count = 0;
    let now = 0;
    do {
      if (alone) this.calls.sched_yield();
      count = this.receiver.receive(fd);
      now = clock();
    } while (count === 0 && now < until);
    // What came later was not waited for, but for the processor: others need it.
    this.lingers.ended(count > 0 && now < until);
    return count;
  }

  private busy(): boolean {
    return this.engines.some((engine) => engine.busy);
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
        const client = receiver.sender(slot) as Endpoint;
        engine.receive(via, receiver.bytes(slot), client);
        if (slot % ANSWERS_PER_FLUSH === ANSWERS_PER_FLUSH - 1) this.flush();
      }
      if (count < SLOTS || round === ROUNDS_MAX) return;
      count = receiver.receive(fd);
      this.now = clock();
    }
  }

  private hearRefusals({ fd, via, engine }: Socket): void {
    for (const client of this.receiver.refused(fd)) {
      engine.unreachable(via, client as Endpoint, 'the client closed its port');
    }
  }

  private look(): void {
    const { now } = this;
    if (now - this.tickedAt >= TICK_MS) {
      this.tickedAt = now;
      for (const engine of this.engines) engine.tick();
      this.flush();
    }
    if (this.events.length > 0 && (now - this.toldAt >= TELL_MS || !this.busy())) {
      this.toldAt = now;
      this.tellEvents();
    }
    if (now - this.dropsReportedAt >= REPORT_DROPS_MS) {
      this.dropsReportedAt = now;
      this.reportDrops();
    }
  }

  private tellEvents(): void {
    if (this.events.length === 0) return;
    this.tell({ kind: 'events', events: this.events });
    this.events = [];
  }

  private reportDrops(): void {
    if (this.drops.size === 0 && this.unsent === 0) return;
    this.tell({ kind: 'drops', counts: [...this.drops], unsent: this.unsent });
    this.drops.clear();
    this.unsent = 0;
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

  /** A file system that fails is the log's matter; for the client the file is not there. */
  private find(name: string): FileVersion | undefined {
    try {
      return findStored(this.folder, name);
    } catch (error) {
      this.tell({ kind: 'find-failed', name, error: asText(error) });
      return undefined;
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
