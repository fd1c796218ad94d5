/**
 * The name server: listeners around the keeper's image, the slow path behind them, and the watch on the inventory.
 *
 * Order at start: the last good zones are served first; then the inventory is read and compared. Order at a change: the
 * inventory commits, the feed wakes us, changes of one moment are gathered, one step is taken. Without koffi, UDP is
 * answered by dgram on the main thread: the same answers, at a quarter of the rate.
 */
import { ImageReader } from '../dns/image.ts';
import type { DnsName } from '../dns/name.ts';
import type { ResponderSettings } from '../dns/reply.ts';
import { Responder } from '../dns/respond.ts';
import type { ReverseNetwork } from '../dns/reverse.ts';
import type { SigningKeys } from '../dns/signer.ts';
import type { TsigKey } from '../dns/tsig.ts';
import { limit } from '../limits.ts';
import type { Log } from '../platform/log.ts';
import { batchesAvailable, openSender } from '../platform/mmsg.ts';
import { seldomErrors } from '../platform/seldom.ts';
import { createDnsDesk, type DnsDesk } from './desk.ts';
import { type DnssecOptions, openSigning, plainTransfer } from './dnssec.ts';
import { Keeper } from './keeper.ts';
import type { KeeperOptions } from './keeper-parts.ts';
import { openNotifier, type Secondary } from './notify.ts';
import { inSlices } from './slices.ts';
import { createSlowPath, type SlowPath } from './slow-path.ts';
import { openTcp, type TcpGuest, type TcpOptions, type TcpServer } from './tcp.ts';
import { TcpRoom } from './tcp-room.ts';
import { Turns } from './turn.ts';
import { listenDgram, type Udp } from './udp-dgram.ts';
import type { Asked } from './udp-protocol.ts';
import { NO_THREADS, startUdpThreads, type ThreadChange, type UdpHealth } from './udp-threads.ts';

export interface NameserverOptions
  extends Omit<KeeperOptions, 'onWork' | 'onImage' | 'onServed' | 'signing'> {
  readonly listen: readonly string[];
  readonly port: number;
  /** UDP threads for each address. */
  readonly threads: number;
  readonly responder: ResponderSettings;
  readonly responsesPerSecond: number;
  readonly secondaries: readonly Secondary[];
  readonly keys: readonly TsigKey[];
  readonly transferTo: readonly ReverseNetwork[];
  /** Without it no zone is signed. */
  readonly dnssec?: DnssecOptions | undefined;
  readonly log: Log;
  /** Whose questions are wanted (asker-watch.ts), and by whom. */
  readonly asking?: { readonly askers: SharedArrayBuffer; onAsked(asked: Asked): void } | undefined;
  /** A UDP thread ended by itself, or another has taken its place. */
  readonly onThread?: ((change: ThreadChange) => void) | undefined;
  /** The zones are another appliance's: nothing is made or written here, and `Keeper.reload` shows what has come. */
  readonly frozen?: boolean;
  /** Opens what is bound to an address now, or once it is ours; absent: now. */
  readonly onceOurs?: ((address: string, open: () => Promise<void>) => Promise<void>) | undefined;
  /** Wakes after each commit that added events; returns the way to stop. */
  follow(wake: () => void): () => void;
}

