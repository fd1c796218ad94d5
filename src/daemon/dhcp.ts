/** DHCP put together: a socket for each interface, router advertisements, and the leases that answers are made from. */
import { createSegments, listenersOf } from '../dhcp/segment.ts';
import { type DhcpSocket, serveDhcp } from '../dhcp/server.ts';
import { openLinkSender, reachingByLink } from '../platform/link-sender.ts';
import { openRouterAdvert } from '../platform/router-advert.ts';
import { openUdp, type UdpSocket } from '../platform/udp.ts';
import { type Parts, systemClock } from './core.ts';
import { addOverrunMetrics } from './metrics.ts';

export async function startDhcp(parts: Parts): Promise<void> {
  const { config, view, inventory, log, metrics } = parts;
  const segments = createSegments(config.dhcp);
  const listeners = listenersOf(segments, config.dhcp.relayInterfaces);
  const ifaces = listeners.map(({ iface }) => iface);
  for (const { subnet, why } of parts.live.plan().refused)
    log.warn({ subnet, why }, 'a subnet contradicts the configuration, which holds');
  const sockets: DhcpSocket[] = [];
  for (const { iface, proxy } of listeners) {
    const socket = await openSocket(parts, iface, config.dhcp.serverPort);
    // Who is given an address on that wire has none yet.
    const leases = segments.some((one) => one.iface === iface && one.mode === 'server');
    sockets.push(leases ? withLink(parts, socket) : socket);
    if (!proxy) continue;
    sockets.push({ ...(await openSocket(parts, iface, config.dhcp.proxyPort)), via: 'proxy' });
  }
  const adverts = new Map(
    (config.dhcp.routerAdvert ? ifaces : []).map((iface) => [
      iface,
      openRouterAdvert({ iface, log }),
    ]),
  );
  parts.closers.push(() => adverts.forEach((advert) => void advert.close()));
  const { serverPort, proxyPort } = config.dhcp;
  addOverrunMetrics(metrics.registry, [serverPort, proxyPort, config.tftp.port, config.dns.port]);
  serveDhcp({
    sockets,
    view,
    ports: { server: config.dhcp.serverPort, client: config.dhcp.clientPort },
    clock: systemClock,
    transaction: inventory.transactionUnsynced,
    whenDurable: parts.leaseDurable,
    defer: (task, afterMs) => void (afterMs > 0 ? setTimeout(task, afterMs) : setImmediate(task)),
    applyLease: parts.applyLease,
    append: (event) => void inventory.events.append(event),
    onDrop: (reason) => metrics.dhcpDrops.inc({ reason }),
    onReplies: (type, count) => metrics.dhcpReplies.inc({ type: String(type) }, count),
    onBooting: (iface) => adverts.get(iface)?.pulse(),
    ...(config.recorder.enabled ? { onServed: parts.recorder.served } : {}),
    onError: (err) => log.error({ err }, 'a DHCP packet could not be served'),
  });
}

async function openSocket(parts: Parts, iface: string, port: number): Promise<UdpSocket> {
  const { log, metrics } = parts;
  const socket = await openUdp({ iface, port, log, onUnsent: () => metrics.unsent.inc() });
  parts.closers.push(() => socket.close());
  return socket;
}

function withLink({ log, closers }: Parts, socket: UdpSocket): DhcpSocket {
  const { iface, port } = socket;
  const sender = openLinkSender({ iface, port, log });
  if (!sender) return socket;
  closers.push(() => sender.close());
  return reachingByLink(socket, sender);
}
