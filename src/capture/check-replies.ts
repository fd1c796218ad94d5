/**
 * What is wrong with one DHCP reply, beside the request that it answers. Each rule names where it comes from: the RFC that
 * says so, or the firmware that stops at it.
 */

import { speaksPxe, subOptions } from '../dhcp/option-nested.ts';
import { printable } from '../dhcp/option-plain.ts';
import { MESSAGE, OPTION, readText } from '../dhcp/options.ts';
import { addressOption, replyBytesMax } from '../dhcp/packet.ts';
import { limit } from '../limits.ts';
import { formatIpv4, IPV4_ANY, IPV4_BROADCAST } from '../wire/ipv4.ts';
import { type Problem, problem } from './checks.ts';
import { hideTokens } from './hide-tokens.ts';
import type { DhcpMessage } from './model.ts';

const BOOT_SERVER_PORT = 4011;

export function checkReply(reply: DhcpMessage, request: DhcpMessage | undefined): Problem[] {
  const found: Problem[] = [];
  const say: Say = (check, detail) => void found.push(problem(check, reply, detail));
  checkDelivery(reply, request, say);
  checkFraming(reply, request, say);
  checkOptions(reply, request, say);
  if (request && reply.type !== MESSAGE.nak) checkBootFile(reply, request, say);
  return found;
}

type Say = (check: Problem['check'], detail: string) => void;

/** The boot file's name: the fixed field, else option 67 (RFC 2132 9.5). */
export function bootFileOf({ packet }: DhcpMessage): string {
  return packet.file || readText(packet.options.get(OPTION.bootFile));
}

export function isFirmware({ client }: DhcpMessage): boolean {
  return client.stage === 'firmware' || client.stage === 'http-boot';
}

/** RFC 2131 4.1, and 4011 by PXE 2.1 2.2.3: that answer goes to where the question came from. */
function checkDelivery(reply: DhcpMessage, request: DhcpMessage | undefined, say: Say): void {
  const { packet, from, to } = reply;
  const toRelay = packet.giaddr !== IPV4_ANY && to.address === packet.giaddr;
  const wanted = ((): readonly number[] => {
    if (from.port === BOOT_SERVER_PORT)
      return request ? [request.from.port] : [68, BOOT_SERVER_PORT];
    if (!toRelay) return [68];
    return packet.options.has(OPTION.relayAgent) && request ? [67, request.from.port] : [67];
  })();
  if (!wanted.includes(to.port)) say('reply-wrong-port', `to port ${to.port}, not ${wanted[0]}`);

  // edk2 2022 and later drop what is sent to the subnet's broadcast address.
  const mask = addressOption(packet, OPTION.subnetMask);
  const option = addressOption(packet, OPTION.broadcast);
  const directed = mask === undefined ? option : (packet.yiaddr | ~mask) >>> 0;
  if (to.address !== IPV4_BROADCAST && packet.yiaddr !== IPV4_ANY && to.address === directed) {
    say('directed-broadcast', `to ${formatIpv4(to.address)}, not 255.255.255.255`);
  }
  const server = addressOption(packet, OPTION.serverId);
  const needsServer =
    reply.type === MESSAGE.offer || reply.type === MESSAGE.ack || reply.type === MESSAGE.nak;
  // RFC 2131 table 3.
  if (needsServer && server === undefined) say('server-id-missing', 'no option 54');
  if (server !== undefined && packet.giaddr === IPV4_ANY && server !== from.address) {
    say(
      'server-id-mismatch',
      `${formatIpv4(server)} in option 54, from ${formatIpv4(from.address)}`,
    );
  }
}

function checkFraming(reply: DhcpMessage, request: DhcpMessage | undefined, say: Say): void {
  const { wire, packet } = reply;
  if (wire.fragmented) say('fragmented', `${wire.lengthBytes} bytes`);
  if (wire.cut) say('frame-cut', `${wire.lengthBytes} bytes were sent`);
  // RFC 1542 2.1; some relays and ROMs drop less.
  if (wire.lengthBytes < limit('dhcpReplyBytesMin'))
    say('reply-short', `${wire.lengthBytes} bytes`);
  // What the relay sent along is not the client's to hold: the relay takes it out again.
  const relayInfo = packet.options.get(OPTION.relayAgent);
  const most = request && replyBytesMax(request.packet) + (relayInfo ? relayInfo.length + 2 : 0);
  if (most !== undefined && wire.lengthBytes > most) {
    say('reply-overlong', `${wire.lengthBytes} bytes, and the client takes ${most}`);
  }
  if (
    request &&
    isFirmware(request) &&
    wire.codes.length > 0 &&
    wire.codes[0] !== OPTION.messageType
  ) {
    say('message-type-late', `option ${wire.codes[0]} comes first`);
  }
  if (request && isFirmware(request) && packet.options.has(OPTION.overload)) {
    say('overloaded-for-firmware', `option 52 is ${packet.options.get(OPTION.overload)?.[0]}`);
  }
  // RFC 3046 2.1: the relay's information is the last option.
  if (packet.options.has(OPTION.relayAgent) && wire.codes.at(-1) !== OPTION.relayAgent) {
    say('relay-info-not-last', `option ${wire.codes.at(-1)} follows it`);
  }
}

