/**
 * The place of a DHCP socket: the protocol holds on to the place, the socket in it comes and goes with its interface. What is to be sent
 * while there is none is lost, as on a wire that is not plugged in.
 */
import type { DhcpDatagram, DhcpSocket } from '../dhcp/server.ts';

export interface DhcpSeat extends DhcpSocket {
  take(socket: Omit<DhcpSocket, 'iface' | 'via'>): void;
  leave(): void;
}

type Handler = Parameters<DhcpSocket['onMessage']>[0];

export function createSeat(
  place: Pick<DhcpSocket, 'iface' | 'via'>,
  onUnsent: (count: number) => void,
): DhcpSeat {
  let inside: Omit<DhcpSocket, 'iface' | 'via'> | undefined;
  let handler: Handler | undefined;
  return {
    ...place,
    get reachesByLink() {
      return inside?.reachesByLink;
    },
    onMessage(given) {
      handler = given;
      inside?.onMessage(given);
    },
    sendMany(datagrams: readonly DhcpDatagram[]) {
      if (inside) inside.sendMany(datagrams);
      else onUnsent(datagrams.length);
    },
    take(socket) {
      inside = socket;
      if (handler) socket.onMessage(handler);
    },
    leave() {
      inside = undefined;
    },
  };
}
