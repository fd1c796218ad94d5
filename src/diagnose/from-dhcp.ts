/** One decoded DHCP packet as an entry of a flight record. Pure; used for packets of a capture and of the recorder alike. */
import { classify } from '../dhcp/client-class.ts';
import { speaksPxe } from '../dhcp/option-nested.ts';
import { MESSAGE, OPTION, readText, readU32, readUuid } from '../dhcp/options.ts';
import { BOOTREPLY, type DhcpPacket } from '../dhcp/packet.ts';
import type { ClientStage } from '../events.ts';
import { formatIpv4, IPV4_ANY, type Ipv4 } from '../wire/ipv4.ts';
import type { DhcpEntry } from './flight.ts';

const TYPES: Readonly<Record<number, DhcpEntry['type']>> = {
  [MESSAGE.discover]: 'discover',
  [MESSAGE.offer]: 'offer',
  [MESSAGE.request]: 'request',
  [MESSAGE.decline]: 'decline',
  [MESSAGE.ack]: 'ack',
  [MESSAGE.nak]: 'nak',
  [MESSAGE.release]: 'release',
  [MESSAGE.inform]: 'inform',
};
/** iPXE include/ipxe/dhcp.h: DHCP_EB_BUS_ID; type 1 is PCI, then vendor and device. */
const BUS_ID = 0xb1;
const PCI = 1;

export interface DhcpPlace {
  readonly at: number;
  /** Of a reply, who sent it. */
  readonly sender: Ipv4 | undefined;
  /** The server's side of the exchange. */
  readonly port: number;
  readonly vlan?: number | undefined;
  /** Of a reply, who had asked: a reply does not show it. */
  readonly stage?: ClientStage | undefined;
}

/** @returns undefined for plain BOOTP, which has no message type */
export function dhcpEntry(packet: DhcpPacket, place: DhcpPlace): DhcpEntry | undefined {
  const { options } = packet;
  const type = TYPES[options.get(OPTION.messageType)?.[0] ?? 0];
  if (!type) return undefined;
  const fromServer = packet.op === BOOTREPLY;
  const named = readU32(options.get(OPTION.serverId)) as Ipv4 | undefined;
  const wanted = readU32(options.get(OPTION.requestedAddress)) as Ipv4 | undefined;
  const address = fromServer ? packet.yiaddr : (wanted ?? packet.ciaddr);
  return {
    kind: 'dhcp',
    at: place.at,
    from: fromServer ? 'server' : 'machine',
    type,
    stage: place.stage ?? classify(packet).stage,
    xid: packet.xid,
    secs: packet.secs,
    server: addressText(fromServer ? (named ?? place.sender) : named),
    address: addressText(address),
    bootFile: fromServer ? hideToken(readText(options.get(OPTION.bootFile)) || packet.file) : '',
    vendorClass: readText(options.get(OPTION.vendorClass)),
    vendorOptions: speaksPxe(options.get(OPTION.vendorSpecific)),
    port: place.port,
    relay: addressText(packet.giaddr),
    ...(place.vlan === undefined ? {} : { vlan: place.vlan }),
    uuid: fromServer ? '' : (readUuid(options.get(OPTION.clientUuid)) ?? ''),
    nic: fromServer ? '' : nicOf(options.get(OPTION.ipxe)),
    drop: '',
    why: type === 'nak' ? readText(options.get(OPTION.message)) : '',
  };
}

function addressText(address: Ipv4 | undefined): string {
  return address === undefined || address === IPV4_ANY ? '' : formatIpv4(address);
}

/** A URL that the appliance gives out holds the token of this boot; a kept packet has dots in its place. */
function hideToken(file: string): string {
  return file.replace(/\/(?:[A-Za-z0-9_-]{32}|\.{32})(?=\/)/, '/…');
}

function nicOf(value: Uint8Array | undefined): string {
  if (!value) return '';
  for (let at = 0; at + 1 < value.length; at += 2 + (value[at + 1] ?? 0)) {
    if (value[at] !== BUS_ID || value[at + 1] !== 5 || value[at + 2] !== PCI) continue;
    const word = (from: number) =>
      (((value[from] ?? 0) << 8) | (value[from + 1] ?? 0)).toString(16).padStart(4, '0');
    return `pci ${word(at + 3)}:${word(at + 5)}`;
  }
  return '';
}
