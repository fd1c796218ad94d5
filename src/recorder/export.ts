/**
 * A boot as a capture: its DHCP packets byte for byte, and its TFTP exchanges rebuilt from what was decoded of them.
 *
 * Data blocks are not kept, and neither are bytes of HTTP: the flight record beside the capture says how much of them there
 * was. Rebuilt packets say so in their comment.
 */
import {
  encodePcapng,
  type FrameEnds,
  udpFrame,
  type WrittenFrame,
} from '../capture/pcapng-writer.ts';
import type { Flight, TftpEntry } from '../diagnose/flight.ts';
import { encodeAck, encodeError, encodeOack, encodeRequest } from '../tftp/packet.ts';
import { IPV4_ANY, type Ipv4, parseIpv4 } from '../wire/ipv4.ts';
import { type Mac, macToBytes } from '../wire/mac.ts';
import type { KeptPacket } from './packets.ts';

const EVERYBODY = new Uint8Array(6).fill(255);
/** A locally administered address that is nobody's. */
const SERVER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const EVERY_ADDRESS = 0xffff_ffff as Ipv4;
const CLIENT_PORT = 1024;
const SERVER_PORT = 20_000;

export function captureOf(flight: Flight, packets: readonly KeptPacket[]): Uint8Array {
  const mac = macToBytes(flight.mac as Mac);
  const { server, client } = addressesOf(flight);
  const frames = [
    ...packets.map((packet) => dhcpFrame(packet, { mac, server })),
    ...flight.entries.flatMap((entry) =>
      entry.kind === 'tftp' ? tftpFrames(entry, { mac, server, client }) : [],
    ),
  ].sort((a, b) => a.atMs - b.atMs);
  return encodePcapng(frames, `Boot ${flight.boot} of ${flight.mac}, as Reveille recorded it`);
}

function addressesOf({ entries }: Flight): { server: Ipv4; client: Ipv4 } {
  const dhcp = entries.filter((one) => one.kind === 'dhcp' && one.from === 'server');
  const last = dhcp.at(-1);
  const of = (text: string | undefined) => parseIpv4(text ?? '') ?? IPV4_ANY;
  if (last?.kind !== 'dhcp') return { server: IPV4_ANY, client: IPV4_ANY };
  return { server: of(last.server), client: of(last.address) };
}

function dhcpFrame(
  { at, direction, peer, port, drop, bytes }: KeptPacket,
  { mac, server }: { mac: Uint8Array; server: Ipv4 },
): WrittenFrame {
  const address = parseIpv4(peer.address) ?? IPV4_ANY;
  const toServer = { destinationPort: port, sourcePort: peer.port, source: address };
  const relayed = address !== IPV4_ANY && peer.port === port;
  const ends: FrameEnds =
    direction === 'in'
      ? {
          ...toServer,
          sourceMac: mac,
          destinationMac: relayed ? SERVER_MAC : EVERYBODY,
          destination: relayed ? server : EVERY_ADDRESS,
        }
      : {
          ...{ sourceMac: SERVER_MAC, source: server, sourcePort: port },
          ...{ destination: address, destinationPort: peer.port },
          destinationMac: address === EVERY_ADDRESS ? EVERYBODY : mac,
        };
  const comment = drop === '' ? {} : { comment: `not answered: ${drop}` };
  return { atMs: at, bytes: udpFrame(ends, bytes), ...comment };
}

function tftpFrames(
  entry: TftpEntry,
  { mac, server, client }: { mac: Uint8Array; server: Ipv4; client: Ipv4 },
): WrittenFrame[] {
  const out = { sourceMac: mac, destinationMac: SERVER_MAC, source: client, destination: server };
  const back = { sourceMac: SERVER_MAC, destinationMac: mac, source: server, destination: client };
  const comment = 'rebuilt from the record; data blocks are not kept';
  const say = (
    atMs: number,
    ports: readonly [number, number],
    payload: Uint8Array,
  ): WrittenFrame => {
    const [sourcePort, destinationPort] = ports;
    const ends = sourcePort === CLIENT_PORT ? out : back;
    return { atMs, comment, bytes: udpFrame({ ...ends, sourcePort, destinationPort }, payload) };
  };
  const { at, endAt, asked, granted, acked, end, why, file } = entry;
  const options = new Map(Object.entries(asked));
  const request = encodeRequest({ opcode: 1, file, mode: 'octet', options });
  const toClient = [SERVER_PORT, CLIENT_PORT] as const;
  const toServer = [CLIENT_PORT, SERVER_PORT] as const;
  const aborted = end === 'aborted' || end === 'probe';
  return [
    say(at, [CLIENT_PORT, 69], request),
    ...(Object.keys(granted).length > 0 && options.size > 0
      ? [say(at, toClient, encodeOack(new Map(Object.entries(granted))))]
      : []),
    ...(acked >= 0 ? [say(endAt, toServer, encodeAck(acked & 0xffff))] : []),
    ...(aborted ? [say(endAt, toServer, encodeError(end === 'probe' ? 8 : 0, why))] : []),
    ...(end === 'refused' ? [say(endAt, toClient, encodeError(1, why))] : []),
  ];
}
