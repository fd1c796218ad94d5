/**
 * The name server: listeners around the keeper's image, the slow path behind them, and the watch on the inventory.
 *
 * Order at start: the last good zones are served first; then the inventory is read and compared. Order at a change: the
 * inventory commits, the feed wakes us, changes of one moment are gathered, one step is taken. Without koffi, UDP is
 * answered by dgram on the main thread: the same answers, at a quarter of the rate.
 */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { ImageReader } from '../dns/image.ts';
import type { ResponderSettings } from '../dns/reply.ts';
import { Responder } from '../dns/respond.ts';
import type { ReverseNetwork } from '../dns/reverse.ts';
import { parseAddress } from '../dns/reverse.ts';
import type { TsigKey } from '../dns/tsig.ts';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Log } from '../platform/log.ts';
import { batchesAvailable, openSender } from '../platform/mmsg.ts';
import { createDnsDesk, type DnsDesk } from './desk.ts';
import { Keeper, type KeeperOptions } from './keeper.ts';
import { openNotifier, type Secondary } from './notify.ts';
import { createSlowPath, type SlowPath } from './slow-path.ts';
import { openTcp, type TcpServer } from './tcp.ts';
import { COUNTER, countAnswer } from './udp-protocol.ts';
import { startUdpThreads, type UdpThreads } from './udp-threads.ts';

export interface NameserverOptions extends Omit<KeeperOptions, 'onServed'> {
  readonly listen: readonly string[];
  readonly port: number;
  /** UDP threads for each address. */
  readonly threads: number;
  readonly responder: ResponderSettings;
  readonly responsesPerSecond: number;
  readonly secondaries: readonly Secondary[];
  readonly keys: readonly TsigKey[];
  readonly transferTo: readonly ReverseNetwork[];
  readonly log: Log;
  /** Wakes after each commit that added events; returns the way to stop. */
  follow(wake: () => void): () => void;
}

export interface Nameserver {
  readonly keeper: Keeper;
  /** What people ask. */
  readonly desk: DnsDesk;
  /** Sums of the UDP side by place (`COUNTER`), and open TCP connections. */
  counters(): { udp: readonly number[]; tcpConnections: number };
  close(): Promise<void>;
}

const WAIT_MS = 200;
const RECONCILE_MS = 3_600_000;

export async function startNameserver(options: NameserverOptions): Promise<Nameserver> {
  const { log } = options;
  const notifier = openNotifier({
    ...{ secondaries: options.secondaries, from: options.listen },
    nowSeconds: options.nowSeconds,
    onOutcome: (outcome) => {
      if (!outcome.heard) log.warn(outcome, 'a secondary did not answer NOTIFY');
    },
  });
  let threads: Udp | undefined;
  let responder: Responder | undefined;
  const keeper = new Keeper({
    ...options,
    onServed({ replaced, diffs }) {
      if (replaced) {
        responder?.useImage(new ImageReader(keeper.buffer));
        threads?.useImage(keeper.buffer);
      }
      for (const { zone } of diffs) {
        const served = keeper.zones().get(zone);
        if (served) notifier.notify(served);
      }
    },
  });
  responder = new Responder(new ImageReader(keeper.buffer), options.responder);
  const slow = createSlowPath({
    ...options,
    responder,
    zones: () => keeper.zones(),
    chain: options.store.chain,
    onTransfer: (transfer) => log.debug(transfer, 'transfer'),
  });
  const tcps: TcpServer[] = [];
  const closeAll = async (): Promise<void> => {
    notifier.close();
    await Promise.all([threads?.close(), ...tcps.map((tcp) => tcp.close())]);
  };
  try {
    for (const address of options.listen)
      tcps.push(await listenTcp(options, address, { responder, slow }));
    threads = await listenUdp(options, keeper, { responder, slow });
  } catch (error) {
    await closeAll();
    throw error;
  }
  const watch = watchInventory(options, keeper);
  return {
    keeper,
    desk: createDnsDesk(keeper, options.store, responder),
    counters: () => ({
      udp: threads?.counters() ?? [],
      tcpConnections: tcps.reduce((sum, tcp) => sum + tcp.connections(), 0),
    }),
    async close() {
      watch();
      await closeAll();
    },
  };
}

/**
 * Reads the whole inventory, now and every hour (what no event told of comes right); in between gathers the changes of
 * a moment, then follows them.
 */
