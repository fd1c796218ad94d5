/** One valid request with everything that the rules need to know about it, and the small answers that they share. */
import type { NewEvent } from '../events.ts';
import { formatIpv4, IPV4_ANY, type Ipv4 } from '../wire/ipv4.ts';
import type { Millis } from '../wire/time.ts';
import { type Applicant, reservation } from './allocate.ts';
import type { DhcpClient } from './client-class.ts';
import { isBootClient } from './client-class.ts';
import type { EncodedOption } from './option-settings.ts';
import { MESSAGE, OPTION, readU32, text, u8, u32 } from './options.ts';
import { addressInUse, addressOption, type DhcpPacket, replyTo } from './packet.ts';
import type { BootAnswer, DropReason, LeaseChange, Outcome, Segment } from './ports.ts';
import type { RelayAgent } from './relay-agent.ts';
import {
  bootFields,
  bootOptions,
  ECHOED,
  echo,
  echoInNak,
  fits,
  inOrderOfNeed,
  networkOf,
  networkOptions,
  ofItsClass,
} from './reply-options.ts';
import { ReplyOptions, toldAlike } from './told-alike.ts';

/** The value of option 53 for each type. */
const TYPE_BYTES = Array.from({ length: 9 }, (_, type) => u8(type));

export interface Asked extends Applicant {
  readonly packet: DhcpPacket;
  readonly client: DhcpClient;
  /** Option 54 of our replies: the segment's address, or what the relay puts in its place (RFC 5107). */
  readonly serverId: Uint8Array;
  readonly relay: RelayAgent | undefined;
  /** The relay port that it came in by. */
  readonly port: string | undefined;
  /** It came in by port 4011. */
  readonly viaProxyPort: boolean;
}

export function drop(reason: DropReason): Outcome {
  return { kind: 'drop', reason };
}

/**
 * The boot part of the answer, which notes the boot: `undefined` for a client without a record that would begin something
 * while too much is being begun.
 */
export function bootAnswer(
  asked: Asked,
  { established }: { readonly established: boolean },
): BootAnswer | undefined {
  const { client, mac, segment, view } = asked;
  if (view.admits?.({ client, mac, segment, established }) === false) return undefined;
  return view.bootFor(asked);
}

/** A drop that operators should see. */
export function dropWith(reason: DropReason, event: NewEvent): Outcome {
  return { kind: 'drop', reason, event };
}

export function subject({ mac }: Pick<Asked, 'mac'>, answer: BootAnswer) {
  return { mac, boot: answer.boot, hardwarename: answer.hardwarename };
}

/** The boot file as events show it. */
export function fileLabel({ options }: BootAnswer): string {
  return options.label ?? options.file ?? '';
}

/**
 * The lease time: by the machine's state; a machine without a record is a brief guest, a BMC is not. What the client
 * asks for (option 51, RFC 2131 4.3.1) is honoured between the segment's bounds; a guest may only ask for less.
 */
export function leaseSecondsFor(
  asked: Asked,
  { segment, address }: { readonly segment: Segment; readonly address: Ipv4 },
  answer: BootAnswer,
): number {
  const { mac, now, view } = asked;
  const reserved = reservation(view, segment, mac) === address;
  const dynamic = segment.isDynamic(address);
  const wish = { segment: segment.name, address, mac, reserved, dynamic };
  const most = view.partner?.secondsMax(wish, now);
  const usual = usualSeconds(asked, segment, answer);
  return most === undefined ? usual : Math.min(usual, most);
}

function usualSeconds(asked: Asked, segment: Segment, answer: BootAnswer): number {
  const { lease } = segment;
  const guest = answer.hardwarename === undefined && asked.client.stage !== 'bmc';
  const usual = guest ? lease.unknownSeconds : (lease.byState[answer.state] ?? lease.seconds);
  const wanted = readU32(asked.packet.options.get(OPTION.leaseTime));
  if (wanted === undefined) return usual;
  const most = guest ? usual : Math.max(usual, lease.maxSeconds);
  return Math.min(Math.max(wanted, Math.min(lease.minSeconds, usual)), most);
}

/** OFFER and ACK: an address, its times, the boot part and the network (RFC 2131 table 3). */
export function leaseReply(
  asked: Asked,
  answer: BootAnswer,
  lease: { type: number; segment: Segment; address: Ipv4; seconds: number },
): DhcpPacket {
  const { packet, client } = asked;
  const { siaddr, file } = bootFields(answer);
  return replyTo(packet, {
    siaddr,
    file,
    ciaddr: lease.type === MESSAGE.ack ? addressInUse(packet) : IPV4_ANY,
    yiaddr: lease.address,
    options:
      optionsAlike(asked, answer, lease) ??
      inOrderOfNeed(leaseOptions(asked, answer, lease), packet, {
        mayOverload: !isBootClient(client),
      }),
  });
}

type Granted = { readonly type: number; readonly segment: Segment; readonly seconds: number };

function leaseOptions(asked: Asked, answer: BootAnswer, granted: Granted): Map<number, Uint8Array> {
  const options = sharedOptions(asked, answer, granted);
  const name = nameFor(asked, granted.segment, options);
  if (name) options.set(OPTION.hostname, name);
  echo(asked.packet, options);
  return options;
}

