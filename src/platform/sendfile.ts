/**
 * sendfile(2) for TCP connections of Node's: the kernel moves pages of a file to a socket, and no byte passes through this
 * process. Node has no call for it, so it goes through the FFI, on threads of its own (send-thread.ts).
 *
 * The socket belongs to the runtime, which may close it at any moment, after which the number of its descriptor names
 * another connection. So the thread is given a duplicate, which is closed only when the thread has let go of it. When the
 * runtime closes its own, the duplicate is shut down, which ends the thread's work on it at once.
 *
 * There is none for TLS, whose bytes are made here; nor without the FFI; nor where the runtime shows no descriptor. Then
 * files are sent by ordinary writes (file-sender.ts), and nothing else changes.
 */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { SendDone, SendJob, SendThreadData } from './send-thread.ts';

export interface DirectSender {
  /**
   * @returns the bytes that the kernel took: fewer than the length when the connection or the file failed or nothing moved
   * for too long; `undefined` when that cannot be known, and the connection has to be cut
   */
  send(part: Pick<SendJob, 'fileFd' | 'offsetBytes' | 'lengthBytes'>): Promise<number | undefined>;
  /** Ends a running `send` soon, whose promise then resolves. */
  cancel(): void;
  /** Once nothing is being sent. */
  close(): void;
}

export interface SendThreads {
  /** For a connection whose writes so far have all been taken; `undefined` where there is no such way. */
  open(socket: Socket): DirectSender | undefined;
  close(): Promise<void>;
}

/** include/uapi/linux/fcntl.h, eventfd.h, socket.h, tcp.h */
const F_DUPFD_CLOEXEC = 1030;
const EFD_CLOEXEC_NONBLOCK = 0o2004000;
const SHUT_RDWR = 2;
const IPPROTO_TCP = 6;
const TCP_CORK = 3;

interface Calls {
  fcntl(fd: number, command: number, type: 'int', value: number): number;
  eventfd(value: number, flags: number): number;
  shutdown(fd: number, how: number): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, bytes: number): number;
  write(fd: number, bytes: Uint8Array, count: number): number;
  close(fd: number): number;
}

function loadCalls(): Calls | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const lib = koffi.load('libc.so.6');
    return {
      fcntl: lib.func('int fcntl(int fd, int command, ...)'),
      eventfd: lib.func('int eventfd(unsigned int value, int flags)'),
      shutdown: lib.func('int shutdown(int fd, int how)'),
      setsockopt: lib.func('int setsockopt(int fd, int, int, const void *value, uint32_t bytes)'),
      write: lib.func('int64_t write(int fd, const void *bytes, size_t count)'),
      close: lib.func('int close(int fd)'),
    } as unknown as Calls;
  } catch {
    return undefined;
  }
}

interface Thread {
  /** Resolves with what was not moved; `undefined` when the thread has died. */
  run(job: Omit<SendJob, 'id'>): Promise<number | undefined>;
  running(): number;
  alive(): boolean;
  close(): Promise<void>;
}

export interface SendThreadOptions {
  readonly threads: number;
  /** A connection that takes nothing for so long is given up. */
  readonly idleMs: number;
  onError(error: Error): void;
  /** One has ended without being asked to; what it was sending is cut off. */
  onLost?(): void;
  /** For tests: how long after that no other one is started. */
  readonly replaceMs?: number;
}

/** A thread that dies is replaced when there is something to send, but not more often than this. */
const REPLACE_MS = 1000;

