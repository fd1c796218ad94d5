/**
 * Whether what leaves by an interface is cut into its datagrams before anybody reads it.
 *
 * A run of datagrams that was handed to the kernel as one message (UDP_SEGMENT, udp(7)) is cut by a network card or its driver. Between
 * namespaces and containers nothing cuts it: a socket for UDP there is given each datagram, but whoever reads whole packets
 * (packet(7): ISC dhcrelay, dhclient) is given all of them as one, and takes the first.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Interfaces that hand everything on to those below them. A macvlan has siblings, which read what it sends. */
const HANDS_ON: ReadonlySet<string> = new Set(['vlan', 'bond', 'bridge', 'team']);

/** @param folder where the kernel tells of interfaces (sysfs); one that it does not tell of there cuts nothing */
export function isCutOutside(iface: string, folder = '/sys/class/net'): boolean {
  const own = join(folder, iface);
  if (existsSync(join(own, 'device'))) return true;
  if (!HANDS_ON.has(kindOf(own))) return false;
  const below = readdirSync(own).flatMap((name) => /^lower_(.+)$/.exec(name)?.[1] ?? []);
  return below.length > 0 && below.every((lower) => isCutOutside(lower, folder));
}

function kindOf(own: string): string {
  try {
    return /^DEVTYPE=(.+)$/m.exec(readFileSync(join(own, 'uevent'), 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}
