/** A 48-bit link-layer address in one spelling only: lower case, colons (`52:54:00:12:34:56`). */
export type Mac = string & { readonly __brand: 'Mac' };

const HEX_PAIRS =
  /^([0-9a-f]{2})[:-]?([0-9a-f]{2})[:-]?([0-9a-f]{2})[:-]?([0-9a-f]{2})[:-]?([0-9a-f]{2})[:-]?([0-9a-f]{2})$/i;

/** Reads `52:54:00:12:34:56`, `52-54-…` or `525400123456`; anything else is `undefined`. */
export function parseMac(text: string): Mac | undefined {
  const match = HEX_PAIRS.exec(text.trim());
  return match ? (match.slice(1).join(':').toLowerCase() as Mac) : undefined;
}

/** The six bytes of an Ethernet hardware address (`chaddr[0..6]`) as text. */
export function macFromBytes(bytes: Uint8Array): Mac {
  return Array.from(bytes.subarray(0, 6), (b) => b.toString(16).padStart(2, '0')).join(':') as Mac;
}

/** The six bytes of a MAC, in transmission order. */
export function macToBytes(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(':'), (pair) => Number.parseInt(pair, 16));
}

/** False for all-zero, broadcast and multicast addresses, which identify no machine. */
export function isUnicastMac(mac: Mac): boolean {
  const first = Number.parseInt(mac.slice(0, 2), 16);
  return (first & 1) === 0 && mac !== '00:00:00:00:00:00';
}

/** Twelve hex digits without separators, as file names and generated names use them. */
export function macDigits(mac: Mac): string {
  return mac.replaceAll(':', '');
}
