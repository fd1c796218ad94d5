/**
 * The values of the options that a site configures, as bytes. Pure and total: what cannot be encoded ends in
 * `undefined`, and the schema in `option-settings.ts` turns that into a sentence for the person who wrote it.
 */
import { type Cidr, type Ipv4, ipv4ToBytes } from '../wire/ipv4.ts';

export interface Route {
  readonly to: Cidr;
  readonly via: Ipv4;
}

/** RFC 3442: prefix length, the octets of the network that the prefix reaches into, the gateway; one after another. */
export function encodeRoutes(routes: readonly Route[]): Uint8Array {
  return Uint8Array.from(
    routes.flatMap(({ to: { network, prefixBits }, via }) => [
      prefixBits,
      ...ipv4ToBytes(network).subarray(0, Math.ceil(prefixBits / 8)),
      ...ipv4ToBytes(via),
    ]),
  );
}

const LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;
const NAME_BYTES_MAX = 255;
/** A pointer holds 14 bits (RFC 1035 4.1.4). */
const POINTER_MAX = 0x3fff;

/** The labels of a name, a final dot allowed; `undefined` for what is no host name (RFC 1123 2.1). */
export function labelsOf(name: string): string[] | undefined {
  const labels = name.replace(/\.$/, '').split('.');
  const bytes = labels.reduce((sum, label) => sum + 1 + label.length, 1);
  return bytes <= NAME_BYTES_MAX && labels.every((label) => LABEL.test(label)) ? labels : undefined;
}

/**
 * RFC 3397: names in the wire format of DNS, each ending compressed against those before it. Offsets count from the
 * start of the option's value, also where RFC 3396 splits it over several instances.
 */
export function encodeSearchList(names: readonly string[]): Uint8Array | undefined {
  const bytes: number[] = [];
  const known = new Map<string, number>();
  for (const name of names) {
    const labels = labelsOf(name);
    if (!labels) return undefined;
    let rest = labels;
    while (rest.length > 0) {
      const suffix = rest.join('.').toLowerCase();
      const at = known.get(suffix);
      if (at !== undefined) {
        bytes.push(0xc0 | (at >>> 8), at & 255);
        break;
      }
      if (bytes.length <= POINTER_MAX) known.set(suffix, bytes.length);
      const label = rest[0] ?? '';
      bytes.push(label.length, ...Buffer.from(label, 'latin1'));
      rest = rest.slice(1);
      if (rest.length === 0) bytes.push(0);
    }
  }
  return Uint8Array.from(bytes);
}

/** A two's complement number of four bytes: seconds east of UTC (RFC 2132 3.4). */
export function encodeS32(value: number): Uint8Array {
  return Uint8Array.of(value >> 24, value >> 16, value >> 8, value);
}

/** Pairs of hex digits, with or without colons or spaces between them. */
export function parseHex(text: string): Uint8Array | undefined {
  const digits = text.replace(/[\s:]/g, '');
  return /^(?:[0-9a-f]{2})+$/i.test(digits)
    ? Uint8Array.from(Buffer.from(digits, 'hex'))
    : undefined;
}