/** The threads are started with the first download that they are for. */
export function openSendThreads(options: SendThreadOptions): SendThreads {
  const libc = loadCalls();
  let threads: Thread[] = [];
  let lostAt = Number.NEGATIVE_INFINITY;
  const onLost = (): void => {
    lostAt = performance.now();
    options.onLost?.();
  };
  const pick = (calls: Calls): Thread | undefined => {
    threads = threads.filter((thread) => thread.alive());
    if (performance.now() - lostAt >= (options.replaceMs ?? REPLACE_MS)) {
      while (threads.length < options.threads) {
        threads.push(startThread(calls, { ...options, onLost }));
      }
    }
    return threads.toSorted((a, b) => a.running() - b.running()).at(0);
  };
  return {
    open(socket) {
      const { fd } = (socket as { _handle?: { fd?: number } | null })._handle ?? {};
      if (!libc || socket.destroyed || 'encrypted' in socket || !fd || fd < 0) return undefined;
      const thread = pick(libc);
      const socketFd = thread ? libc.fcntl(fd, F_DUPFD_CLOEXEC, 'int', 0) : -1;
      return thread && socketFd >= 0 ? lend(libc, thread, { socket, socketFd }) : undefined;
    },
    async close() {
      await Promise.all(threads.splice(0).map((thread) => thread.close()));
    },
  };
}

function lend(
  libc: Calls,
  thread: Thread,
  { socket, socketFd }: { socket: Socket; socketFd: number },
): DirectSender {
  // The runtime sees nothing move meanwhile, and would take the connection for idle. The thread watches instead.
  const idleMs = socket.timeout ?? 0;
  socket.setTimeout(0);
  cork(libc, socketFd, true);
  return {
    async send(part) {
      const leftBytes = await thread.run({ ...part, socketFd });
      return leftBytes === undefined ? undefined : part.lengthBytes - leftBytes;
    },
    cancel: () => void libc.shutdown(socketFd, SHUT_RDWR),
    close() {
      cork(libc, socketFd, false);
      libc.close(socketFd);
      if (!socket.destroyed) socket.setTimeout(idleMs);
    },
  };
}

/**
 * While files go out: only full segments leave (tcp(7), TCP_CORK; what is short waits for 200 ms at most). The runtime sets
 * TCP_NODELAY, under which each turn of sendfile(2) ends with a short one, and the kernel pushes as the buffer fills: two
 * thirds of the rate, and half as much processor time again, measured with one client of a 256 MiB image.
 */
function cork(libc: Calls, socketFd: number, on: boolean): void {
  const value = Uint8Array.of(on ? 1 : 0, 0, 0, 0);
  libc.setsockopt(socketFd, IPPROTO_TCP, TCP_CORK, value, value.length);
}

function startThread(libc: Calls, options: SendThreadOptions): Thread {
  const { idleMs, onError, onLost } = options;
  const { port1, port2 } = new MessageChannel();
  const wakeFd = libc.eventfd(0, EFD_CLOEXEC_NONBLOCK);
  const data: SendThreadData = { port: port2, wakeFd, idleMs };
  const worker = new Worker(new URL('./send-thread.ts', import.meta.url), {
    workerData: data,
    transferList: [port2],
  });
  const waiting = new Map<number, (leftBytes: number | undefined) => void>();
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  let alive = true;
  let closing = false;
  let lastId = 0;
  const tell = (message: SendJob | 'stop') => {
    port1.postMessage(message);
    libc.write(wakeFd, ONE, ONE.length);
  };
  worker.on('error', onError);
  void ended.then(() => {
    alive = false;
    if (!closing) onLost?.();
    for (const settle of waiting.values()) settle(undefined);
    waiting.clear();
    port1.close();
    libc.close(wakeFd);
  });
  follow(port1, ({ id, leftBytes }) => {
    waiting.get(id)?.(leftBytes);
    waiting.delete(id);
  });
  worker.unref();
  return {
    run(job) {
      const id = ++lastId;
      return new Promise((resolve) => {
        waiting.set(id, resolve);
        tell({ ...job, id });
      });
    },
    running: () => waiting.size,
    alive: () => alive,
    close() {
      closing = true;
      if (alive) tell('stop');
      return ended;
    },
  };
}

/** What eventfd(2) adds up: eight bytes, little-endian as this machine is. */
const ONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

function follow(port: MessagePort, done: (message: SendDone) => void): void {
  port.on('message', done);
  port.unref();
}
