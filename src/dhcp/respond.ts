/**
 * The DHCP server's rules: one request in, one outcome out (RFC 2131 sections 4.3.1 to 4.3.5).
 *
 * No socket, no clock, no database in here: the view answers questions, the outcome says what to persist and what to
 * send, and every branch ends in a reply, a silent change or a named drop reason. The shell persists first and sends
 * afterwards, so nothing a client was told can be lost.
 *
 * A lease belongs to (segment, hardware address). The client identifier is stored and echoed (RFC 6842) but is no key:
 * firmware sends none, iPXE sends 01+MAC, an operating system often a DUID, and all three are one machine.
 */
import { limit } from '../limits.ts';
import { contains, formatIpv4, IPV4_ANY, type Ipv4, ipv4FromBytes } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';
import { classify, type DhcpClient } from './client-class.ts';
import { MESSAGE, OPTION, text, u8, u32 } from './options.ts';
import { addressOption, BOOTREQUEST, type DhcpPacket, macOf, replyTo } from './packet.ts';
import type {
  BootAnswer,
  DhcpRequest,
  DhcpView,
  DropReason,
  LeaseChange,
  Outcome,
  Segment,
} from './ports.ts';
import { bootFields, bootOptions, echo, networkOptions } from './reply-options.ts';

/** Everything that the rules below need to know about one valid request. */
interface Asked {
  readonly packet: DhcpPacket;
  readonly client: DhcpClient;
  readonly mac: Mac;
  readonly segment: Segment;
  readonly view: DhcpView;
  readonly now: Millis;
}

export function respond(request: DhcpRequest, view: DhcpView, now: Millis): Outcome {
  const { packet } = request;
  if (packet.op !== BOOTREQUEST) return drop('not-a-request');
  if (packet.hops > limit('dhcpHopsMax')) return drop('too-many-hops');
  const type = packet.options.get(OPTION.messageType);
  if (type?.length !== 1) return drop('no-message-type');
  const mac = macOf(packet);
  if (mac === undefined) return drop('no-ethernet-address');
  const segment = segmentOf(request, view.segments);
  if (!segment) return drop('unknown-segment');
  const asked: Asked = { packet, client: classify(packet), mac, segment, view, now };
  switch (type[0]) {
    case MESSAGE.discover:
      return discover(asked);
    case MESSAGE.request:
      return requested(asked);
    case MESSAGE.decline:
      return decline(asked);
    case MESSAGE.release:
      return release(asked);
    case MESSAGE.inform:
      return inform(asked);
    default:
      return drop('unknown-message-type');
  }
}

function drop(reason: DropReason): Outcome {
  return { kind: 'drop', reason };
}

/** Link selection of the relay (RFC 3527) before `giaddr`, `giaddr` before the receiving interface. */
function segmentOf(
  { packet, iface }: DhcpRequest,
  segments: readonly Segment[],
): Segment | undefined {
  if (packet.giaddr === IPV4_ANY) {
    const here = segments.filter((segment) => segment.iface === iface);
    return here.find((segment) => contains(segment.cidr, packet.ciaddr)) ?? here[0];
  }
  const link = linkSelection(packet.options.get(OPTION.relayAgent)) ?? packet.giaddr;
  return segments.find((segment) => contains(segment.cidr, link));
}

function linkSelection(relayAgent: Uint8Array | undefined): Ipv4 | undefined {
  if (!relayAgent) return undefined;
  for (let at = 0; at + 1 < relayAgent.length; at += 2 + (relayAgent[at + 1] ?? 0)) {
    if (relayAgent[at] === 5 && relayAgent[at + 1] === 4 && at + 6 <= relayAgent.length) {
      return ipv4FromBytes(relayAgent, at + 2);
    }
  }
  return undefined;
}

