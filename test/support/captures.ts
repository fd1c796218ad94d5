/** Made-up captures: frames with chosen bytes, and a whole boot of which tests spoil one thing at a time. */
import { createAnalysis } from '../../src/capture/analysis.ts';
import type { Capture } from '../../src/capture/model.ts';
import type { Frame } from '../../src/capture/pcap.ts';
import { createCaptureReader } from '../../src/capture/pcap.ts';
import { MESSAGE, nulTerminated, OPTION, text, u8, u32 } from '../../src/dhcp/options.ts';
import { BOOTREPLY, type DhcpPacket, encodePacket } from '../../src/dhcp/packet.ts';
import { ipv4ToBytes } from '../../src/wire/ipv4.ts';
import { type Mac, macToBytes } from '../../src/wire/mac.ts';
import { type CLIENTS, dhcpPacket, ipv4, mac } from './world.ts';

export const MACHINE = mac('52:54:00:00:00:01');
export const SERVER = '10.77.0.1';
export const ADDRESS = '10.77.0.100';
const EVERYBODY = '255.255.255.255';
const SERVER_MAC = mac('52:54:00:ff:00:01');

export type Ends = readonly [address: string, port: number];

export interface Shot {
  readonly atMs: number;
  readonly from: Ends;
  readonly to: Ends;
  readonly payload: Uint8Array;
  readonly sourceMac?: Mac;
  /** The IPv4 word of flags and fragment offset. */
  readonly piece?: number;
  readonly vlans?: readonly number[];
}

const word = (value: number) => [(value >> 8) & 255, value & 255];

/** IPv4 and UDP around a payload. */
export function ipv4Packet({ from, to, payload, piece = 0 }: Omit<Shot, 'atMs'>): Uint8Array {
  const addresses = [from, to].flatMap(([address]) => [...ipv4ToBytes(ipv4(address))]);
  return Uint8Array.from([
    ...[0x45, 0, ...word(28 + payload.length), 0, 1, ...word(piece), 64, 17, 0, 0, ...addresses],
    ...[...word(from[1]), ...word(to[1]), ...word(8 + payload.length), 0, 0],
    ...payload,
  ]);
}

/** @param outerType of the first tag: another for 802.1ad */
export function ethernetFrame(
  shot: Omit<Shot, 'atMs'>,
  vlans: readonly number[] = shot.vlans ?? [],
  outerType = 0x8100,
): Uint8Array {
  const source = shot.sourceMac ?? (shot.from[1] === 68 ? MACHINE : SERVER_MAC);
  return Uint8Array.from([
    ...[...new Array(6).fill(255), ...macToBytes(source)],
    ...vlans.flatMap((vlan, index) => [...word(index === 0 ? outerType : 0x8100), ...word(vlan)]),
    ...[8, 0, ...ipv4Packet(shot)],
  ]);
}

export function frameOf(bytes: Uint8Array, atUs = 0, linkType = 1): Omit<Frame, 'number'> {
  return { atUs, bytes, lengthBytes: bytes.length, linkType };
}

export function analyse(shots: readonly Shot[]): Capture {
  const analysis = createAnalysis();
  for (const [index, shot] of shots.entries()) {
    analysis.add({ number: index + 1, ...frameOf(ethernetFrame(shot), shot.atMs * 1000) });
  }
  return analysis.finish(undefined);
}

/** Every frame of a file that is read in pieces of `pieceBytes`. */
export function framesOf(file: Uint8Array, pieceBytes = file.length): Frame[] {
  const reader = createCaptureReader();
  const frames: Frame[] = [];
  for (let at = 0; at < file.length; at += pieceBytes) {
    frames.push(...reader.push(file.subarray(at, at + pieceBytes)));
  }
  return frames;
}

export type Options = readonly (readonly [number, Uint8Array | undefined])[];

