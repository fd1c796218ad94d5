/** The parts that replies are made of: network parameters, the boot part, what is echoed, and the order of all. */
import { limit } from '../limits.ts';
import { IPV4_ANY, type Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import { type DhcpClient, isBootClient } from './client-class.ts';
import type { ClassOption, NetworkOptions } from './option-settings.ts';
import { nulTerminated, OPTION, text, u8 } from './options.ts';
import { type DhcpPacket, OPTIONS_AT, replyBytesMax } from './packet.ts';
import { encodedBytes } from './packet-options.ts';
import type { BootAnswer, Segment } from './ports.ts';

/** The network options of one client on a segment: its own where it has some. */
export function networkOf(segment: Segment, mac: Mac): NetworkOptions {
  return segment.machineNetworks.size === 0
    ? segment.network
    : (segment.machineNetworks.get(mac) ?? segment.network);
}

/**
 * Adds the network parameters: the usual ones for everybody, the others for a client that names them in option 55. Who
 * asks for classless routes (121) and gets them is sent no router option, which it would have to ignore (RFC 3442,
 * "DHCP Client Behavior"; the default route is among the routes).
 */
export function networkOptions(
  network: NetworkOptions,
  { packet, client }: { readonly packet: DhcpPacket; readonly client: DhcpClient },
  options: Map<number, Uint8Array>,
): void {
  const { always, requested } = network;
  const list = packet.options.get(OPTION.parameterList);
  for (const [code, bytes] of always) options.set(code, bytes);
  if (list)
    for (const [code, bytes] of requested) if (list.includes(code)) options.set(code, bytes);
  for (const { option, always } of ofItsClass(network, client)) {
    if (always || list?.includes(option[0])) options.set(option[0], option[1]);
  }
  if (options.has(OPTION.classlessRoutes)) options.delete(OPTION.router);
}

/** What a network has for clients of this one's kind alone. Their boot file is the boot decision's, whatever they call themselves. */
export function ofItsClass(
  { byClass }: NetworkOptions,
  client: DhcpClient,
): readonly ClassOption[] {
  if (byClass.length === 0) return byClass;
  const boots = isBootClient(client);
  return byClass.filter(({ start, option: [code] }) => {
    if (boots && (start === '' || code === OPTION.bootFile)) return false;
    return client.vendorClass.startsWith(start);
  });
}

export function bootOptions({ options: boot }: BootAnswer, options: Map<number, Uint8Array>): void {
  if (boot.vendorClass) options.set(OPTION.vendorClass, text(boot.vendorClass));
  if (boot.file) options.set(OPTION.bootFile, nulTerminated(boot.file));
  for (const { code, bytes } of boot.raw ?? []) options.set(code, bytes);
}

/** The fixed fields: `siaddr`, and `file` where the name fits with its NUL. */
export function bootFields({ options: boot }: BootAnswer): { siaddr: Ipv4; file: string } {
  const file = boot.file ?? '';
  return { siaddr: boot.siaddr ?? IPV4_ANY, file: file.length < 128 ? file : '' };
}

export const ECHOED = [
  OPTION.clientId,
  OPTION.clientUuid,
  OPTION.subnetSelection,
  OPTION.relayAgent,
] as const;

/**
 * What goes back as it came: client id (RFC 6842), UUID (RFC 4578 2.3), subnet selection (RFC 3011), relay information
 * (RFC 3046 2.2).
 */
export function echo(packet: DhcpPacket, options: Map<number, Uint8Array>): void {
  for (const code of ECHOED) {
    const value = packet.options.get(code);
    if (value) options.set(code, value);
  }
}

/** A NAK carries nothing else of the client's (RFC 2131 table 3). */
export function echoInNak(packet: DhcpPacket, options: Map<number, Uint8Array>): void {
  for (const code of [OPTION.clientId, OPTION.relayAgent]) {
    const value = packet.options.get(code);
    if (value) options.set(code, value);
  }
}

/** Without these there is no lease and no boot: they are never left out for lack of room. */
const ESSENTIAL: readonly number[] = [
  OPTION.messageType,
  OPTION.serverId,
  OPTION.leaseTime,
  OPTION.vendorClass,
  OPTION.vendorSpecific,
  OPTION.bootFile,
  OPTION.clientId,
  OPTION.clientUuid,
  OPTION.subnetMask,
  OPTION.subnetSelection,
  OPTION.ipxe,
];
/** Both `file` and `sname` (RFC 2132 9.3). */
const FILE_AND_SNAME = 3;

/** Do options of that many bytes have room in a reply to this client? */
export function fits(bytes: number, request: DhcpPacket): boolean {
  const all = OPTIONS_AT + 1 + bytes;
  return all <= limit('dhcpReplyBytesMin') || all <= replyBytesMax(request);
}

/**
 * The same options in the order in which they may be dropped from the end, when the reply is short of room: first what
 * the exchange rests on, then what the client asked for, in the order in which it asked (RFC 2132 9.8), then the rest.
 * A client that does not boot may also find options in `file` and `sname`; a boot ROM may not, because many look for
 * the file name there and nowhere else.
 */
export function inOrderOfNeed(
  options: Map<number, Uint8Array>,
  request: DhcpPacket,
  { mayOverload }: { readonly mayOverload: boolean },
): Map<number, Uint8Array> {
  let bytes = 0;
  for (const value of options.values()) bytes += encodedBytes(value);
  if (fits(bytes, request)) return options;
  const ordered = new Map<number, Uint8Array>();
  const move = (code: number) => {
    const value = options.get(code);
    if (value) ordered.set(code, value);
  };
  ESSENTIAL.forEach(move);
  request.options.get(OPTION.parameterList)?.forEach(move);
  for (const code of options.keys()) if (!ordered.has(code)) move(code);
  if (mayOverload) ordered.set(OPTION.overload, u8(FILE_AND_SNAME));
  return ordered;
}
