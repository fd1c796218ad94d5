/**
 * A DHCP client that is a port of a switch and no more: whole frames, any hardware address, in whatever VLAN its cable is. It asks
 * without the broadcast flag, so that it is answered by its hardware address.
 */
import { openFrame } from '../src/capture/frame.ts';
import { MESSAGE, OPTION, u8, u32 } from '../src/dhcp/options.ts';
import {
  BOOTREPLY,
  BOOTREQUEST,
  type DhcpPacket,
  decodePacket,
  encodePacket,
} from '../src/dhcp/packet.ts';
import { IPV4_ANY, IPV4_BROADCAST, type Ipv4 } from '../src/wire/ipv4.ts';
import { type Mac, macToBytes } from '../src/wire/mac.ts';
import { UDP_HEADERS_BYTES, writeUdpPacket } from '../src/wire/udp-packet.ts';
import type { PortPlan, SwitchPort, VlanSwitch } from './vlan-switch.ts';

export interface RawClient {
  readonly port: SwitchPort;
  /** DISCOVER and REQUEST, as often as it takes. @returns the ACK; nothing after `withinMs` without an answer */
  lease(withinMs?: number): Promise<DhcpPacket | undefined>;
  /** INIT-REBOOT (RFC 2131 section 4.3.2): may it keep this address? @returns ACK or NAK */
  keep(address: Ipv4): Promise<DhcpPacket | undefined>;
  /** The transactions of what it has sent. */
  readonly xids: readonly number[];
}

const AGAIN_MS = 3000;
const ANSWERED_MS = 60_000;
const FINAL = [MESSAGE.ack, MESSAGE.nak];
const ETHERTYPE_IPV4 = Uint8Array.of(8, 0);
const PORTS = { sourcePort: 68, destinationPort: 67 };

export function createRawClient(
  lan: VlanSwitch,
  { name, mac, plan, firstXid }: { name: string; mac: Mac; plan: PortPlan; firstXid: number },
): RawClient {
  const waiting = new Map<number, (packet: DhcpPacket) => void>();
  const xids: number[] = [];
  const port = lan.port(name, plan, (bytes) => {
    const frame = { number: 0, atUs: 0, bytes, lengthBytes: bytes.length, linkType: 1 };
    const content = openFrame(frame);
    if (content.kind !== 'datagram' || content.datagram.destinationPort !== PORTS.sourcePort)
      return;
    // Whole and without a tag, or the switch or the appliance is wrong.
    if (content.datagram.vlans.length > 0) return;
    const packet = decodePacket(content.datagram.payload);
    if (packet.ok && packet.value.op === BOOTREPLY) waiting.get(packet.value.xid)?.(packet.value);
  });
  const send = (xid: number, options: readonly (readonly [number, Uint8Array])[]): void => {
    const packet: DhcpPacket = {
      ...{ op: BOOTREQUEST, htype: 1, hlen: 6, hops: 0, xid, secs: 0, flags: 0 },
      ...{ ciaddr: IPV4_ANY, yiaddr: IPV4_ANY, siaddr: IPV4_ANY, giaddr: IPV4_ANY },
      ...{ chaddr: Buffer.concat([macToBytes(mac)], 16), sname: '', file: '' },
      options: new Map(options),
    };
    const payload = encodePacket(packet);
    const ip = new Uint8Array(UDP_HEADERS_BYTES + payload.length);
    writeUdpPacket(ip, { source: IPV4_ANY, destination: IPV4_BROADCAST, ...PORTS }, payload);
    const everybody = Buffer.alloc(6, 0xff);
    port.receive(Buffer.concat([everybody, macToBytes(mac), ETHERTYPE_IPV4, ip]));
  };
  const ask = async (
    options: readonly (readonly [number, Uint8Array])[],
    { withinMs, xid }: { withinMs: number; xid: number },
    wanted: readonly number[],
  ): Promise<DhcpPacket | undefined> => {
    let again: NodeJS.Timeout | undefined;
    let over: NodeJS.Timeout | undefined;
    const reply = await new Promise<DhcpPacket | undefined>((resolve) => {
      waiting.set(xid, (packet) => {
        // An offer that comes once more is no answer to the REQUEST.
        if (wanted.includes(packet.options.get(OPTION.messageType)?.[0] ?? 0)) resolve(packet);
      });
      send(xid, options);
      again = setInterval(() => send(xid, options), AGAIN_MS);
      over = setTimeout(() => resolve(undefined), withinMs);
    });
    waiting.delete(xid);
    clearInterval(again);
    clearTimeout(over);
    return reply;
  };
  const nextXid = (): number => {
    const xid = firstXid + xids.length;
    xids.push(xid);
    return xid;
  };
  return {
    ...{ port, xids },
    async lease(withinMs = ANSWERED_MS) {
      // One transaction (RFC 2131 section 4.4.1).
      const of = { withinMs, xid: nextXid() };
      const offer = await ask([[OPTION.messageType, u8(MESSAGE.discover)]], of, [MESSAGE.offer]);
      const server = offer?.options.get(OPTION.serverId);
      if (!offer || !server) return undefined;
      return ask(
        [
          [OPTION.messageType, u8(MESSAGE.request)],
          [OPTION.serverId, server],
          [OPTION.requestedAddress, u32(offer.yiaddr)],
        ],
        of,
        FINAL,
      );
    },
    keep: (address) =>
      ask(
        [
          [OPTION.messageType, u8(MESSAGE.request)],
          [OPTION.requestedAddress, u32(address)],
        ],
        { withinMs: ANSWERED_MS, xid: nextXid() },
        FINAL,
      ),
  };
}
