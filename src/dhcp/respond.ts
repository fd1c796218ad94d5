/**
 * The DHCP server's rules: one request in, one outcome out (RFC 2131 section 4.3).
 *
 * No socket, no clock, no database in here: the view answers questions, the outcome says what to persist and what to
 * send, and every branch ends in a reply, a silent change or a named drop reason. The shell persists first and sends
 * afterwards, so nothing a client was told can be lost.
 *
 * A lease belongs to (segment, hardware address). The client identifier is stored and echoed (RFC 6842) but is no key:
 * firmware sends none, iPXE sends 01+MAC, an operating system often a DUID, and all three are one machine.
 *
 * This file dispatches, and holds the two messages that lead to a lease; `respond-others.ts` has DECLINE, RELEASE and
 * INFORM, `proxy.ts` what a segment does whose addresses another server leases.
 */
import { limit } from '../limits.ts';
import { formatIpv4, IPV4_ANY, type Ipv4 } from '../wire/ipv4.ts';
import { isUnicastMac, NO_MAC } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';
import {
  establishedPlace,
  heldAt,
  isFreeFor,
  mayHold,
  newPlace,
  type Place,
  partnerAllows,
  reservation,
} from './allocate.ts';
import {
  type Asked,
  bootAnswer,
  drop,
  dropWith,
  fileLabel,
  leaseChange,
  leaseReply,
  leaseSecondsFor,
  nak,
  subject,
} from './asked.ts';
import { classify } from './client-class.ts';
import { MESSAGE, OPTION, u32 } from './options.ts';
import { addressOption, BOOTREQUEST, macOf } from './packet.ts';
import type { BootAnswer, DhcpRequest, DhcpView, Lease, Outcome, Segment } from './ports.ts';
import { proxyRespond } from './proxy.ts';
import {
  type RelayAgent,
  readablePort,
  readRelayAgent,
  relayPlace,
  relayPort,
} from './relay-agent.ts';
import { decline, inform, release } from './respond-others.ts';
import { isFromRelay, isTrusted, sameWire, selectSegment } from './select-segment.ts';

const HOPS_MAX = limit('dhcpHopsMax');
const OFFER_HOLD_MS = limit('offerHoldMs');

export function respond(request: DhcpRequest, view: DhcpView, now: Millis): Outcome {
  const { packet } = request;
  if (packet.op !== BOOTREQUEST) return drop('not-a-request');
  if (packet.hops > HOPS_MAX) return drop('too-many-hops');
  const type = packet.options.get(OPTION.messageType);
  if (type?.length !== 1) return drop('no-message-type');
  const mac = macOf(packet, request.mac);
  if (mac === undefined || !isUnicastMac(mac)) return drop('no-ethernet-address');
  const relayBytes = packet.options.get(OPTION.relayAgent);
  const relay = relayBytes && readRelay(relayBytes, request, view);
  const segment = selectSegment(request, view, relay);
  if (segment === 'untrusted') return drop('untrusted-relay');
  if (!segment) return drop('unknown-segment');
  if (!isFromRelay(request, view)) return drop('not-from-its-relay');
  if (!isForUs(packet.options.get(OPTION.serverId), view.segments, relay)) {
    return drop('for-another-server');
  }
  if (isOthers(request, view)) return drop('the-partners');
  const asked: Asked = {
    packet,
    mac,
    segment,
    relay,
    view,
    now,
    client: classify(packet, segment.kind === 'out-of-band'),
    serverId:
      relay?.serverIdOverride === undefined ? segment.serverId : u32(relay.serverIdOverride),
    port: relayPort(packet.giaddr, relay),
    viaProxyPort: request.via === 'proxy',
  };
  if (segment.mode === 'proxy') return proxyRespond(asked, type[0] ?? 0);
  if (asked.viaProxyPort) return drop('not-for-a-proxy');
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

/** Only a relay that is known may put itself in the place of the server. */
function readRelay(bytes: Uint8Array, request: DhcpRequest, view: DhcpView): RelayAgent {
  const from = { giaddr: request.packet.giaddr, iface: request.iface };
  const relay = readRelayAgent(bytes);
  if (relay.serverIdOverride === undefined || isTrusted(from, view)) return relay;
  return { ...relay, serverIdOverride: undefined };
}

/**
 * A message of any type that names a server (option 54) is for that server only (RFC 2131 table 5). Any of our addresses
 * is us: on a wire with several subnets the client names the one that its offer came from.
 */
function isForUs(
  named: Uint8Array | undefined,
  segments: readonly Segment[],
  relay: RelayAgent | undefined,
): boolean {
  if (named?.length !== 4) return true;
  for (const { serverId } of segments) if (equal(named, serverId)) return true;
  const override = relay?.serverIdOverride;
  return override !== undefined && equal(named, u32(override));
}

/**
 * The other appliance of the site is active and has answered, or will: this one steps in for who has been asking in vain (`secs`,
 * RFC 2131 table 1) or has taken this one's offer. A server identifier that a relay puts in names both of them.
 */
function isOthers({ packet, via }: DhcpRequest, { partner, segments }: DhcpView): boolean {
  if (!partner || via === 'proxy' || packet.secs >= partner.standsBackSeconds()) return false;
  const named = packet.options.get(OPTION.serverId);
  return named?.length !== 4 || !isForUs(named, segments, undefined);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3];
}

