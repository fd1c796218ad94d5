/**
 * Where a reply goes (RFC 2131 section 4.1), as a pure function of request and reply.
 *
 * A client that has no address yet answers no ARP, so a plain UDP socket cannot reach it but by broadcast, which interrupts every
 * NIC of its wire: a hall that powers on broadcasts tens of thousands. So it is sent to by its hardware address, unless it
 * says that it cannot take that (the broadcast flag), and the socket can. The RFC lets a server broadcast to anybody ("MAY"), and who has been
 * asking for a while is: whatever keeps it from hearing what was sent to it alone, a person in an aisle would not find it.
 */
import { formatIpv4, IPV4_ANY, type Ipv4 } from '../wire/ipv4.ts';
import { MESSAGE, OPTION } from './options.ts';
import {
  addressOption,
  BROADCAST_FLAG,
  type DhcpPacket,
  HTYPE_ETHERNET,
  takesOffer,
} from './packet.ts';

export interface Destination {
  readonly address: string;
  readonly port: number;
}

export interface DhcpPorts {
  readonly server: number;
  readonly client: number;
}

/** How to reach a client by its hardware address: the ends of a frame that no ARP has asked for. */
export interface ClientLink {
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** The address of ours that the client knows us by. */
  readonly source: Ipv4;
  readonly destination: Ipv4;
}

const EVERYBODY = '255.255.255.255';
/**
 * The fourth packet of a boot ROM, and of iPXE, which counts packets in `secs` by fours and has other things in its two lowest bits
 * (iPXE net/udp/dhcp.c). A client that writes `secs` in the wrong byte order is there with its second.
 */
const UNHEARD_SECONDS = 16;
const GROUP_BIT = 1;

/** @param from the address that the request was sent from */
export function destinationOf(
  request: DhcpPacket,
  reply: { readonly type: number },
  ports: DhcpPorts,
  from = '',
): Destination {
  const { ciaddr, giaddr } = request;
  // A relay would send it to `yiaddr`, which is empty: so RFC 2131 4.3.5 has it go to the client itself.
  const isInformed = typeOf(request) === MESSAGE.inform && ciaddr !== IPV4_ANY;
  if (giaddr !== IPV4_ANY && !isInformed) {
    return { address: formatIpv4(giaddr), port: ports.server };
  }
  if (reply.type === MESSAGE.nak) return { address: EVERYBODY, port: ports.client };
  const everybody = { address: EVERYBODY, port: ports.client };
  // Some clients leave an old address in `ciaddr` of a DISCOVER, or where they take an offer: nobody may listen there.
  if (ciaddr === IPV4_ANY || reply.type === MESSAGE.offer) return everybody;
  const address = formatIpv4(ciaddr);
  // Who sends from it has it, and may be behind a router: a renewal that looks like that (`addressInUse`).
  if (takesOffer(request) && from !== address) return everybody;
  return { address, port: ports.client };
}

/**
 * The way to a client that everybody else can be spared from hearing.
 * @returns `undefined` where the reply gives no address, and for who has to be reached by broadcast
 */
export function linkOf(
  request: DhcpPacket,
  reply: DhcpPacket,
  to: Destination,
): ClientLink | undefined {
  if (to.address !== EVERYBODY || reply.yiaddr === IPV4_ANY) return undefined;
  const { flags, secs, htype, hlen, chaddr } = request;
  if ((flags & BROADCAST_FLAG) !== 0 || secs >= UNHEARD_SECONDS) return undefined;
  const isOneNic = htype === HTYPE_ETHERNET && hlen === 6 && ((chaddr[0] ?? 0) & GROUP_BIT) === 0;
  const source = addressOption(reply, OPTION.serverId);
  if (!isOneNic || source === undefined) return undefined;
  return { mac: chaddr.subarray(0, 6), source, destination: reply.yiaddr };
}

/**
 * A relay sends what it is not to broadcast to `yiaddr` (RFC 1542 4.1.2): where that is empty, in a NAK, in what a proxy offers, and
 * in an answer to an INFORM that names no address, the server tells it so by this flag (RFC 2131 4.3.2).
 */
export function replyFlags({ giaddr, yiaddr, flags }: DhcpPacket): number {
  return giaddr === IPV4_ANY || yiaddr !== IPV4_ANY ? flags : flags | BROADCAST_FLAG;
}

function typeOf({ options }: DhcpPacket): number | undefined {
  return options.get(OPTION.messageType)?.[0];
}
