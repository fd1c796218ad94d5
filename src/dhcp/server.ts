/**
 * The DHCP shell: receive, limit, queue, then in batches: decode, respond, persist, send.
 *
 * A batch is what has come by then, and one transaction: a socket that is busy is read in turns (platform/receive-turns.ts), so
 * the more comes, the more share a commit, and nothing waits for company. What it decided is committed before a byte is sent; offers and
 * refusals wait for no disk, an acknowledgement leaves when the disk has it, and many acknowledgements share one wait for the disk. Many
 * answers leave in groups, so that whoever relays them can take them. One bad packet costs one packet: when a batch fails, its packets are taken one by one, and the one that fails is counted and logged.
 */
import type { NewEvent } from '../events.ts';
import { limit } from '../limits.ts';
import type { BootId } from '../wire/ids.ts';
import { formatIpv4, IPV4_ANY, IPV4_BROADCAST, type Ipv4, parseIpv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import { createSlab, type TakeBytes } from '../wire/slab.ts';
import type { Clock, Millis } from '../wire/time.ts';
import { createIntake, SHED_REASONS, type Waiting } from './intake.ts';
import { decodePacket, encodePacket, PACKET_FAULTS, replyBytesMax } from './packet.ts';
import { type DhcpView, DROP_REASONS, type LeaseChange, type Outcome } from './ports.ts';
import { type ClientLink, type DhcpPorts, destinationOf, linkOf, replyFlags } from './reply-to.ts';
import { respond } from './respond.ts';
import { admitSenders } from './senders.ts';

export interface DhcpDatagram {
  readonly bytes: Uint8Array;
  readonly port: number;
  readonly address: string;
  /** That address is not its client's yet: it is sent to by its hardware address. */
  readonly link?: ClientLink | undefined;
}

/** The socket of one interface. The bytes it hands over are valid during the call only. */
export interface DhcpSocket {
  readonly iface: string;
  /** `proxy`: the one on port 4011. */
  readonly via?: 'proxy' | undefined;
  /** It can send what has a `link`. */
  readonly reachesByLink?: boolean | undefined;
  onMessage(handler: (bytes: Uint8Array, source: { address: string; port: number }) => void): void;
  sendMany(datagrams: readonly DhcpDatagram[]): void;
}

export interface DhcpServerOptions {
  readonly sockets: readonly DhcpSocket[];
  readonly view: DhcpView;
  readonly ports: DhcpPorts;
  /**
   * The time of day that leases go by; outside of transactions asked before each, since leases are moved then when it was set.
   *
   * @throws within a transaction, when it was set since that began: nothing of it may stay
   */
  readonly clock: Clock;
  /** Commits what `run` does, all or nothing, without waiting for the disk. */
  transaction<T>(run: () => T): T;
  /** Calls back when everything committed so far is on disk, or with the error that prevents it. */
  whenDurable(done: (error?: Error) => void): void;
  /** @returns the MAC that had the address until now, when it was another */
  applyLease(change: LeaseChange): Mac | undefined;
  append(event: NewEvent): void;
  /** Runs a task after that time, and in any case after what is waiting in the sockets was read. */
  defer(task: () => void, afterMs: number): void;
  /** Counts what was not answered. */
  onDrop(reason: DhcpDrop): void;
  /** So many replies of this type were handed to a socket. */
  onReplies(type: number, count: number): void;
  /** A client that is booting over this interface sent something. */
  onBooting(iface: string): void;
  /**
   * What came in of a boot, and what was not answered, with what became of it, after the first of the answers that need no disk have
   * left. The bytes stay as they are.
   */
  onServed?(exchanges: readonly DhcpExchange[]): void;
  onError(error: unknown): void;
}

/** One packet with its answer, or with the reason for none. */
export interface DhcpExchange {
  readonly iface: string;
  readonly via: 'proxy' | undefined;
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly source: { readonly address: string; readonly port: number };
  readonly reply: DhcpDatagram | undefined;
  readonly drop: DhcpDrop | undefined;
  readonly boot: BootId | undefined;
}

export const DHCP_DROPS = [
  ...DROP_REASONS,
  ...PACKET_FAULTS,
  ...SHED_REASONS,
  'rate-limited',
  'failed',
] as const;
/** Why a packet was not answered: the protocol, its bytes, too much of it, or a fault of ours. */
export type DhcpDrop = (typeof DHCP_DROPS)[number];

type Packet = Waiting<DhcpSocket>;

interface Reply {
  readonly socket: DhcpSocket;
  readonly datagram: DhcpDatagram;
  readonly type: number;
  /** It tells of a lease that the disk must have first. */
  readonly waits: boolean;
  readonly boot: BootId | undefined;
}

interface Serving extends DhcpServerOptions {
  /** Memory for replies. */
  readonly room: TakeBytes;
  readonly readSource: (text: string) => Ipv4;
  /** Sends what nothing keeps any more, a group at a time. */
  release(replies: readonly Reply[]): void;
  append(event: NewEvent, kind?: Outcome['kind']): void;
}

/** What ends before is too short for any packet, and names nobody. */
const CHADDR_END = 34;
/** Looked up once: they are asked for with every packet. */
const BATCH_MAX = limit('dhcpBatchPacketsMax');
const GROUP = limit('dhcpReplyBurstMax');
const SPREAD_MS = limit('dhcpReplySpreadMs');
const PAUSE_MS = 1;

/** What became of a packet: a reply, the reason for none, or a change that nobody is told of. */
type Served = Reply | DhcpDrop | undefined;

export function serveDhcp(given: DhcpServerOptions): void {
  const options: Serving = {
    ...given,
    append: boundedAppend(given),
    room: createSlab(),
    readSource: sourceReader(),
    release: pacedSend(given),
  };
  const admit = admitSenders<DhcpSocket>(options.clock);
  const intake = createIntake<DhcpSocket>(options.onDrop);
  let scheduled = false;
  const schedule = (): void => {
    if (scheduled || intake.size() === 0) return;
    scheduled = true;
    options.defer(() => {
      scheduled = false;
      serveBatch(options, intake.take(BATCH_MAX, options.clock()));
      schedule();
    }, 0);
  };
  for (const socket of options.sockets) {
    socket.onMessage((bytes, source) => {
      const names = bytes.length >= CHADDR_END;
      const client = names ? admit(bytes) : undefined;
      if (names && !client) {
        options.onDrop('rate-limited');
        return;
      }
      intake.add({ socket, bytes, source, client, at: options.clock() });
      schedule();
    });
  }
}

function serveBatch(options: Serving, batch: readonly Packet[]): void {
  let served: Served[];
  try {
    served = atOneTime(options, (now) => batch.map((packet) => serve(options, packet, now)));
  } catch {
    // Nothing of the batch was committed: each packet gets a transaction of its own.
    served = batch.map((packet) => serveAlone(options, packet));
  }
  const ready: Reply[] = [];
  const waiting: Reply[] = [];
  for (const one of served) {
    if (typeof one === 'string') options.onDrop(one);
    else if (one) (one.waits ? waiting : ready).push(one);
  }
  options.release(ready);
  if (waiting.length > 0) sendWhenDurable(options, waiting);
  options.onServed?.(exchangesOf(batch, served));
}

function sendWhenDurable(options: Serving, waiting: readonly Reply[]): void {
  options.whenDurable((error) => {
    if (!error) {
      options.release(waiting);
      return;
    }
    for (const _ of waiting) options.onDrop('failed');
    options.onError(error);
  });
}

function serveAlone(options: Serving, packet: Packet): Served {
  try {
    return atOneTime(options, (now) => serve(options, packet, now));
  } catch (error) {
    options.onError(error);
    return 'failed';
  }
}

/** A transaction in which the time is asked for once, and once more at its end, which fails when it was set meanwhile. */
function atOneTime<T>(options: Serving, run: (now: Millis) => T): T {
  options.clock();
  return options.transaction(() => {
    const now = options.clock();
    const result = run(now);
    options.clock();
    return result;
  });
}

/** One packet, inside the batch's transaction: everything but the sending. */
function serve(
  options: Serving,
  { socket, bytes: asked, source, mac }: Packet,
  now: Millis,
): Served {
  const { view, ports } = options;
  const packet = decodePacket(asked);
  if (!packet.ok) {
    return packet.code;
  }
  const { giaddr } = packet.value;
  const request = {
    packet: packet.value,
    iface: socket.iface,
    via: socket.via,
    source: giaddr === IPV4_ANY ? undefined : options.readSource(source.address),
    mac,
  };
  const outcome: Outcome = respond(request, view, now);
  const event = enterLease(outcome, options.applyLease);
  if (event) options.append(event, outcome.kind);
  if (outcome.kind === 'reply' && outcome.also) options.append(outcome.also);
  if (outcome.kind === 'drop') return outcome.reason;
  if (outcome.kind === 'silent') return undefined;
  const flags = replyFlags(outcome.reply);
  const reply = flags === outcome.reply.flags ? outcome.reply : { ...outcome.reply, flags };
  const { address: from } = source;
  const to = outcome.to === 'source' ? source : destinationOf(packet.value, outcome, ports, from);
  const link = socket.reachesByLink ? linkOf(packet.value, reply, to) : undefined;
  const bytes = encodePacket(reply, replyBytesMax(packet.value), options.room);
  const address = link ? formatIpv4(link.destination) : to.address;
  const datagram = { bytes, address, port: to.port, link };
  const waits = outcome.lease !== undefined && outcome.lease.state !== 'offered';
  return { socket, datagram, type: outcome.type, waits, boot: outcome.event?.boot };
}

/**
 * Enters what an outcome says of a lease. @returns its event, unless that is routine; it names the MAC that lost the address:
 * whoever goes by events (DNS) has two machines to look at
 */
export function enterLease(
  outcome: Outcome,
  apply: DhcpServerOptions['applyLease'],
): NewEvent | undefined {
  const { event } = outcome;
  const lease = outcome.kind === 'drop' ? undefined : outcome.lease;
  const displaced = lease && apply(lease);
  if (outcome.kind === 'reply' && outcome.routine) return undefined;
  if (displaced === undefined || event?.name !== 'dhcp.acked') return event;
  return { ...event, data: { ...event.data, displaced } };
}

/** What comes from one relay comes by thousands: the last one is remembered. What is no IPv4 address is nobody's. */
function sourceReader(): (text: string) => Ipv4 {
  let last = '';
  let address = IPV4_BROADCAST;
  return (text) => {
    if (text !== last) {
      last = text;
      address = parseIpv4(text) ?? IPV4_BROADCAST;
    }
    return address;
  };
}

/** Of most packets of a site, which are renewals of operating systems, there is nothing to tell. */
function exchangesOf(batch: readonly Packet[], served: readonly Served[]): DhcpExchange[] {
  const exchanges: DhcpExchange[] = [];
  for (const [index, { socket, bytes, source, at }] of batch.entries()) {
    const one = served[index];
    const reply = typeof one === 'object' ? one : undefined;
    const drop = typeof one === 'string' ? one : undefined;
    const boot = reply?.boot;
    if (boot === undefined && drop === undefined) continue;
    const { iface, via } = socket;
    exchanges.push({ iface, via, at, bytes, source, reply: reply?.datagram, drop, boot });
  }
  return exchanges;
}

function send(options: DhcpServerOptions, replies: readonly Reply[]): void {
  const bySocket = new Map<DhcpSocket, DhcpDatagram[]>();
  const byType = new Map<number, number>();
  for (const { socket, datagram, type } of replies) {
    const datagrams = bySocket.get(socket);
    if (datagrams) datagrams.push(datagram);
    else bySocket.set(socket, [datagram]);
    byType.set(type, (byType.get(type) ?? 0) + 1);
  }
  for (const [type, count] of byType) options.onReplies(type, count);
  for (const [socket, datagrams] of bySocket) {
    socket.sendMany(datagrams);
    options.onBooting(socket.iface);
  }
}

/**
 * A batch has many offers, and one wait for the disk lets the acknowledgements of many batches go. All at once they would overrun the
 * buffer of whoever relays them, who then loses answers that nobody sends again (ISC dhcrelay 4.4.3 and dnsmasq 2.90, with 212,992
 * bytes, of 2,000 DISCOVERs in bursts). So they leave in groups, a moment apart, the more the more wait.
 */
function pacedSend(options: DhcpServerOptions): (replies: readonly Reply[]) => void {
  let due: Reply[] = [];
  /** So many of them have left; they are let go of when they are half. */
  let gone = 0;
  let size = GROUP;
  let pausing = false;
  const next = (): void => {
    const group = due.slice(gone, gone + size);
    gone += group.length;
    if (2 * gone >= due.length) {
      due = due.slice(gone);
      gone = 0;
    }
    pausing = group.length === size;
    if (pausing) options.defer(next, PAUSE_MS);
    send(options, group);
  };
  return (replies) => {
    if (replies.length === 0) return;
    for (const reply of replies) due.push(reply);
    const waiting = due.length - gone;
    const wanted = Math.min(BATCH_MAX, Math.max(GROUP, Math.ceil(waiting / SPREAD_MS)));
    size = pausing ? Math.max(size, wanted) : wanted;
    if (!pausing) next();
  };
}

/** Refusals leave an event each, so that a person can see them; of a flood, some are enough. */
function boundedAppend({ append, clock }: DhcpServerOptions) {
  let since = 0;
  let count = 0;
  return (event: NewEvent, kind: Outcome['kind'] = 'reply'): void => {
    if (kind === 'drop') {
      const now = clock();
      if (now - since >= 1000) [since, count] = [now, 0];
      count += 1;
      if (count > limit('dhcpDropEventsPerSecond')) return;
    }
    append(event);
  };
}
