/**
 * TFTP put together: sockets, the thread that serves them, the files, and what is told to the daemon.
 *
 * With koffi the engine runs in a thread of its own (`tftp-worker.ts`) and system calls are batched. Without it the engine
 * runs here, on Node's dgram; clients see no difference but speed. Events and drops come out the same way from both.
 * A thread that ends without being asked to, or says nothing for too long, is started again with the same sockets: machines
 * repeat what they asked.
 */
import { Worker } from 'node:worker_threads';
import { isMade, parseTokenPath } from '../boot/token-path.ts';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { loadDatagramCalls, openWaker, type Waker } from '../platform/datagram-calls.ts';
import { type Libc, loadLibc } from '../platform/libc.ts';
import { type Log, maskTokens } from '../platform/log.ts';
import { seldomErrors } from '../platform/seldom.ts';
import { openDgramTftp } from '../platform/tftp-dgram.ts';
import {
  findStored,
  openTftpFiles,
  type ServedFolder,
  type TftpFiles,
} from '../platform/tftp-files.ts';
import {
  openTftpSockets,
  type TftpDescriptors,
  type TftpNetwork,
} from '../platform/tftp-sockets.ts';
import { createChunkCache, type FileVersion } from '../tftp/chunk-cache.ts';
import { TftpEngine } from '../tftp/engine.ts';
import type { Endpoint, TftpDrop, TftpEvent, Via } from '../tftp/ports.ts';
import { formatIpv4 } from '../wire/ipv4.ts';

export interface TftpClient {
  readonly address: string;
  readonly port: number;
}

export interface TftpServiceOptions {
  /** One for each address of ours. */
  readonly networks: readonly TftpNetwork[];
  readonly folder: ServedFolder;
  /**
   * What is behind a name that is no file of the folder (`isMade`). It is asked once for each transfer.
   * @param server the address of ours that was asked
   */
  made?(name: string, server: string): Served | undefined;
  /** The largest block that a client bears; `undefined` for what it asks. */
  blksizeMaxOf?(address: string): number | undefined;
  readonly log: Log;
  /** `auto`: batched where koffi is there. */
  readonly io?: 'auto' | 'dgram';
  onEvent(event: TftpEvent, client: TftpClient): void;
  onDrop(reason: TftpDrop, count: number): void;
  /** So many answers were refused by the kernel: no route, a firewall, a full queue. */
  onUnsent?(count: number): void;
  /** The thread has ended without being asked to, and will be started again. */
  onThreadLost?(): void;
  /** For tests: the program of the thread. */
  readonly thread?: URL;
  /** For tests: how long a thread may say nothing. */
  readonly silenceMs?: number;
}

/** A file of a folder, or a text that was made for who asks. */
export type Served = { readonly folder: string; readonly name: string } | { readonly text: string };

export interface TftpService {
  /** The request port of each network. */
  readonly ports: readonly number[];
  readonly io: 'batched' | 'dgram';
  /**
   * Whether `blksizeMaxOf` may have something to say of anybody. While it has not, which nearly always holds, the thread finds
   * files without asking. True until it is said.
   */
  setBlksizeCaps(known: boolean): void;
  /** False while its thread is gone, or turns no more. */
  alive(): boolean;
  close(): Promise<void>;
}

/** What the thread is started with: the descriptors of each network, and the eventfd that wakes it. */
export interface WorkerStart {
  readonly networks: readonly TftpDescriptors[];
  readonly wakeFd: number;
  /** One 32-bit number: the thread adds to it with each turn, so that one that hangs is seen. */
  readonly turns: SharedArrayBuffer;
  readonly folder: ServedFolder;
  /** One 32-bit number: not 0 while a file may be found by the main thread only (`setBlksizeCaps`). */
  readonly caps: SharedArrayBuffer;
}

export interface ToldEvent {
  readonly event: TftpEvent;
  readonly client: Endpoint;
}

export type FromWorker =
  | {
      readonly kind: 'find';
      readonly id: number;
      readonly name: string;
      readonly client: Endpoint;
      /** Which of the networks it was asked on. */
      readonly network: number;
    }
  | {
      readonly kind: 'read';
      readonly id: number;
      readonly file: FileVersion;
      readonly offset: number;
      readonly length: number;
    }
  | { readonly kind: 'events'; readonly events: readonly ToldEvent[] }
  | { readonly kind: 'find-failed'; readonly name: string; readonly error: string }
  | {
      readonly kind: 'drops';
      readonly counts: readonly (readonly [TftpDrop, number])[];
      readonly unsent: number;
    }
  | { readonly kind: 'error'; readonly error: string }
  | { readonly kind: 'stopped' };

