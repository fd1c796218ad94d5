/** DHCP put together: a socket for each interface, router advertisements, and the leases that answers are made from. */
import { createSegments, type Listener, listenersOf } from '../dhcp/segment.ts';
import { type DhcpSocket, serveDhcp } from '../dhcp/server.ts';
import type { NewEvent } from '../events.ts';
import { isCutOutside } from '../platform/cut-outside.ts';
import { openLinkSender, reachingByLink } from '../platform/link-sender.ts';
import { openRouterAdvert } from '../platform/router-advert.ts';
import { seldomErrors } from '../platform/seldom.ts';
import { openUdp, type UdpSocket } from '../platform/udp.ts';
import { formatIpv4 } from '../wire/ipv4.ts';
import type { Parts } from './core.ts';
import { createSeat, type DhcpSeat } from './dhcp-seat.ts';
import { followInterfaces } from './interfaces.ts';
import { addOverrunMetrics } from './metrics.ts';

export async function startDhcp(parts: Parts): Promise<void> {
  const { config, view, inventory, log, metrics } = parts;
  const segments = createSegments(config.dhcp);
  const listeners = listenersOf(segments, config.dhcp.relayInterfaces);
  const ifaces = listeners.map(({ iface }) => iface);
  for (const { subnet, why } of parts.live.plan().refused)
    log.warn({ subnet, why }, 'a subnet contradicts the configuration, which holds');
  const seats = new Map(listeners.map((listener) => [listener.iface, seatsOf(parts, listener)]));
  const tell = (event: NewEvent) => inventory.soon(() => void inventory.events.append(event));
  const addressesOf = (iface: string): string[] =>
    segments.flatMap((one) => (one.iface === iface ? formatIpv4(one.serverAddress) : []));
  const needed = new Map(ifaces.map((iface) => [iface, addressesOf(iface)]));
  const following = await followInterfaces(needed, {
    async open(iface) {
      // Who is given an address on that wire has none yet.
      const leases = segments.some((one) => one.iface === iface && one.mode === 'server');
      return sit(parts, seats.get(iface) ?? [], leases);
    },
    onServed(iface) {
      log.info({ iface }, 'the interface is there: it is served');
      tell({ name: 'interface.served', data: { iface } });
    },
    onLost(iface, why) {
      log.warn({ iface, why }, 'an interface is not served until it is there');
      tell({ name: 'interface.lost', data: { iface, why } });
    },
    onError: (err) => log.error({ err }, 'the interfaces could not be looked at'),
  });
  parts.closers.push(() => following.close());
  const adverts = new Map(
    (config.dhcp.routerAdvert ? ifaces : []).map((iface) => [
      iface,
      openRouterAdvert({ iface, log }),
    ]),
  );
  parts.closers.push(() => adverts.forEach((advert) => void advert.close()));
  const { serverPort, proxyPort } = config.dhcp;
  const tellError = seldomErrors(log);
  addOverrunMetrics(metrics.registry, [serverPort, proxyPort, config.tftp.port, config.dns.port]);
  serveDhcp({
    sockets: [...seats.values()].flat(),
    view,
    ports: { server: config.dhcp.serverPort, client: config.dhcp.clientPort },
    clock: parts.leaseClock,
    transaction: inventory.transactionUnsynced,
    whenDurable: parts.leaseDurable,
    defer: (task, afterMs) => void (afterMs > 0 ? setTimeout(task, afterMs) : setImmediate(task)),
    applyLease: parts.applyLease,
    append: inventory.events.note,
    onDrop: (reason) => metrics.dhcpDrops.inc({ reason }),
    onReplies: (type, count) => metrics.dhcpReplies.inc({ type: String(type) }, count),
    onBooting: (iface) => adverts.get(iface)?.pulse(),
    ...(config.recorder.enabled ? { onServed: parts.recorder.served } : {}),
    onError: (err) => tellError({ err }, 'a DHCP packet could not be served'),
  });
}

function seatsOf({ metrics }: Parts, { iface, proxy }: Listener): DhcpSeat[] {
  const seat = (via?: 'proxy') => createSeat({ iface, via }, (count) => metrics.unsent.inc(count));
  return proxy ? [seat(), seat('proxy')] : [seat()];
}

/** Opens a socket for each seat of an interface. @returns how to close them */
async function sit(
  parts: Parts,
  seats: readonly DhcpSeat[],
  leases: boolean,
): Promise<() => Promise<unknown>> {
  const { serverPort, proxyPort } = parts.config.dhcp;
  const closers: (() => unknown)[] = [];
  const close = async () => {
    for (const seat of seats) seat.leave();
    await Promise.all(closers.map((one) => one()));
  };
  try {
    for (const seat of seats) {
      const port = seat.via === 'proxy' ? proxyPort : serverPort;
      const socket = await openSocket(parts, seat.iface, port);
      closers.push(() => socket.close());
      seat.take(leases && !seat.via ? withLink(parts, socket, closers) : socket);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return close;
}

function openSocket(
  { config, log, metrics }: Parts,
  iface: string,
  port: number,
): Promise<UdpSocket> {
  const { segmentation } = config.dhcp;
  const runs = segmentation === 'auto' ? isCutOutside(iface) : segmentation === 'always';
  return openUdp({ iface, port, log, runs, onUnsent: () => metrics.unsent.inc() });
}

function withLink(
  { log }: Parts,
  socket: UdpSocket,
  closers: (() => unknown)[],
): Omit<DhcpSocket, 'iface' | 'via'> {
  const { iface, port } = socket;
  const sender = openLinkSender({ iface, port, log });
  if (!sender) return socket;
  closers.push(() => sender.close());
  return reachingByLink(socket, sender);
}
