/**
 * Spares every iPXE stage about fifteen seconds.
 *
 * The iPXE that Debian ships has IPv6 switched on, and its autoboot waits until every configurator has ended: without a
 * router advertisement on the segment it keeps soliciting one until it gives up (iPXE net/ndp.c, core/ifmgmt.c; measured
 * with 1.0.0+git-20190125). The smallest advertisement there is ends that wait. It says "router lifetime 0" and carries
 * no prefix (RFC 4861 4.2), so nobody takes a route or an address from it.
 *
 * Silent unless something is booting: each `pulse` keeps it going for a while.
 */
import {
  AF_INET6,
  IPPROTO_ICMPV6,
  IPPROTO_IPV6,
  IPV6_MULTICAST_HOPS,
  IPV6_MULTICAST_IF,
  int32,
  loadLibc,
  SOCK_RAW,
} from './libc.ts';
import type { Log } from './log.ts';

export interface RouterAdvert {
  /** Something on this interface is booting. */
  pulse(): void;
  close(): void;
}

const EVERY_MS = 500;
const KEEP_GOING_MS = 30_000;
/** Type 134, code 0, checksum (filled in by the kernel), hop limit 0, flags 0, lifetime 0, timers 0. */
const ADVERTISEMENT = Uint8Array.of(134, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

export function openRouterAdvert({ iface, log }: { iface: string; log: Log }): RouterAdvert {
  const sender = openSender(iface, log);
  if (!sender) return { pulse: () => undefined, close: () => undefined };
  let until = 0;
  let timer: NodeJS.Timeout | undefined;
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
  };
  return {
    pulse() {
      until = performance.now() + KEEP_GOING_MS;
      timer ??= setInterval(
        () => (performance.now() < until ? sender.send() : stop()),
        EVERY_MS,
      ).unref();
    },
    close() {
      stop();
      sender.close();
    },
  };
}

function openSender(iface: string, log: Log): { send(): void; close(): void } | undefined {
  const libc = loadLibc();
  const fd = libc ? libc.socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6) : -1;
  if (!libc || fd < 0) {
    log.warn({ iface }, 'no router advertisements: each iPXE stage will take about 15 s longer');
    return undefined;
  }
  libc.setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, int32(255), 4);
  // sockaddr_in6: family, port, flow, ff02::1 (all nodes), scope = the interface.
  const everyNode = Buffer.alloc(28);
  everyNode.writeUInt16LE(AF_INET6, 0);
  everyNode.set([0xff, 0x02], 8);
  everyNode[23] = 1;
  let warned = false;
  const send = (): void => {
    // An interface that was made anew has another number.
    const index = libc.if_nametoindex(iface);
    if (index === 0) return;
    libc.setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, int32(index), 4);
    everyNode.writeUInt32LE(index, 24);
    const sent = libc.sendto(
      fd,
      ADVERTISEMENT,
      ADVERTISEMENT.length,
      0,
      everyNode,
      everyNode.length,
    );
    if (sent < 0 && !warned) {
      warned = true;
      log.warn({ iface, errno: libc.errno() }, 'a router advertisement could not be sent');
    }
  };
  return { send, close: () => void libc.close(fd) };
}
