/**
 * The UDP threads, seen from the main one: started, handed each new image, counted, stopped, and started again.
 *
 * A thread that ends by itself has a fault of ours, or no memory left. Its clients would be left unanswered: the kernel
 * goes on giving questions to its socket for as long as that is open. So the socket is closed, the other threads of its
 * address take over at once, and another thread is started, sooner at first and later each time that it ends again. That
 * is counted, told (`onChange`), and shown by `health`; what the dead thread had counted stays counted.
 */
import { closeSync } from 'node:fs';
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads';
import type { ResponderSettings } from '../dns/reply.ts';
import type { SigningKeys } from '../dns/signer.ts';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { BatchTarget } from '../platform/mmsg.ts';
import {
  type Asked,
  CONTROL,
  COUNTER,
  type FromUdpWorker,
  type ToUdpWorker,
  type UdpWorkerData,
} from './udp-protocol.ts';

export interface UdpThreads {
  /** Hands all threads another image; an image changed in place needs no call. */
  useImage(image: SharedArrayBuffer): void;
  useKeys(keys: SigningKeys | undefined): void;
  /** The sum over all threads that there were, by place (`COUNTER`). */
  counters(): number[];
  health(): UdpHealth;
  close(): Promise<void>;
}

export interface UdpHealth {
  readonly threads: number;
  readonly running: number;
  /** Threads that were started in place of one that had ended. */
  readonly restarts: number;
  /** Addresses that nobody answers at now. */
  readonly silent: readonly string[];
}

/** Where the main thread answers. */
export const NO_THREADS: UdpHealth = { threads: 0, running: 0, restarts: 0, silent: [] };

export type ThreadChange =
  | {
      readonly kind: 'ended';
      readonly address: string;
      readonly why: string;
      readonly againInMs: number;
    }
  | { readonly kind: 'restarted'; readonly address: string; readonly downMs: number };

export interface UdpThreadsOptions {
  readonly image: SharedArrayBuffer;
  /** One thread for each; a target may be named several times. */
  readonly targets: readonly BatchTarget[];
  readonly responder: ResponderSettings;
  readonly keys: SigningKeys | undefined;
  readonly responsesPerSecond: number;
  readonly askers: SharedArrayBuffer | undefined;
  onAsked(asked: Asked): void;
  onForward(question: { fd: number; bytes: Uint8Array; name: Uint8Array }): void;
  /** A thread ended by itself, or its successor is there. */
  onChange(change: ThreadChange): void;
}

/** @throws AppError LISTEN_FAILED */
export async function startUdpThreads(options: UdpThreadsOptions): Promise<UdpThreads> {
  const shared: Shared = {
    ...{ options, image: options.image, keys: options.keys },
    control: new SharedArrayBuffer(CONTROL.words * 4),
  };
  const words = new Int32Array(shared.control);
  const places = options.targets.map((target) => new Place(target, shared));
  const started = await Promise.allSettled(places.map((place) => place.start()));
  const close = async (): Promise<void> => {
    Atomics.store(words, CONTROL.stop, 1);
    await Promise.all(places.map((place) => place.close()));
  };
  const failed = started.find((result) => result.status === 'rejected');
  if (failed) {
    await close();
    throw failed.reason;
  }
  const tell = (message: ToUdpWorker): void => {
    for (const place of places) place.tell(message);
    Atomics.add(words, CONTROL.epoch, 1);
  };
  return {
    close,
    useImage(image) {
      shared.image = image;
      tell({ image });
    },
    useKeys(keys) {
      shared.keys = keys;
      tell({ keys });
    },
    counters: () =>
      Array.from({ length: COUNTER.places }, (_, at) =>
        places.reduce((sum, place) => sum + place.counted(at), 0),
      ),
    health() {
      const answered = new Set(places.filter(({ runs }) => runs).map(({ address }) => address));
      const addresses = new Set(places.map(({ address }) => address));
      return {
        threads: places.length,
        running: places.filter(({ runs }) => runs).length,
        restarts: places.reduce((sum, { restarts }) => sum + restarts, 0),
        silent: [...addresses].filter((address) => !answered.has(address)),
      };
    },
  };
}

/** What each thread is started with; image and keys are the newest. */
interface Shared {
  readonly options: UdpThreadsOptions;
  readonly control: SharedArrayBuffer;
  image: SharedArrayBuffer;
  keys: SigningKeys | undefined;
}

/** The place of one thread: the thread that is in it, and what became of those before. */
class Place {
  restarts = 0;
  private readonly target: BatchTarget;
  private readonly shared: Shared;
  private thread: Thread | undefined;
  private readonly before = new Float64Array(COUNTER.places);
  private closing = false;
  private timer: NodeJS.Timeout | undefined;
  private restarting: Promise<void> | undefined;
  /** How often in a row it ended soon after it had begun. */
  private failures = 0;
  private endedAt = 0;

