/**
 * Domain names, held as their wire form in one string.
 *
 * A name is its length-prefixed labels with the closing zero, one character for each octet (`\x03www\x00`). That makes a
 * name a cheap, immutable map key; a rdata that is held the same way compares octet by octet with `<`, which is the
 * canonical order of RFC 4034 section 6.3. A `DnsName` is folded to lower case (ASCII only, RFC 4343); a `RawName` is
 * as it was received. Octets above 127 are legal and kept (RFC 2181 section 11). Nothing in here resolves anything.
 */

/** A name in wire form, folded to lower case. */
export type DnsName = string & { readonly __brand: 'DnsName' };
/** A name in wire form as it was received: its case is still its own. */
export type RawName = string;

const ROOT = '\0' as DnsName;
export const NAME_BYTES_MAX = 255;
export const LABEL_BYTES_MAX = 63;

/** Folds A-Z and nothing else; octets above 127 are no letters of DNS. */
export function foldName(name: RawName): DnsName {
  return name.replace(/[A-Z]+/g, (upper) => upper.toLowerCase()) as DnsName;
}

/** Labels from the left, without lengths; empty for the root. */
export function labelsOf(name: RawName): string[] {
  const labels: string[] = [];
  for (let at = 0; ; ) {
    const length = name.charCodeAt(at);
    if (!(length > 0)) return labels;
    labels.push(name.slice(at + 1, at + 1 + length));
    at += 1 + length;
  }
}

/** The name without its first label; `undefined` for the root. */
export function parentOf(name: DnsName): DnsName | undefined {
  const length = name.charCodeAt(0);
  return length > 0 ? (name.slice(1 + length) as DnsName) : undefined;
}

/** @returns `undefined` when a label or the whole would be too long */
export function nameOf(labels: readonly string[], under: DnsName = ROOT): DnsName | undefined {
  let name = '';
  for (const label of labels) {
    if (label.length === 0 || label.length > LABEL_BYTES_MAX) return undefined;
    name += String.fromCharCode(label.length) + label;
  }
  name += under;
  return name.length <= NAME_BYTES_MAX ? foldName(name) : undefined;
}

/** True for the zone's own name and everything below it. */
export function isWithin(name: DnsName, zone: DnsName): boolean {
  if (!name.endsWith(zone)) return false;
  let at = 0;
  while (at < name.length - zone.length) at += 1 + name.charCodeAt(at);
  return at === name.length - zone.length;
}

/**
 * Reads presentation form (RFC 1035 section 5.1): `\.` and `\123` escapes, a final dot makes it absolute, `@` is the
 * origin. @returns `undefined` for an empty label, one too long, or a relative name without an origin
 */
export function parseName(text: string, origin?: DnsName): DnsName | undefined {
  if (text === '.') return ROOT;
  if (text === '@') return origin;
  const labels: string[] = [];
  let label = '';
  let absolute = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? '';
    if (char === '.') {
      if (label === '') return undefined;
      labels.push(label);
      label = '';
      absolute = at === text.length - 1;
    } else if (char === '\\') {
      const escaped = readEscape(text, at);
      if (!escaped) return undefined;
      label += escaped.char;
      at += escaped.skip;
    } else if (char.charCodeAt(0) > 32 && char.charCodeAt(0) < 127) label += char;
    else return undefined;
  }
  if (label !== '') labels.push(label);
  if (labels.length === 0) return undefined;
  if (absolute) return nameOf(labels);
  return origin === undefined ? undefined : nameOf(labels, origin);
}

function readEscape(text: string, at: number): { char: string; skip: number } | undefined {
  const digits = text.slice(at + 1, at + 4);
  if (/^\d{3}$/.test(digits)) {
    return Number(digits) > 255
      ? undefined
      : { char: String.fromCharCode(Number(digits)), skip: 3 };
  }
  const next = text[at + 1];
  return next === undefined || /\d/.test(next) ? undefined : { char: next, skip: 1 };
}

/** Presentation form with the final dot; what would be read differently is escaped. */
export function formatName(name: RawName): string {
  const labels = labelsOf(name);
  return labels.length === 0 ? '.' : `${labels.map((label) => formatLabel(label)).join('.')}.`;
}

/** A label or character string with escapes; `special` are the characters that need a backslash. */
export function formatLabel(label: string, special = /["().;\\@$]/): string {
  let text = '';
  for (const char of label) {
    const code = char.charCodeAt(0);
    if (code <= 32 || code >= 127) text += `\\${String(code).padStart(3, '0')}`;
    else text += special.test(char) ? `\\${char}` : char;
  }
  return text;
}

/** Canonical order (RFC 4034 section 6.1): label by label from the right. */
export function compareNames(a: DnsName, b: DnsName): number {
  const left = labelsOf(a);
  const right = labelsOf(b);
  for (let i = 1; i <= Math.min(left.length, right.length); i++) {
    const x = left[left.length - i] ?? '';
    const y = right[right.length - i] ?? '';
    if (x !== y) return x < y ? -1 : 1;
  }
  return left.length - right.length;
}

/** Bytes as a string of one character per octet, and back: the form of names and rdata in here. */
export function toOctets(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

export function fromOctets(octets: string): Uint8Array {
  const bytes = new Uint8Array(octets.length);
  for (let at = 0; at < octets.length; at++) bytes[at] = octets.charCodeAt(at);
  return bytes;
}
