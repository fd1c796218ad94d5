/** A 48-bit link-layer address in one spelling only: lower case, colons (`52:54:00:12:34:56`). */
export type Mac = string & { readonly __brand: 'Mac' };

const HEX_PAIRS =
  /^([0-9a-f]{2})[:-]?([0-9a-f]{2})[:-]?([0-9a-f]{2})[:-]?([0-9a-f]{2})[:-]?([0-9a-f]{2})[:-]?([0-9a-f]{2})$/i;

/** Reads `52:54:00:12:34:56`, `52-54-…` or `525400123456`; anything else is `undefined`. */
export function parseMac(text: string): Mac | undefined {
  const match = HEX_PAIRS.exec(text.trim());
  return match ? (match.slice(1).join(':').toLowerCase() as Mac) : undefined;
}

/** The hexadecimal digits of each byte, as character codes. */
const HIGH = Uint8Array.from({ length: 256 }, (_, byte) => (byte >> 4).toString(16).charCodeAt(0));
const LOW = Uint8Array.from({ length: 256 }, (_, byte) => (byte & 15).toString(16).charCodeAt(0));
const COLON = 0x3a;

/**
 * The six bytes of an Ethernet hardware address as text, such as the first of `chaddr`. Made in one piece, because it is the key of
 * many maps: one of several would be joined when it is first looked up, which costs as much again.
 *
 * @param at where they begin; what is not there counts as 0
 */
export function macFromBytes(bytes: Uint8Array, at = 0): Mac {
  const code = (digits: Uint8Array, index: number): number => digits[bytes[at + index] ?? 0] ?? 0;
  return String.fromCharCode(
    code(HIGH, 0),
    code(LOW, 0),
    COLON,
    code(HIGH, 1),
    code(LOW, 1),
    COLON,
    code(HIGH, 2),
    code(LOW, 2),
    COLON,
    code(HIGH, 3),
    code(LOW, 3),
    COLON,
    code(HIGH, 4),
    code(LOW, 4),
    COLON,
    code(HIGH, 5),
    code(LOW, 5),
  ) as Mac;
}

/** The six bytes of a MAC, in transmission order. */
export function macToBytes(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(':'), (pair) => Number.parseInt(pair, 16));
}

/** Stands where an address has no MAC that we know. */
export const NO_MAC = '00:00:00:00:00:00' as Mac;

/** False for all-zero, broadcast and multicast addresses, which identify no machine. */
export function isUnicastMac(mac: Mac): boolean {
  const first = Number.parseInt(mac.slice(0, 2), 16);
  return (first & 1) === 0 && mac !== NO_MAC;
}

/** Twelve hex digits without separators, as file names and generated names use them. */
export function macDigits(mac: Mac): string {
  return mac.replaceAll(':', '');
}

/** The six bytes at `at` as one number: a key that costs no text. */
export function macNumber(bytes: Uint8Array, at: number): number {
  let number = 0;
  for (let index = at; index < at + 6; index++) number = number * 256 + (bytes[index] ?? 0);
  return number;
}