/** RFC 2131 4.3.1. The offer is held for `offerHoldMs`, so that no other client is offered the same address. */
function discover(asked: Asked): Outcome {
  const { client, mac, segment, view, now } = asked;
  const answer = view.bootFor(asked);
  const address = view.leases.pick(
    segment,
    mac,
    addressOption(asked.packet, OPTION.requestedAddress),
  );
  if (address === undefined) {
    const data = { subnet: segment.name };
    return {
      ...drop('pool-exhausted'),
      event: { ...subject(asked, answer), name: 'dhcp.exhausted', data },
    } as Outcome;
  }
  const held = view.leases.byMac(segment.name, mac);
  const bound = held?.state === 'bound' && held.address === address && held.expiresAt > now;
  return {
    kind: 'reply',
    type: MESSAGE.offer,
    reply: leaseReply(asked, answer, { type: MESSAGE.offer, address }),
    // An offer must never shorten a lease that the client still holds.
    lease: bound
      ? undefined
      : leaseChange(asked, {
          address,
          state: 'offered',
          boot: answer.boot,
          forMs: limit('offerHoldMs'),
        }),
    event: {
      ...subject(asked, answer),
      name: 'dhcp.offered',
      data: {
        client: client.stage,
        address: formatIpv4(address),
        bootFile: label(answer),
        why: answer.why,
      },
    },
  };
}

/** RFC 2131 4.3.2: which of its four states the client is in shows from options 50 and 54 and from `ciaddr`. */
function requested(asked: Asked): Outcome {
  const { packet, segment } = asked;
  const serverId = packet.options.get(OPTION.serverId);
  const wanted = addressOption(packet, OPTION.requestedAddress);
  if (serverId) {
    // SELECTING: the client took somebody's offer. Somebody else's: our offer lapses by itself.
    if (addressOption(packet, OPTION.serverId) !== segment.serverAddress)
      return drop('for-another-server');
    return wanted === undefined ? nak(asked, 'selecting without an address') : grant(asked, wanted);
  }
  // INIT-REBOOT: it remembers an address. RENEWING and REBINDING: it is using `ciaddr`.
  if (wanted !== undefined && packet.ciaddr === IPV4_ANY) return grant(asked, wanted);
  if (packet.ciaddr !== IPV4_ANY) return grant(asked, packet.ciaddr);
  return nak(asked, 'neither an address it wants nor one it has');
}

/**
 * Acknowledges `address` if this client may have it. This server is the authority on its segments: a client that asks
 * for a wrong address is told so (NAK) instead of being left to time out for minutes with an old lease of another VLAN.
 * After a lost database a client in use gets its address back, as long as it is in the pool and nobody holds it.
 */
function grant(asked: Asked, address: Ipv4): Outcome {
  const { client, mac, segment, view } = asked;
  if (!contains(segment.cidr, address)) return nak(asked, `not in ${segment.name}`);
  const held = view.leases.byMac(segment.name, mac);
  if (held && held.address !== address)
    return nak(asked, `this machine has ${formatIpv4(held.address)}`);
  if (!held && view.leases.pick(segment, mac, address) !== address) {
    return nak(asked, 'not free for this machine');
  }
  const answer = view.bootFor(asked);
  const leaseSeconds = leaseSecondsFor(asked, answer);
  return {
    kind: 'reply',
    type: MESSAGE.ack,
    reply: leaseReply(asked, answer, { type: MESSAGE.ack, address }),
    lease: leaseChange(asked, {
      address,
      state: 'bound',
      boot: answer.boot,
      forMs: leaseSeconds * 1000,
    }),
    event: {
      ...subject(asked, answer),
      name: 'dhcp.acked',
      data: {
        client: client.stage,
        address: formatIpv4(address),
        bootFile: label(answer),
        leaseSeconds,
      },
    },
  };
}

function nak(asked: Asked, why: string): Outcome {
  const { packet, client, mac, segment } = asked;
  const wanted = addressOption(packet, OPTION.requestedAddress) ?? packet.ciaddr;
  const options = new Map<number, Uint8Array>([
    [OPTION.messageType, u8(MESSAGE.nak)],
    [OPTION.serverId, u32(segment.serverAddress)],
    [OPTION.message, text(why)],
  ]);
  echo(packet, options);
  return {
    kind: 'reply',
    type: MESSAGE.nak,
    reply: { ...replyTo(packet), options },
    event: {
      name: 'dhcp.refused',
      mac,
      data: { client: client.stage, requested: formatIpv4(wanted), why },
    },
  };
}