export interface Nameserver {
  readonly keeper: Keeper;
  /** What people ask. */
  readonly desk: DnsDesk;
  /** Sums of the UDP side by place (`COUNTER`), and open TCP connections. */
  counters(): { udp: readonly number[]; tcpConnections: number };
  /** The UDP threads; all zero where the main thread answers. */
  health(): UdpHealth;
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
      else if (outcome.rcode !== 0) log.warn(outcome, 'a secondary refused NOTIFY');
    },
  });
  let threads: Udp | undefined;
  let responder: Responder | undefined;
  const signing =
    options.dnssec &&
    openSigning(options.dnssec, {
      ...{ log, nowSeconds: options.nowSeconds, keeper: () => keeper },
      transfers: options.secondaries.length + options.keys.length + options.transferTo.length > 0,
      onKeys(keyring) {
        responder?.useKeys(keyring.keys());
        threads?.useKeys(keyring.keys());
      },
      onCopy: (zone) => notify(zone),
    });
  const notify = (zone: DnsName): void => {
    const served = signing?.copies.of(zone) ?? keeper.zones().get(zone);
    if (served) notifier.notify(served);
  };
  const slices = inSlices(() => keeper.advance(), {
    onError: (err) => log.error({ err }, 'DNS could not finish what follows a change'),
  });
  const keeper: Keeper = new Keeper({
    ...options,
    signing: signing?.keyring,
    onWork: () => slices.wake(),
    onImage(buffer) {
      responder?.useImage(new ImageReader(buffer));
      threads?.useImage(buffer);
    },
    onServed({ renewed, diffs }) {
      signing?.followed(diffs, renewed);
      // Secondaries of a signed zone are told when there is a copy for them.
      const zones = new Set(diffs.map(({ zone }) => zone));
      for (const zone of zones) if (!signing?.keyring.signed(zone)) notify(zone);
    },
  });
  try {
    if (!options.frozen) keeper.settleSigned();
  } catch (err) {
    log.error({ err }, 'DNS could not note which zones are signed');
  }
  responder = new Responder(new ImageReader(keeper.buffer), options.responder);
  responder.useKeys(signing?.keyring.keys());
  const slow = createSlowPath({
    ...options,
    responder,
    transferable: (zone) =>
      signing?.keyring.signed(zone)
        ? signing.transferable(zone)
        : plainTransfer(keeper, zone, options.store.chain),
    onTransfer: (transfer) => log.debug(transfer, 'transfer'),
  });
  const answering = { responder, slow, tellError: seldomErrors(log) };
  const tcps: TcpServer[] = [];
  const shared = {
    turns: new Turns(limit('dnsTcpTurnMs')),
    room: new TcpRoom<TcpGuest>({
      most: limit('dnsTcpConnectionsMax'),
      mostOfNetwork: limit('dnsTcpPerNetworkMax'),
    }),
  };
  const closeAll = async (): Promise<void> => {
    notifier.close();
    await Promise.all([signing?.close(), threads?.close(), ...tcps.map((tcp) => tcp.close())]);
  };
  try {
    for (const address of options.listen) {
      const open = async () =>
        void tcps.push(await listenTcp(options, address, { ...shared, ...answering }));
      await (options.onceOurs ? options.onceOurs(address, open) : open());
    }
    threads = await listenUdp(options, keeper, { ...answering, keys: signing?.keyring.keys() });
  } catch (error) {
    await closeAll();
    throw error;
  }
  if (!options.frozen) signing?.start();
  const watch = options.frozen ? () => undefined : watchInventory(options, keeper);
  const health = () => threads?.health() ?? NO_THREADS;
  return {
    keeper,
    health,
    desk: createDnsDesk({ keeper, store: options.store, responder, signing, health }),
    counters: () => ({
      udp: threads?.counters() ?? [],
      tcpConnections: tcps.reduce((sum, tcp) => sum + tcp.connections(), 0),
    }),
    async close() {
      watch();
      slices.close();
      await closeAll();
    },
  };
}

/**
 * Reads the whole inventory, now and every hour (what no event told of comes right); in between follows changes, the
 * first of a moment at once, the others of that moment together.
 */
