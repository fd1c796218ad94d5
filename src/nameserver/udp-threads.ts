/**
 * The UDP threads, seen from the main one: started, handed each new image, counted, stopped.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { ResponderSettings } from '../dns/reply.ts';
import type { SigningKeys } from '../dns/signer.ts';
import { AppError } from '../errors.ts';
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
  /** The sum over all threads, by place (`COUNTER`). */
  counters(): number[];
  close(): Promise<void>;
}

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
  onError(error: Error): void;
}

interface Thread {
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly counters: Float64Array;
  readonly exited: Promise<void>;
}

/** @throws AppError LISTEN_FAILED */
export async function startUdpThreads(options: UdpThreadsOptions): Promise<UdpThreads> {
  const control = new SharedArrayBuffer(CONTROL.words * 4);
  const words = new Int32Array(control);
  const started = await Promise.allSettled(
    options.targets.map((target) => startThread(options, target, control)),
  );
  const threads = started.flatMap((result) =>
    result.status === 'fulfilled' ? [result.value] : [],
  );
  const close = async (): Promise<void> => {
    Atomics.store(words, CONTROL.stop, 1);
    // From here on they are waited for: the process must not end before they have.
    for (const { worker } of threads) worker.ref();
    await Promise.all(threads.map(({ exited }) => exited));
  };
  const failed = started.find((result) => result.status === 'rejected');
  if (failed) {
    await close();
    throw failed.reason;
  }
  const tell = (message: ToUdpWorker): void => {
    for (const { port } of threads) port.postMessage(message);
    Atomics.add(words, CONTROL.epoch, 1);
  };
  return {
    close,
    useImage: (image) => tell({ image }),
    useKeys: (keys) => tell({ keys }),
    counters: () =>
      Array.from({ length: COUNTER.places }, (_, place) =>
        threads.reduce((sum, { counters }) => sum + (counters[place] ?? 0), 0),
      ),
  };
}

async function startThread(
  options: UdpThreadsOptions,
  target: BatchTarget,
  control: SharedArrayBuffer,
): Promise<Thread> {
  const { port1, port2 } = new MessageChannel();
  const counters = new SharedArrayBuffer(COUNTER.places * 8);
  const { image, responder, keys, responsesPerSecond, askers } = options;
  const workerData: UdpWorkerData = {
    ...{ image, control, counters, port: port2, target, responder, keys, responsesPerSecond },
    askers,
  };
  const worker = new Worker(new URL('./udp-worker.ts', import.meta.url), {
    workerData,
    transferList: [port2],
    name: `dns ${target.address}`,
  });
  const exited = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      port1.close();
      resolve();
    });
  });
  await new Promise<void>((resolve, reject) => {
    const refuse = (why: string) =>
      reject(
        new AppError('LISTEN_FAILED', {
          detail: `DNS on UDP ${target.address}:${target.port}: ${why}`,
        }),
      );
    worker.on('error', (error: Error) => {
      refuse(error.message);
      options.onError(error);
    });
    port1.on('message', (message: FromUdpWorker) => {
      if (message.kind === 'ready') resolve();
      if (message.kind === 'failed') refuse(message.why);
      if (message.kind === 'forward') options.onForward(message);
      if (message.kind === 'asked') options.onAsked(message);
    });
  });
  // A thread that only waits for questions must not keep the process alive.
  worker.unref();
  port1.unref();
  return { worker, port: port1, counters: new Float64Array(counters), exited };
}
