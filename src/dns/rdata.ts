/**
 * Rdata: one table of layouts drives reading from a message, text and canonical form.
 *
 * Rdata is kept uncompressed, its names folded to lower case (RFC 4034 section 6.2 does the same for the canonical form),
 * as one string of octets. A type without a row is opaque (RFC 3597): it is kept, served and written as `\# 4 0A4D0001`.
 * Decoding is total: what does not fill its length exactly is refused.
 */
import { type DnsName, foldName, formatLabel, formatName } from './name.ts';
import { formatType, TYPE } from './types.ts';

/** Uncompressed rdata, one character for each octet. */
export type Rdata = string & { readonly __brand: 'Rdata' };

/** One field of a layout, in the words of zone files. */
export type Field =
  | 'u8'
  | 'u16'
  | 'u32'
  | 'time'
  | 'type'
  | 'name'
  | 'ipv4'
  | 'ipv6'
  | 'string'
  | 'strings'
  | 'text'
  | 'hex'
  | 'base64'
  | 'bitmap';

export const RDATA_LAYOUTS = new Map<number, readonly Field[]>([
  [TYPE.A, ['ipv4']],
  [TYPE.AAAA, ['ipv6']],
  [TYPE.NS, ['name']],
  [TYPE.CNAME, ['name']],
  [TYPE.PTR, ['name']],
  [TYPE.DNAME, ['name']],
  [TYPE.SOA, ['name', 'name', 'u32', 'u32', 'u32', 'u32', 'u32']],
  [TYPE.MX, ['u16', 'name']],
  [TYPE.SRV, ['u16', 'u16', 'u16', 'name']],
  [TYPE.TXT, ['strings']],
  [TYPE.HINFO, ['string', 'string']],
  [TYPE.NAPTR, ['u16', 'u16', 'string', 'string', 'string', 'name']],
  [TYPE.CAA, ['u8', 'string', 'text']],
  [TYPE.SSHFP, ['u8', 'u8', 'hex']],
  [TYPE.TLSA, ['u8', 'u8', 'u8', 'hex']],
  [TYPE.DS, ['u16', 'u8', 'u8', 'hex']],
  [TYPE.CDS, ['u16', 'u8', 'u8', 'hex']],
  [TYPE.DNSKEY, ['u16', 'u8', 'u8', 'base64']],
  [TYPE.CDNSKEY, ['u16', 'u8', 'u8', 'base64']],
  [TYPE.RRSIG, ['type', 'u8', 'u8', 'u32', 'time', 'time', 'u16', 'name', 'base64']],
  [TYPE.NSEC, ['name', 'bitmap']],
]);

/** Types whose names may be compressed when sent (RFC 3597 section 4); SRV and newer ones may not. */
const COMPRESSIBLE = new Set<number>([TYPE.NS, TYPE.CNAME, TYPE.PTR, TYPE.SOA, TYPE.MX]);

const FIXED_BYTES: Partial<Record<Field, number>> = {
  u8: 1,
  u16: 2,
  type: 2,
  u32: 4,
  time: 4,
  ipv4: 4,
  ipv6: 16,
};

/** A stretch of rdata: octets to copy, or a name that an encoder may compress. */
export type RdataPart = { readonly kind: 'octets' | 'name'; readonly octets: string };

/** Reads one name at an offset of the message: the codec's, so that pointers work inside rdata. */
export type NameReader = (at: number) => { name: string; next: number } | undefined;

/** Uncompressed and folded rdata, or `undefined` when the bytes do not fill the layout exactly. */
export function decodeRdata(
  type: number,
  message: Uint8Array,
  span: { from: number; to: number; readName: NameReader },
): Rdata | undefined {
  const { from, to, readName } = span;
  const raw = (start: number, end: number) => octetsOf(message, start, end);
  const layout = RDATA_LAYOUTS.get(type);
  if (!layout) return raw(from, to) as Rdata;
  let at = from;
  let rdata = '';
  for (const field of layout) {
    let next: number;
    if (field === 'name') {
      const read = readName(at);
      if (!read || read.next > to) return undefined;
      rdata += foldName(read.name);
      at = read.next;
      continue;
    }
    if (field === 'string') next = at + 1 + (message[at] ?? 0);
    else next = FIXED_BYTES[field] === undefined ? to : at + (FIXED_BYTES[field] ?? 0);
    if (next > to || (field === 'string' && at >= to)) return undefined;
    if (field === 'strings' && !stringsFill(message, at, to)) return undefined;
    rdata += raw(at, next);
    at = next;
  }
  return at === to ? (rdata as Rdata) : undefined;
}

function octetsOf(bytes: Uint8Array, from: number, to: number): string {
  let text = '';
  for (let at = from; at < to; at++) text += String.fromCharCode(bytes[at] ?? 0);
  return text;
}

function stringsFill(bytes: Uint8Array, from: number, to: number): boolean {
  let at = from;
  while (at < to) at += 1 + (bytes[at] ?? 0);
  return at === to && to > from;
}

/** Splits rdata where an encoder may put pointers. */
export function rdataParts(type: number, rdata: Rdata): readonly RdataPart[] {
  const layout = RDATA_LAYOUTS.get(type);
  if (!layout || !COMPRESSIBLE.has(type)) return [{ kind: 'octets', octets: rdata }];
  const parts: RdataPart[] = [];
  let at = 0;
  for (const field of layout) {
    const length = field === 'name' ? nameLength(rdata, at) : (FIXED_BYTES[field] ?? 0);
    const kind = field === 'name' ? 'name' : 'octets';
    parts.push({ kind, octets: rdata.slice(at, at + length) });
    at += length;
  }
  return parts;
}

