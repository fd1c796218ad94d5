/** A site whose DHCP serves a configuration with subnets over it, and clients that ask it by the real rules. */
import { MESSAGE, OPTION, readText, u8, u32 } from '../../src/dhcp/options.ts';
import type { Outcome } from '../../src/dhcp/ports.ts';
import { formatIpv4 } from '../../src/wire/ipv4.ts';
import { createPeople, type People, problemOf } from './people.ts';
import { createWorld, dhcpPacket, ipv4, mac, type World } from './world.ts';

/** One wire with a pool of three, one network behind a relay, a proxy's wire. */
export const FILE = JSON.stringify({
  dhcp: {
    relayInterfaces: ['up0'],
    segments: [
      {
        ...{ name: 'rack', iface: 'prov0.20', address: '10.20.0.1', cidr: '10.20.0.0/24' },
        pools: [{ first: '10.20.0.100', last: '10.20.0.102' }],
        ...{ routers: ['10.20.0.254'], dns: ['10.20.0.53'], domain: 'file.example' },
        options: { mtu: 1400, ntp: ['10.20.0.7'] },
        exclude: ['10.20.0.210'],
        reservations: [{ mac: '52:54:00:00:0f:01', address: '10.20.0.9' }],
      },
      { name: 'far', relayed: true, address: '10.20.0.2', cidr: '10.30.0.0/24', pools: [] },
      { name: 'guest', iface: 'prov1', mode: 'proxy', address: '10.40.0.1', cidr: '10.40.0.0/24' },
    ],
    machines: [{ mac: '52:54:00:00:0f:02', domain: 'own.example' }],
  },
});

export const RACK = { cidr: '10.20.0.0/24', use: 'provisioning' };
export const HALL = { cidr: '10.50.0.0/24', use: 'provisioning', relayed: true };
export const A_POOL = [{ first: '10.50.0.10', last: '10.50.0.11' }];

export async function site(): Promise<{ world: World; people: People; put: Put }> {
  const world: World = createWorld(undefined, FILE, {
    reservationFor: (segment, of) =>
      world.inventory.serverdb.addresses.reservationFor(segment, of)?.address,
  });
  const people = await createPeople({}, world);
  const put: Put = async (name, body) =>
    problemOf(await people.admin('PUT', `/subnets/${name}`, { body, version: '*' }));
  return { world, people, put };
}
export type Put = (name: string, body: object) => Promise<string>;

export const nic = (n: number) => mac(`52:54:00:00:01:${n.toString(16).padStart(2, '0')}`);

const ASKED = Uint8Array.of(1, 3, 6, 15, 26, 42, 119);

export function discover(world: World, n: number | string, giaddr?: string): Outcome {
  const of = typeof n === 'number' ? nic(n) : mac(n);
  const from = giaddr === undefined ? {} : { giaddr: ipv4(giaddr) };
  const packet = dhcpPacket({ mac: of, type: MESSAGE.discover, ...from }, [
    [OPTION.parameterList, ASKED],
  ]);
  return world.dhcp(packet, giaddr ? 'up0' : 'prov0.20', undefined, from.giaddr);
}

/** What a client is told: address, and the options that a subnet may change. */
export function told(outcome: Outcome): Record<string, unknown> | string {
  if (outcome.kind !== 'reply') return outcome.kind === 'drop' ? outcome.reason : outcome.kind;
  const { yiaddr, options } = outcome.reply;
  const address = (code: number) => {
    const bytes = options.get(code);
    return bytes && [...bytes].join('.');
  };
  return {
    address: formatIpv4(yiaddr),
    router: address(OPTION.router),
    dns: address(OPTION.dns),
    domain: readText(options.get(OPTION.domain)),
    mtu: [...(options.get(OPTION.mtu) ?? [])].reduce((sum, byte) => sum * 256 + byte, 0),
    ntp: address(OPTION.ntp),
    server: address(OPTION.serverId),
  };
}

/** Takes the address that it was offered for good. */
export function bind(world: World, n: number, giaddr?: string): string {
  const offer = discover(world, n, giaddr);
  if (offer.kind !== 'reply') return told(offer) as string;
  const from = giaddr === undefined ? {} : { giaddr: ipv4(giaddr) };
  const options: [number, Uint8Array][] = [
    [OPTION.requestedAddress, u32(offer.reply.yiaddr)],
    [OPTION.serverId, offer.reply.options.get(OPTION.serverId) ?? u8(0)],
  ];
  const packet = dhcpPacket({ mac: nic(n), type: MESSAGE.request, ...from }, options);
  const ack = world.dhcp(packet, giaddr ? 'up0' : 'prov0.20', undefined, from.giaddr);
  return ack.kind === 'reply' ? formatIpv4(ack.reply.yiaddr) : (told(ack) as string);
}

export const OF_FILE = {
  ...{ address: '10.20.0.100', router: '10.20.0.254', dns: '10.20.0.53', domain: 'file.example' },
  ...{ mtu: 1400, ntp: '10.20.0.7', server: '10.20.0.1' },
};