  constructor(target: BatchTarget, shared: Shared) {
    this.target = target;
    this.shared = shared;
  }

  get address(): string {
    return this.target.address;
  }

  get runs(): boolean {
    return this.thread !== undefined;
  }

  counted(at: number): number {
    return (this.before[at] ?? 0) + (this.thread?.counters[at] ?? 0);
  }

  tell(message: ToUdpWorker): void {
    this.thread?.port.postMessage(message);
  }

  async start(): Promise<void> {
    const startedAt = performance.now();
    const { image, keys } = this.shared;
    const thread = await startThread(this.shared, this.target);
    this.thread = thread;
    // What was handed to the others while it started.
    if (image !== this.shared.image) this.tell({ image: this.shared.image });
    if (keys !== this.shared.keys) this.tell({ keys: this.shared.keys });
    void thread.exited.then((why) => this.ended(thread, { why, startedAt }));
  }

  async close(): Promise<void> {
    this.closing = true;
    clearTimeout(this.timer);
    await this.restarting;
    // From here on it is waited for: the process must not end before it has.
    this.thread?.worker.ref();
    await this.thread?.exited;
  }

  private ended(thread: Thread, { why, startedAt }: { why: string; startedAt: number }): void {
    for (const [at, count] of thread.counters.entries()) {
      this.before[at] = (this.before[at] ?? 0) + count;
    }
    this.thread = undefined;
    if (this.closing) return;
    this.endedAt = performance.now();
    if (this.endedAt - startedAt >= limit('dnsThreadSoundMs')) this.failures = 0;
    this.again(why);
  }

  private again(why: string): void {
    const wait = limit('dnsThreadRestartMs') * 2 ** Math.min(this.failures, 20);
    const againInMs = Math.min(wait, limit('dnsThreadRestartMaxMs'));
    this.failures += 1;
    this.timer = setTimeout(() => {
      this.restarting = this.restart();
    }, againInMs);
    this.timer.unref();
    const { address } = this;
    this.shared.options.onChange({ kind: 'ended', address, why, againInMs });
  }

  private async restart(): Promise<void> {
    try {
      await this.start();
    } catch (error) {
      if (!this.closing) this.again((error as Error).message);
      return;
    }
    this.restarts += 1;
    if (this.closing) return;
    const downMs = Math.round(performance.now() - this.endedAt);
    this.shared.options.onChange({ kind: 'restarted', address: this.address, downMs });
  }
}

interface Thread {
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly counters: Float64Array;
  /** Resolves with the reason once it has ended and its socket is closed. */
  readonly exited: Promise<string>;
}

async function startThread(
  { options, control, image, keys }: Shared,
  target: BatchTarget,
): Promise<Thread> {
  const { port1: port, port2 } = new MessageChannel();
  const counters = new SharedArrayBuffer(COUNTER.places * 8);
  const { responder, responsesPerSecond, askers } = options;
  const workerData: UdpWorkerData = {
    ...{ image, control, counters, port: port2, target, responder, keys, responsesPerSecond },
    askers,
  };
  const worker = new Worker(new URL('./udp-worker.ts', import.meta.url), {
    workerData,
    transferList: [port2],
    name: `dns ${target.address}`,
  });
  // A thread that only waits for questions must not keep the process alive.
  worker.unref();
  return ready({ worker, port, counters: new Float64Array(counters) }, options, target);
}

/** Waits until the thread answers, and listens to it from then on. @throws AppError LISTEN_FAILED */
function ready(
  { worker, port, counters }: Omit<Thread, 'exited'>,
  options: UdpThreadsOptions,
  { address, port: number }: BatchTarget,
): Promise<Thread> {
  let fd: number | undefined;
  let why = 'it ended without a word';
  return new Promise((resolve, reject) => {
    const take = (message: FromUdpWorker): void => {
      if (message.kind === 'ready') {
        fd = message.fd;
        resolve({ worker, port, counters, exited });
      }
      if (message.kind === 'closed') fd = undefined;
      if (message.kind === 'failed') why = message.why;
      if (message.kind === 'forward') options.onForward(message);
      if (message.kind === 'asked') options.onAsked(message);
    };
    worker.on('error', (error: Error) => {
      why = error.message;
    });
    const exited = new Promise<string>((end) => {
      worker.once('exit', () => {
        // What it said last: whether its socket is closed.
        for (let last = receiveMessageOnPort(port); last; last = receiveMessageOnPort(port)) {
          take(last.message as FromUdpWorker);
        }
        port.close();
        if (fd !== undefined) closeDescriptor(fd);
        reject(
          new AppError('LISTEN_FAILED', { detail: `DNS on UDP ${address}:${number}: ${why}` }),
        );
        end(why);
      });
    });
    port.on('message', take);
    port.unref();
  });
}

/** Of a thread that was ended from outside, or had no memory left: it could not close its socket itself. */
function closeDescriptor(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // It is closed already, and that is what was wanted.
  }
}
