/** The parts that replies are made of: network parameters, the boot part, and what is echoed. */
import { broadcastOf, IPV4_ANY, type Ipv4, netmask } from '../wire/ipv4.ts';
import { addresses, nulTerminated, OPTION, text, u32 } from './options.ts';
import type { DhcpPacket } from './packet.ts';
import type { BootAnswer, Segment } from './ports.ts';

export function networkOptions(segment: Segment, options: Map<number, Uint8Array>): void {
  options.set(OPTION.subnetMask, u32(netmask(segment.cidr.prefixBits)));
  options.set(OPTION.broadcast, u32(broadcastOf(segment.cidr)));
  if (segment.routers.length > 0) options.set(OPTION.router, addresses(segment.routers));
  if (segment.dns.length > 0) options.set(OPTION.dns, addresses(segment.dns));
  if (segment.domain !== '') options.set(OPTION.domain, text(segment.domain));
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

/** What goes back as it came: client id (RFC 6842), UUID (RFC 4578 2.3), relay information (RFC 3046 2.2). */
export function echo(packet: DhcpPacket, options: Map<number, Uint8Array>): void {
  for (const code of [OPTION.clientId, OPTION.clientUuid, OPTION.relayAgent]) {
    const value = packet.options.get(code);
    if (value) options.set(code, value);
  }
}
