/**
 * Names of addresses: in-addr.arpa, ip6.arpa, and RFC 2317 for networks smaller than an octet.
 *
 * A network of /24 or wider is cut into zones at octet borders (a /22 is four zones), an IPv6 one at nibbles. A smaller
 * IPv4 one is the zone `64/26.2.0.10.in-addr.arpa`; where its parent is ours too, that holds an alias for each name.
 */
import { parseIpv4 } from '../wire/ipv4.ts';
import { type DnsName, nameOf, parseName } from './name.ts';
import { parseIpv6 } from './rdata.ts';
import { bigEndian } from './rdata-text.ts';

/** 4 or 16 octets, or `undefined`. */
export function parseAddress(text: string): string | undefined {
  const v4 = parseIpv4(text);
  return v4 === undefined ? parseIpv6(text) : bigEndian(v4, 4);
}

const IN_ADDR = parseName('in-addr.arpa.') as DnsName;
const IP6 = parseName('ip6.arpa.') as DnsName;

function decimals(octets: string): string[] {
  return [...octets].map((char) => String(char.charCodeAt(0)));
}

function nibbles(octets: string): string[] {
  return [...octets].flatMap((char) => [...char.charCodeAt(0).toString(16).padStart(2, '0')]);
}

/** The name whose PTR names this address, in a zone of whole octets or nibbles. */
export function reverseName(address: string): DnsName {
  const v4 = address.length === 4;
  const labels = v4 ? decimals(address) : nibbles(address);
  return nameOf(labels.reverse(), v4 ? IN_ADDR : IP6) as DnsName;
}

export interface ReverseNetwork {
  readonly address: string;
  readonly bits: number;
}

/** `10.0.0.0/22`, `2001:db8::/48`; `undefined` when it is none or has bits right of its length. */
export function parseNetwork(text: string): ReverseNetwork | undefined {
  const [addressText = '', bitsText = ''] = text.split('/');
  const address = parseAddress(addressText);
  const bits = Number(bitsText);
  if (address === undefined || !/^\d{1,3}$/.test(bitsText) || bits > address.length * 8 || bits < 1)
    return undefined;
  for (let bit = bits; bit < address.length * 8; bit++) {
    if (address.charCodeAt(bit >> 3) & (0x80 >> (bit & 7))) return undefined;
  }
  return { address, bits };
}

export function inNetwork(address: string, network: ReverseNetwork): boolean {
  if (address.length !== network.address.length) return false;
  for (let bit = 0; bit < network.bits; bit++) {
    const mask = 0x80 >> (bit & 7);
    if ((address.charCodeAt(bit >> 3) ^ network.address.charCodeAt(bit >> 3)) & mask) return false;
  }
  return true;
}

/** Whether a network needs a classless zone. */
export function isClassless({ address, bits }: ReverseNetwork): boolean {
  return address.length === 4 && bits > 24 && bits < 32;
}

/** The zones that cover a network: one, or as many as there are units in it up to the next border. */
export function zonesOfNetwork(network: ReverseNetwork): DnsName[] {
  const { address, bits } = network;
  if (isClassless(network)) return [classlessZone(network)];
  const v4 = address.length === 4;
  const unit = v4 ? 8 : 4;
  const whole = Math.min(Math.ceil(bits / unit), v4 ? 3 : 32);
  const labels = (v4 ? decimals(address) : nibbles(address)).slice(0, whole);
  const spread = Math.max(0, whole * unit - bits);
  const first = Number.parseInt(labels[whole - 1] ?? '0', v4 ? 10 : 16);
  return Array.from({ length: 2 ** spread }, (_, i) => {
    const last = (first + i).toString(v4 ? 10 : 16);
    return nameOf([last, ...labels.slice(0, -1).reverse()], v4 ? IN_ADDR : IP6) as DnsName;
  });
}

function classlessZone({ address, bits }: ReverseNetwork): DnsName {
  const [a = '', b = '', c = '', d = ''] = decimals(address);
  return nameOf([`${d}/${bits}`, c, b, a], IN_ADDR) as DnsName;
}

/** Where the PTR of an address is in a classless zone: its last octet below the zone's name. */
export function classlessName(address: string, network: ReverseNetwork): DnsName {
  return nameOf([decimals(address)[3] ?? ''], classlessZone(network)) as DnsName;
}
