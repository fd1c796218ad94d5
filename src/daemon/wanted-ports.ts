/** Everything that the daemon opens for others, as the files of this folder do, from the configuration alone; and what of it cannot be. */
import { isIPv6 } from 'node:net';
import type { Config } from '../config.ts';
import { createSegments, listenersOf } from '../dhcp/segment.ts';
import { canonical, type Transport } from '../platform/socket-holders.ts';
import { formatIpv4 } from '../wire/ipv4.ts';

export interface WantedPort {
  /** What it is for. */
  readonly name: string;
  /** Where the configuration says which port it is. */
  readonly key: string;
  readonly transport: Transport;
  readonly host: string;
  readonly port: number;
  /** Only what is bound to this interface, or to none, is in the way. */
  readonly iface?: string | undefined;
  /** How the site does without it, where it may. */
  readonly orElse: string;
}

type Named = Pick<WantedPort, 'name' | 'key' | 'transport' | 'host' | 'port'>;

export function wantedPorts(config: Config): WantedPort[] {
  const all = [...ofDhcp(config), ...ofDns(config), ...ofHttp(config), ...ofPair(config)];
  return all.map((one) => ({ orElse: `set ${one.key}`, ...one }));
}

function ofDhcp({ dhcp, tftp }: Config): (Named & Partial<WantedPort>)[] {
  const listeners = listenersOf(createSegments(dhcp), dhcp.relayInterfaces);
  const leases = listeners.flatMap(({ iface, proxy }) => {
    const base = { transport: 'udp', host: '0.0.0.0', iface } as const;
    const orElse = 'serve another interface';
    const { serverPort, proxyPort } = dhcp;
    return [
      { ...base, name: 'DHCP', key: 'dhcp.serverPort', port: serverPort, orElse },
      ...(proxy
        ? [
            {
              ...{ ...base, name: 'DHCP of a proxy segment', key: 'dhcp.proxyPort' },
              ...{ port: proxyPort, orElse },
            },
          ]
        : []),
    ];
  });
  const files = listeners.flatMap(({ iface, addresses }) =>
    addresses.map((address) => ({
      ...{ name: 'TFTP', key: 'tftp.port', transport: 'udp' as const, iface },
      ...{ host: formatIpv4(address), port: tftp.port },
    })),
  );
  return [...leases, ...files];
}

function ofDns({ dhcp, dns }: Config): (Named & Partial<WantedPort>)[] {
  if (!dns.enabled) return [];
  const ours = dhcp.segments.filter(({ relayed }) => !relayed);
  const asked = dns.listen.length > 0 ? dns.listen : ours.map(({ address }) => formatIpv4(address));
  const orElse = 'name other addresses in dns.listen, or set dns.enabled: false';
  return [...new Set(asked)].flatMap((host) =>
    (['udp', 'tcp'] as const).map((transport) => ({
      ...{ name: 'DNS', key: 'dns.port', transport, host, port: dns.port, orElse },
    })),
  );
}

function ofHttp({ dhcp, machineHttp, peopleHttp }: Config): Named[] {
  const one = (name: string, key: string, host: string, port: number): Named => ({
    ...{ name, key, transport: 'tcp', host, port },
  });
  const hosts = createSegments(dhcp).map(({ serverAddress }) => formatIpv4(serverAddress));
  const machines = [...new Set(hosts)].flatMap((host) => [
    one('machines', 'machineHttp.port', host, machineHttp.port),
    ...(machineHttp.tls
      ? [one('machines, TLS', 'machineHttp.tls.port', host, machineHttp.tls.port)]
      : []),
  ]);
  const { tls, port } = peopleHttp;
  const host = formatIpv4(peopleHttp.address);
  const redirect = 'people, redirect to TLS';
  return [
    ...machines,
    one(tls ? 'people, TLS' : 'people', 'peopleHttp.port', host, port),
    ...(tls?.redirectPort === undefined
      ? []
      : [one(redirect, 'peopleHttp.tls.redirectPort', host, tls.redirectPort)]),
  ];
}

/** `b` dials. */
function ofPair({ standby }: Config): Named[] {
  if (standby?.member !== 'a') return [];
  const { address, port } = standby;
  const host = formatIpv4(address);
  return [{ name: 'the other appliance', key: 'standby.port', transport: 'tcp', host, port }];
}

/** Each two that want the same port of the same address: one of them would not be there, or get what is the other's. */
export function portsWantedTwice(
  wanted: readonly WantedPort[],
): { readonly first: WantedPort; readonly second: WantedPort }[] {
  return wanted.flatMap((second, index) =>
    wanted.slice(0, index).flatMap((first) => (areOne(first, second) ? [{ first, second }] : [])),
  );
}

function areOne(a: WantedPort, b: WantedPort): boolean {
  if (a.transport !== b.transport || a.port !== b.port) return false;
  if (a.iface !== undefined && b.iface !== undefined && a.iface !== b.iface) return false;
  const hosts = [a, b].map(({ host }) => (isIPv6(host) ? canonical(host) : host));
  if (hosts[0] === hosts[1]) return true;
  // `::` takes no IPv4: DNS asks for IPv6 alone, over UDP and TCP, and all others have IPv4 addresses.
  return isIPv6(a.host) === isIPv6(b.host) && hosts.some((host) => /^(0\.0\.0\.0|::)$/.test(host));
}
