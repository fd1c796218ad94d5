/**
 * Signing in bulk, beside the thread that everything else runs on: one worker, started when there is enough to do, ended
 * when it has had nothing to do for a while. A few signatures are made at once: a message would cost more.
 */
import type { KeyObject } from 'node:crypto';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { signOctets } from '../dns/dnssec.ts';

export interface SignWork {
  readonly octets: string;
  /** Its place among the private keys. */
  readonly key: number;
}

export interface ToSignWorker {
  readonly id: number;
  readonly privateKeys: readonly KeyObject[];
  readonly work: readonly SignWork[];
}

export interface FromSignWorker {
  readonly id: number;
  readonly signatures: readonly string[];
}

export interface SignThread {
  /** @returns signatures in the order of the work. @throws Error when the thread ended */
  sign(privateKeys: readonly KeyObject[], work: readonly SignWork[]): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Under two milliseconds of the calling thread. */
const AT_ONCE_MAX = 24;
const IDLE_MS = 30_000;

interface Running {
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly exited: Promise<void>;
}

interface Waiting {
  resolve(signatures: readonly string[]): void;
  reject(error: Error): void;
}

export function openSignThread(): SignThread {
  const waiting = new Map<number, Waiting>();
  let running: Running | undefined;
  let idle: NodeJS.Timeout | undefined;
  let last = 0;

  const start = (): Running => {
    const { port1, port2 } = new MessageChannel();
    const worker = new Worker(new URL('./sign-worker.ts', import.meta.url), {
      workerData: { port: port2 },
      transferList: [port2],
      name: 'dns signing',
    });
    const failed = (error: Error): void => {
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
      running = undefined;
    };
    const exited = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        port1.close();
        failed(new Error('the signing thread ended'));
        resolve();
      });
    });
    worker.once('error', failed);
    port1.on('message', ({ id, signatures }: FromSignWorker) => {
      waiting.get(id)?.resolve(signatures);
      waiting.delete(id);
    });
    worker.unref();
    port1.unref();
    return { worker, port: port1, exited };
  };
  const stop = async (): Promise<void> => {
    clearTimeout(idle);
    const ending = running;
    running = undefined;
    await ending?.worker.terminate();
    await ending?.exited;
  };

  return {
    async sign(privateKeys, work) {
      if (work.length <= AT_ONCE_MAX) {
        return work.map(({ octets, key }) => {
          const privateKey = privateKeys[key];
          return privateKey ? signOctets(octets, privateKey) : '';
        });
      }
      running ??= start();
      clearTimeout(idle);
      idle = setTimeout(() => void stop(), IDLE_MS).unref();
      const { port } = running;
      const id = ++last;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        const message: ToSignWorker = { id, privateKeys, work };
        port.postMessage(message);
      });
    },
    close: stop,
  };
}