function checkOptions(reply: DhcpMessage, request: DhcpMessage | undefined, say: Say): void {
  const { packet, type } = reply;
  const givesAddress =
    packet.yiaddr !== IPV4_ANY &&
    (type === MESSAGE.offer || type === MESSAGE.ack) &&
    request?.type !== MESSAGE.inform;
  if (givesAddress && !packet.options.has(OPTION.leaseTime))
    say('lease-time-missing', 'no option 51');
  if (givesAddress && !packet.options.has(OPTION.subnetMask)) say('mask-missing', 'no option 1');
  if (!request) return;
  // RFC 3046 2.2; the relay takes it out before it passes the reply on.
  const toRelay = reply.to.address === packet.giaddr && packet.giaddr !== IPV4_ANY;
  if (
    toRelay &&
    request.packet.options.has(OPTION.relayAgent) &&
    !packet.options.has(OPTION.relayAgent)
  ) {
    say('relay-info-missing', 'no option 82');
  }
  // RFC 4578 2.3: a server that knows the client's UUID sends it back.
  if (
    isFirmware(request) &&
    request.packet.options.has(OPTION.clientUuid) &&
    !packet.options.has(OPTION.clientUuid)
  ) {
    say('uuid-not-echoed', 'no option 97');
  }
}

function checkBootFile(reply: DhcpMessage, request: DhcpMessage, say: Say): void {
  const { packet, wire } = reply;
  const file = bootFileOf(reply);
  const option = packet.options.get(OPTION.bootFile);
  if (wire.fileUnterminated) say('boot-file-too-long', 'all 128 bytes of `file` are in use');
  if (file === '') return;
  const shown = `"${hideTokens(printable(file))}"`;
  const url = /^[a-z]+:\/\//i.test(file);
  if (isFirmware(request)) {
    // edk2 PxeBcDhcp4.c writes the NUL that is missing over the next option.
    if (option && option.at(-1) !== 0) say('boot-file-unterminated', `option 67 is ${shown}`);
    // PXE 2.1 keeps the name in the 128 bytes of `file`, its NUL included.
    if (request.client.stage === 'firmware' && file.length > 127) {
      say('boot-file-too-long', `${file.length} bytes: ${shown}`);
    }
    const wrong = wrongArch(file, request.client.arch);
    if (wrong) say('boot-file-wrong-arch', `${shown} for ${request.client.archName}: ${wrong}`);
  }
  if (request.client.stage === 'firmware' && !url && packet.siaddr === IPV4_ANY) {
    say('boot-server-missing', `${shown}, and siaddr is 0.0.0.0`);
  }
  if (request.client.stage === 'http-boot') checkHttpBoot(reply, file, say);
  // iPXE net/udp/dhcp.c holds an offer for two seconds to hear ProxyDHCP servers.
  const ipxe = packet.options.get(OPTION.ipxe);
  const told =
    ipxe !== undefined &&
    (subOptions(ipxe, true) ?? []).some(([code, value]) => code === 176 && value[0] === 1);
  if (
    request.client.stage === 'ipxe' &&
    reply.type === MESSAGE.offer &&
    packet.yiaddr !== IPV4_ANY &&
    !told
  ) {
    say('ipxe-waits-for-proxy', 'no sub-option 176 in option 175');
  }
}

/** UEFI 2.10, 24.7; edk2 HttpBootDhcp4.c takes a URL by name only beside a DNS server. */
function checkHttpBoot({ packet }: DhcpMessage, file: string, say: Say): void {
  if (!readText(packet.options.get(OPTION.vendorClass)).startsWith('HTTPClient')) {
    say('http-class-missing', 'no option 60 HTTPClient');
  }
  const host = /^https?:\/\/([^/:]+)/i.exec(file)?.[1];
  if (host && !/^[\d.]+$/.test(host) && !packet.options.has(OPTION.dns)) {
    say('http-url-by-name', `"${printable(host)}"`);
  }
}

const BIOS_ARCHS = [0, 20];
const FILE_ARCHS: readonly (readonly [pattern: RegExp, archs: readonly number[], name: string])[] =
  [
    [/(arm64|aa64|aarch64)[^/]*\.efi$/i, [11, 19], 'it says ARM64'],
    [/(x86_64|x64|amd64)[^/]*\.efi$/i, [7, 9, 16], 'it says x64'],
    [/(ia32|i386)[^/]*\.efi$/i, [6, 15], 'it says 32-bit x86'],
    [/(riscv64)[^/]*\.efi$/i, [27, 28], 'it says RISC-V'],
  ];

/** By the name alone: what is inside of a file, a capture of DHCP does not show. */
export function wrongArch(file: string, arch: number): string | undefined {
  const name = file.replace(/[?#].*$/s, '');
  const bios = BIOS_ARCHS.includes(arch);
  if (bios && /\.efi$/i.test(name)) return 'an .efi program needs UEFI';
  if (!bios && /(\.k?k?pxe|\.lkrn|\.0|\.n12|\.com)$/i.test(name)) return 'that program needs BIOS';
  if (bios) return undefined;
  return FILE_ARCHS.find(([pattern, archs]) => pattern.test(name) && !archs.includes(arch))?.[2];
}

/** Whether this offer is one that UEFI firmware follows up on port 4011 (edk2 PxeBcDhcp4.c, BINL offers). */
export function sendsToBootServer(reply: DhcpMessage, request: DhcpMessage): boolean {
  return (
    request.client.stage === 'firmware' &&
    !BIOS_ARCHS.includes(request.client.arch) &&
    readText(reply.packet.options.get(OPTION.vendorClass)).startsWith('PXEClient') &&
    !speaksPxe(reply.packet.options.get(OPTION.vendorSpecific))
  );
}
