/** An IPv4 address as an unsigned 32-bit number in host order: compares, sorts and increments naturally. */
export type Ipv4 = number & { readonly __brand: 'Ipv4' };

/** A network: its first address and its prefix length in bits. */
export interface Cidr {
  readonly network: Ipv4;
  readonly prefixBits: number;
}

export const IPV4_ANY = 0 as Ipv4;
export const IPV4_BROADCAST = 0xffffffff as Ipv4;

const DOTTED = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

/** Reads strict dotted decimal; no octal, no short forms. */
export function parseIpv4(text: string): Ipv4 | undefined {
  const match = DOTTED.exec(text);
  if (!match) return undefined;
  let value = 0;
  for (const part of match.slice(1)) {
    const octet = Number(part);
    if (octet > 255 || (part.length > 1 && part.startsWith('0'))) return undefined;
    value = value * 256 + octet;
  }
  return value as Ipv4;
}

export function formatIpv4(address: Ipv4): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

export function ipv4FromBytes(bytes: Uint8Array, offset = 0): Ipv4 {
  const high = ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
  const low = ((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0);
  return (((high << 16) | low) >>> 0) as Ipv4;
}

export function ipv4ToBytes(address: Ipv4): Uint8Array {
  return Uint8Array.of(
    address >>> 24,
    (address >>> 16) & 255,
    (address >>> 8) & 255,
    address & 255,
  );
}

/** The netmask of a prefix length of 0 to 32 bits. */
export function netmask(prefixBits: number): Ipv4 {
  return (prefixBits === 0 ? 0 : (0xffffffff << (32 - prefixBits)) >>> 0) as Ipv4;
}

/** Reads `10.77.0.0/24`; bits set to the right of the prefix are refused. */
export function parseCidr(text: string): Cidr | undefined {
  const [addressText = '', bitsText = '', ...rest] = text.split('/');
  const network = parseIpv4(addressText);
  if (network === undefined || rest.length > 0 || !/^\d{1,2}$/.test(bitsText)) return undefined;
  const prefixBits = Number(bitsText);
  if (prefixBits > 32 || (network & netmask(prefixBits)) >>> 0 !== network) return undefined;
  return { network, prefixBits };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIpv4(cidr.network)}/${cidr.prefixBits}`;
}

export function contains(cidr: Cidr, address: Ipv4): boolean {
  return (address & netmask(cidr.prefixBits)) >>> 0 === cidr.network;
}

/** The directed broadcast address of a network. */
export function broadcastOf(cidr: Cidr): Ipv4 {
  return ((cidr.network | ~netmask(cidr.prefixBits)) >>> 0) as Ipv4;
}

/** The first and the last address that a machine may have: not the network's own, not its broadcast (RFC 3021 for a /31). */
export function hostsOf(cidr: Cidr): readonly [number, number] {
  const ends = cidr.prefixBits >= 31 ? 0 : 1;
  return [cidr.network + ends, broadcastOf(cidr) - ends];
}
