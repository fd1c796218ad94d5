/**
 * The value of a DHCP option as text for people. Total: a value that does not have its option's shape comes out as hex,
 * and no byte of it reaches a terminal unescaped.
 *
 * Options that hold options (43, 82, 124, 125, 175) come out as parts, one line each: option-nested.ts.
 */
import { formatIpv4, ipv4FromBytes } from '../wire/ipv4.ts';
import { macFromBytes } from '../wire/mac.ts';
import { archName } from './client-class.ts';
import { type OptionShape, optionShape } from './option-names.ts';
import {
  readIpxe,
  readRelay,
  readVendor,
  readVendorClasses,
  readVendorOptions,
} from './option-nested.ts';
import { addressList, hex, number, printable, quoted, type Reading } from './option-plain.ts';
import { readUuid } from './options.ts';

export interface OptionText {
  readonly text: string;
  /** One line for each option inside of this one. */
  readonly parts: readonly string[];
}

export const MESSAGE_NAMES = [
  ...['BOOTP', 'DISCOVER', 'OFFER', 'REQUEST', 'DECLINE', 'ACK', 'NAK', 'RELEASE', 'INFORM'],
  ...['FORCERENEW', 'LEASEQUERY', 'LEASEUNASSIGNED', 'LEASEUNKNOWN', 'LEASEACTIVE'],
] as const;

const READINGS: Record<
  Exclude<OptionShape, 'vendor' | 'relay' | 'vendor-classes' | 'vendor-options' | 'ipxe'>,
  Reading
> = {
  address: (value) => (value.length === 4 ? addressList(value) : undefined),
  addresses: addressList,
  'address-pairs': (value) => {
    const list = value.length % 8 === 0 ? addressList(value)?.split(' ') : undefined;
    return list
      ?.flatMap((first, index) => (index % 2 === 0 ? [`${first} ${list[index + 1]}`] : []))
      .join(', ');
  },
  number,
  signed: (value) => (value.length === 4 ? String(Buffer.from(value).readInt32BE(0)) : undefined),
  seconds: (value) => {
    const seconds = number(value);
    return seconds === '4294967295' ? 'for ever' : seconds && `${seconds} s`;
  },
  text: quoted,
  flag: (value) => (value.length === 0 ? 'yes' : number(value)),
  codes: (value) => [...value].join(' '),
  hex,
  'message-type': (value) => (value.length === 1 ? MESSAGE_NAMES[value[0] ?? 0] : undefined),
  overload: (value) =>
    value.length === 1 ? ['none', 'file', 'sname', 'file and sname'][value[0] ?? 0] : undefined,
  'client-id': clientId,
  'user-class': userClass,
  fqdn,
  archs: (value) =>
    value.length > 0 && value.length % 2 === 0
      ? Array.from({ length: value.length / 2 }, (_, index) => {
          const code = ((value[index * 2] ?? 0) << 8) | (value[index * 2 + 1] ?? 0);
          return `${code} ${archName(code)}`;
        }).join(', ')
      : undefined,
  // RFC 4578 2.2: 1 is UNDI.
  interface: (value) =>
    value.length === 3 ? `type ${value[0]}, version ${value[1]}.${value[2]}` : undefined,
  uuid: (value) => readUuid(value),
  names: (value) => domainNames(value)?.join(' '),
  routes: (value) => routes(value)?.join(', '),
};

/** @param vendorClass option 60 of the packet, which says whose language option 43 is in. */
export function readOption(
  code: number,
  value: Uint8Array,
  { vendorClass = '' }: { readonly vendorClass?: string } = {},
): OptionText {
  const shape = optionShape(code);
  const nested = (parts: string[] | undefined): OptionText =>
    parts ? { text: '', parts } : { text: hex(value), parts: [] };
  switch (shape) {
    case 'vendor':
      return nested(readVendor(value, vendorClass));
    case 'relay':
      return nested(readRelay(value));
    case 'vendor-classes':
      return nested(readVendorClasses(value));
    case 'vendor-options':
      return nested(readVendorOptions(value));
    case 'ipxe':
      return nested(readIpxe(value));
    default:
      return { text: READINGS[shape](value) ?? hex(value), parts: [] };
  }
}