/** RFC 2131 4.3.3: somebody else answers on that address. It stays out of use for a day. */
function decline(asked: Asked): Outcome {
  const { packet, mac, segment, view } = asked;
  if (addressOption(packet, OPTION.serverId) !== segment.serverAddress)
    return drop('for-another-server');
  const address = addressOption(packet, OPTION.requestedAddress);
  const held = view.leases.byMac(segment.name, mac);
  if (address === undefined || held?.address !== address) return drop('not-its-lease');
  const forMs = limit('declineQuarantineMs');
  return {
    kind: 'silent',
    lease: leaseChange(asked, { address, state: 'declined', boot: undefined, forMs }),
    event: {
      name: 'dhcp.declined',
      mac,
      data: { address: formatIpv4(address), quarantineSeconds: forMs / 1000 },
    },
  };
}

/** RFC 2131 4.3.4: frees only what this client holds, and is never answered. The mapping is kept for its return. */
function release(asked: Asked): Outcome {
  const { packet, mac, segment, view } = asked;
  const held = view.leases.byMac(segment.name, mac);
  if (!held) return drop('unknown-client');
  if (held.state !== 'bound' || held.address !== packet.ciaddr) return drop('not-its-lease');
  return {
    kind: 'silent',
    lease: leaseChange(asked, {
      address: held.address,
      state: 'released',
      boot: undefined,
      forMs: 0,
    }),
    event: { name: 'dhcp.released', mac, data: { address: formatIpv4(held.address) } },
  };
}

/** RFC 2131 4.3.5: parameters only, no lease, no lease times, `yiaddr` empty. */
function inform(asked: Asked): Outcome {
  const { packet, segment } = asked;
  if (packet.ciaddr === IPV4_ANY) return drop('not-its-lease');
  const answer = asked.view.bootFor(asked);
  const options = new Map<number, Uint8Array>([
    [OPTION.messageType, u8(MESSAGE.ack)],
    [OPTION.serverId, u32(segment.serverAddress)],
  ]);
  networkOptions(segment, options);
  bootOptions(answer, options);
  echo(packet, options);
  const reply = { ...replyTo(packet), ...bootFields(answer), ciaddr: packet.ciaddr, options };
  return { kind: 'reply', type: MESSAGE.ack, reply };
}

function subject({ mac }: Asked, answer: BootAnswer) {
  return { mac, boot: answer.boot, hardwarename: answer.hardwarename };
}

function label({ options }: BootAnswer): string {
  return options.label ?? options.file ?? '';
}

/** Unknown machines and network boots are brief guests; an operating system in use keeps its address longer. */
function leaseSecondsFor({ segment }: Asked, answer: BootAnswer): number {
  return answer.hardwarename === undefined ? segment.unknownLeaseSeconds : segment.leaseSeconds;
}

function leaseReply(
  asked: Asked,
  answer: BootAnswer,
  { type, address }: { type: number; address: Ipv4 },
): DhcpPacket {
  const { packet, segment } = asked;
  const seconds = leaseSecondsFor(asked, answer);
  const options = new Map<number, Uint8Array>([
    [OPTION.messageType, u8(type)],
    [OPTION.serverId, u32(segment.serverAddress)],
    [OPTION.leaseTime, u32(seconds)],
  ]);
  bootOptions(answer, options);
  options.set(OPTION.renewalTime, u32(Math.floor(seconds * 0.5)));
  options.set(OPTION.rebindingTime, u32(Math.floor(seconds * 0.875)));
  networkOptions(segment, options);
  echo(packet, options);
  return {
    ...replyTo(packet),
    ...bootFields(answer),
    ciaddr: type === MESSAGE.ack ? packet.ciaddr : IPV4_ANY,
    yiaddr: address,
    options,
  };
}

function leaseChange(
  { packet, client, mac, segment, now }: Asked,
  {
    address,
    state,
    boot,
    forMs,
  }: Pick<LeaseChange, 'address' | 'state' | 'boot'> & { forMs: number },
): LeaseChange {
  return {
    segment: segment.name,
    ...{ address, mac, state, boot },
    expiresAt: (now + forMs) as Millis,
    clientId: packet.options.get(OPTION.clientId),
    hostname: client.hostname,
  };
}