/** RFC 2131 4.3.1. The offer is held for `offerHoldMs`, so that no other client is offered the same address. */
function discover(asked: Asked): Outcome {
  const { client, mac, view, now } = asked;
  const established = establishedPlace(asked);
  // Before its boot is noted: who is refused leaves no row, however many MACs he makes up.
  const known = view.hardwarenameOf(mac) !== undefined;
  if (!established && !isWelcome(asked, known)) return drop('unknown-client');
  if (!established && view.partner?.isReadOnly()) return drop('the-partners');
  const at = established?.segment ?? asked.segment;
  if (!isEntitled(asked, established) && hasItsShare(asked, at, known)) {
    return shareTaken(asked, at);
  }
  const answer = bootAnswer(asked, { established: established !== undefined });
  if (!answer) return drop('newcomers-limited');
  const place =
    established ?? newPlace(asked, addressOption(asked.packet, OPTION.requestedAddress));
  if (!place) {
    const data = { subnet: asked.segment.name };
    return dropWith('pool-exhausted', { ...subject(asked, answer), name: 'dhcp.exhausted', data });
  }
  const { segment, address } = place;
  const held = view.leases.byMac(segment.name, mac);
  const seconds = leaseSecondsFor(asked, { segment, address }, answer);
  return {
    kind: 'reply',
    type: MESSAGE.offer,
    reply: leaseReply(asked, answer, { type: MESSAGE.offer, segment, address, seconds }),
    // An offer must never shorten a lease that the client still holds.
    lease: isBound(held, address, now)
      ? undefined
      : leaseChange(asked, {
          ...{ segment: segment.name, address, state: 'offered', boot: answer.boot },
          guestOf: guestOf(asked, answer),
          forMs: OFFER_HOLD_MS,
        }),
    routine: isRoutine(held, answer),
    event: {
      ...subject(asked, answer),
      name: 'dhcp.offered',
      data: {
        client: client.stage,
        address: formatIpv4(address),
        bootFile: fileLabel(answer),
        why: answer.why,
      },
    },
  };
}

/**
 * The first offer to who is on no record and boots nothing, and has no lease or offer here, not even one that is over: its
 * acknowledgement tells of it a moment later, and a hall of them is thousands a second. One that asks once more is worth a line.
 */
function isRoutine(held: Lease | undefined, { hardwarename, boot }: BootAnswer): boolean {
  return held === undefined && hardwarename === undefined && boot === undefined;
}

