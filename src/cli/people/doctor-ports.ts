/**
 * The doctor's look at ports: all that the daemon listens on, UDP and TCP, each either free to take or held by the daemon
 * itself. That a port can be bound is not enough for UDP: DHCP servers share port 67 (SO_REUSEADDR), start without a word, and
 * then two of them answer. So the holders are looked up first, and a foreign one is named beside the daemon too.
 *
 * The daemon is the process that has the database of this configuration open.
 */
import { createSocket } from 'node:dgram';
import { realpathSync } from 'node:fs';
import { createServer, isIPv6 } from 'node:net';
import type { Config } from '../../config.ts';
import { type WantedPort, wantedPorts } from '../../daemon/wanted-ports.ts';
import {
  canonical,
  processesWith,
  type SocketHolder,
  socketHolders,
} from '../../platform/socket-holders.ts';
import type { Finding } from './doctor-finding.ts';

export async function ports(config: Config): Promise<Finding[]> {
  const wanted = wantedPorts(config);
  const holders = socketHolders(new Set(wanted.map(({ port }) => port)));
  const daemons = daemonsOf(config);
  const findings: Finding[] = [];
  // One after the other: two of ours may be one address and port, by UDP and TCP or through two interfaces.
  for (const one of wanted) findings.push(await look(one, { holders, daemons }));
  return findings;
}

async function look(
  wanted: WantedPort,
  { holders, daemons }: { holders: readonly SocketHolder[]; daemons: ReadonlySet<number> },
): Promise<Finding> {
  const { name, transport, host, port, iface } = wanted;
  const place = iface === undefined ? host : host === '0.0.0.0' ? iface : `${host}, ${iface}`;
  const check = `port ${transport} ${port} (${name}: ${place})`;
  const inTheWay = holders.filter((holder) => isInTheWay(wanted, holder));
  const isDaemon = ({ process }: SocketHolder) => process !== undefined && daemons.has(process.pid);
  const daemon = inTheWay.find(isDaemon);
  // Beside the daemon, `::` takes no IPv4 (IPV6_V6ONLY): else one of the two would not be there.
  const foreign = inTheWay.find((one) => !isDaemon(one) && !(daemon && one.address === '::'));
  if (foreign) {
    const beside = daemon ? ', beside the daemon: both answer' : '';
    return { check, ok: false, found: `${told(foreign)}${beside}`, mend: mendOf(wanted, foreign) };
  }
  if (daemon) return { check, ok: true, found: `the daemon has it (${daemon.process?.pid})` };
  const error = await (transport === 'udp' ? bindUdp(wanted) : bindTcp(wanted));
  if (error === undefined) return { check, ok: true, found: 'free' };
  return {
    check,
    ok: false,
    found: error,
    mend: MENDS[error] ?? `see why: ss -lnp | grep ${port}`,
  };
}

const MENDS: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: 'give the interface this address: ip address add ADDRESS/BITS dev IFACE',
  EACCES: 'ports below 1024 take root or CAP_NET_BIND_SERVICE: run doctor as root',
  EADDRINUSE: 'somebody took it just now, or in a way that /proc does not show: ss -lnp',
};

function isInTheWay(wanted: WantedPort, holder: SocketHolder): boolean {
  if (holder.transport !== wanted.transport || holder.port !== wanted.port) return false;
  const { device, address } = holder;
  if (device !== undefined && wanted.iface !== undefined && device !== wanted.iface) return false;
  const host = canonical(wanted.host);
  if (address === host || address === '::') return true;
  if (isIPv6(host)) return host === '::' && isIPv6(address);
  return address === '0.0.0.0' || (host === '0.0.0.0' && !isIPv6(address));
}

function told({ process, uid, address, port, device }: SocketHolder): string {
  const at = `${address}${device === undefined ? '' : `%${device}`}:${port}`;
  return process
    ? `${process.name} (${process.pid}) has ${at}`
    : `a process of user ${uid} has ${at}; only root sees which`;
}

function mendOf({ orElse }: WantedPort, { process }: SocketHolder): string {
  if (!process) return 'run doctor as root';
  const { pid, name } = process;
  return `find its unit: systemctl status ${pid}; stop and disable it (kill ${pid} ends ${name} for now); or ${orElse}`;
}

function daemonsOf({ database }: Config): ReadonlySet<number> {
  try {
    return processesWith(realpathSync(database.file));
  } catch {
    return new Set();
  }
}

function bindTcp({ host, port }: WantedPort): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, ipv6Only: isIPv6(host) }, () =>
      server.close(() => resolve(undefined)),
    );
  });
}

/** Nothing of what arrives meanwhile is read: a client asks again. */
function bindUdp({ host, port }: WantedPort): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4', ipv6Only: isIPv6(host) });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close();
      resolve(error.code ?? error.message);
    });
    socket.bind({ port, address: host, exclusive: true }, () =>
      socket.close(() => resolve(undefined)),
    );
  });
}
