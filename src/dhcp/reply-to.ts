/**
 * Where a reply goes (RFC 2131 section 4.1), as a pure function of request and reply.
 *
 * A plain UDP socket cannot unicast to a client that has no address yet, because that client answers no ARP. The RFC
 * lets a server broadcast then ("MAY"), and every client met so far takes it: edk2 asks for it, iPXE accepts it without
 * asking.
 */
import { formatIpv4, IPV4_ANY } from '../wire/ipv4.ts';
import { MESSAGE, OPTION } from './options.ts';
import { BROADCAST_FLAG, type DhcpPacket } from './packet.ts';

export interface Destination {
  readonly address: string;
  readonly port: number;
}

export interface DhcpPorts {
  readonly server: number;
  readonly client: number;
}

const EVERYBODY = '255.255.255.255';

export function destinationOf(
  request: DhcpPacket,
  reply: { readonly type: number },
  ports: DhcpPorts,
): Destination {
  if (request.giaddr !== IPV4_ANY) {
    return { address: formatIpv4(request.giaddr), port: ports.server };
  }
  if (reply.type === MESSAGE.nak) return { address: EVERYBODY, port: ports.client };
  // Some clients leave an old address in `ciaddr` of a DISCOVER, where it means nothing: nobody may listen there.
  if (request.ciaddr !== IPV4_ANY && reply.type !== MESSAGE.offer) {
    return { address: formatIpv4(request.ciaddr), port: ports.client };
  }
  return { address: EVERYBODY, port: ports.client };
}

/**
 * A relay must broadcast a NAK to a client that has no usable address, and an answer to an INFORM that names no address
 * (RFC 2131 4.3.2, 4.3.5): the server tells it so by this flag.
 */
export function replyFlags(request: DhcpPacket, type: number): number {
  if (request.giaddr === IPV4_ANY) return request.flags;
  const nowhere =
    type === MESSAGE.nak ||
    (request.ciaddr === IPV4_ANY &&
      request.options.get(OPTION.messageType)?.[0] === MESSAGE.inform);
  return nowhere ? request.flags | BROADCAST_FLAG : request.flags;
}