/** The part that is no one client's. */
function sharedOptions(
  asked: Asked,
  answer: BootAnswer,
  granted: Granted,
): Map<number, Uint8Array> {
  const { type, segment, seconds } = granted;
  const options = new Map<number, Uint8Array>();
  options.set(OPTION.messageType, TYPE_BYTES[type] ?? u8(type));
  options.set(OPTION.serverId, serverIdOn(asked, segment));
  options.set(OPTION.leaseTime, u32(seconds));
  bootOptions(answer, options);
  options.set(OPTION.renewalTime, u32(Math.floor(seconds * 0.5)));
  options.set(OPTION.rebindingTime, u32(Math.floor(seconds * 0.875)));
  networkOptions(networkOf(segment, asked.mac), asked, options);
  return options;
}

/**
 * The same as `leaseOptions`, for a client to whom nothing is told that others like it are not.
 * @returns `undefined` for any other client, and where there is no room for all
 */
function optionsAlike(
  asked: Asked,
  answer: BootAnswer,
  granted: Granted,
): ReplyOptions | undefined {
  const { packet, mac, client } = asked;
  const { type, segment, seconds } = granted;
  const { file, label, vendorClass, raw } = answer.options;
  const { network } = segment;
  // A label that is not the file hides a token in it.
  if (raw || file !== label || networkOf(segment, mac) !== network) return undefined;
  const alike = {
    ...{ type, seconds, file, vendorClass },
    serverId: serverIdOn(asked, segment),
    asked: packet.options.get(OPTION.parameterList),
    kind: ofItsClass(network, client),
  };
  const told = toldAlike(network, alike, () => sharedOptions(asked, answer, granted));
  const own: EncodedOption[] = [];
  const name = nameFor(asked, segment, told.options);
  if (name) own.push([OPTION.hostname, name]);
  for (const code of ECHOED) {
    const value = packet.options.get(code);
    if (!value) continue;
    if (told.options.has(code)) return undefined;
    own.push([code, value]);
  }
  const options = new ReplyOptions(told, own);
  return fits(options.bytes, packet) ? options : undefined;
}

/** Option 12 from the inventory: the first label, because the domain has an option of its own (RFC 2132 3.14). */
function nameFor(
  { view, mac }: Asked,
  segment: Segment,
  options: ReadonlyMap<number, Uint8Array>,
): Uint8Array | undefined {
  if (options.has(OPTION.hostname)) return undefined;
  const name = view.hostnameFor?.(segment.name, mac);
  if (!name) return undefined;
  const dot = name.indexOf('.');
  return text(dot < 0 ? name : name.slice(0, dot));
}

/** ACK to an INFORM: parameters of this segment, no address and no time (RFC 2131 4.3.5). */
export function parameterReply(asked: Asked, answer: BootAnswer, segment: Segment): DhcpPacket {
  const { packet, client, mac } = asked;
  const options = new Map<number, Uint8Array>();
  options.set(OPTION.messageType, u8(MESSAGE.ack));
  options.set(OPTION.serverId, serverIdOn(asked, segment));
  bootOptions(answer, options);
  networkOptions(networkOf(segment, mac), asked, options);
  const name = nameFor(asked, segment, options);
  if (name) options.set(OPTION.hostname, name);
  echo(packet, options);
  return replyTo(packet, {
    ...bootFields(answer),
    ciaddr: packet.ciaddr,
    options: inOrderOfNeed(options, packet, { mayOverload: !isBootClient(client) }),
  });
}

/** A relay's own server identifier holds on every segment; otherwise it is the address on the segment of the lease. */
function serverIdOn({ serverId, segment: asked }: Asked, segment: Segment): Uint8Array {
  return serverId === asked.serverId ? segment.serverId : serverId;
}

/**
 * "No, and stop asking for that" (RFC 2131 4.3.2). A server that is the authority on its segments says so to everybody:
 * a client with an old lease of another VLAN would otherwise time out for minutes. A server that is not speaks only to
 * clients that chose it or that it knows.
 */
export function nak(asked: Asked, why: string, { known }: { known: boolean }): Outcome {
  const { packet, client, mac, segment } = asked;
  if (asked.view.partner?.isReadOnly()) return drop('the-partners');
  if (!segment.authoritative && !known) return drop('not-authoritative');
  const wanted = addressOption(packet, OPTION.requestedAddress) ?? packet.ciaddr;
  const options = new Map<number, Uint8Array>([
    [OPTION.messageType, u8(MESSAGE.nak)],
    [OPTION.serverId, asked.serverId],
    [OPTION.message, text(why)],
  ]);
  echoInNak(packet, options);
  return {
    kind: 'reply',
    type: MESSAGE.nak,
    reply: replyTo(packet, { options }),
    event: {
      name: 'dhcp.refused',
      mac,
      data: { client: client.stage, requested: formatIpv4(wanted), why },
    },
  };
}

export function leaseChange(
  { packet, client, mac, now }: Asked,
  change: Pick<LeaseChange, 'segment' | 'address' | 'state' | 'boot' | 'guestOf'> & {
    forMs: number;
  },
): LeaseChange {
  const { segment, address, state, boot, guestOf, forMs } = change;
  return {
    segment,
    address,
    mac,
    state,
    boot,
    guestOf,
    expiresAt: (now + forMs) as Millis,
    clientId: packet.options.get(OPTION.clientId),
    hostname: client.hostname,
  };
}