export type ToWorker =
  | {
      readonly kind: 'answer';
      readonly id: number;
      readonly answer: FileVersion | Uint8Array | undefined;
    }
  | { readonly kind: 'stop' };

/** @throws AppError LISTEN_FAILED */
export async function openTftpService(options: TftpServiceOptions): Promise<TftpService> {
  const files = openTftpFiles({ textsMax: limit('tftpTextsMax') });
  const libc = options.io === 'dgram' ? undefined : loadLibc();
  const prepared = { ...options, files, tellError: seldomErrors(options.log) };
  if (libc) return openBatched({ ...prepared, libc });
  options.log.warn('TFTP runs on dgram: koffi is not available');
  return openPlain(prepared);
}

interface Prepared extends TftpServiceOptions {
  readonly files: TftpFiles;
  readonly tellError: ReturnType<typeof seldomErrors>;
}

const RESTART_MS = 1000;
const TFTP_THREAD = new URL('./tftp-worker.ts', import.meta.url);

function openBatched(options: Prepared & { readonly libc: Libc }): TftpService {
  const { libc, files, log, folder } = options;
  const caps = new SharedArrayBuffer(4);
  const setBlksizeCaps = (known: boolean) =>
    void Atomics.store(new Int32Array(caps), 0, known ? 1 : 0);
  setBlksizeCaps(options.blksizeMaxOf !== undefined);
  const networks: TftpDescriptors[] = [];
  const closeSockets = () => networks.flat().forEach((fd) => void libc.close(fd));
  let waker: Waker;
  try {
    for (const network of options.networks) networks.push(openTftpSockets(libc, network));
    waker = openWaker(libc);
  } catch (cause) {
    closeSockets();
    if (cause instanceof AppError) throw cause;
    throw new AppError('LISTEN_FAILED', { detail: `TFTP: ${(cause as Error).message}`, cause });
  }
  const { localPort } = loadDatagramCalls(libc);
  let closing = false;
  let worker: Worker | undefined;
  let restart: NodeJS.Timeout | undefined;
  let pulse = createPulse(options, 0);
  let lost = 0;
  let stopped = () => {};
  const done = new Promise<void>((resolve) => {
    stopped = resolve;
  });
  const launch = (): void => {
    restart = undefined;
    pulse = createPulse(options, lost);
    const { turns } = pulse;
    const started = new Worker(options.thread ?? TFTP_THREAD, {
      workerData: { networks, wakeFd: waker.fd, turns, folder, caps } satisfies WorkerStart,
    });
    worker = started;
    const post = (message: ToWorker, transfer: ArrayBuffer[] = []) => {
      started.postMessage(message, transfer);
      waker.wake();
    };
    started.on('message', (message: FromWorker) => hear(options, message, post));
    started.on('error', (err) => log.error({ err }, 'the TFTP thread failed'));
    started.on('exit', () => {
      if (closing) return stopped();
      lost += 1;
      options.onThreadLost?.();
      restart = setTimeout(launch, RESTART_MS);
    });
    if (closing) post({ kind: 'stop' });
  };
  launch();
  let ended: Worker | undefined;
  const watch = setInterval(() => {
    if (restart || !pulse.hangs() || ended === worker) return;
    ended = worker;
    log.error('the TFTP thread hangs: it is ended, and started again');
    void worker?.terminate();
  }, LOOK_MS);
  watch.unref();
  return {
    ports: networks.map(([requests]) => localPort(requests)),
    io: 'batched',
    setBlksizeCaps,
    alive: () => restart === undefined && pulse.proven() && !pulse.hangs(),
    async close() {
      closing = true;
      clearInterval(watch);
      if (restart) stopped();
      clearTimeout(restart);
      worker?.postMessage({ kind: 'stop' } satisfies ToWorker);
      waker.wake();
      await done;
      closeSockets();
      waker.close();
      await files.close();
    },
  };
}

/** How often a thread is looked at. */
const LOOK_MS = 1000;

interface Pulse {
  readonly turns: SharedArrayBuffer;
  /** It has not turned for too long. */
  hangs(): boolean;
  /** The first thread is taken at its word; one that follows a dead one has to have turned. */
  proven(): boolean;
}