/** A segment may be closed to machines without a record: they have an address there only if one is reserved for them. */
function isWelcome({ segment }: Asked, known: boolean): boolean {
  return segment.unknownMachines || known;
}

/**
 * Whoever can make up MACs behind one port of a switch could take every address of its network. Machines on record are not
 * counted and not refused; the others behind a port share a part of the pool, so that the rest is there for other ports.
 */
function hasItsShare(asked: Asked, segment: Segment, known: boolean): boolean {
  const port = portIn(asked, segment);
  if (port === undefined || known) return false;
  return asked.view.leases.guestsBehind(segment.name, port) >= segment.guestsPerPortMax;
}

/** A renewal comes past the relay, which would name the port: then it is where the lease was given. */
function portIn({ port, view, mac }: Asked, segment: Segment): string | undefined {
  return port ?? view.leases.byMac(segment.name, mac)?.guestOf;
}

/** Is this place reserved for it, or its lease or offer still running? One that is over is a share that it gave back. */
function isEntitled(asked: Asked, place: Place | undefined): boolean {
  if (!place) return false;
  const { mac, view, now } = asked;
  const { segment, address } = place;
  const held = heldAt(asked, segment, address);
  const runs = held !== undefined && held.address === address && held.expiresAt > now;
  return runs || reservation(view, segment, mac) === address;
}

function shareTaken(asked: Asked, segment: Segment): Outcome {
  const data = { subnet: segment.name, port: readablePort(portIn(asked, segment) ?? '') };
  return dropWith('port-has-its-share', {
    ...{ mac: asked.mac, name: 'dhcp.exhausted', data },
  });
}

function guestOf({ port }: Asked, { hardwarename }: BootAnswer): string | null | undefined {
  return hardwarename === undefined ? port : null;
}

function isBound(held: Lease | undefined, address: Ipv4, now: Millis): boolean {
  return held?.state === 'bound' && held.address === address && held.expiresAt > now;
}

/** RFC 2131 4.3.2: which of its four states the client is in shows from options 50 and 54 and from `ciaddr`. */
function requested(asked: Asked): Outcome {
  const { packet } = asked;
  const wanted = addressOption(packet, OPTION.requestedAddress);
  if (packet.options.has(OPTION.serverId)) {
    // SELECTING: it took our offer. Who takes another server's offer is not answered, and ours lapses by itself.
    if (wanted !== undefined) return grant(asked, wanted, { chosen: true });
    // A renewal must not name its server (table 5), but there are clients that do: dnsmasq and Kea renew those as well.
    return packet.ciaddr === IPV4_ANY
      ? nak(asked, 'selecting without an address', { known: true })
      : grant(asked, packet.ciaddr, { chosen: false });
  }
  // INIT-REBOOT: it remembers an address. RENEWING and REBINDING: it is using `ciaddr`.
  if (wanted !== undefined && packet.ciaddr === IPV4_ANY) {
    return grant(asked, wanted, { chosen: false });
  }
  if (packet.ciaddr !== IPV4_ANY) return grant(asked, packet.ciaddr, { chosen: false });
  return nak(asked, 'neither an address it wants nor one it has', { known: false });
}

/**
 * Acknowledges `address` if this client may have it. After a lost database a client gets the address back that it is
 * using or remembers, as long as it is dynamic and nobody holds it; a server that is not the authority stays silent
 * then, because the client's record may be another server's (RFC 2131 4.3.2, INIT-REBOOT).
 */
