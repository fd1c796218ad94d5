/** An IPv4 address as an unsigned 32-bit number in host order: compares, sorts and increments naturally. */
export type Ipv4 = number & { readonly __brand: 'Ipv4' };

/** A network: its first address and its prefix length in bits. */
export interface Cidr {
  readonly network: Ipv4;
  readonly prefixBits: number;
}

export const IPV4_ANY = 0 as Ipv4;
export const IPV4_BROADCAST = 0xffffffff as Ipv4;

const DOT = 46;
const ZERO = 48;
const NINE = 57;

/** Reads strict dotted decimal; no octal, no short forms. By character: it is asked for with packets, and a pattern costs a microsecond. */
export function parseIpv4(text: string): Ipv4 | undefined {
  let value = 0;
  let dots = 0;
  let octet = 0;
  let digits = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === DOT) {
      if (digits === 0 || ++dots > 3) return undefined;
      value = value * 256 + octet;
      octet = digits = 0;
    } else {
      // A second digit behind a zero would be octal to some.
      if (char < ZERO || char > NINE || (digits > 0 && octet === 0)) return undefined;
      octet = octet * 10 + char - ZERO;
      digits += 1;
      if (octet > 255) return undefined;
    }
  }
  return dots === 3 && digits > 0 ? ((value * 256 + octet) as Ipv4) : undefined;
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
