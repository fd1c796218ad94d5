/**
 * The judge of scenario `standby`: reads what the wire has carried, and knows nothing else. Was an address acknowledged to a machine
 * while another one had it?
 *
 * A machine has an address from each acknowledgement (RFC 2131: DHCPACK with `yiaddr`) for as long as that says, or until it gives
 * it back, declines it, or is acknowledged another one of the same network. Whether it heard the acknowledgement nobody knows: it counts.
 */
import { createReadStream } from 'node:fs';
import { openFrame } from '../src/capture/frame.ts';
import { createCaptureReader, type Frame } from '../src/capture/pcap.ts';
import { MESSAGE, OPTION } from '../src/dhcp/options.ts';
import { addressOption, type DhcpPacket, decodePacket, macOf } from '../src/dhcp/packet.ts';
import { formatIpv4, IPV4_ANY, type Ipv4 } from '../src/wire/ipv4.ts';
import type { Mac } from '../src/wire/mac.ts';

const SERVER_PORT = 67;
const CLIENT_PORT = 68;
/** The networks of the scenario differ in their first 22 bits. */
const NETWORK_BITS = 10;

export interface Acknowledged {
  readonly at: number;
  readonly address: Ipv4;
  readonly mac: Mac;
  readonly seconds: number;
  readonly server: Ipv4;
}

export interface DoubleAddress {
  readonly first: Acknowledged;
  readonly second: Acknowledged;
}

export interface AddressCheck {
  /** In the order of the wire. */
  readonly acknowledged: readonly Acknowledged[];
  readonly doubles: readonly DoubleAddress[];
  readonly addresses: number;
  /** Addresses that one machine had, and later another one: what could have gone wrong. */
  readonly reused: number;
}

export interface AddressJudge {
  add(frame: Frame): void;
  finish(): AddressCheck;
}

export function createAddressJudge(): AddressJudge {
  const acknowledged: Acknowledged[] = [];
  const doubles: DoubleAddress[] = [];
  const holders = new Map<Ipv4, Acknowledged>();
  const owners = new Map<Ipv4, Set<Mac>>();
  const holdings = new Map<string, Ipv4>();
  const keyOf = (mac: Mac, address: Ipv4) => `${mac} ${address >>> NETWORK_BITS}`;
  const leave = (mac: Mac, address: Ipv4): void => {
    if (holders.get(address)?.mac === mac) holders.delete(address);
    if (holdings.get(keyOf(mac, address)) === address) holdings.delete(keyOf(mac, address));
  };
  const acknowledge = (ack: Acknowledged): void => {
    const { address, mac, at } = ack;
    acknowledged.push(ack);
    const before = holders.get(address);
    if (before && before.mac !== mac && before.at + before.seconds * 1000 > at)
      doubles.push({ first: before, second: ack });
    const left = holdings.get(keyOf(mac, address));
    if (left !== undefined && left !== address) leave(mac, left);
    holders.set(address, ack);
    holdings.set(keyOf(mac, address), address);
    owners.set(address, (owners.get(address) ?? new Set<Mac>()).add(mac));
  };
  return {
    add(frame) {
      const content = openFrame(frame);
      if (content.kind !== 'datagram') return;
      const { payload, sourcePort, destinationPort, source } = content.datagram;
      const ports = [sourcePort, destinationPort];
      if (!ports.every((port) => port === SERVER_PORT || port === CLIENT_PORT)) return;
      const packet = decodePacket(payload);
      if (!packet.ok) return;
      const mac = macOf(packet.value);
      if (mac === undefined) return;
      const at = frame.atUs / 1000;
      const given = givenBack(packet.value);
      if (given !== undefined) leave(mac, given);
      if (packet.value.options.get(OPTION.messageType)?.[0] !== MESSAGE.ack) return;
      const time = packet.value.options.get(OPTION.leaseTime);
      // The answer to an INFORM gives no address and no time.
      if (packet.value.yiaddr === IPV4_ANY || time?.length !== 4) return;
      const server = addressOption(packet.value, OPTION.serverId) ?? source;
      const seconds = Buffer.from(time).readUInt32BE();
      acknowledge({ at, mac, server, seconds, address: packet.value.yiaddr });
    },
    finish: () => ({
      ...{ acknowledged, doubles, addresses: owners.size },
      reused: [...owners.values()].filter(({ size }) => size > 1).length,
    }),
  };
}

/** The address that a client gives back, or says that it cannot use. */
function givenBack(packet: DhcpPacket): Ipv4 | undefined {
  const type = packet.options.get(OPTION.messageType)?.[0];
  if (type === MESSAGE.release) return packet.ciaddr;
  if (type === MESSAGE.decline) return addressOption(packet, OPTION.requestedAddress);
  return undefined;
}

export async function checkAddresses(file: string): Promise<AddressCheck> {
  const reader = createCaptureReader();
  const judge = createAddressJudge();
  for await (const chunk of createReadStream(file))
    for (const frame of reader.push(chunk as Uint8Array)) judge.add(frame);
  return judge.finish();
}

export function describeDouble({ first, second }: DoubleAddress): string {
  const one = ({ mac, at, seconds, server }: Acknowledged) =>
    `${mac} at ${new Date(at).toISOString()} for ${seconds} s by ${formatIpv4(server)}`;
  return `${formatIpv4(first.address)}: ${one(first)}, then ${one(second)}`;
}