function grant(asked: Asked, address: Ipv4, { chosen }: { chosen: boolean }): Outcome {
  const { mac, view } = asked;
  const segment = sameWire(view.segments, asked.segment, address);
  const held = segment && heldAt(asked, segment, address);
  const known = chosen || held !== undefined;
  if (!segment) return nak(asked, `not in ${asked.segment.name}`, { known });
  // Nor refused: it may have it from the other one.
  if (!partnerAllows(asked, segment, address)) return drop('the-partners');
  const refusal = whyNot(asked, { segment, address, held, chosen });
  if (refusal !== undefined) return nak(asked, refusal, { known });
  if (!known && !segment.authoritative) return drop('not-authoritative');
  const recorded = view.hardwarenameOf(mac) !== undefined;
  if (!held && reservation(view, segment, mac) !== address && !isWelcome(asked, recorded)) {
    return nak(asked, 'no record owns this NIC', { known });
  }
  if (!isEntitled(asked, { segment, address }) && hasItsShare(asked, segment, recorded)) {
    return shareTaken(asked, segment);
  }
  const answer = bootAnswer(asked, { established: held !== undefined });
  if (!answer) return drop('newcomers-limited');
  return acknowledge(asked, { answer, segment, address, held });
}

interface Wanted {
  readonly segment: Segment;
  readonly address: Ipv4;
  readonly held: Lease | undefined;
  /** It took an offer of ours just now; otherwise it remembers or uses the address. */
  readonly chosen: boolean;
}

/** The reason to refuse an address, if there is one. */
function whyNot(asked: Asked, { segment, address, held, chosen }: Wanted): string | undefined {
  const reserved = reservation(asked.view, segment, asked.mac);
  if (reserved !== undefined && reserved !== address && isFreeFor(asked, segment, reserved)) {
    return `${formatIpv4(reserved)} is reserved for this machine`;
  }
  if (!mayHold(asked, segment, address)) return 'not an address for this machine';
  if (held && held.address !== address && reserved !== address) {
    return `this machine has ${formatIpv4(held.address)}`;
  }
  if (isFreeFor(asked, segment, address)) return undefined;
  return !chosen && isWhoWasProbed(asked, segment, address)
    ? undefined
    : 'not free for this machine';
}

/**
 * In quarantine because a probe found this very machine on it, whose lease was lost: it may go on. Behind a relay a probe sees
 * no MAC; there it is who uses the address to renew it.
 */
function isWhoWasProbed({ view, mac, packet }: Asked, segment: Segment, address: Ipv4): boolean {
  const other = view.leases.byAddress(segment.name, address);
  if (other?.state !== 'declined') return false;
  return other.mac === mac || (other.mac === NO_MAC && packet.ciaddr === address);
}

interface Granted {
  readonly answer: BootAnswer;
  readonly segment: Segment;
  readonly address: Ipv4;
  readonly held: Lease | undefined;
}

function acknowledge(asked: Asked, { answer, segment, address, held }: Granted): Outcome {
  const { client, mac, now } = asked;
  const place = relayPlace(asked.packet.giaddr, asked.relay);
  const leaseSeconds = leaseSecondsFor(asked, { segment, address }, answer);
  const lease = { type: MESSAGE.ack, segment, address, seconds: leaseSeconds };
  const shown = formatIpv4(address);
  const { vendorClass, hostname } = client;
  // What calls itself a BMC elsewhere is leased an address; only the out-of-band network says that it is to be logged in to.
  const isReal = client.stage === 'bmc' && segment.kind === 'out-of-band';
  const seen =
    isReal && !isBound(held, address, now)
      ? ({
          ...subject(asked, answer),
          name: 'bmc.seen',
          data: { mac, address: shown, vendorClass, hostname },
        } as const)
      : undefined;
  return {
    kind: 'reply',
    type: MESSAGE.ack,
    reply: leaseReply(asked, answer, lease),
    lease: leaseChange(asked, {
      ...{ segment: segment.name, address, state: 'bound', boot: answer.boot },
      guestOf: guestOf(asked, answer),
      forMs: leaseSeconds * 1000,
    }),
    event: {
      ...subject(asked, answer),
      name: 'dhcp.acked',
      data: {
        ...{ client: client.stage, address: shown, bootFile: fileLabel(answer), leaseSeconds },
        ...(place ? { relay: place } : {}),
      },
    },
    also: seen,
  };
}