function nameLength(octets: string, from: number): number {
  let at = from;
  while (octets.charCodeAt(at) > 0) at += 1 + octets.charCodeAt(at);
  return at + 1 - from;
}

/** The name that a record points to, for the types that point (NS, CNAME, PTR, DNAME, MX, SRV). */
export function targetOf(type: number, rdata: Rdata): DnsName | undefined {
  switch (type) {
    case TYPE.NS:
    case TYPE.CNAME:
    case TYPE.PTR:
    case TYPE.DNAME:
      return rdata as string as DnsName;
    case TYPE.MX:
      return rdata.slice(2) as DnsName;
    case TYPE.SRV:
      return rdata.slice(6) as DnsName;
    default:
      return undefined;
  }
}

/** Presentation form of rdata, as zone files have it. */
export function formatRdata(type: number, rdata: Rdata): string {
  const layout = RDATA_LAYOUTS.get(type);
  if (!layout) return `\\# ${rdata.length}${rdata === '' ? '' : ` ${hexOf(rdata)}`}`;
  const words: string[] = [];
  let at = 0;
  for (const field of layout) {
    const length = fieldLength(field, rdata, at);
    words.push(formatField(field, rdata.slice(at, at + length)));
    at += length;
  }
  return words.join(' ');
}

function fieldLength(field: Field, rdata: string, at: number): number {
  if (field === 'name') return nameLength(rdata, at);
  if (field === 'string') return 1 + rdata.charCodeAt(at);
  return FIXED_BYTES[field] ?? rdata.length - at;
}

function formatField(field: Field, octets: string): string {
  const number = () => [...octets].reduce((sum, char) => sum * 256 + char.charCodeAt(0), 0);
  switch (field) {
    case 'u8':
    case 'u16':
    case 'u32':
    // Seconds are as legal as the calendar form (RFC 4034 section 3.2).
    case 'time':
      return String(number());
    case 'type':
      return formatType(number());
    case 'name':
      return formatName(octets);
    case 'ipv4':
      return [...octets].map((char) => char.charCodeAt(0)).join('.');
    case 'ipv6':
      return formatIpv6(octets);
    case 'string':
      return quoted(octets.slice(1));
    case 'text':
      return quoted(octets);
    case 'strings':
      return splitStrings(octets).map(quoted).join(' ');
    case 'hex':
      return hexOf(octets);
    case 'base64':
      return Buffer.from(octets, 'latin1').toString('base64');
    case 'bitmap':
      return bitmapTypes(octets).map(formatType).join(' ');
  }
}

function splitStrings(octets: string): string[] {
  const strings: string[] = [];
  for (let at = 0; at < octets.length; at += 1 + octets.charCodeAt(at)) {
    strings.push(octets.slice(at + 1, at + 1 + octets.charCodeAt(at)));
  }
  return strings;
}

/** A space needs no escape between quotes; everything else that does is a quote, a backslash or not printable. */
function quoted(octets: string): string {
  return `"${octets
    .split(' ')
    .map((word) => formatLabel(word, /["\\]/))
    .join(' ')}"`;
}

function hexOf(octets: string): string {
  return Buffer.from(octets, 'latin1').toString('hex').toUpperCase();
}

/** Types in an NSEC bitmap (RFC 4034 section 4.1.2). */
function bitmapTypes(octets: string): number[] {
  const types: number[] = [];
  for (let at = 0; at + 2 <= octets.length; at += 2 + octets.charCodeAt(at + 1)) {
    const base = octets.charCodeAt(at) * 256;
    const map = octets.slice(at + 2, at + 2 + octets.charCodeAt(at + 1));
    for (let bit = 0; bit < map.length * 8; bit++) {
      if (map.charCodeAt(bit >> 3) & (0x80 >> (bit & 7))) types.push(base + bit);
    }
  }
  return types;
}

/** RFC 5952: lower case, the longest run of zeros shortened. */
export function formatIpv6(octets: string): string {
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((octets.charCodeAt(2 * i) << 8) | octets.charCodeAt(2 * i + 1)).toString(16),
  );
  const run = /(^|:)0(:0)+(?=:|$)/g;
  const text = groups.join(':');
  const longest = [...text.matchAll(run)].sort((a, b) => b[0].length - a[0].length)[0];
  if (!longest) return text;
  const before = text.slice(0, longest.index);
  const after = text.slice(longest.index + longest[0].length);
  return `${before}::${after.replace(/^:/, '')}`;
}

/** Sixteen octets, or `undefined`. Accepts `::` and a dotted tail (RFC 4291 section 2.2). */
export function parseIpv6(text: string): string | undefined {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  let source = text;
  if (dotted) {
    const parts = dotted.slice(2).map(Number);
    if (parts.some((part) => part > 255)) return undefined;
    const [a = 0, b = 0, c = 0, d = 0] = parts;
    source = `${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const halves = source.split('::');
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const given = groups.flat();
  if (given.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const missing = 8 - given.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const zeros = Array.from({ length: halves.length === 2 ? missing : 0 }, () => '0');
  return [...(groups[0] ?? []), ...zeros, ...(groups[1] ?? [])]
    .map((group) => Number.parseInt(group, 16))
    .map((value) => String.fromCharCode(value >> 8, value & 255))
    .join('');
}