export interface Message {
  readonly atMs?: number;
  readonly client?: keyof typeof CLIENTS;
  readonly machine?: Mac;
  readonly from?: Ends;
  readonly to?: Ends;
  readonly xid?: number;
  /** Laid over the usual ones; `undefined` takes one away. */
  readonly options?: Options;
  readonly fields?: Partial<DhcpPacket>;
  readonly edit?: (bytes: Uint8Array) => Uint8Array;
  readonly piece?: number;
}

function overlaid(options: Iterable<readonly [number, Uint8Array]>, over: Options = []) {
  const map = new Map(options);
  for (const [code, value] of over) {
    if (value) map.set(code, value);
    else map.delete(code);
  }
  return map;
}

export function ask(type: number, message: Message = {}): Shot {
  const { client = 'bios', machine = MACHINE, edit = (bytes) => bytes } = message;
  const packet = dhcpPacket({ mac: machine, type, client });
  const options = overlaid(
    [...packet.options, [OPTION.maxMessageSize, Uint8Array.of(5, 192)] as const],
    message.options,
  );
  const bytes = encodePacket({ ...packet, xid: message.xid ?? 0x1234, ...message.fields, options });
  return {
    atMs: message.atMs ?? 0,
    from: message.from ?? ['0.0.0.0', 68],
    to: message.to ?? [EVERYBODY, 67],
    payload: edit(bytes),
    sourceMac: machine,
    ...(message.piece === undefined ? {} : { piece: message.piece }),
  };
}

/** What each kind of client is told to boot. */
const BOOT: Record<keyof typeof CLIENTS, Options> = {
  bios: [[OPTION.bootFile, nulTerminated('undionly.kpxe')]],
  uefi: [[OPTION.bootFile, nulTerminated('snponly.efi')]],
  http: [
    [OPTION.bootFile, nulTerminated(`http://${SERVER}:8080/boot/ipxe/snponly.efi`)],
    [OPTION.vendorClass, text('HTTPClient')],
  ],
  ipxe: [
    [OPTION.bootFile, nulTerminated(`http://${SERVER}:8080/boot/x/script.ipxe`)],
    [OPTION.ipxe, Uint8Array.of(0xb0, 1, 1)],
  ],
  os: [],
};

export function answer(type: number, message: Message = {}): Shot {
  const { client = 'bios', machine = MACHINE, edit = (bytes) => bytes } = message;
  const asked = dhcpPacket({ mac: machine, type: MESSAGE.discover, client });
  const options = overlaid(
    [
      [OPTION.messageType, u8(type)],
      [OPTION.serverId, u32(ipv4(message.from?.[0] ?? SERVER))],
      [OPTION.leaseTime, u32(600)],
      [OPTION.subnetMask, u32(ipv4('255.255.255.0'))],
      ...(BOOT[client] as [number, Uint8Array][]),
    ],
    message.options,
  );
  const packet: DhcpPacket = {
    ...{ ...asked, op: BOOTREPLY, xid: message.xid ?? 0x1234 },
    ...{ yiaddr: ipv4(ADDRESS), siaddr: ipv4(SERVER), options },
    ...message.fields,
  };
  return {
    atMs: message.atMs ?? 0,
    from: message.from ?? [SERVER, 67],
    to: message.to ?? [EVERYBODY, 68],
    payload: edit(encodePacket(packet, 4000)),
    ...(message.piece === undefined ? {} : { piece: message.piece }),
  };
}

export const WANTED: Options = [
  [OPTION.requestedAddress, u32(ipv4(ADDRESS))],
  [OPTION.serverId, u32(ipv4(SERVER))],
];

/** A DISCOVER, an offer, a REQUEST and an ACK; `over` spoils the offer, or any of them by its place. */
export function exchange(
  client: keyof typeof CLIENTS,
  over: { discover?: Message; offer?: Message; request?: Message; ack?: Message } = {},
): Shot[] {
  return [
    ask(MESSAGE.discover, { client, atMs: 0, ...over.discover }),
    answer(MESSAGE.offer, { client, atMs: 5, ...over.offer }),
    ask(MESSAGE.request, { client, atMs: 10, options: WANTED, ...over.request }),
    answer(MESSAGE.ack, { client, atMs: 15, ...over.ack }),
  ];
}