function watchInventory({ follow, log }: NameserverOptions, keeper: Keeper): () => void {
  let timer: NodeJS.Timeout | undefined;
  let lookedAt = 0;
  const tellError = seldomErrors(log);
  const tried = (what: () => void): void => {
    try {
      what();
    } catch (err) {
      tellError({ err }, 'DNS could not follow the inventory');
    }
  };
  const look = (): void => {
    timer = undefined;
    lookedAt = performance.now();
    tried(() => {
      if (keeper.follow()) wake();
      if (keeper.outdated) void fill();
    });
  };
  const wake = (): void => {
    const since = performance.now() - lookedAt;
    timer ??= setTimeout(look, Math.max(0, limit('dnsGatherMs') - since));
  };
  const pause = () => new Promise<void>((resolve) => setImmediate(resolve));
  let filling = false;
  const fill = async (): Promise<void> => {
    if (filling) return;
    filling = true;
    try {
      await keeper.fill(pause);
      wake();
    } catch (err) {
      tellError({ err }, 'DNS could not read the inventory');
    }
    filling = false;
  };
  const stop = follow(wake);
  const first = setImmediate(() => void fill());
  const repeated = [
    setInterval(() => void fill(), RECONCILE_MS),
    setInterval(() => tried(() => keeper.again()), limit('dnsRefusedLookMs')),
  ];
  return () => {
    stop();
    clearImmediate(first);
    for (const interval of repeated) clearInterval(interval);
    clearTimeout(timer);
  };
}

interface Answering {
  readonly responder: Responder;
  readonly slow: SlowPath;
  /** Anybody may ask as often as he likes. */
  readonly tellError: ReturnType<typeof seldomErrors>;
  readonly keys: SigningKeys | undefined;
}

function listenTcp(
  options: NameserverOptions,
  address: string,
  {
    responder,
    slow,
    tellError,
    ...shared
  }: Omit<Answering, 'keys'> & Pick<TcpOptions, 'turns' | 'room'>,
): Promise<TcpServer> {
  return openTcp({
    ...{ ...shared, address, port: options.port, nowSeconds: options.nowSeconds },
    answer: (bytes, asker, out) =>
      responder.respond({ bytes, from: 0, to: bytes.length }, out, asker),
    answerSlowly: (request, asker) => slow.answer(request, asker),
    onError: (err) => tellError({ err }, 'a DNS question over TCP could not be answered'),
  });
}

async function listenUdp(
  options: NameserverOptions,
  keeper: Keeper,
  answering: Answering,
): Promise<Udp> {
  const { listen, port, log, asking } = options;
  const asked = { askers: asking?.askers, onAsked: (one: Asked) => asking?.onAsked(one) };
  if (!batchesAvailable()) {
    log.warn('koffi is not available: DNS over UDP is answered on the main thread');
    return listenDgram({
      ...asked,
      ...{ listen, port, responder: answering.responder, nowSeconds: options.nowSeconds },
      responsesPerSecond: options.responsesPerSecond,
      answerSlowly: (bytes, address) => slowly(options, answering, { bytes, address }),
    });
  }
  const send = openSender();
  const targets = listen.flatMap((address) =>
    Array.from({ length: options.threads }, () => ({ address, port, waitMs: WAIT_MS })),
  );
  return startUdpThreads({
    ...asked,
    ...{ image: keeper.buffer, targets, responder: options.responder, keys: answering.keys },
    responsesPerSecond: options.responsesPerSecond,
    onChange: (change) => threadChanged(options, change),
    onForward: ({ fd, bytes, name }) => {
      const address = name.length === 16 ? name.slice(4, 8) : name.slice(8, 24);
      for (const reply of slowly(options, answering, { bytes, address })) send?.(fd, reply, name);
    },
  });
}

function threadChanged({ log, onThread }: NameserverOptions, change: ThreadChange): void {
  if (change.kind === 'ended') log.error(change, 'a DNS thread ended');
  else log.info(change, 'another DNS thread took its place');
  try {
    onThread?.(change);
  } catch (err) {
    log.error({ err }, 'what became of a DNS thread was not recorded');
  }
}

function slowly(
  { nowSeconds }: NameserverOptions,
  { slow, tellError }: Answering,
  { bytes, address }: { bytes: Uint8Array; address: Uint8Array },
): Uint8Array[] {
  try {
    return [...slow.answer(bytes, { transport: 'udp', address, nowSeconds: nowSeconds() })];
  } catch (err) {
    tellError({ err }, 'a DNS question could not be answered');
    return [];
  }
}