function watchInventory({ follow, log }: NameserverOptions, keeper: Keeper): () => void {
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    timer = undefined;
    try {
      if (keeper.follow()) wake();
    } catch (err) {
      log.error({ err }, 'DNS could not follow the inventory');
    }
  };
  const wake = (): void => {
    timer ??= setTimeout(look, limit('dnsGatherMs'));
  };
  const fill = (): void => {
    const pause = () => new Promise<void>((resolve) => setImmediate(resolve));
    keeper.fill(pause).then(wake, (err) => log.error({ err }, 'DNS could not read the inventory'));
  };
  const stop = follow(wake);
  const first = setImmediate(fill);
  const again = setInterval(fill, RECONCILE_MS);
  return () => {
    stop();
    clearImmediate(first);
    clearInterval(again);
    clearTimeout(timer);
  };
}

interface Answering {
  readonly responder: Responder;
  readonly slow: SlowPath;
}

function listenTcp(
  options: NameserverOptions,
  address: string,
  { responder, slow }: Answering,
): Promise<TcpServer> {
  return openTcp({
    ...{ address, port: options.port, nowSeconds: options.nowSeconds },
    answer: (bytes, asker, out) =>
      responder.respond({ bytes, from: 0, to: bytes.length }, out, asker),
    answerSlowly: (request, asker) => slow.answer(request, asker),
    onError: (err) => options.log.error({ err }, 'a DNS question over TCP could not be answered'),
  });
}

type Udp = Pick<UdpThreads, 'useImage' | 'counters' | 'close'>;

async function listenUdp(
  options: NameserverOptions,
  keeper: Keeper,
  answering: Answering,
): Promise<Udp> {
  const { listen, port, log } = options;
  if (!batchesAvailable()) {
    log.warn('koffi is not available: DNS over UDP is answered on the main thread');
    return listenDgram(options, answering);
  }
  const send = openSender();
  const targets = listen.flatMap((address) =>
    Array.from({ length: options.threads }, () => ({ address, port, waitMs: WAIT_MS })),
  );
  return startUdpThreads({
    ...{ image: keeper.buffer, targets, responder: options.responder },
    responsesPerSecond: options.responsesPerSecond,
    onError: (err) => log.error({ err }, 'a DNS thread ended'),
    onForward: ({ fd, bytes, name }) => {
      const address = name.length === 16 ? name.slice(4, 8) : name.slice(8, 24);
      for (const reply of slowly(options, answering, { bytes, address })) send?.(fd, reply, name);
    },
  });
}

function slowly(
  { nowSeconds, log }: NameserverOptions,
  { slow }: Answering,
  { bytes, address }: { bytes: Uint8Array; address: Uint8Array },
): Uint8Array[] {
  try {
    return [...slow.answer(bytes, { transport: 'udp', address, nowSeconds: nowSeconds() })];
  } catch (err) {
    log.error({ err }, 'a DNS question could not be answered');
    return [];
  }
}

async function listenDgram(options: NameserverOptions, answering: Answering): Promise<Udp> {
  const counters = new Float64Array(COUNTER.places);
  const reply = { bytes: new Uint8Array(65_535), at: 0 };
  const sockets = await Promise.all(
    options.listen.map(async (listenAddress) => {
      const socket = createSocket(isIPv6(listenAddress) ? 'udp6' : 'udp4');
      socket.on('message', (bytes, from) => {
        counters[COUNTER.questions] = (counters[COUNTER.questions] ?? 0) + 1;
        // A reply to port 0 can go nowhere.
        if (from.port === 0) return;
        const octets = parseAddress(from.address) ?? '\0\0\0\0';
        const address = Uint8Array.from(octets, (char) => char.charCodeAt(0));
        const asker = { transport: 'udp' as const, address, nowSeconds: options.nowSeconds() };
        const { responder } = answering;
        const length = responder.respond({ bytes, from: 0, to: bytes.length }, reply, asker);
        const messages =
          length > 0
            ? [reply.bytes.slice(0, length)]
            : slowly(options, answering, { bytes, address });
        if (length > 0) countAnswer(counters, responder.lastRcode, responder.lastTruncated);
        if (length === 0) return;
        for (const message of messages)
          socket.send(message, from.port, from.address, () => undefined);
      });
      await new Promise<void>((resolve, reject) => {
        socket.once('error', (cause) => {
          const detail = `DNS on UDP ${listenAddress}:${options.port}: ${cause.message}`;
          reject(new AppError('LISTEN_FAILED', { detail, cause }));
        });
        socket.bind(options.port, listenAddress, () => resolve());
      });
      return socket;
    }),
  );
  return {
    useImage: () => undefined,
    counters: () => [...counters],
    close: async () => {
      await Promise.all(
        sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
      );
    },
  };
}