function createPulse({ silenceMs = limit('tftpThreadSilenceMs') }: Prepared, lost: number): Pulse {
  const turns = new SharedArrayBuffer(4);
  const count = new Int32Array(turns);
  let seen = 0;
  let seenAt = performance.now();
  return {
    turns,
    hangs() {
      const [now, turned] = [performance.now(), Atomics.load(count, 0)];
      if (turned !== seen) [seen, seenAt] = [turned, now];
      return now - seenAt >= silenceMs;
    },
    proven: () => lost === 0 || Atomics.load(count, 0) !== 0,
  };
}

type Post = (message: ToWorker, transfer?: ArrayBuffer[]) => void;

function hear(options: Prepared, message: FromWorker, post: Post): void {
  const { files, tellError } = options;
  switch (message.kind) {
    case 'find':
      post({ kind: 'answer', id: message.id, answer: find(options, message) });
      return;
    case 'read':
      void files
        .read(message.file, message)
        .then((answer) =>
          post(
            { kind: 'answer', id: message.id, answer },
            answer ? [answer.buffer as ArrayBuffer] : [],
          ),
        );
      return;
    case 'events':
      for (const { event, client } of message.events) options.onEvent(event, clientOf(client));
      return;
    case 'find-failed':
      tellError({ err: message.error, name: maskTokens(message.name) }, FIND_FAILED);
      return;
    case 'drops':
      for (const [reason, count] of message.counts) options.onDrop(reason, count);
      if (message.unsent > 0) options.onUnsent?.(message.unsent);
      return;
    case 'error':
      tellError({ err: message.error }, PACKET_FAILED);
      return;
    case 'stopped':
  }
}

const FIND_FAILED = 'a TFTP file could not be looked up';
const PACKET_FAILED = 'a TFTP packet could not be served';

/** A file system that fails is logged; for the client the file is not there. */
function find(
  { files, folder, made, networks, tellError, blksizeMaxOf }: Prepared,
  { name, client, network }: { name: string; client: Endpoint; network: number },
): FileVersion | undefined {
  try {
    // Whoever keeps a GRUB of his own in the folder has its start there, too.
    const file =
      (parseTokenPath(name) ? undefined : findStored(folder, name)) ??
      (isMade(name) ? stored(files, made?.(name, networks[network]?.address ?? '')) : undefined);
    const blksizeBytesMax = file && blksizeMaxOf?.(clientOf(client).address);
    return file && blksizeBytesMax !== undefined ? { ...file, blksizeBytesMax } : file;
  } catch (err) {
    tellError({ err, name: maskTokens(name) }, FIND_FAILED);
    return undefined;
  }
}

const NO_STAND_INS = new Map<string, string>();

function stored(files: TftpFiles, what: Served | undefined): FileVersion | undefined {
  if (what === undefined) return undefined;
  return 'text' in what
    ? files.hold(what.text)
    : findStored({ root: what.folder, standIns: NO_STAND_INS }, what.name);
}

const TICK_MS = 10;

async function openPlain(options: Prepared): Promise<TftpService> {
  const { files, tellError } = options;
  const cache = createChunkCache((file, at, done) => void files.read(file, at).then(done));
  const onUnsent = (count: number) => options.onUnsent?.(count);
  const sockets = await Promise.all(options.networks.map((one) => openDgramTftp(one, onUnsent)));
  const engines = sockets.map((socket, network) => {
    const engine = new TftpEngine(
      {
        sender: socket,
        find: (name, done, client) => done(find(options, { name, client, network })),
        onEvent: (event, client) => options.onEvent(event, clientOf(client)),
        onDrop: (reason) => options.onDrop(reason, 1),
        onError: (err) => tellError({ err }, PACKET_FAILED),
      },
      cache,
      () => performance.now(),
    );
    socket.onMessage((via, bytes, from) => engine.receive(via as Via, bytes, from));
    return engine;
  });
  const ticking = setInterval(() => {
    for (const engine of engines) engine.tick();
  }, TICK_MS);
  return {
    ports: sockets.map(({ port }) => port),
    io: 'dgram',
    setBlksizeCaps: () => undefined,
    alive: () => true,
    async close() {
      clearInterval(ticking);
      for (const engine of engines) engine.close();
      await Promise.all(sockets.map((socket) => socket.close()));
      await files.close();
    },
  };
}

function clientOf({ ip, port }: Endpoint): TftpClient {
  return { address: formatIpv4(ip), port };
}
