/**
 * The numbers of DNS that this server speaks of, with their names for people (IANA "Domain Name System Parameters").
 * A type without a name is written `TYPE123` (RFC 3597 section 5) and served like any other.
 */
export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  SSHFP: 44,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  TLSA: 52,
  CDS: 59,
  CDNSKEY: 60,
  CAA: 257,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

export const CLASS = { IN: 1, CH: 3, NONE: 254, ANY: 255 } as const;

export const OPCODE = { query: 0, notify: 4, update: 5 } as const;

export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  NOTAUTH: 9,
  BADVERS: 16,
  BADCOOKIE: 23,
} as const;

/** Bits of the second 16-bit word of a message (RFC 1035 section 4.1.1, RFC 4035 section 3). */
export const FLAG = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x0080 } as const;

export const TTL_MAX = 0x7fffffff;

const TYPE_NAMES = new Map<number, string>(
  Object.entries(TYPE).map(([name, value]) => [value, name]),
);
const TYPE_VALUES = new Map<string, number>(Object.entries(TYPE));
const RCODE_NAMES = new Map<number, string>(
  Object.entries(RCODE).map(([name, value]) => [value, name]),
);

export function formatType(type: number): string {
  return TYPE_NAMES.get(type) ?? `TYPE${type}`;
}

/** `A`, `aaaa` or `TYPE65280`. */
export function parseType(text: string): number | undefined {
  const upper = text.toUpperCase();
  const known = TYPE_VALUES.get(upper);
  if (known !== undefined) return known;
  const match = /^TYPE(\d{1,5})$/.exec(upper);
  const value = Number(match?.[1] ?? Number.NaN);
  return value >= 0 && value <= 65_535 ? value : undefined;
}

export function formatRcode(rcode: number): string {
  return RCODE_NAMES.get(rcode) ?? `RCODE${rcode}`;
}

/** Types of questions only, which no zone can hold (RFC 6895 section 3.1). */
export function isMetaType(type: number): boolean {
  return type === 0 || type === TYPE.OPT || (type >= 128 && type <= 255);
}

/** RFC 1982: whether serial `a` is newer than `b`. Undefined distances (exactly half) count as not newer. */
export function serialNewer(a: number, b: number): boolean {
  const distance = (a - b) >>> 0;
  return distance !== 0 && distance < 0x80000000;
}