/** RFC 2132 9.14 and RFC 4361 6.1: a hardware type and address, or 255, an IAID and a DUID. */
function clientId(value: Uint8Array): string {
  if (value[0] === 1 && value.length === 7) return `ethernet ${macFromBytes(value.subarray(1))}`;
  if (value[0] === 0 && value.length === 17) return `uuid ${readUuid(value)}`;
  if (value[0] === 255 && value.length > 7) {
    return `iaid ${hex(value.subarray(1, 5))} duid ${hex(value.subarray(5))}`;
  }
  return value[0] === 0 ? quoted(value.subarray(1)) : hex(value);
}

/** RFC 3004 puts a length before each class; iPXE sends its four letters bare. */
function userClass(value: Uint8Array): string {
  const classes: string[] = [];
  for (let at = 0; at < value.length; ) {
    const length = value[at] ?? 0;
    if (length === 0 || at + 1 + length > value.length) return quoted(value);
    classes.push(quoted(value.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return classes.join(' ');
}

/** RFC 4702: flags, two bytes that are out of use, and a name in DNS or, deprecated, in text form. */
function fqdn(value: Uint8Array): string | undefined {
  if (value.length < 3) return undefined;
  const flags = value[0] ?? 0;
  const set = ['S', 'O', 'E', 'N'].filter((_, bit) => flags & (1 << bit)).join('') || 'none';
  const rest = value.subarray(3);
  const name = flags & 4 ? domainName(rest) : quoted(rest);
  return name === undefined ? undefined : `${name} flags ${set}`;
}

/** A name may be partial here: it then lacks the root label. */
function domainName(value: Uint8Array): string | undefined {
  const ended = value.at(-1) === 0 ? value : Uint8Array.from([...value, 0]);
  const names = domainNames(ended);
  return names?.length === 1 ? names[0] : undefined;
}

const POINTERS_MAX = 32;

/** RFC 3397: names in DNS form; a pointer counts from the start of the option and must point back. */
function domainNames(value: Uint8Array): string[] | undefined {
  const names: string[] = [];
  for (let at = 0; at < value.length; ) {
    const labels: string[] = [];
    let end: number | undefined;
    let from = at;
    let jumps = 0;
    for (;;) {
      const length = value[from];
      if (length === undefined) return undefined;
      if (length === 0) break;
      if (length >= 0xc0) {
        const target = ((length & 0x3f) << 8) | (value[from + 1] ?? 0);
        end ??= from + 2;
        jumps += 1;
        if (target >= from || jumps > POINTERS_MAX) return undefined;
        from = target;
        continue;
      }
      if (length > 63 || from + 1 + length > value.length) return undefined;
      labels.push(
        printable(Buffer.from(value.subarray(from + 1, from + 1 + length)).toString('latin1')),
      );
      from += 1 + length;
    }
    names.push(labels.join('.') || '.');
    at = end ?? from + 1;
  }
  return names.length > 0 ? names : undefined;
}

/** RFC 3442: prefix length, as many bytes of the network as it needs, router. */
function routes(value: Uint8Array): string[] | undefined {
  const found: string[] = [];
  for (let at = 0; at < value.length; ) {
    const bits = value[at] ?? 0;
    const significant = Math.ceil(bits / 8);
    if (bits > 32 || at + 1 + significant + 4 > value.length) return undefined;
    const network = new Uint8Array(4);
    network.set(value.subarray(at + 1, at + 1 + significant));
    const router = formatIpv4(ipv4FromBytes(value, at + 1 + significant));
    found.push(`${formatIpv4(ipv4FromBytes(network))}/${bits} via ${router}`);
    at += 1 + significant + 4;
  }
  return found.length > 0 ? found : undefined;
}
